/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * A look compares a port's device with its required state (device.c), follows permitted changes and
 * repairs the rest. Creation uses the same description; an adoption, the kernel's events, lost
 * events, a reload and a failed repair all end in a look. An event describes a moment that has
 * passed, and may be caused by ourselves: one without news costs nothing, any other makes us read
 * the device's present state.
 *
 * After a repair the device is read again, as the kernel may accept a change that does not last
 * (the MAC of a bond with fail_over_mac=active). repair.c decides when a repair is made, repeated,
 * or given up.
 *
 * Only ENODEV means that a device is gone. A look that fails with another error is retried like a
 * repair.
 */
#include "broker-private.h"

#include "error.h"
#include "port-error.h"
#include "source.h"

#include <errno.h>
#include <net/if.h>
#include <string.h>

typedef enum LookReason {
    LOOK_OTHER,
    LOOK_MAC_EVENT, /* an event of the device showed another MAC */
    LOOK_PARENT,    /* the parent was changed, and all events of that were read */
    LOOK_DUE,       /* it is the turn of a waiting repair */
} LookReason;

static void
read_parent(Broker *broker, const Port *port, LinkInfo *ret_parent)
{
    memset(ret_parent, 0, sizeof(*ret_parent));
    broker->kernel->ops->link_by_index(broker->kernel, port->parent_index, ret_parent, NULL);
}

/* Without "port NAME: ". */
static const char *
skip_name(const Port *port, const char *message)
{
    g_autofree char *prefix = g_strdup_printf("port %s: ", port->name);

    return g_str_has_prefix(message, prefix) ? message + strlen(prefix) : message;
}

/* The device could not be read. */
static void
look_again(Broker *broker, Port *port, const GError *cause)
{
    g_autofree char *problem = NULL;
    LinkInfo parent;

    if (repairs_waits(broker->repairs, port))
        return; /* until its turn */
    problem = g_strdup_printf("its device cannot be read: %s", skip_name(port, cause->message));
    read_parent(broker, port, &parent);
    if (repairs_look_failed(broker->repairs, port, &parent, problem))
        broker_emit(broker, PORT_EVENT_CHANGED, port);
}

static gboolean
follow_name(Broker *broker, Port *port, const LinkInfo *device)
{
    if (g_str_equal(device->name, port->interface_name) ||
        !port_table_rename_interface(broker->ports, port, device->name))
        return FALSE;
    broker_save(broker, port);
    return TRUE;
}

static gboolean
follow_device(Broker *broker, Port *port, const LinkInfo *device, gboolean by_parent)
{
    gboolean up = (device->flags & IFF_UP) != 0;
    gboolean changed = port->link_up != up || port->carrier != device->carrier;

    port->link_up = up;
    port->carrier = device->carrier;
    port->all_multicast = (device->flags & IFF_ALLMULTI) != 0;
    changed |= follow_name(broker, port, device);
    changed |= features_follow(&broker->host, port, device, by_parent);
    return broker_note_network(broker, port) || changed;
}

static guint
compare_device(Broker *broker, const Port *port, const LinkInfo *device, DeviceState *ret_wanted)
{
    device_want(broker, port, broker_network_of(broker, port), ret_wanted);
    return device_compare(port, ret_wanted, device) |
           (features_compare(&broker->host, port) & ret_wanted->fields);
}

/* These fields were wrong and are correct now. */
static void
note_repaired(Broker *broker, Port *port, const LinkInfo *before, guint fields)
{
    gboolean by_parent = repairs_is_by_parent(broker->repairs, port);

    repairs_done(broker->repairs, port);
    features_repaired(&broker->host, port, before, fields, by_parent);
    /* Another port may be waiting for its old MAC. */
    if (fields & DEVICE_MAC)
        look_at_blocked(broker, port->parent_index);
}

/* Nothing is wrong with the device itself. */
static gboolean
note_lower(Port *port)
{
    g_autofree char *problem = lower_describe(port);

    return port_set_problem(port, problem);
}

