/* SPDX-License-Identifier: LGPL-2.1-or-later OR GPL-2.0-only */
/*
 * The guard's rules: what a guest may send. docs/guard.md describes them row by row.
 *
 * Theory of operation. guard_judge() looks at one frame that a guest sends. It reads each header
 * once, from the outside in, and stops at the first rule that the frame breaks. Nothing after what
 * it has read can change how a receiver interprets the frame.
 *
 * A frame that ends before a field that a rule needs is dropped.
 *
 * The first bytes of the transport header must be in the first fragment, and no later fragment may
 * overlap them (RFC 1858, 3128, 7112, 7113).
 *
 * A guest can ask the host to finish a checksum, which writes two bytes at an offset of the guest's
 * choice after our check. So it may ask only for the frame's own TCP or UDP checksum, or for one
 * inside a UDP datagram, where no rule reads anything.
 *
 * Where Allow=vlan allows tags, the rules apply to the frame behind them; a frame with a priority
 * tag counts as untagged.
 *
 * The bans (advertisements, DHCP servers, tags, ...) apply if the guard is in use: senders is own,
 * addresses is not any, or something is not allowed. Otherwise every frame passes and is only
 * searched for addresses.
 */
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

/* ---- neither IP nor ARP ---- */

GUARD_INLINE int
guard_is_tag(__u16 type)
{
    return type == 0x8100 || type == 0x88a8 || type == 0x9100 || type == 0x9200 || type == 0x9300;
}

/* 802.3. SNAP is another way to encode an EtherType, which the other rules do not look at. */
GUARD_INLINE int
guard_judge_llc(Frame *frame, const struct guard_settings *settings, __u32 l3)
{
    __u8 llc[8];
    __u16 type;

    if (frame_load(frame, l3, llc, 3) < 0)
        return GUARD_MALFORMED;
    if (llc[0] == 0x42)
        return guard_allows(settings, GUARD_ALLOW_STP) ? GUARD_PASS : GUARD_STP;
    if (llc[0] == 0xaa || llc[0] == 0xab) {
        if (frame_load(frame, l3, llc, sizeof(llc)) < 0)
            return GUARD_MALFORMED;
        type = guard_get16(llc + 6);
        if (type == GUARD_ETH_ARP || type == GUARD_ETH_RARP)
            return GUARD_ARP_FORM;
        if (guard_is_tag(type))
            return GUARD_VLAN_TAG;
        if (type == GUARD_ETH_IPV4 || type == GUARD_ETH_IPV6)
            return GUARD_OTHER_PROTOCOL;
        if (type == 0x010b) /* PVST+ */
            return guard_allows(settings, GUARD_ALLOW_STP) ? GUARD_PASS : GUARD_STP;
    }
    return guard_allows(settings, GUARD_ALLOW_OTHER) ? GUARD_PASS : GUARD_OTHER_PROTOCOL;
}

/* 01:80:c2:00:00:0X, which bridges do not forward, and :2X, which configures VLANs and groups on
 * bridges. */
GUARD_INLINE int
guard_is_for_bridges(const __u8 *mac)
{
    return mac[0] == 0x01 && mac[1] == 0x80 && mac[2] == 0xc2 && mac[3] == 0 && mac[4] == 0 &&
           ((mac[5] & 0xf0) == 0 || (mac[5] & 0xf0) == 0x20);
}

/* An EtherType without a rule of its own. Where addresses are checked, a protocol that we cannot
 * read does not pass. */
GUARD_INLINE int
guard_judge_other(const struct guard_settings *settings, __u16 type, int for_bridges)
{
    if (type == GUARD_ETH_LLDP)
        return guard_allows(settings, GUARD_ALLOW_LLDP) ? GUARD_PASS : GUARD_LLDP;
    if (type == GUARD_ETH_LACP)
        return guard_allows(settings, GUARD_ALLOW_LACP) ? GUARD_PASS : GUARD_LACP;
    if (guard_allows(settings, GUARD_ALLOW_OTHER))
        return GUARD_PASS;
    if (for_bridges || settings->addresses != GUARD_ADDRESSES_ANY || type == GUARD_ETH_PAUSE ||
        type == GUARD_ETH_8021X || type == GUARD_ETH_MVRP || type == GUARD_ETH_MMRP ||
        type == GUARD_ETH_JUMBO_LLC)
        return GUARD_OTHER_PROTOCOL;
    return GUARD_PASS;
}

/* ---- ARP and RARP ---- */

/* QEMU and macvtapd announce a guest with RARP requests, which contain no IP address. */
GUARD_INLINE int
guard_is_arp_form(const __u8 *arp, int reverse)
{
    __u16 operation = guard_get16(arp + 6);

    if (guard_get16(arp) != 1 || guard_get16(arp + 2) != GUARD_ETH_IPV4 || arp[4] != 6 ||
        arp[5] != 4)
        return 0;
    return reverse ? operation == 3 : operation == 1 || operation == 2;
}

