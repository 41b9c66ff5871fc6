/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "api-private.h"

#include "api-request.h"

static void
caller_process_free(gpointer data)
{
    CallerProcess *process = data;

    g_free(process->command);
    g_free(process->unit);
    g_free(process);
}

/* The credentials also are those of the process at the time it connected, whatever has happened to
 * it since. */
static CallerProcess *
caller_process(VarlinkCall *call)
{
    gpointer *note = varlink_call_note(call, caller_process_free);

    if (!*note)
        *note = g_new0(CallerProcess, 1);
    return *note;
}

Caller
api_caller(VarlinkCall *call)
{
    const VarlinkPeer *peer = varlink_call_peer(call);

    return (Caller){
        .uid = peer->uid,
        .from_container = peer->rootless,
        .gid = peer->gid,
        .pid = peer->pid,
        .pidfd = peer->pidfd,
        .groups = peer->groups ? (const gid_t *)peer->groups->data : NULL,
        .n_groups = peer->groups ? peer->groups->len : 0,
        .process = caller_process(call),
        .socket_fd = peer->socket_fd,
        .namespace_cookie = peer->namespace_cookie,
    };
}

void
api_refuse(VarlinkCall *call, const char *field, const GError *error)
{
    if (error)
        api_error_send(call, error);
    else
        varlink_call_invalid_parameter(call, field);
}

void
api_refuse_grant(Api *api, VarlinkCall *call, TrailRefusal refusal, const char *field,
                 const GError *error)
{
    Caller caller = api_caller(call);
    g_autofree char *what = field ? g_strdup_printf("parameter %s", field) : NULL;

    refusal.reason = error ? error->message : what;
    trail_refused(api->trail, &caller, &refusal);
    api_refuse(call, field, error);
}

static json_t *
indexes(guint first, guint n)
{
    json_t *array = json_array();

    for (guint i = 0; i < n; i++)
        json_array_append_new(array, json_integer(first + i));
    return array;
}

/* A port made by CreatePort, until its caller has received the reply. */
typedef struct Grant {
    Broker *broker;
    char *id;
} Grant;

static Grant *
grant_new(Broker *broker, const char *id)
{
    Grant *grant = g_new(Grant, 1);

    *grant = (Grant){broker, g_strdup(id)};
    return grant;
}

static void
grant_free(gpointer data)
{
    Grant *grant = data;

    g_free(grant->id);
    g_free(grant);
}

/* VarlinkLost. Descriptors that nobody received end their port anyway; other holders would not. */
static void
grant_lost(gpointer data)
{
    const Grant *grant = data;

    broker_undo_grant(grant->broker, grant->id);
}

/* broker: for a new port; NULL: the port existed before. */
static void
reply_grant(VarlinkCall *call, PortGrant *grant, Broker *broker)
{
    DescriptorArray *descriptors = g_steal_pointer(&grant->taps);
    guint n_taps = descriptors->len, n_vhosts = grant->vhosts->len;
    json_t *reply = json_object();

    for (guint i = 0; i < n_vhosts; i++)
        descriptor_array_take(descriptors, descriptor_array_steal(grant->vhosts, i));
    json_object_set_new(reply, "port", api_json_port(grant->port));
    json_object_set_new(reply, "tapFileDescriptors", indexes(0, n_taps));
    json_object_set_new(reply, "vhostFileDescriptors", indexes(n_taps, n_vhosts));
    if (broker)
        varlink_call_reply_or(call, reply, descriptors, grant_lost,
                              grant_new(broker, grant->port->id), grant_free);
    else
        varlink_call_reply(call, reply, descriptors);
}

static json_t *
port_to_json(Api *api, const Port *port, gboolean with_statistics)
{
    LinkStatistics statistics;
    json_t *object;

    broker_observe_frames(api->broker, port);
    object = api_json_port(port);
    if (with_statistics && broker_statistics(api->broker, port, &statistics))
        json_object_set_new(object, "statistics", api_json_statistics(&statistics));
    return object;
}

