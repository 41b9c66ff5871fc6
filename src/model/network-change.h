/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What differs between the networks that there were and those that there are. Pure. */
#pragma once

#include "network.h"

typedef enum NetworkFate {
    NETWORK_ADDED,
    NETWORK_USABLE,  /* its file had an error, and has none any more */
    NETWORK_CHANGED, /* its file has another value for some keys */
    NETWORK_REMOVED,
} NetworkFate;

typedef struct NetworkChange {
    char *network;
    NetworkFate fate;
    GStrv keys;          /* NETWORK_CHANGED: which, in the order of the table of fields */
    guint n_ports;       /* the network's, */
    guint n_outdated;    /* and of these have so many not followed */
    GPtrArray *outdated; /* in these keys, of text; empty until somebody looks at the ports */
} NetworkChange;

/* Compares two tables (name -> Network) and returns a GPtrArray of NetworkChange, owned, by name. A
 * network that has become unusable is none: who has read its file says why. */
GPtrArray *network_list_changes(GHashTable *before, GHashTable *after);
