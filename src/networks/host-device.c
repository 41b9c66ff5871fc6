/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The device of a host link: how it is made, found again after a restart, and repaired. Its filters
 * are in force before it is up. Its MAC derives from its parent, so that guests which know it find
 * a new device by it; no switch ever sees it.
 */
#include "host-link-private.h"

#include "error.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

static void
host_link_choose_name(Kernel *kernel, const LinkInfo *lower, gconstpointer what, guint attempt,
                      char *name, gsize size)
{
    const HostLink *link = what;
    LinkInfo other;
    int n;

    n = link->asked_name ? snprintf(name, size, "%s", link->asked_name)
                         : snprintf(name, size, "mvh-%s", lower->name);
    if (attempt == 1 && n < (int)size && interface_name_check(name, NULL) &&
        !kernel->ops->link_by_name(kernel, name, &other, NULL))
        return;
    if (attempt <= 2)
        snprintf(name, size, "mvh%x", (guint)lower->index);
    else
        snprintf(name, size, "mvh%x-%u", (guint)lower->index, attempt);
}

/* Guests remember it: so it stays the same when the device is made again, even if the parent has
 * another ifindex by then. VLAN devices have the MAC of the link below, but not its name. */
static MacAddress
derive_mac(const LinkInfo *parent)
{
    g_autofree char *text = g_strdup_printf("macvtapd host link %s", parent->name);
    g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);
    guint8 digest[32];
    gsize length = sizeof(digest);
    MacAddress mac;

    g_checksum_update(sum, (const guchar *)text, -1);
    g_checksum_update(sum, parent->mac.octets, sizeof(parent->mac.octets));
    g_checksum_get_digest(sum, digest, &length);
    memcpy(mac.octets, digest, sizeof(mac.octets));
    mac.octets[0] = (guint8)((mac.octets[0] & 0xfc) | 0x02);
    return mac;
}

gboolean
host_device_attach(HostLinks *links, int index, GError **error)
{
    const HostPrograms *programs = links->filter->ops->programs(links->filter);
    const LinkFilters filters = {
        .egress = {programs->egress_fd, programs->egress_id},
        .ingress = {programs->ingress_fd, programs->ingress_id},
    };

    return links->kernel->ops->filters_attach(links->kernel, index, &filters, error);
}

gboolean
host_device_has_filters(HostLink *link)
{
    HostLinks *links = link->links;
    const HostPrograms *programs = links->filter->ops->programs(links->filter);
    const LinkFilters filters = {
        .egress = {programs->egress_fd, programs->egress_id},
        .ingress = {programs->ingress_fd, programs->ingress_id},
    };
    gboolean attached = FALSE;

    return links->kernel->ops->filters_are_attached(links->kernel, link->index, &filters, &attached,
                                                    NULL) &&
           attached;
}

/* HostLinkSpec.before_up */
static gboolean
before_up(int index, gpointer user_data, GError **error)
{
    return host_device_attach(user_data, index, error);
}

static gboolean
host_link_create(Kernel *kernel, const OwnedDevice *device, gconstpointer what,
                 LinkInfo *ret_device, GError **error)
{
    const HostLink *link = what;
    const HostLinkSpec spec = {
        .name = device->name,
        .index = device->index,
        .parent_index = device->lower_index,
        .mac = derive_mac(&link->parent),
        .alias = owned_host_link.alias,
        .before_up = before_up,
        .before_up_data = link->links,
    };

    return kernel->ops->host_link_create(kernel, &spec, ret_device, error);
}

const OwnedKind owned_host_link = {
    .title = "host link",
    .folder = "host-links",
    .lower_name = "parent",
    .lower_index = "parentIndex",
    .link_kind = "macvlan",
    .alias = "macvtapd:host",
    .choose_name = host_link_choose_name,
    .create = host_link_create,
};

