/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * Part of a port's life: /dev/tap<index>, for who opens the device by path (libvirt). The kernel's
 * own node comes and goes with the device. One that we had to make is written into the record with
 * its number, so that it can be told from a stranger's when the device is gone; and it goes before
 * the device, or as soon as we hear that others have removed that, because the number is another's
 * then. Between its making and the record, a crash leaves a device that is there and tells the
 * number itself.
 */
#include "broker-private.h"

#include "port-error.h"

static LinkInfo
device_of(const Port *port)
{
    LinkInfo link = {.index = port->interface_index};

    g_strlcpy(link.name, port->interface_name, sizeof(link.name));
    return link;
}

gboolean
broker_check_node(const Caller *caller, const PortRequest *request, GError **error)
{
    if (!request->has_node || caller_is_root(caller) ||
        (request->node_owner == caller->uid && request->node_group == caller->gid))
        return TRUE;
    return port_error_set(error, PORT_ERROR_ACCESS_DENIED,
                          "only root may give a device node to others (user %u, group %u)",
                          (guint)request->node_owner, (guint)request->node_group);
}

gboolean
broker_make_node(Broker *broker, Port *port, const LinkInfo *device, GError **error)
{
    if (!port->has_node)
        return TRUE;
    if (!broker->kernel->ops->tap_node_ensure(broker->kernel, device, port->node_owner,
                                              &port->node_made, error))
        return FALSE;
    return port->node_made == 0 || registry_begin(broker->registry, port, error);
}

gboolean
broker_keep_node(Broker *broker, Port *port, const LinkInfo *device, GError **error)
{
    guint64 made = 0;

    if (!port->has_node)
        return TRUE;
    if (!broker->kernel->ops->tap_node_ensure(broker->kernel, device, port->node_owner, &made,
                                              error))
        return FALSE;
    if (made == 0)
        return TRUE;
    port->node_made = made;
    return registry_update(broker->registry, port, error);
}

gboolean
broker_delete_node(Broker *broker, const Port *port, GError **error)
{
    const LinkInfo device = device_of(port);
    g_autoptr(GError) cause = NULL;

    if (!port->has_node || (port->node_made == 0 && port->state != PORT_STATE_CREATING) ||
        broker->kernel->ops->tap_node_remove(broker->kernel, &device, port->node_made, &cause))
        return TRUE;
    return port_error_set(error, PORT_ERROR_SYSTEM, "port %s: %s", port->name, cause->message);
}

void
broker_remove_node(Broker *broker, const Port *port)
{
    g_autoptr(GError) error = NULL;

    if (!broker_delete_node(broker, port, &error))
        g_warning("%s", error->message);
}
