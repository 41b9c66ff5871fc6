/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * libvirt calls the hook in the order prepare, start, started, stopped, release; after a failed
 * prepare, stopped and release are still called. migrate and restore come before the prepare of a
 * domain that arrives, and only they may answer with another XML. A non-zero exit status stops a
 * prepare, started, migrate or restore, and kills the running guest on reconnect: so reconnect
 * always succeeds, and so do the two that only clean up.
 *
 * libvirt locks the domain meanwhile and has no time limit of its own, so each operation has one
 * here. The limits keep a failing start (prepare or started, then stopped and release) within 2
 * seconds in total when macvtapd hangs: an operation that times out leaves a mark, which tells the
 * others not to wait. release still sends its EndDomain: it waits in the socket until macvtapd
 * reads again, behind the calls that may create ports, so nothing is left behind.
 */
#include "hook.h"

#include "hook-state.h"
#include "qemu-process.h"

#include "descriptor.h"

#include <net/if.h>
#include <unistd.h>

static const HookOperation operations[] = {
    {"prepare", hook_prepare, 1500, TRUE},      {"started", hook_started, 1500, TRUE},
    {"reconnect", hook_reconnect, 1500, FALSE}, {"stopped", hook_stopped, 1000, FALSE},
    {"release", hook_release, 1500, FALSE},     {"migrate", hook_migrate, 1500, TRUE},
    {"restore", hook_restore, 1500, TRUE},
};

const HookOperation *
hook_operation_find(const char *name)
{
    for (gsize i = 0; i < G_N_ELEMENTS(operations); i++) {
        if (g_str_equal(operations[i].name, name))
            return &operations[i];
    }
    return NULL;
}

int
hook_open_state(void)
{
    g_auto(GStrv) folders = hook_state_folders(geteuid());
    int fd = -1;

    for (char **folder = folders; fd < 0 && *folder; folder++)
        fd = hook_state_open(*folder);
    return fd;
}

void
hook_init(Hook *hook, DomainXml *domain, int state_folder)
{
    *hook = (Hook){
        .domain = domain,
        .state_folder = state_folder,
        .run_folders = qemu_process_run_folders(geteuid()),
        .libvirt_pid = getppid(),
        .proc_folder = "/proc",
        .device_folder = "/dev",
        .sysfs_folder = "/sys",
        .interface_index = if_nametoindex,
        .notes = g_ptr_array_new_with_free_func(g_free),
    };
}

void
hook_clear(Hook *hook)
{
    g_clear_pointer(&hook->domain, domain_xml_free);
    g_clear_pointer(&hook->run_folders, g_strfreev);
    g_clear_pointer(&hook->output, g_free);
    g_clear_pointer(&hook->notes, g_ptr_array_unref);
    descriptor_clear(&hook->state_folder);
}