static json_t *
host_links_to_json(Api *api, const Network *network, gboolean is_root)
{
    g_autoptr(GPtrArray) links = broker_list_host_links(api->broker, network);

    return api_json_host_links(links, is_root);
}

/* What a list of networks has of each. */
static json_t *
network_to_json(Api *api, const Caller *caller, const Network *network)
{
    const AddressSettings *addresses = &network->addresses;
    g_auto(GStrv) problems = network->problem ? NULL : broker_parent_problems(api->broker, network);
    /* The message names networks that not everyone may know. */
    g_auto(GStrv) taken = caller_is_root(caller) ? broker_taken_vlans(api->broker, network) : NULL;
    json_t *object = api_json_network(network, broker_count_ports(api->broker, network->name),
                                      broker_unguarded(api->broker), (const char *const *)problems,
                                      (const char *const *)taken);
    json_t *pools = json_array();

    for (guint family = 0; family < ADDRESS_FAMILIES; family++) {
        if (addresses->pools[family])
            json_array_append_new(
                pools,
                api_json_pool(network, family, broker_count_leases(api->broker, network, family)));
    }
    if (json_array_size(pools) > 0)
        json_object_set(object, "pools", pools);
    json_decref(pools);
    if (network->host_access)
        json_object_set_new(object, "hostLinks",
                            host_links_to_json(api, network, caller_is_root(caller)));
    return object;
}

/* And of the only one that the caller has asked for. */
static void
add_details(Api *api, const Caller *caller, const Network *network, json_t *object)
{
    g_autoptr(GPtrArray) ports = broker_list_ports(api->broker, caller, network->name);
    g_autoptr(GArray) parents = network->problem ? NULL : broker_list_parents(api->broker, network);
    json_t *members = json_array(), *links = json_array();

    for (guint i = 0; i < ports->len; i++)
        json_array_append_new(members, port_to_json(api, ports->pdata[i], TRUE));
    json_object_set_new(object, "members", members);
    for (guint i = 0; parents && i < parents->len; i++)
        json_array_append_new(links, api_json_parent(&g_array_index(parents, ParentState, i)));
    json_object_set_new(object, "parentLinks", links);
}

/* The networks of the list, or the one with this name; NULL and *error: there is none. */
static json_t *
networks_to_json(Api *api, const Caller *caller, const GPtrArray *networks, const char *only,
                 GError **error)
{
    json_t *array = json_array();

    for (guint i = 0; i < networks->len; i++) {
        const Network *network = networks->pdata[i];
        json_t *object;

        if (only && !g_str_equal(network->name, only))
            continue;
        object = network_to_json(api, caller, network);
        if (only)
            add_details(api, caller, network, object);
        json_array_append_new(array, object);
    }
    if (!only || json_array_size(array) > 0)
        return array;
    json_decref(array);
    broker_refuse_network(api->broker, caller, only, error);
    return NULL;
}

static void
on_list_networks(VarlinkCall *call, gpointer user_data)
{
    Api *api = user_data;
    Caller caller = api_caller(call);
    g_autoptr(GPtrArray) networks = NULL;
    g_autoptr(GPtrArray) faults = NULL;
    g_autoptr(GError) error = NULL;
    g_auto(SimpleRequest) request = {0};
    g_auto(GStrv) changes = NULL;
    const char *field = NULL;
    json_t *array, *reply;

    if (!api_request_networks(varlink_call_parameters(call), &request, &field)) {
        api_refuse(call, field, NULL);
        return;
    }
    networks = broker_list_networks(api->broker, &caller);
    array = networks_to_json(api, &caller, networks, request.network, &error);
    if (!array) {
        api_error_send(call, error);
        return;
    }
    changes = broker_list_file_changes(api->broker, &caller);
    reply = json_pack("{s:o}", "networks", array);
    if (changes)
        json_object_set_new(reply, "fileChanges", api_json_strings((const char *const *)changes));
    faults = broker_list_faults(api->broker, &caller);
    if (faults->len > 0)
        json_object_set_new(reply, "faults", api_json_faults(faults));
    varlink_call_reply(call, reply, NULL);
}

