/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which process a port is tied to: the caller, or one that it names. */
#include "broker-private.h"

#include "descriptor.h"
#include "port-error.h"

/* As long as neither has ended, the caller and the holder with its pid are one process. */
static gboolean
find_caller(Broker *broker, const Caller *caller, Process *ret_process)
{
    guint64 start_time;

    if (!holders_find(broker->holders, caller->pid, &start_time) ||
        process_has_ended(caller->pidfd))
        return FALSE;
    *ret_process = (Process){.pidfd = -1, .pid = caller->pid, .start_time = start_time};
    return TRUE;
}

/* The kernel has told no pidfd (before Linux 6.5), or the caller has ended: its pid may be
 * another's by now. That of its own user is all that can be told. */
static gboolean
open_caller_by_pid(const Caller *caller, Process *ret_process, GError **error)
{
    Process process = {.pidfd = -1};
    uid_t owner;

    if (!process_open(caller->pid, &process, error))
        return FALSE;
    if (!process_read_uid(&process, &owner, error)) {
        descriptor_clear(&process.pidfd);
        return FALSE;
    }
    if (owner != caller->uid) {
        descriptor_clear(&process.pidfd);
        return port_error_set(error, PORT_ERROR_HOLDER_INVALID,
                              "the caller's process %d is not user %u's (any more)",
                              (int)caller->pid, (guint)caller->uid);
    }
    *ret_process = process;
    return TRUE;
}

static gboolean
open_holder(Broker *broker, const Caller *caller, pid_t named, Process *ret_process, GError **error)
{
    gboolean shares = TRUE;

    if (named != 0 && caller->from_container)
        return port_error_set(error, PORT_ERROR_HOLDER_INVALID,
                              "over the container socket a process holds its own ports only");
    if (named != 0 && !process_shares_pids(caller->pid, &shares, error))
        return FALSE;
    if (!shares)
        return port_error_set(error, PORT_ERROR_HOLDER_INVALID,
                              "process %d is of another PID namespace than macvtapd's", (int)named);
    if (named != 0)
        return process_open(named, ret_process, error);
    if (caller->pid == 0)
        return port_error_set(error, PORT_ERROR_HOLDER_INVALID,
                              "the caller's process is not visible to macvtapd");
    if (caller->pidfd < 0)
        return open_caller_by_pid(caller, ret_process, error);
    return find_caller(broker, caller, ret_process) ||
           process_open_pidfd(caller->pidfd, caller->pid, ret_process, error);
}

static gboolean
check_named_holder(const Process *process, uid_t uid, GError **error)
{
    g_autoptr(GError) cause = NULL;
    uid_t owner;

    if (!process_read_uid(process, &owner, &cause))
        return port_error_set(error, PORT_ERROR_HOLDER_INVALID, "holder: %s", cause->message);
    return owner == uid ||
           port_error_set(error, PORT_ERROR_HOLDER_INVALID, "holder: process %d is not user %u's",
                          (int)process->pid, (guint)uid);
}

/* The caller may name itself, and processes of its own user; root any. */
gboolean
broker_open_holder(Broker *broker, const Caller *caller, Holder *holder, Process *process,
                   GError **error)
{
    g_autoptr(GError) cause = NULL;

    if (holder->type != HOLDER_PROCESS && holder->pid == 0)
        return TRUE;
    if (!open_holder(broker, caller, holder->pid, process, &cause))
        return port_error_set(error, PORT_ERROR_HOLDER_INVALID, "holder: %s", cause->message);
    if (!caller_is_root(caller) && holder->pid != 0 &&
        !check_named_holder(process, caller->uid, error))
        return FALSE;
    holder->pid = process->pid;
    holder->start_time = process->start_time;
    return TRUE;
}
