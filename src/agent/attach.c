/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * A place for the device is found first, then the port is created, and QEMU gets its descriptors by
 * getfd, a backend that uses them, and a device. If a step fails, those before it are undone, the
 * last first. Then the port has ended by itself, or is deleted: QEMU 7.2 does not close the
 * descriptors of a backend that it refuses. Never before: QEMU aborts when a queue that its device
 * uses has no port any longer (virtio_net_set_queue_pairs() in its hw/net/virtio-net.c). Their
 * numbers are gone from here as soon as they were sent: a port whose agent has been killed in
 * between ends with QEMU.
 *
 * A device goes only when the guest releases it; its backend goes at once, also below a device
 * that stays.
 */
#include "attach.h"

#include "guest-nics.h"
#include "hot-plug.h"
#include "qmp-steps.h"

/* For the guest to release a device: Linux takes less than a second, and with PCIe's own hot-plug 5
 * seconds more, for the attention button. */
#define UNPLUG_DEADLINE 30000
#define UNPLUG_DEADLINE_OF_UNDO 3000

#define ETHERNET_MTU 1500

typedef struct Attach {
    Qmp *qmp;
    char *socket, *model, *bus;
    MacvtapRequest *request; /* until it is sent */
    MacvtapPort *port;
    GError *failure;
    AttachDone done;
    gpointer user_data;
} Attach;

/* A port that is to end. */
typedef struct Ending {
    char *socket, *port_id;
    void (*done)(gpointer user_data);
    gpointer user_data;
} Ending;

typedef struct Detach {
    Qmp *qmp;
    char *socket, *port_id, *mac, *netdev;
    gboolean is_ours;   /* the port ends with its descriptors */
    gboolean is_absent; /* QEMU has no device of it: at most a backend */
    DetachDone done;
    gpointer user_data;
} Detach;

char *
attach_netdev_name(const char *port_id)
{
    return g_strdup_printf("macvtap-%s", port_id);
}

static char *
device_name(const char *port_id)
{
    return g_strdup_printf("macvtap-%s-nic", port_id);
}

MacvtapRequest *
attach_request_new(const char *network, json_t *fields, const char *guest_name, GError **error)
{
    MacvtapRequest *request = macvtap_request_new(MACVTAP_METHOD_CREATE_PORT);
    const char *name;
    json_t *value;

    macvtap_request_set_network(request, network);
    macvtap_request_set_guest_name(request, guest_name);
    json_object_foreach (fields, name, value) {
        if (macvtap_request_set_text(request, name, json_string_value(value) ?: "") >= 0)
            continue;
        g_set_error_literal(error, DAEMON_CALL_ERROR, MACVTAP_REFUSAL_INVALID_REQUEST,
                            macvtap_request_get_message(request));
        macvtap_request_free(request);
        return NULL;
    }
    return request;
}

static void
attach_finish(Attach *attach)
{
    attach->done(attach->failure ? NULL : g_steal_pointer(&attach->port), attach->failure,
                 attach->user_data);
    g_free(attach->socket);
    g_free(attach->model);
    g_free(attach->bus);
    macvtap_request_free(attach->request);
    macvtap_port_free(attach->port);
    g_clear_error(&attach->failure);
    g_free(attach);
}

static void
attach_fail(Attach *attach, const GError *error)
{
    attach->failure = g_error_copy(error);
    attach_finish(attach);
}

/* A failure to delete it changes nothing for the user: without descriptors the port ends anyway. */
static void
on_deleted(MacvtapRequest *request, const GError *error, gpointer user_data)
{
    Ending *ending = user_data;

    ending->done(ending->user_data);
    g_free(ending->socket);
    g_free(ending->port_id);
    g_free(ending);
}

static void
on_looked(MacvtapRequest *request, const GError *error, gpointer user_data)
{
    Ending *ending = user_data;
    MacvtapRequest *deletion;

    if (error) {
        on_deleted(NULL, NULL, ending);
        return;
    }
    deletion = macvtap_request_new(MACVTAP_METHOD_DELETE_PORT);
    macvtap_request_set_port(deletion, ending->port_id);
    daemon_call(ending->socket, deletion, on_deleted, ending);
}

/* QEMU has given up the port's descriptors. It is looked for first: macvtapd logs what it refuses.
 */
