/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The settings of its network that an existing port does not have. Those that it could follow were
 * already applied: see src/broker/reload.c. */
#include "networks-private.h"
#include "parent.h"

#include "policy.h"

static gboolean
is_passthru(MacvtapMode mode)
{
    return mode == MACVTAP_MODE_PASSTHRU;
}

static gboolean
differs_mode(Networks *networks, const Network *network, const Port *port)
{
    return network->mode != port->mode;
}

/* The parent may have been renamed, or have an alternative name. While no link has any of the
 * file's names, it is unknown. */
static gboolean
differs_parent(Networks *networks, const Network *network, const Port *port)
{
    const char *name = port->trunk ? port->trunk : port->parent;
    int index = port->trunk ? port->trunk_index : port->parent_index;

    return !g_strv_contains((const char *const *)network->parents, name) &&
           !networks_has_parent(networks, network, index) &&
           networks_has_any_parent(networks, network);
}

static gboolean
differs_vlan(Networks *networks, const Network *network, const Port *port)
{
    return g_strcmp0(network->vlan, port->vlan) != 0;
}

static gboolean
differs_mtu(Networks *networks, const Network *network, const Port *port)
{
    return port->has_asked && port->asked_mtu == 0 && network->mtu != 0 &&
           network->mtu != port->mtu;
}

static gboolean
differs_mac(Networks *networks, const Network *network, const Port *port)
{
    return is_passthru(port->mode) == is_passthru(network->mode) &&
           network->mac != port->mac_policy;
}

static gboolean
differs_macs(Networks *networks, const Network *network, const Port *port)
{
    return network->mac == MAC_POLICY_GENERATE && port->mac_policy == MAC_POLICY_GENERATE &&
           !policy_mac_is_allowed(network, &port->mac);
}

/* A passthru device that is up keeps its setting, see src/broker/device.c. */
static gboolean
differs_multicast(Networks *networks, const Network *network, const Port *port)
{
    return port->state == PORT_STATE_ACTIVE && is_passthru(port->mode) &&
           port->all_multicast != (network->multicast == MULTICAST_ALL);
}

static gboolean
differs_queues(Networks *networks, const Network *network, const Port *port)
{
    return port->queues > network->max_queues;
}

static const struct {
    const char *key;
    gboolean (*differs)(Networks *networks, const Network *network, const Port *port);
} keys[] = {
    {"Mode", differs_mode},
    {"Parent", differs_parent},
    {"VLAN", differs_vlan},
    {"MTU", differs_mtu},
    {"Mac", differs_mac},
    {"AllowMacs", differs_macs},
    {"Multicast", differs_multicast},
    {"MaxQueues", differs_queues},
};

void
networks_list_outdated(Networks *networks, const Port *port, GStrvBuilder *ret_keys)
{
    const Network *network = networks_find(networks, port->network);

    if (!network || network->problem)
        return;
    for (guint i = 0; i < G_N_ELEMENTS(keys); i++) {
        if (keys[i].differs(networks, network, port))
            g_strv_builder_add(ret_keys, keys[i].key);
    }
}

gboolean
networks_have_removed(const Networks *networks, const Port *port)
{
    return !network_spec_is_adhoc(port->network) && !networks_find(networks, port->network);
}
