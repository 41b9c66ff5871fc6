/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Changes of addresses, routes and neighbours, and the reading of the kernel's messages about them.
 */
#include "linux-private.h"

#include "error.h"

#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <string.h>
#include <sys/socket.h>

#define SOCKET_BUFFER (4 * 1024 * 1024) /* bytes */

#define NUD_ANSWERS (NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT | NUD_NOARP)

/* Its socket is opened at the start, and listens from the first host link on. */
const Privileges routing_privileges = {
    .part = "routing of host links",
    .system_calls = SYSTEM_CALLS({"setsockopt"}, {"recvmsg"}, {"close"}),
};

gboolean
routing_parse_ip(const struct nlattr *attribute, int family, IpAddress *ret_address)
{
    if (nla_len(attribute) < (family == AF_INET ? 4 : 16) ||
        (family != AF_INET && family != AF_INET6))
        return FALSE;
    if (family == AF_INET)
        *ret_address = ip_address_from_ipv4(nla_data(attribute));
    else
        memcpy(ret_address->bytes, nla_data(attribute), sizeof ret_address->bytes);
    return TRUE;
}

const guint8 *
routing_ip_bytes(const IpAddress *address, int *ret_length)
{
    *ret_length = ip_address_is_ipv4(address) ? 4 : 16;
    return address->bytes + sizeof address->bytes - *ret_length;
}

int
routing_family(const IpAddress *address)
{
    return ip_address_is_ipv4(address) ? AF_INET : AF_INET6;
}

gboolean
routing_parse_neighbour(struct nlmsghdr *message, RoutingChange *ret_change)
{
    const struct ndmsg *header = nlmsg_data(message);
    RoutingChange change = {.type = ROUTING_NEIGHBOUR};
    const struct nlattr *address, *mac;

    if (!nlmsg_valid_hdr(message, sizeof *header) || header->ndm_flags & NTF_PROXY)
        return FALSE;
    address = nlmsg_find_attr(message, sizeof *header, NDA_DST);
    mac = nlmsg_find_attr(message, sizeof *header, NDA_LLADDR);
    if (!address || !routing_parse_ip(address, header->ndm_family, &change.address))
        return FALSE;
    change.index = header->ndm_ifindex;
    if (message->nlmsg_type == RTM_NEWNEIGH && header->ndm_state & NUD_ANSWERS && mac &&
        nla_len(mac) == sizeof change.mac)
        memcpy(&change.mac, nla_data(mac), sizeof change.mac);
    *ret_change = change;
    return TRUE;
}

typedef void (*VisitGateway)(int index, const IpAddress *gateway, gpointer user_data);

/* The next hop among these attributes (of RTA_MAX + 1): of the route's family, or of another. */
static void
visit_hop(struct nlattr *const *a, int index, int family, VisitGateway visit, gpointer user_data)
{
    const struct rtvia *via = a[RTA_VIA] ? nla_data(a[RTA_VIA]) : NULL;
    IpAddress gateway;

    if (a[RTA_GATEWAY] && routing_parse_ip(a[RTA_GATEWAY], family, &gateway)) {
        visit(index, &gateway, user_data);
    } else if (via && nla_len(a[RTA_VIA]) >= (int)sizeof *via + 16 &&
               via->rtvia_family == AF_INET6) {
        memcpy(gateway.bytes, via->rtvia_addr, sizeof gateway.bytes);
        visit(index, &gateway, user_data);
    }
}

static void
visit_hops(const struct nlattr *hops, int family, VisitGateway visit, gpointer user_data)
{
    struct rtnexthop *hop = nla_data(hops);
    int left = nla_len(hops);

    while (left >= (int)sizeof *hop && RTNH_OK(hop, left)) {
        struct nlattr *a[RTA_MAX + 1];

        if (nla_parse(a, RTA_MAX, (struct nlattr *)RTNH_DATA(hop),
                      hop->rtnh_len - (int)RTNH_LENGTH(0), NULL) == 0)
            visit_hop(a, hop->rtnh_ifindex, family, visit, user_data);
        left -= (int)RTNH_ALIGN(hop->rtnh_len);
        hop = RTNH_NEXT(hop);
    }
}

