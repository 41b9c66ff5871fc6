/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "linux-private.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/ipv6.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <string.h>
#include <sys/socket.h>

typedef struct Attributes {
    struct nlattr *link[IFLA_MAX + 1];
    struct nlattr *info[IFLA_INFO_MAX + 1];
} Attributes;

static guint32
get_u32(const struct nlattr *attribute)
{
    return attribute && nla_len(attribute) >= 4 ? nla_get_u32(attribute) : 0;
}

static guint16
get_u16(const struct nlattr *attribute)
{
    return attribute && nla_len(attribute) >= 2 ? nla_get_u16(attribute) : 0;
}

static guint8
get_u8(const struct nlattr *attribute)
{
    return attribute && nla_len(attribute) >= 1 ? nla_get_u8(attribute) : 0;
}

static void
get_text(const struct nlattr *attribute, char *text, gsize size)
{
    if (attribute)
        nla_strlcpy(text, attribute, size);
}

static MacvtapMode
mode_from_kernel(guint32 mode)
{
    switch (mode) {
    case MACVLAN_MODE_PRIVATE:
        return MACVTAP_MODE_PRIVATE;
    case MACVLAN_MODE_BRIDGE:
        return MACVTAP_MODE_BRIDGE;
    case MACVLAN_MODE_PASSTHRU:
        return MACVTAP_MODE_PASSTHRU;
    case MACVLAN_MODE_SOURCE:
        return MACVTAP_MODE_SOURCE;
    default:
        return MACVTAP_MODE_VEPA; /* the kernel's own default */
    }
}

static void
take_source(guint64 *digest, const struct nlattr *attribute)
{
    MacAddress mac;

    if (nla_len(attribute) != sizeof mac)
        return;
    memcpy(&mac, nla_data(attribute), sizeof mac);
    *digest += link_sources_digest(&mac, 1);
}

static guint64
digest_sources(const struct nlattr *list)
{
    struct nlattr *attribute;
    guint64 digest = 0;
    int rest;

    if (!list)
        return 0;
    nla_for_each_nested(attribute, list, rest) take_source(&digest, attribute);
    return digest;
}

/* IFLA_INET6_ADDR_GEN_MODE is not among them: the kernel omits it together with the statistics. */
static gboolean
has_host_ipv6(const struct nlattr *inet6)
{
    const struct nlattr *configuration = NULL;
    gint32 values[DEVCONF_ADDR_GEN_MODE + 1];

    if (inet6)
        configuration = nla_find(nla_data(inet6), nla_len(inet6), IFLA_INET6_CONF);
    if (!configuration || nla_len(configuration) < (int)sizeof values)
        return FALSE;
    memcpy(values, nla_data(configuration), sizeof values);
    return values[DEVCONF_DISABLE_IPV6] == 0 ||
           values[DEVCONF_ADDR_GEN_MODE] != IN6_ADDR_GEN_MODE_NONE;
}

/* The values of IFLA_EVENT are in linux/if_link.h. */
static gboolean
is_for_peers(const struct nlattr *event)
{
    guint32 value = get_u32(event);

    return value == IFLA_EVENT_BONDING_FAILOVER || value == IFLA_EVENT_NOTIFY_PEERS;
}

static const struct nlattr *
find_inet6(const struct nlattr *families)
{
    return families ? nla_find(nla_data(families), nla_len(families), AF_INET6) : NULL;
}

static void
parse_data(struct nlattr *data, LinkInfo *link)
{
    const struct nlattr *protocol;
    void *head = nla_data(data);
    int length = nla_len(data);

    if (link->is_macvlan) {
        link->mode = mode_from_kernel(get_u32(nla_find(head, length, IFLA_MACVLAN_MODE)));
        link->nopromisc =
            (get_u16(nla_find(head, length, IFLA_MACVLAN_FLAGS)) & MACVLAN_FLAG_NOPROMISC) != 0;
        link->broadcast_queue_length = get_u32(nla_find(head, length, IFLA_MACVLAN_BC_QUEUE_LEN));
        link->sources_digest = digest_sources(nla_find(head, length, IFLA_MACVLAN_MACADDR_DATA));
    } else if (strcmp(link->kind, "bond") == 0) {
        link->active_slave_index = (int)get_u32(nla_find(head, length, IFLA_BOND_ACTIVE_SLAVE));
    } else if (strcmp(link->kind, "vlan") == 0) {
        protocol = nla_find(head, length, IFLA_VLAN_PROTOCOL);
        link->vlan_id = get_u16(nla_find(head, length, IFLA_VLAN_ID));
        link->vlan_is_outer = get_u16(protocol) == htons(ETH_P_8021AD);
    }
}

