/* SPDX-License-Identifier: LGPL-2.1-or-later OR GPL-2.0-only */
/* The rules for IPv4 and IPv6: their headers, extension headers, and source addresses. */
#pragma once

#include "guard-transport.h"

GUARD_PART int
guard_judge_ipv4(Frame *frame, const struct guard_settings *settings, __u32 l3,
                 struct guard_claim *claim)
{
    struct guard_transport transport = {0};
    struct guard_address source;
    __u8 ip[GUARD_IPV4 + sizeof(transport.ports)];
    __u32 header, offset;
    int why;

    if (!settings || !claim)
        return GUARD_MALFORMED;
    /* Nearly every frame has at least four more bytes. */
    transport.has_ports = frame_load(frame, l3, ip, sizeof(ip)) == 0;
    if (!transport.has_ports && frame_load(frame, l3, ip, GUARD_IPV4) < 0)
        return GUARD_MALFORMED;
    header = (ip[0] & 15) * 4;
    if (ip[0] >> 4 != 4 || header < GUARD_IPV4)
        return GUARD_MALFORMED;
    offset = (guard_get16(ip + 6) & 0x1fff) * 8;
    transport.version = 4;
    transport.at = l3 + header;
    /* 0: a segment whose length the host fills in. */
    transport.end = guard_get16(ip + 2) ? l3 + guard_get16(ip + 2) : frame_length(frame);
    transport.first = (ip[6] & 0x20) != 0;
    transport.fragmented = transport.first || offset != 0;
    transport.protocol = ip[9];
    transport.has_ports &= header == GUARD_IPV4;
    __builtin_memcpy(transport.ports, ip + GUARD_IPV4, sizeof(transport.ports));
    guard_address_ipv4(&source, ip + 12);
    if (offset != 0)
        why = guard_judge_later(frame, offset);
    else
        why = guard_judge_transport(frame, settings, &transport, claim);
    if (why != GUARD_PASS)
        return why;
    return guard_check_source(frame, settings, &source, transport.nameless, GUARD_IPV4_ADDRESS);
}

GUARD_INLINE int
guard_is_extension(__u32 protocol)
{
    return protocol == GUARD_IP_HOP_BY_HOP || protocol == GUARD_IP_ROUTING ||
           protocol == GUARD_IP_FRAGMENT || protocol == GUARD_IP_AH ||
           protocol == GUARD_IP_DESTINATION || protocol == GUARD_IP_MOBILITY ||
           protocol == GUARD_IP_HIP || protocol == GUARD_IP_SHIM6;
}

/* Steps over one extension header. *ret_offset: a later fragment's offset in its packet. */
GUARD_INLINE int
guard_judge_extension(Frame *frame, struct guard_transport *transport, __u32 *ret_offset)
{
    __u8 header[8];

    if (transport->protocol == GUARD_IP_ROUTING)
        return GUARD_ROUTING_HEADER;
    if (transport->at + sizeof(header) > transport->end ||
        frame_load(frame, transport->at, header, sizeof(header)) < 0)
        return transport->first ? GUARD_FRAGMENT : GUARD_MALFORMED;
    if (transport->protocol == GUARD_IP_FRAGMENT) {
        if (transport->fragmented)
            return GUARD_FRAGMENT;
        transport->fragmented = 1;
        transport->first = header[3] & 1;
        *ret_offset = guard_get16(header + 2) & 0xfff8;
        transport->at += 8;
    } else if (transport->protocol == GUARD_IP_AH) {
        transport->at += (header[1] + 2) * 4;
    } else {
        transport->at += (header[1] + 1) * 8;
    }
    transport->protocol = header[0];
    return GUARD_PASS;
}

GUARD_PART int
guard_judge_extensions(Frame *frame, struct guard_transport *transport)
{
    __u32 offset = 0;

    if (!transport)
        return GUARD_MALFORMED;
    for (int i = 0; i < GUARD_EXTENSIONS; i++) {
        int why;

        if (!guard_is_extension(transport->protocol))
            return GUARD_PASS;
        why = guard_judge_extension(frame, transport, &offset);
        if (why != GUARD_PASS)
            return why;
        if (offset != 0) {
            transport->protocol = 59; /* nothing left to read */
            return guard_judge_later(frame, offset);
        }
    }
    return guard_is_extension(transport->protocol) ? GUARD_MALFORMED : GUARD_PASS;
}

GUARD_PART int
guard_judge_ipv6(Frame *frame, const struct guard_settings *settings, __u32 l3,
                 struct guard_claim *claim)
{
    struct guard_transport transport = {0};
    struct guard_address source;
    __u8 ip[GUARD_IPV6];
    int why;

    if (!settings || !claim || frame_load(frame, l3, ip, sizeof(ip)) < 0 || ip[0] >> 4 != 6)
        return GUARD_MALFORMED;
    transport.version = 6;
    transport.at = l3 + GUARD_IPV6;
    /* 0: a jumbogram, or a segment too long for the field. */
    transport.end = frame_length(frame);
    if (guard_get16(ip + 4) != 0 && transport.at + guard_get16(ip + 4) < transport.end)
        transport.end = transport.at + guard_get16(ip + 4);
    transport.protocol = ip[6];
    guard_address_ipv6(&source, ip + 8);
    if (guard_is_mapped(&source))
        return GUARD_IPV6_ADDRESS;
    claim->address = source;
    why = guard_judge_extensions(frame, &transport);
    if (why == GUARD_PASS)
        why = guard_judge_transport(frame, settings, &transport, claim);
    if (why != GUARD_PASS)
        return why;
    return guard_check_source(frame, settings, &source, transport.nameless, GUARD_IPV6_ADDRESS);
}
