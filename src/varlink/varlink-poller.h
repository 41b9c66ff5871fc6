/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Waits for many sockets at once and gives each user's in turn something to do: varlink-turns.h
 * says who is next. For the varlink module's own use.
 */
#pragma once

#include <glib.h>

typedef struct VarlinkPoller VarlinkPoller;
typedef struct VarlinkWatch VarlinkWatch;

/* The user number of those who are not known yet. */
#define VARLINK_POLLER_NOBODY G_MAXUINT64

/* It is this socket's turn. events: what has come since its last turn (EPOLLIN, …), 0 if it only
 * asked for one. At most one piece of work should be done: for more, varlink_watch_again(). May
 * free watches, this one too, and the poller. */
typedef void (*VarlinkWatchFunc)(guint32 events, gpointer user_data);

/* Works on the thread-default main context. */
VarlinkPoller *varlink_poller_new(GError **error);

/* All watches must be freed before. NULL is fine. */
void varlink_poller_free(VarlinkPoller *poller);

/* How many watches this user has. */
guint varlink_poller_count(const VarlinkPoller *poller, guint64 user);

/* Input and end are told as they come (edge-triggered: once for all that is there). fd stays the
 * caller's, and must outlive the watch. */
VarlinkWatch *varlink_watch_new(VarlinkPoller *poller, int fd, guint64 user, VarlinkWatchFunc turn,
                                gpointer user_data, GError **error);
void varlink_watch_free(VarlinkWatch *watch);

/* Gives it one more turn, behind those of its user's that wait already. */
void varlink_watch_again(VarlinkWatch *watch);

/* Whether room for output is told as well. */
void varlink_watch_set_output(VarlinkWatch *watch, gboolean output);
