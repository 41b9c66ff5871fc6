/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "captured-frame.h"

#include "ip-address.h"
#include "mac-address.h"

#include <string.h>

enum {
    MAC = 6,
    TAGS_MAX = 2,
    EXTENSIONS_MAX = 8,
    TYPE_MIN = 0x600, /* smaller values are lengths (IEEE 802.3) */
};

/* A number and the word for it; a list ends with one without a word. */
typedef struct Word {
    guint number;
    const char *word;
} Word;

/* What is left of the frame. */
typedef struct Cursor {
    const guint8 *at;
    gsize left;
} Cursor;

/* NULL: the frame, or what was captured of it, is shorter. */
static const guint8 *
take(Cursor *cursor, gsize n)
{
    const guint8 *at = cursor->at;

    if (cursor->left < n)
        return NULL;
    cursor->at += n;
    cursor->left -= n;
    return at;
}

static guint
get16(const guint8 *at)
{
    return (guint)at[0] << 8 | at[1];
}

static const char *
find_word(const Word *words, guint number)
{
    while (words->word && words->number != number)
        words++;
    return words->word;
}

static void
append_cut(GString *line)
{
    g_string_append(line, " [cut]");
}

static void
append_ipv4(GString *line, const guint8 *bytes)
{
    g_string_append_printf(line, "%u.%u.%u.%u", bytes[0], bytes[1], bytes[2], bytes[3]);
}

static void
append_ipv6(GString *line, const guint8 *bytes)
{
    char text[IP_ADDRESS_TEXT_SIZE];
    IpAddress address;

    memcpy(address.bytes, bytes, sizeof address.bytes);
    g_string_append(line, ip_address_format(&address, text));
}

static void
append_address(GString *line, const guint8 *bytes, guint version)
{
    if (version == 4)
        append_ipv4(line, bytes);
    else
        append_ipv6(line, bytes);
}

static void
append_mac(GString *line, const guint8 *bytes)
{
    char text[MAC_ADDRESS_TEXT_SIZE];
    MacAddress mac;

    memcpy(mac.octets, bytes, sizeof mac.octets);
    g_string_append(line, mac_address_format(&mac, text));
}

/* ---- ARP ---- */

static void
append_arp_reply(GString *line, const char *name, const guint8 *arp)
{
    g_string_append_printf(line, "%s ", name);
    append_ipv4(line, arp + 14);
    g_string_append(line, " is-at ");
    append_mac(line, arp + 8);
}

static void
append_arp(GString *line, Cursor cursor)
{
    const guint8 *arp = take(&cursor, 28);

    if (!arp) {
        g_string_append(line, "ARP");
        append_cut(line);
    } else if (get16(arp) != 1 || get16(arp + 2) != 0x800 || arp[4] != MAC || arp[5] != 4) {
        g_string_append(line, "ARP not for IPv4 on Ethernet");
    } else if (get16(arp + 6) == 1) {
        g_string_append(line, "ARP who-has ");
        append_ipv4(line, arp + 24);
        g_string_append(line, " tell ");
        append_ipv4(line, arp + 14);
    } else if (get16(arp + 6) == 2) {
        append_arp_reply(line, "ARP", arp);
    } else if (get16(arp + 6) == 3) {
        g_string_append(line, "RARP who-is ");
        append_mac(line, arp + 18);
    } else {
        g_string_append_printf(line, "ARP operation %u", get16(arp + 6));
    }
}

/* ---- IP ---- */

/* A packet, as far as it was read. */
typedef struct Packet {
    guint version;
    const guint8 *source, *destination;
    guint protocol;
    guint offset; /* of a fragment, in bytes; the transport header is in the one with 0 */
    gboolean is_fragment;
} Packet;

static void
append_hosts(GString *line, const Packet *packet, const guint8 *ports)
{
    append_address(line, packet->source, packet->version);
    if (ports)
        g_string_append_printf(line, ".%u", get16(ports));
    g_string_append(line, " > ");
    append_address(line, packet->destination, packet->version);
    if (ports)
        g_string_append_printf(line, ".%u", get16(ports + 2));
}

