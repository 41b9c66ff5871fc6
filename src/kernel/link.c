/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "linux-private.h"

#include "error.h"

#include <errno.h>
#include <linux/if_link.h>
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
parse_kind(struct nlattr *const *info, LinkInfo *link)
{
    struct nlattr *data = info[IFLA_INFO_DATA], *mode;

    get_text(info[IFLA_INFO_KIND], link->kind, sizeof link->kind);
    get_text(info[IFLA_INFO_SLAVE_KIND], link->master_kind, sizeof link->master_kind);
    link->is_macvlan = strcmp(link->kind, "macvtap") == 0 || strcmp(link->kind, "macvlan") == 0;
    if (!link->is_macvlan || !data)
        return;
    mode = nla_find(nla_data(data), nla_len(data), IFLA_MACVLAN_MODE);
    link->mode = mode_from_kernel(get_u32(mode));
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
    link.operational_state = get_u8(a.link[IFLA_OPERSTATE]);
    link.carrier = get_u8(a.link[IFLA_CARRIER]) != 0;
    link.promiscuity = get_u32(a.link[IFLA_PROMISCUITY]);
    if (!a.link[IFLA_LINK_NETNSID])
        link.lower_index = (int)get_u32(a.link[IFLA_LINK]);
    link.master_index = (int)get_u32(a.link[IFLA_MASTER]);
    parse_kind(a.info, &link);
    *ret_link = link;
    return TRUE;
}

/* The statistics are most of a link's message, and nobody here reads them. */
NetlinkMessage *
link_get_request(int index, const char *name)
{
    NetlinkMessage *message =
        netlink_link_request(RTM_GETLINK, index || name ? 0 : NLM_F_DUMP, index, 64);

    nla_put_u32(message, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
    if (name)
        nla_put_string(message, IFLA_IFNAME, name);
    return message;
}

static void
take_link(guint index, struct nlmsghdr *message, gpointer user_data)
{
    link_parse(message, user_data);
}

static gboolean
get_link(LinuxKernel *kernel, int index, const char *name, const char *what, LinkInfo *ret_link,
         GError **error)
{
    g_autoptr(NetlinkMessage) request = link_get_request(index, name);
    LinkInfo link = {0};

    if (!netlink_ask(kernel->netlink, request, take_link, &link, what, error))
        return FALSE;
    if (link.index == 0)
        return error_set_errno(error, EPROTO, "%s", what);
    *ret_link = link;
    return TRUE;
}

gboolean
link_get_by_name(Kernel *kernel, const char *name, LinkInfo *ret_link, GError **error)
{
    g_autofree char *what = g_strdup_printf("cannot look at link %s", name);

    /* The kernel would answer a request for "" or for an overlong name with EINVAL or ERANGE. */
    if (!interface_name_check(name, NULL))
        return error_set_errno(error, ENODEV, "%s", what);
    return get_link(linux_kernel(kernel), 0, name, what, ret_link, error);
}

gboolean
link_get_by_index(Kernel *kernel, int index, LinkInfo *ret_link, GError **error)
{
    g_autofree char *what = g_strdup_printf("cannot look at link %d", index);

    if (index <= 0)
        return error_set_errno(error, ENODEV, "%s", what);
    return get_link(linux_kernel(kernel), index, NULL, what, ret_link, error);
}

static void
take_links(guint index, struct nlmsghdr *message, gpointer user_data)
{
    LinkInfo link;

    if (link_parse(message, &link))
        g_array_append_val((GArray *)user_data, link);
}

GArray *
link_get_all(Kernel *kernel, GError **error)
{
    g_autoptr(NetlinkMessage) request = link_get_request(0, NULL);
    g_autoptr(GArray) links = g_array_new(FALSE, FALSE, sizeof(LinkInfo));

    if (!netlink_ask(linux_kernel(kernel)->netlink, request, take_links, links,
                     "cannot list the links", error))
        return NULL;
    return g_steal_pointer(&links);
}

gboolean
link_change_mac(Kernel *kernel, int index, const MacAddress *mac, GError **error)
{
    g_autoptr(NetlinkMessage) request = netlink_link_request(RTM_SETLINK, 0, index, 64);
    char text[MAC_ADDRESS_TEXT_SIZE];
    g_autofree char *what =
        g_strdup_printf("cannot set link %d's MAC to %s", index, mac_address_format(mac, text));

    if (index <= 0)
        return error_set_errno(error, ENODEV, "%s", what);
    nla_put(request, IFLA_ADDRESS, sizeof mac->octets, mac->octets);
    return netlink_ask(linux_kernel(kernel)->netlink, request, NULL, NULL, what, error);
}
