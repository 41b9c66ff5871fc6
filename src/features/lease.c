/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * Feature: the addresses that a port is given ([Addresses] of its network, or handed in by root).
 * They are chosen with the rest of the port, so they are in its record before there is a device,
 * and free again when the record is: no other state is kept, and a crash leaves none. What a port
 * gets derives from its name, so it gets the same again if that is free (see addresses-choice.c).
 *
 * An address is one port's on its whole link: in its network, whatever the parent of a pool, and in
 * every network on the same parent (and VLAN). Requests are handled one after the other, and a port
 * is in the table before the next is decided, so no two get the same address.
 */
#include "feature.h"

#include "port-error.h"

/* A new port and the link it will be on. */
typedef struct Place {
    const FeatureHost *host;
    const NewPort *new;
    const LinkInfo *parent;
} Place;

static gboolean
is_on_link(const Port *port, const Place *place)
{
    return g_str_equal(port->network, place->new->network->name) ||
           (port->parent_index != 0 && port->parent_index == place->parent->index);
}

/* The port that has the address there, or NULL. */
static const Port *
find_holder(const Place *place, const IpAddress *address)
{
    const GSList *ports = port_table_find_address(place->host->ports, address);

    while (ports && !is_on_link(ports->data, place))
        ports = ports->next;
    return ports ? ports->data : NULL;
}

/* AddressTaken */
static gboolean
is_taken(const IpAddress *address, gpointer user_data)
{
    return find_holder(user_data, address) != NULL;
}

static gboolean
check_free(const Place *place, const IpAddress *address, GError **error)
{
    const Port *holder = find_holder(place, address);
    char text[IP_ADDRESS_TEXT_SIZE];

    return !holder ||
           port_error_set(error, PORT_ERROR_ADDRESS_CONFLICT,
                          "address %s belongs to port %s of network %s",
                          ip_address_format(address, text), holder->name, holder->network);
}

/* Adds an address of this family unless the caller has asked for one. */
static gboolean
choose_one(Place *place, AddressFamily family, GArray *addresses, GError **error)
{
    const AddressSettings *settings = &place->new->network->addresses;
    const IpPrefix *subnet = addresses_subnet(settings, family);
    PortAddress chosen;

    if (!subnet || port_addresses_find(addresses, family))
        return TRUE;
    if (!addresses_choose(settings, place->new->network->name, family, &place->new->origin,
                          port_table_count_addresses(place->host->ports), is_taken, place,
                          &chosen.address, error))
        return FALSE;
    chosen.bits = ip_prefix_length(subnet);
    g_array_append_val(addresses, chosen);
    return TRUE;
}

static gboolean
lease_choose(FeatureHost *host, NewPort *new, const LinkInfo *parent, GError **error)
{
    Place place = {host, new, parent};
    g_autoptr(GArray) addresses =
        policy_asked_addresses(new->network, new->caller, new->request, error);

    if (!addresses)
        return FALSE;
    for (guint i = 0; i < addresses->len; i++) {
        if (!check_free(&place, &g_array_index(addresses, PortAddress, i).address, error))
            return FALSE;
    }
    for (AddressFamily family = 0; family < ADDRESS_FAMILIES; family++) {
        if (!choose_one(&place, family, addresses, error))
            return FALSE;
    }
    if (addresses->len > 0)
        new->port->addresses = g_steal_pointer(&addresses);
    return TRUE;
}

/* The length of the subnet may change; the address is the port's until it is deleted. */
static gboolean
lease_on_network(FeatureHost *host, Port *port, const Network *network)
{
    return port->addresses && addresses_follow(&network->addresses, port->addresses);
}

static const char *
lease_outdated(FeatureHost *host, const Port *port)
{
    const Network *network = host->ops->network(host, port);

    return network ? addresses_outdated_key(&network->addresses, port->addresses) : NULL;
}

const PortFeature feature_lease = {
    .name = "lease",
    .choose = lease_choose,
    .on_network = lease_on_network,
    .outdated = lease_outdated,
};
