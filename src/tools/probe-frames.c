/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "probe-frames.h"

#include <linux/if_ether.h>
#include <netinet/in.h>
#include <string.h>

enum {
    ARP_LENGTH = 28,
    IPV4_LENGTH = 20,
    IPV6_LENGTH = 40,
    UDP_LENGTH = 8,
    ICMP_LENGTH = 8,
    DHCP_FIXED = 240, /* up to the options */
    DHCP_SERVER = 67,
    DHCP_CLIENT = 68,
    ECHO_REQUEST = 8,
    ECHO_REPLY = 0,
    ECHO6_REQUEST = 128,
    ECHO6_REPLY = 129,
    ROUTER_SOLICITATION = 133,
    ROUTER_ADVERTISEMENT = 134,
    NEIGHBOUR_SOLICITATION = 135,
    NEIGHBOUR_ADVERTISEMENT = 136,
};

static const MacAddress everybody = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
static const IpAddress all_routers = {{0xff, 0x02, [15] = 2}};
static const guint8 dhcp_cookie[] = {99, 130, 83, 99};

/* -- writing ---------------------------------------------------------------------------------- */

/* A frame while it is written, into room that suffices for any. */
typedef struct Writer {
    guint8 *frame;
    gsize length;
} Writer;

static void
put(Writer *writer, gconstpointer bytes, gsize n)
{
    memcpy(writer->frame + writer->length, bytes, n);
    writer->length += n;
}

static void
put_zeros(Writer *writer, gsize n)
{
    memset(writer->frame + writer->length, 0, n);
    writer->length += n;
}

static void
put_8(Writer *writer, guint8 value)
{
    writer->frame[writer->length++] = value;
}

static void
put_16(Writer *writer, guint value)
{
    put_8(writer, (guint8)(value >> 8));
    put_8(writer, (guint8)value);
}

static void
put_32(Writer *writer, guint32 value)
{
    put_16(writer, value >> 16);
    put_16(writer, value & 0xffff);
}

static void
put_ipv4(Writer *writer, const IpAddress *address)
{
    if (address)
        put(writer, address->bytes + 12, 4);
    else
        put_zeros(writer, 4);
}

static Writer
begin(guint8 *frame, const MacAddress *to, const MacAddress *from, guint type)
{
    Writer writer = {frame, 0};

    put(&writer, to->octets, 6);
    put(&writer, from->octets, 6);
    put_16(&writer, type);
    return writer;
}

/* The frame's length once its packet is padded to size, and to what Ethernet wants. */
static gsize
finish(Writer *writer, gsize size)
{
    gsize wanted = MAX((gsize)ETH_HLEN + size, ETH_ZLEN);

    if (writer->length < wanted)
        put_zeros(writer, wanted - writer->length);
    return writer->length;
}

/* Continues the Internet checksum (RFC 1071) sum. */
static guint32
add_up(guint32 sum, const guint8 *bytes, gsize n)
{
    for (gsize i = 0; i + 1 < n; i += 2)
        sum += (guint32)(bytes[i] << 8 | bytes[i + 1]);
    if (n % 2)
        sum += (guint32)bytes[n - 1] << 8;
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return sum;
}

static void
store_sum(guint8 *at, guint32 sum)
{
    at[0] = (guint8)(~sum >> 8);
    at[1] = (guint8)~sum;
}

/* source NULL: no address yet. length: of the packet, which follows. */
static void
put_ipv4_header(Writer *writer, guint8 protocol, const IpAddress *source,
                const IpAddress *destination, gsize length)
{
    guint8 *header = writer->frame + writer->length;

    put_16(writer, 0x4500);
    put_16(writer, (guint)length);
    put_16(writer, 0);
    put_16(writer, 0x4000); /* do not fragment */
    put_8(writer, 64);
    put_8(writer, protocol);
    put_16(writer, 0);
    put_ipv4(writer, source);
    if (destination)
        put(writer, destination->bytes + 12, 4);
    else
        put(writer, everybody.octets, 4);
    store_sum(header + 10, add_up(0, header, IPV4_LENGTH));
}

