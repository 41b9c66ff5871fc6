/* SPDX-License-Identifier: LGPL-2.1-or-later OR GPL-2.0-only */
/* What the rules for several protocols check: the guest's MAC and addresses, what is allowed, and
 * the checksum that a frame asks for. */
#pragma once

#include "guard-dhcp.h"

enum {
    GUARD_TAG = 4,
    GUARD_IPV4 = 20,
    GUARD_IPV6 = 40,
    GUARD_ARP = 28,
    GUARD_TRANSPORT = 8,  /* enough for UDP's ports and the types of ICMP and IGMP */
    GUARD_EARLIEST = 48,  /* no later fragment may begin before this; from IPv4's minimum MTU, 68 */
    GUARD_EXTENSIONS = 8, /* the most IPv6 extension headers to read */
    GUARD_ND_OPTIONS = 10, /* the most options to read */

    GUARD_ETH_IPV4 = 0x0800,
    GUARD_ETH_ARP = 0x0806,
    GUARD_ETH_RARP = 0x8035,
    GUARD_ETH_IPV6 = 0x86dd,
    GUARD_ETH_LACP = 0x8809, /* and the other slow protocols */
    GUARD_ETH_LLDP = 0x88cc,
    GUARD_ETH_PAUSE = 0x8808,
    GUARD_ETH_8021X = 0x888e,
    GUARD_ETH_MVRP = 0x88f5,
    GUARD_ETH_MMRP = 0x88f6,
    GUARD_ETH_JUMBO_LLC = 0x8870,
    GUARD_ETH_SMALLEST = 0x0600, /* below: a length, followed by LLC */

    GUARD_IP_ICMP = 1,
    GUARD_IP_IGMP = 2,
    GUARD_IP_TCP = 6,
    GUARD_IP_UDP = 17,
    GUARD_IP_IPV6 = 41,
    GUARD_IP_ICMPV6 = 58,
    GUARD_IP_PIM = 103,

    GUARD_IP_HOP_BY_HOP = 0,
    GUARD_IP_ROUTING = 43,
    GUARD_IP_FRAGMENT = 44,
    GUARD_IP_AH = 51,
    GUARD_IP_DESTINATION = 60,
    GUARD_IP_MOBILITY = 135,
    GUARD_IP_HIP = 139,
    GUARD_IP_SHIM6 = 140,

    GUARD_TCP_CHECKSUM = 16,
    GUARD_UDP_CHECKSUM = 6,
};

/* A packet's transport header, or as much of it as the packet has. */
struct guard_transport {
    __u32 at, end; /* offsets in the frame: the header, and the packet's end */
    __u32 protocol;
    __u32 version;    /* 4 or 6 */
    __u32 fragmented; /* it has a fragment header (possibly as a whole packet) */
    __u32 first;      /* the packet continues in later fragments */
    __u32 nameless;   /* sent by a host that has no address yet */
    __u32 has_ports;  /* UDP's were read with IPv4's header: */
    __u8 ports[4];
};

GUARD_INLINE int
guard_is_on(const struct guard_settings *settings)
{
    const __u16 everything = 2 * GUARD_ALLOW_OTHER - 1;

    return settings->senders == GUARD_SENDERS_OWN || settings->addresses != GUARD_ADDRESSES_ANY ||
           settings->allow != everything;
}

GUARD_INLINE int
guard_allows(const struct guard_settings *settings, int what)
{
    return (settings->allow & what) != 0;
}

/* Whether a prefix of at least this length allows the address. */
GUARD_INLINE int
guard_is_listed(const struct guard_settings *settings, const struct guard_address *address,
                __u32 least)
{
    for (int i = 0; i < GUARD_PREFIXES; i++) {
        if (i >= settings->n_prefixes)
            break;
        if (guard_in_prefix(address, &settings->prefixes[i]) &&
            settings->prefixes[i].length >= least)
            return 1;
    }
    return 0;
}

/* Checks whether the guest may use this address. GUARD_PASS or a reason. */
GUARD_PART int
guard_check_address(Frame *frame, const struct guard_settings *settings,
                    const struct guard_address *address, int reason)
{
    __u32 least;

    if (!settings || !address)
        return GUARD_MALFORMED;
    if (settings->addresses == GUARD_ADDRESSES_ANY)
        return GUARD_PASS;
    if (guard_is_link_local(address))
        return guard_is_router(frame, address) ? reason : GUARD_PASS;
    least = guard_is_mapped(address) ? 96 : 0; /* ::/0 matches only IPv6 */
    if (guard_is_listed(settings, address, least))
        return GUARD_PASS;
    if (settings->addresses == GUARD_ADDRESSES_DHCP)
        return guard_check_learned(frame, settings, address, reason);
    return reason;
}

GUARD_INLINE int
guard_check_mac(const struct guard_settings *settings, const __u8 *mac, int reason)
{
    if (settings->senders != GUARD_SENDERS_OWN || guard_same_mac(mac, settings->mac))
        return GUARD_PASS;
    return reason;
}

/* No checksum may be requested. */
GUARD_INLINE int
guard_check_finished(Frame *frame)
{
    __u32 start, offset;

    return frame_unfinished(frame, &start, &offset) ? GUARD_CHECKSUM : GUARD_PASS;
}

/* Only the packet's own may, or one after the UDP header (of a tunnel in the guest). */
GUARD_INLINE int
guard_check_checksum(Frame *frame, const struct guard_transport *transport)
{
    __u32 start, offset;

    if (!frame_unfinished(frame, &start, &offset))
        return GUARD_PASS;
    if (transport->fragmented || start >= frame_length(frame))
        return GUARD_CHECKSUM;
    if (transport->protocol == GUARD_IP_TCP && start == transport->at &&
        offset == GUARD_TCP_CHECKSUM)
        return GUARD_PASS;
    if (transport->protocol == GUARD_IP_UDP &&
        ((start == transport->at && offset == GUARD_UDP_CHECKSUM) ||
         start >= transport->at + GUARD_TRANSPORT))
        return GUARD_PASS;
    return GUARD_CHECKSUM;
}
