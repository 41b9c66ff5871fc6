/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The methods that end ports; they are answered once the ports are gone. */
#include "api-private.h"

#include "api-request.h"

/* A call that is answered when its ports are gone. */
typedef struct Ending {
    PortEnder ender;
    Trail *trail; /* these two are references */
    VarlinkCall *call;
    char *port; /* as the caller named it; NULL: by its domain */
} Ending;

/* The caller is only read when needed, so that a refused call does not pay for it. */
static Ending *
ending_new(Api *api, VarlinkCall *call, const char *port)
{
    Ending *ending = g_new0(Ending, 1);

    ending->ender.domain = !port;
    ending->trail = trail_ref(api->trail);
    ending->call = varlink_call_ref(call);
    ending->port = g_strdup(port);
    return ending;
}

static void
ending_free(Ending *ending)
{
    trail_asker_clear(&ending->ender.asker);
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
        trail_refused_later(ending->trail, &ending->ender.asker, &refusal);
        api_error_send(ending->call, error);
    } else if (ending->port) {
        varlink_call_reply(ending->call, NULL, NULL);
    } else {
        varlink_call_reply(ending->call, json_pack("{s:I}", "ports", (json_int_t)n_ports), NULL);
    }
}

/* A call that removes several ports. */
typedef struct Batch {
    PortEnder ender;
    Trail *trail; /* these two are references */
    VarlinkCall *call;
    guint n_left; /* ports still to end, plus one while removals are being started */
    guint n_deleted;
    json_t *failures;
} Batch;

/* One of its ports. */
typedef struct BatchPort {
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
    trail_asker_clear(&batch->ender.asker);
    trail_unref(batch->trail);
    varlink_call_unref(batch->call);
    g_free(batch);
}

static void
batch_fail_one(Batch *batch, const char *name, const GError *error)
{
    const TrailRefusal refusal = {.verb = "delete", .port = name, .reason = error->message};

    trail_refused_later(batch->trail, &batch->ender.asker, &refusal);
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

    *port = (BatchPort){batch, g_strdup(name)};
    batch->n_left++;
    if (broker_delete_port(broker, caller, id, &batch->ender, on_one_removed, port, &error))
        return;
    on_one_removed(0, error, port);
}

/* A port may have been named twice, as by its name and its interface. */
static void
batch_begin_named(Batch *batch, Broker *broker, const Caller *caller, char **names)
{
    g_autoptr(GHashTable) ports = g_hash_table_new(NULL, NULL);
    g_autoptr(GPtrArray) chosen = g_ptr_array_new();

    for (; *names; names++) {
        const Port *port = broker_get_port(broker, caller, *names, NULL);

        if (!port || g_hash_table_add(ports, (gpointer)port))
            g_ptr_array_add(chosen, *names);
    }
    for (guint i = 0; i < chosen->len; i++)
        batch_begin_one(batch, broker, caller, chosen->pdata[i], chosen->pdata[i]);
}

static void
batch_begin(Batch *batch, Broker *broker, const Caller *caller, const SimpleRequest *request)
{
    g_autoptr(GPtrArray) ports = NULL;

    if (request->ports) {
        batch_begin_named(batch, broker, caller, request->ports);
        return;
    }
    ports = broker_list_ports(broker, caller, request->network);
    for (guint j = 0; j < ports->len; j++) {
        const Port *port = ports->pdata[j];

        if (broker_may_change(caller, port))
            batch_begin_one(batch, broker, caller, port->id, port->name);
    }
}

static void
delete_many(Api *api, VarlinkCall *call, const Caller *caller, const SimpleRequest *request)
{
    Batch *batch = g_new0(Batch, 1);

    trail_asker_read(caller, &batch->ender.asker);
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

    if (!broker_delete_port(api->broker, caller, port, &ending->ender, on_removed, ending, error))
        return FALSE;
    trail_asker_read(caller, &ending->ender.asker);
    g_steal_pointer(&ending);
    return TRUE;
}

void
api_on_delete_port(VarlinkCall *call, gpointer user_data)
{
    Api *api = user_data;
    Caller caller = api_caller(call);
    g_autoptr(GError) error = NULL;
    const char *field = NULL;
    g_auto(SimpleRequest) request = {0};
    gboolean good =
        api_request_delete(varlink_call_parameters(call), &request, &field, &error) &&
        (!request.network || broker_check_network(api->broker, &caller, request.network, &error));

    if (good && !request.port)
        delete_many(api, call, &caller, &request);
    else if (!good || !delete_one(api, call, &caller, request.port, &error))
        api_refuse_grant(
            api, call,
            (TrailRefusal){.verb = "delete", .network = request.network, .port = request.port},
            field, error);
}

void
api_on_end_domain(VarlinkCall *call, gpointer user_data)
{
    Api *api = user_data;
    Caller caller = api_caller(call);
    g_autoptr(GError) error = NULL;
    char domain[UUID_TEXT_SIZE];
    const char *field = NULL;
    Ending *ending;

    if (!api_request_end_domain(varlink_call_parameters(call), domain, &field, &error)) {
        api_refuse(call, field, error);
        return;
    }
    ending = ending_new(api, call, NULL);
    trail_asker_read(&caller, &ending->ender.asker);
    broker_end_domain(api->broker, &caller, domain, &ending->ender, on_removed, ending);
}
