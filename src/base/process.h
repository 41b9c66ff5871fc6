/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Processes as holders: a pidfd, which is unambiguous, and data from /proc (proc(5)). */
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
 * Opens the living process pid and reads its start time; close process.pidfd after use. Fails with
 * ERRNO_ERROR: ESRCH if there is no such process (or pid is a thread's ID) or it has ended.
 */
gboolean process_open(pid_t pid, Process *ret_process, GError **error);

/* The same for a process whose pidfd is given (duplicated, not taken). */
gboolean process_open_pidfd(int pidfd, pid_t pid, Process *ret_process, GError **error);

/* The process's real user ID; fails as process_open() does. */
gboolean process_read_uid(const Process *process, uid_t *ret_uid, GError **error);

/* *ret_shares is FALSE if the process pid is in another PID namespace or has ended: its process N
 * is not our process N. FALSE: cannot be determined now. */
gboolean process_shares_pids(pid_t pid, gboolean *ret_shares, GError **error);

/*
 * The process's name (comm) and its systemd unit, "" if unavailable; the name is bytes that it
 * chose itself. pidfd -1: pid may have been reused. Free with g_free().
 */
void process_describe(pid_t pid, int pidfd, char **ret_command, char **ret_unit);

/* The unit in the text of /proc/PID/cgroup, or ""; free with g_free(). */
char *process_unit(const char *cgroups);

/* Whether the process has ended; it may not have been waited for yet. */
gboolean process_has_ended(int pidfd);
