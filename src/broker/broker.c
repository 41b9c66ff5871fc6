/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "broker-private.h"
#include "holders.h"
#include "parent.h"

#include "policy.h"
#include "port-error.h"

#include <string.h>

const Privileges *const broker_privileges[] = {
    &process_privileges,
    &holders_privileges,
    &registry_privileges,
    NULL,
};

Broker *
broker_new(const BrokerSetup *setup, GError **error)
{
    g_autoptr(Broker) broker = g_new0(Broker, 1);

    broker->kernel = setup->kernel;
    broker->networks = networks_new(setup->state_fd, setup->kernel, error);
    broker->registry = registry_new(setup->state_fd, broker->networks ? error : NULL);
    if (!broker->networks || !broker->registry)
        return NULL;
    broker->ports = registry_ports(broker->registry);
    networks_use_ports(broker->networks, broker->ports);
    broker->removals = removals_new(broker);
    broker->removed = g_hash_table_new(NULL, NULL);
    broker->mac_seed = g_strdup(setup->mac_seed);
    broker->open_vhost = setup->open_vhost;
    broker->vhost_data = setup->vhost_data;
    broker->list_changes = setup->list_changes;
    broker->changes_data = setup->changes_data;
    broker->repairs = g_hash_table_new_full(NULL, NULL, NULL, look_repair_free);
    broker->repair_delays = setup->repair_delays ? setup->repair_delays : look_default_delays;
    broker->feature_states = g_new0(gpointer, features_count());
    if (!features_start(broker, broker->feature_states, error) ||
        !broker->kernel->ops->monitor(broker->kernel, broker_on_link_event, broker, error))
        return NULL;
    return g_steal_pointer(&broker);
}

void
broker_stop(Broker *broker)
{
    removals_stop(broker->removals);
}

void
broker_free(Broker *broker)
{
    if (!broker)
        return;
    if (broker->removal_timer) {
        g_source_destroy(broker->removal_timer);
        g_source_unref(broker->removal_timer);
    }
    removals_free(broker->removals);
    if (broker->feature_states)
        features_stop(broker->feature_states);
    g_clear_pointer(&broker->feature_states, g_free);
    look_end(broker);
    registry_free(broker->registry);
    networks_free(broker->networks);
    g_clear_pointer(&broker->removed, g_hash_table_unref);
    g_clear_pointer(&broker->watches, g_array_unref);
    g_free(broker->mac_seed);
    g_free(broker);
}

void
broker_set_mac_seed(Broker *broker, const char *seed)
{
    g_free(broker->mac_seed);
    broker->mac_seed = g_strdup(seed);
}

void
broker_set_networks(Broker *broker, GHashTable *networks)
{
    networks_replace(broker->networks, networks);
    if (port_table_count(broker->ports) > 0)
        look_begin_anew(broker);
}

Kernel *
feature_kernel(Broker *broker)
{
    return broker->kernel;
}

Registry *
feature_registry(Broker *broker)
{
    return broker->registry;
}

PortTable *
feature_ports(Broker *broker)
{
    return broker->ports;
}

gpointer
feature_state(Broker *broker, const PortFeature *feature)
{
    return broker->feature_states[feature_number(feature)];
}

const Network *
feature_network(Broker *broker, const Port *port)
{
    const Network *network = networks_find(broker->networks, port->network);

    return network && !network->problem && network->mode == port->mode ? network : NULL;
}

void
feature_emit(Broker *broker, const Port *port)
{
    broker_emit(broker, PORT_EVENT_CHANGED, port);
}

void
feature_save(Broker *broker, Port *port)
{
    g_autoptr(GError) error = NULL;

    port->is_unsaved = !registry_update(broker->registry, port, &error);
    if (!port->is_unsaved)
        return;
    g_warning("record of port %s: %s", port->name, error->message);
    feature_look_later(broker, port);
}

void
feature_end_ports(Broker *broker, const char *const *port_ids)
{
    removals_retry(broker->removals);
    removals_begin_ended(broker->removals, port_ids);
}

gboolean
broker_may_see(const Caller *caller, const Port *port)
{
    return caller_is_root(caller) || caller_owns(caller, port);
}

Port *
broker_find_port(Broker *broker, const Caller *caller, const char *text, GError **error)
{
    Port *port = port_table_find(broker->ports, text);

    if (port && !port->is_ending && broker_may_see(caller, port))
        return port;
    port_error_set(error, PORT_ERROR_PORT_NOT_FOUND, "there is no port '%s'", text);
    return NULL;
}

const Port *
broker_get_port(Broker *broker, const Caller *caller, const char *text, GError **error)
{
    return broker_find_port(broker, caller, text, error);
}

GPtrArray *
broker_list_ports(Broker *broker, const Caller *caller, const char *network)
{
    GPtrArray *ports = port_table_list(broker->ports);
    guint n = 0;

    for (guint i = 0; i < ports->len; i++) {
        Port *port = ports->pdata[i];

        if (broker_may_see(caller, port) && !port->is_ending &&
            (!network || g_str_equal(port->network, network)))
            ports->pdata[n++] = port;
    }
    g_ptr_array_set_size(ports, (gint)n);
    return ports;
}

gboolean
broker_statistics(Broker *broker, const Port *port, LinkStatistics *ret_statistics)
{
    return port->state == PORT_STATE_ACTIVE &&
           broker->kernel->ops->link_statistics(broker->kernel, port->interface_index,
                                                ret_statistics, NULL);
}

static gint
compare_networks(gconstpointer a, gconstpointer b)
{
    return strcmp((*(const Network *const *)a)->name, (*(const Network *const *)b)->name);
}

GPtrArray *
broker_list_networks(Broker *broker, const Caller *caller)
{
    GPtrArray *networks = g_ptr_array_new();
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init(&iter, networks_table(broker->networks));
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        if (policy_may_use(value, caller))
            g_ptr_array_add(networks, value);
    }
    g_ptr_array_sort(networks, compare_networks);
    return networks;
}

GStrv
broker_list_file_changes(Broker *broker, const Caller *caller)
{
    if (caller->uid != 0 || !broker->list_changes)
        return NULL;
    return broker->list_changes(networks_table(broker->networks), broker->changes_data);
}

GStrv
broker_parent_problems(Broker *broker, const Network *network)
{
    return parent_problems(broker->networks, network);
}

typedef struct PortCount {
    const char *network;
    guint n_ports;
} PortCount;

static void
count_port(Port *port, gpointer user_data)
{
    PortCount *count = user_data;

    count->n_ports +=
        !port->is_ending && (!count->network || g_str_equal(port->network, count->network));
}

guint
broker_count_ports(Broker *broker, const char *network)
{
    PortCount count = {.network = network};

    port_table_foreach(broker->ports, count_port, &count);
    return count.n_ports;
}

gboolean
broker_check_network(Broker *broker, const char *name, GError **error)
{
    return networks_find(broker->networks, name) || broker_count_ports(broker, name) > 0 ||
           port_error_set(error, PORT_ERROR_NETWORK_NOT_FOUND, "there is no network '%s'", name);
}
