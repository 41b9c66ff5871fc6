/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * When the device of a port is repaired: at once, on a schedule, or not any more. What a repair is,
 * look.c knows; this keeps the time and what each port's last attempt came to.
 */
#pragma once

#include "device-state.h"
#include "link-info.h"
#include "port.h"

#include <glib.h>

#define REPAIR_ATTEMPTS 5

/* Milliseconds before each attempt. */
extern const guint repair_default_delays[REPAIR_ATTEMPTS];

typedef struct Repairs Repairs;

/* It is the turn of the port's next attempt. */
typedef void (*RepairDue)(Port *port, gpointer user_data);

/* delays: REPAIR_ATTEMPTS of them, borrowed. due is called from the thread-default main context. */
Repairs *repairs_new(const guint *delays, RepairDue due, gpointer user_data);
void repairs_free(Repairs *repairs);

/* Before the port is freed, and whenever there is nothing to be repaired any more. */
void repairs_forget(Repairs *repairs, const Port *port);

/* Whether a repair of the port is under way, has just been made, or was given up. */
gboolean repairs_has(Repairs *repairs, const Port *port);

/* Whether the next attempt has its turn. */
gboolean repairs_waits(Repairs *repairs, const Port *port);

/* Whether it is a change of the parent that is being repaired. */
gboolean repairs_is_by_parent(Repairs *repairs, const Port *port);

typedef enum RepairTurn {
    REPAIR_NO_NEWS, /* it waits for its turn, or was given up in this state */
    REPAIR_LATER,   /* others have undone a repair: its turn comes */
    REPAIR_NOW,
} RepairTurn;

/* The device was found otherwise than wanted. */
RepairTurn repairs_ask(Repairs *repairs, Port *port, const DeviceState *wanted,
                       const LinkInfo *device, gboolean by_parent);

/* An attempt was made: what was wanted, what the device is now, and in which fields (of
 * DeviceField) it is still wrong. Then one of the two below. */
void repairs_attempted(Repairs *repairs, Port *port, const DeviceState *wanted,
                       const LinkInfo *device, guint fields);

/* The attempt had the effect that was wanted, which is yet to last. */
void repairs_done(Repairs *repairs, Port *port);

/* It had none, or the device could not be looked at: the port's problem says so, and when it was
 * the last attempt, that it was given up. TRUE when the port has changed. parent: as it is now.
 * is_error: the kernel has refused; without an error the attempt may have been undone before we
 * looked, and the event of it is still to come. */
gboolean repairs_failed(Repairs *repairs, Port *port, const LinkInfo *parent, const char *problem,
                        gboolean is_error);
gboolean repairs_look_failed(Repairs *repairs, Port *port, const LinkInfo *parent,
                             const char *problem);

/* The device was found as wanted. */
void repairs_found_good(Repairs *repairs, const Port *port);

/* The event of a device that was as wanted, if but for a moment: the last attempt had an effect
 * after all. */
void repairs_saw_good(Repairs *repairs, const Port *port);

/* Whether the port's repair was given up and begins anew, as its parent is not what it was then. */
gboolean repairs_saw_parent(Repairs *repairs, const Port *port, const LinkInfo *parent);

/* What was given up is tried again when the port is looked at. */
void repairs_begin_anew(Repairs *repairs);

/* The ports (borrowed) that wait for a MAC which another link of their parent had; free with
 * g_ptr_array_unref(). parent_index 0: any parent. */
GPtrArray *repairs_list_blocked(Repairs *repairs, int parent_index);

/* Whether the port is still one of those; if so, the next attempt is its first. */
gboolean repairs_unblock(Repairs *repairs, const Port *port);
