/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation.
 *
 * One GSource per connection. A connection handles one call at a time: while a call is in hand, or
 * its reply is not wholly sent, nothing more is read, so a caller who sends much or reads nothing
 * fills his own socket and no memory of ours. Only a stream of replies can pile up; above the limit
 * its connection is dropped.
 *
 * A plain round trip costs poll, recvmsg, sendmsg. Changing the polled events would wake the loop
 * (GLib writes to an eventfd), so it is put off until it matters: input stays polled while a call
 * is in hand, and only when some really comes it is switched off.
 *
 * End of input alone does not end a call in hand: a peer may shut down its writing side and still
 * wait for the reply. POLLHUP means that nobody is there to read it.
 *
 * Callbacks may do anything, free the server included. So a failure within one is only noted, the
 * main loop closes the connection later, and the work here holds a reference.
 */
#include "varlink-connection.h"

#include "varlink-transport.h"

#include <glib-unix.h>
#include <sys/socket.h>

struct VarlinkConnection {
    guint references;
    VarlinkTransport transport;
    VarlinkPeer peer;
    gsize unsent_limit;
    const VarlinkConnectionEvents *events;
    gpointer user_data;
    GSource *source;
    gpointer tag;
    GIOCondition polled;
    VarlinkCall *call;  /* the one in hand; not a reference */
    gboolean running;   /* within connection_run(), which goes on by itself */
    gboolean suspended; /* input is there but must wait */
    gboolean failed;    /* to be closed by the main loop */
    gboolean closed;
};

typedef struct ConnectionSource {
    GSource source;
    VarlinkConnection *connection;
} ConnectionSource;

VarlinkConnection *
varlink_connection_ref(VarlinkConnection *connection)
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
    g_free(connection);
}

const VarlinkPeer *
varlink_connection_peer(const VarlinkConnection *connection)
{
    return &connection->peer;
}

gboolean
varlink_connection_is_alive(const VarlinkConnection *connection)
{
    return !connection->closed && !connection->failed;
}

void
varlink_connection_close(VarlinkConnection *connection)
{
    VarlinkCall *call = g_steal_pointer(&connection->call);

    if (connection->closed)
        return;
    connection->closed = TRUE;
    g_source_destroy(connection->source);
    g_clear_pointer(&connection->source, g_source_unref);
    varlink_transport_clear(&connection->transport);
    if (call) {
        varlink_call_ref(call);
        varlink_call_gone(call);
        varlink_call_unref(call);
    }
}

/* Closes and tells the owner, who may let go of the last reference but the caller's. */
static void
connection_drop(VarlinkConnection *connection)
{
    if (connection->closed)
        return;
    varlink_connection_close(connection);
    connection->events->closed(connection, connection->user_data);
}

void
varlink_connection_fail(VarlinkConnection *connection)
{
    if (!varlink_connection_is_alive(connection))
        return;
    connection->failed = TRUE;
    g_source_set_ready_time(connection->source, 0);
}

static void
connection_update_events(VarlinkConnection *connection)
{
    GIOCondition wanted = connection->suspended ? 0 : G_IO_IN;

    if (!g_queue_is_empty(&connection->transport.unsent))
        wanted |= G_IO_OUT;
    if (wanted == connection->polled)
        return;
    connection->polled = wanted;
    g_source_modify_unix_fd(connection->source, connection->tag, wanted);
}

/* Whether what is queued is more than one message and above the limit. */
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

    if (progress == VARLINK_PROGRESS_FAILED || connection_is_over_limit(connection)) {
        varlink_connection_fail(connection);
        return FALSE;
    }
    if (progress == VARLINK_PROGRESS_WAIT)
        connection_update_events(connection);
    return TRUE;
}

gboolean
varlink_connection_send(VarlinkConnection *connection, char *text, DescriptorArray *descriptors)
{
    varlink_transport_queue(&connection->transport, text, descriptors);
    return connection_flush(connection);
}

