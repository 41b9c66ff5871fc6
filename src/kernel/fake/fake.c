/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fake-private.h"

#include "error.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

FakeLink *
fake_find(FakeKernel *kernel, int index)
{
    for (guint i = 0; i < kernel->links->len; i++) {
        FakeLink *link = kernel->links->pdata[i];

        if (link->info.index == index)
            return link;
    }
    return NULL;
}

FakeLink *
fake_find_name(FakeKernel *kernel, const char *name)
{
    for (guint i = 0; i < kernel->links->len; i++) {
        FakeLink *link = kernel->links->pdata[i];

        if (strcmp(link->info.name, name) == 0 ||
            g_ptr_array_find_with_equal_func(link->altnames, name, g_str_equal, NULL))
            return link;
    }
    return NULL;
}

FakeLink *
fake_add(FakeKernel *kernel, const LinkInfo *info)
{
    FakeLink *link = g_new0(FakeLink, 1);

    link->info = *info;
    link->sources = g_array_new(FALSE, FALSE, sizeof(MacAddress));
    link->proxies = g_array_new(FALSE, FALSE, sizeof(IpAddress));
    link->altnames = g_ptr_array_new_with_free_func(g_free);
    if (link->info.index == 0) {
        while (fake_find(kernel, kernel->next_index))
            kernel->next_index++;
        link->info.index = kernel->next_index++;
    }
    g_ptr_array_add(kernel->links, link);
    fake_node_appear(kernel, link);
    return link;
}

static void
link_free(gpointer data)
{
    FakeLink *link = data;

    g_array_unref(link->sources);
    g_array_unref(link->proxies);
    g_ptr_array_unref(link->altnames);
    g_free(link);
}

gboolean
fake_is_upper(const FakeLink *link, int lower_index)
{
    return link->info.lower_index == lower_index &&
           (link->info.is_macvlan || strcmp(link->info.kind, "vlan") == 0);
}

static FakeLink *
find_upper(FakeKernel *kernel, int lower_index)
{
    for (guint i = 0; i < kernel->links->len; i++) {
        if (fake_is_upper(kernel->links->pdata[i], lower_index))
            return kernel->links->pdata[i];
    }
    return NULL;
}

void
fake_remove(FakeKernel *kernel, FakeLink *link)
{
    LinkInfo removed = {.index = link->info.index};
    FakeLink *upper;
    guint position;

    while ((upper = find_upper(kernel, link->info.index)))
        fake_remove(kernel, upper);
    memcpy(removed.name, link->info.name, sizeof removed.name);
    for (guint i = 0; i < kernel->moved->len; i++) {
        if (g_array_index(kernel->moved, LinkInfo, i).index != removed.index)
            continue;
        removed.is_moved = TRUE;
        removed.moved_netns = FAKE_NETNS;
        removed.moved_index = removed.index;
    }
    if (!g_ptr_array_find(kernel->links, link, &position))
        g_assert_not_reached();
    g_ptr_array_steal_index(kernel->links, position);
    if (link->info.is_macvlan)
        fake_macvlan_removed(kernel, link);
    fake_bond_removed(kernel, link);
    fake_node_vanish(kernel, link);
    fake_addresses_vanish(kernel, link->info.index);
    fake_routes_vanish(kernel, link->info.index);
    link_free(link);
    fake_tell(kernel, LINK_EVENT_REMOVED, &removed);
}

static gboolean
give(FakeLink *link, const char *what, LinkInfo *ret_link, GError **error)
{
    if (!link)
        return error_set_errno(error, ENODEV, "cannot look at link %s", what);
    *ret_link = link->info;
    return TRUE;
}

static gboolean
fake_by_name(Kernel *base, const char *name, LinkInfo *ret_link, GError **error)
{
    FakeKernel *kernel = fake_kernel(base);

    return !fake_fails(kernel, "link_by_name", error) &&
           give(fake_find_name(kernel, name), name, ret_link, error);
}

static gboolean
fake_by_index(Kernel *base, int index, LinkInfo *ret_link, GError **error)
{
    FakeKernel *kernel = fake_kernel(base);
    g_autofree char *text = g_strdup_printf("%d", index);

    return !fake_fails(kernel, "link_by_index", error) &&
           give(fake_find(kernel, index), text, ret_link, error);
}

