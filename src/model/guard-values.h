/* SPDX-License-Identifier: LGPL-2.1-or-later OR GPL-2.0-only */
/*
 * The values of a guard's settings, and the reasons why it drops a frame. Plain C without GLib: the
 * datapath's BPF programs include it too. guard.h has the daemon's side.
 */
#pragma once

typedef enum GuardSenders {
    GUARD_SENDERS_AUTO, /* only in a network's file: own if macvtapd can guard ports, otherwise any
                         */
    GUARD_SENDERS_ANY,
    GUARD_SENDERS_OWN, /* frames, ARP and ND may use only the port's MAC */
} GuardSenders;

typedef enum GuardVerdict {
    GUARD_VERDICT_DROP,
    GUARD_VERDICT_COUNT, /* let frames pass, but count what would have been dropped */
} GuardVerdict;

typedef enum GuardAddresses {
    GUARD_ADDRESSES_ANY,
    GUARD_ADDRESSES_LISTED, /* the port's own and AllowAddresses= */
    GUARD_ADDRESSES_DHCP,   /* also those that the guest got from a DHCP server or by
                               autoconfiguration */
} GuardAddresses;

/* Allow=: what is dropped by default but a network may allow. Bits. */
typedef enum GuardAllow {
    GUARD_ALLOW_ROUTER = 1 << 0, /* router advertisements, redirects, IGMP and MLD queries */
    GUARD_ALLOW_DHCP_SERVER = 1 << 1,
    GUARD_ALLOW_VLAN = 1 << 2, /* 802.1Q, 802.1ad and priority tags */
    GUARD_ALLOW_LLDP = 1 << 3,
    GUARD_ALLOW_LACP = 1 << 4,
    GUARD_ALLOW_STP = 1 << 5,
    GUARD_ALLOW_TUNNELS = 1 << 6, /* IPv6 in IPv4 (protocol 41) */
    GUARD_ALLOW_OTHER = 1 << 7,   /* every other EtherType, and LLC/SNAP */
} GuardAllow;

/*
 * Why a frame was dropped: X(constant, name in the API). The order is that of the datapath's
 * counters, which outlive a daemon: new ones go to the end.
 */
#define GUARD_REASON_TABLE(X)                                                                      \
    X(MALFORMED,                                                                                   \
      "malformed") /* shorter than its headers say, or with more headers than we read */           \
    X(OTHER_MAC, "other-mac") /* sent from another MAC than the port's */                          \
    X(VLAN_TAG, "vlan-tag")                                                                        \
    X(CHECKSUM, "checksum") /* asks for a checksum that is not its own TCP or UDP checksum */      \
    X(STP, "stp")                                                                                  \
    X(LLDP, "lldp")                                                                                \
    X(LACP, "lacp")                                                                                \
    X(OTHER_PROTOCOL, "other-protocol") /* pause, MVRP, 802.1X, LLC/SNAP, other EtherTypes */      \
    X(ARP_FORM, "arp-form")             /* ARP that is not for IPv4 on Ethernet */                 \
    X(ARP_MAC, "arp-mac")                                                                          \
    X(ARP_ADDRESS, "arp-address")                                                                  \
    X(IPV4_ADDRESS, "ipv4-address")                                                                \
    X(IPV6_ADDRESS, "ipv6-address")                                                                \
    X(TOO_MANY_ADDRESSES, "too-many-addresses") /* one more than a guest may autoconfigure */      \
    X(FRAGMENT, "fragment") /* too short or offset too low to be checked, or ND in a fragment */   \
    X(ROUTING_HEADER, "routing-header")                                                            \
    X(TUNNEL, "tunnel")         /* IPv6 in IPv4 */                                                 \
    X(ND_MAC, "nd-mac")         /* a link-layer option with a MAC other than the port's */         \
    X(ND_ADDRESS, "nd-address") /* an advertisement for an address other than the guest's */       \
    X(ROUTER_ADVERTISEMENT, "router-advertisement")                                                \
    X(REDIRECT, "redirect")                                                                        \
    X(QUERY, "query") /* IGMP or MLD queries, or other signs of a multicast router */              \
    X(DHCP_SERVER, "dhcp-server")                                                                  \
    X(DHCPV6_SERVER, "dhcpv6-server")                                                              \
    X(DHCP_UNANSWERED, "dhcp-unanswered") /* a DHCP client's, and the port does not answer it */   \
    X(DHCP_DECLINED, "dhcp-declined")     /* the guest refuses the address it was given */         \
    X(DHCP_OTHER_SERVER, "dhcp-other-server") /* sent to the guest by another DHCP server */

#define GUARD_REASON_CONSTANT(constant, name) GUARD_##constant,
typedef enum GuardReason {
    GUARD_REASON_TABLE(GUARD_REASON_CONSTANT) /**/
    GUARD_REASON_COUNT,
} GuardReason;
#undef GUARD_REASON_CONSTANT

/* What else a captured frame can have been dropped by: numbers after the guard's reasons. */
enum {
    CAPTURE_BROADCAST_LIMIT = GUARD_REASON_COUNT,
    CAPTURE_RECEIVE_LIMIT,
    CAPTURE_REASON_COUNT,
};