/* One attempt. TRUE when the port has changed. */
static gboolean
attempt_repair(Broker *broker, Port *port, const DeviceState *wanted, const LinkInfo *device,
               guint fields)
{
    gboolean by_parent = repairs_is_by_parent(broker->repairs, port);
    g_autoptr(GError) error = NULL;
    g_autofree char *problem = NULL;
    LinkInfo after = *device, parent;
    DeviceState state;
    gboolean changed;
    guint wrong;

    if (!device_repair(broker, port, wanted, device, fields, &error))
        g_assert(error);
    if (!broker_find_device(broker, port, &after, error ? NULL : &error))
        after = *device;
    changed = follow_device(broker, port, &after, by_parent);
    wrong = compare_device(broker, port, &after, &state);
    repairs_attempted(broker->repairs, port, wanted, &after, wrong);
    if (wrong == 0 && !error) {
        note_repaired(broker, port, device, fields);
        return note_lower(port) || changed;
    }
    problem = device_describe(port, &state, &after, wrong ? wrong : fields, error);
    read_parent(broker, port, &parent);
    return repairs_failed(broker->repairs, port, &parent, problem, error != NULL) || changed;
}

/* TRUE when the port has changed. */
static gboolean
repair_drift(Broker *broker, Port *port, const DeviceState *wanted, const LinkInfo *device,
             guint fields, gboolean by_parent)
{
    RepairTurn turn = repairs_ask(broker->repairs, port, wanted, device, by_parent);
    gboolean changed;

    if (turn == REPAIR_NO_NEWS)
        return FALSE;
    changed = features_drift(&broker->host, port, fields);
    if (turn == REPAIR_LATER)
        return changed;
    return attempt_repair(broker, port, wanted, device, fields) || changed;
}

static gboolean
set_state(Port *port, PortState state)
{
    if (port->state == state)
        return FALSE;
    port->state = state;
    port->link_up = FALSE;
    port->carrier = FALSE;
    return TRUE;
}

gboolean
look_note_moved(Port *port)
{
    g_autofree char *problem = NULL;

    if (port->is_moved)
        problem = g_strdup_printf("its device was moved into another network namespace (%d of 'ip"
                                  " netns list-id') and has the port's MAC there: move it back and"
                                  " set it up (ip link set %s up), or delete the port, which"
                                  " removes it",
                                  port->moved_netns, port->interface_name);
    return port_set_problem(port, problem);
}

static void
note_move(Broker *broker, Port *port, const LinkInfo *moved)
{
    if (!device_note_moved(port, moved))
        return;
    broker_save(broker, port);
    look_note_moved(port);
    g_warning("port %s: %s", port->name, port->problem);
}

/* No event has told us what happened to the device. */
static void
look_elsewhere(Broker *broker, Port *port, GError **error)
{
    g_autoptr(GArray) links = NULL;
    const LinkInfo *moved =
        broker_find_moved(broker, port, broker->moved ? broker->moved : &links, error);

    if (moved)
        note_move(broker, port, moved);
}

/* FALSE with an error: unknown. */
static gboolean
parent_is_gone(Broker *broker, const Port *port, GError **error)
{
    g_autoptr(GError) cause = NULL;
    LinkInfo parent;

    if (port->parent_index == 0)
        return TRUE;
    if (broker->kernel->ops->link_by_index(broker->kernel, port->parent_index, &parent, &cause))
        return FALSE;
    if (error_is_errno(cause, ENODEV))
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&cause));
    return FALSE;
}

/* Whether the device may be elsewhere, of which no event has told. When a parent has just gone, the
 * kernel has probably removed its ports' devices, and the events of these are still to come, which
 * spares thousands of ports a search each; unless events were lost and all ports are looked at. */
static gboolean
must_search(Broker *broker, const Port *port, gboolean is_parent_gone)
{
    return broker->moved || repairs_has(broker->repairs, port) ||
           (port->state == PORT_STATE_ACTIVE && (!is_parent_gone || port->is_lower_away));
}

