/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * Feature: the port's MAC. A process that has a tap descriptor can set the device's MAC with
 * SIOCSIFHWADDR and without any capability (drivers/net/tap.c, tap_ioctl), in passthru the parent's
 * with it. The kernel tells of it by RTM_NEWLINK. Where the network lets the guest choose (Mac=any,
 * passthru assign) the record follows; otherwise we set the MAC back. Between the two the guest has
 * the other MAC: this keeps a port from staying so, it does not keep a frame from leaving.
 *
 * A passthru device has its parent's MAC, in both directions. When the guest's side changes it, the
 * kernel sends a message of the device right after the parent's; when an administrator changes the
 * parent, it sends none of the device. So when a parent's message tells of another MAC we ask for
 * the parent (the kernel answers when the change is complete) and look at the device once the
 * messages that are there have been read: what is still other then, the parent has done.
 *
 * Setting a MAC back fails while another link of the parent has it. If that is a port that may not
 * have it (two guests have swapped theirs), it makes way by taking a random one, and is set back in
 * turn. Otherwise it is tried again as look.c has it.
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

/* In passthru the new device has the parent's MAC, whatever it was made with. */
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

/* The port that has this port's MAC and may not, or NULL. */
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
        if (other && other != port && other->parent_index == port->parent_index)
            return may_change(other) ? NULL : other;
    }
    return NULL;
}

static gboolean
take_random_mac(FeatureHost *host, const Port *port)
{
    Kernel *kernel = host->kernel;
    guint32 low = random_number(), high = random_number();
    /* 02: locally administered, and no multicast address. */
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

/* Each change by an administrator is told; of a guest's the first is enough. */
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
        g_warning("port %s: the MAC of its parent %s was changed to %s, and is %s again: network %s"
                  " gives the guest the parent's MAC, so delete the port before you change it",
                  port->name, port->parent, was, is, port->network);
    else if (port->mac_changes == 1)
        g_warning(
            "port %s: its MAC was changed to %s, which network %s does not allow; it is put back,"
            " as every time from now on",
            port->name, was, port->network);
}

static gboolean
mac_on_parent(FeatureHost *host, Port *port, const LinkInfo *parent)
{
    if (port->mode == MACVTAP_MODE_PASSTHRU && !mac_address_equal(&parent->mac, &port->mac))
        host->ops->look_later(host, port);
    return FALSE;
}

/* What a port that keeps its parent's MAC would have to go back to, nobody knows any more. */
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
