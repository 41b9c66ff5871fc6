/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* One --network or --port of macvtap-run, parsed: WORD[,key=value…]. It owns its texts. */
typedef struct NetworkOption {
    char *network; /* a name, or "parent=…,mode=…[,vlan=…]"; NULL with port */
    char *port;    /* --port: the name of an existing port; NULL with network */
    char *name, *interface_name, *mac, *vhost;
    char *addresses;    /* IP addresses, joined by ','; NULL: not given */
    char *seed;         /* the folder of a NoCloud disk for the guest */
    char *model, *bus;  /* the model for QEMU's -device */
    guint queues;       /* 0: not given */
    guint mtu;          /* 0: not given */
    gboolean incoming;  /* the guest is migrating to this host */
    gboolean agent;     /* start an agent beside the VMM */
    gboolean check_mac; /* the port's MAC must be in the command (default) */
} NetworkOption;

/*
 * Parses the text of a --network. The first word is the network's name, unless it has a '=';
 * parent=, mode= and vlan= make an ad-hoc network. The further keys are those of the table in
 * network-option.c. On FALSE *error (of G_OPTION_ERROR) names the key and the value. Clear
 * ret_option in either case.
 */
gboolean network_option_parse(const char *text, NetworkOption *ret_option, GError **error);

/* The same for the text of a --port, PORT[,key=value…], with the keys for existing ports. */
gboolean port_option_parse(const char *text, NetworkOption *ret_option, GError **error);
void network_option_clear(NetworkOption *option);

/* Its name in tokens and messages: the network's or the port's. */
const char *network_option_label(const NetworkOption *option);