static void
append_tcp(GString *line, Cursor cursor)
{
    static const char letters[] = "FSRP.U";
    const guint8 *tcp = take(&cursor, 20);

    g_string_append(line, ": TCP");
    if (!tcp) {
        append_cut(line);
        return;
    }
    g_string_append(line, " [");
    for (guint i = 0; letters[i]; i++) {
        if (tcp[13] & 1 << i)
            g_string_append_c(line, letters[i]);
    }
    g_string_append_c(line, ']');
}

static void
append_udp(GString *line, const guint8 *ports)
{
    static const Word services[] = {{53, "DNS"},     {67, "DHCP"},   {68, "DHCP"}, {546, "DHCPv6"},
                                    {547, "DHCPv6"}, {5353, "mDNS"}, {0, NULL}};
    const char *service = NULL;

    if (ports)
        service = find_word(services, get16(ports + 2)) ?: find_word(services, get16(ports));
    g_string_append_printf(line, ": UDP%s%s", service ? " " : "", service ?: "");
}

static void
append_icmp(GString *line, const Packet *packet, Cursor cursor)
{
    static const Word of_ipv4[] = {{0, "echo reply"},   {3, "unreachable"},    {5, "redirect"},
                                   {8, "echo request"}, {11, "time exceeded"}, {0, NULL}};
    static const Word of_ipv6[] = {{1, "unreachable"},
                                   {2, "packet too big"},
                                   {3, "time exceeded"},
                                   {128, "echo request"},
                                   {129, "echo reply"},
                                   {130, "multicast query"},
                                   {131, "multicast report"},
                                   {143, "multicast report"},
                                   {133, "router solicitation"},
                                   {134, "router advertisement"},
                                   {135, "neighbor solicitation"},
                                   {136, "neighbor advertisement"},
                                   {137, "redirect"},
                                   {0, NULL}};
    const guint8 *icmp = take(&cursor, 4), *target;
    const char *word;

    g_string_append(line, packet->version == 4 ? ": ICMP" : ": ICMPv6");
    if (!icmp) {
        append_cut(line);
        return;
    }
    word = find_word(packet->version == 4 ? of_ipv4 : of_ipv6, icmp[0]);
    if (word)
        g_string_append_printf(line, " %s", word);
    else
        g_string_append_printf(line, " type %u", icmp[0]);
    if (packet->version == 4 || (icmp[0] != 135 && icmp[0] != 136) || !take(&cursor, 4))
        return;
    target = take(&cursor, 16);
    if (!target)
        return;
    g_string_append_c(line, ' ');
    append_ipv6(line, target);
}

static void
append_transport(GString *line, const Packet *packet, Cursor cursor)
{
    static const Word protocols[] = {{2, "IGMP"},    {4, "IPv4 in IP"}, {41, "IPv6 in IP"},
                                     {47, "GRE"},    {50, "ESP"},       {51, "AH"},
                                     {58, "ICMPv6"}, {103, "PIM"},      {112, "VRRP"},
                                     {132, "SCTP"},  {0, NULL}};
    gboolean has_ports = packet->offset == 0 && (packet->protocol == 6 || packet->protocol == 17);
    const guint8 *ports = has_ports && cursor.left >= 4 ? cursor.at : NULL;
    const char *word = find_word(protocols, packet->protocol);

    append_hosts(line, packet, ports);
    if (packet->offset > 0)
        g_string_append_printf(line, ": protocol %u", packet->protocol);
    else if (packet->protocol == 6)
        append_tcp(line, cursor);
    else if (packet->protocol == 17)
        append_udp(line, ports);
    else if (packet->protocol == (packet->version == 4 ? 1 : 58))
        append_icmp(line, packet, cursor);
    else if (word)
        g_string_append_printf(line, ": %s", word);
    else
        g_string_append_printf(line, ": protocol %u", packet->protocol);
    if (packet->is_fragment)
        g_string_append_printf(line, ", fragment at %u", packet->offset);
}

