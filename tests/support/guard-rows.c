/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guard-rows.h"

#include <string.h>

/* The guest, a neighbour on the same parent, and a station that it is not. */
#define ME "525400000001"
#define NEIGHBOUR "525400000002"
#define OTHER "525400000099"
#define ALL "ffffffffffff"
#define ALL6 "333300000001"

#define IP "0a090005"      /* 10.9.0.5, the guest's */
#define GATEWAY "0a0900fe" /* 10.9.0.254 */
#define IP_ALL "ffffffff"
#define NO_IP "00000000"
#define IP6 "fd000000000000000000000000000005"      /* fd00::5, the guest's */
#define GATEWAY6 "fd0000000000000000000000000000fe" /* fd00::fe */
#define LOCAL "fe80000000000000505400fffe000001"
#define NO_IP6 "00000000000000000000000000000000"
#define NODES "ff020000000000000000000000000001" /* all of the link */

#define ETH(destination, type) destination ME type
#define ARP_OF(form, operation, sha, spa, tpa) form operation sha spa "000000000000" tpa
#define ARP(operation, sha, spa, tpa) ARP_OF("0001080006040", operation, sha, spa, tpa)
/* The builder writes IP's lengths. */
#define V4_OF(fragment, protocol, source, destination)                                             \
    "450000000000" fragment "40" protocol "0000" source destination
#define V4(protocol, source, destination) V4_OF("0000", protocol, source, destination)
#define V6(next, source, destination) "600000000000" next "ff" source destination
#define UDP(from, to) from to "00100000"
#define PAYLOAD "5350454c4c454421" /* eight bytes */
#define PAYLOAD6 PAYLOAD PAYLOAD PAYLOAD PAYLOAD PAYLOAD PAYLOAD
#define TCP "03e8005000000001000000005002ffff00000000"
/* The first part of BOOTP's message, up to the client's MAC. */
#define BOOTP(kind, mac) kind "01060012345678" NO_IP NO_IP NO_IP NO_IP NO_IP mac
#define ICMP6(type) type "000000"
#define NS(target) ICMP6("87") "00000000" target
#define NA(target) ICMP6("88") "20000000" target
#define RA ICMP6("86") "400007080000000000000000"
#define REDIRECT6 ICMP6("89") "00000000" GATEWAY6 GATEWAY6
#define SOURCE_MAC(mac) "0101" mac
#define TARGET_MAC(mac) "0201" mac
/* Extension headers of IPv6. */
#define DESTINATION(next) next "00010400000000"
#define FRAGMENT6(next, offset) next "00" offset "00000001"

