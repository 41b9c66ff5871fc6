/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * The host must never speak or listen on a link that is made for guests, not even for a moment:
 * while no queue is open the kernel gives a port's frames to the host's own stack, which would take
 * an address from a router advertisement and answer ARP requests for the host's addresses with the
 * guest's MAC. So the device is created down and without ARP, IPv6 is disabled on it, and only then
 * is it set up. The kernel accepts neither ifalias nor addr_gen_mode when it creates a link
 * (rtnl_newlink_create()); hence
 *
 *   1. RTM_NEWLINK, down;
 *   2. disable_ipv6 = 1 in /proc/sys/net/ipv6/conf/NAME, and what else must be in force before a
 *      frame can leave the device (before_up);
 *   3. in one sendmsg(): the setup, which is alias, addr_gen_mode none and flags; then, unless it
 * must stay down, up; and, if the kernel's answer to step 1 did not contain the new link,
 * RTM_GETLINK.
 *
 * addr_gen_mode is needed besides disable_ipv6: an administrator who writes 0 to
 * conf/all/disable_ipv6 switches IPv6 on again on every device.
 *
 * Up is a change of its own, after the flags: a passthru macvtap whose IFF_ALLMULTI is set while it
 * is up makes its parent receive all multicast forever, because macvlan_change_rx_flags() counts it
 * and macvlan_stop() does not uncount it in that mode. If setting it up can fail (below), the rest
 * must not fail with it. It is also cheaper: the kernel sends no event for the setup of a link that
 * is down (netdev_state_change()), but two if that includes up.
 *
 * The kernel continues with the messages of a sendmsg() after one has failed. So step 1 must be
 * alone: on EEXIST the rest would change another program's link. After step 1 the index is known to
 * be ours, and any failure deletes it.
 *
 * A VLAN device cannot go up while its parent is down (ENETDOWN); it keeps its setup, and the
 * kernel sets it up together with the parent (vlan_device_event()).
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

static void
put_flags(NetlinkMessage *message, guint32 flags)
{
    struct ifinfomsg *header = nlmsg_data(nlmsg_hdr(message));

    header->ifi_flags = flags;
    header->ifi_change = flags;
}

NetlinkMessage *
link_create_request(const LinkSetup *setup, gsize size)
{
    NetlinkMessage *message = netlink_link_request(
        RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ECHO, setup->index, 256 + size);

    put_flags(message, setup->is_hosts ? 0 : IFF_NOARP);
    nla_put_string(message, IFLA_IFNAME, setup->name);
    nla_put_u32(message, IFLA_LINK, (guint32)setup->parent_index);
    return message;
}

static void
put_addr_gen_mode(NetlinkMessage *message, guint8 mode)
{
    struct nlattr *families = nla_nest_start(message, IFLA_AF_SPEC);
    struct nlattr *inet6 = nla_nest_start(message, AF_INET6);

    nla_put_u8(message, IFLA_INET6_ADDR_GEN_MODE, mode);
    nla_nest_end(message, inet6);
    nla_nest_end(message, families);
}

static NetlinkMessage *
setup_request(const LinkSetup *setup, int index, gboolean has_ipv6)
{
    NetlinkMessage *message = netlink_link_request(RTM_SETLINK, 0, index, 512);

    put_flags(message, setup->flags);
    if (has_ipv6)
        put_addr_gen_mode(message,
                          setup->is_hosts ? IN6_ADDR_GEN_MODE_EUI64 : IN6_ADDR_GEN_MODE_NONE);
    if (setup->alias)
        nla_put_string(message, IFLA_IFALIAS, setup->alias);
    return message;
}

static NetlinkMessage *
up_request(int index)
{
    NetlinkMessage *message = netlink_link_request(RTM_SETLINK, 0, index, 16);

    put_flags(message, IFF_UP);
    return message;
}

/* With an index in the request the kernel returns EEXIST for a taken index, a taken name and a
 * taken VLAN alike; only the last comes with a message. */
static gboolean
explain_create_failure(LinuxKernel *kernel, const LinkSetup *setup, const NetlinkResult *result,
                       const char *what, GError **error)
{
    LinkInfo other;

    /* rtnl_newlink() returns both for an unknown kind that request_module() could not load. */
    if (result->errnum == EOPNOTSUPP && strcmp(result->text, "Unknown device type") == 0)
        return error_set_errno(error, ENOPKG, "%s (%s)", what, result->text);
    if (result->errnum != EEXIST)
        return netlink_result_error(result, what, error);
    if (link_get_by_name(&kernel->kernel, setup->name, &other, NULL))
        return error_set_errno(error, EEXIST, "%s (the name is taken)", what);
    if (setup->index && link_get_by_index(&kernel->kernel, setup->index, &other, NULL))
        return error_set_errno(error, EBUSY, "%s (index %d is %s's)", what, setup->index,
                               other.name);
    return netlink_result_error(result, what, error);
}