static gboolean
check_parent(const LinkInfo *parent, GError **error)
{
    if (parent->is_macvlan)
        return error_set_errno(error, EOPNOTSUPP,
                               "%s is a macvlan whose lower interface is in another network "
                               "namespace, where the host's own addresses are not",
                               parent->name);
    if (g_str_equal(parent->master_kind, "vrf"))
        return error_set_errno(error, EOPNOTSUPP,
                               "%s belongs to a VRF, and its routes to another table",
                               parent->name);
    return TRUE;
}

gboolean
host_device_set_addresses(HostLink *link, GError **error)
{
    HostLinks *links = link->links;
    g_autoptr(GArray) all = g_array_new(FALSE, FALSE, sizeof(IpAddress));
    g_autoptr(GArray) ipv6 = g_array_new(FALSE, FALSE, sizeof(IpAddress));

    for (guint i = 0; i < link->addresses->len; i++) {
        const IpAddress *address = &g_array_index(link->addresses, LinkAddress, i).address;

        g_array_append_vals(all, address, 1);
        if (!ip_address_is_ipv4(address) && ipv6->len < HOST_LINK_ADDRESSES)
            g_array_append_vals(ipv6, address, 1);
    }
    return links->filter->ops->set_link(links->filter, link->index, (const IpAddress *)all->data,
                                        all->len, error) &&
           links->kernel->ops->host_link_set_proxies(
               links->kernel, link->index, (const IpAddress *)ipv6->data, ipv6->len, error);
}

/* Records the existing paths, which an earlier daemon made. */
static gboolean
find_paths(HostLink *link, GError **error)
{
    HostLinks *links = link->links;
    g_autoptr(GArray) paths = links->kernel->ops->path_list(links->kernel, link->index, error);

    for (guint i = 0; paths && i < paths->len; i++) {
        HostPath *path = g_memdup2(&g_array_index(paths, HostPath, i), sizeof(HostPath));

        g_hash_table_insert(link->found, &path->address, path);
    }
    return paths != NULL;
}

static gboolean
adopt(HostLink *link, const LinkInfo *device, GError **error)
{
    link->index = device->index;
    g_strlcpy(link->name, device->name, sizeof(link->name));
    /* After a start the filters stay those of the earlier daemon until the new ones know all ports.
     */
    return find_paths(link, error) && (!link->links->is_settled || host_device_repair(link, error));
}

gboolean
host_device_ensure(HostLink *link, GError **error)
{
    HostLinks *links = link->links;
    const OwnedDevice *owned = owned_find(links->devices, &owned_host_link, link->parent.index);
    LinkInfo device;

    if (owned && links->kernel->ops->link_by_index(links->kernel, owned->index, &device, NULL) &&
        device.lower_index == link->parent.index)
        return adopt(link, &device, error);
    if (owned)
        owned_forget(links->devices, owned->index);
    if (!check_parent(&link->parent, error) ||
        !owned_make(links->devices, &owned_host_link, &link->parent, link, &device, error))
        return FALSE;
    link->index = device.index;
    g_strlcpy(link->name, device.name, sizeof(link->name));
    return host_device_set_addresses(link, error);
}

/* The device exists: undoes what root has changed on it. */
gboolean
host_device_repair(HostLink *link, GError **error)
{
    Kernel *kernel = link->links->kernel;
    LinkChange change = {0};
    LinkInfo device;

    if (!kernel->ops->link_by_index(kernel, link->index, &device, error))
        return FALSE;
    g_strlcpy(link->name, device.name, sizeof(link->name));
    if (device.mtu != link->parent.mtu)
        change.mtu = link->parent.mtu;
    if (!g_str_equal(device.alias, owned_host_link.alias))
        change.alias = owned_host_link.alias;
    if (!host_device_has_filters(link) && !host_device_attach(link->links, link->index, error))
        return FALSE;
    if ((change.mtu || change.alias) &&
        !kernel->ops->link_change(kernel, link->index, &change, error))
        return FALSE;
    return (device.flags & IFF_UP) || kernel->ops->link_set_up(kernel, link->index, TRUE, error);
}
