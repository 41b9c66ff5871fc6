/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Use case: changes of an existing port: the texts that it only stores (FIELD_KEPT), its list of
 * sources, whether its device is up, and the process that holds it. All changes are checked before
 * the first is made.
 */
#include "broker-private.h"
#include "parent.h"

#include "error.h"
#include "field.h"
#include "port-error.h"

#include <errno.h>

static gboolean
say_device_gone(const Port *port, GError **error)
{
    return port_error_set(error, PORT_ERROR_DEVICE_GONE,
                          "the device %s of port %s has been removed", port->interface_name,
                          port->name);
}

static gboolean
check_change(Broker *broker, const Caller *caller, const Port *port, const PortChange *change,
             GError **error)
{
    if (!features_check_change(&broker->host, caller, port, change, error))
        return FALSE;
    if ((change->sources || change->has_link_up) && port->state != PORT_STATE_ACTIVE)
        return say_device_gone(port, error);
    return TRUE;
}

/* The texts that a port only stores: only its record changes. */
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
        parent_explain(broker->networks, &parent, port, g_steal_pointer(&cause), error);
        return FALSE;
    }
    return port_error_set(error, PORT_ERROR_SYSTEM, "port %s: %s", port->name, cause->message);
}

const Port *
broker_change_port(Broker *broker, const Caller *caller, const PortChange *change, GError **error)
{
    Port *port = broker_find_port(broker, caller, change->port, error);
    gboolean good;

    if (!port)
        return NULL;
    if (!check_change(broker, caller, port, change, error))
        return NULL;
    good = keep_fields(broker, port, change, error) &&
           features_change(&broker->host, caller, port, change, error) &&
           (!change->has_link_up || set_link_up(broker, port, change->link_up, error));
    /* Changes made before a failure stay. */
    broker_emit(broker, PORT_EVENT_CHANGED, port);
    return good ? port : NULL;
}
