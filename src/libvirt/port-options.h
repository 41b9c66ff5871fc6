/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a port is to be, as the options of the commands say it. It is checked before it is written
 * anywhere, so that no domain gets what its start refuses. */
#pragma once

#include <glib.h>

/* The texts are its own; NULL: not given. */
typedef struct PortOptions {
    char *network, *mac, *target, *model, *queues, *mtu;
} PortOptions;

void port_options_clear(PortOptions *options);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(PortOptions, port_options_clear)

/* Whether each can be: a network's name or description, a guest's MAC, 1 to 256 queues, and an MTU
 * of 68 to 65535. *error is one of G_OPTION_ERROR. */
gboolean port_options_check(PortOptions *options, GError **error);

/* The number of queues or the MTU, once checked; 0: not given. */
guint port_options_number(const char *text);
