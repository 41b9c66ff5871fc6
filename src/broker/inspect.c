/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a network looks like now: its parents, and what its ports have of its addresses. */
#include "broker-private.h"

#include "parent.h"

typedef struct LeaseCount {
    const Network *network;
    AddressFamily family;
    guint n;
} LeaseCount;

static void
count_leases(Port *port, gpointer user_data)
{
    LeaseCount *count = user_data;

    if (port->is_ending || !g_str_equal(port->network, count->network->name))
        return;
    for (guint i = 0; port->addresses && i < port->addresses->len; i++) {
        const IpAddress *address = &g_array_index(port->addresses, PortAddress, i).address;

        count->n += address_family(address) == count->family &&
                    addresses_pool_has(&count->network->addresses, address);
    }
}

guint
broker_count_leases(Broker *broker, const Network *network, AddressFamily family)
{
    LeaseCount count = {network, family, 0};

    port_table_foreach(broker->ports, count_leases, &count);
    return count.n;
}

static const LinkInfo *
find_link(const GArray *links, int index)
{
    for (guint i = 0; i < links->len; i++) {
        const LinkInfo *link = &g_array_index(links, LinkInfo, i);

        if (link->index == index)
            return link;
    }
    return NULL;
}

/* Whether the link's frames go through the parent: it is on it, or on a VLAN device that is. */
static gboolean
is_above(const GArray *links, const LinkInfo *link, int parent_index)
{
    const int most_levels = 8; /* the kernel's MAX_NEST_DEV */

    for (int i = 0; link && i < most_levels; i++) {
        if (link->lower_index == parent_index)
            return TRUE;
        link = link->lower_index > 0 ? find_link(links, link->lower_index) : NULL;
    }
    return FALSE;
}

static guint
mac_hash(gconstpointer key)
{
    const guint8 *octets = ((const MacAddress *)key)->octets;

    return (guint)octets[2] << 24 | (guint)octets[3] << 16 | (guint)octets[4] << 8 | octets[5];
}

static gboolean
mac_equal(gconstpointer a, gconstpointer b)
{
    return mac_address_equal(a, b);
}

static guint
count_macs(const GArray *links, const LinkInfo *parent)
{
    g_autoptr(GHashTable) macs = g_hash_table_new(mac_hash, mac_equal);

    g_hash_table_add(macs, (gpointer)&parent->mac);
    for (guint i = 0; i < links->len; i++) {
        const LinkInfo *link = &g_array_index(links, LinkInfo, i);

        if (link->is_macvlan && is_above(links, link, parent->index))
            g_hash_table_add(macs, (gpointer)&link->mac);
    }
    return g_hash_table_size(macs);
}

GArray *
broker_list_parents(Broker *broker, const Network *network)
{
    Kernel *kernel = broker->kernel;
    GArray *parents = g_array_new(FALSE, TRUE, sizeof(ParentState));
    g_autoptr(GArray) links = kernel->ops->link_list(kernel, NULL);

    for (char **name = network->parents; *name; name++) {
        ParentState state = {.exists = FALSE};
        LinkInfo link;

        g_strlcpy(state.name, *name, sizeof state.name);
        if (links && parent_look_up(broker->networks, *name, &link)) {
            state.exists = TRUE;
            state.carrier = link.carrier;
            state.mtu = link.mtu;
            state.speed = kernel->ops->link_speed(kernel, &link);
            state.n_macs = count_macs(links, &link);
        }
        g_array_append_val(parents, state);
    }
    return parents;
}
