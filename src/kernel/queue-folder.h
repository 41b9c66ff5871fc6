/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The folder in /dev for the queues' device nodes, OWNER.N. Only queue.c uses it, and explains what
 * it is for. */
#pragma once

#include <glib.h>
#include <sys/types.h>

/* A path of a node, with its NUL. */
#define QUEUE_NODE_PATH_SIZE 160

typedef struct QueueFolder QueueFolder;

/* Creates no folder yet. dev_fd: /dev, borrowed. */
QueueFolder *queue_folder_new(int dev_fd, GError **error);
void queue_folder_free(QueueFolder *folder);

/* node_fd: an O_PATH descriptor, borrowed. Returning FALSE and errno ends the visit. */
typedef gboolean (*QueueNodeVisitor)(const char *owner, const char *name, int node_fd,
                                     gpointer user_data);

/* Opens the folder of an earlier daemon, if any, and visits its nodes; other files are removed.
 * Errors: ERRNO_ERROR. */
gboolean queue_folder_take_up(QueueFolder *folder, QueueNodeVisitor visit, gpointer user_data,
                              GError **error);

/*
 * Makes a node for device, creates the folder if necessary, and opens the device through the node,
 * for reading and writing, non-blocking; -1 on failure. Its number is first, or the next that is
 * free. ret_name: its name, free with g_free().
 */
int queue_folder_open_node(QueueFolder *folder, const char *owner, guint first, dev_t device,
                           char **ret_name, GError **error);

/* Writes a path for calls that do not accept a descriptor; path has size bytes. */
void queue_folder_node_path(const QueueFolder *folder, const char *name, char *path, gsize size);

/* Removes the node, now or in a later clean-up. */
void queue_folder_remove_node(QueueFolder *folder, const char *name);
void queue_folder_clean_up(QueueFolder *folder);

/* Removes the folder if there is no node in it. */
void queue_folder_drop(QueueFolder *folder);
