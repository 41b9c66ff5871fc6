/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The one descriptor that a client's user polls: an epoll instance with the connection, an eventfd
 * that is readable while there is something to take, and a timer for the time limit. Nothing is
 * created until it is asked for, so that a client whose calls block costs one descriptor.
 */
#pragma once

#include <glib.h>

typedef struct ClientPoll {
    int epoll, wake, timer; /* -1 until asked for */
    int watched;            /* the connection in it, or -1 */
    guint32 watched_events;
    gboolean is_awake;
    gint64 limit;
} ClientPoll;

#define CLIENT_POLL_INIT                                                                           \
    {                                                                                              \
        .epoll = -1, .wake = -1, .timer = -1, .watched = -1, .limit = -1                           \
    }

/* The conditions that the descriptor signals. */
typedef struct ClientPollState {
    int connection; /* -1: no connection */
    gboolean has_unsent;
    gboolean has_something; /* there is something to take or to report */
    gint64 limit;           /* deadline on g_get_monotonic_time()'s clock; -1: none */
} ClientPollState;

/* Creates the descriptor; -1 and errno on failure. */
int client_poll_open(ClientPoll *poll);
void client_poll_update(ClientPoll *poll, const ClientPollState *state);

/* Before the connection is closed: a copy of it in a forked process would keep it in the epoll
 * instance. */
void client_poll_forget(ClientPoll *poll);
void client_poll_clear(ClientPoll *poll);
