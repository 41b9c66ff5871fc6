/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Waits for many sockets at once and serves the users in turn; varlink-turns.h decides who is next.
 * Private to the varlink module.
 */
#pragma once

#include <glib.h>

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
