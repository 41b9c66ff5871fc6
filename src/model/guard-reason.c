/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Why a frame was dropped: names and descriptions. */
#include "guard.h"

#include <string.h>

#define ETHERTYPE_AT 12
#define HEADER_SIZE 14
#define TAG_SIZE 4
#define TYPE_VLAN 0x8100
#define TYPE_VLAN_OUTER 0x88a8
#define TYPE_MIN 0x600 /* smaller values are lengths (IEEE 802.3) */

const char *
guard_reason_name(guint reason)
{
#define NAME(constant, name) [GUARD_##constant] = (name),
    static const char *const names[] = {GUARD_REASON_TABLE(NAME)};
#undef NAME

    return reason < G_N_ELEMENTS(names) ? names[reason] : NULL;
}

/* The description of each reason, used if the frame itself does not allow a better one: "dropped
 * …". */
static const char *const sentences[GUARD_REASON_COUNT] = {
    [GUARD_MALFORMED] = "a frame that is shorter than its headers say, or has too many of them",
    [GUARD_OTHER_MAC] = "a frame from a MAC other than the port's",
    [GUARD_VLAN_TAG] = "a frame with a VLAN tag (GuestVLANs= or Allow=vlan lets it pass)",
    [GUARD_CHECKSUM] = "a frame that requests a checksum where none belongs",
    [GUARD_STP] = "a spanning tree frame (Allow=stp lets it pass)",
    [GUARD_LLDP] = "an LLDP frame (Allow=lldp lets it pass)",
    [GUARD_LACP] = "a LACP frame (Allow=lacp lets it pass)",
    [GUARD_OTHER_PROTOCOL] = "a frame that is neither IP nor ARP (Allow=other lets it pass)",
    [GUARD_ARP_FORM] = "an ARP packet that is not for IPv4 on Ethernet",
    [GUARD_ARP_MAC] = "an ARP packet with a MAC other than the port's",
    [GUARD_ARP_ADDRESS] = "an ARP packet that claims an address other than the port's",
    [GUARD_IPV4_ADDRESS] = "an IPv4 packet from an address other than the port's",
    [GUARD_IPV6_ADDRESS] = "an IPv6 packet from an address other than the port's",
    [GUARD_TOO_MANY_ADDRESSES] = "a packet from more addresses than a port can learn",
    [GUARD_FRAGMENT] = "a fragment that cannot be checked",
    [GUARD_ROUTING_HEADER] = "an IPv6 packet with a routing header",
    [GUARD_TUNNEL] = "IPv6 in IPv4 (Allow=tunnels lets it pass)",
    [GUARD_ND_MAC] = "a neighbour discovery packet with a MAC other than the port's",
    [GUARD_ND_ADDRESS] = "a neighbour advertisement for an address other than the port's",
    [GUARD_ROUTER_ADVERTISEMENT] = "a router advertisement (Allow=router lets it pass)",
    [GUARD_REDIRECT] = "an ICMP redirect (Allow=router lets it pass)",
    [GUARD_QUERY] = "a multicast router's query (Allow=router lets it pass)",
    [GUARD_DHCP_SERVER] = "a DHCP server's packet (Allow=dhcp-server lets it pass)",
    [GUARD_DHCPV6_SERVER] = "a DHCPv6 server's packet (Allow=dhcp-server lets it pass)",
    [GUARD_DHCP_UNANSWERED] = "a DHCP message that the port does not answer (docs/dhcp.md)",
    [GUARD_DHCP_DECLINED] = "a DHCPDECLINE: the guest says that another station uses the address "
                            "of its port",
    [GUARD_DHCP_OTHER_SERVER] = "another DHCP server's message to the guest",
};

/* A frame's first bytes, and where its content after the tags begins. */
typedef struct Example {
    const guint8 *bytes;
    gsize length;
    gsize payload;
} Example;

/* Returns n bytes at that offset, or NULL if the example is too short. */
static const guint8 *
bytes_at(const Example *example, gsize at, gsize n)
{
    return at + n <= example->length ? example->bytes + at : NULL;
}

/* -1: the example is too short. */
static int
number_at(const Example *example, gsize at)
{
    const guint8 *bytes = bytes_at(example, at, 2);

    return bytes ? bytes[0] << 8 | bytes[1] : -1;
}

