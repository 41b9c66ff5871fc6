/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * Feature: /dev/tap<index>, for a program that opens the device by path (libvirt). The kernel's own
 * node exists exactly as long as the device. The number of a node that macvtapd had to create is in
 * the record, so that it can be recognized when the device is gone. Such a node is removed before
 * the device, or as soon as the device's removal by others is noticed, because its number may be
 * reused then. After a crash between the node's creation and the record, the device still exists
 * and shows the number.
 */
#include "feature.h"

#include "port-error.h"

static LinkInfo
device_of(const Port *port)
{
    LinkInfo link = {.index = port->interface_index};

    g_strlcpy(link.name, port->interface_name, sizeof(link.name));
    return link;
}

static gboolean
node_check(FeatureHost *host, const NewPort *new, GError **error)
{
    const PortRequest *request = new->request;
    const Caller *caller = new->caller;

    if (!request->has_node || caller_is_root(caller) ||
        (request->node_owner == caller->uid && request->node_group == caller->gid))
        return TRUE;
    return port_error_set(error, PORT_ERROR_ACCESS_DENIED,
                          "only root may give a device node to others (user %u, group %u)",
                          (guint)request->node_owner, (guint)request->node_group);
}

static gboolean
node_prepare(FeatureHost *host, NewPort *new, GError **error)
{
    new->port->has_node = new->request->has_node;
    new->port->node_owner = new->request->node_owner;
    new->port->node_group = new->request->node_group;
    return TRUE;
}

static gboolean
node_make(FeatureHost *host, NewPort *new, const LinkInfo *device, GError **error)
{
    Kernel *kernel = host->kernel;
    Port *port = new->port;

    if (!port->has_node)
        return TRUE;
    if (!kernel->ops->tap_node_ensure(kernel, device, port->node_owner, &port->node_made, error))
        return FALSE;
    return port->node_made == 0 || host->ops->record(host, port, error);
}

static gboolean
ensure_node(FeatureHost *host, Port *port, const LinkInfo *device, GError **error)
{
    Kernel *kernel = host->kernel;
    guint64 made = 0;

    if (!kernel->ops->tap_node_ensure(kernel, device, port->node_owner, &made, error))
        return FALSE;
    if (made == 0)
        return TRUE;
    port->node_made = made;
    return host->ops->record(host, port, error);
}

/* udev or an administrator may have changed the node's owner, or removed it. */
static gboolean
node_adopt(FeatureHost *host, Port *port, const LinkInfo *device, GError **error)
{
    g_autoptr(GError) cause = NULL;

    return !port->has_node || ensure_node(host, port, device, &cause) ||
           port_error_set(error, PORT_ERROR_SYSTEM, "port %s: cannot prepare its device node: %s",
                          port->name, cause->message);
}

static gboolean
node_release(FeatureHost *host, const Port *port, GError **error)
{
    Kernel *kernel = host->kernel;
    const LinkInfo device = device_of(port);
    g_autoptr(GError) cause = NULL;

    if (!port->has_node || (port->node_made == 0 && port->state != PORT_STATE_CREATING) ||
        kernel->ops->tap_node_remove(kernel, &device, port->node_made, &cause))
        return TRUE;
    return port_error_set(error, PORT_ERROR_SYSTEM, "port %s: %s", port->name, cause->message);
}

static void
node_orphan(FeatureHost *host, const LinkInfo *device)
{
    Kernel *kernel = host->kernel;

    kernel->ops->tap_node_remove(kernel, device, 0, NULL);
}

const PortFeature feature_node = {
    .name = "node",
    .check = node_check,
    .prepare = node_prepare,
    .make = node_make,
    .adopt = node_adopt,
    .release = node_release,
    .orphan = node_orphan,
};
