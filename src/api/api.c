/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "api.h"

#include "api-error.h"
#include "api-json.h"
#include "api-request.h"
#include "trail.h"

struct Api {
    Broker *broker;
    Trail *trail;
    ApiReload reload;
    gpointer reload_data;
    GHashTable *streams; /* caller_account() → how many it has; none with 0 */
};

/* Of each user but root. One change is work for each of them, and who made it does not pay for it. */
#define STREAMS_PER_USER 32

/* A WatchPorts call that streams. */
typedef struct Stream {
    Api *api;
    VarlinkCall *call; /* a reference */
    guint watch;
} Stream;

static Caller
caller_of(VarlinkCall *call)
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
    };
}

/* Answers a request that could not be converted. */
static void
refuse(VarlinkCall *call, const char *field, const GError *error)
{
    if (error)
        api_error_send(call, error);
    else
        varlink_call_invalid_parameter(call, field);
}

/* The same of a request for something, which leaves a trail; refusal has no reason yet. */
static void
refuse_grant(Api *api, VarlinkCall *call, TrailRefusal refusal, const char *field,
             const GError *error)
{
    Caller caller = caller_of(call);
    g_autofree char *what = field ? g_strdup_printf("parameter %s", field) : NULL;

    refusal.reason = error ? error->message : what;
    trail_refused(api->trail, &caller, &refusal);
    refuse(call, field, error);
}

static json_t *
indexes(guint first, guint n)
{
    json_t *array = json_array();

    for (guint i = 0; i < n; i++)
        json_array_append_new(array, json_integer(first + i));
    return array;
}

/* A port that CreatePort has made, until its caller has the answer. */
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

/* VarlinkLost. Descriptors that nobody got end their port anyway; other holders would not. */
static void
grant_lost(gpointer data)
{
    const Grant *grant = data;

    broker_undo_grant(grant->broker, grant->id);
}

/* broker: of a port that is new; NULL: it was there before. */
static void
reply_grant(VarlinkCall *call, PortGrant *grant, Broker *broker)
{
    DescriptorArray *descriptors = g_steal_pointer(&grant->taps);
    guint n_taps = descriptors->len, n_vhosts = grant->vhosts->len;
    json_t *reply;

    for (guint i = 0; i < n_vhosts; i++)
        descriptor_array_take(descriptors, descriptor_array_steal(grant->vhosts, i));
    reply = json_pack("{s:o, s:o, s:o}", "port", api_json_port(grant->port), "tapFileDescriptors",
                      indexes(0, n_taps), "vhostFileDescriptors", indexes(n_taps, n_vhosts));
    if (broker)
        varlink_call_reply_or(call, reply, descriptors, grant_lost,
                              grant_new(broker, grant->port->id), grant_free);
    else
        varlink_call_reply(call, reply, descriptors);
}

static void
on_list_networks(VarlinkCall *call, gpointer user_data)
{
    Api *api = user_data;
    Caller caller = caller_of(call);
    g_autoptr(GPtrArray) networks = NULL;
    g_auto(GStrv) changes = NULL;
    const char *field = NULL;
    json_t *array, *reply;

    if (!api_request_nothing(varlink_call_parameters(call), &field)) {
        refuse(call, field, NULL);
        return;
    }
    networks = broker_list_networks(api->broker, &caller);
    array = json_array();
    for (guint i = 0; i < networks->len; i++) {
        const Network *network = networks->pdata[i];
        g_auto(GStrv) problems =
            network->problem ? NULL : broker_parent_problems(api->broker, network);

        json_array_append_new(
            array, api_json_network(network, broker_count_ports(api->broker, network->name),
                                    (const char *const *)problems));
    }
    changes = broker_list_file_changes(api->broker, &caller);
    reply = json_pack("{s:o}", "networks", array);
    if (changes)
        json_object_set_new(reply, "fileChanges", api_json_strings((const char *const *)changes));
    varlink_call_reply(call, reply, NULL);
}

static json_t *
port_to_json(Api *api, const Port *port, gboolean with_statistics)
{
    json_t *object = api_json_port(port);
    LinkStatistics statistics;

    if (with_statistics && broker_statistics(api->broker, port, &statistics))
        json_object_set_new(object, "statistics", api_json_statistics(&statistics));
    return object;
}