/* The kernel removes every macvtap together with its parent, but not if somebody has moved both. */
void
look_at_loss(Broker *broker, Port *port, const LinkInfo *removed)
{
    g_autoptr(GError) error = NULL;
    gboolean is_parent_gone = parent_is_gone(broker, port, &error), changed;
    PortState state;

    if (port->state == PORT_STATE_ACTIVE)
        features_release_or_warn(&broker->host, port);
    if (removed && removed->is_moved)
        note_move(broker, port, removed);
    else if (!removed && !error && must_search(broker, port, is_parent_gone))
        look_elsewhere(broker, port, &error);
    state = is_parent_gone && !port->is_moved ? PORT_STATE_PARENT_GONE : PORT_STATE_DEVICE_GONE;
    port->is_lower_away = FALSE;
    changed = look_note_moved(port) || port->state != state;
    set_state(port, state);
    if (changed)
        broker_emit(broker, PORT_EVENT_CHANGED, port);
    if (error)
        look_again(broker, port, error);
    else
        repairs_forget(broker->repairs, port);
}

static void
say_warning(const char *message, gpointer user_data)
{
    g_warning("%s", message);
}

/* A device that others had removed is back. */
static gboolean
take_back(Broker *broker, Port *port, const LinkInfo *device)
{
    if (port->state == PORT_STATE_ACTIVE)
        return FALSE;
    port->state = PORT_STATE_ACTIVE;
    if (port->is_moved) {
        port->is_moved = FALSE;
        broker_save(broker, port);
    }
    features_adopt(&broker->host, port, device, say_warning, NULL);
    return TRUE;
}

/* Whether it is still unknown who changed the MAC that a passthru device shares with its parent.
 */
static gboolean
must_wait_for_events(const Port *port, const LinkInfo *device, LookReason reason)
{
    return reason == LOOK_OTHER && port->mode == MACVTAP_MODE_PASSTHRU &&
           !mac_address_equal(&device->mac, &port->mac);
}

/* The device is correct. TRUE if the port has changed. */
static gboolean
note_good(Broker *broker, Port *port)
{
    repairs_found_good(broker->repairs, port);
    return note_lower(port);
}

static void
look_now(Broker *broker, Port *port, LookReason reason)
{
    gboolean by_parent = reason == LOOK_PARENT ||
                         (reason == LOOK_DUE && repairs_is_by_parent(broker->repairs, port));
    g_autoptr(GError) error = NULL;
    DeviceState wanted;
    gboolean changed;
    LinkInfo device;
    guint fields;

    if (port->is_ending)
        return;
    if (!broker_find_device(broker, port, &device, &error)) {
        if (g_error_matches(error, PORT_ERROR, PORT_ERROR_DEVICE_GONE))
            look_at_loss(broker, port, NULL);
        else
            look_again(broker, port, error);
        return;
    }
    if (!lower_follow(broker, port, &device, &changed, &error)) {
        look_again(broker, port, error);
        return;
    }
    if (must_wait_for_events(port, &device, reason)) {
        if (changed)
            broker_emit(broker, PORT_EVENT_CHANGED, port);
        look_later(broker, port);
        return;
    }
    port->is_new = FALSE;
    changed |= take_back(broker, port, &device);
    changed |= follow_device(broker, port, &device, by_parent);
    fields = compare_device(broker, port, &device, &wanted);
    if (fields == 0)
        changed |= note_good(broker, port);
    else if (reason == LOOK_DUE)
        changed |= attempt_repair(broker, port, &wanted, &device, fields);
    else
        changed |= repair_drift(broker, port, &wanted, &device, fields, by_parent);
    if (changed)
        broker_emit(broker, PORT_EVENT_CHANGED, port);
}

void
look_at(Broker *broker, Port *port)
{
    look_now(broker, port, LOOK_OTHER);
}

void
look_when_due(Port *port, gpointer user_data)
{
    look_now(user_data, port, LOOK_DUE);
}

void
look_at_blocked(Broker *broker, int parent_index)
{
    g_autoptr(GPtrArray) blocked = repairs_list_blocked(broker->repairs, parent_index);

    for (guint i = 0; i < blocked->len; i++) {
        Port *port = blocked->pdata[i];

        /* A look at one port may have helped another. */
        if (repairs_unblock(broker->repairs, port))
            look_now(broker, port, LOOK_DUE);
    }
}

/* The events of our own creation of a device first show it down, without an alias and with IPv6. */
static guint
forget_making(Port *port, guint fields)
{
    if (!port->is_new)
        return fields;
    if (!(fields & DEVICE_UP))
        port->is_new = FALSE;
    return fields & (DEVICE_MODE | DEVICE_MAC | DEVICE_MTU | DEVICE_NAME);
}

