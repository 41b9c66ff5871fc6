/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which processes have the queues of a port open: what keeps it, its name and its MAC. */
#pragma once

#include "ask.h"

/*
 * The processes that have a descriptor of a queue of the port with this ID, as "COMMAND [PID], …";
 * "" when there is none that the caller may look at (root: all of them in its PID namespace).
 * Reads /proc/PID/fd of every process (proc(5)). Free with g_free().
 */
char *queue_users_describe(const char *port_id);

/* The IDs of all ports of which such a process has a queue, as a set; g_hash_table_unref() it. */
GHashTable *queue_users_list(void);

/*
 * To be called when a MACVTAP_METHOD_CREATE_PORT has failed. If a port has the name or the MAC that
 * was asked for (either may be NULL), *error also names the processes that have its queues open, as
 * far as the caller may look at them: a child that inherited a descriptor by mistake keeps a port.
 */
void queue_users_explain(MacvtapClient *client, const char *name, const char *mac, GError **error);
