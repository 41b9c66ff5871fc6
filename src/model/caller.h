/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <sys/types.h>

/* Who asks, from the socket's peer credentials. Everything is borrowed for the time of the call. */
typedef struct Caller {
    uid_t uid;
    gid_t gid;
    pid_t pid;           /* 0: not visible in the daemon's pid namespace */
    int pidfd;           /* -1 where the kernel gives none */
    const gid_t *groups; /* supplementary */
    gsize n_groups;
} Caller;
