/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "broker-private.h"
#include "parent.h"

#include "policy.h"
#include "port-error.h"
#include "source.h"

#include <string.h>

const Privileges *const broker_privileges[] = {
    &registry_privileges,
    NULL,
};

/* ---- functions that the features call ---- */

static Broker *
broker_of(FeatureHost *host)
{
    return (Broker *)((char *)host - G_STRUCT_OFFSET(Broker, host));
}

static gboolean
host_record(FeatureHost *host, const Port *port, GError **error)
{
    Registry *registry = broker_of(host)->registry;

    return port->state == PORT_STATE_CREATING ? registry_begin(registry, port, error)
                                              : registry_update(registry, port, error);
}

static void
host_save(FeatureHost *host, Port *port)
{
    broker_save(broker_of(host), port);
}

static gboolean
host_is_damaged(FeatureHost *host, const char *id)
{
    return registry_has_damaged(broker_of(host)->registry, id);
}

static const Network *
host_network(FeatureHost *host, const Port *port)
{
    return broker_network_of(broker_of(host), port);
}

typedef struct LinkUse {
    const Network *network;
    int index;
    gboolean is_used;
} LinkUse;

static void
note_use(Port *port, gpointer user_data)
{
    LinkUse *use = user_data;

    use->is_used |=
        port->parent_index == use->index && g_str_equal(port->network, use->network->name);
}

/* Whether the network's ports are on the link, which is a parent or its VLAN device, or would be.
 */
static gboolean
is_on_link(const Broker *broker, const Network *network, const LinkInfo *link)
{
    LinkUse use = {network, link->index, FALSE};

    if (!network->vlan && g_strv_contains((const char *const *)network->parents, link->name))
        return TRUE;
    port_table_foreach(broker->ports, note_use, &use);
    return use.is_used;
}

static const Network *
host_giver(FeatureHost *host, const IpAddress *address, int index)
{
    const Broker *broker = broker_of(host);
    GHashTableIter iter;
    gpointer value;
    LinkInfo link;

    g_hash_table_iter_init(&iter, networks_table(broker->networks));
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        const Network *network = value;

        if (!network->addresses.is_given || network->problem)
            continue;
        if (index == 0)
            return network;
        if (addresses_pool_has(&network->addresses, address) &&
            broker->kernel->ops->link_by_index(broker->kernel, index, &link, NULL) &&
            is_on_link(broker, network, &link))
            return network;
    }
    return NULL;
}

static void
host_look(FeatureHost *host, Port *port)
{
    look_at(broker_of(host), port);
}

static void
host_look_later(FeatureHost *host, Port *port)
{
    look_later(broker_of(host), port);
}

static void
host_dropped(FeatureHost *host, Port *port, guint reason, const guint8 *frame, gsize length)
{
    g_free(port->drop_example);
    port->drop_reason = reason;
    port->drop_example = guard_describe_drop(reason, frame, length, &port->mac);
    features_observe(host, port);
    broker_emit(broker_of(host), PORT_EVENT_DROPPED, port);
}

static void
host_emit(FeatureHost *host, const Port *port)
{
    broker_emit(broker_of(host), PORT_EVENT_CHANGED, port);
}

static void
host_end_ports(FeatureHost *host, const char *const *port_ids)
{
    Removals *removals = broker_of(host)->removals;

    removals_retry(removals);
    removals_begin_ended(removals, port_ids);
}

static const FeatureHostOps host_ops = {
    .record = host_record,
    .save = host_save,
    .is_damaged = host_is_damaged,
    .network = host_network,
    .giver = host_giver,
    .look = host_look,
    .look_later = host_look_later,
    .dropped = host_dropped,
    .emit = host_emit,
    .end_ports = host_end_ports,
};

/* NetworksObserve */
static void
observe_frames(const Port *port, gpointer user_data)
{
    broker_observe_frames(user_data, port);
}