static void
on_list_ports(VarlinkCall *call, gpointer user_data)
{
    Api *api = user_data;
    Caller caller = api_caller(call);
    g_autoptr(GPtrArray) ports = NULL;
    g_autoptr(GError) error = NULL;
    const char *field = NULL;
    g_auto(SimpleRequest) request = {0};
    json_t *array;

    if (!api_request_list(varlink_call_parameters(call), &request, &field)) {
        api_refuse(call, field, NULL);
        return;
    }
    if (request.network && !broker_check_network(api->broker, &caller, request.network, &error)) {
        api_error_send(call, error);
        return;
    }
    ports = broker_list_ports(api->broker, &caller, request.network);
    array = json_array();
    for (guint i = 0; i < ports->len; i++)
        json_array_append_new(array, port_to_json(api, ports->pdata[i], request.statistics));
    varlink_call_reply(call, json_pack("{s:o}", "ports", array), NULL);
}

static void
on_get_port(VarlinkCall *call, gpointer user_data)
{
    Api *api = user_data;
    Caller caller = api_caller(call);
    g_autoptr(GError) error = NULL;
    const char *field = NULL;
    const Port *port = NULL;
    g_auto(SimpleRequest) request = {0};

    if (api_request_get(varlink_call_parameters(call), &request, &field))
        port = broker_get_port(api->broker, &caller, request.port, &error);
    if (port)
        varlink_call_reply(
            call, json_pack("{s:o}", "port", port_to_json(api, port, request.statistics)), NULL);
    else
        api_refuse(call, field, error);
}

/* checkOnly: nothing is granted, so nothing is logged. */
static void
check_port(Api *api, VarlinkCall *call, const Caller *caller, const PortRequest *request)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Port) port = broker_check_port(api->broker, caller, request, &error);

    if (port)
        varlink_call_reply(call,
                           json_pack("{s:o, s:[], s:[]}", "port", api_json_port(port),
                                     "tapFileDescriptors", "vhostFileDescriptors"),
                           NULL);
    else
        api_error_send(call, error);
}

static void
on_create_port(VarlinkCall *call, gpointer user_data)
{
    Api *api = user_data;
    Caller caller = api_caller(call);
    g_auto(PortRequest) request = {0};
    g_auto(PortGrant) grant = {0};
    g_autoptr(GError) error = NULL;
    const char *field = NULL;
    gboolean good = api_request_create(varlink_call_parameters(call), &request, &field, &error);

    if (good && request.check_only) {
        check_port(api, call, &caller, &request);
        return;
    }
    if (!good || !broker_create_port(api->broker, &caller, &request, &grant, &error)) {
        api_refuse_grant(
            api, call,
            (TrailRefusal){.verb = "create", .network = request.network, .port = request.name},
            field, error);
        return;
    }
    trail_created(api->trail, &caller, grant.port);
    reply_grant(call, &grant, api->broker);
}

static void
on_open_port(VarlinkCall *call, gpointer user_data)
{
    Api *api = user_data;
    Caller caller = api_caller(call);
    g_auto(PortGrant) grant = {0};
    g_autoptr(GError) error = NULL;
    const char *field = NULL;
    g_auto(SimpleRequest) request = {0};

    if (!api_request_open(varlink_call_parameters(call), &request, &field, &error) ||
        !broker_open_port(api->broker, &caller, request.port, request.queues, &grant, &error)) {
        api_refuse_grant(api, call, (TrailRefusal){.verb = "open", .port = request.port}, field,
                         error);
        return;
    }
    trail_opened(api->trail, &caller, grant.port, grant.taps->len);
    reply_grant(call, &grant, NULL);
}

