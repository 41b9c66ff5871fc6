/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Feature: the port's MTU. A macvtap's MTU cannot exceed its parent's: the kernel lowers it with
 * the parent's and does not raise it again. macvtapd does, up to the port's original MTU
 * (wanted_mtu), which the guest was told, or the present MTU= of its network.
 */
#include "feature.h"

#include "port-error.h"

static gboolean
mtu_choose(FeatureHost *host, NewPort *new, const LinkInfo *parent, GError **error)
{
    guint32 mtu = new->request->mtu ? new->request->mtu : new->network->mtu;

    if (mtu > parent->mtu)
        return port_error_set(error, PORT_ERROR_MTU_TOO_LARGE, "MTU %u is above %s's %u", mtu,
                              parent->name, parent->mtu);
    new->port->mtu = mtu ? mtu : parent->mtu;
    new->port->wanted_mtu = new->port->mtu;
    new->port->parent_mtu = parent->mtu;
    new->port->asked_mtu = new->request->mtu;
    new->port->network_mtu = new->network->mtu;
    return TRUE;
}

static guint32
wanted_mtu(const Port *port)
{
    guint32 wanted = port->wanted_mtu ? port->wanted_mtu : port->mtu;

    return port->parent_mtu ? MIN(wanted, port->parent_mtu) : wanted;
}

static void
mtu_want(FeatureHost *host, const Port *port, const Network *network, DeviceState *state)
{
    state->mtu = wanted_mtu(port);
    /* Only the parent shows which MTU the device can have. */
    if (port->parent_mtu)
        state->fields |= DEVICE_MTU;
}

/* The device's event may arrive before its parent's. Of a parent in another network namespace only
 * the device shows that its MTU was lowered. */
static void
look_at_parent(FeatureHost *host, Port *port, const LinkInfo *device)
{
    Kernel *kernel = host->kernel;
    LinkInfo parent;

    if (port->parent_index == 0)
        port->parent_mtu = device->mtu;
    else if (kernel->ops->link_by_index(kernel, port->parent_index, &parent, NULL))
        port->parent_mtu = parent.mtu;
}

/* Warn only about what can harm the guest: its MTU was lowered with the parent's. */
static void
say_followed(const Port *port, guint mtu)
{
    gboolean warn = !port->mtu_by_network && mtu < port->mtu;

    if (!port->mtu_by_network && mtu == port->wanted_mtu)
        g_message("port %s: its MTU is %u again, as its parent's allows", port->name, mtu);
    else
        g_log(G_LOG_DOMAIN, warn ? G_LOG_LEVEL_WARNING : G_LOG_LEVEL_MESSAGE,
              "port %s: its MTU is now %u, it was %u (%s has changed)", port->name, mtu, port->mtu,
              port->mtu_by_network ? "its network's MTU=" : "the parent's");
}

static gboolean
mtu_follow(FeatureHost *host, Port *port, const LinkInfo *device, gboolean by_parent)
{
    if (device->mtu != wanted_mtu(port))
        look_at_parent(host, port, device);
    if (device->mtu == port->mtu || device->mtu != wanted_mtu(port))
        return FALSE;
    say_followed(port, device->mtu);
    port->mtu_by_network = FALSE;
    port->is_mtu_told = TRUE;
    if (port->wanted_mtu == 0)
        port->wanted_mtu = port->mtu;
    port->mtu = device->mtu;
    host->ops->save(host, port);
    return TRUE;
}

static gboolean
mtu_drift(FeatureHost *host, Port *port, guint fields)
{
    port->is_mtu_told = FALSE;
    return FALSE;
}

static void
mtu_repaired(FeatureHost *host, Port *port, const LinkInfo *before, guint fields,
             gboolean by_parent)
{
    if (fields & DEVICE_MTU && before->mtu != port->mtu && !by_parent && !port->is_mtu_told)
        g_message("port %s: its MTU was %u and is %u again", port->name, before->mtu, port->mtu);
}

static gboolean
mtu_on_parent(FeatureHost *host, Port *port, const LinkInfo *parent)
{
    if (port->parent_mtu == parent->mtu)
        return FALSE;
    port->parent_mtu = parent->mtu;
    host->ops->look(host, port);
    return FALSE;
}

static gboolean
knows_parent(const Port *port)
{
    return port->parent_index != 0 && port->parent_mtu != 0;
}

/* A new MTU= applies to ports whose caller asked for no MTU, and is the limit for the others. With
 * neither, the parent decides, which may be in another network namespace: network_mtu then stays,
 * until it is back. */
static gboolean
mtu_on_network(FeatureHost *host, Port *port, const Network *network)
{
    guint32 own = port->asked_mtu ? port->asked_mtu : port->parent_mtu;

    if (!port->has_asked || port->network_mtu == network->mtu ||
        (network->mtu == 0 && port->asked_mtu == 0 && !knows_parent(port)))
        return FALSE;
    port->network_mtu = network->mtu;
    if (network->mtu == 0)
        port->wanted_mtu = own;
    else
        port->wanted_mtu = port->asked_mtu ? MIN(own, network->mtu) : network->mtu;
    port->mtu_by_network = wanted_mtu(port) != port->mtu;
    return TRUE;
}

static void
mtu_on_new_parent(FeatureHost *host, Port *port, int before)
{
    const Network *network = host->ops->network(host, port);

    if (network && mtu_on_network(host, port, network))
        host->ops->save(host, port);
}

const PortFeature feature_mtu = {
    .name = "MTU",
    .choose = mtu_choose,
    .want = mtu_want,
    .follow = mtu_follow,
    .drift = mtu_drift,
    .repaired = mtu_repaired,
    .on_parent = mtu_on_parent,
    .on_new_parent = mtu_on_new_parent,
    .on_network = mtu_on_network,
};
