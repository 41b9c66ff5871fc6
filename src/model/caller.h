/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "port.h"

#include <glib.h>
#include <sys/types.h>

/* The description of the caller's process, safe for the log; read when first needed. */
typedef struct CallerProcess {
    char *command, *unit; /* NULL: not read yet; "": unknown */
} CallerProcess;

/* Who sent a request, from the socket's peer credentials. Everything is borrowed for the duration
 * of the call. */
typedef struct Caller {
    uid_t uid;
    gboolean from_container; /* it used the container socket */
    gid_t gid;
    pid_t pid;           /* 0: not visible in the daemon's pid namespace */
    int pidfd;           /* -1 if the kernel does not provide one */
    const gid_t *groups; /* supplementary */
    gsize n_groups;
    CallerProcess *process; /* kept as long as the caller is connected */
    /* Its connection, which leads to its network namespace, and that namespace's cookie (see
     * network-namespace.h). 0: unknown */
    int socket_fd;
    guint64 namespace_cookie;
} Caller;

/* On the container socket nobody counts as root, whatever the uid: a container's root may be
 * anybody. */
static inline gboolean
caller_is_root(const Caller *caller)
{
    return caller->uid == 0 && !caller->from_container;
}

/* The account whose limits the caller's ports count against: see port_account(). */
static inline uid_t
caller_account(const Caller *caller)
{
    return port_account_of(caller->uid, caller->from_container);
}

/* Whether the port is held by the network namespace that the caller's connection comes from, and
 * has this name there (NULL: any). No port is held by the daemon's own. */
static inline gboolean
caller_is_beside(const Caller *caller, const Port *port, const char *interface)
{
    const Holder *holder = &port->holder;

    return holder->type == HOLDER_NAMESPACE && caller->namespace_cookie != 0 &&
           holder->namespace_cookie == caller->namespace_cookie &&
           (!interface || g_str_equal(holder->interface, interface));
}

/* Whether the port is the caller's own. A port made over the container socket is visible there and
 * to the same user outside; other ports are not visible there. */
static inline gboolean
caller_owns(const Caller *caller, const Port *port)
{
    return caller_account(caller) == port_account(port) &&
           (!caller->from_container || port->from_container);
}
