/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* One --network or --port of macvtap-run: WORD[,key=value…], taken apart. The texts are its own. */
typedef struct NetworkOption {
    char *network; /* a name, or "parent=…,mode=…[,vlan=…]"; NULL with port */
    char *port;    /* of --port: what an existing port is called; NULL with network */
    char *name, *interface_name, *mac, *vhost;
    char *model, *bus;  /* of QEMU's -device */
    guint queues;       /* 0: not given */
    guint mtu;          /* 0: not given */
    gboolean incoming;  /* the guest comes by migration */
    gboolean other_mac; /* check-mac=no: the port's MAC need not stand in the command */
    gboolean has_incoming, has_check_mac;
} NetworkOption;

/*
 * Takes the text of a --network apart. The first word is the network's name, unless it has a '=';
 * parent=, mode= and vlan= make an ad-hoc network. Further keys: name, ifname, mac, queues, mtu,
 * vhost, model, bus, incoming, check-mac. On FALSE *error (of G_OPTION_ERROR) names the key and the
 * value. Clear ret_option in either case.
 */
gboolean network_option_parse(const char *text, NetworkOption *ret_option, GError **error);

/* The same for the text of a --port: PORT[,key=value…] with the keys queues, model, bus, check-mac.
 */
gboolean port_option_parse(const char *text, NetworkOption *ret_option, GError **error);
void network_option_clear(NetworkOption *option);

/* What a token names it by, and messages: the network, or the port. */
const char *network_option_label(const NetworkOption *option);

/* A number of queues (1 to 256) or an MTU (68 to 65535) as an option has them. */
gboolean option_parse_queues(const char *text, guint *ret_queues, GError **error);
gboolean option_parse_mtu(const char *text, guint *ret_mtu, GError **error);
