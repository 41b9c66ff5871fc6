/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Network namespaces, as a connection leads to them: a socket stays in the network namespace in
 * which it was made, and one that was accepted is in its client's (net/unix/af_unix.c). So the
 * socket of a connection says where its client made it, whatever the client has handed over or
 * joined since.
 */
#pragma once

#include <glib.h>

/* The kernel's cookie of the socket's network namespace (SO_NETNS_COOKIE), which no other gets
 * until the machine is booted again; 0 if the kernel has none (before 5.14). */
guint64 network_namespace_cookie(int socket_fd);

/* The cookie of the caller's own network namespace; 0 as above. */
guint64 network_namespace_own_cookie(void);
