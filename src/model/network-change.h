/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The differences between two tables of networks, before and after a reload. Pure. */
#pragma once

#include "network.h"

typedef enum NetworkFate {
    NETWORK_ADDED,
    NETWORK_USABLE,  /* its file had an error, which was fixed */
    NETWORK_CHANGED, /* its file has different values for some keys */
    NETWORK_REMOVED,
} NetworkFate;

typedef struct NetworkChange {
    char *network;
    NetworkFate fate;
    GStrv keys;          /* NETWORK_CHANGED: the keys, in the order of the table of fields */
    guint n_ports;       /* the network's ports, */
    guint n_outdated;    /* and how many of them have not followed */
    GPtrArray *outdated; /* of text: in these keys; empty until the ports are checked */
} NetworkChange;

/* Compares two tables (name -> Network) and returns a GPtrArray of NetworkChange, owned, by name. A
 * network that became unusable is not included: the reader of its file reports why. */
GPtrArray *network_list_changes(GHashTable *before, GHashTable *after);
