/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Use case: the networks were read again. Each port takes the changes that an existing port can
 * follow into its record; that determines the required state of its device (device.c), and looks
 * bring it there. The port's "outdated" lists the rest. The same happens at a start, as the files
 * may have changed while no daemon ran.
 */
#include "broker-private.h"

#include "policy.h"

/* The kernel cannot change a device to or from passthru. */
static gboolean
follow_mode(Port *port, const Network *network)
{
    if (port->mode == network->mode || port->mode == MACVTAP_MODE_PASSTHRU ||
        network->mode == MACVTAP_MODE_PASSTHRU)
        return FALSE;
    port->mode = network->mode;
    return TRUE;
}

/* It applies when queues are opened. */
static gboolean
follow_vhost(Port *port, const Network *network)
{
    VhostPolicy vhost = policy_vhost(network, port->asked_vhost);

    if (!port->has_asked || port->vhost == vhost)
        return FALSE;
    port->vhost = vhost;
    return TRUE;
}

gboolean
broker_follow_network(Broker *broker, Port *port)
{
    const Network *network = broker_network_of(broker, port);
    gboolean changed;

    if (!network)
        return FALSE;
    changed = follow_mode(port, network);
    changed |= follow_vhost(port, network);
    changed |= features_on_network(&broker->host, port, network);
    if (changed)
        broker_save(broker, port);
    return changed;
}

static NetworkChange *
find_change(GPtrArray *changes, const char *network)
{
    for (guint i = 0; i < changes->len; i++) {
        NetworkChange *change = changes->pdata[i];

        if (g_str_equal(change->network, network))
            return change;
    }
    return NULL;
}

/* Only because of these changes; earlier ones were already reported. */
static void
add_outdated(NetworkChange *change, const Port *port)
{
    gboolean any = FALSE;

    for (guint i = 0; port->outdated && port->outdated[i]; i++) {
        if (change->fate != NETWORK_CHANGED ||
            !g_strv_contains((const char *const *)change->keys, port->outdated[i]))
            continue;
        any = TRUE;
        if (!g_ptr_array_find_with_equal_func(change->outdated, port->outdated[i], g_str_equal,
                                              NULL))
            g_ptr_array_add(change->outdated, g_strdup(port->outdated[i]));
    }
    change->n_outdated += any;
}

static void
report_port(Broker *broker, Port *port, gboolean has_changed, GPtrArray *changes)
{
    NetworkChange *change = find_change(changes, port->network);

    if (broker_note_network(broker, port) || has_changed)
        broker_emit(broker, PORT_EVENT_CHANGED, port);
    if (!change)
        return;
    change->n_ports++;
    add_outdated(change, port);
}

GPtrArray *
broker_reload_networks(Broker *broker, GHashTable *networks)
{
    GPtrArray *changes = networks_replace(broker->networks, networks);
    g_autoptr(GPtrArray) ports = port_table_list(broker->ports);
    g_autoptr(GHashTable) followed = g_hash_table_new(NULL, NULL);

    for (guint i = 0; i < ports->len; i++) {
        Port *port = ports->pdata[i];

        if (!port->is_ending && broker_follow_network(broker, port))
            g_hash_table_add(followed, port);
    }
    if (ports->len > 0) {
        look_begin_anew(broker);
        networks_follow_all(broker->networks);
    }
    if (broker->is_reconciled)
        features_sweep(&broker->host);
    for (guint i = 0; i < ports->len; i++) {
        Port *port = ports->pdata[i];

        if (!port->is_ending)
            report_port(broker, port, g_hash_table_contains(followed, port), changes);
    }
    return changes;
}
