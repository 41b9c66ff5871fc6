/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "linux-private.h"

#include "error.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <string.h>
#include <sys/stat.h>

/* Requests no statistics: they are most of a link's message, and only link_count() reads them. */
NetlinkMessage *
link_get_request(int index, const char *name)
{
    gsize length = name ? strlen(name) : 0;
    NetlinkMessage *message =
        netlink_link_request(RTM_GETLINK, index || name ? 0 : NLM_F_DUMP, index, 64 + length);

    nla_put_u32(message, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
    /* The kernel looks up either attribute among all names, but accepts long names only in the
     * latter. */
    if (name)
        nla_put_string(message, length <= INTERFACE_NAME_MAX ? IFLA_IFNAME : IFLA_ALT_IFNAME, name);
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

/* The kernel answers a request for "" or for an overlong name with EINVAL or ERANGE. */
static gboolean
can_be_asked_for(const char *name)
{
    return strlen(name) <= INTERFACE_NAME_MAX ? interface_name_check(name, NULL)
                                              : interface_name_check_parent(name, NULL);
}

gboolean
link_get_by_name(Kernel *kernel, const char *name, LinkInfo *ret_link, GError **error)
{
    g_autofree char *what = g_strdup_printf("cannot look up link %s", name);

    if (!can_be_asked_for(name))
        return error_set_errno(error, ENODEV, "%s", what);
    return get_link(linux_kernel(kernel), 0, name, what, ret_link, error);
}

gboolean
link_get_by_index(Kernel *kernel, int index, LinkInfo *ret_link, GError **error)
{
    g_autofree char *what = g_strdup_printf("cannot look up link %d", index);

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

gboolean
link_change_up(Kernel *kernel, int index, gboolean up, GError **error)
{
    g_autoptr(NetlinkMessage) request = netlink_link_request(RTM_SETLINK, 0, index, 0);
    struct ifinfomsg *header = nlmsg_data(nlmsg_hdr(request));
    g_autofree char *what = g_strdup_printf("cannot set link %d %s", index, up ? "up" : "down");

    if (index <= 0)
        return error_set_errno(error, ENODEV, "%s", what);
    header->ifi_flags = up ? IFF_UP : 0;
    header->ifi_change = IFF_UP;
    return netlink_ask(linux_kernel(kernel)->netlink, request, NULL, NULL, what, error);
}

static void
take_statistics(guint index, struct nlmsghdr *message, gpointer user_data)
{
    struct nlattr *attribute = nlmsg_find_attr(message, sizeof(struct ifinfomsg), IFLA_STATS64);
    struct rtnl_link_stats64 kernels = {0};
    LinkStatistics *statistics = user_data;

    if (message->nlmsg_type != RTM_NEWLINK || !attribute)
        return;
    nla_memcpy(&kernels, attribute, sizeof kernels);
    *statistics = (LinkStatistics){
        .rx_packets = kernels.rx_packets,
        .tx_packets = kernels.tx_packets,
        .rx_bytes = kernels.rx_bytes,
        .tx_bytes = kernels.tx_bytes,
        .rx_dropped = kernels.rx_dropped,
        .tx_dropped = kernels.tx_dropped,
    };
}

gboolean
link_count(Kernel *kernel, int index, LinkStatistics *ret_statistics, GError **error)
{
    g_autoptr(NetlinkMessage) request = netlink_link_request(RTM_GETLINK, 0, index, 0);
    g_autofree char *what = g_strdup_printf("cannot read link %d's statistics", index);
    LinkStatistics statistics = {0};

    if (index <= 0)
        return error_set_errno(error, ENODEV, "%s", what);
    if (!netlink_ask(linux_kernel(kernel)->netlink, request, take_statistics, &statistics, what,
                     error))
        return FALSE;
    *ret_statistics = statistics;
    return TRUE;
}

const Privileges sysfs_privileges = {
    .part = "radios",
    .system_calls = SYSTEM_CALLS({"newfstatat"}, {"openat"}, {"read"}, {"close"}),
};

gboolean
link_is_wireless(Kernel *kernel, const LinkInfo *link)
{
    /* cfg80211's link to the radio, and the folder of drivers with the older wireless extensions
     */
    static const char *const signs[] = {"phy80211", "wireless"};

    /* A link that was created over rtnetlink (a bond, a VLAN device, a veth…) has a kind and no
     * radio, except for drivers/net/wireless/virtual/virt_wifi.c. Reading sysfs costs more than the
     * rest of a parent's check. */
    if (link->kind[0] && strcmp(link->kind, "virt_wifi") != 0)
        return FALSE;
    for (guint i = 0; i < G_N_ELEMENTS(signs); i++) {
        g_autofree char *path = g_strdup_printf("class/net/%s/%s", link->name, signs[i]);
        struct stat status;

        if (fstatat(linux_kernel(kernel)->sysfs_fd, path, &status, 0) == 0)
            return TRUE;
    }
    return FALSE;
}

guint
link_speed(Kernel *kernel, const LinkInfo *link)
{
    g_autofree char *path = g_strdup_printf("class/net/%s/speed", link->name);
    AUTO_FD int fd =
        (int)RETRY_EINTR(openat(linux_kernel(kernel)->sysfs_fd, path, O_RDONLY | O_CLOEXEC));
    char text[16] = "";
    guint64 speed = 0;

    /* Without a carrier reading it fails, or gives -1 (speed_show() in net/core/net-sysfs.c). */
    if (fd < 0 || RETRY_EINTR(read(fd, text, sizeof text - 1)) <= 0 ||
        !g_ascii_string_to_unsigned(g_strchomp(text), 10, 0, G_MAXINT, &speed, NULL))
        return 0;
    return (guint)speed;
}
