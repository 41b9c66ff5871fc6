/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation.
 *
 * A connection handles one call at a time: it reads nothing more until that call is answered and
 * the whole reply has been sent. So a caller that sends a lot or reads nothing fills its own socket
 * buffer, not our memory. Only a stream of replies can pile up; a connection that exceeds the limit
 * is dropped.
 *
 * One turn of the poller handles one message, or the part of it that one read brings. A caller that
 * has sent more gets another turn after the others. A plain round trip costs poll, epoll_wait,
 * recvmsg, sendmsg.
 *
 * Input is reported once (edge-triggered): `readable` remembers it until a read returns less than
 * fits in the buffer and no end of input is left to read. End of input alone does not abort the
 * current call: a peer may shut down its writing side and still wait for the reply. A hang-up means
 * that nobody is left to read it.
 *
 * Callbacks may do anything, including freeing the server. So a failure inside a callback is only
 * recorded, a later turn closes the connection, and the code here holds a reference.
 */
#include "varlink-private.h"

#include "varlink-message.h"
#include "varlink-transport.h"

#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

struct VarlinkCall {
    guint references;
    VarlinkConnection *connection; /* a reference: the call uses its peer */
    VarlinkCallMessage message;
    gboolean over; /* the last reply was queued, or the caller is gone */
    void (*on_gone)(VarlinkCall *call, gpointer user_data);
    gpointer on_gone_data;
    VarlinkLost lost; /* of the last reply */
    gpointer lost_data;
    GDestroyNotify free_lost_data;
};

struct VarlinkConnection {
    guint references;
    VarlinkTransport transport;
    VarlinkPeer peer;
    gpointer note; /* the service's, */
    GDestroyNotify free_note;
    gsize unsent_limit, unsent_told; /* as last reported to the owner */
    guint value_limit;
    const VarlinkConnectionEvents *events;
    gpointer user_data;
    VarlinkWatch *watch;
    VarlinkCall *call;     /* the current one; not a reference */
    VarlinkCall *answered; /* a call to notify when its last reply is sent; a reference */
    gboolean running;      /* inside its turn, which checks for more work itself */
    gboolean readable;     /* there may be input */
    gboolean ended;        /* the peer sends no more: the end of input is still unread */
    gboolean hung_up;      /* the peer has hung up */
    gboolean failed;       /* close it in its next turn */
    gboolean closed;
};

static VarlinkConnection *
connection_ref(VarlinkConnection *connection)
{
    connection->references++;
    return connection;
}

void
varlink_connection_unref(VarlinkConnection *connection)
{
    if (--connection->references > 0)
        return;
    varlink_connection_close(connection);
    varlink_peer_clear(&connection->peer);
    if (connection->note)
        connection->free_note(connection->note);
    g_free(connection);
}

const VarlinkPeer *
varlink_connection_peer(const VarlinkConnection *connection)
{
    return &connection->peer;
}

/* Neither closed nor about to be. */
static gboolean
connection_is_alive(const VarlinkConnection *connection)
{
    return !connection->closed && !connection->failed;
}

/* The connection is closed. */
static void
call_gone(VarlinkCall *call)
{
    void (*callback)(VarlinkCall *, gpointer) = g_steal_pointer(&call->on_gone);

    call->over = TRUE;
    if (callback)
        callback(call, call->on_gone_data);
}

/* The last reply was sent, or (lost) never will be. */
static void
call_sent(VarlinkCall *call, gboolean lost)
{
    VarlinkLost callback = g_steal_pointer(&call->lost);

    if (lost && callback)
        callback(call->lost_data);
    if (call->free_lost_data)
        call->free_lost_data(call->lost_data);
    call->free_lost_data = NULL;
}

/* Reports to the owner how much is queued; FALSE if that is too much. */
static gboolean
connection_tell_unsent(VarlinkConnection *connection)
{
    gssize change = (gssize)(connection->transport.unsent_bytes - connection->unsent_told);

    connection->unsent_told = connection->transport.unsent_bytes;
    return change == 0 || connection->events->unsent(connection, change, connection->user_data);
}

static void
connection_tell_answered(VarlinkConnection *connection, gboolean lost)
{
    VarlinkCall *call = g_steal_pointer(&connection->answered);

    if (!call)
        return;
    call_sent(call, lost);
    varlink_call_unref(call);
}

