/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * The host must never speak or listen on a port, not even for a moment: while no queue is open the
 * kernel gives the port's frames to the host's own stack, which would take an address from a router
 * advertisement and answer ARP requests for the host's addresses with the guest's MAC. So the
 * device is made down, IPv6 is switched off on it and only then it goes up, without ARP. The kernel
 * takes neither ifalias nor addr_gen_mode while it makes a link (rtnl_newlink_create()), and within
 * one change it sets the link up before it looks at addr_gen_mode (do_setlink()); hence
 *
 *   1. RTM_NEWLINK, down;
 *   2. disable_ipv6 = 1 in /proc/sys/net/ipv6/conf/NAME;
 *   3. in one sendmsg(): alias and addr_gen_mode none; up; and, on kernels that did not tell the
 * new link in answer to step 1, RTM_GETLINK.
 *
 * addr_gen_mode stays needed next to disable_ipv6: an administrator who writes
 * conf/all/disable_ipv6 switches IPv6 on again on every device.
 *
 * The kernel goes on with a sendmsg()'s messages after one has failed. Step 1 must therefore be
 * alone: on "exists" the rest would change somebody else's link. After it the index is known to be
 * ours, and any failure ends with deleting that index.
 */
#include "linux-private.h"

#include "error.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const guint32 kernel_modes[] = {
    [MACVTAP_MODE_BRIDGE] = MACVLAN_MODE_BRIDGE,   [MACVTAP_MODE_VEPA] = MACVLAN_MODE_VEPA,
    [MACVTAP_MODE_PRIVATE] = MACVLAN_MODE_PRIVATE, [MACVTAP_MODE_PASSTHRU] = MACVLAN_MODE_PASSTHRU,
    [MACVTAP_MODE_SOURCE] = MACVLAN_MODE_SOURCE,
};
G_STATIC_ASSERT(G_N_ELEMENTS(kernel_modes) == MACVTAP_MODE_COUNT);

static void
put_sources(NetlinkMessage *message, const MacvtapSpec *spec)
{
    struct nlattr *list;

    nla_put_u32(message, IFLA_MACVLAN_MACADDR_MODE, MACVLAN_MACADDR_SET);
    list = nla_nest_start(message, IFLA_MACVLAN_MACADDR_DATA);
    for (gsize i = 0; i < spec->n_sources; i++)
        nla_put(message, IFLA_MACVLAN_MACADDR, sizeof spec->sources[i], &spec->sources[i]);
    nla_nest_end(message, list);
}

static void
put_kind(NetlinkMessage *message, const MacvtapSpec *spec)
{
    struct nlattr *info = nla_nest_start(message, IFLA_LINKINFO), *data;

    nla_put_string(message, IFLA_INFO_KIND, "macvtap");
    data = nla_nest_start(message, IFLA_INFO_DATA);
    nla_put_u32(message, IFLA_MACVLAN_MODE, kernel_modes[spec->mode]);
    if (spec->nopromisc)
        nla_put_u16(message, IFLA_MACVLAN_FLAGS, MACVLAN_FLAG_NOPROMISC);
    if (spec->broadcast_queue_length)
        nla_put_u32(message, IFLA_MACVLAN_BC_QUEUE_LEN, spec->broadcast_queue_length);
    if (spec->n_sources)
        put_sources(message, spec);
    nla_nest_end(message, data);
    nla_nest_end(message, info);
}

static NetlinkMessage *
create_request(const MacvtapSpec *spec)
{
    gsize size = 512 + spec->n_sources * nla_total_size(sizeof(MacAddress));
    NetlinkMessage *message = netlink_link_request(
        RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ECHO, spec->index, size);

    nla_put_string(message, IFLA_IFNAME, spec->name);
    nla_put_u32(message, IFLA_LINK, (guint32)spec->parent_index);
    if (spec->set_mac)
        nla_put(message, IFLA_ADDRESS, sizeof spec->mac.octets, spec->mac.octets);
    if (spec->mtu)
        nla_put_u32(message, IFLA_MTU, spec->mtu);
    if (spec->tx_queue_length)
        nla_put_u32(message, IFLA_TXQLEN, spec->tx_queue_length);
    put_kind(message, spec);
    return message;
}

