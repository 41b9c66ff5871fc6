/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * A path is a route and a neighbour entry, both of KERNEL_ROUTE_PROTOCOL. The entry is permanent:
 * no frame of anybody can change it (neigh_update()), and the host sends neither ARP nor neighbour
 * solicitations on the link. A removal names the protocol and the link, so the kernel finds no
 * route but ours.
 */
#include "linux-private.h"

#include "error.h"

#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <string.h>

#define PATHS_PER_TURN (NETLINK_BATCH_MAX / 2)

static NetlinkMessage *
route_request(guint16 type, guint16 flags, const HostPath *path)
{
    int family = routing_family(&path->address), length;
    const guint8 *bytes = routing_ip_bytes(&path->address, &length);
    struct rtmsg header = {
        .rtm_family = (guint8)family,
        .rtm_dst_len = (guint8)(length * 8),
        .rtm_table = RT_TABLE_MAIN,
        .rtm_protocol = KERNEL_ROUTE_PROTOCOL,
        .rtm_scope = type == RTM_DELROUTE ? RT_SCOPE_NOWHERE
                     : family == AF_INET  ? RT_SCOPE_LINK
                                          : RT_SCOPE_UNIVERSE,
        .rtm_type = RTN_UNICAST,
    };
    NetlinkMessage *message = nlmsg_alloc_simple(type, NLM_F_REQUEST | flags);

    nlmsg_append(message, &header, sizeof header, NLMSG_ALIGNTO);
    nla_put(message, RTA_DST, length, bytes);
    nla_put_u32(message, RTA_OIF, (guint32)path->index);
    nla_put_u32(message, RTA_PRIORITY, KERNEL_ROUTE_METRIC);
    if (type == RTM_DELROUTE)
        return message;
    bytes = routing_ip_bytes(&path->source, &length);
    nla_put(message, RTA_PREFSRC, length, bytes);
    return message;
}

static NetlinkMessage *
neighbour_request(guint16 type, guint16 flags, const HostPath *path)
{
    struct ndmsg header = {
        .ndm_family = (guint8)routing_family(&path->address),
        .ndm_ifindex = path->index,
        .ndm_state = NUD_PERMANENT,
    };
    NetlinkMessage *message = nlmsg_alloc_simple(type, NLM_F_REQUEST | flags);
    int length;
    const guint8 *bytes = routing_ip_bytes(&path->address, &length);

    nlmsg_append(message, &header, sizeof header, NLMSG_ALIGNTO);
    nla_put(message, NDA_DST, length, bytes);
    if (type == RTM_DELNEIGH)
        return message;
    nla_put(message, NDA_LLADDR, sizeof path->mac.octets, path->mac.octets);
    nla_put_u8(message, NDA_PROTOCOL, KERNEL_ROUTE_PROTOCOL);
    return message;
}

static gboolean
is_gone(int errnum)
{
    return errnum == ESRCH || errnum == ENOENT || errnum == ENODEV || errnum == ENXIO;
}

/* The first failure of these, in the order of the messages. */
static gboolean
judge(const NetlinkResult *results, gsize n, gboolean is_removal, const char *what, GError **error)
{
    for (gsize i = 0; i < n; i++) {
        if (results[i].errnum && !(is_removal && is_gone(results[i].errnum)))
            return netlink_result_error(&results[i], what, error);
    }
    return TRUE;
}

static gboolean
change_some(LinuxKernel *kernel, const HostPath *paths, gsize n, gboolean is_removal,
            GError **error)
{
    const char *what =
        is_removal ? "cannot remove the host's routes" : "cannot add the host's routes";
    NetlinkMessage *messages[2 * PATHS_PER_TURN];
    NetlinkResult results[G_N_ELEMENTS(messages)];
    gboolean good;

    for (gsize i = 0; i < n; i++) {
        messages[2 * i] =
            is_removal ? route_request(RTM_DELROUTE, 0, &paths[i])
                       : neighbour_request(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, &paths[i]);
        messages[2 * i + 1] =
            is_removal ? neighbour_request(RTM_DELNEIGH, 0, &paths[i])
                       : route_request(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, &paths[i]);
    }
    good = netlink_talk(kernel->netlink, messages, 2 * n, NULL, NULL, results, error) &&
           judge(results, 2 * n, is_removal, what, error);
    for (gsize i = 0; i < 2 * n; i++)
        nlmsg_free(messages[i]);
    return good;
}