void
varlink_connection_close(VarlinkConnection *connection)
{
    VarlinkCall *call = g_steal_pointer(&connection->call);

    if (connection->closed)
        return;
    connection->closed = TRUE;
    g_clear_pointer(&connection->watch, varlink_watch_free);
    varlink_transport_clear(&connection->transport);
    connection_tell_unsent(connection);
    if (call) {
        varlink_call_ref(call);
        call_gone(call);
        varlink_call_unref(call);
    }
    connection_tell_answered(connection, TRUE);
}

/* Closes the connection and notifies the owner, which may drop every reference but the caller's. */
static void
connection_drop(VarlinkConnection *connection)
{
    if (connection->closed)
        return;
    varlink_connection_close(connection);
    connection->events->closed(connection, connection->user_data);
}

/* Schedules the close for its next turn: safe inside handlers. */
static void
connection_fail(VarlinkConnection *connection)
{
    if (!connection_is_alive(connection))
        return;
    connection->failed = TRUE;
    varlink_watch_again(connection->watch);
}

static gboolean
connection_has_unsent(const VarlinkConnection *connection)
{
    return connection->transport.unsent.length > 0;
}

/* Whether the connection has any work for a turn. */
static gboolean
connection_has_work(const VarlinkConnection *connection)
{
    if (connection->call || connection_has_unsent(connection))
        return FALSE;
    return connection->readable || varlink_frame_has_message(&connection->transport.frame);
}

/* Whether more than one message is queued, and more than the limit. */
static gboolean
connection_is_over_limit(VarlinkConnection *connection)
{
    return connection->transport.unsent_bytes > connection->unsent_limit &&
           g_queue_get_length(&connection->transport.unsent) > 1;
}

static gboolean
connection_flush(VarlinkConnection *connection)
{
    VarlinkProgress progress = varlink_transport_write(&connection->transport, MSG_DONTWAIT, NULL);

    gboolean fits = connection_tell_unsent(connection);

    if (progress == VARLINK_PROGRESS_FAILED || !fits || connection_is_over_limit(connection)) {
        connection_fail(connection);
        return FALSE;
    }
    varlink_watch_set_output(connection->watch, progress == VARLINK_PROGRESS_WAIT);
    if (progress == VARLINK_PROGRESS_DONE)
        connection_tell_answered(connection, FALSE);
    return TRUE;
}

/* text: see varlink_transport_queue(). FALSE when the connection is closed or failed. */
static gboolean
connection_send(VarlinkConnection *connection, char *text, DescriptorArray *descriptors)
{
    varlink_transport_queue(&connection->transport, text, descriptors);
    return connection_flush(connection);
}

/* Whether data is still queued and the call must be told how sending it ends. */
static gboolean
connection_await_sent(VarlinkConnection *connection, VarlinkCall *call)
{
    if (!connection_has_unsent(connection))
        return FALSE;
    connection->answered = varlink_call_ref(call);
    return TRUE;
}

/* The current call is done; the next one may be handled. */
static void
connection_call_done(VarlinkConnection *connection)
{
    connection->call = NULL;
    if (connection->running || !connection_is_alive(connection))
        return;
    /* With a reply half sent, the turn comes when the socket accepts the rest. */
    if (connection_has_work(connection))
        varlink_watch_again(connection->watch);
}

