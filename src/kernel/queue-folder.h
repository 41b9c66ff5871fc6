/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The folder of /dev in which queues have their device nodes, OWNER.N; only queue.c uses it, which
 * says what it is for. */
#pragma once

#include <glib.h>
#include <sys/types.h>

/* A path of a node, with its NUL. */
#define QUEUE_NODE_PATH_SIZE 160

typedef struct QueueFolder QueueFolder;

/* Makes nothing yet. dev_fd: /dev, borrowed. */
QueueFolder *queue_folder_new(int dev_fd, GError **error);
void queue_folder_free(QueueFolder *folder);

/* node_fd: an O_PATH descriptor, borrowed. FALSE and errno ends it. */
typedef gboolean (*QueueNodeVisitor)(const char *owner, const char *name, int node_fd,
                                     gpointer user_data);

/* Opens the folder of an earlier daemon, if there is one, and goes through its nodes; what is no
 * queue's is removed. ERRNO_ERROR. */
gboolean queue_folder_take_up(QueueFolder *folder, QueueNodeVisitor visit, gpointer user_data,
                              GError **error);

/*
 * Makes a node for device, and the folder if need be, and opens the device through the node, for
 * reading and writing, non-blocking; -1 on failure. Its number is first, or the next that is free.
 * ret_name: its name, free with g_free().
 */
int queue_folder_open_node(QueueFolder *folder, const char *owner, guint first, dev_t device,
                           char **ret_name, GError **error);

/* A path for calls that take no descriptor; size bytes at path. */
void queue_folder_node_path(const QueueFolder *folder, const char *name, char *path, gsize size);

/* What cannot be removed now is removed by a later clean-up. */
void queue_folder_remove_node(QueueFolder *folder, const char *name);
void queue_folder_clean_up(QueueFolder *folder);

/* Removes the folder if there is no node in it. */
void queue_folder_drop(QueueFolder *folder);
