/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* WatchPorts: streams every change of the ports that the caller may see. */
#include "api-private.h"

#include "api-request.h"

/* The limit for each user but root, to which each of his ports adds one: the agent beside a VM
 * watches all the time. Every watcher adds work to each change, at the expense of others; so there
 * is a limit to that, too. */
#define STREAMS_PER_USER 32
#define STREAMS_PER_USER_MAX 256

/* A WatchPorts call that is streaming. */
typedef struct Stream {
    Api *api;
    VarlinkCall *call; /* a reference */
    guint watch;
} Stream;

static const char *const event_names[] = {
    [PORT_EVENT_CREATED] = "created",
    [PORT_EVENT_CHANGED] = "changed",
    [PORT_EVENT_DELETED] = "deleted",
    [PORT_EVENT_DROPPED] = "dropped",
};
G_STATIC_ASSERT(G_N_ELEMENTS(event_names) == PORT_EVENT_COUNT);

static gboolean
stream_send(Stream *stream, const char *event, const char *reason, const Port *port)
{
    json_t *parameters = json_pack("{s:s}", "event", event);

    if (port)
        json_object_set_new(parameters, "port", api_json_port(port));
    if (reason)
        json_object_set_new(parameters, "reason", json_string(reason));
    return varlink_call_reply_more(stream->call, parameters);
}

static void
stream_on_port_event(PortEvent event, const Port *port, const PortEnd *end, gpointer user_data)
{
    Stream *stream = user_data;
    Caller caller = api_caller(stream->call);

    if (broker_may_see(&caller, port))
        stream_send(stream, event_names[event],
                    event == PORT_EVENT_DROPPED ? guard_reason_name(port->drop_reason) : NULL,
                    port);
}

/* Adds change to the user's number of watches, and returns it; zero is not stored. */
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

static gboolean
check_limit(Api *api, const Caller *caller, GError **error)
{
    guint n = count_streams(api, caller, 0);
    guint most = STREAMS_PER_USER + broker_count_own_ports(api->broker, caller);

    return caller_is_root(caller) || n < MIN(most, STREAMS_PER_USER_MAX) ||
           port_error_set(error, PORT_ERROR_LIMIT_REACHED,
                          "you already have %u watches: a user may have %d, one more for each of "
                          "the user's ports, and %d in all",
                          n, STREAMS_PER_USER, STREAMS_PER_USER_MAX);
}

static void
stream_on_gone(VarlinkCall *call, gpointer user_data)
{
    Stream *stream = user_data;
    Caller caller = api_caller(call);

    count_streams(stream->api, &caller, -1);
    broker_unwatch(stream->api->broker, stream->watch);
    varlink_call_unref(stream->call);
    g_free(stream);
}

void
api_on_watch_ports(VarlinkCall *call, gpointer user_data)
{
    Api *api = user_data;
    Caller caller = api_caller(call);
    const char *field = NULL;
    g_autoptr(GError) error = NULL;
    Stream *stream;

    if (!api_request_nothing(varlink_call_parameters(call), &field)) {
        api_refuse(call, field, NULL);
        return;
    }
    if (!check_limit(api, &caller, &error)) {
        api_error_send(call, error);
        return;
    }
    count_streams(api, &caller, 1);
    stream = g_new0(Stream, 1);
    stream->api = api;
    stream->call = varlink_call_ref(call);
    stream->watch = broker_watch(api->broker, stream_on_port_event, stream);
    varlink_call_on_gone(call, stream_on_gone, stream);
    /* Sending may find the connection gone, and then frees the stream. */
    stream_send(stream, "ready", NULL, NULL);
}