static const GuardRow rows[] = {
    /* ---- the 32 kinds */
    {"IPv4 of its own", GUARD_ROW_PASSES, 0, "PPPP",
     ETH(NEIGHBOUR, "0800") V4("11", IP, GATEWAY) UDP("03e8", "07d0") PAYLOAD},
    {"IPv6 of its own", GUARD_ROW_PASSES, 0, "DPPP",
     ETH(NEIGHBOUR, "86dd") V6("11", IP6, GATEWAY6) UDP("03e8", "07d0") PAYLOAD},
    {"IPv6 of its own link-local address", GUARD_ROW_PASSES, 0, "DPPP",
     ETH(NEIGHBOUR, "86dd") V6("11", LOCAL, NODES) UDP("03e8", "07d0") PAYLOAD},
    {"from another MAC", GUARD_OTHER_MAC, 0, "DDDD",
     NEIGHBOUR OTHER "0800" V4("11", IP, GATEWAY) UDP("03e8", "07d0") PAYLOAD},
    {"ARP reply with another sender MAC", GUARD_ARP_MAC, 0, "D-D-",
     ETH(ALL, "0806") ARP("002", OTHER, IP, GATEWAY)},
    {"ARP reply with another sender IP", GUARD_ARP_ADDRESS, 0, "DDDD",
     ETH(ALL, "0806") ARP("002", ME, GATEWAY, IP)},
    {"ARP request with another sender IP", GUARD_ARP_ADDRESS, 0, "DDDD",
     ETH(ALL, "0806") ARP("001", ME, GATEWAY, IP)},
    {"ARP of its own", GUARD_ROW_PASSES, 0, "PPPP", ETH(ALL, "0806") ARP("001", ME, IP, GATEWAY)},
    {"ARP probe, sender IP 0.0.0.0 (RFC 5227)", GUARD_ROW_PASSES, 0, "DDDD",
     ETH(ALL, "0806") ARP("001", ME, NO_IP, IP)},
    {"gratuitous ARP of its own", GUARD_ROW_PASSES, 0, "PPPP",
     ETH(ALL, "0806") ARP("001", ME, IP, IP)},
    {"RARP, by which QEMU announces a guest", GUARD_ROW_PASSES, 0, "PPDP",
     ETH(ALL, "8035") ARP("003", ME, NO_IP, NO_IP)},
    {"RARP for another MAC", GUARD_ARP_MAC, 0, NULL,
     ETH(ALL, "8035") ARP("003", OTHER, NO_IP, NO_IP)},
    {"IPv4 from another source", GUARD_IPV4_ADDRESS, 0, "DDDD",
     ETH(NEIGHBOUR, "0800") V4("11", GATEWAY, IP_ALL) UDP("03e8", "07d0") PAYLOAD},
    {"UDP from 0.0.0.0 to another port than DHCP's", GUARD_IPV4_ADDRESS, 0, "P---",
     ETH(ALL, "0800") V4("11", NO_IP, IP_ALL) UDP("03e8", "07d0") PAYLOAD},
    {"DHCP client", GUARD_ROW_PASSES, 0, "PPPP",
     ETH(ALL, "0800") V4("11", NO_IP, IP_ALL) UDP("0044", "0043") BOOTP("01", ME)},
    {"DHCP server's answer from its own address", GUARD_DHCP_SERVER, GUARD_ALLOW_DHCP_SERVER,
     "PDPP", ETH(ALL, "0800") V4("11", IP, IP_ALL) UDP("0043", "0044") BOOTP("02", NEIGHBOUR)},
    {"DHCPv6 server's answer", GUARD_DHCPV6_SERVER, GUARD_ALLOW_DHCP_SERVER, "DDPP",
     ETH(NEIGHBOUR, "86dd") V6("11", LOCAL, NODES) UDP("0223", "0222") PAYLOAD},
    {"DHCPv6 client", GUARD_ROW_PASSES, 0, "DPPP",
     ETH(ALL6, "86dd") V6("11", LOCAL, NODES) UDP("0222", "0223") PAYLOAD},
    {"IPv6 from another source", GUARD_IPV6_ADDRESS, 0, "DDDD",
     ETH(NEIGHBOUR, "86dd") V6("11", GATEWAY6, NODES) UDP("03e8", "07d0") PAYLOAD},
    {"NA for its own target", GUARD_ROW_PASSES, 0, "DPPP",
     ETH(ALL6, "86dd") V6("3a", IP6, NODES) NA(IP6) TARGET_MAC(ME)},
    {"NA for another's target", GUARD_ND_ADDRESS, 0, "DDDP",
     ETH(ALL6, "86dd") V6("3a", IP6, NODES) NA(GATEWAY6) TARGET_MAC(ME)},
    {"DAD: NS from ::", GUARD_ROW_PASSES, 0, "DDDD",
     ETH(ALL6, "86dd") V6("3a", NO_IP6, NODES) NS(IP6)},
    {"MLD report before DAD, from ::", GUARD_ROW_PASSES, 0, NULL,
     ETH(ALL6, "86dd") V6("00", NO_IP6, NODES) "3a00050200000000" ICMP6("8f") "00000000"},
    {"router advertisement", GUARD_ROUTER_ADVERTISEMENT, GUARD_ALLOW_ROUTER, "DDDD",
     ETH(ALL6, "86dd") V6("3a", LOCAL, NODES) RA SOURCE_MAC(ME)},
    {"IPv6 redirect", GUARD_REDIRECT, GUARD_ALLOW_ROUTER, "D---",
     ETH(ALL6, "86dd") V6("3a", LOCAL, NODES) REDIRECT6 TARGET_MAC(ME)},
    {"router advertisement behind a destination header (RFC 7113)", GUARD_ROUTER_ADVERTISEMENT,
     GUARD_ALLOW_ROUTER, "D---",
     ETH(ALL6, "86dd") V6("3c", LOCAL, NODES) DESTINATION("3a") RA SOURCE_MAC(ME)},
    {"router advertisement in fragments: first, without it (RFC 7113)", GUARD_FRAGMENT, 0, "D---",
     ETH(ALL6, "86dd") V6("2c", LOCAL, NODES) FRAGMENT6("3c", "0001") DESTINATION("3a")},
    {"router advertisement in fragments: second, with it", GUARD_FRAGMENT, 0, "D---",
     ETH(ALL6, "86dd") V6("2c", LOCAL, NODES) FRAGMENT6("3c", "0008") RA SOURCE_MAC(ME)},
    {"router advertisement in a fragment", GUARD_ROUTER_ADVERTISEMENT, 0, "D---",
     ETH(ALL6, "86dd") V6("2c", LOCAL, NODES) FRAGMENT6("3a", "0001") RA SOURCE_MAC(ME)},
    {"802.1Q tag", GUARD_VLAN_TAG, GUARD_ALLOW_VLAN, "DDDP",
     ETH(ALL, "8100") "00640806" ARP("001", ME, IP, GATEWAY)},
    {"priority tag", GUARD_VLAN_TAG, GUARD_ALLOW_VLAN, "DDDP",
     ETH(ALL, "8100") "00000806" ARP("001", ME, IP, GATEWAY)},
    {"QinQ", GUARD_VLAN_TAG, GUARD_ALLOW_VLAN, "DDDP",
     ETH(ALL, "88a8") "006481000064"
                      "0806" ARP("001", ME, IP, GATEWAY)},
    {"STP", GUARD_STP, GUARD_ALLOW_STP, "DDDP",
     ETH("0180c2000000", "0026") "4242030000000000"
                                 "0001" ME "00000000"},
    {"LLDP", GUARD_LLDP, GUARD_ALLOW_LLDP, "DDDP",
     ETH("0180c200000e", "88cc") "0207"
                                 "04" ME},
    {"LACP", GUARD_LACP, GUARD_ALLOW_LACP, "DDDP", ETH("0180c2000002", "8809") "01010114"},
    {"pause", GUARD_OTHER_PROTOCOL, GUARD_ALLOW_OTHER, "DDDP",
     ETH("0180c2000001", "8808") "0001ffff"},
    {"LLC/SNAP (CDP)", GUARD_OTHER_PROTOCOL, GUARD_ALLOW_OTHER, "DDDP",
     ETH("01000ccccccc", "0020") "aaaa0300000c2000"
                                 "02b40000"},
    /* ---- what no other guard was seen to treat */
    {"802.1X", GUARD_OTHER_PROTOCOL, GUARD_ALLOW_OTHER, NULL,
     ETH("0180c2000003", "888e") "01010000"},
    {"MVRP", GUARD_OTHER_PROTOCOL, GUARD_ALLOW_OTHER, NULL, ETH("0180c2000021", "88f5") "00010204"},
    {"a protocol that the guard cannot read", GUARD_OTHER_PROTOCOL, GUARD_ALLOW_OTHER, NULL,
     ETH(ALL, "88b5") PAYLOAD},
    {"ARP with odd address lengths", GUARD_ARP_FORM, 0, NULL,
     ETH(ALL, "0806") ARP_OF("0001080006100", "002", ME, IP, GATEWAY)},
    {"ARP of another hardware type", GUARD_ARP_FORM, 0, NULL,
     ETH(ALL, "0806") ARP_OF("0006080006040", "002", ME, IP, GATEWAY)},
    {"ARP in SNAP", GUARD_ARP_FORM, 0, NULL,
     ETH(ALL, "0024") "aaaa030000000806" ARP("002", ME, GATEWAY, IP)},
    {"IPv4 in SNAP", GUARD_OTHER_PROTOCOL, 0, NULL,
     ETH(ALL, "0024") "aaaa030000000800" V4("11", GATEWAY, IP_ALL) UDP("03e8", "07d0")},
    {"ARP asking to write its sender's address (NEEDS_CSUM)", GUARD_CHECKSUM, 0, NULL,
     ETH(ALL, "0806") ARP("002", ME, IP, GATEWAY) PAYLOAD PAYLOAD, 20, 10},
    {"IPv4 asking to write its source (NEEDS_CSUM)", GUARD_CHECKSUM, 0, NULL,
     ETH(ALL, "0800") V4("11", IP, GATEWAY) UDP("03e8", "07d0") PAYLOAD PAYLOAD, 20, 8},
    {"UDP asking to write its port (NEEDS_CSUM)", GUARD_CHECKSUM, 0, NULL,
     ETH(ALL, "0800") V4("11", IP, GATEWAY) UDP("03e8", "07d0") PAYLOAD PAYLOAD, 34, 0},
    {"IPv6 asking to write its next header (NEEDS_CSUM)", GUARD_CHECKSUM, 0, NULL,
     ETH(ALL6, "86dd") V6("11", IP6, NODES) UDP("03e8", "07d0") PAYLOAD PAYLOAD, 20, 0},
    {"NA asking to write its target (NEEDS_CSUM)", GUARD_CHECKSUM, 0, NULL,
     ETH(ALL6, "86dd") V6("3a", IP6, NODES) NA(IP6) TARGET_MAC(ME), 54, 22},
    {"UDP asking for its own checksum", GUARD_ROW_PASSES, 0, NULL,
     ETH(NEIGHBOUR, "0800") V4("11", IP, GATEWAY) UDP("03e8", "07d0") PAYLOAD, 34, 6},
    {"TCP asking for its own checksum", GUARD_ROW_PASSES, 0, NULL,
     ETH(NEIGHBOUR, "86dd") V6("06", IP6, GATEWAY6) TCP PAYLOAD, 54, 16},
    {"tunnel in UDP asking for the inner checksum", GUARD_ROW_PASSES, 0, NULL,
     ETH(NEIGHBOUR, "0800") V4("11", IP, GATEWAY) UDP("03e8", "12b5") PAYLOAD PAYLOAD6, 76, 6},
    {"NS with another MAC as its source's", GUARD_ND_MAC, 0, NULL,
     ETH(ALL6, "86dd") V6("3a", IP6, NODES) NS(GATEWAY6) SOURCE_MAC(OTHER)},
    {"RS with another MAC", GUARD_ND_MAC, 0, NULL,
     ETH(ALL6, "86dd") V6("3a", LOCAL, NODES) ICMP6("85") "00000000" SOURCE_MAC(OTHER)},
    {"NA with another MAC, behind another option", GUARD_ND_MAC, 0, NULL,
     ETH(ALL6, "86dd") V6("3a", IP6, NODES) NA(IP6) "0e01000000000000" TARGET_MAC(OTHER)},
    {"NS with an option of no length", GUARD_MALFORMED, 0, NULL,
     ETH(ALL6, "86dd") V6("3a", IP6, NODES) NS(GATEWAY6) "0e00000000000000" SOURCE_MAC(OTHER)},
    {"NS in an atomic fragment (RFC 6980)", GUARD_FRAGMENT, 0, NULL,
     ETH(ALL6, "86dd") V6("2c", IP6, NODES) FRAGMENT6("3a", "0000") NS(GATEWAY6)},
    {"ICMP redirect", GUARD_REDIRECT, GUARD_ALLOW_ROUTER, NULL,
     ETH(NEIGHBOUR, "0800") V4("01", IP, GATEWAY) "05010000" GATEWAY PAYLOAD},
    {"ICMP router advertisement (RFC 1256)", GUARD_ROUTER_ADVERTISEMENT, GUARD_ALLOW_ROUTER, NULL,
     ETH(ALL, "0800") V4("01", IP, IP_ALL) "0900000001020708" IP "00000001"},
    {"ping", GUARD_ROW_PASSES, 0, "PPPP",
     ETH(NEIGHBOUR, "0800") V4("01", IP, GATEWAY) "0800000000010001" PAYLOAD},
    {"IPv6 ping", GUARD_ROW_PASSES, 0, "DPPP",
     ETH(NEIGHBOUR, "86dd") V6("3a", IP6, GATEWAY6) "8000000000010001" PAYLOAD},
    {"IGMP query", GUARD_QUERY, GUARD_ALLOW_ROUTER, NULL,
     ETH("01005e000001", "0800") V4("02", IP, "e0000001") "11640000" NO_IP},
    {"IGMP report before an address, from 0.0.0.0", GUARD_ROW_PASSES, 0, NULL,
     ETH("01005e000016", "0800") V4("02", NO_IP, "e0000016") "220000000000000104000000e00000fb"},
    {"MLD query", GUARD_QUERY, GUARD_ALLOW_ROUTER, NULL,
     ETH(ALL6, "86dd") V6("00", LOCAL, NODES) "3a00050200000000" ICMP6("82") "27100000" NO_IP6},
    {"PIM", GUARD_QUERY, GUARD_ALLOW_ROUTER, NULL,
     ETH("01005e00000d", "0800") V4("67", IP, "e000000d") "2000000000010002"},
    {"first fragment, too short for ports", GUARD_FRAGMENT, 0, NULL,
     ETH(ALL, "0800") V4_OF("2000", "11", IP, IP_ALL) "00430044"},
    {"UDP from port 67 in a later fragment", GUARD_FRAGMENT, 0, NULL,
     ETH(ALL, "0800") V4_OF("0001", "11", IP, IP_ALL) UDP("0043", "0044") PAYLOAD},
    {"first fragment", GUARD_ROW_PASSES, 0, "PPPP",
     ETH(NEIGHBOUR, "0800") V4_OF("2000", "11", IP, GATEWAY) UDP("03e8", "07d0") PAYLOAD6},
    {"later fragment", GUARD_ROW_PASSES, 0, "PPPP",
     ETH(NEIGHBOUR, "0800") V4_OF("00b9", "11", IP, GATEWAY) PAYLOAD PAYLOAD},
    {"IPv6 first fragment", GUARD_ROW_PASSES, 0, NULL,
     ETH(NEIGHBOUR, "86dd") V6("2c", IP6, GATEWAY6) FRAGMENT6("11", "0001") UDP("03e8", "07d0")
         PAYLOAD6},
    {"IPv6 later fragment", GUARD_ROW_PASSES, 0, NULL,
     ETH(NEIGHBOUR, "86dd") V6("2c", IP6, GATEWAY6) FRAGMENT6("11", "05a8") PAYLOAD},
    {"two fragment headers", GUARD_FRAGMENT, 0, NULL,
     ETH(NEIGHBOUR, "86dd") V6("2c", IP6, GATEWAY6) FRAGMENT6("2c", "0000") FRAGMENT6("11", "0000")
         UDP("03e8", "07d0") PAYLOAD},
    {"IPv6 routing header", GUARD_ROUTING_HEADER, 0, NULL,
     ETH(NEIGHBOUR, "86dd")
         V6("2b", IP6, GATEWAY6) "1102000100000000" GATEWAY6 UDP("03e8", "07d0")},
    {"more extension headers than are read", GUARD_MALFORMED, 0, NULL,
     ETH(ALL6, "86dd") V6("3c", LOCAL, NODES) DESTINATION("3c") DESTINATION("3c") DESTINATION("3c")
         DESTINATION("3c") DESTINATION("3c") DESTINATION("3c") DESTINATION("3c") DESTINATION("3c")
             DESTINATION("3a") RA},
    {"IPv6 in IPv4 (6in4)", GUARD_TUNNEL, GUARD_ALLOW_TUNNELS, NULL,
     ETH(NEIGHBOUR, "0800") V4("29", IP, GATEWAY) V6("3a", LOCAL, NODES) RA},
    {"DHCP server's answer from another port", GUARD_DHCP_SERVER, GUARD_ALLOW_DHCP_SERVER, NULL,
     ETH(ALL, "0800") V4("11", IP, IP_ALL) UDP("03e8", "0044") BOOTP("02", NEIGHBOUR)},
    {"DHCP server's answer in a priority tag", GUARD_VLAN_TAG, 0, NULL,
     ETH(ALL, "8100") "00000800" V4("11", IP, IP_ALL) UDP("0043", "0044") BOOTP("02", NEIGHBOUR)},
    {"IPv4 cut off in its header", GUARD_MALFORMED, 0, NULL, ETH(ALL, "0800") "4500001400000000"},
    {"EtherType IPv4, but IPv6", GUARD_MALFORMED, 0, NULL,
     ETH(ALL, "0800") V6("3a", LOCAL, NODES) RA},
};

