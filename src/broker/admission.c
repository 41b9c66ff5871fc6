/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who may have a new port: the network exists, the caller may use it, and neither has reached its
 * limits. Ports that are being removed do not count as conflicts.
 */
#include "creation.h"

#include "policy.h"
#include "port-error.h"

gboolean
creation_find_network(Creation *creation, GError **error)
{
    const char *name = creation->request->network;
    Network *network;

    if (network_spec_is_adhoc(name)) {
        if (!caller_is_root(creation->caller))
            return port_error_set(error, PORT_ERROR_ACCESS_DENIED,
                                  "only root may name an ad-hoc network%s (%s)",
                                  creation->caller->from_container ? ", and not over the container"
                                                                     " socket"
                                                                   : "",
                                  name);
        creation->network = network_parse_adhoc(name, error);
        return creation->network != NULL;
    }
    network = networks_find(creation->broker->networks, name);
    if (!network)
        return broker_refuse_network(creation->broker, creation->caller, name, error);
    if (network->problem)
        return port_error_set(
            error, PORT_ERROR_NETWORK_INVALID, "network %s cannot be used: %s", name,
            caller_is_root(creation->caller) ? network->problem : "its file has an error");
    if (!policy_may_use(network, creation->caller))
        return port_error_set(
            error, PORT_ERROR_ACCESS_DENIED,
            "user %u may not use network %s (see its AllowUsers= and AllowGroups=)",
            (guint)creation->caller->uid, name);
    creation->network = network_ref(network);
    return TRUE;
}

typedef struct NetworkLoad {
    const Network *network;
    uid_t account;
    guint n_ports, n_owned;
    guint n_leased[ADDRESS_FAMILIES]; /* of the pools */
} NetworkLoad;

static void
count_leases(const Port *port, NetworkLoad *load)
{
    for (guint i = 0; port->addresses && i < port->addresses->len; i++) {
        const IpAddress *address = &g_array_index(port->addresses, PortAddress, i).address;

        load->n_leased[address_family(address)] +=
            addresses_pool_has(&load->network->addresses, address);
    }
}

static void
count_in_network(Port *port, gpointer user_data)
{
    NetworkLoad *load = user_data;

    if (!g_str_equal(port->network, load->network->name))
        return;
    load->n_ports++;
    load->n_owned += port_account(port) == load->account;
    count_leases(port, load);
}

/* Whether each pool has a free address, or the port needs none of it. */
static gboolean
check_pools(const Creation *creation, const NetworkLoad *load, GError **error)
{
    const AddressSettings *addresses = &creation->network->addresses;

    for (guint family = 0; family < ADDRESS_FAMILIES; family++) {
        if (addresses->pools[family] &&
            !port_addresses_find(creation->request->addresses, family) &&
            load->n_leased[family] >= addresses_pool_size(addresses, family))
            return addresses_say_full(addresses, creation->network->name, family, error);
    }
    return TRUE;
}

static gboolean
check_share(const Creation *creation, const NetworkLoad *load, GError **error)
{
    const Network *network = creation->network;
    guint share = policy_user_share(network, creation->caller);

    if (share == 0 || load->n_owned < share)
        return TRUE;
    return port_error_set(error, PORT_ERROR_LIMIT_REACHED,
                          "user %u already has %u port%s on network %s, and %s allows no more",
                          (guint)creation->caller->uid, load->n_owned,
                          load->n_owned == 1 ? "" : "s", network->name,
                          network->max_ports_per_user != 0
                              ? "MaxPortsPerUser="
                              : "a user's share of its addresses (a quarter; MaxPortsPerUser= "
                                "changes it)");
}

static gboolean
check_network_limits(Creation *creation, GError **error)
{
    const Network *network = creation->network;
    NetworkLoad load = {.network = network, .account = caller_account(creation->caller)};

    if (network->max_ports == 0 && network->max_ports_per_user == 0 && !network->addresses.is_given)
        return TRUE;
    port_table_foreach(creation->broker->ports, count_in_network, &load);
    if (network->max_ports != 0 && load.n_ports >= network->max_ports)
        return port_error_set(error, PORT_ERROR_LIMIT_REACHED,
                              "network %s already has %u port%s, and MaxPorts= allows no more",
                              network->name, load.n_ports, load.n_ports == 1 ? "" : "s");
    return check_share(creation, &load, error) && check_pools(creation, &load, error);
}

static gboolean
check_all_limits(Creation *creation, GError **error)
{
    const PortTable *ports = creation->broker->ports;
    const Caller *caller = creation->caller;

    if (port_table_count(ports) >= PORTS_MAX)
        return port_error_set(error, PORT_ERROR_LIMIT_REACHED,
                              "macvtapd already has its maximum of %d ports", PORTS_MAX);
    if (!caller_is_root(caller) &&
        port_table_count_account(ports, caller_account(caller)) >= PORTS_PER_USER_MAX)
        return port_error_set(error, PORT_ERROR_LIMIT_REACHED,
                              "user %u already has the maximum of %d ports", (guint)caller->uid,
                              PORTS_PER_USER_MAX);
    return check_network_limits(creation, error);
}

