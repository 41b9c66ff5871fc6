/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "interface-name.h"
#include "mac-address.h"
#include "mode.h"

#include <glib.h>

/* One link, as rtnetlink(7) tells it. */
typedef struct LinkInfo {
    int index;
    char name[INTERFACE_NAME_MAX + 1];
    char kind[16];   /* IFLA_INFO_KIND ("macvtap", "veth", "bond", "vlan"…); "" for a NIC */
    char alias[256]; /* IFLA_IFALIAS, cut to fit */
    MacAddress mac;  /* zero when the link has none of six octets */
    guint32 mtu;     /* bytes */
    guint32 flags;   /* IFF_* */
    guint32 tx_queue_length;  /* packets */
    guint16 hardware_type;    /* ARPHRD_* */
    guint8 operational_state; /* IF_OPER_* of linux/if.h (RFC 2863); before 6.8 late at times */
    gboolean carrier;         /* IFLA_CARRIER; never late */
    guint32 promiscuity;      /* IFLA_PROMISCUITY: how many want it promiscuous */
    int lower_index;          /* IFLA_LINK; 0: none, or in another namespace */
    int master_index;         /* IFLA_MASTER: the bridge or bond it is a port of; 0: none */
    char master_kind[16];     /* IFLA_INFO_SLAVE_KIND: "bridge", "bond"; "" without a master */
    int active_slave_index;   /* bonds: IFLA_BOND_ACTIVE_SLAVE; 0: none, or a mode without one */
    guint16 vlan_id;          /* kind "vlan"; else 0 */
    gboolean vlan_is_outer;   /* kind "vlan": 802.1ad */
    gboolean host_ipv6;       /* the host may take or give itself an IPv6 address on it: it has
                                 disable_ipv6 = 0, or an addr_gen_mode but none */
    gboolean is_macvlan;      /* kind is macvlan or macvtap; then: */
    MacvtapMode mode;
    gboolean nopromisc;             /* MACVLAN_FLAG_NOPROMISC */
    guint32 broadcast_queue_length; /* packets; what it asked for, which is its parent's at least */
    /* Of a removed link: it was moved into another network namespace, which has this number here
     * (ip netns list-id), and has this ifindex there. */
    gboolean is_moved;
    int moved_netns, moved_index;
    guint64 sources_digest; /* link_sources_digest() of its list in source mode */
} LinkInfo;

/* Stands for a set of n sources whatever their order, 0 for the empty one. None may be there twice.
 */
static inline guint64
link_sources_digest(const MacAddress *sources, gsize n_sources)
{
    guint64 digest = 0;

    for (gsize i = 0; i < n_sources; i++) {
        guint64 hash = 0xcbf29ce484222325; /* FNV-1a */

        for (gsize j = 0; j < sizeof sources[i].octets; j++)
            hash = (hash ^ sources[i].octets[j]) * 0x100000001b3;
        digest += hash;
    }
    return digest;
}
