/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Feature: the port's MTU. A macvtap's is its parent's at most: the kernel lowers it with the
 * parent's and does not raise it again. We do, up to what the port was made with (wanted_mtu),
 * which is what its guest was told.
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
    /* Without a look at the parent nobody knows what the device may have. */
    if (port->parent_mtu)
        state->fields |= DEVICE_MTU;
}

/* The device's message may come before its parent's. */
static void
look_at_parent(FeatureHost *host, Port *port)
{
    Kernel *kernel = host->kernel;
    LinkInfo parent;

    if (kernel->ops->link_by_index(kernel, port->parent_index, &parent, NULL))
        port->parent_mtu = parent.mtu;
}

static gboolean
mtu_follow(FeatureHost *host, Port *port, const LinkInfo *device, gboolean by_parent)
{
    if (device->mtu != wanted_mtu(port))
        look_at_parent(host, port);
    if (device->mtu == port->mtu || device->mtu != wanted_mtu(port))
        return FALSE;
    g_warning("port %s: its MTU is now %u, it was %u (the parent's has changed)", port->name,
              device->mtu, port->mtu);
    if (port->wanted_mtu == 0)
        port->wanted_mtu = port->mtu;
    port->mtu = device->mtu;
    host->ops->save(host, port);
    return TRUE;
}

static void
mtu_repaired(FeatureHost *host, Port *port, const LinkInfo *before, guint fields,
             gboolean by_parent)
{
    if (fields & DEVICE_MTU && before->mtu != port->mtu && !by_parent)
        g_message("port %s: its MTU was %u, it is %u again", port->name, before->mtu, port->mtu);
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

const PortFeature feature_mtu = {
    .name = "MTU",
    .choose = mtu_choose,
    .want = mtu_want,
    .follow = mtu_follow,
    .repaired = mtu_repaired,
    .on_parent = mtu_on_parent,
};
