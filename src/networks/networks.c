/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "networks-private.h"

#include "parent.h"

#include "port-error.h"

Networks *
networks_new(int state_fd, Kernel *kernel, GError **error)
{
    g_autoptr(Networks) networks = g_new0(Networks, 1);

    networks->kernel = kernel;
    networks->table = g_hash_table_new(g_str_hash, g_str_equal);
    networks->parents =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_array_unref);
    networks->announcements = announcements_new(networks);
    networks->devices = owned_new(state_fd, kernel, error);
    return networks->devices ? g_steal_pointer(&networks) : NULL;
}

void
networks_free(Networks *networks)
{
    if (!networks)
        return;
    announcements_free(networks->announcements);
    host_links_free(networks->host_links);
    owned_free(networks->devices);
    g_hash_table_unref(networks->parents);
    g_hash_table_unref(networks->table);
    g_free(networks);
}

void
networks_use_ports(Networks *networks, const PortTable *ports)
{
    networks->ports = ports;
}

GPtrArray *
networks_replace(Networks *networks, GHashTable *table)
{
    g_autoptr(GHashTable) before = g_steal_pointer(&networks->table);

    networks->table = table;
    g_hash_table_remove_all(networks->parents);
    return network_list_changes(before, table);
}

static NetworkParent
look_up_parent(Networks *networks, const char *name)
{
    NetworkParent parent = {0};
    LinkInfo link;

    if (!parent_look_up(networks, name, &link))
        return parent;
    parent.index = link.index;
    if (g_str_equal(link.kind, "vlan")) {
        parent.vlan_lower = link.lower_index;
        parent.vlan_id = link.vlan_id;
        parent.vlan_is_outer = link.vlan_is_outer;
    }
    return parent;
}

const GArray *
networks_parents(Networks *networks, const Network *network)
{
    GArray *parents = g_hash_table_lookup(networks->parents, network->name);

    if (parents)
        return parents;
    parents = g_array_new(FALSE, FALSE, sizeof(NetworkParent));
    for (guint i = 0; network->parents[i]; i++) {
        const NetworkParent parent = look_up_parent(networks, network->parents[i]);

        g_array_append_val(parents, parent);
    }
    g_hash_table_insert(networks->parents, g_strdup(network->name), parents);
    return parents;
}

gboolean
networks_has_parent(Networks *networks, const Network *network, int index)
{
    const GArray *parents = networks_parents(networks, network);

    for (guint i = 0; i < parents->len; i++) {
        if (g_array_index(parents, NetworkParent, i).index == index)
            return TRUE;
    }
    return FALSE;
}

gboolean
networks_has_any_parent(Networks *networks, const Network *network)
{
    const GArray *parents = networks_parents(networks, network);

    for (guint i = 0; i < parents->len; i++) {
        if (g_array_index(parents, NetworkParent, i).index != 0)
            return TRUE;
    }
    return FALSE;
}

Network *
networks_find(const Networks *networks, const char *name)
{
    return g_hash_table_lookup(networks->table, name);
}

GHashTable *
networks_table(const Networks *networks)
{
    return networks->table;
}

void
networks_saw_link(Networks *networks, const LinkInfo *link)
{
    announcements_saw(networks->announcements, link);
}

gboolean
networks_know_link(const Networks *networks, int index)
{
    return announcements_know(networks->announcements, index);
}

void
networks_lost_link(Networks *networks, int index)
{
    announcements_lost(networks->announcements, index);
}

void
networks_keep_links(Networks *networks, GHashTable *links)
{
    announcements_keep(networks->announcements, links);
}

gboolean
networks_load_devices(Networks *networks, const GArray *links, GError **error)
{
    for (guint i = 0; i < links->len; i++)
        networks_saw_link(networks, &g_array_index(links, LinkInfo, i));
    return owned_load(networks->devices, links, error);
}

/* The parents of ports, computed on demand. */
typedef struct Needs {
    const PortTable *ports;
    const HostLinks *host_links;
    GHashTable *parents; /* a set of ifindexes, or NULL */
} Needs;

