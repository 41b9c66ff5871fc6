/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The ports that are being removed, and the callers that wait; see removals.c. */
#pragma once

#include "broker.h"
#include "registry.h"

typedef struct Removals Removals;

/* A port to be removed, and what became of it. */
typedef struct PortRemoval {
    Port *port; /* in the registry; freed when it is gone */
    PortEnd end;
    gboolean gone;
    GError *error; /* it may be gone nevertheless */
} PortRemoval;

/* Removes the devices of these ports, then their records. is_last: no others are to follow. */
typedef void (*RemovalsExecute)(PortRemoval *removals, guint n, gboolean is_last,
                                gpointer user_data);

/* Decides when each port gets its turn; execute does the work. */
Removals *removals_new(Registry *registry, RemovalsExecute execute, gpointer user_data);

/* Tells waiting callers that the daemon is stopping; the ports are unchanged. No removal may begin
 * afterwards. */
void removals_stop(Removals *removals);

/* Stops first. */
void removals_free(Removals *removals);

/*
 * Marks these ports (of Port, in the registry) as ending; the main loop removes them batch by
 * batch. Ports that are already ending are waited for, too. done is called once, when each is gone
 * or could not be removed; at once if there are none.
 */
void removals_begin(Removals *removals, GPtrArray *ports, const PortEnder *ender,
                    BrokerRemoved done, gpointer user_data);

/* The same for ports whose holder has ended, without a waiting caller: IDs, NULL-terminated;
 * unknown IDs are skipped. */
void removals_begin_ended(Removals *removals, const char *const *port_ids);

/* The same for a port whose reply did not reach its caller. */
void removals_begin_undo(Removals *removals, Port *port);

/* Retries the failed removals of ports whose holder had ended. */
void removals_retry(Removals *removals);

/* Whether any port is ending. */
gboolean removals_pending(const Removals *removals);

typedef gboolean (*RemovalsMatch)(const Port *port, gpointer user_data);

/* Removes the matching ports that are ending now, as one batch. FALSE: none is gone. */
gboolean removals_flush_matching(Removals *removals, RemovalsMatch match, gpointer user_data);
