/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * Feature: the port's holder, which determines its life. It is a process (the caller, or one that
 * it names), a domain with or without a known process, or the port's open queues, in any process.
 * The kernel module reports each queue that is closed, and knows after a restart which are still
 * open. A port held by its descriptors ends with the last of them: the VMM may have daemonized,
 * passed them to another process, or unplugged the NIC. With other holders the number of open
 * queues is only displayed.
 *
 * After a start a holder is alive if its process is, or if one of its descriptors is open; holders
 * of type none, and domains whose process is unknown, count as alive. If a process cannot be
 * examined or watched, its end would be missed: the daemon then refuses to start.
 */
#include "feature.h"

#include "holders.h"

#include "error.h"
#include "port-error.h"

#include <errno.h>

static Holders *
holders_of(FeatureHost *host)
{
    return feature_state(host, &feature_lifetime);
}

/* While neither has ended, the caller and the holder with the same pid are the same process. */
static gboolean
find_caller(FeatureHost *host, const Caller *caller, Process *ret_process)
{
    guint64 start_time;

    if (!holders_find(holders_of(host), caller->pid, &start_time) ||
        process_has_ended(caller->pidfd))
        return FALSE;
    *ret_process = (Process){.pidfd = -1, .pid = caller->pid, .start_time = start_time};
    return TRUE;
}

/* The kernel provided no pidfd (before Linux 6.5), or the caller has ended and its pid may be
 * reused. All that can be checked is that the process belongs to the same user. */
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
                              "the caller's process %d no longer belongs to user %u",
                              (int)caller->pid, (guint)caller->uid);
    }
    *ret_process = process;
    return TRUE;
}

static gboolean
open_holder(FeatureHost *host, const Caller *caller, pid_t named, Process *ret_process,
            GError **error)
{
    gboolean shares = TRUE;

    if (named != 0 && caller->from_container)
        return port_error_set(error, PORT_ERROR_HOLDER_INVALID,
                              "on the container socket a process can only hold its own ports");
    if (named != 0 && !process_shares_pids(caller->pid, &shares, error))
        return FALSE;
    if (!shares)
        return port_error_set(error, PORT_ERROR_HOLDER_INVALID,
                              "process %d is in another PID namespace than macvtapd", (int)named);
    if (named != 0)
        return process_open(named, ret_process, error);
    if (caller->pid == 0)
        return port_error_set(error, PORT_ERROR_HOLDER_INVALID,
                              "macvtapd cannot see the caller's process");
    if (caller->pidfd < 0)
        return open_caller_by_pid(caller, ret_process, error);
    return find_caller(host, caller, ret_process) ||
           process_open_pidfd(caller->pidfd, caller->pid, ret_process, error);
}

static gboolean
check_named_holder(const Process *process, uid_t uid, GError **error)
{
    g_autoptr(GError) cause = NULL;
    uid_t owner;

    if (!process_read_uid(process, &owner, &cause))
        return port_error_set(error, PORT_ERROR_HOLDER_INVALID, "holder: %s", cause->message);
    return owner == uid || port_error_set(error, PORT_ERROR_HOLDER_INVALID,
                                          "holder: process %d does not belong to user %u",
                                          (int)process->pid, (guint)uid);
}

/* Opens the holder's process, if it has one, and records its unique identity. The caller may name
 * itself and processes of its own user; root any process. The pidfd is -1 if the process is already
 * among the holders. */
static gboolean
find_holder(FeatureHost *host, const Caller *caller, Holder *holder, Process *process,
            GError **error)
{
    g_autoptr(GError) cause = NULL;

    if (holder->type != HOLDER_PROCESS && holder->pid == 0)
        return TRUE;
    if (!open_holder(host, caller, holder->pid, process, &cause))
        return port_error_set(error, PORT_ERROR_HOLDER_INVALID, "holder: %s", cause->message);
    if (!caller_is_root(caller) && holder->pid != 0 &&
        !check_named_holder(process, caller->uid, error))
        return FALSE;
    holder->pid = process->pid;
    holder->start_time = process->start_time;
    return TRUE;
}

static gboolean
lifetime_prepare(FeatureHost *host, NewPort *new, GError **error)
{
    new->port->holder = new->request->holder;
    return find_holder(host, new->caller, &new->port->holder, &new->holder, error);
}

/* From now on the port ends with this process. */
static gboolean
set_holder_process(FeatureHost *host, const Caller *caller, Port *port, pid_t pid, GError **error)
{
    const Holder before = port->holder;
    Holder holder = before;
    Process process = {.pidfd = -1};
    g_autoptr(GError) cause = NULL;

    holder.pid = pid;
    if (!find_holder(host, caller, &holder, &process, error))
        return FALSE;
    port->holder = holder;
    if (host->ops->record(host, port, &cause) &&
        holders_add(holders_of(host), port->id, &process, &cause))
        return TRUE;
    descriptor_clear(&process.pidfd);
    port->holder = before;
    host->ops->record(host, port, NULL);
    return port_error_set(error, PORT_ERROR_SYSTEM, "holder of port %s: %s", port->name,
                          cause->message);
}