static void
add_parent(Port *port, gpointer user_data)
{
    g_hash_table_add(user_data, GINT_TO_POINTER(port->parent_index));
}

static gboolean
is_needed(const OwnedDevice *device, gpointer user_data)
{
    Needs *needs = user_data;

    if (device->kind == &owned_host_link)
        return host_links_need(needs->host_links, device->index);
    if (!needs->parents) {
        needs->parents = g_hash_table_new(NULL, NULL);
        port_table_foreach(needs->ports, add_parent, needs->parents);
    }
    return g_hash_table_contains(needs->parents, GINT_TO_POINTER(device->index));
}

gboolean
networks_sweep_devices(Networks *networks, GError **error)
{
    Needs needs = {.ports = networks->ports, .host_links = networks->host_links};
    g_autoptr(GError) cause = NULL;
    gboolean good = owned_sweep(networks->devices, is_needed, &needs, &cause);

    g_clear_pointer(&needs.parents, g_hash_table_unref);
    host_links_swept(networks->host_links);
    return good || port_error_set(error, PORT_ERROR_SYSTEM, "%s", cause->message);
}

/* ---- host links ---- */

/* HostLinksSweep */
static void
sweep_host_links(gpointer user_data)
{
    const Networks *networks = user_data;

    networks->sweep(networks->user_data);
}

static void
follow(Port *port, gpointer user_data)
{
    Networks *networks = user_data;

    if (networks->observe)
        networks->observe(port, networks->user_data);
    networks_follow_port(networks, port);
}

/* HostLinksVisit */
static void
visit_ports(int parent_index, gpointer user_data)
{
    Networks *networks = user_data;
    g_autoptr(GPtrArray) ports = port_table_list(networks->ports);

    for (guint i = 0; i < ports->len; i++) {
        Port *port = ports->pdata[i];

        if (port->parent_index == parent_index)
            follow(port, networks);
    }
}

gboolean
networks_use_host_filter(Networks *networks, HostFilter *filter, NetworksObserve observe,
                         NetworksSweep sweep, gpointer user_data, GError **error)
{
    networks->observe = observe;
    networks->sweep = sweep;
    networks->user_data = user_data;
    networks->host_links = host_links_new(networks->kernel, networks->devices, filter,
                                          sweep_host_links, visit_ports, networks, error);
    return networks->host_links != NULL;
}

/* The network of an ad-hoc port has no [Host]. */
void
networks_follow_port(Networks *networks, const Port *port)
{
    const Network *network = networks_find(networks, port->network);

    host_links_follow_port(networks->host_links, port,
                           network && !network->problem ? network : NULL);
}

void
networks_forget_port(Networks *networks, const char *port_id)
{
    host_links_forget_port(networks->host_links, port_id);
}

static gboolean
has_host_access(gpointer name, gpointer network, gpointer user_data)
{
    return ((const Network *)network)->host_access;
}

void
networks_follow_all(Networks *networks)
{
    g_autoptr(GPtrArray) ports = port_table_list(networks->ports);

    if (g_hash_table_find(networks->table, has_host_access, NULL) ||
        host_links_are_there(networks->host_links)) {
        for (guint i = 0; i < ports->len; i++)
            follow(ports->pdata[i], networks);
    }
    host_links_settle(networks->host_links);
}

void
networks_on_link(Networks *networks, LinkEventType type, const LinkInfo *link)
{
    /* It may have got or lost a name in Parent=; a port's device is no parent. */
    if (!port_table_find_index(networks->ports, link->index))
        g_hash_table_remove_all(networks->parents);
    owned_on_link(networks->devices, type, link);
    host_links_on_link(networks->host_links, type, link);
}

GPtrArray *
networks_list_host_links(const Networks *networks, const Network *network)
{
    return host_links_list(networks->host_links, network->name);
}

gboolean
networks_have_idle_devices(const Networks *networks)
{
    return host_links_have_idle(networks->host_links);
}
