/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The daemon's sockets and its messages to the service manager (sd_listen_fds(3), sd_notify(3)). */
#pragma once

#include <glib.h>

typedef enum DaemonSocket {
    SOCKET_MAIN,
    SOCKET_CONTAINERS, /* passed with the name "containers" (FileDescriptorName=) */
} DaemonSocket;
#define DAEMON_SOCKETS (SOCKET_CONTAINERS + 1)

/*
 * The listening sockets that the service manager passed (LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES;
 * the variables are unset), -1 for each missing one. One for containers requires the main one, too.
 */
gboolean activation_take(int ret_fds[static DAEMON_SOCKETS], GError **error);

/*
 * A new listening socket at path that everyone may connect to: the peer's credentials decide what
 * is allowed. A stale socket file is replaced; one that is in use is an error. -1 on failure.
 */
int activation_listen(const char *path, GError **error);

/* Sends text ("READY=1") to $NOTIFY_SOCKET, if that is set. READY=1 must not be lost, as the
 * service manager waits for it; any other message may be. */
gboolean activation_notify(const char *text, GError **error);

/*
 * namespace-lock.c: allows one macvtapd per network namespace, as a second one, with another state
 * folder, would take the first one's devices for orphans. The lock is an abstract socket name,
 * which is local to the network namespace (unix(7)) and is released when its holder ends.
 *
 * Returns a listening socket that holds the lock, or -1; varlink_server_turn_away() must accept on
 * it. EBUSY: another macvtapd has it. Any other error: an unprivileged user holds the name, which
 * must not keep the daemon from starting.
 */
int namespace_lock(GError **error);