void
routing_each_gateway(struct nlmsghdr *message, VisitGateway visit, gpointer user_data)
{
    const struct rtmsg *header = nlmsg_data(message);
    struct nlattr *a[RTA_MAX + 1];

    if ((message->nlmsg_type != RTM_NEWROUTE && message->nlmsg_type != RTM_DELROUTE) ||
        !nlmsg_valid_hdr(message, sizeof *header) ||
        nlmsg_parse(message, sizeof *header, a, RTA_MAX, NULL) < 0)
        return;
    if (a[RTA_OIF])
        visit_hop(a, (int)nla_get_u32(a[RTA_OIF]), header->rtm_family, visit, user_data);
    if (a[RTA_MULTIPATH])
        visit_hops(a[RTA_MULTIPATH], header->rtm_family, visit, user_data);
}

/* ---- changes ---- */

typedef struct RoutingWatch {
    SocketWatch watch;
    RoutingHandler handler;
    gpointer user_data;
} RoutingWatch;

static void
tell(const RoutingWatch *watch, const RoutingChange *change)
{
    watch->handler(change, watch->user_data);
}

static void
tell_address(const RoutingWatch *watch, struct nlmsghdr *message)
{
    const struct ifaddrmsg *header = nlmsg_data(message);

    if (nlmsg_valid_hdr(message, sizeof *header))
        tell(watch, &(RoutingChange){.type = ROUTING_ADDRESS, .index = (int)header->ifa_index});
}

static void
tell_gateway(int index, const IpAddress *gateway, gpointer watch)
{
    tell(watch, &(RoutingChange){.type = ROUTING_GATEWAY, .index = index});
}

static void
tell_route(const RoutingWatch *watch, struct nlmsghdr *message)
{
    const struct rtmsg *header = nlmsg_data(message);
    RoutingChange change = {.type = ROUTING_PATH_LOST};
    const struct nlattr *link, *address;

    if (!nlmsg_valid_hdr(message, sizeof *header))
        return;
    if (header->rtm_protocol != KERNEL_ROUTE_PROTOCOL) {
        routing_each_gateway(message, tell_gateway, (gpointer)watch);
        return;
    }
    link = nlmsg_find_attr(message, sizeof *header, RTA_OIF);
    address = nlmsg_find_attr(message, sizeof *header, RTA_DST);
    if (message->nlmsg_type != RTM_DELROUTE || !link || !address ||
        !routing_parse_ip(address, header->rtm_family, &change.address))
        return;
    change.index = (int)nla_get_u32(link);
    tell(watch, &change);
}

static void
tell_neighbour(const RoutingWatch *watch, struct nlmsghdr *message)
{
    RoutingChange change;

    if (!routing_parse_neighbour(message, &change))
        return;
    tell(watch, &change);
    if (message->nlmsg_type != RTM_DELNEIGH)
        return;
    change.type = ROUTING_PATH_LOST;
    tell(watch, &change);
}

/* NetlinkTake */
static void
take_change(struct nlmsghdr *message, gpointer user_data)
{
    switch (message->nlmsg_type) {
    case RTM_NEWADDR:
    case RTM_DELADDR:
        tell_address(user_data, message);
        return;
    case RTM_NEWROUTE:
    case RTM_DELROUTE:
        tell_route(user_data, message);
        return;
    case RTM_NEWNEIGH:
    case RTM_DELNEIGH:
        tell_neighbour(user_data, message);
        return;
    default:
        return;
    }
}

/* SocketWatch.read */
static gboolean
read_changes(gpointer data)
{
    RoutingWatch *watch = data;
    int errnum = netlink_read_groups(watch->watch.fd, take_change, watch);

    if (errnum != ENOBUFS && errnum != EMSGSIZE)
        return errnum == 0;
    /* The changes still queued are older than what is lost, and than what is read after it is told;
     * a neighbour among them may be gone again. */
    netlink_drop_unread(watch->watch.fd);
    tell(watch, &(RoutingChange){.type = ROUTING_LOST});
    return TRUE;
}

gboolean
routing_watch(Kernel *kernel, RoutingHandler handler, gpointer user_data, GError **error)
{
    static const int groups[] = {RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV4_ROUTE,
                                 RTNLGRP_IPV6_ROUTE, RTNLGRP_NEIGH};
    int size = SOCKET_BUFFER, fd = linux_kernel(kernel)->routing_fd;
    RoutingWatch *watch;

    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
    if (!netlink_join_groups(fd, groups, G_N_ELEMENTS(groups)))
        return error_set_errno(error, errno, "cannot listen to the kernel's routing events");
    watch = g_new0(RoutingWatch, 1);
    *watch = (RoutingWatch){
        {g_steal_fd(&linux_kernel(kernel)->routing_fd), read_changes}, handler, user_data};
    socket_watch_start(linux_kernel(kernel), watch, "routing");
    return TRUE;
}