static void
look_with_reason(Broker *broker, Port *port, const LinkInfo *device, LookReason reason_for_mac)
{
    DeviceState wanted;
    guint fields;

    fields = compare_device(broker, port, device, &wanted);
    if (fields == 0)
        repairs_saw_good(broker->repairs, port);
    fields = forget_making(port, fields);
    /* A good device has a problem exactly if its parent is away. */
    if (port->state == PORT_STATE_ACTIVE && !repairs_has(broker->repairs, port) && fields == 0 &&
        !lower_is_news(port, device) && port->is_lower_away == (port->problem != NULL)) {
        if (port->carrier != device->carrier) {
            port->carrier = device->carrier;
            broker_emit(broker, PORT_EVENT_CHANGED, port);
        }
        return;
    }
    look_now(broker, port, fields & DEVICE_MAC ? reason_for_mac : LOOK_OTHER);
}

void
look_at_event(Broker *broker, Port *port, const LinkInfo *device)
{
    gboolean is_of_state =
        port->told_state != 0 && port->told_state != device->operational_state + 1u;

    if (!device_is_of(device, port))
        return;
    port->told_state = device->operational_state + 1u;
    /* The kernel reports a change of the device's state late (linkwatch_event()), in a message with
     * the MAC at that time, which does not show who changed the MAC. */
    look_with_reason(broker, port, device, is_of_state ? LOOK_OTHER : LOOK_MAC_EVENT);
}

void
look_at_listed(Broker *broker, Port *port, const LinkInfo *device)
{
    port->told_state = 0;
    if (device_is_of(device, port))
        look_with_reason(broker, port, device, LOOK_MAC_EVENT);
}

/* Before the event that it is up, this is part of our own creation. */
void
look_at_ipv6(Broker *broker, Port *port)
{
    if (!port->is_new)
        look_now(broker, port, LOOK_OTHER);
}

void
look_at_parent_event(Broker *broker, Port *port, const LinkInfo *parent)
{
    if (features_on_parent(&broker->host, port, parent)) {
        broker_note_network(broker, port);
        broker_emit(broker, PORT_EVENT_CHANGED, port);
    }
    if (repairs_saw_parent(broker->repairs, port, parent))
        look_now(broker, port, LOOK_DUE);
}

/* ---- looks that wait for the queued events ---- */

static gboolean
on_events_read(gpointer user_data)
{
    Broker *broker = user_data;
    g_autoptr(GHashTable) later = g_steal_pointer(&broker->looks_later);
    GHashTableIter iter;
    gpointer id;

    g_clear_pointer(&broker->later_source, g_source_unref);
    g_hash_table_iter_init(&iter, later);
    while (g_hash_table_iter_next(&iter, &id, NULL)) {
        Port *port = port_table_find(broker->ports, id);

        if (port)
            look_now(broker, port, LOOK_PARENT);
    }
    return G_SOURCE_REMOVE;
}

void
look_later(Broker *broker, Port *port)
{
    LinkInfo parent;

    /* The answer comes when the kernel has finished a change and reported all of it. The query is
     * for the parent, not the device: querying the device makes the kernel report a carrier change
     * that it held back for up to a second, in a message that also has the new MAC. */
    broker->kernel->ops->link_by_index(broker->kernel, port->parent_index, &parent, NULL);
    if (!broker->looks_later)
        broker->looks_later = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_hash_table_add(broker->looks_later, g_strdup(port->id));
    if (!broker->later_source)
        broker->later_source = source_add_idle(on_events_read, broker, "look later");
}

void
broker_save(Broker *broker, Port *port)
{
    g_autoptr(GError) error = NULL;

    port->is_unsaved = !registry_update(broker->registry, port, &error);
    if (!port->is_unsaved)
        return;
    g_warning("record of port %s: %s", port->name, error->message);
    look_later(broker, port);
}

void
look_end(Broker *broker)
{
    source_clear(&broker->later_source);
    g_clear_pointer(&broker->looks_later, g_hash_table_unref);
    g_clear_pointer(&broker->repairs, repairs_free);
}
