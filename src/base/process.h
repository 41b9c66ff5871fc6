/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Processes as holders: a pidfd that cannot be mistaken, and what /proc says of it (proc(5)). */
#pragma once

#include "privileges.h"

#include <glib.h>
#include <sys/types.h>

extern const Privileges process_privileges;

typedef struct Process {
    int pidfd; /* owned */
    pid_t pid;
    guint64 start_time; /* clock ticks since boot */
} Process;

/*
 * Opens the living process pid and reads when it began; close process.pidfd after use. Fails with
 * ERRNO_ERROR: ESRCH when there is no such process (a thread's ID is none) or it has ended.
 */
gboolean process_open(pid_t pid, Process *ret_process, GError **error);

/* The same of a process whose pidfd we have already (duplicated, not taken). */
gboolean process_open_pidfd(int pidfd, pid_t pid, Process *ret_process, GError **error);

/* The process's real user ID; fails as process_open() does. */
gboolean process_read_uid(const Process *process, uid_t *ret_uid, GError **error);

/* *ret_shares is FALSE when the process pid is of another PID namespace than we, or has gone: what
 * it calls process N is another one here. FALSE: nobody can tell now. */
gboolean process_shares_pids(pid_t pid, gboolean *ret_shares, GError **error);

/*
 * What the process is called (its comm) and which systemd unit it is in, each "" where that is not
 * to be had: bytes that it chose itself. pidfd -1: pid may be another's by now. Free with g_free().
 */
void process_describe(pid_t pid, int pidfd, char **ret_command, char **ret_unit);

/* The unit in the text of /proc/PID/cgroup, or ""; free with g_free(). */
char *process_unit(const char *cgroups);

/* Whether the process has ended; it may not have been waited for yet. */
gboolean process_has_ended(int pidfd);
