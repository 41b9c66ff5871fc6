/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The processes that hold ports, watched by pidfd with one epoll set and one source. */
#pragma once

#include "process.h"

#include <glib.h>

extern const Privileges holders_privileges;

typedef struct Holders Holders;

/* Called when the holder of these ports has ended: the IDs are a NULL-terminated array, borrowed.
 */
typedef void (*HoldersEnded)(const char *const *port_ids, gpointer user_data);

/*
 * ended is called from the thread-default main context, once per wake-up, with the ports of all
 * processes that have ended.
 */
Holders *holders_new(HoldersEnded ended, gpointer user_data, GError **error);
void holders_free(Holders *holders);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Holders, holders_free)

/* Makes the process the port's holder, in place of any other; on failure nothing changes. The pidfd
 * is taken even on failure; it may be -1 if holders_find() has just found the process.
 */
gboolean holders_add(Holders *holders, const char *port_id, Process *process, GError **error);

/* Whether the process with this pid holds a port and is alive; if so, also its start time. */
gboolean holders_find(Holders *holders, pid_t pid, guint64 *ret_start_time);

/* Forgets the port's holder; it need not have one. */
void holders_remove(Holders *holders, const char *port_id);