static void
put_ipv6_header(Writer *writer, const IpAddress *source, const IpAddress *destination, gsize length)
{
    put_32(writer, 0x60000000);
    put_16(writer, (guint)(length - IPV6_LENGTH));
    put_8(writer, IPPROTO_ICMPV6);
    put_8(writer, 255);
    put(writer, source->bytes, 16);
    put(writer, destination->bytes, 16);
}

/* The checksum of the ICMPv6 message at the end of an IPv6 packet. */
static void
store_icmp6_sum(const Writer *writer)
{
    guint8 *packet = writer->frame + ETH_HLEN, *message = packet + IPV6_LENGTH;
    gsize n = writer->length - ETH_HLEN - IPV6_LENGTH;
    guint32 sum = add_up((guint32)n + IPPROTO_ICMPV6, packet + 8, 32);

    store_sum(message + 2, add_up(sum, message, n));
}

IpAddress
probe_link_local(const MacAddress *mac)
{
    IpAddress address = {{0xfe, 0x80, [11] = 0xff, [12] = 0xfe}};

    memcpy(address.bytes + 8, mac->octets, 3);
    memcpy(address.bytes + 13, mac->octets + 3, 3);
    address.bytes[8] ^= 2;
    return address;
}

gsize
probe_write_arp(const ProbeStation *station, const IpAddress *sender, const IpAddress *target,
                gsize size, guint8 frame[static PROBE_FRAME_MAX])
{
    static const guint8 head[] = {0, 1, 8, 0, 6, 4, 0, 1};
    Writer writer = begin(frame, &everybody, &station->mac, ETH_P_ARP);

    put(&writer, head, sizeof head);
    put(&writer, station->mac.octets, 6);
    put_ipv4(&writer, sender);
    put_zeros(&writer, 6);
    put_ipv4(&writer, target);
    return finish(&writer, size);
}

gsize
probe_write_discover(const ProbeStation *station, gboolean broadcast,
                     guint8 frame[static PROBE_FRAME_MAX])
{
    /* A DISCOVER; it asks for mask, router, DNS servers, MTU and static routes. */
    static const guint8 options[] = {53, 1, 1, 55, 5, 1, 3, 6, 26, 121, 255};
    const gsize length = 300; /* the least that BOOTP relays take (RFC 1542, 2.1) */
    Writer writer = begin(frame, &everybody, &station->mac, ETH_P_IP);

    put_ipv4_header(&writer, IPPROTO_UDP, NULL, NULL, IPV4_LENGTH + UDP_LENGTH + length);
    put_16(&writer, DHCP_CLIENT);
    put_16(&writer, DHCP_SERVER);
    put_16(&writer, (guint)(UDP_LENGTH + length));
    put_16(&writer, 0); /* no checksum, as RFC 768 allows */
    put_32(&writer, 0x01010600);
    put_32(&writer, station->transaction);
    put_16(&writer, 0);
    put_16(&writer, broadcast ? 0x8000 : 0);
    put_zeros(&writer, 16);
    put(&writer, station->mac.octets, 6);
    put_zeros(&writer, 10 + 64 + 128);
    put(&writer, dhcp_cookie, sizeof dhcp_cookie);
    put(&writer, options, sizeof options);
    return finish(&writer, IPV4_LENGTH + UDP_LENGTH + length);
}

