/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "port.h"

#include <glib.h>
#include <sys/types.h>

/* What the caller's process is, in texts that may go into the log, once somebody has asked. */
typedef struct CallerProcess {
    char *command, *unit; /* NULL: nobody has; "": not known */
} CallerProcess;

/* Who asks, from the socket's peer credentials. Everything is borrowed for the time of the call. */
typedef struct Caller {
    uid_t uid;
    gboolean from_container; /* it came over the container socket */
    gid_t gid;
    pid_t pid;           /* 0: not visible in the daemon's pid namespace */
    int pidfd;           /* -1 where the kernel gives none */
    const gid_t *groups; /* supplementary */
    gsize n_groups;
    CallerProcess *process; /* kept as long as the caller is connected */
} Caller;

/* Over the container socket nobody is root, whatever its uid: root of a container may be anybody.
 */
static inline gboolean
caller_is_root(const Caller *caller)
{
    return caller->uid == 0 && !caller->from_container;
}

/* Whose limits the caller's ports count for: see port_account(). */
static inline uid_t
caller_account(const Caller *caller)
{
    return port_account_of(caller->uid, caller->from_container);
}

/* Whether the port is the caller's own. What came over the container socket is seen there and by
 * the same user outside; what did not is not seen there. */
static inline gboolean
caller_owns(const Caller *caller, const Port *port)
{
    return caller_account(caller) == port_account(port) &&
           (!caller->from_container || port->from_container);
}
