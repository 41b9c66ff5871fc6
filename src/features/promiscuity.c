/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Feature: whether a passthru port makes its parent promiscuous (NoPromisc=). The kernel counts it
 * when the device goes up or down, and when the flag changes. A change while the device is down
 * would be counted twice (macvlan_changelink(), macvlan_open()), so it waits until the device is
 * up.
 */
#include "feature.h"

static void
promiscuity_want(FeatureHost *host, const Port *port, const Network *network, DeviceState *state)
{
    state->nopromisc = port->nopromisc;
    if (port->mode == MACVTAP_MODE_PASSTHRU && port->link_up)
        state->fields |= DEVICE_PROMISC;
}

static gboolean
promiscuity_repair(FeatureHost *host, Port *port, const DeviceState *wanted, guint fields,
                   GError **error)
{
    return !(fields & DEVICE_PROMISC) ||
           host->kernel->ops->macvtap_set_promisc(host->kernel, port->interface_index,
                                                  !wanted->nopromisc, error);
}

static gboolean
promiscuity_on_network(FeatureHost *host, Port *port, const Network *network)
{
    if (port->mode != MACVTAP_MODE_PASSTHRU || network->mode != MACVTAP_MODE_PASSTHRU ||
        port->nopromisc == network->nopromisc)
        return FALSE;
    port->nopromisc = network->nopromisc;
    return TRUE;
}

const PortFeature feature_promiscuity = {
    .name = "promiscuity",
    .want = promiscuity_want,
    .repair = promiscuity_repair,
    .on_network = promiscuity_on_network,
};