static void
on_capture_port(VarlinkCall *call, gpointer user_data)
{
    Api *api = user_data;
    Caller caller = api_caller(call);
    g_auto(CaptureRequest) request = {0};
    g_autoptr(GError) error = NULL;
    const char *field = NULL;
    const Port *port = NULL;
    DescriptorArray *descriptors;
    int fd = -1;

    if (api_request_capture(varlink_call_parameters(call), &request, &field, &error))
        port = broker_capture_port(api->broker, &caller, &request, &fd, &error);
    if (!port) {
        api_refuse_grant(api, call, (TrailRefusal){.verb = "capture", .port = request.port}, field,
                         error);
        return;
    }
    trail_captured(api->trail, &caller, port, request.wish.frames);
    descriptors = descriptor_array_new();
    descriptor_array_take(descriptors, fd);
    varlink_call_reply(call,
                       json_pack("{s:o, s:i, s:o}", "port", api_json_port(port),
                                 "captureFileDescriptor", 0, "reasons", api_json_reasons()),
                       descriptors);
}

static void
on_set_port(VarlinkCall *call, gpointer user_data)
{
    Api *api = user_data;
    Caller caller = api_caller(call);
    g_auto(PortChange) change = {0};
    g_autoptr(GError) error = NULL;
    const char *field = NULL;
    const Port *port = NULL;

    if (api_request_change(varlink_call_parameters(call), &change, &field, &error))
        port = broker_change_port(api->broker, &caller, &change, &error);
    if (port)
        varlink_call_reply(call, json_pack("{s:o}", "port", api_json_port(port)), NULL);
    else
        api_refuse_grant(api, call, (TrailRefusal){.verb = "change", .port = change.port}, field,
                         error);
}

static void
on_reload(VarlinkCall *call, gpointer user_data)
{
    Api *api = user_data;
    Caller caller = api_caller(call);
    g_autoptr(GError) cause = NULL, error = NULL;
    const char *field = NULL;
    guint n_networks;

    if (!api_request_nothing(varlink_call_parameters(call), &field)) {
        api_refuse(call, field, NULL);
    } else if (!caller_is_root(&caller)) {
        port_error_set(&error, PORT_ERROR_ACCESS_DENIED,
                       "only root may make macvtapd read its files again");
        api_refuse_grant(api, call, (TrailRefusal){.verb = "reload"}, NULL, error);
    } else if (!api->reload(&caller, &n_networks, api->reload_data, &cause)) {
        port_error_set(&error, PORT_ERROR_SYSTEM, "%s", cause->message);
        api_error_send(call, error);
    } else {
        varlink_call_reply(call, json_pack("{s:I}", "networks", (json_int_t)n_networks), NULL);
    }
}

const VarlinkMethod api_methods[] = {
    {"ListNetworks", on_list_networks},
    {"ListPorts", on_list_ports},
    {"GetPort", on_get_port},
    {"CreatePort", on_create_port},
    {"OpenPort", on_open_port},
    {"CapturePort", on_capture_port},
    {"SetPort", on_set_port},
    {"DeletePort", api_on_delete_port},
    {"EndDomain", api_on_end_domain},
    {"Reload", on_reload},
    {"GetStatistics", api_on_get_statistics},
    {"WatchPorts", api_on_watch_ports, .needs_more = TRUE},
    {NULL},
};

Api *
api_new(VarlinkServer *server, Broker *broker, ApiReload reload, gpointer reload_data)
{
    Api *api = g_new0(Api, 1);

    api->server = server;
    api->broker = broker;
    api->reload = reload;
    api->reload_data = reload_data;
    api->streams = g_hash_table_new(NULL, NULL);
    api->trail = trail_new(broker);
    api_counters_start(api);
    varlink_server_add_interface(server, "org.macvtapd.Ports", api_description(), api_methods, api);
    return api;
}

void
api_free(Api *api)
{
    if (!api)
        return;
    api_counters_stop(api);
    trail_close(api->trail);
    trail_unref(api->trail);
    g_hash_table_unref(api->streams);
    g_free(api);
}
