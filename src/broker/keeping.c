/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * Whoever holds a tap descriptor can set the device's MAC with SIOCSIFHWADDR and without any
 * capability (drivers/net/tap.c, tap_ioctl), in passthru the parent's with it. The kernel tells of
 * it by RTM_NEWLINK, and we set it back. Between the two the guest has the other MAC: this keeps a
 * port from staying so, it does not keep a frame from leaving.
 *
 * An event tells of a moment that has passed: we act on what the MAC is by now, so that our own
 * changes, or two in a row, are not taken for further ones.
 *
 * Setting it back fails while another link of the parent has our MAC. If that is a port of ours
 * which may not have it (two guests have swapped theirs), it makes way by taking a random one, and
 * is put back in turn by the event of that. Otherwise the port stays astray; after each success
 * those that failed on the same parent are tried again, and all when a link has gone.
 */
#include "keeping.h"

#include "error.h"
#include "random.h"

#include <errno.h>

static gboolean
may_change(const Port *port)
{
    return port->mac_policy == MAC_POLICY_ANY || port->mac_policy == MAC_POLICY_ASSIGN;
}

static void
save(Broker *broker, const Port *port)
{
    g_autoptr(GError) error = NULL;

    if (!registry_update(broker->registry, port, &error))
        g_warning("record of port %s: %s", port->name, error->message);
}

/* The port of ours that has this port's MAC and may not, or NULL. */
static Port *
find_usurper(Broker *broker, const Port *port)
{
    g_autoptr(GArray) links = broker->kernel->ops->link_list(broker->kernel, NULL);

    for (guint i = 0; links && i < links->len; i++) {
        const LinkInfo *link = &g_array_index(links, LinkInfo, i);
        Port *other;

        if (!link->is_macvlan || !mac_address_equal(&link->mac, &port->mac))
            continue;
        other = registry_find_index(broker->registry, link->index);
        if (other && other != port && other->parent_index == port->parent_index)
            return may_change(other) ? NULL : other;
    }
    return NULL;
}

static gboolean
make_way(Broker *broker, const Port *usurper)
{
    guint32 low = random_number(), high = random_number();
    /* 02: locally administered, and no multicast address. */
    const MacAddress way = {{0x02, (guint8)(high >> 8), (guint8)high, (guint8)(low >> 16),
                             (guint8)(low >> 8), (guint8)low}};

    return broker->kernel->ops->link_set_mac(broker->kernel, usurper->interface_index, &way, NULL);
}

static gboolean
set_back(Broker *broker, const Port *port, GError **error)
{
    const KernelOps *ops = broker->kernel->ops;
    g_autoptr(GError) cause = NULL;
    Port *usurper;

    if (ops->link_set_mac(broker->kernel, port->interface_index, &port->mac, &cause))
        return TRUE;
    usurper = error_is_errno(cause, EADDRINUSE) ? find_usurper(broker, port) : NULL;
    if (usurper && make_way(broker, usurper))
        return ops->link_set_mac(broker->kernel, port->interface_index, &port->mac, error);
    g_propagate_error(error, g_steal_pointer(&cause));
    return FALSE;
}

static gboolean
put_back(Broker *broker, Port *port)
{
    g_autoptr(GError) error = NULL;
    char text[MAC_ADDRESS_TEXT_SIZE];
    gboolean first_failure = !port->mac_astray;

    port->mac_astray = !set_back(broker, port, &error);
    if (port->mac_astray && first_failure)
        g_warning("port %s: its MAC %s could not be put back: %s", port->name,
                  mac_address_format(&port->mac, text), error->message);
    return !port->mac_astray;
}

static void
retry_others(Broker *broker, const Port *kept)
{
    g_autoptr(GPtrArray) ports = registry_list(broker->registry);

    for (guint i = 0; i < ports->len; i++) {
        Port *port = ports->pdata[i];

        if (port != kept && port->mac_astray && !port->is_ending &&
            port->parent_index == kept->parent_index)
            put_back(broker, port);
    }
}

static void
keep(Broker *broker, Port *port, const MacAddress *mac)
{
    char text[MAC_ADDRESS_TEXT_SIZE];

    if (!port->mac_astray && port->mac_changes++ == 0)
        g_warning(
            "port %s: its MAC was changed to %s, which network %s does not allow; it is put back,"
            " as every time from now on",
            port->name, mac_address_format(mac, text), port->network);
    if (put_back(broker, port))
        retry_others(broker, port);
}

gboolean
keeping_on_mac(Broker *broker, Port *port, const MacAddress *mac)
{
    g_autoptr(GError) error = NULL;
    LinkInfo now;

    if (mac_address_equal(&port->mac, mac)) {
        port->mac_astray = FALSE;
        return FALSE;
    }
    if (!broker->kernel->ops->link_by_index(broker->kernel, port->interface_index, &now, &error)) {
        if (error_is_errno(error, ENODEV))
            return FALSE;
        now.mac = *mac; /* nobody can tell; another event comes if it is another by now */
    }
    if (mac_address_equal(&port->mac, &now.mac))
        return FALSE;
    if (may_change(port)) {
        registry_set_mac(broker->registry, port, &now.mac);
        save(broker, port);
    } else {
        keep(broker, port, mac);
    }
    return TRUE;
}

static void
retry_astray(Port *port, gpointer user_data)
{
    if (port->mac_astray && port->state == PORT_STATE_ACTIVE && !port->is_ending)
        put_back(user_data, port);
}

void
keeping_on_removal(Broker *broker)
{
    registry_foreach(broker->registry, retry_astray, broker);
}

gboolean
keeping_on_mtu(Broker *broker, Port *port, guint32 mtu)
{
    if (mtu == 0 || port->mtu == mtu)
        return FALSE;
    g_warning("port %s: its MTU is now %u, it was %u (the parent's has changed)", port->name, mtu,
              port->mtu);
    port->mtu = mtu;
    save(broker, port);
    return TRUE;
}
