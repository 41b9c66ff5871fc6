/* SPDX-License-Identifier: LGPL-2.1-or-later OR GPL-2.0-only */
/*
 * What passes over a host link. The rules compile for BPF (host-link.bpf.c) and natively (tests):
 * they see the first bytes of a frame and the entries of the maps, and nothing else.
 *
 * Theory of operation. The host link gets every broadcast of the LAN, and whatever a guest sends to
 * its MAC. In goes only what a guest on a port sends to an address that the host has on the parent,
 * from an address to which the host has a route over the link: ARP requests and neighbour
 * solicitations for it, and IP packets to it. Anything else would be answered twice (a station's
 * ARP), or forwarded by a host that forwards, which would let guests reach what lies behind it.
 *
 * Out goes only what is for the MAC of a guest on a port, which the kernel delivers on this host:
 * so the link's MAC is never seen on the wire.
 */
#pragma once

#include "host-link-map.h"

#ifdef __bpf__
#define HOST_INLINE static inline __attribute__((always_inline))
/* The verifier checks a global function once, on its own, however often it is called. */
#define HOST_PART __attribute__((noinline))
#else
#define HOST_INLINE static inline
#define HOST_PART static inline
#endif

enum {
    HOST_ETH = 14,
    HOST_ARP = 28,
    HOST_IPV4 = 20,
    HOST_IPV6 = 40,
    HOST_SOLICITATION = 24,
    HOST_HEAD = HOST_ETH + HOST_IPV6 + HOST_SOLICITATION, /* the most bytes that a rule reads */
    HOST_ETH_IPV4 = 0x0800,
    HOST_ETH_ARP = 0x0806,
    HOST_ETH_IPV6 = 0x86dd,
    HOST_ICMPV6 = 58,
    HOST_ND_SOLICITATION = 135,
    HOST_ND_ADVERTISEMENT = 136,
};

HOST_INLINE __u32
host_get16(const __u8 *at)
{
    return (__u32)(at[0] << 8 | at[1]);
}

HOST_INLINE struct host_address
host_address_ipv4(const __u8 *at)
{
    struct host_address address = {.bytes = {[10] = 0xff, [11] = 0xff}};

    for (int i = 0; i < 4; i++)
        address.bytes[12 + i] = at[i];
    return address;
}

HOST_INLINE struct host_address
host_address_ipv6(const __u8 *at)
{
    struct host_address address;

    for (int i = 0; i < 16; i++)
        address.bytes[i] = at[i];
    return address;
}

HOST_INLINE int
host_same(const struct host_address *one, const struct host_address *other)
{
    return one->halves[0] == other->halves[0] && one->halves[1] == other->halves[1];
}

/* ::ffff:0:0/96 stands for IPv4 here; no IPv6 packet has such an address. */
HOST_INLINE int
host_is_mapped(const struct host_address *address)
{
    __u8 rest = 0;

    for (int i = 0; i < 10; i++)
        rest |= address->bytes[i];
    return rest == 0 && address->bytes[10] == 0xff && address->bytes[11] == 0xff;
}

HOST_INLINE int
host_is_nobody(const struct host_address *address)
{
    return address->halves[0] == 0 &&
           (address->halves[1] == 0 ||
            (host_is_mapped(address) && address->bytes[12] == 0 && address->bytes[13] == 0 &&
             address->bytes[14] == 0 && address->bytes[15] == 0));
}

/* fe80::/10 */
HOST_INLINE int
host_is_link_local(const struct host_address *address)
{
    return address->bytes[0] == 0xfe && (address->bytes[1] & 0xc0) == 0x80;
}

HOST_PART int
host_link_has(const struct host_link *link, const struct host_address *address)
{
    if (!link || !address)
        return 0;
    for (__u32 i = 0; i < HOST_LINK_ADDRESSES && i < link->n; i++) {
        if (host_same(&link->addresses[i], address))
            return 1;
    }
    return 0;
}

