/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The ports that are on their way out, and who waits for that; see removals.c. */
#pragma once

#include "broker.h"
#include "registry.h"

typedef struct Removals Removals;

/* A port to be removed, and what became of it. */
typedef struct PortRemoval {
    Port *port; /* in the registry; freed when it is gone */
    PortEnd end;
    gboolean gone;
    GError *error; /* it may have gone all the same */
} PortRemoval;

/* Removes the devices of these ports, then their records. is_last: no others are to follow. */
typedef void (*RemovalsExecute)(PortRemoval *removals, guint n, gboolean is_last,
                                gpointer user_data);

/* When each port gets its turn is decided here, and execute does the work. */
Removals *removals_new(Registry *registry, RemovalsExecute execute, gpointer user_data);

/* Who still waits is told that the daemon stops; the ports stay as they are. Nothing may begin
 * after it. */
void removals_stop(Removals *removals);

/* Stops first. */
void removals_free(Removals *removals);

/*
 * These ports (of Port, in the registry) are ending from now on, and the main loop removes them
 * batch by batch. Those that end already are not begun anew, but waited for as well. done is called
 * once, when each has gone or could not be removed; at once if there is none.
 */
void removals_begin(Removals *removals, GPtrArray *ports, const PortEnder *ender,
                    BrokerRemoved done, gpointer user_data);

/* The same for ports whose holder has ended, and nobody waits: ids, NULL-terminated; one that there
 * is no port of is skipped. */
void removals_begin_ended(Removals *removals, const char *const *port_ids);

/* The same for a port whose grant has not reached its caller. */
void removals_begin_undo(Removals *removals, Port *port);

/* Begins again with those that could not be removed when their holder had ended. */
void removals_retry(Removals *removals);

/* Whether any port is ending. */
gboolean removals_pending(const Removals *removals);

typedef gboolean (*RemovalsMatch)(const Port *port, gpointer user_data);

/* Removes now, as one batch, ports that are ending and match. FALSE: none has gone. */
gboolean removals_flush_matching(Removals *removals, RemovalsMatch match, gpointer user_data);
