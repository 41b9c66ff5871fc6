/* SPDX-License-Identifier: LGPL-2.1-or-later OR GPL-2.0-only */
/* The rules for what is in an IP packet: UDP, ICMP, IGMP, tunnels, and its fragments. */
#pragma once

#include "guard-icmpv6.h"

/* Only the destination port matters to a DHCP client, not the source port. */
GUARD_INLINE int
guard_judge_udp(Frame *frame, const struct guard_settings *settings,
                struct guard_transport *transport, struct guard_claim *claim)
{
    int v4 = transport->version == 4;
    __u16 server = v4 ? 67 : 547, client = v4 ? 68 : 546;
    const __u8 *ports = transport->ports;

    if (!transport->has_ports &&
        frame_load(frame, transport->at, transport->ports, sizeof(transport->ports)) < 0)
        return GUARD_MALFORMED;
    if ((guard_get16(ports) == server || guard_get16(ports + 2) == client) &&
        !guard_allows(settings, GUARD_ALLOW_DHCP_SERVER))
        return v4 ? GUARD_DHCP_SERVER : GUARD_DHCPV6_SERVER;
    if (v4 && guard_get16(ports) == client && guard_get16(ports + 2) == server) {
        transport->nameless = 1;
        claim->kind = GUARD_CLAIM_ASKS;
        claim->offset = transport->at + GUARD_TRANSPORT;
    }
    return GUARD_PASS;
}

GUARD_INLINE int
guard_judge_icmp(Frame *frame, const struct guard_settings *settings, __u32 at)
{
    __u8 type;

    if (frame_load(frame, at, &type, 1) < 0)
        return GUARD_MALFORMED;
    if (guard_allows(settings, GUARD_ALLOW_ROUTER))
        return GUARD_PASS;
    if (type == 9) /* RFC 1256 */
        return GUARD_ROUTER_ADVERTISEMENT;
    return type == 5 ? GUARD_REDIRECT : GUARD_PASS;
}

GUARD_INLINE int
guard_judge_igmp(Frame *frame, const struct guard_settings *settings, __u32 at)
{
    __u8 type;

    if (frame_load(frame, at, &type, 1) < 0)
        return GUARD_MALFORMED;
    /* A query, DVMRP, or a multicast router's advertisement. */
    if ((type == 0x11 || type == 0x13 || type == 0x30) &&
        !guard_allows(settings, GUARD_ALLOW_ROUTER))
        return GUARD_QUERY;
    return GUARD_PASS;
}

GUARD_INLINE int
guard_judge_protocol(Frame *frame, const struct guard_settings *settings,
                     struct guard_transport *transport, struct guard_claim *claim)
{
    int v4 = transport->version == 4;

    switch (transport->protocol) {
    case GUARD_IP_UDP:
        return guard_judge_udp(frame, settings, transport, claim);
    case GUARD_IP_ICMP:
        return v4 ? guard_judge_icmp(frame, settings, transport->at) : GUARD_PASS;
    case GUARD_IP_IGMP:
        transport->nameless = v4; /* RFC 3376 4.2.13 */
        return v4 ? guard_judge_igmp(frame, settings, transport->at) : GUARD_PASS;
    case GUARD_IP_ICMPV6:
        return v4 ? GUARD_PASS : guard_judge_icmpv6(frame, settings, transport, claim);
    case GUARD_IP_IPV6:
        return guard_allows(settings, GUARD_ALLOW_TUNNELS) ? GUARD_PASS : GUARD_TUNNEL;
    case GUARD_IP_PIM:
        return guard_allows(settings, GUARD_ALLOW_ROUTER) ? GUARD_PASS : GUARD_QUERY;
    default:
        return GUARD_PASS;
    }
}

/* claim->address is the packet's source. */
GUARD_INLINE int
guard_judge_transport(Frame *frame, const struct guard_settings *settings,
                      struct guard_transport *transport, struct guard_claim *claim)
{
    int why;

    if (transport->at > frame_length(frame) || transport->at > transport->end)
        return transport->first ? GUARD_FRAGMENT : GUARD_MALFORMED;
    if (transport->first && (transport->at + GUARD_TRANSPORT > frame_length(frame) ||
                             transport->at + GUARD_TRANSPORT > transport->end))
        return GUARD_FRAGMENT;
    why = guard_judge_protocol(frame, settings, transport, claim);
    return why == GUARD_PASS ? guard_check_checksum(frame, transport) : why;
}

/* A fragment without a transport header must not overlap the one in the first fragment. */
GUARD_INLINE int
guard_judge_later(Frame *frame, __u32 offset)
{
    return offset < GUARD_EARLIEST ? GUARD_FRAGMENT : guard_check_finished(frame);
}

GUARD_INLINE int
guard_check_source(Frame *frame, const struct guard_settings *settings,
                   const struct guard_address *source, __u32 nameless, int reason)
{
    if (settings->addresses == GUARD_ADDRESSES_ANY || (nameless && guard_is_unspecified(source)))
        return GUARD_PASS;
    return guard_check_address(frame, settings, source, reason);
}
