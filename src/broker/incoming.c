/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * Use case: a guest that moves from one host to another while its neighbours, guests on the same
 * parent, talk to it. For some time there are two ports with its MAC, and only one has the guest.
 *
 * In bridge mode the kernel gives what a neighbour sends to that MAC to the port, whether the guest
 * is behind it or not (macvlan_queue_xmit()), and it keeps broadcasts that come from the wire with
 * that MAC from the neighbours, for it takes them for echoes (macvlan_multicast_rx()). In vepa mode
 * it does neither: the neighbours reach the guest by the wire, where it is. And what comes from the
 * wire for the guest still gets there, so that a guest is cut off from nobody but its neighbours if
 * it runs while we do not notice; a device that is down would be cut off altogether, and would hide
 * its guest's first frame. The other modes know no neighbours.
 *
 * So a port of a bridge network is in vepa mode while its guest is elsewhere:
 *   - on the way in, from its making until its first frame. That is QEMU's announcement of the
 *     guest, which leaves as the guest starts to run, whatever the guest itself has to say;
 *   - on the way out, from when this announcement comes in from the wire. libvirt ends the port
 * only when it has ended QEMU, some time after. If it was no migration, but an echo or a lie, the
 *     guest's next frame is its first again, and ends it.
 * The first frame is told by the kernel as it happens. While no daemon runs it is not: the next one
 * finds that the device has sent more than it had when the waiting began.
 */
#include "incoming.h"

#include "port-error.h"

gboolean
incoming_check(const Caller *caller, const PortRequest *request, GError **error)
{
    return !request->incoming || caller_is_root(caller) ||
           port_error_set(error, PORT_ERROR_ACCESS_DENIED,
                          "only root may make a port for an incoming migration");
}

static void
save(Broker *broker, const Port *port)
{
    g_autoptr(GError) error = NULL;

    if (!registry_update(broker->registry, port, &error))
        g_warning("record of port %s: %s", port->name, error->message);
}

static void
guest_is_here(Broker *broker, Port *port)
{
    g_autoptr(GError) error = NULL;

    if (!broker->kernel->ops->macvtap_set_mode(broker->kernel, port->interface_index, port->mode,
                                               &error)) {
        g_warning("port %s: its guest is there, but not for its neighbours on %s: %s", port->name,
                  port->parent, error->message);
        return;
    }
    port->incoming = FALSE;
    save(broker, port);
    broker_emit(broker, PORT_EVENT_CHANGED, port);
}

static void
on_transmit(int index, gpointer user_data)
{
    Broker *broker = user_data;
    Port *port = registry_find_index(broker->registry, index);

    if (port && port->incoming && !port->is_ending)
        guest_is_here(broker, port);
}

gboolean
incoming_await(Broker *broker, const Port *port, GError **error)
{
    return broker->kernel->ops->watch_transmit(broker->kernel, port->interface_index, on_transmit,
                                               broker, error);
}

gboolean
incoming_resume(Broker *broker, Port *port, GError **error)
{
    LinkStatistics now;

    if (!incoming_await(broker, port, error) ||
        !broker->kernel->ops->link_statistics(broker->kernel, port->interface_index, &now, error))
        return FALSE;
    if (now.tx_packets != port->sent_before) {
        incoming_end(broker, port);
        guest_is_here(broker, port);
    }
    return TRUE;
}

void
incoming_end(Broker *broker, const Port *port)
{
    if (port->incoming)
        broker->kernel->ops->unwatch_transmit(broker->kernel, port->interface_index);
}

static gboolean
let_go(Broker *broker, Port *port, GError **error)
{
    const KernelOps *ops = broker->kernel->ops;
    LinkStatistics now;

    if (!ops->link_statistics(broker->kernel, port->interface_index, &now, error) ||
        !incoming_await(broker, port, error))
        return FALSE;
    if (!ops->macvtap_set_mode(broker->kernel, port->interface_index, MACVTAP_MODE_VEPA, error)) {
        ops->unwatch_transmit(broker->kernel, port->interface_index);
        return FALSE;
    }
    port->incoming = TRUE;
    port->sent_before = now.tx_packets;
    return TRUE;
}

static Port *
find_guest(Broker *broker, int parent, const MacAddress *mac)
{
    g_autoptr(GPtrArray) ports = registry_list(broker->registry);

    for (guint i = 0; i < ports->len; i++) {
        Port *port = ports->pdata[i];

        if (mac_address_equal(&port->mac, mac) && port->parent_index == parent &&
            port->state == PORT_STATE_ACTIVE && !port->is_ending)
            return port;
    }
    return NULL;
}

void
incoming_on_announcement(int index, const MacAddress *mac, gpointer user_data)
{
    Broker *broker = user_data;
    g_autoptr(GError) error = NULL;
    Port *port = find_guest(broker, index, mac);

    if (!port || port->mode != MACVTAP_MODE_BRIDGE || port->incoming)
        return;
    if (!let_go(broker, port, &error)) {
        g_warning("port %s: its guest has left, but not for its neighbours on %s: %s", port->name,
                  port->parent, error->message);
        return;
    }
    save(broker, port);
    broker_emit(broker, PORT_EVENT_CHANGED, port);
}
