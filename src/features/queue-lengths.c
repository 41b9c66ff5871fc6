/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Feature: the queue lengths for a guest (TxQueueLength=) and for all guests of a parent
 * (BroadcastQueueLength=). Without a setting in the network the device keeps the kernel's. */
#include "feature.h"

static void
queue_lengths_want(FeatureHost *host, const Port *port, const Network *network, DeviceState *state)
{
    if (!network)
        return;
    state->tx_queue_length = network->tx_queue_length;
    state->broadcast_queue_length = network->broadcast_queue_length;
    if (state->tx_queue_length || state->broadcast_queue_length)
        state->fields |= DEVICE_QUEUES;
}

static gboolean
queue_lengths_repair(FeatureHost *host, Port *port, const DeviceState *wanted, guint fields,
                     GError **error)
{
    const LinkChange change = {.tx_queue_length = wanted->tx_queue_length};
    const KernelOps *ops = host->kernel->ops;

    if (!(fields & DEVICE_QUEUES))
        return TRUE;
    return (!wanted->tx_queue_length ||
            ops->link_change(host->kernel, port->interface_index, &change, error)) &&
           (!wanted->broadcast_queue_length ||
            ops->macvtap_set_broadcast_queue(host->kernel, port->interface_index,
                                             wanted->broadcast_queue_length, error));
}

const PortFeature feature_queue_lengths = {
    .name = "queue lengths",
    .want = queue_lengths_want,
    .repair = queue_lengths_repair,
};
