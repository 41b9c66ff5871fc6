/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "linux-private.h"

#include "error.h"

#include <errno.h>
#include <fcntl.h>

const Privileges *const linux_privileges[] = {
    /* clang-format off */
    &netlink_privileges,
    &monitor_privileges,
    &recall_privileges,
    &sysfs_privileges,
    &ipv6_privileges,
    &tap_privileges,
    &queue_privileges,
    &tap_node_privileges,
    &transmit_privileges,
    &announcement_privileges,
    &address_privileges,
    &routing_privileges,
    &station_privileges,
    &claim_privileges,
    &filter_privileges,
    &namespace_privileges,
    NULL,
    /* clang-format on */
};

static void
linux_free(Kernel *base)
{
    LinuxKernel *kernel = linux_kernel(base);

    g_ptr_array_unref(kernel->monitors);
    g_hash_table_unref(kernel->recalled);
    g_clear_pointer(&kernel->addresses, g_array_unref);
    g_hash_table_unref(kernel->watches);
    g_clear_pointer(&kernel->groups, g_hash_table_unref);
    g_hash_table_unref(kernel->stations);
    claim_free(kernel->claims);
    netlink_free(kernel->netlink);
    netlink_free(kernel->filtered);
    queues_free(kernel->queues);
    descriptor_clear(&kernel->sysfs_fd);
    descriptor_clear(&kernel->dev_fd);
    descriptor_clear(&kernel->taps_fd);
    descriptor_clear(&kernel->announce_fd);
    descriptor_clear(&kernel->ipv6_fd);
    descriptor_clear(&kernel->routing_fd);
    g_free(kernel);
}

static const KernelOps linux_ops = {
    .link_by_name = link_get_by_name,
    .link_by_index = link_get_by_index,
    .link_recall = link_recall,
    .link_list = link_get_all,
    .macvtap_create = macvtap_make,
    .vlan_create = vlan_make,
    .host_link_create = host_link_make,
    .host_link_set_proxies = host_link_set_proxies,
    .address_list = address_get_all,
    .address_recall = address_recall,
    .path_add = host_path_add,
    .path_remove = host_path_remove,
    .path_list = host_path_list,
    .gateway_list = gateway_list,
    .neighbour_look = neighbour_look,
    .watch_routing = routing_watch,
    .watch_claims = claim_watch,
    .station_probe = station_probe,
    .station_forget = station_forget,
    .macvtap_set_sources = macvtap_change_sources,
    .macvtap_set_mode = macvtap_change_mode,
    .macvtap_set_broadcast_queue = macvtap_change_broadcast_queue,
    .macvtap_set_promisc = macvtap_change_promisc,
    .link_statistics = link_count,
    .link_is_wireless = link_is_wireless,
    .link_speed = link_speed,
    .link_set_mac = link_change_mac,
    .link_change = link_change,
    .link_set_up = link_change_up,
    .link_delete = link_remove,
    .link_list_moved = link_get_moved,
    .link_delete_moved = link_remove_moved,
    .tap_open = tap_open_queues,
    .queue_watch = tap_watch_queues,
    .queue_catch_up = tap_catch_up,
    .queue_count = tap_count_queues,
    .queue_owners = tap_list_owners,
    .queue_forget = tap_forget_queues,
    .tap_node_ensure = tap_make_node,
    .tap_node_remove = tap_remove_node,
    .watch_transmit = transmit_watch,
    .unwatch_transmit = transmit_unwatch,
    .watch_announcements = announcement_watch,
    .announce = announcement_send,
    .watch_addresses = address_watch,
    .filters_attach = filter_attach,
    .filters_are_attached = filter_is_attached,
    .link_set_pace = pace_set,
    .link_get_pace = pace_get,
    .watch_filters = filter_watch,
    .namespace_number = namespace_give_number,
    .namespace_list = namespace_get_all,
    .watch_namespaces = namespace_watch,
    .monitor = monitor_start,
    .free = linux_free,
};

static void
source_end(gpointer data)
{
    g_source_destroy(data);
    g_source_unref(data);
}

Kernel *
kernel_linux_new(int sysfs_fd, int dev_fd, GError **error)
{
    LinuxKernel *kernel = g_new0(LinuxKernel, 1);
    g_autoptr(Kernel) owner = &kernel->kernel;

    kernel->kernel.ops = &linux_ops;
    kernel->sysfs_fd = sysfs_fd;
    kernel->dev_fd = dev_fd;
    kernel->events_fd = -1;
    kernel->addresses_fd = -1;
    kernel->routing_fd = -1;
    kernel->taps_fd = tap_events_open();
    kernel->announce_fd = -1;
    kernel->recalled = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    kernel->monitors = g_ptr_array_new_with_free_func(source_end);
    kernel->watches = g_hash_table_new_full(NULL, NULL, NULL, source_end);
    kernel->stations = g_hash_table_new_full(NULL, NULL, NULL, station_free);
    /* /proc/sys/net always shows the reader's own network namespace. */
    kernel->ipv6_fd = open("/proc/sys/net/ipv6/conf", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (kernel->ipv6_fd < 0 && errno != ENOENT) {
        error_set_errno(error, errno, "cannot open /proc/sys/net/ipv6/conf");
        return NULL;
    }
    kernel->netlink = netlink_new(error);
    kernel->filtered = kernel->netlink ? netlink_new(error) : NULL;
    if (!kernel->filtered)
        return NULL;
    netlink_filter_dumps(kernel->filtered);
    kernel->routing_fd = netlink_open_groups(NULL, 0, "cannot open a socket for routing", error);
    if (kernel->routing_fd < 0)
        return NULL;
    kernel->queues = queues_new(kernel->dev_fd, error);
    if (!kernel->queues)
        return NULL;
    return g_steal_pointer(&owner);
}
