/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The work of an agent, done by macvtapctl itself over a QEMU monitor (QMP) of the user's. */
#pragma once

#include "ask.h"
#include "attach.h"
#include "guest-nics.h"

typedef struct VmMonitor VmMonitor;

/* Connects to the monitor's socket and waits until QEMU is ready; socket: macvtapd's, or NULL.
 * Fails (COMMAND_ERROR, QMP_ERROR, ERRNO_ERROR) for a monitor of libvirt's, too. */
VmMonitor *vm_monitor_open(const char *path, const char *socket, GError **error);
void vm_monitor_free(VmMonitor *monitor);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VmMonitor, vm_monitor_free)

/* QEMU's -name, or "" if it has none; and its process ID, 0 if that is unknown. */
const char *vm_monitor_get_name(const VmMonitor *monitor);
int vm_monitor_get_pid(const VmMonitor *monitor);

/* Those of these ports (of MacvtapPort) that QEMU has: an array of borrowed ports. NULL on failure.
 */
GPtrArray *vm_monitor_list(VmMonitor *monitor, GPtrArray *ports, GError **error);

/* As attach_port() and detach_port(), to the end. attach takes request. */
MacvtapPort *vm_monitor_attach(VmMonitor *monitor, const char *model, const char *bus,
                               MacvtapRequest *request, GError **error);
gboolean vm_monitor_detach(VmMonitor *monitor, const MacvtapPort *port, GError **error);