/* A solicitation for target (NULL: for routers), with our MAC as an option. */
static gsize
write_solicitation(const ProbeStation *station, guint8 type, const IpAddress *destination,
                   const IpAddress *target, guint8 *frame)
{
    const MacAddress group = {{0x33, 0x33, destination->bytes[12], destination->bytes[13],
                               destination->bytes[14], destination->bytes[15]}};
    IpAddress source = probe_link_local(&station->mac);
    Writer writer = begin(frame, &group, &station->mac, ETH_P_IPV6);
    gsize length = IPV6_LENGTH + ICMP_LENGTH + (target ? 16 : 0) + 8;

    put_ipv6_header(&writer, &source, destination, length);
    put_8(&writer, type);
    put_zeros(&writer, ICMP_LENGTH - 1);
    if (target)
        put(&writer, target->bytes, 16);
    put_16(&writer, 0x0101); /* the source's link-layer address, 8 bytes */
    put(&writer, station->mac.octets, 6);
    store_icmp6_sum(&writer);
    return finish(&writer, length);
}

gsize
probe_write_router_question(const ProbeStation *station, guint8 frame[static PROBE_FRAME_MAX])
{
    return write_solicitation(station, ROUTER_SOLICITATION, &all_routers, NULL, frame);
}

gsize
probe_write_neighbour_question(const ProbeStation *station, const IpAddress *target,
                               guint8 frame[static PROBE_FRAME_MAX])
{
    IpAddress group = {{0xff, 0x02, [11] = 1, [12] = 0xff}};

    memcpy(group.bytes + 13, target->bytes + 13, 3);
    return write_solicitation(station, NEIGHBOUR_SOLICITATION, &group, target, frame);
}

gsize
probe_write_echo(const ProbeStation *station, const IpAddress *source, const IpAddress *destination,
                 const MacAddress *destination_mac, gsize size,
                 guint8 frame[static PROBE_FRAME_MAX])
{
    gboolean is_ipv4 = ip_address_is_ipv4(destination);
    Writer writer = begin(frame, destination_mac, &station->mac, is_ipv4 ? ETH_P_IP : ETH_P_IPV6);
    IpAddress link_local = probe_link_local(&station->mac);
    guint8 *message;

    if (is_ipv4)
        put_ipv4_header(&writer, IPPROTO_ICMP, source, destination, size);
    else
        put_ipv6_header(&writer, source ? source : &link_local, destination, size);
    message = frame + writer.length;
    put_8(&writer, is_ipv4 ? ECHO_REQUEST : ECHO6_REQUEST);
    put_zeros(&writer, 3);
    put_16(&writer, station->echo);
    put_16(&writer, (guint)size);
    put(&writer, station->token, sizeof station->token);
    put_zeros(&writer, ETH_HLEN + size - writer.length);
    if (is_ipv4)
        store_sum(message + 2, add_up(0, message, size - IPV4_LENGTH));
    else
        store_icmp6_sum(&writer);
    return finish(&writer, size);
}

/* -- reading ---------------------------------------------------------------------------------- */

/* What is still to be read; data NULL: the frame was too short. */
typedef struct Reader {
    const guint8 *data;
    gsize length;
} Reader;

/* The next n bytes, or NULL. */
static const guint8 *
take(Reader *reader, gsize n)
{
    const guint8 *data = reader->data;

    if (!data || n > reader->length) {
        reader->data = NULL;
        return NULL;
    }
    reader->data += n;
    reader->length -= n;
    return data;
}

static guint
get_16(const guint8 *bytes)
{
    return (guint)bytes[0] << 8 | bytes[1];
}

static guint32
get_32(const guint8 *bytes)
{
    return (guint32)get_16(bytes) << 16 | get_16(bytes + 2);
}

static IpAddress
get_ipv4(const guint8 *bytes)
{
    return ip_address_from_ipv4(bytes);
}

static IpAddress
get_ipv6(const guint8 *bytes)
{
    IpAddress address;

    memcpy(address.bytes, bytes, 16);
    return address;
}

gboolean
probe_has_address(const IpAddress *address)
{
    static const IpAddress none, none_ipv4 = {{[10] = 0xff, [11] = 0xff}};

    return !ip_address_equal(address, &none) && !ip_address_equal(address, &none_ipv4);
}

