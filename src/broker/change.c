/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Use case: what changes while a port lives: what it only keeps (FIELD_KEPT), its list of sources,
 * whether its device is up, and the process that it is tied to. Whether each may be is looked at
 * before any is done.
 */
#include "broker-private.h"
#include "parent.h"

#include "error.h"
#include "port-error.h"
#include "port-fields.h"

#include <errno.h>

static gboolean
say_device_gone(const Port *port, GError **error)
{
    return port_error_set(error, PORT_ERROR_DEVICE_GONE,
                          "the device %s of port %s has been removed", port->interface_name,
                          port->name);
}

static gboolean
check_change(const Port *port, const PortChange *change, GError **error)
{
    if (change->sources && port->mode != MACVTAP_MODE_SOURCE)
        return port_error_set(error, PORT_ERROR_INVALID_REQUEST,
                              "port %s is in mode %s; only source mode has a list of sources",
                              port->name, macvtap_mode_name(port->mode));
    if (change->holder_pid != 0 && port->holder.type != HOLDER_DOMAIN)
        return port_error_set(error, PORT_ERROR_INVALID_REQUEST,
                              "port %s has no domain as its holder; only a domain's process becomes"
                              " known later",
                              port->name);
    if ((change->sources || change->has_link_up) && port->state != PORT_STATE_ACTIVE)
        return say_device_gone(port, error);
    return TRUE;
}

/* From now on the port goes with this process. */
static gboolean
tie(Broker *broker, const Caller *caller, Port *port, pid_t pid, GError **error)
{
    const Holder before = port->holder;
    Holder holder = before;
    Process process = {.pidfd = -1};
    g_autoptr(GError) cause = NULL;

    holder.pid = pid;
    if (!broker_open_holder(broker, caller, &holder, &process, error))
        return FALSE;
    port->holder = holder;
    if (registry_update(broker->registry, port, &cause) &&
        holders_add(broker->holders, port->id, &process, &cause))
        return TRUE;
    descriptor_clear(&process.pidfd);
    port->holder = before;
    registry_update(broker->registry, port, NULL);
    return port_error_set(error, PORT_ERROR_SYSTEM, "holder of port %s: %s", port->name,
                          cause->message);
}

/* What a port only keeps: nothing but its record changes. */
static gboolean
keep_fields(Broker *broker, Port *port, const PortChange *change, GError **error)
{
    g_autoptr(Port) before = port_copy(port);
    g_autoptr(GError) cause = NULL;

    if (!fields_keep(port_fields, FIELD_USE_CHANGE, change, port) ||
        registry_update(broker->registry, port, &cause))
        return TRUE;
    fields_keep(port_fields, FIELD_USE_RECORD, before, port);
    return port_error_set(error, PORT_ERROR_SYSTEM, "record of port %s: %s", port->name,
                          cause->message);
}

static gboolean
set_link_up(Broker *broker, Port *port, gboolean up, GError **error)
{
    const KernelOps *ops = broker->kernel->ops;
    g_autoptr(GError) cause = NULL;
    LinkInfo parent;

    if (ops->link_set_up(broker->kernel, port->interface_index, up, &cause)) {
        port->link_up = up;
        return TRUE;
    }
    if (error_is_errno(cause, ENODEV))
        return say_device_gone(port, error);
    if (error_is_errno(cause, EADDRINUSE) &&
        ops->link_by_index(broker->kernel, port->parent_index, &parent, NULL)) {
        parent_explain(broker, &parent, port, g_steal_pointer(&cause), error);
        return FALSE;
    }
    return port_error_set(error, PORT_ERROR_SYSTEM, "port %s: %s", port->name, cause->message);
}

static gboolean
apply(Broker *broker, const Caller *caller, Port *port, const PortChange *change, GError **error)
{
    if (!keep_fields(broker, port, change, error))
        return FALSE;
    if (change->holder_pid != 0 && !tie(broker, caller, port, change->holder_pid, error))
        return FALSE;
    if (change->sources && !broker_replace_sources(broker, port, change->sources, error))
        return FALSE;
    return !change->has_link_up || set_link_up(broker, port, change->link_up, error);
}

const Port *
broker_change_port(Broker *broker, const Caller *caller, const PortChange *change, GError **error)
{
    Port *port = broker_find_port(broker, caller, change->port, error);
    gboolean good;

    if (!port)
        return NULL;
    if (change->sources && !caller_is_root(caller)) {
        port_error_set(error, PORT_ERROR_ACCESS_DENIED, "only root may change a port's sources");
        return NULL;
    }
    if (!check_change(port, change, error))
        return NULL;
    good = apply(broker, caller, port, change, error);
    /* What was done before a failure stays. */
    broker_emit(broker, PORT_EVENT_CHANGED, port);
    return good ? port : NULL;
}
