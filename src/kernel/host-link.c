/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * A host link has no IPv4 address: the host answers ARP for an address of its own on any link. For
 * IPv6 it answers only for the addresses of the link itself, and for proxy entries
 * (ndisc_recv_ns()), the latter if the link forwards. That setting of one link lets no packet
 * through: ip6_forward() looks at conf/all/forwarding. A proxied answer would wait for up to 0.8 s
 * (proxy_delay), which is for routers that share an address.
 *
 * The link needs a link-local address, without which no neighbour advertisement could be sent to a
 * guest that asks from its own (ipv6_dev_get_saddr()). It has it at once (dad_transmits 0): the
 * address is made of a MAC that no other link has.
 *
 * Where conf/default/disable_ipv6 is 1, a new link has no IPv6, even if its parent has. It is
 * switched on as soon as there is an address of the parent's to answer for.
 */
#include "linux-private.h"

#include "error.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct {
    const char *name;
    char value;
} settings[] = {
    {"accept_ra", '0'},
    {"autoconf", '0'},
    {"accept_redirects", '0'},
    {"dad_transmits", '0'},
    {"router_solicitations", '0'},
    {"proxy_ndp", '1'},
    {"forwarding", '1'},
};

static gboolean
write_setting(LinuxKernel *kernel, const char *link, const char *name, char value)
{
    char path[INTERFACE_NAME_MAX + 32];
    AUTO_FD int fd = -1;

    snprintf(path, sizeof path, "%s/%s", link, name);
    fd = (int)RETRY_EINTR(openat(kernel->ipv6_fd, path, O_WRONLY | O_CLOEXEC));
    return fd >= 0 && RETRY_EINTR(write(fd, &value, 1)) == 1;
}

gboolean
host_link_settle(LinuxKernel *kernel, const char *name, const char *what, gboolean *ret_has_ipv6,
                 GError **error)
{
    *ret_has_ipv6 = FALSE;
    if (kernel->ipv6_fd < 0)
        return TRUE;
    for (guint i = 0; i < G_N_ELEMENTS(settings); i++) {
        if (write_setting(kernel, name, settings[i].name, settings[i].value))
            continue;
        if (errno == ENOENT && i == 0)
            return TRUE; /* an MTU below 1280: no IPv6 on it */
        return error_set_errno(error, errno, "%s (cannot set %s)", what, settings[i].name);
    }
    *ret_has_ipv6 = TRUE;
    return TRUE;
}

static NetlinkMessage *
create_request(const HostLinkSpec *spec, const LinkSetup *setup)
{
    NetlinkMessage *message = link_create_request(setup, 128);
    struct nlattr *info, *data;

    nla_put(message, IFLA_ADDRESS, sizeof spec->mac.octets, spec->mac.octets);
    info = nla_nest_start(message, IFLA_LINKINFO);
    nla_put_string(message, IFLA_INFO_KIND, "macvlan");
    data = nla_nest_start(message, IFLA_INFO_DATA);
    nla_put_u32(message, IFLA_MACVLAN_MODE, MACVLAN_MODE_BRIDGE);
    nla_nest_end(message, data);
    nla_nest_end(message, info);
    return message;
}

gboolean
host_link_make(Kernel *kernel, const HostLinkSpec *spec, LinkInfo *ret_link, GError **error)
{
    const LinkSetup setup = {
        .name = spec->name,
        .index = spec->index,
        .parent_index = spec->parent_index,
        .is_hosts = TRUE,
        .alias = spec->alias,
        .before_up = spec->before_up,
        .before_up_data = spec->before_up_data,
    };
    g_autofree char *what = g_strdup_printf("cannot make host link %s", spec->name);
    g_autoptr(NetlinkMessage) request = NULL;

    if (!interface_name_check(spec->name, error))
        return FALSE;
    request = create_request(spec, &setup);
    return link_create(linux_kernel(kernel), request, &setup, what, ret_link, error);
}

static NetlinkMessage *
no_delay_request(int index)
{
    struct ndtmsg header = {.ndtm_family = AF_INET6};
    NetlinkMessage *message = nlmsg_alloc_simple(RTM_SETNEIGHTBL, NLM_F_REQUEST);
    struct nlattr *parameters;

    nlmsg_append(message, &header, sizeof header, NLMSG_ALIGNTO);
    nla_put_string(message, NDTA_NAME, "ndisc_cache");
    parameters = nla_nest_start(message, NDTA_PARMS);
    nla_put_u32(message, NDTPA_IFINDEX, (guint32)index);
    nla_put_u64(message, NDTPA_PROXY_DELAY, 0);
    nla_nest_end(message, parameters);
    return message;
}

