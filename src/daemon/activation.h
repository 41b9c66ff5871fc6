/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The daemon's sockets, and its word to the service manager (sd_listen_fds(3), sd_notify(3)). */
#pragma once

#include <glib.h>

typedef enum DaemonSocket {
    SOCKET_MAIN,
    SOCKET_CONTAINERS, /* handed in by the name "containers" (FileDescriptorName=) */
} DaemonSocket;
#define DAEMON_SOCKETS (SOCKET_CONTAINERS + 1)

/*
 * The listening sockets that are handed in (LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES; the variables
 * are unset), -1 for each that is not. With one for containers there must be the main one as well.
 */
gboolean activation_take(int ret_fds[static DAEMON_SOCKETS], GError **error);

/*
 * A new listening socket at path, open to everybody: who may do what is decided by the peer's
 * credentials. A socket file that nobody listens on is replaced; one that is in use is an error. -1
 * on failure.
 */
int activation_listen(const char *path, GError **error);

/* Sends text ("READY=1") to $NOTIFY_SOCKET, if that is set. Who waits for READY=1 and does not get
 * it waits in vain; any other word may be lost. */
gboolean activation_notify(const char *text, GError **error);
