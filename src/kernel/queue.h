/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The open queues of macvtaps, in any process: each has its own device node, which reveals its end.
 * See queue.c. Private to the Linux implementation.
 */
#pragma once

#include "ops.h"
#include "privileges.h"

#include <sys/types.h>

extern const Privileges queue_privileges;

typedef struct Queues Queues;

/* dev_fd: /dev, borrowed. */
Queues *queues_new(int dev_fd, GError **error);
void queues_free(Queues *queues);

/*
 * Makes a node for a new queue of this owner and opens the device through it: non-blocking,
 * close-on-exec; -1 on failure. Either queues_add() takes the node over, or queues_drop_node()
 * removes it. ret_name: its name, free with g_free().
 */
int queues_open_node(Queues *queues, const char *owner, dev_t device, char **ret_name,
                     GError **error);
void queues_drop_node(Queues *queues, const char *name);

/* Removes the nodes whose earlier removal failed. */
void queues_clean_up(Queues *queues);

/* Locks and watches the queue fd, which was opened through the node of this name. On failure the
 * node is the caller's to drop. */
gboolean queues_add(Queues *queues, const char *owner, const char *name, int fd, GError **error);

/* Like queues_forget(), for the last n queues only. */
void queues_forget_last(Queues *queues, const char *owner, guint n);

/* The operations of ops.h with the same names. */
gboolean queues_watch(Queues *queues, QueueHandler handler, gpointer user_data, GError **error);
void queues_catch_up(Queues *queues);
guint queues_count(Queues *queues, const char *owner);
GPtrArray *queues_owners(Queues *queues);
void queues_forget(Queues *queues, const char *owner);