static void
append_ipv4_packet(GString *line, Cursor cursor)
{
    const guint8 *ip = take(&cursor, 20);
    Packet packet = {.version = 4};

    if (!ip || (ip[0] & 0xf) < 5 || !take(&cursor, (gsize)(ip[0] & 0xf) * 4 - 20)) {
        g_string_append(line, "IPv4");
        append_cut(line);
        return;
    }
    packet.source = ip + 12;
    packet.destination = ip + 16;
    packet.protocol = ip[9];
    packet.offset = (get16(ip + 6) & 0x1fff) * 8;
    packet.is_fragment = (get16(ip + 6) & 0x3fff) != 0;
    append_transport(line, &packet, cursor);
}

/* Hop-by-hop options, routing, fragment and destination options headers. */
static gboolean
is_extension(guint protocol)
{
    return protocol == 0 || protocol == 43 || protocol == 44 || protocol == 60;
}

static void
append_ipv6_packet(GString *line, Cursor cursor)
{
    const guint8 *ip = take(&cursor, 40), *extension;
    Packet packet = {.version = 6};

    if (!ip) {
        g_string_append(line, "IPv6");
        append_cut(line);
        return;
    }
    packet.source = ip + 8;
    packet.destination = ip + 24;
    packet.protocol = ip[6];
    for (guint i = 0; i < EXTENSIONS_MAX && packet.offset == 0 && is_extension(packet.protocol);
         i++) {
        extension = take(&cursor, 8);
        if (!extension)
            break;
        if (packet.protocol == 44) {
            packet.is_fragment = TRUE;
            packet.offset = get16(extension + 2) & 0xfff8;
        } else if (!take(&cursor, (gsize)extension[1] * 8)) {
            cursor.left = 0;
        }
        packet.protocol = extension[0];
    }
    append_transport(line, &packet, cursor);
}

/* ---- the frame ---- */

static void
append_other(GString *line, guint type)
{
    static const Word types[] = {{0x8808, "pause"},  {0x8809, "LACP"},  {0x88cc, "LLDP"},
                                 {0x888e, "802.1X"}, {0x8863, "PPPoE"}, {0x8864, "PPPoE"},
                                 {0, NULL}};
    const char *word = find_word(types, type);

    if (type < TYPE_MIN)
        g_string_append(line, "LLC");
    else if (word)
        g_string_append(line, word);
    else
        g_string_append_printf(line, "EtherType 0x%04x", type);
}

/* Appends the tags behind the addresses and reads the EtherType. FALSE: the frame is too short. */
static gboolean
append_tags(GString *line, Cursor *cursor, guint *ret_type)
{
    const guint8 *type = take(cursor, 2);

    for (guint i = 0; i < TAGS_MAX && type && (get16(type) == 0x8100 || get16(type) == 0x88a8);
         i++) {
        const guint8 *tag = take(cursor, 2);

        if (!tag)
            return FALSE;
        g_string_append_printf(line, "vlan %u ", get16(tag) & 0xfff);
        type = take(cursor, 2);
    }
    if (type)
        *ret_type = get16(type);
    return type != NULL;
}

void
capture_text_append(GString *line, const guint8 *bytes, gsize n, guint32 length)
{
    Cursor cursor = {bytes, n};
    const guint8 *macs = take(&cursor, 2 * MAC);
    guint type = 0;

    if (macs) {
        append_mac(line, macs + MAC);
        g_string_append(line, " > ");
        append_mac(line, macs);
        g_string_append_c(line, ' ');
    }
    if (!macs || !append_tags(line, &cursor, &type))
        g_string_append(line, "Ethernet [cut]");
    else if (type == 0x806 || type == 0x8035)
        append_arp(line, cursor);
    else if (type == 0x800)
        append_ipv4_packet(line, cursor);
    else if (type == 0x86dd)
        append_ipv6_packet(line, cursor);
    else
        append_other(line, type);
    g_string_append_printf(line, ", length %u", length);
}
