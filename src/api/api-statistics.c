/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * GetStatistics: numbers for monitoring, of what the caller may see. Monitoring needs no other
 * right: root and the members of one group get everybody's numbers. These do not include what
 * identifies a guest to its neighbours (MAC and IP addresses).
 *
 * The counters of a port are the kernel's and those of the datapath's pinned maps, so they outlive
 * the daemon. The daemon's own counters begin at its start, and its start time is
 * among them.
 */
#include "api-private.h"

#include "api-request.h"

#include <string.h>

typedef enum Ended {
    ENDED_DELETED,
    ENDED_HOLDER,
    ENDED_LOST_GRANT,
} Ended;
G_STATIC_ASSERT((guint)ENDED_DELETED == PORT_END_ASKED);
G_STATIC_ASSERT((guint)ENDED_HOLDER == PORT_END_HOLDER);
G_STATIC_ASSERT((guint)ENDED_LOST_GRANT == PORT_END_LOST_GRANT);

static const char *const ended_names[API_ENDS] = {
    [ENDED_DELETED] = "deleted",
    [ENDED_HOLDER] = "holder",
    [ENDED_LOST_GRANT] = "lost-grant",
};

/* BrokerWatcher */
static void
count_event(PortEvent event, const Port *port, const PortEnd *end, gpointer user_data)
{
    ApiCounters *counters = user_data;

    if (event == PORT_EVENT_CREATED)
        counters->created++;
    else if (event == PORT_EVENT_DELETED && end && end->reason < API_ENDS)
        counters->ended[end->reason]++;
}

void
api_counters_start(Api *api)
{
    api->counters.started = g_get_real_time() / G_USEC_PER_SEC;
    api->counters.watch = broker_watch(api->broker, count_event, &api->counters);
}

void
api_counters_stop(Api *api)
{
    broker_unwatch(api->broker, api->counters.watch);
}

void
api_set_reader_group(Api *api, gboolean has_group, gid_t group)
{
    api->has_reader_group = has_group;
    api->reader_group = group;
}

/* A group ID means nothing on the container socket: it is not one of the host's groups. */
static gboolean
is_reader(const Api *api, const Caller *caller)
{
    gboolean is_member = caller->gid == api->reader_group;

    for (gsize i = 0; i < caller->n_groups; i++)
        is_member = is_member || caller->groups[i] == api->reader_group;
    return caller_is_root(caller) ||
           (api->has_reader_group && !caller->from_container && is_member);
}

/* Moves these members from one object to another, as far as there are any. */
static void
copy_members(json_t *from, json_t *to, const char *const *names)
{
    for (; *names; names++) {
        json_t *value = json_object_get(from, *names);

        if (value)
            json_object_set(to, *names, value);
    }
}

static json_t *
port_numbers(Api *api, const Port *port)
{
    static const char *const members[] = {
        "id",     "name",    "network", "interfaceName", "owner",      "mode", "state",
        "linkUp", "carrier", "dropped", "limited",       "openQueues", NULL};
    json_t *numbers = json_object(), *whole, *addresses;
    LinkStatistics statistics;

    broker_observe_frames(api->broker, port);
    whole = api_json_port(port);
    copy_members(whole, numbers, members);
    /* Others open its queues by path, and macvtapd does not see how many. */
    if (port->has_node)
        json_object_del(numbers, "openQueues");
    addresses = json_object_get(whole, "addresses");
    if (addresses)
        json_object_set_new(numbers, "leases",
                            json_integer((json_int_t)json_array_size(addresses)));
    json_decref(whole);
    if (broker_statistics(api->broker, port, &statistics))
        json_object_set_new(numbers, "statistics", api_json_statistics(&statistics));
    return numbers;
}

static void
add_addresses(Api *api, json_t *numbers, const Network *network)
{
    json_t *leased = json_object(), *left = json_object();

    for (AddressFamily family = 0; family < ADDRESS_FAMILIES; family++) {
        const char *name = address_family_name(family);
        guint64 size = addresses_pool_size(&network->addresses, family), n;

        if (!addresses_subnet(&network->addresses, family))
            continue;
        n = broker_count_leases(api->broker, network, family);
        json_object_set_new(leased, name, json_integer((json_int_t)n));
        json_object_set_new(left, name, json_integer((json_int_t)(size - MIN(size, n))));
    }
    json_object_set_new(numbers, "leased", leased);
    json_object_set_new(numbers, "free", left);
}

static json_t *
network_numbers(Api *api, const Network *network)
{
    static const char *const members[] = {"name", "ports", "maxPorts", NULL};
    json_t *whole = api_json_network(network, broker_count_ports(api->broker, network->name),
                                     broker_unguarded(api->broker), NULL, NULL);
    json_t *numbers = json_object();

    copy_members(whole, numbers, members);
    json_object_set_new(numbers, "usable", json_boolean(!network->problem));
    if (!network->problem && network->addresses.is_given)
        add_addresses(api, numbers, network);
    json_decref(whole);
    return numbers;
}

static guint
count_watches(const Api *api)
{
    GHashTableIter iter;
    gpointer n;
    guint sum = 0;

    g_hash_table_iter_init(&iter, api->streams);
    while (g_hash_table_iter_next(&iter, NULL, &n))
        sum += GPOINTER_TO_UINT(n);
    return sum;
}

static json_t *
daemon_numbers(const Api *api)
{
    const ApiCounters *counters = &api->counters;
    json_t *refused = json_object(), *ended = json_object();

    for (guint code = 0; code < PORT_ERROR_COUNT; code++)
        json_object_set_new(refused, strrchr(api_error_name(code), '.') + 1,
                            json_integer((json_int_t)api_error_count(code)));
    for (guint reason = 0; reason < API_ENDS; reason++)
        json_object_set_new(ended, ended_names[reason],
                            json_integer((json_int_t)counters->ended[reason]));
    return json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:o, s:o}", "version", MACVTAPD_VERSION,
                     "started", (json_int_t)counters->started, "connections",
                     (json_int_t)varlink_server_connection_count(api->server), "requests",
                     (json_int_t)varlink_server_call_count(api->server), "watches",
                     (json_int_t)count_watches(api), "created", (json_int_t)counters->created,
                     "ended", ended, "refused", refused);
}

void
api_on_get_statistics(VarlinkCall *call, gpointer user_data)
{
    Api *api = user_data;
    Caller caller = api_caller(call);
    const Caller root = {.pidfd = -1};
    gboolean sees_all = is_reader(api, &caller);
    g_autoptr(GPtrArray) ports = NULL, networks = NULL;
    const char *field = NULL;
    json_t *reply, *array;

    if (!api_request_nothing(varlink_call_parameters(call), &field)) {
        api_refuse(call, field, NULL);
        return;
    }
    ports = broker_list_ports(api->broker, sees_all ? &root : &caller, NULL);
    networks = broker_list_networks(api->broker, sees_all ? &root : &caller);
    reply = json_object();
    array = json_array();
    for (guint i = 0; i < networks->len; i++)
        json_array_append_new(array, network_numbers(api, networks->pdata[i]));
    json_object_set_new(reply, "networks", array);
    array = json_array();
    for (guint i = 0; i < ports->len; i++)
        json_array_append_new(array, port_numbers(api, ports->pdata[i]));
    json_object_set_new(reply, "ports", array);
    if (sees_all)
        json_object_set_new(reply, "daemon", daemon_numbers(api));
    varlink_call_reply(call, reply, NULL);
}