GUARD_PART int
guard_judge_arp(Frame *frame, const struct guard_settings *settings, __u32 l3, __u32 reverse,
                struct guard_claim *claim)
{
    __u8 arp[GUARD_ARP];
    int why;

    if (!settings || !claim || frame_load(frame, l3, arp, sizeof(arp)) < 0)
        return GUARD_MALFORMED;
    if (!guard_is_arp_form(arp, reverse != 0))
        return GUARD_ARP_FORM;
    why = guard_check_mac(settings, arp + 8, GUARD_ARP_MAC);
    if (why == GUARD_PASS)
        why = guard_check_finished(frame);
    if (why != GUARD_PASS)
        return why;
    guard_address_ipv4(&claim->address, arp + 14);
    /* A probe, whose sender has no address yet (RFC 5227). */
    if (guard_is_unspecified(&claim->address) && guard_get16(arp + 6) != 2)
        return GUARD_PASS;
    why = guard_check_address(frame, settings, &claim->address, GUARD_ARP_ADDRESS);
    if (why == GUARD_PASS && !reverse && !guard_is_unspecified(&claim->address)) {
        claim->kind = GUARD_CLAIM_USES;
        claim->how = GUARD_HOW_ARP;
    }
    return why;
}

/* ---- ICMPv6 ---- */

/* The offset of the options in an ND message; 0: it is not an ND message. */
GUARD_INLINE __u32
guard_nd_options(__u8 type)
{
    if (type < 133 || type > 137)
        return 0;
    if (type == 133) /* router solicitation */
        return 8;
    if (type == 134) /* router advertisement */
        return 16;
    return type == 137 /* redirect */ ? 40 : 24; /* neighbour solicitation and advertisement */
}

/* Source and target link-layer addresses (RFC 4861 4.6.1) must be the port's. */
GUARD_INLINE int
guard_check_nd_options(Frame *frame, const struct guard_settings *settings, __u32 at, __u32 end)
{
    __u8 option[8];

    for (int i = 0; i < GUARD_ND_OPTIONS; i++) {
        if (at + sizeof(option) > end)
            return GUARD_PASS;
        if (frame_load(frame, at, option, sizeof(option)) < 0)
            return GUARD_MALFORMED;
        if ((option[0] == 1 || option[0] == 2) && !guard_same_mac(option + 2, settings->mac))
            return GUARD_ND_MAC;
        at += option[1] * 8;
    }
    return GUARD_MALFORMED;
}

GUARD_INLINE int
guard_check_icmpv6_type(const struct guard_settings *settings, __u8 type)
{
    if (guard_allows(settings, GUARD_ALLOW_ROUTER))
        return GUARD_PASS;
    if (type == 134)
        return GUARD_ROUTER_ADVERTISEMENT;
    if (type == 137)
        return GUARD_REDIRECT;
    if (type == 130 || type == 151) /* MLD query; multicast router advertisement (RFC 4286) */
        return GUARD_QUERY;
    return GUARD_PASS;
}

/* What an ND message says about its sender. */
GUARD_INLINE int
guard_judge_nd(Frame *frame, const struct guard_settings *settings,
               const struct guard_transport *transport, __u8 type, struct guard_claim *claim)
{
    struct guard_address target = {0};
    __u8 bytes[16];

    if (type == 135 || type == 136) {
        if (frame_load(frame, transport->at + 8, bytes, sizeof(bytes)) < 0)
            return GUARD_MALFORMED;
        guard_address_ipv6(&target, bytes);
        if (guard_is_mapped(&target))
            return GUARD_ND_ADDRESS;
    }
    if (type == 136) { /* a neighbour's advertisement: the target must be the guest's */
        claim->address = target;
        claim->kind = GUARD_CLAIM_USES;
        return guard_check_address(frame, settings, &claim->address, GUARD_ND_ADDRESS);
    }
    if (!guard_is_unspecified(&claim->address)) {
        claim->kind = GUARD_CLAIM_USES; /* sets claim->address to the source */
    } else if (type == 135) {
        claim->address = target;
        claim->kind = GUARD_CLAIM_DAD;
    }
    return GUARD_PASS;
}

/* claim->address is the packet's source. */
GUARD_PART int
guard_judge_icmpv6(Frame *frame, const struct guard_settings *settings,
                   struct guard_transport *transport, struct guard_claim *claim)
{
    __u8 type;
    __u32 options;
    int why;