static GArray *
fake_list(Kernel *base, GError **error)
{
    FakeKernel *kernel = fake_kernel(base);
    GArray *links;

    if (fake_fails(kernel, "link_list", error))
        return NULL;
    links = g_array_new(FALSE, FALSE, sizeof(LinkInfo));
    for (guint i = 0; i < kernel->links->len; i++)
        g_array_append_val(links, ((FakeLink *)kernel->links->pdata[i])->info);
    return links;
}

static gboolean
fake_delete(Kernel *base, const int *indexes, gsize n_indexes, GError **error)
{
    FakeKernel *kernel = fake_kernel(base);
    gboolean good = TRUE;

    if (fake_fails(kernel, "link_delete", error))
        return FALSE;
    for (gsize i = 0; i < n_indexes; i++) {
        FakeLink *link = fake_find(kernel, indexes[i]);

        if (link && link->info.kind[0])
            fake_remove(kernel, link);
        else if (link)
            good = error_set_errno(good ? error : NULL, EOPNOTSUPP, "cannot delete link %d",
                                   indexes[i]);
    }
    return good;
}

static GArray *
fake_list_moved(Kernel *base, const char *kind, GError **error)
{
    FakeKernel *kernel = fake_kernel(base);
    GArray *links;

    if (fake_fails(kernel, "link_list_moved", error))
        return NULL;
    links = g_array_new(FALSE, FALSE, sizeof(LinkInfo));
    for (guint i = 0; i < kernel->moved->len; i++) {
        LinkInfo link = g_array_index(kernel->moved, LinkInfo, i);

        link.is_moved = TRUE;
        link.moved_netns = FAKE_NETNS;
        link.moved_index = link.index;
        if (g_str_equal(link.kind, kind) && link.alias[0] != '\0')
            g_array_append_val(links, link);
    }
    return links;
}

static gboolean
fake_delete_moved(Kernel *base, int netns, int index, const char *alias, GError **error)
{
    FakeKernel *kernel = fake_kernel(base);

    if (fake_fails(kernel, "link_delete_moved", error))
        return FALSE;
    for (guint i = kernel->moved->len; i-- > 0;) {
        const LinkInfo *link = &g_array_index(kernel->moved, LinkInfo, i);

        if (netns == FAKE_NETNS && link->index == index && strcmp(link->alias, alias) == 0)
            g_array_remove_index(kernel->moved, i);
    }
    return TRUE;
}

FakeLink *
fake_take(Kernel *base, const char *operation, int index, const char *what, GError **error)
{
    FakeLink *link = fake_find(fake_kernel(base), index);

    if (fake_fails(fake_kernel(base), operation, error))
        return NULL;
    if (!link)
        error_set_errno(error, ENODEV, "cannot %s link %d", what, index);
    return link;
}

static gboolean
fake_statistics(Kernel *base, int index, LinkStatistics *ret_statistics, GError **error)
{
    const FakeLink *link =
        fake_take(base, "link_statistics", index, "read the statistics of", error);

    if (!link)
        return FALSE;
    *ret_statistics = link->statistics;
    return TRUE;
}

static gboolean
fake_is_wireless(Kernel *base, const LinkInfo *link)
{
    const FakeLink *found = fake_find(fake_kernel(base), link->index);

    return found && found->is_wireless;
}

/* All are what a veth is (drivers/net/veth.c). */
static guint
fake_speed(Kernel *base, const LinkInfo *link)
{
    const FakeLink *found = fake_find(fake_kernel(base), link->index);

    return found && found->info.carrier ? 10000 : 0;
}

static void
fake_free(Kernel *base)
{
    FakeKernel *kernel = fake_kernel(base);

    g_ptr_array_unref(kernel->watchers);
    g_ptr_array_unref(kernel->links);
    g_array_unref(kernel->failures);
    g_array_unref(kernel->moved);
    g_hash_table_unref(kernel->nodes);
    g_ptr_array_unref(kernel->queues);
    g_array_unref(kernel->addresses);
    g_array_unref(kernel->namespaces);
    g_array_unref(kernel->announced);
    g_ptr_array_unref(kernel->probes);
    g_array_unref(kernel->paths);
    g_array_unref(kernel->neighbours);
    g_free(kernel);
}