/* Takes ownership of the message's content. */
static VarlinkCall *
call_new(VarlinkConnection *connection, VarlinkCallMessage *message)
{
    VarlinkCall *call = g_new0(VarlinkCall, 1);

    call->references = 1;
    call->connection = connection_ref(connection);
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
    /* A handler forgot to answer. The caller must not wait forever. */
    if (!call->over) {
        connection_call_done(call->connection);
        connection_fail(call->connection);
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

gpointer *
varlink_call_note(VarlinkCall *call, GDestroyNotify free_note)
{
    call->connection->free_note = free_note;
    return &call->connection->note;
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

/* Takes ownership of parameters and descriptors, even on failure. */
static gboolean
call_send(VarlinkCall *call, VarlinkReplyMessage *reply, DescriptorArray *descriptors)
{
    char *text = NULL;

    if (!call->over && !call->message.oneway && connection_is_alive(call->connection)) {
        text = varlink_reply_message_format(reply);
        if (!text)
            connection_fail(call->connection);
    }
    json_decref(reply->parameters);
    if (text)
        return connection_send(call->connection, text, descriptors);
    g_clear_pointer(&descriptors, g_array_unref);
    return FALSE;
}

static void
call_finish(VarlinkCall *call, VarlinkReplyMessage *reply, DescriptorArray *descriptors)
{
    gboolean was_over = call->over, sent;

    if (!reply->parameters)
        reply->parameters = json_object();
    sent = call_send(call, reply, descriptors) || call->message.oneway;
    call->over = TRUE;
    if (!sent || !call->lost || !connection_await_sent(call->connection, call))
        call_sent(call, !sent);
    if (!was_over)
        connection_call_done(call->connection);
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

static gboolean
connection_take_message(VarlinkConnection *connection, const VarlinkFrameMessage *text)
{
    g_auto(VarlinkCallMessage) message = {0};
    VarlinkCall *call;

    if (!varlink_message_has_at_most(text->text, text->length, connection->value_limit) ||
        !varlink_call_message_parse(text->text, text->length, &message, NULL))
        return FALSE;
    call = call_new(connection, &message);
    connection->call = call;
    connection->events->call(call, connection->user_data);
    varlink_call_unref(call);
    return TRUE;
}

/* FALSE: end of input, or an error. */
static gboolean
connection_read(VarlinkConnection *connection)
{
    VarlinkProgress progress = varlink_transport_read(&connection->transport, MSG_DONTWAIT, NULL);

    if (progress == VARLINK_PROGRESS_END || progress == VARLINK_PROGRESS_FAILED)
        return FALSE;
    if (progress == VARLINK_PROGRESS_WAIT ||
        (!varlink_frame_is_full(&connection->transport.frame) && !connection->ended))
        connection->readable = FALSE;
    return TRUE;
}

/* Handles one message, or reads once; FALSE when the connection must be dropped. */
static gboolean
connection_work(VarlinkConnection *connection)
{
    VarlinkFrameMessage message;
    VarlinkProgress progress;

    progress = varlink_transport_next(&connection->transport, &message, NULL, NULL);
    if (progress == VARLINK_PROGRESS_WAIT && connection->readable) {
        if (!connection_read(connection))
            return FALSE;
        progress = varlink_transport_next(&connection->transport, &message, NULL, NULL);
    }
    if (progress == VARLINK_PROGRESS_DONE)
        return connection_take_message(connection, &message) && !connection->failed;
    return progress == VARLINK_PROGRESS_WAIT;
}

static void
connection_note(VarlinkConnection *connection, guint32 events)
{
    connection->hung_up |= (events & (EPOLLHUP | EPOLLERR)) != 0;
    connection->ended |= (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
    connection->readable |= (events & EPOLLIN) != 0 || connection->ended;
}

static gboolean
connection_do(VarlinkConnection *connection)
{
    /* The peer is gone, so nothing can be answered; but without a current call, earlier messages
     * may still be unread. */
    if (connection->failed || (connection->call && connection->hung_up))
        return FALSE;
    if (connection_has_unsent(connection) && !connection_flush(connection))
        return FALSE;
    return !connection_has_work(connection) || connection_work(connection);
}

/* VarlinkWatchFunc */
static void
connection_turn(guint32 events, gpointer user_data)
{
    g_autoptr(VarlinkConnection) connection = connection_ref(user_data);
    gboolean was_running = connection->running; /* a handler runs the main loop */
    gboolean good;

    connection_note(connection, events);
    connection->running = TRUE;
    good = connection_do(connection);
    connection->running = was_running;
    if (!good) {
        connection_drop(connection);
    } else if (connection_is_alive(connection)) {
        varlink_frame_release(&connection->transport.frame);
        if (connection_has_work(connection))
            varlink_watch_again(connection->watch);
    }
}

VarlinkConnection *
varlink_connection_new(VarlinkPoller *poller, int fd, VarlinkPeer *peer,
                       const VarlinkLimits *limits, const VarlinkConnectionEvents *events,
                       gpointer user_data, GError **error)
{
    VarlinkConnection *connection = g_new0(VarlinkConnection, 1);

    connection->references = 1;
    varlink_transport_init(&connection->transport, fd,
                           varlink_peer_is_trusted(peer) ? limits->message_bytes
                                                         : limits->message_bytes_of_others,
                           FALSE);
    connection->peer = *peer;
    *peer = (VarlinkPeer){.pidfd = -1};
    connection->unsent_limit = limits->unsent_bytes;
    connection->value_limit = limits->values;
    connection->events = events;
    connection->user_data = user_data;
    connection->watch = varlink_watch_new(poller, fd, varlink_peer_account(&connection->peer),
                                          connection_turn, connection, error);
    if (!connection->watch)
        g_clear_pointer(&connection, varlink_connection_unref);
    return connection;
}
