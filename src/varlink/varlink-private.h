/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Shared by the files of a server, and private to them. */
#pragma once

#include "varlink-server.h"

#include <glib.h>

/*
 * varlink-poller.c: waits for many sockets at once and serves the users in turn; varlink-turns.h
 * decides who is next.
 */
typedef struct VarlinkPoller VarlinkPoller;
typedef struct VarlinkWatch VarlinkWatch;

/* The user number for peers that are not known yet. */
#define VARLINK_POLLER_NOBODY G_MAXUINT64

/* It is this socket's turn. events: what happened since its last turn (EPOLLIN, …), 0 if it only
 * asked for a turn. The callback should do at most one piece of work and call varlink_watch_again()
 * for more. It may free watches, including its own, and the poller. */
typedef void (*VarlinkWatchFunc)(guint32 events, gpointer user_data);

/* Works on the thread-default main context. */
VarlinkPoller *varlink_poller_new(GError **error);

/* Free all watches first. NULL is fine. */
void varlink_poller_free(VarlinkPoller *poller);

/* The number of this user's watches. */
guint varlink_poller_count(const VarlinkPoller *poller, guint64 user);

/* Input and end of input are reported as they come, once for everything that is there
 * (edge-triggered). fd stays the caller's and must outlive the watch. */
VarlinkWatch *varlink_watch_new(VarlinkPoller *poller, int fd, guint64 user, VarlinkWatchFunc turn,
                                gpointer user_data, GError **error);
void varlink_watch_free(VarlinkWatch *watch);

/* Asks for one more turn, behind the same user's waiting sockets. */
void varlink_watch_again(VarlinkWatch *watch);

/* Whether to report that the socket can take output, too. */
void varlink_watch_set_output(VarlinkWatch *watch, gboolean output);

/* varlink-listener.c: accepts connections on a listening socket. */
typedef struct VarlinkListener VarlinkListener;

/* Takes a connected socket (close-on-exec), from the main loop. */
typedef void (*VarlinkAcceptFunc)(int fd, gpointer user_data);

/* Takes listen_fd, on failure too. */
VarlinkListener *varlink_listener_new(VarlinkPoller *poller, int listen_fd,
                                      VarlinkAcceptFunc accepted, gpointer user_data,
                                      GError **error);

/* Closes the listening socket. NULL is fine. */
void varlink_listener_free(VarlinkListener *listener);

/* varlink-connection.c: one connection of a server, and its calls. */
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
