/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Networks on one trunk that take each other's frames: the kernel gives a VLAN device the frames
 * with its tag before any macvtap on the trunk sees them. For the guests on the trunk it makes no
 * difference whether another network creates the device (VLAN=) or has it as its parent.
 */
#include "networks-private.h"

#include <string.h>

/* Whether other's VLAN devices may be on that parent of network. */
static gboolean
is_trunk_of_vlan(Networks *networks, const Network *network, guint parent, const Network *other)
{
    int index = g_array_index(networks_parents(networks, network), NetworkParent, parent).index;

    return g_strv_contains((const char *const *)other->parents, network->parents[parent]) ||
           (index != 0 && networks_has_parent(networks, other, index));
}

static void
add_taken_by_vlan(Networks *networks, const Network *network, const Network *other,
                  GPtrArray *lines)
{
    if (!other->vlan)
        return;
    for (guint i = 0; network->parents[i]; i++) {
        if (is_trunk_of_vlan(networks, network, i, other))
            g_ptr_array_add(lines,
                            g_strdup_printf("its guests do not get the frames of VLAN %s on %s"
                                            " while network %s has a port there, whose VLAN device"
                                            " takes them",
                                            other->vlan, network->parents[i], other->name));
    }
}

/* The network's name for the trunk below a VLAN device that is itself a parent of another network,
 * or NULL. */
static const char *
find_trunk_of_parent(Networks *networks, const Network *network, const NetworkParent *device)
{
    const GArray *parents = networks_parents(networks, network);

    for (guint i = 0; i < parents->len; i++) {
        if (device->vlan_lower != 0 &&
            g_array_index(parents, NetworkParent, i).index == device->vlan_lower)
            return network->parents[i];
    }
    return NULL;
}

static void
add_taken_by_parents(Networks *networks, const Network *network, const Network *other,
                     GPtrArray *lines)
{
    const GArray *devices = networks_parents(networks, other);

    for (guint i = 0; i < devices->len; i++) {
        const NetworkParent *device = &g_array_index(devices, NetworkParent, i);
        const char *trunk = find_trunk_of_parent(networks, network, device);

        if (trunk)
            g_ptr_array_add(lines, g_strdup_printf("its guests do not get the frames of %s %u on"
                                                   " %s: %s, a parent of network %s, takes them",
                                                   device->vlan_is_outer ? "802.1ad VLAN" : "VLAN",
                                                   device->vlan_id, trunk, other->parents[i],
                                                   other->name));
    }
}

static gint
compare_lines(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

GStrv
networks_list_taken_vlans(Networks *networks, const Network *network)
{
    g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func(g_free);
    GHashTableIter iter;
    gpointer other;

    if (network->problem || network->vlan)
        return NULL;
    g_hash_table_iter_init(&iter, networks->table);
    while (g_hash_table_iter_next(&iter, NULL, &other)) {
        if (other == network || ((const Network *)other)->problem)
            continue;
        add_taken_by_vlan(networks, network, other, lines);
        add_taken_by_parents(networks, network, other, lines);
    }
    if (lines->len == 0)
        return NULL;
    g_ptr_array_sort(lines, compare_lines);
    g_ptr_array_add(lines, NULL);
    return (GStrv)g_ptr_array_steal(lines, NULL);
}