static void
on_list_ports(VarlinkCall *call, gpointer user_data)
{
    Api *api = user_data;
    Caller caller = caller_of(call);
    g_autoptr(GPtrArray) ports = NULL;
    g_autoptr(GError) error = NULL;
    const char *field = NULL;
    SimpleRequest request;
    json_t *array;

    if (!api_request_list(varlink_call_parameters(call), &request, &field)) {
        refuse(call, field, NULL);
        return;
    }
    if (request.network && !broker_check_network(api->broker, request.network, &error)) {
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
    Caller caller = caller_of(call);
    g_autoptr(GError) error = NULL;
    const char *field = NULL;
    const Port *port = NULL;
    SimpleRequest request;

    if (api_request_get(varlink_call_parameters(call), &request, &field))
        port = broker_get_port(api->broker, &caller, request.port, &error);
    if (port)
        varlink_call_reply(
            call, json_pack("{s:o}", "port", port_to_json(api, port, request.statistics)), NULL);
    else
        refuse(call, field, error);
}

/* checkOnly: nothing was asked for yet, so the trail has nothing of it. */
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
    Caller caller = caller_of(call);
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
        refuse_grant(
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
    Caller caller = caller_of(call);
    g_auto(PortGrant) grant = {0};
    g_autoptr(GError) error = NULL;
    const char *field = NULL;
    SimpleRequest request = {0};

    if (!api_request_open(varlink_call_parameters(call), &request, &field, &error) ||
        !broker_open_port(api->broker, &caller, request.port, (guint)request.queues, &grant,
                          &error)) {
        refuse_grant(api, call, (TrailRefusal){.verb = "open", .port = request.port}, field, error);
        return;
    }
    trail_opened(api->trail, &caller, grant.port, grant.taps->len);
    reply_grant(call, &grant, NULL);
}

static void
on_set_port(VarlinkCall *call, gpointer user_data)
{
    Api *api = user_data;
    Caller caller = caller_of(call);
    g_auto(PortChange) change = {0};
    g_autoptr(GError) error = NULL;
    const char *field = NULL;
    const Port *port = NULL;

    if (api_request_change(varlink_call_parameters(call), &change, &field, &error))
        port = broker_change_port(api->broker, &caller, &change, &error);
    if (port)
        varlink_call_reply(call, json_pack("{s:o}", "port", api_json_port(port)), NULL);
    else
        refuse_grant(api, call, (TrailRefusal){.verb = "change", .port = change.port}, field,
                     error);
}

/* A call that is answered when ports have gone. */
typedef struct Ending {
    TrailEnding trail_ending; /* first, see there */
    Trail *trail;             /* these two are references */
    VarlinkCall *call;
    char *port; /* as the caller named it; NULL: its domain's */
} Ending;

/* Who asks is read apart: a call that is refused need not cost that. */
static Ending *
ending_new(Api *api, VarlinkCall *call, const char *port)
{
    Ending *ending = g_new0(Ending, 1);

    ending->trail_ending.domain = !port;
    ending->trail = trail_ref(api->trail);
    ending->call = varlink_call_ref(call);
    ending->port = g_strdup(port);
    return ending;
}

static void
ending_free(Ending *ending)
{
    trail_asker_clear(&ending->trail_ending.asker);
    trail_unref(ending->trail);
    varlink_call_unref(ending->call);
    g_free(ending->port);
    g_free(ending);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Ending, ending_free)

/* BrokerRemoved */
static void
on_removed(guint n_ports, const GError *error, gpointer user_data)
{
    g_autoptr(Ending) ending = user_data;
    const TrailRefusal refusal = {
        .verb = "delete", .port = ending->port, .reason = error ? error->message : NULL};

    if (error) {
        trail_refused_later(ending->trail, &ending->trail_ending.asker, &refusal);
        api_error_send(ending->call, error);
    } else if (ending->port) {
        varlink_call_reply(ending->call, NULL, NULL);
    } else {
        varlink_call_reply(ending->call, json_pack("{s:I}", "ports", (json_int_t)n_ports), NULL);
    }
}

/* A call that several ports are removed for. */
typedef struct Batch {
    TrailEnding trail_ending;
    Trail *trail; /* these two are references */
    VarlinkCall *call;
    guint n_left; /* whose end is to come, and one while more are begun */
    guint n_deleted;
    json_t *failures;
} Batch;

/* One of its ports. */
typedef struct BatchPort {
    TrailEnding trail_ending; /* first, see there; its texts are the batch's */
    Batch *batch;
    char *name;
} BatchPort;

static void
batch_end_one(Batch *batch)
{
    if (--batch->n_left > 0)
        return;
    varlink_call_reply(batch->call,
                       json_pack("{s:I, s:O}", "deleted", (json_int_t)batch->n_deleted, "failures",
                                 batch->failures),
                       NULL);
    json_decref(batch->failures);
    trail_asker_clear(&batch->trail_ending.asker);
    trail_unref(batch->trail);
    varlink_call_unref(batch->call);
    g_free(batch);
}

static void
batch_fail_one(Batch *batch, const char *name, const GError *error)
{
    const TrailRefusal refusal = {.verb = "delete", .port = name, .reason = error->message};

    trail_refused_later(batch->trail, &batch->trail_ending.asker, &refusal);
    json_array_append_new(batch->failures, api_error_to_json(name, error));
}

/* BrokerRemoved */
static void
on_one_removed(guint n_ports, const GError *error, gpointer user_data)
{
    BatchPort *port = user_data;

    if (error)
        batch_fail_one(port->batch, port->name, error);
    else
        port->batch->n_deleted += n_ports;
    batch_end_one(port->batch);
    g_free(port->name);
    g_free(port);
}

/* name: for the caller; id: of the port. */
static void
batch_begin_one(Batch *batch, Broker *broker, const Caller *caller, const char *id,
                const char *name)
{
    BatchPort *port = g_new(BatchPort, 1);
    g_autoptr(GError) error = NULL;

    *port = (BatchPort){batch->trail_ending, batch, g_strdup(name)};
    batch->n_left++;
    if (broker_delete_port(broker, caller, id, on_one_removed, port, &error))
        return;
    on_one_removed(0, error, port);
}

static void
batch_begin(Batch *batch, Broker *broker, const Caller *caller, const SimpleRequest *request)
{
    g_autoptr(GPtrArray) ports = NULL;
    json_t *element;
    gsize i;

    json_array_foreach (request->ports, i, element)
        batch_begin_one(batch, broker, caller, json_string_value(element),
                        json_string_value(element));
    if (request->ports)
        return;
    ports = broker_list_ports(broker, caller, request->network);
    for (guint j = 0; j < ports->len; j++) {
        const Port *port = ports->pdata[j];

        batch_begin_one(batch, broker, caller, port->id, port->name);
    }
}

static void
delete_many(Api *api, VarlinkCall *call, const Caller *caller, const SimpleRequest *request)
{
    Batch *batch = g_new0(Batch, 1);

    trail_asker_read(caller, &batch->trail_ending.asker);
    batch->trail = trail_ref(api->trail);
    batch->call = varlink_call_ref(call);
    batch->failures = json_array();
    batch->n_left = 1;
    batch_begin(batch, api->broker, caller, request);
    batch_end_one(batch);
}

static gboolean
delete_one(Api *api, VarlinkCall *call, const Caller *caller, const char *port, GError **error)
{
    g_autoptr(Ending) ending = ending_new(api, call, port);

    if (!broker_delete_port(api->broker, caller, port, on_removed, ending, error))
        return FALSE;
    trail_asker_read(caller, &ending->trail_ending.asker);
    g_steal_pointer(&ending);
    return TRUE;
}

static void
on_delete_port(VarlinkCall *call, gpointer user_data)
{
    Api *api = user_data;
    Caller caller = caller_of(call);
    g_autoptr(GError) error = NULL;
    const char *field = NULL;
    SimpleRequest request = {0};
    gboolean good =
        api_request_delete(varlink_call_parameters(call), &request, &field, &error) &&
        (!request.network || broker_check_network(api->broker, request.network, &error));

    if (good && !request.port)
        delete_many(api, call, &caller, &request);
    else if (!good || !delete_one(api, call, &caller, request.port, &error))
        refuse_grant(
            api, call,
            (TrailRefusal){.verb = "delete", .network = request.network, .port = request.port},
            field, error);
}

static void
on_end_domain(VarlinkCall *call, gpointer user_data)
{
    Api *api = user_data;
    Caller caller = caller_of(call);
    g_autoptr(GError) error = NULL;
    char domain[UUID_TEXT_SIZE];
    const char *field = NULL;
    Ending *ending;

    if (!api_request_end_domain(varlink_call_parameters(call), domain, &field, &error)) {
        refuse(call, field, error);
        return;
    }
    ending = ending_new(api, call, NULL);
    trail_asker_read(&caller, &ending->trail_ending.asker);
    broker_end_domain(api->broker, &caller, domain, on_removed, ending);
}

static void
on_reload(VarlinkCall *call, gpointer user_data)
{
    Api *api = user_data;
    Caller caller = caller_of(call);
    g_autoptr(GError) cause = NULL, error = NULL;
    const char *field = NULL;
    guint n_networks;

    if (!api_request_nothing(varlink_call_parameters(call), &field)) {
        refuse(call, field, NULL);
    } else if (!caller_is_root(&caller)) {
        port_error_set(&error, PORT_ERROR_ACCESS_DENIED, "only root may have the files read again");
        refuse_grant(api, call, (TrailRefusal){.verb = "reload"}, NULL, error);
    } else if (!api->reload(&caller, &n_networks, api->reload_data, &cause)) {
        port_error_set(&error, PORT_ERROR_SYSTEM, "%s", cause->message);
        api_error_send(call, error);
    } else {
        varlink_call_reply(call, json_pack("{s:I}", "networks", (json_int_t)n_networks), NULL);
    }
}

static const char *const event_names[] = {
    [PORT_EVENT_CREATED] = "created",
    [PORT_EVENT_CHANGED] = "changed",
    [PORT_EVENT_DELETED] = "deleted",
};
G_STATIC_ASSERT(G_N_ELEMENTS(event_names) == PORT_EVENT_DELETED + 1);

static gboolean
stream_send(Stream *stream, const char *event, const Port *port)
{
    json_t *parameters = json_pack("{s:s}", "event", event);

    if (port)
        json_object_set_new(parameters, "port", api_json_port(port));
    return varlink_call_reply_more(stream->call, parameters);
}

static void
stream_on_port_event(PortEvent event, const Port *port, const PortEnd *end, gpointer user_data)
{
    Stream *stream = user_data;
    Caller caller = caller_of(stream->call);

    if (broker_may_see(&caller, port))
        stream_send(stream, event_names[event], port);
}

/* Returns how many this user has then; none is not kept. */
static guint
count_streams(Api *api, const Caller *caller, int change)
{
    gpointer user = GUINT_TO_POINTER(caller_account(caller));
    guint n = GPOINTER_TO_UINT(g_hash_table_lookup(api->streams, user)) + (guint)change;

    if (n > 0)
        g_hash_table_insert(api->streams, user, GUINT_TO_POINTER(n));
    else
        g_hash_table_remove(api->streams, user);
    return n;
}

static void
stream_on_gone(VarlinkCall *call, gpointer user_data)
{
    Stream *stream = user_data;
    Caller caller = caller_of(call);

    count_streams(stream->api, &caller, -1);
    broker_unwatch(stream->api->broker, stream->watch);
    varlink_call_unref(stream->call);
    g_free(stream);
}

static void
on_watch_ports(VarlinkCall *call, gpointer user_data)
{
    Api *api = user_data;
    Caller caller = caller_of(call);
    const char *field = NULL;
    Stream *stream;

    if (!api_request_nothing(varlink_call_parameters(call), &field)) {
        refuse(call, field, NULL);
        return;
    }
    if (count_streams(api, &caller, 1) > STREAMS_PER_USER && !caller_is_root(&caller)) {
        g_autoptr(GError) error = NULL;

        count_streams(api, &caller, -1);
        port_error_set(&error, PORT_ERROR_LIMIT_REACHED, "you watch already %u times",
                       STREAMS_PER_USER);
        api_error_send(call, error);
        return;
    }
    stream = g_new0(Stream, 1);
    stream->api = api;
    stream->call = varlink_call_ref(call);
    stream->watch = broker_watch(api->broker, stream_on_port_event, stream);
    varlink_call_on_gone(call, stream_on_gone, stream);
    /* Sending may find the connection gone, and then frees the stream. */
    stream_send(stream, "ready", NULL);
}

static const VarlinkMethod methods[] = {
    {"ListNetworks", on_list_networks, FALSE},
    {"ListPorts", on_list_ports, FALSE},
    {"GetPort", on_get_port, FALSE},
    {"CreatePort", on_create_port, FALSE},
    {"OpenPort", on_open_port, FALSE},
    {"SetPort", on_set_port, FALSE},
    {"DeletePort", on_delete_port, FALSE},
    {"EndDomain", on_end_domain, FALSE},
    {"Reload", on_reload, FALSE},
    {"WatchPorts", on_watch_ports, TRUE},
    {NULL},
};

Api *
api_new(VarlinkServer *server, Broker *broker, ApiReload reload, gpointer reload_data,
        GError **error)
{
    g_autoptr(Api) api = g_new0(Api, 1);

    api->broker = broker;
    api->reload = reload;
    api->reload_data = reload_data;
    api->streams = g_hash_table_new(NULL, NULL);
    api->trail = trail_new(broker);
    if (!varlink_server_add_interface(server, api_description(), methods, api, error))
        return NULL;
    return g_steal_pointer(&api);
}

void
api_free(Api *api)
{
    if (!api)
        return;
    trail_close(api->trail);
    trail_unref(api->trail);
    g_hash_table_unref(api->streams);
    g_free(api);
}