static void
read_arp(const ProbeStation *station, Reader packet, ProbeAnswer *answer)
{
    static const guint8 head[] = {0, 1, 8, 0, 6, 4, 0, 2};
    const guint8 *arp = take(&packet, ARP_LENGTH);

    if (!arp || memcmp(arp, head, sizeof head) != 0 ||
        memcmp(arp + 18, station->mac.octets, 6) != 0)
        return;
    memcpy(answer->mac.octets, arp + 8, 6);
    answer->address = get_ipv4(arp + 14);
    answer->kind = PROBE_ARP;
}

/* One option of an offer. */
static void
read_dhcp_option(guint8 code, const guint8 *value, gsize n, guint *type, ProbeAnswer *answer)
{
    if (code == 53 && n == 1)
        *type = value[0];
    else if (code == 1 && n == 4)
        answer->bits = (guint)__builtin_popcount(get_32(value));
    else if (code == 3 && n >= 4)
        answer->gateway = get_ipv4(value);
    else if (code == 26 && n == 2)
        answer->mtu = get_16(value);
    else if (code == 51 && n == 4)
        answer->seconds = get_32(value);
    else if (code == 54 && n == 4)
        answer->address = get_ipv4(value);
}

/* Returns the message's type; 0: the options are not whole. */
static guint
read_dhcp_options(Reader options, ProbeAnswer *answer)
{
    guint type = 0;

    for (const guint8 *code = take(&options, 1); code; code = take(&options, 1)) {
        const guint8 *n, *value;

        if (*code == 255)
            return type;
        if (*code == 0)
            continue;
        n = take(&options, 1);
        value = n ? take(&options, *n) : NULL;
        if (!value)
            return 0;
        read_dhcp_option(*code, value, *n, &type, answer);
    }
    return type;
}

static void
read_dhcp(const ProbeStation *station, Reader message, ProbeAnswer *answer)
{
    const guint8 *fixed = take(&message, DHCP_FIXED);
    ProbeAnswer offer = *answer;

    if (!fixed || fixed[0] != 2 || fixed[1] != 1 || fixed[2] != 6 ||
        get_32(fixed + 4) != station->transaction ||
        memcmp(fixed + 28, station->mac.octets, 6) != 0 ||
        memcmp(fixed + 236, dhcp_cookie, sizeof dhcp_cookie) != 0)
        return;
    offer.offered = get_ipv4(fixed + 16);
    if (read_dhcp_options(message, &offer) != 2 || !probe_has_address(&offer.offered))
        return;
    offer.kind = PROBE_OFFER;
    *answer = offer;
}

static void
read_echo(const ProbeStation *station, Reader message, guint8 type, gsize size, ProbeAnswer *answer)
{
    const guint8 *head = take(&message, ICMP_LENGTH);
    const guint8 *token = take(&message, sizeof station->token);

    if (!head || !token || head[0] != type || head[1] != 0 || get_16(head + 4) != station->echo ||
        get_16(head + 6) != size || memcmp(token, station->token, sizeof station->token) != 0)
        return;
    answer->size = size;
    answer->kind = PROBE_ECHO;
}

static void
read_ipv4(const ProbeStation *station, Reader packet, ProbeAnswer *answer)
{
    const guint8 *header = take(&packet, IPV4_LENGTH), *udp;
    gsize options, length;

    if (!header || header[0] >> 4 != 4 || (header[0] & 15) < 5)
        return;
    options = (gsize)(header[0] & 15) * 4 - IPV4_LENGTH;
    length = get_16(header + 2);
    if (!take(&packet, options) || length < IPV4_LENGTH + options ||
        length - IPV4_LENGTH - options > packet.length || get_16(header + 6) & 0x3fff)
        return;
    packet.length = length - IPV4_LENGTH - options;
    answer->address = get_ipv4(header + 12);
    if (header[9] == IPPROTO_ICMP) {
        read_echo(station, packet, ECHO_REPLY, length, answer);
    } else if (header[9] == IPPROTO_UDP) {
        udp = take(&packet, UDP_LENGTH);
        if (udp && get_16(udp) == DHCP_SERVER && get_16(udp + 2) == DHCP_CLIENT)
            read_dhcp(station, packet, answer);
    }
}

