/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Feature: whether the guest's link follows the carrier of the port's parent (FollowCarrier=).
 * Nothing is done to the device: only QEMU can set the guest's link, and macvtap-agent tells it
 * (src/agent/guest-links.c) by what it reads of the port.
 */
#include "feature.h"

static gboolean
guest_link_prepare(FeatureHost *host, NewPort *new, GError **error)
{
    new->port->follow_carrier = new->network->follow_carrier;
    return TRUE;
}

static gboolean
guest_link_on_network(FeatureHost *host, Port *port, const Network *network)
{
    if (port->follow_carrier == network->follow_carrier)
        return FALSE;
    port->follow_carrier = network->follow_carrier;
    return TRUE;
}

const PortFeature feature_guest_link = {
    .name = "guest link",
    .prepare = guest_link_prepare,
    .on_network = guest_link_on_network,
};
