/* SPDX-License-Identifier: LGPL-2.1-or-later OR GPL-2.0-only */
/*
 * What the guard learns from frames to a guest: DHCP replies, router advertisements, and neighbours
 * that defend their addresses. Nothing is dropped here.
 */
#pragma once

#include "guard-rules.h"

enum {
    GUARD_RA_OPTIONS = 12,
};

/* Reads a server's message to the guest, at `at`: an ACK to its request grants a lease, and claim
 * says so. */
GUARD_PART int
guard_hear_dhcp(Frame *frame, const struct guard_settings *settings, __u32 at,
                struct guard_claim *claim)
{
    struct guard_state *state = frame_state(frame);
    struct guard_dhcp dhcp = {0};
    __u8 head[GUARD_BOOTP_HEAD];
    __u32 address;

    if (!state || !settings || !claim || !guard_read_dhcp(frame, settings, at, 2, head, &dhcp))
        return 0;
    __builtin_memcpy(&address, head + 16, sizeof(address));
    if (dhcp.kind != GUARD_DHCP_ACK || address == 0 || dhcp.seconds == 0 || /* to an INFORM */
        !guard_was_asked(state, guard_get32(head + 4), address, dhcp.server))
        return 0;
    guard_address_ipv4(&claim->address, head + 16);
    claim->how = GUARD_HOW_DHCP;
    if (guard_learn_lease(frame, settings, &claim->address, dhcp.seconds) ||
        settings->addresses != GUARD_ADDRESSES_DHCP)
        claim->kind = GUARD_CLAIM_USES;
    return 0;
}

/* Reads the option of a router advertisement at `at`. Returns its length, or a negative value if
 * the frame ends before. */
GUARD_PART int
guard_hear_prefix(Frame *frame, __u32 at)
{
    struct guard_address prefix;
    __u8 option[32];

    if (frame_load(frame, at, option, 8) < 0)
        return -1;
    /* 64 bits, A flag: RFC 4861 4.6.2 */
    if (option[0] == 3 && option[1] == 4 && option[2] == 64 && (option[3] & 0x40) &&
        frame_load(frame, at, option, sizeof(option)) == 0) {
        guard_address_ipv6(&prefix, option + 16);
        if (!guard_is_link_local(&prefix) && option[16] != 0xff)
            guard_learn_prefix(frame, &prefix, guard_get32(option + 4));
    }
    return option[1] * 8;
}

/* Reads the prefixes of a router advertisement, whose options extend from `at` to `end`. */
GUARD_PART int
guard_hear_prefixes(Frame *frame, __u32 at, __u32 end)
{
    for (int i = 0; i < GUARD_RA_OPTIONS && at + 8 <= end; i++) {
        int length = guard_hear_prefix(frame, at);

        if (length < 0)
            break;
        at += length;
    }
    return 0;
}

GUARD_INLINE void
guard_hear_router(Frame *frame, const struct guard_settings *settings, const __u8 *ip,
                  const __u8 *message)
{
    __u32 l4 = GUARD_ETH + GUARD_IPV6;
    struct guard_address router;

    guard_address_ipv6(&router, ip + 8);
    if (!guard_is_link_local(&router))
        return;
    guard_learn_router(frame, &router, guard_get16(message + 6));
    if (settings->addresses == GUARD_ADDRESSES_DHCP)
        guard_hear_prefixes(frame, l4 + 16, l4 + guard_get16(ip + 4));
}

/* Reads a router advertisement, or a neighbour's claim to an address. */
GUARD_INLINE void
guard_hear_icmpv6(Frame *frame, const struct guard_settings *settings, const __u8 *ip)
{
    struct guard_address address;
    __u8 message[24];

    if (ip[7] != 255 || frame_load(frame, GUARD_ETH + GUARD_IPV6, message, 16) < 0)
        return;
    if (message[0] == 134) {
        guard_hear_router(frame, settings, ip, message);
        return;
    }
    guard_address_ipv6(&address, ip + 8);
    if ((message[0] == 136 || (message[0] == 135 && guard_is_unspecified(&address))) &&
        frame_load(frame, GUARD_ETH + GUARD_IPV6, message, sizeof(message)) == 0) {
        guard_address_ipv6(&address, message + 8);
        guard_learn_contest(frame, &address);
    }
}

/* Whether guard_hear() learns from this kind of frame. Cheap, as the answer is nearly always no. */
GUARD_INLINE int
guard_is_worth_hearing(Frame *frame, __u8 *eth)
{
    __u16 type;
    __u8 protocol = 0;

    if (frame_is_tagged(frame) || frame_load_eth(frame, eth) < 0)
        return 0;
    type = guard_get16(eth + 2 * GUARD_MAC);
    if (type == GUARD_ETH_IPV4)
        return frame_load(frame, GUARD_ETH + 9, &protocol, 1) == 0 && protocol == GUARD_IP_UDP;
    if (type == GUARD_ETH_IPV6)
        return frame_load(frame, GUARD_ETH + 6, &protocol, 1) == 0 && protocol == GUARD_IP_ICMPV6;
    return 0;
}

/* Learns from a frame to the guest. */
GUARD_INLINE void
guard_hear(Frame *frame, const struct guard_settings *settings, const __u8 *eth,
           struct guard_claim *claim)
{
    __u8 ip[GUARD_IPV6], ports[4];
    __u32 l4;

    if (guard_same_mac(eth + GUARD_MAC,
                       settings->mac)) /* the guest's own frame, back from the wire */
        return;
    if (guard_get16(eth + 2 * GUARD_MAC) == GUARD_ETH_IPV6) {
        if (frame_load(frame, GUARD_ETH, ip, sizeof(ip)) == 0 &&
            settings->addresses != GUARD_ADDRESSES_ANY)
            guard_hear_icmpv6(frame, settings, ip);
        return;
    }
    if (frame_load(frame, GUARD_ETH, ip, GUARD_IPV4) < 0 || (guard_get16(ip + 6) & 0x3fff) != 0)
        return;
    l4 = GUARD_ETH + (ip[0] & 15) * 4;
    if (frame_load(frame, l4, ports, sizeof(ports)) == 0 && guard_get16(ports) == 67 &&
        guard_get16(ports + 2) == 68)
        guard_hear_dhcp(frame, settings, l4 + GUARD_TRANSPORT, claim);
}