static gboolean
check_limits(Creation *creation, GError **error)
{
    gboolean good;

    creation_set_aside(creation);
    good = check_all_limits(creation, error);
    port_table_restore(creation->broker->ports);
    return good;
}

/* Whether the port counts against the limit that the caller has reached. */
static gboolean
counts_as_well(const Port *port, gpointer user_data)
{
    const Creation *creation = user_data;

    return port_account(port) == caller_account(creation->caller) ||
           g_str_equal(port->network, creation->network->name) ||
           port_table_count(creation->broker->ports) >= PORTS_MAX;
}

static gboolean
mac_is_kept(const MacAddress *mac, gpointer user_data)
{
    return creation_network_has_mac(user_data, mac, FALSE);
}

static gboolean
was_callers(const Port *port, gpointer user_data)
{
    const Creation *creation = user_data;

    return port_account(port) == caller_account(creation->caller) &&
           g_str_equal(port->network, creation->network->name);
}

static gboolean
has_wanted_mac(const Port *port, gpointer user_data)
{
    const Creation *creation = user_data;

    return mac_address_equal(&port->mac, &creation->wanted_mac);
}

/* A guest that is restarted at once gets its old MAC, so its old port is removed first; and with it
 * others of the same user, which may be restarted, too. */
static void
free_wanted_mac(Creation *creation)
{
    Removals *removals = creation->broker->removals;
    const MacOrigin origin = creation_mac_origin(creation);

    if (!removals_pending(removals) || creation->request->name || creation->request->has_mac ||
        creation->network->mac == MAC_POLICY_INHERIT ||
        !policy_generate_mac(creation->network, &origin, mac_is_kept, creation,
                             &creation->wanted_mac, NULL))
        return;
    if (creation_network_has_mac(creation, &creation->wanted_mac, TRUE))
        removals_flush_matching(removals, was_callers, creation);
    if (creation_network_has_mac(creation, &creation->wanted_mac, TRUE))
        removals_flush_matching(removals, has_wanted_mac, creation);
}

static gboolean
is_named(const Port *port, const char *text)
{
    return text && (g_str_equal(port->id, text) || g_str_equal(port->name, text) ||
                    g_str_equal(port->interface_name, text));
}

/* Whether a name in Parent=, possibly an alternative name, refers to the port's parent or trunk. */
static gboolean
is_on_parents(const Creation *creation, const Port *port)
{
    Kernel *kernel = creation->broker->kernel;

    for (char **parent = creation->network->parents; *parent; parent++) {
        LinkInfo link;

        if (kernel->ops->link_by_name(kernel, *parent, &link, NULL) &&
            (link.index == port->parent_index || link.index == port->trunk_index))
            return TRUE;
    }
    return FALSE;
}

static gboolean
has_asked_address(const Port *port, const PortRequest *request)
{
    for (guint i = 0; request->addresses && i < request->addresses->len; i++) {
        if (port_addresses_have(port->addresses,
                                &g_array_index(request->addresses, PortAddress, i).address))
            return TRUE;
    }
    return FALSE;
}

static gboolean
is_in_the_way(const Port *port, gpointer user_data)
{
    const Creation *creation = user_data;
    const PortRequest *request = creation->request;
    const Network *network = creation->network;

    if (is_named(port, policy_port_name(request)) || is_named(port, request->interface_name) ||
        (request->has_mac && mac_address_equal(&port->mac, &request->mac)) ||
        has_asked_address(port, request))
        return TRUE;
    /* Passthru allows no other port on a parent. */
    return (port->mode == MACVTAP_MODE_PASSTHRU || network->mode == MACVTAP_MODE_PASSTHRU) &&
           is_on_parents(creation, port);
}

/* Ports that are ending do not block a request: those with the requested names, MAC or parent are
 * removed first. But they count against limits until they are gone: otherwise a user who creates
 * and drops ports faster than the kernel removes them could have any number. */
gboolean
creation_make_room(Creation *creation, GError **error)
{
    Removals *removals = creation->broker->removals;

    while (removals_flush_matching(removals, is_in_the_way, creation))
        ;
    free_wanted_mac(creation);
    for (;;) {
        GError *cause = NULL;

        if (check_limits(creation, &cause))
            return TRUE;
        if (!removals_flush_matching(removals, counts_as_well, creation)) {
            g_propagate_error(error, cause);
            return FALSE;
        }
        g_error_free(cause);
    }
}