static void
end_port(const char *socket, const char *port_id, void (*done)(gpointer user_data),
         gpointer user_data)
{
    MacvtapRequest *look = macvtap_request_new(MACVTAP_METHOD_GET_PORT);
    Ending *ending = g_new(Ending, 1);

    *ending = (Ending){g_strdup(socket), g_strdup(port_id), done, user_data};
    macvtap_request_set_port(look, port_id);
    daemon_call(socket, look, on_looked, ending);
}

static void
on_undone(gpointer user_data)
{
    attach_finish(user_data);
}

static void
on_plugged(const GError *error, gpointer user_data)
{
    Attach *attach = user_data;

    if (!error) {
        attach_finish(attach);
        return;
    }
    attach->failure = g_error_copy(error);
    end_port(attach->socket, macvtap_port_get_id(attach->port), on_undone, attach);
}

/* Gives QEMU a descriptor, which is taken, and adds its name to names ("A:B"). */
static void
add_descriptor(QmpSteps *steps, GString *names, const char *port_id, const char *kind, gsize queue,
               int fd)
{
    g_autofree char *name = g_strdup_printf("macvtap-%s-%s%" G_GSIZE_FORMAT, port_id, kind, queue);

    g_string_append_printf(names, "%s%s", names->len > 0 ? ":" : "", name);
    qmp_steps_add(steps, "getfd", json_pack("{s:s}", "fdname", name), fd);
    qmp_steps_undo(steps, "closefd", json_pack("{s:s}", "fdname", name));
}

static void
add_backend(QmpSteps *steps, MacvtapPort *port, const char *netdev)
{
    const char *id = macvtap_port_get_id(port);
    gsize n_taps = macvtap_port_get_n_taps(port), n_vhosts = macvtap_port_get_n_vhosts(port);
    json_t *arguments = json_pack("{s:s, s:s}", "type", "tap", "id", netdev);
    g_autoptr(GString) taps = g_string_new(NULL);
    g_autoptr(GString) vhosts = g_string_new(NULL);

    for (gsize i = 0; i < n_taps; i++)
        add_descriptor(steps, taps, id, "tap", i, macvtap_port_take_tap(port, i));
    for (gsize i = 0; i < n_vhosts; i++)
        add_descriptor(steps, vhosts, id, "vhost", i, macvtap_port_take_vhost(port, i));
    json_object_set_new(arguments, n_taps > 1 ? "fds" : "fd", json_string(taps->str));
    if (n_vhosts > 0) {
        json_object_set_new(arguments, "vhost", json_true());
        json_object_set_new(arguments, n_taps > 1 ? "vhostfds" : "vhostfd",
                            json_string(vhosts->str));
    }
    qmp_steps_add(steps, "netdev_add", arguments, -1);
    qmp_steps_undo(steps, "netdev_del", json_pack("{s:s}", "id", netdev));
}

static void
add_device(QmpSteps *steps, const Attach *attach, const char *netdev)
{
    MacvtapPort *port = attach->port;
    g_autofree char *name = device_name(macvtap_port_get_id(port));
    g_autofree char *path = g_strdup_printf("/machine/peripheral/%s", name);
    gsize n_queues = macvtap_port_get_n_taps(port);
    json_t *arguments = json_pack("{s:s, s:s, s:s, s:s}", "driver", attach->model, "id", name,
                                  "netdev", netdev, "mac", macvtap_port_get_mac_address(port));
    gboolean is_virtio = g_str_has_prefix(attach->model, "virtio-net");

    if (attach->bus)
        json_object_set_new(arguments, "bus", json_string(attach->bus));
    if (is_virtio && n_queues > 1)
        json_object_set_new(arguments, "mq", json_true());
    /* One vector for each direction of each queue, one for control, one for configuration. */
    if (g_str_has_prefix(attach->model, "virtio-net-pci") && n_queues > 1)
        json_object_set_new(arguments, "vectors", json_integer((json_int_t)(2 * n_queues + 2)));
    if (is_virtio && macvtap_port_get_mtu(port) != ETHERNET_MTU)
        json_object_set_new(arguments, "host_mtu", json_integer(macvtap_port_get_mtu(port)));
    qmp_steps_add(steps, "device_add", arguments, -1);
    qmp_steps_undo_by_unplug(steps, path, UNPLUG_DEADLINE_OF_UNDO);
}

static void
on_created(MacvtapRequest *request, const GError *error, gpointer user_data)
{
    Attach *attach = user_data;
    g_autofree char *netdev = NULL;
    QmpSteps *steps;

    if (error) {
        attach_fail(attach, error);
        return;
    }
    attach->port = macvtap_request_take_port(request, 0);
    netdev = attach_netdev_name(macvtap_port_get_id(attach->port));
    steps = qmp_steps_new(attach->qmp);
    add_backend(steps, attach->port, netdev);
    add_device(steps, attach, netdev);
    qmp_steps_run(steps, on_plugged, attach);
}