/* BrokerWatcher */
static void
follow_networks(PortEvent event, const Port *port, const PortEnd *end, gpointer user_data)
{
    Broker *broker = user_data;

    if (event == PORT_EVENT_DELETED)
        networks_forget_port(broker->networks, port->id);
    else if (event != PORT_EVENT_DROPPED)
        networks_follow_port(broker->networks, port);
}

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
    broker->removals = removals_new(broker->registry, broker_remove_ports, broker);
    broker->removed = g_hash_table_new(NULL, NULL);
    broker->mac_seed = g_strdup(setup->mac_seed);
    broker->open_vhost = setup->open_vhost;
    broker->vhost_data = setup->vhost_data;
    broker->list_changes = setup->list_changes;
    broker->list_faults = setup->list_faults;
    broker->changes_data = setup->changes_data;
    broker->repair_delays = setup->repair_delays ? setup->repair_delays : repair_default_delays;
    broker->repairs = repairs_new(broker->repair_delays, look_when_due, broker);
    broker->host = (FeatureHost){
        .ops = &host_ops,
        .kernel = broker->kernel,
        .datapath = setup->datapath,
        .ports = broker->ports,
        .unguarded = setup->unguarded,
        .repair_delays = broker->repair_delays,
        .n_repair_delays = REPAIR_ATTEMPTS,
    };
    if (!networks_use_host_filter(broker->networks,
                                  setup->datapath ? setup->datapath->host_filter : NULL,
                                  observe_frames, broker_sweep_leftovers, broker, error))
        return NULL;
    broker_watch(broker, follow_networks, broker);
    if (!features_start(&broker->host, error) ||
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
    source_clear(&broker->removal_timer);
    source_clear(&broker->sweep_timer);
    source_clear(&broker->all_timer);
    removals_free(broker->removals);
    features_stop(&broker->host);
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

static Port *
refuse_port(const char *text, GError **error)
{
    port_error_set(error, PORT_ERROR_PORT_NOT_FOUND, "there is no port '%s'", text);
    return NULL;
}

Port *
broker_find_port(Broker *broker, const Caller *caller, const char *text, GError **error)
{
    Port *port = port_table_find(broker->ports, text);

    return port && !port->is_ending && broker_may_change(caller, port) ? port
                                                                       : refuse_port(text, error);
}

typedef struct BesideSearch {
    const Caller *caller;
    const char *interface;
    Port *found;
} BesideSearch;

static void
look_beside(Port *port, gpointer user_data)
{
    BesideSearch *search = user_data;

    if (!port->is_ending && caller_is_beside(search->caller, port, search->interface))
        search->found = port;
}

Port *
broker_find_beside(Broker *broker, const Caller *caller, const char *interface)
{
    BesideSearch search = {caller, interface, NULL};

    port_table_foreach(broker->ports, look_beside, &search);
    return search.found;
}

const Port *
broker_get_port(Broker *broker, const Caller *caller, const char *text, GError **error)
{
    const Port *port = broker_find_beside(broker, caller, text);

    port = port ? port : port_table_find(broker->ports, text);
    return port && !port->is_ending && broker_may_see(caller, port) ? port
                                                                    : refuse_port(text, error);
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

void
broker_observe_frames(Broker *broker, const Port *port)
{
    Port *of_table = port_table_find(broker->ports, port->id);

    if (of_table)
        features_observe(&broker->host, of_table);
}

const char *
broker_unguarded(const Broker *broker)
{
    return broker->host.unguarded;
}

static gint
compare_networks(gconstpointer a, gconstpointer b)
{
    return strcmp((*(const Network *const *)a)->name, (*(const Network *const *)b)->name);
}

typedef struct NetworkView {
    const Caller *caller;
    GHashTable *beside; /* set of the networks' names, borrowed */
} NetworkView;

static void
note_beside(Port *port, gpointer user_data)
{
    const NetworkView *view = user_data;

    if (!port->is_ending && caller_is_beside(view->caller, port, NULL))
        g_hash_table_add(view->beside, port->network);
}

GPtrArray *
broker_list_networks(Broker *broker, const Caller *caller)
{
    g_autoptr(GHashTable) beside = g_hash_table_new(g_str_hash, g_str_equal);
    NetworkView view = {caller, beside};
    GPtrArray *networks = g_ptr_array_new();
    GHashTableIter iter;
    gpointer key, value;

    if (caller->namespace_cookie != 0)
        port_table_foreach(broker->ports, note_beside, &view);
    g_hash_table_iter_init(&iter, networks_table(broker->networks));
    while (g_hash_table_iter_next(&iter, &key, &value)) {
        if (policy_may_use(value, caller) || g_hash_table_contains(beside, key))
            g_ptr_array_add(networks, value);
    }
    g_ptr_array_sort(networks, compare_networks);
    return networks;
}

GStrv
broker_list_file_changes(Broker *broker, const Caller *caller)
{
    if (!caller_is_root(caller) || !broker->list_changes)
        return NULL;
    return broker->list_changes(networks_table(broker->networks), broker->changes_data);
}

GStrv
broker_parent_problems(Broker *broker, const Network *network)
{
    return parent_problems(broker->networks, network);
}

GPtrArray *
broker_list_host_links(Broker *broker, const Network *network)
{
    return networks_list_host_links(broker->networks, network);
}

GStrv
broker_taken_vlans(Broker *broker, const Network *network)
{
    return networks_list_taken_vlans(broker->networks, network);
}

static void
add_damaged_records(Broker *broker, GPtrArray *faults)
{
    g_autoptr(GPtrArray) names = registry_list_damaged(broker->registry);

    for (guint i = 0; i < names->len; i++) {
        g_autofree char *shown = g_strescape(names->pdata[i], NULL);

        g_ptr_array_add(
            faults,
            fault_new("record-set-aside", g_strdup_printf("record %s", shown),
                      g_strdup("macvtapd could not read it when it started and no longer manages "
                               "its port's device"),
                      g_strdup("the log says what was wrong with it (macvtapctl log); end its "
                               "guest, remove its device if it still exists (ip link delete), and "
                               "delete the file from the folder 'ports' of macvtapd's state")));
    }
}

GPtrArray *
broker_list_faults(Broker *broker, const Caller *caller)
{
    GPtrArray *faults = fault_list_new();

    if (!caller_is_root(caller))
        return faults;
    add_damaged_records(broker, faults);
    features_list_faults(&broker->host, faults);
    if (broker->list_faults)
        broker->list_faults(faults, broker->changes_data);
    return faults;
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

guint
broker_count_own_ports(Broker *broker, const Caller *caller)
{
    return port_table_count_account(broker->ports, caller_account(caller));
}

gboolean
broker_refuse_network(Broker *broker, const Caller *caller, const char *name, GError **error)
{
    g_autoptr(GPtrArray) networks = broker_list_networks(broker, caller);
    g_autofree const char **known = g_new0(const char *, networks->len + 1);
    g_autofree char *text = NULL;

    for (guint i = 0; i < networks->len; i++)
        known[i] = ((const Network *)networks->pdata[i])->name;
    text = network_unknown_text(name, known);
    return port_error_set(error, PORT_ERROR_NETWORK_NOT_FOUND, "%s", text);
}

gboolean
broker_check_network(Broker *broker, const Caller *caller, const char *name, GError **error)
{
    return networks_find(broker->networks, name) || broker_count_ports(broker, name) > 0 ||
           broker_refuse_network(broker, caller, name, error);
}