    if (!settings || !transport || !claim || frame_load(frame, transport->at, &type, 1) < 0)
        return GUARD_MALFORMED;
    /* Sent without an address: DAD, router solicitations, and MLD reports before DAD (RFC 3590). */
    transport->nameless = type == 133 || type == 135 || type == 131 || type == 132 || type == 143;
    why = guard_check_icmpv6_type(settings, type);
    options = guard_nd_options(type);
    if (why != GUARD_PASS || options == 0)
        return why;
    if (transport->fragmented) /* receivers that follow RFC 6980 ignore it */
        return GUARD_FRAGMENT;
    if (transport->at + options > transport->end)
        return GUARD_MALFORMED;
    if (settings->senders == GUARD_SENDERS_OWN)
        why = guard_check_nd_options(frame, settings, transport->at + options, transport->end);
    if (why != GUARD_PASS)
        return why;
    claim->how = GUARD_HOW_ND;
    return guard_judge_nd(frame, settings, transport, type, claim);
}

/* ---- transport ---- */

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

/* ---- IP ---- */

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

/* ---- a frame ---- */

GUARD_INLINE int
guard_judge_type(Frame *frame, const struct guard_settings *settings, __u16 type, __u32 l3,
                 int for_bridges, struct guard_claim *claim)
{
    int why;

    if (type < GUARD_ETH_SMALLEST) {
        why = guard_judge_llc(frame, settings, l3);
        return why == GUARD_PASS ? guard_check_finished(frame) : why;
    }
    if (type == GUARD_ETH_IPV4 && !for_bridges)
        return guard_judge_ipv4(frame, settings, l3, claim);
    if (type == GUARD_ETH_IPV6 && !for_bridges)
        return guard_judge_ipv6(frame, settings, l3, claim);
    if ((type == GUARD_ETH_ARP || type == GUARD_ETH_RARP) && !for_bridges)
        return guard_judge_arp(frame, settings, l3, type == GUARD_ETH_RARP, claim);
    if (type == GUARD_ETH_IPV4 || type == GUARD_ETH_IPV6 || type == GUARD_ETH_ARP)
        return GUARD_OTHER_PROTOCOL;
    why = guard_judge_other(settings, type, for_bridges);
    return why == GUARD_PASS ? guard_check_finished(frame) : why;
}

/* Applies the rules whether or not the guard is in use: GUARD_PASS or a reason; also sets claim. */
GUARD_INLINE int
guard_classify(Frame *frame, const struct guard_settings *settings, struct guard_claim *claim)
{
    __u8 eth[GUARD_ETH], tag[GUARD_TAG];
    int tagged = frame_is_tagged(frame);
    __u32 l3 = GUARD_ETH;
    __u16 type;
    int why;

    if (frame_load_eth(frame, eth) < 0)
        return GUARD_MALFORMED;
    why = guard_check_mac(settings, eth + GUARD_MAC, GUARD_OTHER_MAC);
    if (why != GUARD_PASS)
        return why;
    type = guard_get16(eth + 2 * GUARD_MAC);
    for (int i = 0; i < 2 && guard_is_tag(type); i++) {
        if (frame_load(frame, l3, tag, sizeof(tag)) < 0)
            return GUARD_MALFORMED;
        tagged = 1;
        type = guard_get16(tag + 2);
        l3 += GUARD_TAG;
    }
    if ((tagged && !guard_allows(settings, GUARD_ALLOW_VLAN)) || guard_is_tag(type))
        return GUARD_VLAN_TAG;
    why = guard_judge_type(frame, settings, type, l3, guard_is_for_bridges(eth), claim);
    if (tagged) /* addresses of another LAN */
        claim->kind = GUARD_CLAIM_NOTHING;
    return why;
}

/* Notes the claim of a permitted frame. Returns whether to send an event about a new address. */
GUARD_INLINE int
guard_note(Frame *frame, const struct guard_settings *settings, const struct guard_claim *claim)
{
    if (claim->kind == GUARD_CLAIM_USES)
        return guard_see(frame, &claim->address, claim->how);
    if (claim->kind == GUARD_CLAIM_DAD)
        guard_learn_dad(frame, settings, &claim->address);
    else if (claim->kind == GUARD_CLAIM_ASKS)
        guard_learn_request(frame, settings, claim->offset);
    return 0;
}

/*
 * Judges a frame from the guest. GUARD_PASS or a GuardReason; a frame that passes is noted, and
 * *ret_tell says whether to send an event about the address in claim.
 */
GUARD_INLINE int
guard_judge(Frame *frame, const struct guard_settings *settings, struct guard_claim *claim,
            int *ret_tell)
{
    int why = guard_classify(frame, settings, claim);

    if (!guard_is_on(settings))
        why = GUARD_PASS;
    *ret_tell = why == GUARD_PASS ? guard_note(frame, settings, claim) : 0;
    return why;
}
