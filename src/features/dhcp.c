/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Feature: the port answers its guest's DHCP client itself (Serve=dhcp of its network), with the
 * port's IPv4 address, even while no daemon runs. The datapath's programs do it (dhcp-rules.h); the
 * guard writes what they answer together with its own settings, as they are the same programs.
 *
 * A port that had no address of its network when the key was set answers nothing, and its guest
 * still asks the LAN. While its network is undefined, a port keeps its answers.
 */

#include "feature.h"

#include "port-error.h"

static gboolean
serves(const Network *network)
{
    return network->addresses.serve == ADDRESS_SERVE_DHCP;
}

gboolean
dhcp_find_answer(const Network *network, const Port *port, DhcpAnswer *ret_answer)
{
    const AddressSettings *addresses = &network->addresses;
    const PortAddress *lease = port_addresses_find(port->addresses, ADDRESS_IPV4);

    if (!serves(network) || !lease)
        return FALSE;
    *ret_answer = (DhcpAnswer){
        .address = lease->address,
        .bits = lease->bits,
        .gateway = addresses_gateway(addresses, ADDRESS_IPV4),
        .dns = addresses->dns,
        .search = (const char *const *)addresses->search,
        .mtu = port->mtu,
        .lease_time = addresses->lease_time,
    };
    return TRUE;
}

static gboolean
dhcp_prepare(FeatureHost *host, NewPort *new, GError **error)
{
    if (!serves(new->network) || host->datapath)
        return TRUE;
    return port_error_set(
        error, PORT_ERROR_SYSTEM,
        "network %s has its ports answer DHCP (Serve=dhcp), and macvtapd cannot do that: %s",
        new->network->name,
        host->unguarded ? host->unguarded : "it was started without a datapath");
}

static const char *
dhcp_outdated(FeatureHost *host, const Port *port)
{
    const Network *network = host->ops->network(host, port);
    DhcpAnswer answer;

    return network && serves(network) &&
                   (!host->datapath || !dhcp_find_answer(network, port, &answer))
               ? "Serve"
               : NULL;
}

const PortFeature feature_dhcp = {
    .name = "dhcp",
    .prepare = dhcp_prepare,
    .outdated = dhcp_outdated,
};
