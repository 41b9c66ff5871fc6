/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* One --network of macvtap-run: NET[,key=value…], taken apart. The texts are its own. */
typedef struct NetworkOption {
    char *network; /* a name, or "parent=…,mode=…[,vlan=…]" */
    char *name, *interface_name, *mac, *vhost, *holder;
    guint queues; /* 0: not given */
    guint mtu;    /* 0: not given */
} NetworkOption;

/*
 * Takes text apart. The first word is the network's name, unless it has a '='; parent=, mode= and
 * vlan= make an ad-hoc network. Further keys: name, ifname, mac, queues, mtu, vhost. On FALSE
 * *error (of G_OPTION_ERROR) names the key and the value. Clear ret_option in either case.
 */
gboolean network_option_parse(const char *text, NetworkOption *ret_option, GError **error);
void network_option_clear(NetworkOption *option);

/* A number of queues (1 to 256) or an MTU (68 to 65535) as an option has them. */
gboolean option_parse_queues(const char *text, guint *ret_queues, GError **error);
gboolean option_parse_mtu(const char *text, guint *ret_mtu, GError **error);
