/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vm-monitor.h"

#include "command.h"

#include <string.h>

/* A monitor greets at once, unless it serves somebody else. */
#define GREETING 5000

struct VmMonitor {
    GMainLoop *loop;
    Qmp *qmp;
    char *socket, *name;
    /* The result of what the loop runs for. */
    GError *failure;
    MacvtapPort *port;
    GPtrArray *ports, *found;
};

/* Runs the loop until a callback has ended it; FALSE with what has failed. */
static gboolean
wait_result(VmMonitor *monitor, GError **error)
{
    g_main_loop_run(monitor->loop);
    if (!monitor->failure)
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&monitor->failure));
    return FALSE;
}

static void
set_result(VmMonitor *monitor, const GError *error)
{
    if (error && !monitor->failure)
        monitor->failure = g_error_copy(error);
    g_main_loop_quit(monitor->loop);
}

static void
on_name(json_t *value, const GError *error, gpointer user_data)
{
    VmMonitor *monitor = user_data;
    const char *name = value ? json_string_value(json_object_get(value, "name")) : NULL;

    monitor->name = g_strdup(name ?: "");
    set_result(monitor, error);
}

static void
on_ready(Qmp *qmp, gpointer user_data)
{
    qmp_call(qmp, "query-name", NULL, -1, QMP_DEADLINE, on_name, user_data);
}

/* What was under way has failed, and ends by itself. */
static void
on_closed(Qmp *qmp, const GError *error, gpointer user_data)
{
    VmMonitor *monitor = user_data;

    if (!monitor->name)
        set_result(monitor, error);
}

VmMonitor *
vm_monitor_open(const char *path, const char *socket, GError **error)
{
    const QmpHandlers handlers = {on_ready, on_closed};
    g_autoptr(VmMonitor) monitor = g_new0(VmMonitor, 1);

    monitor->loop = g_main_loop_new(NULL, FALSE);
    monitor->socket = g_strdup(socket);
    if (strstr(path, "/libvirt/qemu/")) {
        ctl_fail(error, "%s is libvirt's own monitor: use macvtapctl domain attach", path);
        return NULL;
    }
    monitor->qmp = qmp_connect(path, GREETING, &handlers, monitor, error);
    if (!monitor->qmp || !wait_result(monitor, error))
        return NULL;
    return g_steal_pointer(&monitor);
}

void
vm_monitor_free(VmMonitor *monitor)
{
    if (!monitor)
        return;
    qmp_free(monitor->qmp);
    g_main_loop_unref(monitor->loop);
    g_clear_error(&monitor->failure);
    g_free(monitor->socket);
    g_free(monitor->name);
    g_free(monitor);
}

const char *
vm_monitor_get_name(const VmMonitor *monitor)
{
    return monitor->name;
}

int
vm_monitor_get_pid(const VmMonitor *monitor)
{
    return (int)qmp_get_peer_pid(monitor->qmp);
}

static gboolean
has_port(GPtrArray *nics, const MacvtapPort *port)
{
    g_autofree char *netdev = attach_netdev_name(macvtap_port_get_id(port));

    return guest_nics_find(nics, netdev, NULL) ||
           guest_nics_find(nics, NULL, macvtap_port_get_mac_address(port));
}

static void
on_nics(GPtrArray *nics, const GError *error, gpointer user_data)
{
    VmMonitor *monitor = user_data;

    for (guint i = 0; !error && i < monitor->ports->len; i++) {
        if (has_port(nics, monitor->ports->pdata[i]))
            g_ptr_array_add(monitor->found, monitor->ports->pdata[i]);
    }
    set_result(monitor, error);
}

GPtrArray *
vm_monitor_list(VmMonitor *monitor, GPtrArray *ports, GError **error)
{
    g_autoptr(GPtrArray) found = g_ptr_array_new();

    monitor->ports = ports;
    monitor->found = found;
    guest_nics_list(monitor->qmp, on_nics, monitor);
    return wait_result(monitor, error) ? g_steal_pointer(&found) : NULL;
}

static void
on_attached(MacvtapPort *port, const GError *error, gpointer user_data)
{
    VmMonitor *monitor = user_data;

    monitor->port = port;
    set_result(monitor, error);
}

MacvtapPort *
vm_monitor_attach(VmMonitor *monitor, const char *model, const char *bus, MacvtapRequest *request,
                  GError **error)
{
    const AttachSettings settings = {monitor->socket, model, bus};

    attach_port(monitor->qmp, &settings, request, on_attached, monitor);
    return wait_result(monitor, error) ? g_steal_pointer(&monitor->port) : NULL;
}

static void
on_detached(const GError *error, gpointer user_data)
{
    set_result(user_data, error);
}

gboolean
vm_monitor_detach(VmMonitor *monitor, const MacvtapPort *port, GError **error)
{
    detach_port(monitor->qmp, monitor->socket, port, NULL, on_detached, monitor);
    return wait_result(monitor, error);
}