static const KernelOps fake_ops = {
    .link_by_name = fake_by_name,
    .link_by_index = fake_by_index,
    .link_recall = fake_by_name,
    .link_list = fake_list,
    .macvtap_create = fake_macvtap_create,
    .vlan_create = fake_vlan_create,
    .host_link_create = fake_host_link_create,
    .host_link_set_proxies = fake_host_link_set_proxies,
    .address_list = fake_address_list,
    .address_recall = fake_address_recall,
    .path_add = fake_path_add,
    .path_remove = fake_path_remove,
    .path_list = fake_path_list,
    .gateway_list = fake_gateway_list,
    .neighbour_look = fake_neighbour_look,
    .watch_routing = fake_watch_routing,
    .watch_claims = fake_watch_claims,
    .station_probe = fake_station_probe,
    .station_forget = fake_station_forget,
    .macvtap_set_sources = fake_set_sources,
    .macvtap_set_mode = fake_set_mode,
    .macvtap_set_broadcast_queue = fake_set_broadcast_queue,
    .macvtap_set_promisc = fake_set_promisc,
    .link_statistics = fake_statistics,
    .link_is_wireless = fake_is_wireless,
    .link_speed = fake_speed,
    .link_set_mac = fake_set_mac,
    .link_change = fake_change,
    .link_set_up = fake_set_up,
    .link_delete = fake_delete,
    .link_list_moved = fake_list_moved,
    .link_delete_moved = fake_delete_moved,
    .tap_open = fake_tap_open,
    .queue_watch = fake_queue_watch,
    .queue_catch_up = fake_queue_catch_up,
    .queue_count = fake_queue_count,
    .queue_owners = fake_queue_owners,
    .queue_forget = fake_queue_forget,
    .tap_node_ensure = fake_node_ensure,
    .tap_node_remove = fake_node_remove,
    .watch_transmit = fake_watch_transmit,
    .unwatch_transmit = fake_unwatch_transmit,
    .watch_announcements = fake_watch_announcements,
    .announce = fake_announce,
    .watch_addresses = fake_watch_addresses,
    .filters_attach = fake_filters_attach,
    .filters_are_attached = fake_filters_are_attached,
    .link_set_pace = fake_set_pace,
    .link_get_pace = fake_get_pace,
    .watch_filters = fake_watch_filters,
    .namespace_number = fake_namespace_number,
    .namespace_list = fake_namespace_list,
    .watch_namespaces = fake_watch_namespaces,
    .monitor = fake_monitor,
    .free = fake_free,
};

Kernel *
kernel_fake_new(void)
{
    FakeKernel *kernel = g_new0(FakeKernel, 1);

    kernel->kernel.ops = &fake_ops;
    kernel->links = g_ptr_array_new_with_free_func(link_free);
    kernel->watchers = g_ptr_array_new_with_free_func(fake_watcher_free);
    kernel->moved = g_array_new(FALSE, FALSE, sizeof(LinkInfo));
    kernel->failures = g_array_new(FALSE, FALSE, sizeof(FakeFailure));
    kernel->nodes = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    kernel->queues = g_ptr_array_new_with_free_func(fake_queue_free);
    kernel->addresses = g_array_new(FALSE, FALSE, sizeof(FakeEvent));
    kernel->namespaces = g_array_new(FALSE, FALSE, sizeof(FakeNamespace));
    kernel->announced = g_array_new(FALSE, FALSE, sizeof(FakeAnnouncement));
    kernel->paths = g_array_new(FALSE, FALSE, sizeof(HostPath));
    kernel->neighbours = g_array_new(FALSE, FALSE, sizeof(RoutingChange));
    kernel->probes = g_ptr_array_new_with_free_func(fake_probe_free);
    kernel->probe_time = STATION_PROBE_TIME;
    kernel->next_index = 1;
    kernel->next_namespace = 1;
    return &kernel->kernel;
}
