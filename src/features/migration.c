/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * Feature: a guest that migrates between hosts while its neighbours, guests on the same parent,
 * talk to it. For some time there are two ports with its MAC, and the guest is behind only one of
 * them.
 *
 * In bridge mode the kernel delivers a neighbour's frames for that MAC to the local port, whether
 * the guest is behind it or not (macvlan_queue_xmit()), and it hides broadcasts from the wire with
 * that source MAC from the neighbours, as it takes them for echoes (macvlan_multicast_rx()). In
 * vepa mode it does neither: the neighbours reach the guest over the wire. Frames from the wire for
 * the guest still arrive, so a guest that starts to run unnoticed is cut off only from its
 * neighbours; a device that is down would be cut off completely, and would hide its guest's first
 * frame. In the other modes there are no neighbours.
 *
 * So a port of a bridge network is in vepa mode while its guest is elsewhere:
 *   - on the way in, from its creation until its first frame. That is QEMU's announcement of the
 * guest, which is sent when the guest starts to run, even if the guest itself sends nothing;
 *   - on the way out, from the arrival of this announcement on the wire. libvirt deletes the port
 * only after QEMU has ended, some time later. If it was not a migration but an echo or a lie, the
 * guest's next frame ends it. The kernel reports the first frame as it happens. If no daemon runs
 * then, the next one finds that the device has sent more frames than when the wait began.
 *
 * A port of another mode only notes that its guest is on the way in, until its first frame: such a
 * guest must not be announced from here (src/networks/announcements.c).
 *
 * The record alone determines the device's mode, and it is written first: if the daemon dies before
 * it sets the mode, or the kernel refuses the change, the next look at the device repairs it
 * (look.c).
 */
#include "feature.h"

#include "port-error.h"

static gboolean
migration_check(FeatureHost *host, const NewPort *new, GError **error)
{
    return !new->request->incoming || caller_is_root(new->caller) ||
           port_error_set(error, PORT_ERROR_ACCESS_DENIED,
                          "only root may make a port for an incoming migration");
}

static gboolean
migration_prepare(FeatureHost *host, NewPort *new, GError **error)
{
    new->port->incoming = new->request->incoming;
    return TRUE;
}

static void
leave_vepa(FeatureHost *host, Port *port)
{
    port->incoming = FALSE;
    host->ops->save(host, port);
    host->ops->look(host, port);
    host->ops->emit(host, port);
}

static void
on_transmit(int index, gpointer user_data)
{
    FeatureHost *host = user_data;
    Port *port = port_table_find_index(host->ports, index);

    if (port && port->incoming && !port->is_ending)
        leave_vepa(host, port);
}

static gboolean
watch_guest(FeatureHost *host, const Port *port, GError **error)
{
    Kernel *kernel = host->kernel;

    return kernel->ops->watch_transmit(kernel, port->interface_index, on_transmit, host, error);
}

static void
unwatch_guest(FeatureHost *host, const Port *port)
{
    Kernel *kernel = host->kernel;

    kernel->ops->unwatch_transmit(kernel, port->interface_index);
}

static gboolean
migration_attach(FeatureHost *host, NewPort *new, const LinkInfo *device, GError **error)
{
    g_autoptr(GError) cause = NULL;

    return !new->port->incoming || watch_guest(host, new->port, &cause) ||
           port_error_set(error, PORT_ERROR_SYSTEM, "%s", cause->message);
}

static gboolean
count_sent(FeatureHost *host, const Port *port, guint64 *ret_sent, GError **error)
{
    Kernel *kernel = host->kernel;
    LinkStatistics now;

    if (!kernel->ops->link_statistics(kernel, port->interface_index, &now, error))
        return FALSE;
    *ret_sent = now.tx_packets;
    return TRUE;
}

/* The guest may already have sent its first frame. */
static gboolean
migration_adopt(FeatureHost *host, Port *port, const LinkInfo *device, GError **error)
{
    g_autoptr(GError) cause = NULL;
    guint64 sent = 0;

    if (!port->incoming)
        return TRUE;
    if (!watch_guest(host, port, &cause) || !count_sent(host, port, &sent, &cause))
        return port_error_set(
            error, PORT_ERROR_SYSTEM,
            "port %s: cannot watch for the guest's first frame, leaving it in vepa mode: %s",
            port->name, cause->message);
    if (sent != port->sent_before) {
        unwatch_guest(host, port);
        leave_vepa(host, port);
    }
    return TRUE;
}

static void
migration_want(FeatureHost *host, const Port *port, const Network *network, DeviceState *state)
{
    if (port->incoming && port->mode == MACVTAP_MODE_BRIDGE)
        state->mode = MACVTAP_MODE_VEPA;
}

static void
migration_detach(FeatureHost *host, const Port *port)
{
    if (port->incoming)
        unwatch_guest(host, port);
}

static Port *
find_guest(FeatureHost *host, int parent, const MacAddress *mac)
{
    const GSList *ports = port_table_find_mac(host->ports, mac);

    for (; ports; ports = ports->next) {
        Port *port = ports->data;

        if (port->parent_index == parent && port->state == PORT_STATE_ACTIVE && !port->is_ending)
            return port;
    }
    return NULL;
}

/* The watch for the guest's next frame is set and the record written before the device changes. */
static gboolean
note_departure(FeatureHost *host, Port *port, GError **error)
{
    guint64 before = port->sent_before, sent = 0;

    if (!count_sent(host, port, &sent, error) || !watch_guest(host, port, error))
        return FALSE;
    port->incoming = TRUE;
    port->sent_before = sent;
    if (host->ops->record(host, port, error))
        return TRUE;
    port->incoming = FALSE;
    port->sent_before = before;
    unwatch_guest(host, port);
    return FALSE;
}

/* AnnouncementHandler */
static void
on_announcement(int index, const MacAddress *mac, gpointer user_data)
{
    FeatureHost *host = user_data;
    g_autoptr(GError) error = NULL;
    Port *port = find_guest(host, index, mac);

    if (!port || port->mode != MACVTAP_MODE_BRIDGE || port->incoming)
        return;
    if (!note_departure(host, port, &error)) {
        g_warning("port %s: guest migrated away, but switching to vepa mode failed; other ports on "
                  "%s still send to this host: %s",
                  port->name, port->parent, error->message);
        return;
    }
    host->ops->look(host, port);
    host->ops->emit(host, port);
}

static gboolean
migration_start(FeatureHost *host, gpointer *ret_state, GError **error)
{
    Kernel *kernel = host->kernel;

    return kernel->ops->watch_announcements(kernel, on_announcement, host, error);
}

const PortFeature feature_migration = {
    .name = "migration",
    .start = migration_start,
    .check = migration_check,
    .prepare = migration_prepare,
    .attach = migration_attach,
    .adopt = migration_adopt,
    .want = migration_want,
    .detach = migration_detach,
};