static void
take_link(guint index, struct nlmsghdr *message, gpointer user_data)
{
    link_parse(message, user_data);
}

/* The kernel may have created the link although its answer was lost: only this request can have
 * given this name to this index. */
static void
remove_unanswered(LinuxKernel *kernel, const LinkSetup *setup)
{
    LinkInfo link;

    if (link_get_by_index(&kernel->kernel, setup->index, &link, NULL) && link.alias[0] == '\0' &&
        strcmp(link.name, setup->name) == 0)
        link_remove(&kernel->kernel, &link.index, 1, NULL);
}

/* link->index stays 0 if the kernel's answer does not contain the link (NLM_F_ECHO, since 6.2). */
static gboolean
make_link(LinuxKernel *kernel, NetlinkMessage *request, const LinkSetup *setup, const char *what,
          LinkInfo *link, GError **error)
{
    NetlinkResult result;

    if (!netlink_talk(kernel->netlink, &request, 1, take_link, link, &result, error)) {
        remove_unanswered(kernel, setup);
        return FALSE;
    }
    if (result.errnum != 0)
        return explain_create_failure(kernel, setup, &result, what, error);
    return TRUE;
}

const Privileges ipv6_privileges = {
    .part = "IPv6 of links",
    .system_calls = SYSTEM_CALLS({"openat"}, {"write"}, {"close"}),
};

/* In a container, where /proc/sys is read-only, new devices may begin without IPv6. */
static gboolean
is_ipv6_off(LinuxKernel *kernel, const char *path)
{
    AUTO_FD int fd = (int)RETRY_EINTR(openat(kernel->ipv6_fd, path, O_RDONLY | O_CLOEXEC));
    char value = 0;

    return fd >= 0 && RETRY_EINTR(read(fd, &value, 1)) == 1 && value == '1';
}

/* Without IPv6 there is nothing to switch off, and no addr_gen_mode either (EAFNOSUPPORT). */
static gboolean
disable_ipv6(LinuxKernel *kernel, const char *name, const char *what, gboolean *ret_has_ipv6,
             GError **error)
{
    char path[INTERFACE_NAME_MAX + sizeof "/disable_ipv6"];
    AUTO_FD int fd = -1;

    *ret_has_ipv6 = FALSE;
    if (kernel->ipv6_fd < 0)
        return TRUE;
    snprintf(path, sizeof path, "%s/disable_ipv6", name);
    fd = (int)RETRY_EINTR(openat(kernel->ipv6_fd, path, O_WRONLY | O_CLOEXEC));
    if (fd < 0 && errno == ENOENT)
        return TRUE; /* an MTU below 1280: no IPv6 on it */
    *ret_has_ipv6 = TRUE;
    if (fd < 0 && errno == EROFS && is_ipv6_off(kernel, path))
        return TRUE;
    if (fd < 0 || RETRY_EINTR(write(fd, "1", 1)) != 1)
        return error_set_errno(error, errno, "%s (cannot switch IPv6 off on it)", what);
    return TRUE;
}

/* Predicts the link as the kernel shows it after the setup and after going up: dev_get_flags() and
 * default_operstate(). Before 6.8 the kernel reports the operational state only after a worker has
 * run. */
static void
note_setup(const LinkSetup *setup, LinkInfo *link)
{
    link->flags |= (setup->is_hosts ? 0 : IFF_NOARP) | setup->flags;
    g_strlcpy(link->alias, setup->alias ? setup->alias : "", sizeof link->alias);
    link->host_ipv6 &= setup->is_hosts;
    if (setup->stays_down)
        return;
    link->flags |= IFF_UP;
    if (link->carrier)
        link->flags |= IFF_RUNNING | IFF_LOWER_UP;
    link->operational_state = link->carrier ? IF_OPER_UP : IF_OPER_LOWERLAYERDOWN;
}

static gboolean
prepare_ipv6(LinuxKernel *kernel, const LinkSetup *setup, const char *what, gboolean *ret_has_ipv6,
             GError **error)
{
    return (setup->is_hosts ? host_link_settle : disable_ipv6)(kernel, setup->name, what,
                                                               ret_has_ipv6, error);
}