static void
parse_kind(struct nlattr *const *info, LinkInfo *link)
{
    get_text(info[IFLA_INFO_KIND], link->kind, sizeof link->kind);
    get_text(info[IFLA_INFO_SLAVE_KIND], link->master_kind, sizeof link->master_kind);
    link->is_macvlan = strcmp(link->kind, "macvtap") == 0 || strcmp(link->kind, "macvlan") == 0;
    if (info[IFLA_INFO_DATA])
        parse_data(info[IFLA_INFO_DATA], link);
}

/* rtnl_fill_link_netnsid() and nla_put_iflink() in net/core/rtnetlink.c. */
static void
parse_lower(struct nlattr *const *attributes, LinkInfo *link)
{
    int index = (int)get_u32(attributes[IFLA_LINK]);

    link->lower_is_elsewhere = attributes[IFLA_LINK_NETNSID] != NULL;
    if (!link->lower_is_elsewhere) {
        link->lower_index = index;
        return;
    }
    link->lower_netns = (int)get_u32(attributes[IFLA_LINK_NETNSID]);
    link->lower_there = index;
}

gboolean
link_parse(struct nlmsghdr *message, LinkInfo *ret_link)
{
    const struct ifinfomsg *header = nlmsg_data(message);
    Attributes a = {0};
    LinkInfo link = {0};

    if (message->nlmsg_type != RTM_NEWLINK && message->nlmsg_type != RTM_DELLINK)
        return FALSE;
    if (!nlmsg_valid_hdr(message, sizeof *header) || header->ifi_family != AF_UNSPEC)
        return FALSE;
    if (nlmsg_parse(message, sizeof *header, a.link, IFLA_MAX, NULL) < 0)
        return FALSE;
    /* An event of the wireless extensions, which says nothing about the link but its name. */
    if (a.link[IFLA_WIRELESS])
        return FALSE;
    if (a.link[IFLA_LINKINFO] &&
        nla_parse_nested(a.info, IFLA_INFO_MAX, a.link[IFLA_LINKINFO], NULL) < 0)
        return FALSE;
    link.index = header->ifi_index;
    link.flags = header->ifi_flags;
    link.hardware_type = header->ifi_type;
    get_text(a.link[IFLA_IFNAME], link.name, sizeof link.name);
    get_text(a.link[IFLA_IFALIAS], link.alias, sizeof link.alias);
    if (a.link[IFLA_ADDRESS] && nla_len(a.link[IFLA_ADDRESS]) == sizeof link.mac)
        memcpy(&link.mac, nla_data(a.link[IFLA_ADDRESS]), sizeof link.mac);
    link.mtu = get_u32(a.link[IFLA_MTU]);
    link.tx_queue_length = get_u32(a.link[IFLA_TXQLEN]);
    link.operational_state = get_u8(a.link[IFLA_OPERSTATE]);
    link.carrier = get_u8(a.link[IFLA_CARRIER]) != 0;
    link.carrier_ups = get_u32(a.link[IFLA_CARRIER_UP_COUNT]);
    link.promiscuity = get_u32(a.link[IFLA_PROMISCUITY]);
    parse_lower(a.link, &link);
    link.master_index = (int)get_u32(a.link[IFLA_MASTER]);
    if (message->nlmsg_type == RTM_DELLINK && a.link[IFLA_NEW_NETNSID] &&
        a.link[IFLA_NEW_IFINDEX]) {
        link.is_moved = TRUE;
        link.moved_netns = (int)get_u32(a.link[IFLA_NEW_NETNSID]);
        link.moved_index = (int)get_u32(a.link[IFLA_NEW_IFINDEX]);
    }
    link.notifies_peers = is_for_peers(a.link[IFLA_EVENT]);
    link.host_ipv6 = has_host_ipv6(find_inet6(a.link[IFLA_AF_SPEC]));
    parse_kind(a.info, &link);
    *ret_link = link;
    return TRUE;
}

/* net/ipv6/addrconf.c: inet6_fill_ifinfo() */
gboolean
link_parse_ipv6(struct nlmsghdr *message, LinkInfo *ret_link)
{
    const struct ifinfomsg *header = nlmsg_data(message);
    Attributes a = {0};
    LinkInfo link = {0};

    if (message->nlmsg_type != RTM_NEWLINK || !nlmsg_valid_hdr(message, sizeof *header) ||
        header->ifi_family != AF_INET6 ||
        nlmsg_parse(message, sizeof *header, a.link, IFLA_MAX, NULL) < 0 ||
        !has_host_ipv6(a.link[IFLA_PROTINFO]))
        return FALSE;
    link.index = header->ifi_index;
    get_text(a.link[IFLA_IFNAME], link.name, sizeof link.name);
    *ret_link = link;
    return TRUE;
}