static int
type_at(const Example *example, gsize payload)
{
    return number_at(example, payload - HEADER_SIZE + ETHERTYPE_AT);
}

static gboolean
is_tag(int type)
{
    return type == TYPE_VLAN || type == TYPE_VLAN_OUTER;
}

static Example
example_of(const guint8 *frame, gsize length)
{
    Example example = {frame, length, HEADER_SIZE};

    for (int i = 0; i < 2 && is_tag(type_at(&example, example.payload)); i++)
        example.payload += TAG_SIZE;
    return example;
}

static char *
describe_mac(const char *what, const guint8 *bytes, const MacAddress *mac)
{
    char text[MAC_ADDRESS_TEXT_SIZE], port[MAC_ADDRESS_TEXT_SIZE];
    MacAddress other;

    if (!bytes)
        return NULL;
    memcpy(other.octets, bytes, sizeof(other.octets));
    return g_strdup_printf("%s MAC %s; the port has %s", what, mac_address_format(&other, text),
                           mac_address_format(mac, port));
}

static char *
describe_address(const char *what, const guint8 *bytes, gboolean is_ipv4)
{
    char text[IP_ADDRESS_TEXT_SIZE];
    IpAddress address;

    if (!bytes)
        return NULL;
    if (is_ipv4)
        address = ip_address_from_ipv4(bytes);
    else
        memcpy(address.bytes, bytes, sizeof(address.bytes));
    return g_strdup_printf("%s %s, which is not the port's", what,
                           ip_address_format(&address, text));
}

/* The target address of an advertisement right after the IPv6 header (RFC 4861, 4.4). */
static const guint8 *
advertised_address(const Example *example)
{
    const gsize icmp = example->payload + 40;
    const guint8 *next = bytes_at(example, example->payload + 6, 1);
    const guint8 *type = bytes_at(example, icmp, 1);

    return next && *next == 58 && type && *type == 136 ? bytes_at(example, icmp + 8, 16) : NULL;
}

static char *
describe_tag(const Example *example)
{
    int tag = number_at(example, HEADER_SIZE);

    if (!is_tag(type_at(example, HEADER_SIZE)) || tag < 0)
        return NULL;
    return g_strdup_printf("a frame with the VLAN tag %d (GuestVLANs= or Allow=vlan lets it pass)",
                           tag & 0xfff);
}

static char *
describe_type(const Example *example)
{
    int type = type_at(example, example->payload);

    if (type < TYPE_MIN)
        return NULL;
    return g_strdup_printf("a frame of EtherType 0x%04x (Allow=other lets it pass)", (guint)type);
}

/* NULL: the example does not show it. */
static char *
describe_example(guint reason, const Example *example, const MacAddress *mac)
{
    const gsize at = example->payload;

    switch (reason) {
    case GUARD_OTHER_MAC:
        return describe_mac("a frame from", bytes_at(example, 6, 6), mac);
    case GUARD_ARP_MAC:
        return describe_mac("an ARP packet that names", bytes_at(example, at + 8, 6), mac);
    case GUARD_ARP_ADDRESS:
        return describe_address("an ARP packet that claims", bytes_at(example, at + 14, 4), TRUE);
    case GUARD_IPV4_ADDRESS:
        return describe_address("an IPv4 packet from", bytes_at(example, at + 12, 4), TRUE);
    case GUARD_IPV6_ADDRESS:
    case GUARD_TOO_MANY_ADDRESSES:
        if (type_at(example, at) != 0x86dd)
            return NULL;
        return describe_address("an IPv6 packet from", bytes_at(example, at + 8, 16), FALSE);
    case GUARD_ND_ADDRESS:
        return describe_address("a neighbour advertisement for", advertised_address(example),
                                FALSE);
    case GUARD_VLAN_TAG:
        return describe_tag(example);
    case GUARD_OTHER_PROTOCOL:
        return describe_type(example);
    default:
        return NULL;
    }
}

char *
guard_describe_drop(guint reason, const guint8 *frame, gsize length, const MacAddress *mac)
{
    Example example = example_of(frame, length);
    char *text = describe_example(reason, &example, mac);

    if (text)
        return text;
    return g_strdup(reason < GUARD_REASON_COUNT ? sentences[reason] : "a frame");
}
