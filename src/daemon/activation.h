/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The daemon's socket, and its word to the service manager (sd_listen_fds(3), sd_notify(3)). */
#pragma once

#include <glib.h>

/*
 * The listening socket: the one handed in (LISTEN_PID, LISTEN_FDS; the variables are unset), or a
 * new one at path, open to everybody: who may do what is decided by the peer's credentials. A
 * socket file that nobody listens on is replaced; one that is in use is an error. *ret_owned: path
 * was made by us. -1 on failure.
 */
int activation_listen(const char *path, gboolean *ret_owned, GError **error);

/* Sends text ("READY=1") to $NOTIFY_SOCKET, if that is set. Who waits for READY=1 and does not get it
 * waits in vain; any other word may be lost. */
gboolean activation_notify(const char *text, GError **error);
