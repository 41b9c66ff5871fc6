/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Feature: a warning when a network manager or DHCP client of the host configures a guest's device
 * as if it were the host's. It is logged once for each port, as a client keeps trying.
 */
#include "feature.h"

/* AddressHandler */
static void
on_address(int index, const char *address, gpointer user_data)
{
    FeatureHost *host = user_data;
    Port *port = port_table_find_index(host->ports, index);

    withheld_on_address(host, index);
    if (!address || !port || port->is_ending || port->has_host_address)
        return;
    port->has_host_address = TRUE;
    g_warning(
        "port %s: the host has the address %s on the guest's device %s: a program on the host "
        "configured the device and must be told to ignore it ('macvtapctl doctor' says how)",
        port->name, address, port->interface_name);
}

static gboolean
host_address_start(FeatureHost *host, gpointer *ret_state, GError **error)
{
    Kernel *kernel = host->kernel;

    return kernel->ops->watch_addresses(kernel, on_address, host, error);
}

const PortFeature feature_host_address = {
    .name = "host address",
    .start = host_address_start,
};
