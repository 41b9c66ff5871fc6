/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One connection of a server, and its calls; for the varlink module's own use. */
#pragma once

#include "varlink-message.h"
#include "varlink-poller.h"
#include "varlink-server.h"

typedef struct VarlinkConnection VarlinkConnection;

/* What a connection tells its owner. */
typedef struct VarlinkConnectionEvents {
    /* A call has come; it must be answered, now or later. */
    void (*call)(VarlinkCall *call, gpointer user_data);
    /* The connection is closed, by the peer or for a fault of its; the owner drops its reference.
     */
    void (*closed)(VarlinkConnection *connection, gpointer user_data);
    /* So many bytes more (or less, if negative) are queued for it; FALSE: they are too many. */
    gboolean (*unsent)(VarlinkConnection *connection, gssize change, gpointer user_data);
} VarlinkConnectionEvents;

/* Takes fd and the content of peer, on failure too. Starts at once; one turn of the poller handles
 * one message at most. */
VarlinkConnection *varlink_connection_new(VarlinkPoller *poller, int fd, VarlinkPeer *peer,
                                          const VarlinkLimits *limits,
                                          const VarlinkConnectionEvents *events, gpointer user_data,
                                          GError **error);
VarlinkConnection *varlink_connection_ref(VarlinkConnection *connection);
void varlink_connection_unref(VarlinkConnection *connection);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VarlinkConnection, varlink_connection_unref)

/* Closes it without telling the owner; the call in hand hears that it is gone. */
void varlink_connection_close(VarlinkConnection *connection);

const VarlinkPeer *varlink_connection_peer(const VarlinkConnection *connection);

/* Neither closed nor about to be. */
gboolean varlink_connection_is_alive(const VarlinkConnection *connection);

/* Sends (text: as varlink_transport_queue()). FALSE when the connection is not alive (any more). */
gboolean varlink_connection_send(VarlinkConnection *connection, char *text,
                                 DescriptorArray *descriptors);

/* Whether something is still to be sent, and to tell call how that ends: varlink_call_sent(). */
gboolean varlink_connection_await_sent(VarlinkConnection *connection, VarlinkCall *call);

/* The call in hand is over; the next one may be handled. */
void varlink_connection_call_done(VarlinkConnection *connection);

/* Has the connection closed in its next turn: safe from within handlers. */
void varlink_connection_fail(VarlinkConnection *connection);

/* In varlink-call.c. The content of message is taken; the call holds a reference to connection. */
VarlinkCall *varlink_call_new(VarlinkConnection *connection, VarlinkCallMessage *message);
const char *varlink_call_method(const VarlinkCall *call);
gboolean varlink_call_wants_upgrade(const VarlinkCall *call);

/* The last reply has left, or (lost) never will. */
void varlink_call_sent(VarlinkCall *call, gboolean lost);

/* The connection is closed. Consumes no reference. */
void varlink_call_gone(VarlinkCall *call);