/* The options of an advertisement; FALSE: they are not whole. */
static gboolean
read_nd_options(Reader options, ProbeAnswer *answer)
{
    while (options.length > 0) {
        const guint8 *head = take(&options, 2), *rest;

        rest = head && head[1] > 0 ? take(&options, (gsize)head[1] * 8 - 2) : NULL;
        if (!rest)
            return FALSE;
        if (head[0] == 2 && head[1] == 1 && answer->kind == PROBE_NEIGHBOUR)
            memcpy(answer->mac.octets, rest, 6);
        else if (head[0] == 5 && head[1] == 1)
            answer->mtu = get_32(rest + 2);
        else if (head[0] == 3 && head[1] == 4 && rest[1] & 0x40 && !answer->bits) {
            answer->offered = get_ipv6(rest + 14);
            answer->bits = rest[0];
        }
    }
    return TRUE;
}

static void
read_icmp6(const ProbeStation *station, Reader message, gsize size, ProbeAnswer *answer)
{
    ProbeAnswer found = *answer;
    Reader rest = message;
    const guint8 *head = take(&rest, ICMP_LENGTH), *target;

    if (!head)
        return;
    if (head[0] == NEIGHBOUR_ADVERTISEMENT) {
        target = take(&rest, 16);
        if (!target)
            return;
        found.kind = PROBE_NEIGHBOUR;
        found.address = get_ipv6(target);
    } else if (head[0] == ROUTER_ADVERTISEMENT && take(&rest, 8) &&
               answer->address.bytes[0] == 0xfe && answer->address.bytes[1] >> 6 == 2) {
        found.kind = PROBE_ROUTER;
        found.seconds = get_16(head + 6);
    } else {
        read_echo(station, message, ECHO6_REPLY, size, answer);
        return;
    }
    found.mac = answer->from;
    if (read_nd_options(rest, &found))
        *answer = found;
}

static void
read_ipv6(const ProbeStation *station, Reader packet, ProbeAnswer *answer)
{
    const guint8 *header = take(&packet, IPV6_LENGTH);
    gsize length = header ? get_16(header + 4) : 0;

    if (!header || header[0] >> 4 != 6 || header[6] != IPPROTO_ICMPV6 || length > packet.length ||
        length < 1)
        return;
    /* Forwarded neighbour discovery does not come from a neighbour (RFC 4861, 6.1.2 and 7.1.2). */
    if (header[7] != 255 && packet.data[0] != ECHO6_REPLY)
        return;
    packet.length = length;
    answer->address = get_ipv6(header + 8);
    read_icmp6(station, packet, IPV6_LENGTH + length, answer);
}

gboolean
probe_read(const ProbeStation *station, const guint8 *frame, gsize length, ProbeAnswer *ret_answer)
{
    Reader packet = {frame, length};
    const guint8 *header = take(&packet, ETH_HLEN);
    ProbeAnswer answer = {.kind = PROBE_NOTHING};

    if (!header)
        return FALSE;
    memcpy(answer.from.octets, header + 6, 6);
    answer.is_for_us = memcmp(header, station->mac.octets, 6) == 0;
    if (answer.is_for_us || header[0] & 1) {
        switch (get_16(header + 12)) {
        case ETH_P_ARP:
            read_arp(station, packet, &answer);
            break;
        case ETH_P_IP:
            read_ipv4(station, packet, &answer);
            break;
        case ETH_P_IPV6:
            read_ipv6(station, packet, &answer);
            break;
        }
    }
    *ret_answer = answer;
    return TRUE;
}