static gboolean
finish_link(LinuxKernel *kernel, const LinkSetup *setup, int index, gboolean has_ipv6,
            const char *what, LinkInfo *link, GError **error)
{
    g_autoptr(NetlinkMessage) setting_up = setup_request(setup, index, has_ipv6);
    g_autoptr(NetlinkMessage) up = setup->stays_down ? NULL : up_request(index);
    g_autoptr(NetlinkMessage) get = NULL;
    NetlinkMessage *messages[3] = {setting_up};
    NetlinkResult results[G_N_ELEMENTS(messages)];
    gsize n_messages = 1;

    if (up)
        messages[n_messages++] = up;
    if (!link->index)
        messages[n_messages++] = get = link_get_request(index, NULL);
    if (!netlink_talk(kernel->netlink, messages, n_messages, take_link, link, results, error))
        return FALSE;
    if (setup->rises_with_parent && results[1].errnum == ENETDOWN && results[0].errnum == 0)
        return link_get_by_index(&kernel->kernel, index, link, error);
    for (gsize i = 0; i < n_messages; i++) {
        if (results[i].errnum)
            return netlink_result_error(&results[i], what, error);
    }
    note_setup(setup, link);
    return TRUE;
}

gboolean
link_create(LinuxKernel *kernel, NetlinkMessage *request, const LinkSetup *setup, const char *what,
            LinkInfo *ret_link, GError **error)
{
    LinkInfo link = {0};
    gboolean has_ipv6;
    int index;

    if (!make_link(kernel, request, setup, what, &link, error))
        return FALSE;
    index = link.index ? link.index : setup->index;
    if (index == 0) {
        if (!link_get_by_name(&kernel->kernel, setup->name, &link, error))
            return FALSE;
        index = link.index;
    }
    if (!prepare_ipv6(kernel, setup, what, &has_ipv6, error) ||
        (setup->before_up && !setup->before_up(index, setup->before_up_data, error)) ||
        !finish_link(kernel, setup, index, has_ipv6, what, &link, error)) {
        link_remove(&kernel->kernel, &index, 1, NULL);
        return FALSE;
    }
    *ret_link = link;
    return TRUE;
}

static NetlinkMessage *
change_request(const LinkInfo *link, const LinkChange *change, gboolean silence_ipv6)
{
    NetlinkMessage *request = netlink_link_request(RTM_SETLINK, 0, link->index, 512);
    struct ifinfomsg *header = nlmsg_data(nlmsg_hdr(request));

    if (change->mtu)
        nla_put_u32(request, IFLA_MTU, change->mtu);
    if (change->tx_queue_length)
        nla_put_u32(request, IFLA_TXQLEN, change->tx_queue_length);
    if (change->alias)
        nla_put_string(request, IFLA_IFALIAS, change->alias);
    if (change->all_multicast || change->no_all_multicast)
        header->ifi_change |= IFF_ALLMULTI;
    if (change->silence)
        header->ifi_change |= IFF_NOARP;
    header->ifi_flags = header->ifi_change & (guint) ~(change->no_all_multicast ? IFF_ALLMULTI : 0);
    if (silence_ipv6)
        put_addr_gen_mode(request, IN6_ADDR_GEN_MODE_NONE);
    return request;
}

/* Raising an MTU to 1280 or more makes the kernel start IPv6 on the link, as on a new one: so IPv6
 * is switched off afterwards. */
gboolean
link_change(Kernel *base, int index, const LinkChange *change, GError **error)
{
    LinuxKernel *kernel = linux_kernel(base);
    g_autofree char *what = g_strdup_printf("cannot change link %d", index);
    const LinkChange mtu = {.mtu = change->mtu};
    g_autoptr(NetlinkMessage) request = NULL;
    LinkChange rest = *change;
    gboolean has_ipv6 = FALSE;
    LinkInfo link;

    if (!link_get_by_index(base, index, &link, error))
        return FALSE;
    if (change->mtu) {
        g_autoptr(NetlinkMessage) first = change_request(&link, &mtu, FALSE);

        if (!netlink_ask(kernel->netlink, first, NULL, NULL, what, error))
            return FALSE;
        rest.mtu = 0;
    }
    if (change->silence && !disable_ipv6(kernel, link.name, what, &has_ipv6, error))
        return FALSE;
    request = change_request(&link, &rest, has_ipv6);
    return netlink_ask(kernel->netlink, request, NULL, NULL, what, error);
}