#define FROM_ROUTER(destination, type) destination "02000000000a" type
#define ROUTER "fe80000000000000000000fffe00000a"
#define PREFIX(flags, valid, prefix) "030440" flags valid "00000e1000000000" prefix
#define SERVER_SAYS(xid, address, mac, kind)                                                       \
    "02010600" xid NO_IP NO_IP address NO_IP NO_IP mac ZEROES_202 "63825363"                       \
    "3501" kind "330400000e10ff"
#define ZEROES_50                                                                                  \
    "00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000" \
    "00000000"
#define ZEROES_202 ZEROES_50 ZEROES_50 ZEROES_50 ZEROES_50 "0000"

static const GuardRow received[] = {
    {"router advertisement for autoconfiguration", GUARD_ROW_PASSES, 0, NULL,
     FROM_ROUTER(ALL6, "86dd") V6("3a", ROUTER, NODES)
         RA PREFIX("c0", "00015180", "fd110000000000000000000000000000")},
    {"router advertisement without autoconfiguration", GUARD_ROW_PASSES, 0, NULL,
     FROM_ROUTER(ALL6, "86dd") V6("3a", ROUTER, NODES)
         RA PREFIX("80", "00015180", "fd120000000000000000000000000000")},
    {"NA of another station", GUARD_ROW_PASSES, 0, NULL,
     FROM_ROUTER(ALL6, "86dd") V6("3a", ROUTER, NODES) NA("fd110000000000000000000000000077")},
    {"DHCP ACK", GUARD_ROW_PASSES, 0, NULL,
     FROM_ROUTER(ME, "0800") V4("11", GATEWAY, "0a090064") UDP("0043", "0044")
         SERVER_SAYS("12345678", "0a090064", ME, "05")},
    {"DHCP OFFER", GUARD_ROW_PASSES, 0, NULL,
     FROM_ROUTER(ME, "0800") V4("11", GATEWAY, "0a090064") UDP("0043", "0044")
         SERVER_SAYS("12345678", "0a090065", ME, "02")},
    {"DHCP ACK to another", GUARD_ROW_PASSES, 0, NULL,
     FROM_ROUTER(ALL, "0800") V4("11", GATEWAY, "0a090064") UDP("0043", "0044")
         SERVER_SAYS("12345678", "0a090066", NEIGHBOUR, "05")},
    {"DHCP ACK to what nobody asked", GUARD_ROW_PASSES, 0, NULL,
     FROM_ROUTER(ME, "0800") V4("11", GATEWAY, "0a090064") UDP("0043", "0044")
         SERVER_SAYS("99999999", "0a090067", ME, "05")},
};

