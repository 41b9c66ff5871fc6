/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Decides when the device of a port is repaired: at once, on a schedule, or no longer. look.c makes
 * the repairs; this keeps the schedule and the result of each port's last attempt.
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

/* Called when the port's next attempt is due. */
typedef void (*RepairDue)(Port *port, gpointer user_data);

/* delays: REPAIR_ATTEMPTS of them, borrowed. due is called from the thread-default main context. */
Repairs *repairs_new(const guint *delays, RepairDue due, gpointer user_data);
void repairs_free(Repairs *repairs);

/* Call it before the port is freed, and when nothing is left to repair. */
void repairs_forget(Repairs *repairs, const Port *port);

/* Whether a repair of the port is in progress, was just made, or was given up. */
gboolean repairs_has(Repairs *repairs, const Port *port);

/* Whether the next attempt is due. */
gboolean repairs_waits(Repairs *repairs, const Port *port);

/* Whether the repair concerns a change of the parent. */
gboolean repairs_is_by_parent(Repairs *repairs, const Port *port);

typedef enum RepairTurn {
    REPAIR_NO_NEWS, /* it waits for its next attempt, or was given up in this state */
    REPAIR_LATER,   /* others undid a repair: an attempt is scheduled */
    REPAIR_NOW,
} RepairTurn;

/* The device differs from its required state. */
RepairTurn repairs_ask(Repairs *repairs, Port *port, const DeviceState *wanted,
                       const LinkInfo *device, gboolean by_parent);

/* An attempt was made: the required state, the device now, and the fields (of DeviceField) that are
 * still wrong. Call one of the two functions below next. */
void repairs_attempted(Repairs *repairs, Port *port, const DeviceState *wanted,
                       const LinkInfo *device, guint fields);

/* The attempt had the desired effect, which still has to last. */
void repairs_done(Repairs *repairs, Port *port);

/* It had none, or the device could not be read: sets the port's problem, which also says if the
 * repair was given up. TRUE if the port has changed. parent: as it is now. is_error: the kernel
 * refused; without an error the attempt may have been undone before we checked, and its event is
 * still to come. */
gboolean repairs_failed(Repairs *repairs, Port *port, const LinkInfo *parent, const char *problem,
                        gboolean is_error);
gboolean repairs_look_failed(Repairs *repairs, Port *port, const LinkInfo *parent,
                             const char *problem);

/* The device is in its required state. */
void repairs_found_good(Repairs *repairs, const Port *port);

/* An event showed the device in its required state, if only for a moment: the last attempt had an
 * effect after all. */
void repairs_saw_good(Repairs *repairs, const Port *port);

/* Whether the port's repair was given up and starts again because its parent has changed. */
gboolean repairs_saw_parent(Repairs *repairs, const Port *port, const LinkInfo *parent);

/* A repair that was given up is retried at the next look. */
void repairs_begin_anew(Repairs *repairs);

/* The ports (borrowed) that wait for a MAC which another link of their parent had; free with
 * g_ptr_array_unref(). parent_index 0: any parent. */
GPtrArray *repairs_list_blocked(Repairs *repairs, int parent_index);

/* Whether the port is still one of them; if so, its schedule starts again. */
gboolean repairs_unblock(Repairs *repairs, const Port *port);