static gboolean
change_paths(Kernel *base, const HostPath *paths, gsize n_paths, gboolean is_removal,
             GError **error)
{
    gboolean good = TRUE;

    for (gsize i = 0; i < n_paths; i += PATHS_PER_TURN)
        good &= change_some(linux_kernel(base), paths + i, MIN(n_paths - i, PATHS_PER_TURN),
                            is_removal, good ? error : NULL);
    return good;
}

gboolean
host_path_add(Kernel *kernel, const HostPath *paths, gsize n_paths, GError **error)
{
    return change_paths(kernel, paths, n_paths, FALSE, error);
}

gboolean
host_path_remove(Kernel *kernel, const HostPath *paths, gsize n_paths, GError **error)
{
    return change_paths(kernel, paths, n_paths, TRUE, error);
}

/* ---- what is there ---- */

typedef struct PathList {
    int index;
    GHashTable *table; /* IpAddress -> HostPath, owned */
} PathList;

static HostPath *
ensure_path(const PathList *paths, const IpAddress *address)
{
    HostPath *path = g_hash_table_lookup(paths->table, address);

    if (path)
        return path;
    path = g_new0(HostPath, 1);
    path->index = paths->index;
    path->address = *address;
    g_hash_table_insert(paths->table, &path->address, path);
    return path;
}

static void
take_route(struct nlmsghdr *message, const PathList *paths)
{
    const struct rtmsg *header = nlmsg_data(message);
    struct nlattr *a[RTA_MAX + 1];
    IpAddress address, source;

    if (!nlmsg_valid_hdr(message, sizeof *header) || header->rtm_table != RT_TABLE_MAIN ||
        header->rtm_protocol != KERNEL_ROUTE_PROTOCOL ||
        header->rtm_dst_len != (header->rtm_family == AF_INET ? 32 : 128) ||
        nlmsg_parse(message, sizeof *header, a, RTA_MAX, NULL) < 0 || !a[RTA_OIF] || !a[RTA_DST] ||
        (int)nla_get_u32(a[RTA_OIF]) != paths->index ||
        !routing_parse_ip(a[RTA_DST], header->rtm_family, &address))
        return;
    if (a[RTA_PREFSRC] && routing_parse_ip(a[RTA_PREFSRC], header->rtm_family, &source))
        ensure_path(paths, &address)->source = source;
    else
        ensure_path(paths, &address);
}

/* NetlinkReply */
static void
take_part(guint number, struct nlmsghdr *message, gpointer user_data)
{
    const PathList *paths = user_data;
    const struct ndmsg *header = nlmsg_data(message);
    RoutingChange neighbour;

    if (message->nlmsg_type == RTM_NEWROUTE)
        take_route(message, paths);
    else if (message->nlmsg_type == RTM_NEWNEIGH && routing_parse_neighbour(message, &neighbour) &&
             neighbour.index == paths->index && header->ndm_state & NUD_PERMANENT)
        ensure_path(paths, &neighbour.address)->mac = neighbour.mac;
}

static NetlinkMessage *
list_routes_request(int family, int index)
{
    struct rtmsg header = {.rtm_family = (guint8)family, .rtm_table = RT_TABLE_UNSPEC};
    NetlinkMessage *message = nlmsg_alloc_simple(RTM_GETROUTE, NLM_F_REQUEST | NLM_F_DUMP);

    nlmsg_append(message, &header, sizeof header, NLMSG_ALIGNTO);
    nla_put_u32(message, RTA_OIF, (guint32)index);
    return message;
}

static NetlinkMessage *
list_neighbours_request(int family, int index)
{
    struct ndmsg header = {.ndm_family = (guint8)family};
    NetlinkMessage *message = nlmsg_alloc_simple(RTM_GETNEIGH, NLM_F_REQUEST | NLM_F_DUMP);

    nlmsg_append(message, &header, sizeof header, NLMSG_ALIGNTO);
    nla_put_u32(message, NDA_IFINDEX, (guint32)index);
    return message;
}