static NetlinkMessage *
dress_request(const MacvtapSpec *spec, int index)
{
    NetlinkMessage *message = netlink_link_request(RTM_SETLINK, 0, index, 512);
    struct nlattr *families = nla_nest_start(message, IFLA_AF_SPEC), *inet6;

    inet6 = nla_nest_start(message, AF_INET6);
    nla_put_u8(message, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
    nla_nest_end(message, inet6);
    nla_nest_end(message, families);
    if (spec->alias)
        nla_put_string(message, IFLA_IFALIAS, spec->alias);
    return message;
}

static guint32
up_flags(const MacvtapSpec *spec)
{
    return IFF_UP | IFF_NOARP | (spec->all_multicast ? IFF_ALLMULTI : 0);
}

static NetlinkMessage *
up_request(const MacvtapSpec *spec, int index)
{
    NetlinkMessage *message = netlink_link_request(RTM_SETLINK, 0, index, 16);
    struct ifinfomsg *header = nlmsg_data(nlmsg_hdr(message));

    header->ifi_flags = up_flags(spec);
    header->ifi_change = header->ifi_flags;
    return message;
}

/* With an index in the request the kernel says EEXIST for a taken index as for a taken name. */
static gboolean
explain_create_failure(LinuxKernel *kernel, const MacvtapSpec *spec, const NetlinkResult *result,
                       const char *what, GError **error)
{
    LinkInfo other;

    if (result->errnum != EEXIST)
        return netlink_result_error(result, what, error);
    if (spec->index && !link_get_by_name(&kernel->kernel, spec->name, &other, NULL) &&
        link_get_by_index(&kernel->kernel, spec->index, &other, NULL))
        return error_set_errno(error, EBUSY, "%s (index %d is %s's)", what, spec->index,
                               other.name);
    return error_set_errno(error, EEXIST, "%s (the name is taken)", what);
}

static void
take_link(guint index, struct nlmsghdr *message, gpointer user_data)
{
    link_parse(message, user_data);
}

/* link->index stays 0 where the kernel's answer (NLM_F_ECHO, since 6.2) does not tell the link. */
static gboolean
make_link(LinuxKernel *kernel, const MacvtapSpec *spec, const char *what, LinkInfo *link,
          GError **error)
{
    g_autoptr(NetlinkMessage) request = create_request(spec);
    NetlinkResult result;

    if (!netlink_talk(kernel->netlink, &request, 1, take_link, link, &result, error))
        return FALSE;
    if (result.errnum != 0)
        return explain_create_failure(kernel, spec, &result, what, error);
    return TRUE;
}

static gboolean
disable_ipv6(LinuxKernel *kernel, const char *name, const char *what, GError **error)
{
    char path[INTERFACE_NAME_MAX + sizeof "/disable_ipv6"];
    AUTO_FD int fd = -1;

    if (kernel->ipv6_fd < 0)
        return TRUE;
    snprintf(path, sizeof path, "%s/disable_ipv6", name);
    fd = (int)RETRY_EINTR(openat(kernel->ipv6_fd, path, O_WRONLY | O_CLOEXEC));
    if (fd < 0 && errno == ENOENT)
        return TRUE; /* an MTU below 1280: the kernel does no IPv6 on it */
    if (fd < 0 || RETRY_EINTR(write(fd, "1", 1)) != 1)
        return error_set_errno(error, errno, "%s (cannot switch IPv6 off on it)", what);
    return TRUE;
}

/* What the kernel makes of a link when it goes up: dev_get_flags() and default_operstate(). */
static void
note_up(const MacvtapSpec *spec, LinkInfo *link)
{
    link->flags |= up_flags(spec);
    if (link->carrier)
        link->flags |= IFF_RUNNING | IFF_LOWER_UP;
    link->operational_state = link->carrier ? IF_OPER_UP : IF_OPER_LOWERLAYERDOWN;
    g_strlcpy(link->alias, spec->alias ? spec->alias : "", sizeof link->alias);
}

static gboolean
finish_link(LinuxKernel *kernel, const MacvtapSpec *spec, int index, const char *what,
            LinkInfo *link, GError **error)
{
    g_autoptr(NetlinkMessage) dress = dress_request(spec, index);
    g_autoptr(NetlinkMessage) up = up_request(spec, index);
    g_autoptr(NetlinkMessage) get = link_get_request(index, NULL);
    NetlinkMessage *messages[] = {dress, up, get};
    gsize n_messages = link->index ? 2 : 3;
    NetlinkResult results[G_N_ELEMENTS(messages)];

    if (!netlink_talk(kernel->netlink, messages, n_messages, take_link, link, results, error))
        return FALSE;
    for (gsize i = 0; i < n_messages; i++) {
        if (results[i].errnum)
            return netlink_result_error(&results[i], what, error);
    }
    if (n_messages == 2)
        note_up(spec, link);
    return TRUE;
}

gboolean
macvtap_make(Kernel *base, const MacvtapSpec *spec, LinkInfo *ret_link, GError **error)
{
    LinuxKernel *kernel = linux_kernel(base);
    g_autofree char *what = g_strdup_printf("cannot make macvtap %s", spec->name);
    LinkInfo link = {0};
    int index;

    if (!interface_name_check(spec->name, error) || !make_link(kernel, spec, what, &link, error))
        return FALSE;
    index = link.index ? link.index : spec->index;
    if (index == 0) {
        if (!link_get_by_name(base, spec->name, &link, error))
            return FALSE;
        index = link.index;
    }
    if (!disable_ipv6(kernel, spec->name, what, error) ||
        !finish_link(kernel, spec, index, what, &link, error)) {
        link_remove(base, &index, 1, NULL);
        return FALSE;
    }
    *ret_link = link;
    return TRUE;
}
