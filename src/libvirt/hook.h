/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What libvirt's QEMU hook does (libvirt.org/hooks.html); its program is in hooks/.
 */
#pragma once

#include "domain-xml.h"

#include "ask.h"

/* One call of the hook. hook_init() fills it in for this machine; tests have their own folders. */
typedef struct Hook {
    DomainXml *domain;
    const char *socket; /* macvtapd's; NULL: the default one */
    int state_folder;   /* see hook-state.h; -1: none */
    GStrv run_folders;  /* see qemu-process.h */
    int libvirt_pid;    /* who called */
    const char *proc_folder, *device_folder, *sysfs_folder;
    guint (*interface_index)(const char *name); /* if_nametoindex() */
    char *output;     /* the XML to replace the domain's; NULL: leave it as it is */
    GPtrArray *notes; /* of char *: what hook_try() found */
} Hook;

typedef struct HookOperation {
    const char *name; /* as libvirt has it */
    gboolean (*run)(Hook *hook, GError **error);
    guint milliseconds; /* how long it may take */
    gboolean must;      /* a failure is reported to libvirt by the exit status */
} HookOperation;

/* NULL: not an operation of the hook. */
const HookOperation *hook_operation_find(const char *name);

/* The folder of the hook's state on this machine, see hook-state.h; close it. */
int hook_open_state(void);

/* domain and state_folder are taken. */
void hook_init(Hook *hook, DomainXml *domain, int state_folder);
void hook_clear(Hook *hook);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Hook, hook_clear)

/* hook-prepare.c */
gboolean hook_prepare(Hook *hook, GError **error);

/* The name for the port with this device: the same if it is a valid port name, else NULL. */
const char *hook_port_name(const char *target);

/* Asks macvtapd for each of the ports like 'prepare', but as a dry run. Adds a note for each
 * refusal; returns their number. Skips conflicts with ports (there) that the domain itself has from
 * an earlier run, as 'prepare' ends those first. users (NULL: the hook runs as this user): gets the
 * notes for what macvtapd refuses to this user, and perhaps not to root; they do not count. */
guint hook_try(Hook *hook, MacvtapClient *client, const GPtrArray *there, GPtrArray *users);

/* hook-running.c */
gboolean hook_started(Hook *hook, GError **error);
gboolean hook_reconnect(Hook *hook, GError **error);
gboolean hook_stopped(Hook *hook, GError **error);
gboolean hook_release(Hook *hook, GError **error);

/* hook-incoming.c */
gboolean hook_migrate(Hook *hook, GError **error);
gboolean hook_restore(Hook *hook, GError **error);

/* deadline.c: a time limit for the hook, even if it is blocked. One per process. */

/* From now on the process has this many milliseconds; when they have passed it writes message (a
 * line, kept by reference) to stderr and exits with status. */
void deadline_start(guint milliseconds, int status, const char *message);

/* Leaves at most this much of the remaining time. */
void deadline_shorten(guint milliseconds);

/* The file (a name in folder; both are kept by reference) to create when the time is over. */
void deadline_set_mark(int folder, const char *name);
