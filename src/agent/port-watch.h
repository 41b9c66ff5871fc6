/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Follows the user's ports in macvtapd, across its restarts. */
#pragma once

#include "macvtap.h"

#include <glib.h>

typedef struct PortWatch PortWatch;

typedef struct PortWatchHandlers {
    /* The ports there are (of MacvtapPort): at first, and after the connection was lost. Borrowed,
     * but the handler may steal items, leaving NULL. */
    void (*listed)(GPtrArray *ports, gpointer user_data);
    /* A port was created or changed; it is taken. */
    void (*changed)(MacvtapPort *port, gpointer user_data);
    void (*deleted)(const MacvtapPort *port, gpointer user_data);
} PortWatchHandlers;

/* socket: NULL for the default. The handlers are called from the main loop. */
PortWatch *port_watch_new(const char *socket, const PortWatchHandlers *handlers,
                          gpointer user_data);
void port_watch_free(PortWatch *watch);

/* Tries to connect now if it has given up. */
void port_watch_try(PortWatch *watch);