void
varlink_connection_call_done(VarlinkConnection *connection)
{
    connection->call = NULL;
    if (connection->running || !varlink_connection_is_alive(connection))
        return;
    /* With a reply half sent, the loop comes back here by G_IO_OUT. */
    if (!g_queue_is_empty(&connection->transport.unsent))
        return;
    connection->suspended = FALSE;
    connection_update_events(connection);
    if (varlink_frame_pending(&connection->transport.frame) > 0)
        g_source_set_ready_time(connection->source, 0);
}

static gboolean
connection_take_message(VarlinkConnection *connection, const VarlinkFrameMessage *text)
{
    g_auto(VarlinkCallMessage) message = {0};
    VarlinkCall *call;

    if (!varlink_call_message_parse(text->text, text->length, &message, NULL))
        return FALSE;
    call = varlink_call_new(connection, &message);
    connection->call = call;
    connection->events->call(call, connection->user_data);
    varlink_call_unref(call);
    return TRUE;
}

/* Handles what can be handled; FALSE when the connection is to be dropped. */
static gboolean
connection_work(VarlinkConnection *connection, gboolean readable)
{
    VarlinkTransport *transport = &connection->transport;

    while (varlink_connection_is_alive(connection)) {
        VarlinkFrameMessage message;
        VarlinkProgress progress;

        if (connection->call || !g_queue_is_empty(&transport->unsent)) {
            connection->suspended |= readable;
            return TRUE;
        }
        progress = varlink_transport_next(transport, &message, NULL, NULL);
        if (progress == VARLINK_PROGRESS_FAILED)
            return FALSE;
        if (progress == VARLINK_PROGRESS_DONE) {
            if (!connection_take_message(connection, &message))
                return FALSE;
            continue;
        }
        if (!readable) {
            connection->suspended = FALSE;
            return TRUE;
        }
        readable = FALSE;
        progress = varlink_transport_read(transport, MSG_DONTWAIT, NULL);
        if (progress == VARLINK_PROGRESS_END || progress == VARLINK_PROGRESS_FAILED)
            return FALSE;
    }
    return !connection->failed;
}

static void
connection_run(VarlinkConnection *connection, GIOCondition condition)
{
    gboolean good = !connection->failed;
    gboolean was_running = connection->running; /* by a handler that runs the main loop */

    connection->running = TRUE;
    /* Nobody is there to answer: but without a call in hand, what was sent before may be left. */
    if (connection->call && (condition & (G_IO_HUP | G_IO_ERR)))
        good = FALSE;
    if (good && !g_queue_is_empty(&connection->transport.unsent))
        good = connection_flush(connection);
    if (good)
        good = connection_work(connection, (condition & (G_IO_IN | G_IO_HUP | G_IO_ERR)) != 0);
    connection->running = was_running;

    if (!good) {
        connection_drop(connection);
    } else if (varlink_connection_is_alive(connection)) {
        connection_update_events(connection);
        varlink_frame_release(&connection->transport.frame);
    }
}

static gboolean
connection_dispatch(GSource *source, GSourceFunc callback, gpointer user_data)
{
    g_autoptr(VarlinkConnection) connection =
        varlink_connection_ref(((ConnectionSource *)source)->connection);

    g_source_set_ready_time(source, -1);
    connection_run(connection, g_source_query_unix_fd(source, connection->tag));
    return G_SOURCE_CONTINUE;
}

static GSourceFuncs connection_functions = {.dispatch = connection_dispatch};

VarlinkConnection *
varlink_connection_new(int fd, const VarlinkPeer *peer, const VarlinkLimits *limits,
                       const VarlinkConnectionEvents *events, gpointer user_data)
{
    VarlinkConnection *connection = g_new0(VarlinkConnection, 1);

    connection->references = 1;
    varlink_transport_init(&connection->transport, fd, limits->message_bytes, FALSE);
    connection->peer = *peer;
    connection->unsent_limit = limits->unsent_bytes;
    connection->events = events;
    connection->user_data = user_data;
    connection->source = g_source_new(&connection_functions, sizeof(ConnectionSource));
    ((ConnectionSource *)connection->source)->connection = connection;
    g_source_set_can_recurse(connection->source, TRUE);
    connection->polled = G_IO_IN;
    connection->tag = g_source_add_unix_fd(connection->source, fd, G_IO_IN);
    g_source_attach(connection->source, g_main_context_get_thread_default());
    return connection;
}