const GuardRow *
guard_rows(guint *ret_count)
{
    *ret_count = G_N_ELEMENTS(rows);
    return rows;
}

const GuardRow *
guard_rows_received(guint *ret_count)
{
    *ret_count = G_N_ELEMENTS(received);
    return received;
}

static void
set16(guint8 *at, gsize value)
{
    at[0] = (guint8)(value >> 8);
    at[1] = (guint8)value;
}

/* The length of an IP packet that ends with the frame. */
static void
fill_lengths(GByteArray *frame)
{
    guint8 *bytes = frame->data;

    if (frame->len >= 34 && bytes[12] == 0x08 && bytes[13] == 0x00)
        set16(bytes + 16, frame->len - 14);
    else if (frame->len >= 54 && bytes[12] == 0x86 && bytes[13] == 0xdd)
        set16(bytes + 18, frame->len - 54);
}

GByteArray *
guard_row_frame(const GuardRow *row)
{
    GByteArray *frame = g_byte_array_new();

    g_assert(strlen(row->hex) % 2 == 0);
    for (const char *digits = row->hex; *digits; digits += 2) {
        guint8 byte =
            (guint8)(g_ascii_xdigit_value(digits[0]) << 4 | g_ascii_xdigit_value(digits[1]));

        g_byte_array_append(frame, &byte, 1);
    }
    fill_lengths(frame);
    return frame;
}

