/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * Whoever holds a tap descriptor can set the device's MAC with SIOCSIFHWADDR and without any
 * capability (drivers/net/tap.c, tap_ioctl), in passthru the parent's with it. The kernel tells of
 * it by RTM_NEWLINK, and we set it back. Between the two the guest has the other MAC: this keeps a
 * port from staying so, it does not keep a frame from leaving. Setting it back can fail when
 * another port has taken our MAC meanwhile, which is itself about to be set back: after each
 * success those that failed on the same parent are tried again.
 */
#include "keeping.h"

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

static gboolean
put_back(Broker *broker, Port *port)
{
    g_autoptr(GError) error = NULL;
    char text[MAC_ADDRESS_TEXT_SIZE];
    gboolean first_failure = !port->mac_astray;

    port->mac_astray = !broker->kernel->ops->link_set_mac(broker->kernel, port->interface_index,
                                                          &port->mac, &error);
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

        if (port != kept && port->mac_astray && g_str_equal(port->parent, kept->parent))
            put_back(broker, port);
    }
}

gboolean
keeping_on_mac(Broker *broker, Port *port, const MacAddress *mac)
{
    char text[MAC_ADDRESS_TEXT_SIZE];

    if (mac_address_equal(&port->mac, mac)) {
        port->mac_astray = FALSE;
        return FALSE;
    }
    if (may_change(port)) {
        port->mac = *mac;
        save(broker, port);
        return TRUE;
    }
    if (port->mac_changes++ == 0)
        g_warning(
            "port %s: its MAC was changed to %s, which network %s does not allow; it is put back,"
            " as every time from now on",
            port->name, mac_address_format(mac, text), port->network);
    if (put_back(broker, port))
        retry_others(broker, port);
    return TRUE;
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
