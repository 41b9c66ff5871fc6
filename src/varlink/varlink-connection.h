/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One connection of a server, and its calls; for the varlink module's own use. */
#pragma once

#include "varlink-poller.h"
#include "varlink-server.h"

typedef struct VarlinkConnection VarlinkConnection;

/* The events that a connection reports to its owner. */
typedef struct VarlinkConnectionEvents {
    /* A call arrived; it must be answered, now or later. */
    void (*call)(VarlinkCall *call, gpointer user_data);
    /* The connection is closed, by the peer or because of an error; the owner drops its reference.
     */
    void (*closed)(VarlinkConnection *connection, gpointer user_data);
    /* The queue grew by this many bytes (shrank, if negative); FALSE: it is too long. */
    gboolean (*unsent)(VarlinkConnection *connection, gssize change, gpointer user_data);
} VarlinkConnectionEvents;

/* Takes fd and the content of peer, even on failure. Starts at once; one turn of the poller handles
 * at most one message. */
VarlinkConnection *varlink_connection_new(VarlinkPoller *poller, int fd, VarlinkPeer *peer,
                                          const VarlinkLimits *limits,
                                          const VarlinkConnectionEvents *events, gpointer user_data,
                                          GError **error);
void varlink_connection_unref(VarlinkConnection *connection);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VarlinkConnection, varlink_connection_unref)

/* Closes it without notifying the owner; the current call is told that the caller is gone. */
void varlink_connection_close(VarlinkConnection *connection);

const VarlinkPeer *varlink_connection_peer(const VarlinkConnection *connection);

/* The method as the caller sent it; it may be unqualified. */
const char *varlink_call_method(const VarlinkCall *call);
gboolean varlink_call_wants_upgrade(const VarlinkCall *call);