static void
add_prefix(struct guard_settings *settings, const guint8 *bytes, guint8 length)
{
    struct guard_prefix *prefix = &settings->prefixes[settings->n_prefixes++];

    memcpy(prefix->address.bytes, bytes, sizeof(prefix->address.bytes));
    prefix->length = length;
}

void
guard_rows_settings(struct guard_settings *ret_settings)
{
    static const guint8 mac[] = {0x52, 0x54, 0, 0, 0, 1};
    static const guint8 ip[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 9, 0, 5};
    static const guint8 ip6[16] = {0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5};

    memset(ret_settings, 0, sizeof(*ret_settings));
    memcpy(ret_settings->mac, mac, sizeof(mac));
    ret_settings->senders = GUARD_SENDERS_OWN;
    ret_settings->verdict = GUARD_VERDICT_DROP;
    ret_settings->addresses = GUARD_ADDRESSES_LISTED;
    add_prefix(ret_settings, ip, 128);
    add_prefix(ret_settings, ip6, 128);
}

#define REASON_NAME(constant, name) [GUARD_##constant] = name,

const char *
guard_row_reason(int verdict)
{
    static const char *const names[] = {GUARD_REASON_TABLE(REASON_NAME)};

    return verdict == GUARD_ROW_PASSES ? "" : names[verdict];
}
