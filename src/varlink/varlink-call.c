/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "varlink-connection.h"

#include "varlink-transport.h"

#include <stdlib.h>

struct VarlinkCall {
    guint references;
    VarlinkConnection *connection; /* a reference, for its peer's sake */
    VarlinkCallMessage message;
    gboolean over; /* answered for the last time, or nobody is left to answer */
    void (*on_gone)(VarlinkCall *call, gpointer user_data);
    gpointer on_gone_data;
    VarlinkLost lost; /* of the last reply */
    gpointer lost_data;
    GDestroyNotify free_lost_data;
};

VarlinkCall *
varlink_call_new(VarlinkConnection *connection, VarlinkCallMessage *message)
{
    VarlinkCall *call = g_new0(VarlinkCall, 1);

    call->references = 1;
    call->connection = varlink_connection_ref(connection);
    call->message = *message;
    *message = (VarlinkCallMessage){0};
    return call;
}

VarlinkCall *
varlink_call_ref(VarlinkCall *call)
{
    call->references++;
    return call;
}

void
varlink_call_unref(VarlinkCall *call)
{
    if (!call || --call->references > 0)
        return;
    /* A handler forgot it. The caller must not wait for ever. */
    if (!call->over) {
        varlink_connection_call_done(call->connection);
        varlink_connection_fail(call->connection);
    }
    varlink_call_message_clear(&call->message);
    varlink_connection_unref(call->connection);
    g_free(call);
}

const char *
varlink_call_method(const VarlinkCall *call)
{
    return call->message.method;
}

gboolean
varlink_call_wants_upgrade(const VarlinkCall *call)
{
    return call->message.upgrade;
}

json_t *
varlink_call_parameters(VarlinkCall *call)
{
    return call->message.parameters;
}

const VarlinkPeer *
varlink_call_peer(VarlinkCall *call)
{
    return varlink_connection_peer(call->connection);
}

gboolean
varlink_call_wants_more(VarlinkCall *call)
{
    return call->message.more;
}

/* Takes parameters and descriptors, sent or not. */
static gboolean
call_send(VarlinkCall *call, VarlinkReplyMessage *reply, DescriptorArray *descriptors)
{
    char *text = NULL;

    if (!call->over && !call->message.oneway && varlink_connection_is_alive(call->connection)) {
        text = varlink_reply_message_format(reply);
        if (!text)
            varlink_connection_fail(call->connection);
    }
    json_decref(reply->parameters);
    if (text)
        return varlink_connection_send(call->connection, text, descriptors);
    g_clear_pointer(&descriptors, g_array_unref);
    return FALSE;
}

void
varlink_call_sent(VarlinkCall *call, gboolean lost)
{
    VarlinkLost callback = g_steal_pointer(&call->lost);

    if (lost && callback)
        callback(call->lost_data);
    if (call->free_lost_data)
        call->free_lost_data(call->lost_data);
    call->free_lost_data = NULL;
}

static void
call_finish(VarlinkCall *call, VarlinkReplyMessage *reply, DescriptorArray *descriptors)
{
    gboolean was_over = call->over, sent;

    if (!reply->parameters)
        reply->parameters = json_object();
    sent = call_send(call, reply, descriptors) || call->message.oneway;
    call->over = TRUE;
    if (!sent || !call->lost || !varlink_connection_await_sent(call->connection, call))
        varlink_call_sent(call, !sent);
    if (!was_over)
        varlink_connection_call_done(call->connection);
}

void
varlink_call_reply(VarlinkCall *call, json_t *parameters, DescriptorArray *descriptors)
{
    VarlinkReplyMessage reply = {.parameters = parameters};

    call_finish(call, &reply, descriptors);
}

void
varlink_call_reply_or(VarlinkCall *call, json_t *parameters, DescriptorArray *descriptors,
                      VarlinkLost lost, gpointer user_data, GDestroyNotify free_data)
{
    call->lost = lost;
    call->lost_data = user_data;
    call->free_lost_data = free_data;
    varlink_call_reply(call, parameters, descriptors);
}

gboolean
varlink_call_reply_more(VarlinkCall *call, json_t *parameters)
{
    VarlinkReplyMessage reply = {.parameters = parameters, .continues = TRUE};

    if (!call->message.more) {
        json_decref(parameters);
        g_return_val_if_reached(FALSE);
    }
    if (!reply.parameters)
        reply.parameters = json_object();
    return call_send(call, &reply, NULL);
}

void
varlink_call_error(VarlinkCall *call, const char *error, json_t *parameters)
{
    VarlinkReplyMessage reply = {.error = (char *)error, .parameters = parameters};

    call_finish(call, &reply, NULL);
}

void
varlink_call_invalid_parameter(VarlinkCall *call, const char *field)
{
    varlink_call_error(call, "org.varlink.service.InvalidParameter",
                       json_pack("{s:s}", "parameter", field));
}

void
varlink_call_on_gone(VarlinkCall *call, void (*callback)(VarlinkCall *call, gpointer user_data),
                     gpointer user_data)
{
    call->on_gone = callback;
    call->on_gone_data = user_data;
}

void
varlink_call_gone(VarlinkCall *call)
{
    void (*callback)(VarlinkCall *, gpointer) = g_steal_pointer(&call->on_gone);

    call->over = TRUE;
    if (callback)
        callback(call, call->on_gone_data);
}