HOST_PART int
host_port_has(const struct host_port *port, const struct host_address *address)
{
    if (!port || !address)
        return 0;
    for (__u32 i = 0; i < HOST_PORT_ADDRESSES && i < port->n; i++) {
        if (host_same(&port->addresses[i], address))
            return 1;
    }
    return 0;
}

/* An ARP request for one of the host's addresses; its sender may not have an address yet. */
HOST_INLINE int
host_takes_arp(const __u8 *arp, const __u8 *mac, const struct host_link *link,
               const struct host_port *port)
{
    struct host_address sender = host_address_ipv4(arp + 14), target = host_address_ipv4(arp + 24);
    __u8 differs = 0;

    for (int i = 0; i < 6; i++)
        differs |= arp[8 + i] ^ mac[i];
    return host_get16(arp) == 1 && host_get16(arp + 2) == HOST_ETH_IPV4 && arp[4] == 6 &&
           arp[5] == 4 && host_get16(arp + 6) == 1 && !differs && host_link_has(link, &target) &&
           (host_is_nobody(&sender) || host_port_has(port, &sender));
}

HOST_INLINE int
host_takes_ipv4(const __u8 *ip, const struct host_link *link, const struct host_port *port)
{
    struct host_address from = host_address_ipv4(ip + 12), to = host_address_ipv4(ip + 16);

    return ip[0] >> 4 == 4 && host_link_has(link, &to) && host_port_has(port, &from);
}

/* length: of the packet's bytes that are there. */
HOST_INLINE int
host_takes_ipv6(const __u8 *ip, __u32 length, const struct host_link *link,
                const struct host_port *port)
{
    struct host_address from = host_address_ipv6(ip + 8), to = host_address_ipv6(ip + 24), target;

    if (ip[0] >> 4 != 6 || host_is_mapped(&from) || host_is_mapped(&to))
        return 0;
    if (host_port_has(port, &from)) {
        if (host_link_has(link, &to))
            return 1;
    } else if (!host_is_link_local(&from)) {
        return 0;
    }
    if (ip[6] != HOST_ICMPV6 || ip[7] != 255 || length < HOST_IPV6 + HOST_SOLICITATION ||
        ip[HOST_IPV6] != HOST_ND_SOLICITATION)
        return 0;
    target = host_address_ipv6(ip + HOST_IPV6 + 8);
    return host_link_has(link, &target);
}

/* Whether the host takes a frame that comes in from a port; head: its first length bytes, at least
 * HOST_ETH and at most HOST_HEAD. */
HOST_INLINE int
host_takes(const __u8 *head, __u32 length, const struct host_link *link,
           const struct host_port *port)
{
    __u32 type = host_get16(head + 12);

    if (type == HOST_ETH_ARP && length >= HOST_ETH + HOST_ARP)
        return host_takes_arp(head + HOST_ETH, head + 6, link, port);
    if (type == HOST_ETH_IPV4 && length >= HOST_ETH + HOST_IPV4)
        return host_takes_ipv4(head + HOST_ETH, link, port);
    if (type == HOST_ETH_IPV6 && length >= HOST_ETH + HOST_IPV6)
        return host_takes_ipv6(head + HOST_ETH, length - HOST_ETH, link, port);
    return 0;
}

/* The address that a station says it has, in ARP or neighbour discovery. Returns whether it does.
 */
HOST_INLINE int
host_hears(const __u8 *head, __u32 length, struct host_address *ret_address)
{
    const __u8 *ip = head + HOST_ETH;
    __u32 type = host_get16(head + 12);

    if (type == HOST_ETH_ARP && length >= HOST_ETH + HOST_ARP) {
        *ret_address = host_address_ipv4(ip + 14);
        return 1;
    }
    if (type != HOST_ETH_IPV6 || length < HOST_HEAD || ip[6] != HOST_ICMPV6 || ip[7] != 255)
        return 0;
    if (ip[HOST_IPV6] == HOST_ND_SOLICITATION)
        *ret_address = host_address_ipv6(ip + 8);
    else if (ip[HOST_IPV6] == HOST_ND_ADVERTISEMENT)
        *ret_address = host_address_ipv6(ip + HOST_IPV6 + 8);
    else
        return 0;
    return 1;
}
