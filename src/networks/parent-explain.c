/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Explains in the user's terms why the kernel refuses to create a port on a parent, and predicts
 * whether it will. */
#include "networks-private.h"
#include "parent.h"

#include "error.h"
#include "port-error.h"

#include <errno.h>

/* Explains the kernel's EINVAL: by a visible conflict, or else by one in another namespace. */
static void
explain_invalid(Networks *networks, const LinkInfo *parent, const Port *port, GError **error)
{
    LinkInfo child, now;

    if (parent_find_child(networks, parent, 0, NULL, &child) &&
        !parent_check_child(parent, &child, port->mode, error))
        return;
    if (networks->kernel->ops->link_by_index(networks->kernel, parent->index, &now, NULL) &&
        port->mtu > now.mtu)
        port_error_set(error, PORT_ERROR_MTU_TOO_LARGE, "MTU %u is above %s's %u", port->mtu,
                       now.name, now.mtu);
    else if (port->mode == MACVTAP_MODE_PASSTHRU)
        port_error_set(error, PORT_ERROR_PARENT_BUSY,
                       "passthru needs %s to itself, but a macvlan or macvtap in another network "
                       "namespace (a container's) is on it",
                       parent->name);
    else
        port_error_set(error, PORT_ERROR_PARENT_BUSY,
                       "a passthru macvlan or macvtap in another network namespace (a container's)"
                       " holds %s",
                       parent->name);
}

static void
explain_address(Networks *networks, const LinkInfo *parent, const Port *port, GError **error)
{
    char text[MAC_ADDRESS_TEXT_SIZE];
    LinkInfo child;

    mac_address_format(&port->mac, text);
    if (parent_find_child(networks, parent, port->interface_index, &port->mac, &child))
        port_error_set(error, PORT_ERROR_MAC_CONFLICT, "MAC %s belongs to %s on %s", text,
                       child.name, parent->name);
    else
        port_error_set(error, PORT_ERROR_MAC_CONFLICT, "MAC %s is already in use on %s", text,
                       parent->name);
}

void
parent_explain(Networks *networks, const LinkInfo *parent, const Port *port, GError *cause,
               GError **error)
{
    if (error_is_errno(cause, EEXIST)) {
        port_error_set(error, PORT_ERROR_NAME_TAKEN, "interface name %s is taken",
                       port->interface_name);
    } else if (error_is_errno(cause, EADDRINUSE)) {
        explain_address(networks, parent, port, error);
    } else if (error_is_errno(cause, ENODEV)) {
        port_error_set(error, PORT_ERROR_PARENT_NOT_FOUND, "interface %s has just been removed",
                       parent->name);
    } else if (error_is_errno(cause, EBUSY)) {
        port_error_set(error, PORT_ERROR_PARENT_BUSY,
                       "%s is in use in a way that excludes macvtap: %s", parent->name,
                       cause->message);
    } else if (error_is_errno(cause, EINVAL)) {
        explain_invalid(networks, parent, port, error);
    } else if (error_is_errno(cause, ENOPKG)) {
        port_error_set(
            error, PORT_ERROR_SYSTEM,
            "this kernel has no macvtap module: make sure that 'modprobe macvtap' succeeds");
    } else {
        port_error_set(error, PORT_ERROR_SYSTEM, "cannot create a macvtap on %s: %s", parent->name,
                       cause->message);
    }
    g_error_free(cause);
}

int
parent_foresee(Networks *networks, const LinkInfo *parent, const Port *port)
{
    LinkInfo other;

    if (port->interface_name[0] &&
        networks->kernel->ops->link_by_name(networks->kernel, port->interface_name, &other, NULL) &&
        !parent_is_aside(networks, &other))
        return EEXIST;
    if (parent_find_child(networks, parent, 0, NULL, &other) &&
        !parent_check_child(parent, &other, port->mode, NULL))
        return EINVAL;
    return port->mode != MACVTAP_MODE_PASSTHRU && parent_has_child(networks, parent, &port->mac)
               ? EADDRINUSE
               : 0;
}
