/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * Feature: the port's MAC. A process that has a tap descriptor can set the device's MAC with
 * SIOCSIFHWADDR and without any capability (drivers/net/tap.c, tap_ioctl), in passthru the parent's
 * with it. The kernel reports it by RTM_NEWLINK. If the network lets the guest choose (Mac=any,
 * passthru assign) the record follows; otherwise the MAC is restored. In between the guest has the
 * other MAC: the restoration is quick, but it does not stop a frame from leaving.
 *
 * A passthru device and its parent have the same MAC, in both directions. When the guest changes
 * it, the kernel sends a message for the device right after the parent's; when an administrator
 * changes the parent's, it sends none for the device. So when a parent's message has a new MAC, the
 * parent is queried (the kernel answers once the change is complete) and the device is checked
 * after all queued messages were read: a MAC that still differs then was changed on the parent.
 *
 * Restoring a MAC fails while another link of the parent has it. If that is a port that must not
 * have it (two guests swapped their MACs), that port gets a random one, and is restored in turn.
 * Otherwise the restoration is retried, see look.c.
 */
#include "feature.h"

#include "error.h"
#include "port-error.h"
#include "random.h"

#include <errno.h>

static gboolean
may_change(const Port *port)
{
    return port->mac_policy == MAC_POLICY_ANY || port->mac_policy == MAC_POLICY_ASSIGN;
}

/* In passthru the new device has the parent's MAC, whatever MAC was requested. */
static gboolean
mac_attach(FeatureHost *host, NewPort *new, const LinkInfo *device, GError **error)
{
    Kernel *kernel = host->kernel;
    const Port *port = new->port;
    g_autoptr(GError) cause = NULL;

    if (port->mode != MACVTAP_MODE_PASSTHRU || mac_address_equal(&device->mac, &port->mac) ||
        kernel->ops->link_set_mac(kernel, device->index, &port->mac, &cause))
        return TRUE;
    return port_error_set(error, PORT_ERROR_SYSTEM, "%s does not take the port's MAC: %s",
                          port->parent, cause->message);
}

static void
mac_want(FeatureHost *host, const Port *port, const Network *network, DeviceState *state)
{
    state->mac = port->mac;
    if (!may_change(port))
        state->fields |= DEVICE_MAC;
}

static gboolean
mac_follow(FeatureHost *host, Port *port, const LinkInfo *device, gboolean by_parent)
{
    char before[MAC_ADDRESS_TEXT_SIZE], now[MAC_ADDRESS_TEXT_SIZE];

    if (!may_change(port) || mac_address_equal(&port->mac, &device->mac))
        return FALSE;
    if (by_parent && port->mode == MACVTAP_MODE_PASSTHRU)
        g_warning("port %s: the MAC of its parent %s was changed from %s to %s, and the port's with"
                  " it",
                  port->name, port->parent, mac_address_format(&port->mac, before),
                  mac_address_format(&device->mac, now));
    port_table_set_mac(host->ports, port, &device->mac);
    host->ops->save(host, port);
    return TRUE;
}

static gboolean
mac_drift(FeatureHost *host, Port *port, guint fields)
{
    if (fields & DEVICE_MAC)
        port->mac_changes++;
    return (fields & DEVICE_MAC) != 0;
}

/* The port that has this port's MAC but must not, or NULL. */
static Port *
find_conflicting_port(FeatureHost *host, const Port *port)
{
    Kernel *kernel = host->kernel;
    g_autoptr(GArray) links = kernel->ops->link_list(kernel, NULL);

    for (guint i = 0; links && i < links->len; i++) {
        const LinkInfo *link = &g_array_index(links, LinkInfo, i);
        Port *other;

        if (!link->is_macvlan || !mac_address_equal(&link->mac, &port->mac))
            continue;
        other = port_table_find_index(host->ports, link->index);
        if (other && other != port && port->parent_index != 0 &&
            other->parent_index == port->parent_index)
            return may_change(other) ? NULL : other;
    }
    return NULL;
}

static gboolean
take_random_mac(FeatureHost *host, const Port *port)
{
    Kernel *kernel = host->kernel;
    guint32 low = random_number(), high = random_number();
    /* 02: locally administered and unicast. */
    const MacAddress mac = {{0x02, (guint8)(high >> 8), (guint8)high, (guint8)(low >> 16),
                             (guint8)(low >> 8), (guint8)low}};

    return kernel->ops->link_set_mac(kernel, port->interface_index, &mac, NULL);
}

static gboolean
mac_repair(FeatureHost *host, Port *port, const DeviceState *wanted, guint fields, GError **error)
{
    Kernel *kernel = host->kernel;
    g_autoptr(GError) cause = NULL;
    Port *other;

    if (!(fields & DEVICE_MAC) ||
        kernel->ops->link_set_mac(kernel, port->interface_index, &port->mac, &cause))
        return TRUE;
    other = error_is_errno(cause, EADDRINUSE) ? find_conflicting_port(host, port) : NULL;
    if (other && take_random_mac(host, other))
        return kernel->ops->link_set_mac(kernel, port->interface_index, &port->mac, error);
    g_propagate_error(error, g_steal_pointer(&cause));
    return FALSE;
}

/* Each change by an administrator is logged; of a guest's changes only the first. */
static void
mac_repaired(FeatureHost *host, Port *port, const LinkInfo *before, guint fields,
             gboolean by_parent)
{
    char was[MAC_ADDRESS_TEXT_SIZE], is[MAC_ADDRESS_TEXT_SIZE];

    if (!(fields & DEVICE_MAC))
        return;
    mac_address_format(&before->mac, was);
    mac_address_format(&port->mac, is);
    if (by_parent && port->mode == MACVTAP_MODE_PASSTHRU)
        g_warning(
            "port %s: the MAC of its parent %s was changed to %s, and was restored to %s: network "
            "%s gives the guest the parent's MAC, so delete the port before changing it",
            port->name, port->parent, was, is, port->network);
    else if (port->mac_changes == 1)
        g_warning("port %s: its MAC was changed to %s, which network %s does not allow; "
                  "restoring it (further changes are not logged)",
                  port->name, was, port->network);
}

static gboolean
mac_on_parent(FeatureHost *host, Port *port, const LinkInfo *parent)
{
    if (port->mode == MACVTAP_MODE_PASSTHRU && !mac_address_equal(&parent->mac, &port->mac))
        host->ops->look_later(host, port);
    return FALSE;
}

/* For a port with its parent's MAC, the MAC to restore is no longer known. */
static gboolean
mac_on_network(FeatureHost *host, Port *port, const Network *network)
{
    gboolean passthru = port->mode == MACVTAP_MODE_PASSTHRU;

    if (port->mac_policy == network->mac || network->mac == MAC_POLICY_INHERIT ||
        passthru != (network->mode == MACVTAP_MODE_PASSTHRU))
        return FALSE;
    port->mac_policy = network->mac;
    return TRUE;
}

const PortFeature feature_mac = {
    .name = "MAC",
    .attach = mac_attach,
    .want = mac_want,
    .follow = mac_follow,
    .drift = mac_drift,
    .repair = mac_repair,
    .repaired = mac_repaired,
    .on_parent = mac_on_parent,
    .on_network = mac_on_network,
};