static guint
count_open(FeatureHost *host, const Port *port)
{
    Kernel *kernel = host->kernel;

    return kernel->ops->queue_count(kernel, port->id);
}

static void
lifetime_opened(FeatureHost *host, Port *port)
{
    port->open_queues = count_open(host, port);
}

/* TRUE if it was the last queue of a port that ends with its queues. */
static gboolean
on_closed(FeatureHost *host, Port *port)
{
    lifetime_opened(host, port);
    if (port->holder.type == HOLDER_DESCRIPTORS && port->open_queues == 0)
        return TRUE;
    host->ops->emit(host, port);
    return FALSE;
}

static void
on_queues_closed(const char *const *owners, gpointer user_data)
{
    FeatureHost *host = user_data;
    g_autoptr(GPtrArray) ended = g_ptr_array_new();

    for (; *owners; owners++) {
        Port *port = port_table_find(host->ports, *owners);

        if (port && !port->is_ending && on_closed(host, port))
            g_ptr_array_add(ended, port->id);
    }
    g_ptr_array_add(ended, NULL);
    host->ops->end_ports(host, (const char *const *)ended->pdata);
}

static gboolean
lifetime_load(FeatureHost *host, GError **error)
{
    Kernel *kernel = host->kernel;

    return kernel->ops->queue_watch(kernel, on_queues_closed, host, error);
}

/* Forgets the queues of owners that are not ports. */
static void
lifetime_loaded(FeatureHost *host)
{
    Kernel *kernel = host->kernel;
    g_autoptr(GPtrArray) owners = kernel->ops->queue_owners(kernel);

    for (guint i = 0; i < owners->len; i++) {
        const char *id = owners->pdata[i];

        if (!port_table_find(host->ports, id) && !host->ops->is_damaged(host, id))
            kernel->ops->queue_forget(kernel, id);
    }
}

static void
on_processes_ended(const char *const *port_ids, gpointer user_data)
{
    FeatureHost *host = user_data;

    host->ops->end_ports(host, port_ids);
}

static gboolean
lifetime_start(FeatureHost *host, gpointer *ret_state, GError **error)
{
    *ret_state = holders_new(on_processes_ended, host, error);
    return *ret_state != NULL;
}

static void
lifetime_stop(gpointer state)
{
    holders_free(state);
}

static gboolean
lifetime_attach(FeatureHost *host, NewPort *new, const LinkInfo *device, GError **error)
{
    g_autoptr(GError) cause = NULL;

    if (new->port->holder.pid != 0 &&
        !holders_add(holders_of(host), new->port->id, &new->holder, &cause))
        return port_error_set(error, PORT_ERROR_SYSTEM, "%s", cause->message);
    lifetime_opened(host, new->port);
    return TRUE;
}

static gboolean
lifetime_lives(FeatureHost *host, Port *port, gboolean *ret_lives, GError **error)
{
    Process process = {.pidfd = -1};
    g_autoptr(GError) cause = NULL;

    lifetime_opened(host, port);
    if (port->holder.type == HOLDER_DESCRIPTORS && port->open_queues == 0)
        *ret_lives = FALSE;
    if (port->holder.pid == 0)
        return TRUE;
    if (process_open(port->holder.pid, &process, &cause)) {
        if (process.start_time == port->holder.start_time)
            holders_add(holders_of(host), port->id, &process, &cause);
        else
            *ret_lives = FALSE;
        descriptor_clear(&process.pidfd);
    }
    if (error_is_errno(cause, ESRCH))
        *ret_lives = FALSE;
    else if (cause)
        return port_error_set(error, PORT_ERROR_SYSTEM, "holder of port %s: %s", port->name,
                              cause->message);
    return TRUE;
}

static gboolean
lifetime_check_change(FeatureHost *host, const Caller *caller, const Port *port,
                      const PortChange *change, GError **error)
{
    return change->holder_pid == 0 || port->holder.type == HOLDER_DOMAIN ||
           port_error_set(
               error, PORT_ERROR_INVALID_REQUEST,
               "holderPid can only be set on a port held by a domain, which port %s is not",
               port->name);
}

static gboolean
lifetime_change(FeatureHost *host, const Caller *caller, Port *port, const PortChange *change,
                GError **error)
{
    return change->holder_pid == 0 ||
           set_holder_process(host, caller, port, change->holder_pid, error);
}

/* Only after the record is gone: if its removal fails, the end of the holder is another chance. */
static void
lifetime_detach(FeatureHost *host, const Port *port)
{
    Kernel *kernel = host->kernel;

    holders_remove(holders_of(host), port->id);
    kernel->ops->queue_forget(kernel, port->id);
}

const PortFeature feature_lifetime = {
    .name = "lifetime",
    .start = lifetime_start,
    .stop = lifetime_stop,
    .load = lifetime_load,
    .loaded = lifetime_loaded,
    .prepare = lifetime_prepare,
    .attach = lifetime_attach,
    .opened = lifetime_opened,
    .lives = lifetime_lives,
    .check_change = lifetime_check_change,
    .change = lifetime_change,
    .detach = lifetime_detach,
};
