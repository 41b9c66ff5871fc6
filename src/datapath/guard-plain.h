/* SPDX-License-Identifier: LGPL-2.1-or-later OR GPL-2.0-only */
/*
 * The short way through the rules, for what nearly every frame is: UDP or TCP in IPv4 without
 * options, to one station. guard_is_plain() is true only of frames that guard_judge() passes and
 * learns nothing from, and needs a fraction of the time; all others go the long way. Likewise
 * guard_is_plain_to_guest(), of frames in which nothing is to be heard.
 *
 *   frame_head()   the frame's first bytes; NULL: it has not that many, or not in one piece
 */
#pragma once

#include "guard-rules.h"

/* Ethernet, IPv4 without options, and the ports. In network byte order, and for access by two
 * bytes: the bytes of a frame have no better alignment. */
struct guard_head {
    __u16 target[3], source[3], type;
    __u8 version, tos;
    __u16 length, id, fragment;
    __u8 ttl, protocol;
    __u16 checksum;
    __u16 from[2], to[2];
    __u16 from_port, to_port;
};
_Static_assert(sizeof(struct guard_head) == 38, "no padding");

GUARD_INLINE const struct guard_head *frame_head(Frame *frame);

GUARD_INLINE __u16
guard_swap16(__u16 number)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    return __builtin_bswap16(number);
#else
    return number;
#endif
}

GUARD_INLINE int
guard_is_dhcp_port(__u16 port)
{
    return port == guard_swap16(67) || port == guard_swap16(68);
}

/* An IPv4 packet that is whole, with TCP or with UDP other than DHCP. */
GUARD_INLINE int
guard_is_plain_packet(const struct guard_head *head)
{
    if (head->type != guard_swap16(GUARD_ETH_IPV4) || head->version != 0x45 ||
        (head->fragment & guard_swap16(0x3fff)) != 0)
        return 0;
    if (head->protocol == GUARD_IP_TCP)
        return 1;
    return head->protocol == GUARD_IP_UDP && !guard_is_dhcp_port(head->from_port) &&
           !guard_is_dhcp_port(head->to_port);
}

/* As guard_check_address() does it for IPv4; without a call for an address that is listed. */
GUARD_INLINE int
guard_is_plain_source(Frame *frame, const struct guard_settings *settings,
                      const struct guard_head *head)
{
    struct guard_address source;

    if (settings->addresses == GUARD_ADDRESSES_ANY)
        return 1;
    guard_address_ipv4(&source, (const __u8 *)head->from);
    if (guard_is_listed(settings, &source, 96))
        return 1;
    if (settings->addresses != GUARD_ADDRESSES_DHCP)
        return 0;
    guard_recheck(frame, settings);
    return guard_check_learned(frame, settings, &source, GUARD_IPV4_ADDRESS) == GUARD_PASS;
}

/* Whether the checksum that a frame asks for is its own; it also may not ask for any. */
GUARD_INLINE int
guard_is_plain_checksum(Frame *frame, __u8 protocol)
{
    __u32 start, offset;

    if (!frame_unfinished(frame, &start, &offset))
        return 1;
    return start == GUARD_ETH + GUARD_IPV4 &&
           offset == (protocol == GUARD_IP_TCP ? GUARD_TCP_CHECKSUM : GUARD_UDP_CHECKSUM);
}

GUARD_INLINE int
guard_is_plain(Frame *frame, const struct guard_settings *settings)
{
    const struct guard_head *head = frame_head(frame);
    const __u16 *mac = (const __u16 *)settings->mac;
    __u16 length;

    if (!head || frame_is_tagged(frame) || (head->target[0] & guard_swap16(0x0100)) != 0 ||
        head->source[0] != mac[0] || head->source[1] != mac[1] || head->source[2] != mac[2] ||
        !guard_is_plain_packet(head))
        return 0;
    length = guard_swap16(head->length);
    if (length != 0 && length < GUARD_IPV4)
        return 0;
    return guard_is_plain_checksum(frame, head->protocol) &&
           guard_is_plain_source(frame, settings, head);
}

GUARD_INLINE int
guard_is_plain_to_guest(Frame *frame)
{
    const struct guard_head *head = frame_head(frame);

    return head && !frame_is_tagged(frame) && guard_is_plain_packet(head);
}