static NetlinkMessage *
proxy_request(guint16 type, int index, const IpAddress *address)
{
    struct ndmsg header = {.ndm_family = AF_INET6, .ndm_ifindex = index, .ndm_flags = NTF_PROXY};
    NetlinkMessage *message = nlmsg_alloc_simple(
        type, NLM_F_REQUEST | (type == RTM_NEWNEIGH ? NLM_F_CREATE | NLM_F_REPLACE : 0));

    nlmsg_append(message, &header, sizeof header, NLMSG_ALIGNTO);
    nla_put(message, NDA_DST, sizeof address->bytes, address->bytes);
    return message;
}

typedef struct Proxies {
    int index;
    GArray *list; /* of IpAddress */
} Proxies;

/* NetlinkReply */
static void
take_proxy(guint number, struct nlmsghdr *message, gpointer user_data)
{
    const Proxies *proxies = user_data;
    const struct ndmsg *header = nlmsg_data(message);
    const struct nlattr *attribute;
    IpAddress address;

    if (message->nlmsg_type != RTM_NEWNEIGH || !nlmsg_valid_hdr(message, sizeof *header) ||
        header->ndm_ifindex != proxies->index || !(header->ndm_flags & NTF_PROXY))
        return;
    attribute = nlmsg_find_attr(message, sizeof *header, NDA_DST);
    if (attribute && routing_parse_ip(attribute, AF_INET6, &address))
        g_array_append_val(proxies->list, address);
}

static GArray *
list_proxies(LinuxKernel *kernel, int index, const char *what, GError **error)
{
    struct ndmsg header = {.ndm_family = AF_INET6, .ndm_flags = NTF_PROXY};
    g_autoptr(NetlinkMessage) request =
        nlmsg_alloc_simple(RTM_GETNEIGH, NLM_F_REQUEST | NLM_F_DUMP);
    g_autoptr(GArray) list = g_array_new(FALSE, FALSE, sizeof(IpAddress));
    Proxies proxies = {index, list};

    nlmsg_append(request, &header, sizeof header, NLMSG_ALIGNTO);
    if (!netlink_ask(kernel->netlink, request, take_proxy, &proxies, what, error))
        return NULL;
    return g_steal_pointer(&list);
}

static gboolean
has_address(const IpAddress *addresses, gsize n, const IpAddress *address)
{
    for (gsize i = 0; i < n; i++) {
        if (ip_address_equal(&addresses[i], address))
            return TRUE;
    }
    return FALSE;
}

static gboolean
change_proxies(LinuxKernel *kernel, guint16 type, int index, const IpAddress *addresses, gsize n,
               const GArray *but, const char *what, GError **error)
{
    for (gsize i = 0; i < n; i++) {
        g_autoptr(NetlinkMessage) request = NULL;

        if (has_address((const IpAddress *)but->data, but->len, &addresses[i]))
            continue;
        request = proxy_request(type, index, &addresses[i]);
        if (!netlink_ask(kernel->netlink, request, NULL, NULL, what, error))
            return FALSE;
    }
    return TRUE;
}

gboolean
host_link_set_proxies(Kernel *base, int index, const IpAddress *addresses, gsize n_addresses,
                      GError **error)
{
    LinuxKernel *kernel = linux_kernel(base);
    g_autofree char *what = g_strdup_printf("cannot set what link %d answers for", index);
    g_autoptr(NetlinkMessage) no_delay = no_delay_request(index);
    g_autoptr(GArray) present = NULL, wanted = g_array_new(FALSE, FALSE, sizeof(IpAddress));
    gboolean has_ipv6;
    LinkInfo link;

    if (!link_get_by_index(base, index, &link, error) ||
        !host_link_settle(kernel, link.name, what, &has_ipv6, error))
        return FALSE;
    if (!has_ipv6)
        return TRUE;
    if (n_addresses > 0 && !write_setting(kernel, link.name, "disable_ipv6", '0'))
        return error_set_errno(error, errno, "%s (cannot set disable_ipv6)", what);
    g_array_append_vals(wanted, addresses, (guint)n_addresses);
    present = list_proxies(kernel, index, what, error);
    return present && netlink_ask(kernel->netlink, no_delay, NULL, NULL, what, error) &&
           change_proxies(kernel, RTM_DELNEIGH, index, (const IpAddress *)present->data,
                          present->len, wanted, what, error) &&
           change_proxies(kernel, RTM_NEWNEIGH, index, addresses, n_addresses, present, what,
                          error);
}