/* A kernel without the family, or without any route in the table, has nothing to list. */
static gboolean
ask_all(LinuxKernel *kernel, NetlinkMessage *request, NetlinkReply reply, gpointer user_data,
        const char *what, GError **error)
{
    g_autoptr(NetlinkMessage) owned = request;
    g_autoptr(GError) cause = NULL;

    if (netlink_ask(kernel->filtered, owned, reply, user_data, what, &cause) ||
        error_is_errno(cause, EOPNOTSUPP) || error_is_errno(cause, ENOENT) ||
        error_is_errno(cause, ENODEV))
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&cause));
    return FALSE;
}

static const int families[] = {AF_INET, AF_INET6};

GArray *
host_path_list(Kernel *base, int index, GError **error)
{
    LinuxKernel *kernel = linux_kernel(base);
    g_autofree char *what = g_strdup_printf("cannot list the routes over link %d", index);
    g_autoptr(GHashTable) table =
        g_hash_table_new_full(ip_address_hash, ip_address_is_same, NULL, g_free);
    PathList paths = {index, table};
    GHashTableIter iter;
    gpointer path;
    GArray *list;

    for (guint i = 0; i < G_N_ELEMENTS(families); i++) {
        if (!ask_all(kernel, list_routes_request(families[i], index), take_part, &paths, what,
                     error) ||
            !ask_all(kernel, list_neighbours_request(families[i], index), take_part, &paths, what,
                     error))
            return NULL;
    }
    list = g_array_new(FALSE, FALSE, sizeof(HostPath));
    g_hash_table_iter_init(&iter, table);
    while (g_hash_table_iter_next(&iter, NULL, &path))
        g_array_append_vals(list, path, 1);
    return list;
}

typedef struct Gateways {
    int index;
    GArray *list; /* of IpAddress */
} Gateways;

static void
add_gateway(int index, const IpAddress *gateway, gpointer user_data)
{
    const Gateways *gateways = user_data;

    if (index == gateways->index)
        g_array_append_val(gateways->list, *gateway);
}

/* NetlinkReply */
static void
take_gateways(guint number, struct nlmsghdr *message, gpointer user_data)
{
    routing_each_gateway(message, add_gateway, user_data);
}

GArray *
gateway_list(Kernel *base, int index, GError **error)
{
    g_autofree char *what = g_strdup_printf("cannot list the next hops on link %d", index);
    g_autoptr(GArray) list = g_array_new(FALSE, FALSE, sizeof(IpAddress));
    Gateways gateways = {index, list};

    for (guint i = 0; i < G_N_ELEMENTS(families); i++) {
        if (!ask_all(linux_kernel(base), list_routes_request(families[i], index), take_gateways,
                     &gateways, what, error))
            return NULL;
    }
    return g_steal_pointer(&list);
}

typedef struct NeighbourLook {
    int index;
    MacAddress mac;
} NeighbourLook;

/* NetlinkReply */
static void
take_neighbour(guint number, struct nlmsghdr *message, gpointer user_data)
{
    NeighbourLook *look = user_data;
    RoutingChange neighbour;

    if (message->nlmsg_type == RTM_NEWNEIGH && routing_parse_neighbour(message, &neighbour) &&
        neighbour.index == look->index)
        look->mac = neighbour.mac;
}

gboolean
neighbour_look(Kernel *base, int index, const IpAddress *address, MacAddress *ret_mac,
               GError **error)
{
    struct ndmsg header = {.ndm_family = (guint8)routing_family(address), .ndm_ifindex = index};
    g_autoptr(NetlinkMessage) request = nlmsg_alloc_simple(RTM_GETNEIGH, NLM_F_REQUEST);
    g_autoptr(GError) cause = NULL;
    NeighbourLook look = {.index = index};
    int length;
    const guint8 *bytes = routing_ip_bytes(address, &length);

    nlmsg_append(request, &header, sizeof header, NLMSG_ALIGNTO);
    nla_put(request, NDA_DST, length, bytes);
    if (!netlink_ask(linux_kernel(base)->netlink, request, take_neighbour, &look,
                     "cannot look up a neighbour", &cause) &&
        !error_is_errno(cause, ENOENT)) {
        g_propagate_error(error, g_steal_pointer(&cause));
        return FALSE;
    }
    *ret_mac = look.mac;
    return TRUE;
}
