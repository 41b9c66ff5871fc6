/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A port as described by a command's options. The values are checked before they are written
 * anywhere: for validity on any network here, as the XML may be written without a running macvtapd;
 * against the network and its parent by macvtapd (ctl-network.c). */
#pragma once

#include "ask.h"

/* The texts are its own; NULL: not given. */
typedef struct PortOptions {
    char *network, *mac, *target, *model, *queues, *mtu;
    char *limits; /* of the port alone, as the metadata has them */
} PortOptions;

void port_options_clear(PortOptions *options);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(PortOptions, port_options_clear)

/* to must be empty. */
void port_options_copy(const PortOptions *from, PortOptions *to);

/* Whether each can be: a network's name or description, a MAC, a number of queues, an MTU. *error
 * is of G_OPTION_ERROR. */
gboolean port_options_check(PortOptions *options, GError **error);

/* A CreatePort of them, once checked, for a device that this user opens by path; the holder is
 * still to be set. Free with macvtap_request_free(). */
MacvtapRequest *port_options_request(const PortOptions *options);

/* target-name.c */

/*
 * A name for a domain's new device that shows its domain: the valid characters of the domain's
 * name, and a number; a user's (users) begins with macvtapd's prefix for users. The names of two
 * domains may be truncated to the same text, so taken names (a set of char *; NULL: none) and those
 * of this machine's interfaces (interface_index: if_nametoindex()) are skipped. Free with g_free().
 */
char *target_name_choose(const char *domain, gboolean users, GHashTable *taken,
                         guint (*interface_index)(const char *name));
