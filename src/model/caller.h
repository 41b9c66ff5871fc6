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

/* Whether the port is the caller's own. A port made over the container socket is visible there and
 * to the same user outside; other ports are not visible there. */
static inline gboolean
caller_owns(const Caller *caller, const Port *port)
{
    return caller_account(caller) == port_account(port) &&
           (!caller->from_container || port->from_container);
}
