/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The processes that hold ports, watched by pidfd: one epoll set, one source, whatever their
 * number. */
#pragma once

#include "process.h"

#include <glib.h>

extern const Privileges holders_privileges;

typedef struct Holders Holders;

/* Tells that the holder of these ports has ended: the ids are a NULL-terminated array, borrowed. */
typedef void (*HoldersEnded)(const char *const *port_ids, gpointer user_data);

/*
 * ended is called from the thread-default main context, once per wake-up, with the ports of every
 * process that has ended by then.
 */
Holders *holders_new(HoldersEnded ended, gpointer user_data, GError **error);
void holders_free(Holders *holders);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Holders, holders_free)

/* Ties the port to the process, and from any other that it was tied to; on failure it stays as it
 * was. The pidfd is taken in any case; it may be -1 if holders_find() has just found the process.
 */
gboolean holders_add(Holders *holders, const char *port_id, Process *process, GError **error);

/* Whether the process with this pid holds a port and lives; then when it began. */
gboolean holders_find(Holders *holders, pid_t pid, guint64 *ret_start_time);

/* The port needs no holder any more; one that is not known is no error. */
void holders_remove(Holders *holders, const char *port_id);
