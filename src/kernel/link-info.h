/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "interface-name.h"
#include "mac-address.h"
#include "mode.h"

#include <glib.h>

/* One link, as reported by rtnetlink(7). */
typedef struct LinkInfo {
    int index;
    char name[INTERFACE_NAME_MAX + 1];
    char kind[16];   /* IFLA_INFO_KIND ("macvtap", "veth", "bond", "vlan"…); "" for a NIC */
    char alias[256]; /* IFLA_IFALIAS, cut to fit */
    MacAddress mac;  /* zero if the link's address does not have six octets */
    guint32 mtu;     /* bytes */
    guint32 flags;   /* IFF_* */
    guint32 tx_queue_length;  /* packets */
    guint16 hardware_type;    /* ARPHRD_* */
    guint8 operational_state; /* IF_OPER_* of linux/if.h (RFC 2863); may lag behind before 6.8 */
    gboolean carrier;         /* IFLA_CARRIER; never lags behind */
    guint32 carrier_ups;      /* IFLA_CARRIER_UP_COUNT: how often it has got one; wraps */
    guint32 promiscuity;      /* IFLA_PROMISCUITY: the number of users that want it promiscuous */
    int lower_index;          /* IFLA_LINK; 0: none, or in another namespace */
    int master_index;         /* IFLA_MASTER: the bridge or bond it is a port of; 0: none */
    char master_kind[16];     /* IFLA_INFO_SLAVE_KIND: "bridge", "bond"; "" without a master */
    int active_slave_index;   /* bonds: IFLA_BOND_ACTIVE_SLAVE; 0: none, or a mode without one */
    guint16 vlan_id;          /* kind "vlan"; else 0 */
    gboolean vlan_is_outer;   /* kind "vlan": 802.1ad */
    gboolean host_ipv6;       /* the host may get an IPv6 address on it: disable_ipv6 is 0, or
                                 addr_gen_mode is not none */
    gboolean is_macvlan;      /* kind is macvlan or macvtap; then: */
    MacvtapMode mode;
    gboolean nopromisc; /* MACVLAN_FLAG_NOPROMISC */
    guint32
        broadcast_queue_length; /* packets; its own request; the parent's is at least that long */
    /* The lower link is in another network namespace: the number of that namespace here (ip netns
     * list-id; negative: it has none) and the lower link's ifindex there. */
    gboolean lower_is_elsewhere;
    int lower_netns, lower_there;
    /* For a removed link that was moved into another network namespace: the number of that
     * namespace here (ip netns list-id) and its ifindex there. */
    gboolean is_moved;
    int moved_netns, moved_index;
    /* Of an event only: the link's peers must learn again where it is, as after a failover of a
     * bond (IFLA_EVENT: bonding failover, notify peers). */
    gboolean notifies_peers;
    guint64 sources_digest; /* link_sources_digest() of its list in source mode */
} LinkInfo;

/* Identifies a set of n sources regardless of their order; 0 for the empty set. No source may occur
 * twice.
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