static void
on_place(const HotPlug *place, const GError *error, gpointer user_data)
{
    Attach *attach = user_data;

    if (error) {
        attach_fail(attach, error);
        return;
    }
    if (!attach->model)
        attach->model = g_strdup(place->driver);
    if (!attach->bus)
        attach->bus = g_strdup(place->bus);
    daemon_call(attach->socket, g_steal_pointer(&attach->request), on_created, attach);
}

void
attach_port(Qmp *qmp, const AttachSettings *settings, MacvtapRequest *request, AttachDone done,
            gpointer user_data)
{
    Attach *attach = g_new0(Attach, 1);
    gboolean is_known = settings->model && !g_str_equal(settings->model, "virtio");

    *attach = (Attach){
        .qmp = qmp,
        .socket = g_strdup(settings->socket),
        .model = is_known ? g_strdup(settings->model) : NULL,
        .bus = g_strdup(settings->bus),
        .request = request,
        .done = done,
        .user_data = user_data,
    };
    if (attach->model && attach->bus)
        daemon_call(attach->socket, g_steal_pointer(&attach->request), on_created, attach);
    else
        hot_plug_find(qmp, on_place, attach);
}

static void
detach_finish(Detach *detach, const GError *error)
{
    detach->done(error, detach->user_data);
    g_free(detach->socket);
    g_free(detach->port_id);
    g_free(detach->mac);
    g_free(detach->netdev);
    g_free(detach);
}

static void
on_ended(gpointer user_data)
{
    detach_finish(user_data, NULL);
}

static void
on_unplugged(const GError *error, gpointer user_data)
{
    Detach *detach = user_data;
    g_autoptr(GError) absent = NULL;

    if (error && detach->is_absent)
        absent = g_error_new(QMP_ERROR, QMP_ERROR_REFUSED,
                             "QEMU has no network device of this port (MAC %s)", detach->mac);
    if (error || !detach->is_ours)
        detach_finish(detach, absent ? absent : error);
    else
        end_port(detach->socket, detach->port_id, on_ended, detach);
}

/* A device with the port's MAC can be another port's, on another network: then this one is not to
 * be deleted under its guest. It ends by itself if it is the right one. */
static const GuestNic *
find_nic(Detach *detach, GPtrArray *nics)
{
    g_autofree char *ours = attach_netdev_name(detach->port_id);
    const GuestNic *nic = guest_nics_find(nics, detach->netdev ? detach->netdev : ours, NULL);

    if (nic || detach->netdev)
        return nic;
    nic = guest_nics_find(nics, NULL, detach->mac);
    if (nic)
        detach->is_ours = FALSE;
    return nic;
}

/* A guest may have released the device after somebody else had asked it to, or too late for an
 * earlier request: then the backend alone is left. */
static void
on_nics(GPtrArray *nics, const GError *error, gpointer user_data)
{
    Detach *detach = user_data;
    const GuestNic *nic = error ? NULL : find_nic(detach, nics);
    QmpSteps *steps;

    if (error) {
        detach_finish(detach, error);
        return;
    }
    detach->is_absent = !nic;
    if (!detach->netdev)
        detach->netdev = nic ? g_strdup(nic->netdev) : attach_netdev_name(detach->port_id);
    steps = qmp_steps_new(detach->qmp);
    if (nic)
        qmp_steps_add_unplug(steps, nic->path, UNPLUG_DEADLINE);
    qmp_steps_add(steps, "netdev_del", json_pack("{s:s}", "id", detach->netdev), -1);
    qmp_steps_run(steps, on_unplugged, detach);
}

void
detach_port(Qmp *qmp, const char *socket, const MacvtapPort *port, const char *netdev,
            DetachDone done, gpointer user_data)
{
    Detach *detach = g_new0(Detach, 1);

    *detach = (Detach){
        .qmp = qmp,
        .socket = g_strdup(socket),
        .port_id = g_strdup(macvtap_port_get_id(port)),
        .mac = g_strdup(macvtap_port_get_mac_address(port)),
        .netdev = g_strdup(netdev),
        .is_ours = macvtap_port_get_holder(port) == MACVTAP_HOLDER_DESCRIPTORS,
        .done = done,
        .user_data = user_data,
    };
    guest_nics_list(qmp, on_nics, detach);
}
