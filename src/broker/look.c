/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * A look compares a port's device with what it must be (device.c): it follows what others may
 * change, and repairs the rest. Creation makes the device from the same description; an adoption,
 * the kernel's events, lost events, a reload and a failed repair all end in a look. An event tells
 * of a moment that has passed, and may be of our own doing: one that tells nothing new costs
 * nothing, any other makes us read the device as it is now.
 *
 * A repair is judged by reading the device again, for the kernel may take a change that does not
 * last (the MAC of a bond with fail_over_mac=active). One without effect is tried again on a
 * schedule with an end; meanwhile and afterwards the port's problem says what is wrong, and the end
 * is logged, once. Afterwards only news make us try again, from the start: another state of the
 * device or of its parent than when we gave up, or a link that has gone and with it perhaps what
 * was in the way. The events of our own attempts are no news.
 *
 * A repair that had an effect and is undone by others is made again whenever that happens (else a
 * guest could tire us out), but more and more slowly, down to PACE_MAX. That begins anew when it
 * has lasted as long as the schedule's last wait, and when the port itself is to be otherwise.
 *
 * Only ENODEV says that a device has gone. A look that fails otherwise is tried again like a
 * repair.
 */
#include "broker-private.h"

#include "error.h"
#include "port-error.h"

#include <errno.h>
#include <net/if.h>
#include <string.h>

/* Milliseconds before each attempt. */
const guint look_default_delays[LOOK_ATTEMPTS] = {0, 100, 500, 2000, 10000};

#define PACE_MAX 2 /* of the schedule: how long a repair waits that others undo all the time */

typedef enum RepairState {
    REPAIR_NEW,
    REPAIR_WAITS, /* for its next attempt */
    REPAIR_LASTS, /* it had an effect, which is yet to last */
    REPAIR_GAVE_UP,
} RepairState;

/* Of a port whose device was found otherwise than it must be, or could not be looked at. */
typedef struct Repair {
    Broker *broker;
    Port *port;
    RepairState state;
    guint n_failed; /* attempts in a row */
    guint n_undone; /* attempts with an effect, in a row */
    guint fields;   /* of DeviceField: what is wrong after the last attempt */
    gboolean by_parent;
    DeviceState wanted;      /* then, and */
    LinkInfo device, parent; /* as they were */
    GSource *timer;
} Repair;

static void
stop_timer(Repair *repair)
{
    if (!repair->timer)
        return;
    g_source_destroy(repair->timer);
    g_clear_pointer(&repair->timer, g_source_unref);
}

void
look_repair_free(gpointer data)
{
    stop_timer(data);
    g_free(data);
}

typedef enum LookReason {
    LOOK_OTHER,
    LOOK_MAC_EVENT, /* an event of the device told of another MAC */
    LOOK_PARENT,    /* the parent was changed, and all events of that have been read */
    LOOK_DUE,       /* it is the turn of a repair that waits */
} LookReason;

static void look_now(Broker *broker, Port *port, LookReason reason);

static gboolean
on_timer(gpointer user_data)
{
    Repair *repair = user_data;
    Broker *broker = repair->broker;
    Port *port = repair->port;
    gboolean lasted = repair->state == REPAIR_LASTS;

    stop_timer(repair);
    if (lasted)
        g_hash_table_remove(broker->repairs, port);
    else
        look_now(broker, port, LOOK_DUE);
    return G_SOURCE_REMOVE;
}

static void
wait_as(Repair *repair, RepairState state, guint step)
{
    stop_timer(repair);
    repair->state = state;
    repair->timer = g_timeout_source_new(repair->broker->repair_delays[step]);
    g_source_set_callback(repair->timer, on_timer, repair, NULL);
    g_source_set_name(repair->timer, "repair");
    g_source_attach(repair->timer, g_main_context_get_thread_default());
}

static Repair *
find_repair(Broker *broker, const Port *port)
{
    return g_hash_table_lookup(broker->repairs, port);
}

static Repair *
ensure_repair(Broker *broker, Port *port)
{
    Repair *repair = find_repair(broker, port);

    if (repair)
        return repair;
    repair = g_new0(Repair, 1);
    repair->broker = broker;
    repair->port = port;
    g_hash_table_insert(broker->repairs, port, repair);
    return repair;
}

void
look_forget(Broker *broker, const Port *port)
{
    g_hash_table_remove(broker->repairs, port);
}

static gboolean
set_problem(Port *port, const char *problem)
{
    if (g_strcmp0(port->problem, problem) == 0)
        return FALSE;
    g_free(port->problem);
    port->problem = g_strdup(problem);
    return TRUE;
}

/* What we, a guest or an administrator can change of a link. */
static gboolean
looks_the_same(const LinkInfo *a, const LinkInfo *b)
{
    return a->index == b->index && mac_address_equal(&a->mac, &b->mac) && a->mtu == b->mtu &&
           a->flags == b->flags && a->mode == b->mode && g_str_equal(a->alias, b->alias) &&
           g_str_equal(a->name, b->name) && a->sources_digest == b->sources_digest &&
           a->host_ipv6 == b->host_ipv6 && a->carrier == b->carrier &&
           a->active_slave_index == b->active_slave_index;
}

/* Without the sources, which are not kept. */
static gboolean
wants_the_same(const DeviceState *a, const DeviceState *b)
{
    return a->fields == b->fields && a->mode == b->mode && mac_address_equal(&a->mac, &b->mac) &&
           a->mtu == b->mtu && a->all_multicast == b->all_multicast;
}

static void
note_parent(Repair *repair)
{
    Kernel *kernel = repair->broker->kernel;

    memset(&repair->parent, 0, sizeof(repair->parent));
    kernel->ops->link_by_index(kernel, repair->port->parent_index, &repair->parent, NULL);
}

/* An attempt was without effect. TRUE when the port has changed. Without an error the first may
 * have been undone before we looked: the event of it is still to come then. */
static gboolean
try_again(Repair *repair, const char *problem, gboolean is_error)
{
    Port *port = repair->port;
    g_autofree char *final = NULL;

    repair->n_failed++;
    note_parent(repair);
    if (repair->n_failed < LOOK_ATTEMPTS) {
        wait_as(repair, REPAIR_WAITS, repair->n_failed);
        return (is_error || repair->n_failed > 1) && set_problem(port, problem);
    }
    stop_timer(repair);
    repair->state = REPAIR_GAVE_UP;
    final = g_strdup_printf("%s (tried %u times; the next change of its device or parent begins"
                            " anew)",
                            problem, repair->n_failed);
    g_warning("port %s: %s", port->name, final);
    return set_problem(port, final);
}

/* Without "port NAME: ". */
static const char *
skip_name(const Port *port, const char *message)
{
    g_autofree char *prefix = g_strdup_printf("port %s: ", port->name);

    return g_str_has_prefix(message, prefix) ? message + strlen(prefix) : message;
}

/* The device could not be looked at. */
static void
look_again(Broker *broker, Port *port, const GError *cause)
{
    Repair *repair = ensure_repair(broker, port);
    g_autofree char *problem = NULL;

    if (repair->state == REPAIR_WAITS && repair->timer)
        return; /* for its turn */
    if (repair->state == REPAIR_GAVE_UP)
        repair->n_failed = 0;
    problem =
        g_strdup_printf("its device cannot be looked at: %s", skip_name(port, cause->message));
    repair->fields = 0;
    if (try_again(repair, problem, TRUE))
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
    changed |= follow_name(broker, port, device);
    return features_follow(&broker->host, port, device, by_parent) || changed;
}

static guint
compare_device(Broker *broker, const Port *port, const LinkInfo *device, DeviceState *ret_wanted)
{
    device_want(broker, port, broker_network_of(broker, port), ret_wanted);
    return device_compare(port, ret_wanted, device);
}

/* The device is as it must be. TRUE when the port has changed. */
static gboolean
note_good(Broker *broker, Port *port)
{
    Repair *repair = find_repair(broker, port);

    if (repair && repair->state != REPAIR_LASTS)
        g_hash_table_remove(broker->repairs, port);
    return set_problem(port, NULL);
}

/* These fields had another value, and are as they must be. */
static void
note_repaired(Repair *repair, const LinkInfo *before, guint fields)
{
    Broker *broker = repair->broker;
    gboolean by_parent = repair->by_parent;
    Port *port = repair->port;

    repair->n_failed = 0;
    repair->by_parent = FALSE;
    wait_as(repair, REPAIR_LASTS, LOOK_ATTEMPTS - 1);
    features_repaired(&broker->host, port, before, fields, by_parent);
    /* What it had until now may be what another port is waiting for. */
    if (fields & DEVICE_MAC)
        look_at_blocked(broker, port->parent_index);
}

/* One attempt. TRUE when the port has changed. */
static gboolean
attempt_repair(Repair *repair, const DeviceState *wanted, const LinkInfo *device, guint fields)
{
    Broker *broker = repair->broker;
    Port *port = repair->port;
    g_autoptr(GError) error = NULL;
    g_autofree char *problem = NULL;
    LinkInfo after = *device;
    DeviceState state;
    gboolean changed;

    repair->wanted = *wanted;
    if (!device_repair(broker, port, wanted, device, fields, &error))
        g_assert(error);
    if (!broker_find_device(broker, port, &after, error ? NULL : &error))
        after = *device;
    changed = follow_device(broker, port, &after, repair->by_parent);
    repair->fields = compare_device(broker, port, &after, &state);
    repair->device = after;
    if (repair->fields == 0 && !error) {
        note_repaired(repair, device, fields);
        return set_problem(port, NULL) || changed;
    }
    problem =
        device_describe(port, &state, &after, repair->fields ? repair->fields : fields, error);
    return try_again(repair, problem, error != NULL) || changed;
}

/* TRUE when the port has changed. */
static gboolean
repair_drift(Broker *broker, Port *port, const DeviceState *wanted, const LinkInfo *device,
             guint fields, gboolean by_parent, gboolean is_due)
{
    Repair *repair = ensure_repair(broker, port);
    gboolean changed;

    if (is_due)
        return attempt_repair(repair, wanted, device, fields);
    if (!wants_the_same(wanted, &repair->wanted)) {
        /* The port itself has changed: this has nothing to do with what was before. */
        stop_timer(repair);
        repair->state = REPAIR_NEW;
        repair->n_undone = 0;
    }
    if (repair->state == REPAIR_WAITS ||
        (repair->state == REPAIR_GAVE_UP && looks_the_same(device, &repair->device)))
        return FALSE;
    repair->by_parent = by_parent;
    changed = features_drift(&broker->host, port, fields);
    if (repair->state == REPAIR_LASTS) {
        repair->n_undone++;
        wait_as(repair, REPAIR_WAITS, MIN(repair->n_undone, PACE_MAX));
        return changed;
    }
    repair->n_failed = 0;
    return attempt_repair(repair, wanted, device, fields) || changed;
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
        problem = g_strdup_printf("its device was moved into another network namespace (%d of `ip"
                                  " netns list-id`) and has the port's MAC there: move it back, or"
                                  " delete the port, which removes it",
                                  port->moved_netns);
    return set_problem(port, problem);
}

static void
note_move(Broker *broker, Port *port, const LinkInfo *removed)
{
    port->is_moved = TRUE;
    port->moved_netns = removed->moved_netns;
    port->moved_index = removed->moved_index;
    broker_save(broker, port);
    look_note_moved(port);
    g_warning("port %s: %s", port->name, port->problem);
}

/* The kernel removes every macvtap together with its parent. */
void
look_at_loss(Broker *broker, Port *port, const LinkInfo *removed)
{
    g_autoptr(GError) error = NULL;
    gboolean changed;
    LinkInfo parent;

    if (port->state == PORT_STATE_ACTIVE)
        features_release_or_warn(&broker->host, port);
    if (removed && removed->is_moved)
        note_move(broker, port, removed);
    changed = look_note_moved(port);
    if (broker->kernel->ops->link_by_index(broker->kernel, port->parent_index, &parent, &error))
        changed |= set_state(port, PORT_STATE_DEVICE_GONE);
    else if (error_is_errno(error, ENODEV))
        changed |= set_state(port, PORT_STATE_PARENT_GONE);
    else
        changed |= set_state(port, PORT_STATE_DEVICE_GONE);
    if (changed)
        broker_emit(broker, PORT_EVENT_CHANGED, port);
    if (error && !error_is_errno(error, ENODEV))
        look_again(broker, port, error);
    else
        look_forget(broker, port);
}

static void
say_warning(const char *message, gpointer user_data)
{
    g_warning("%s", message);
}

/* A device that others had taken away is there again. */
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

/* Whether nobody knows yet who has changed the MAC that a passthru device shares with its parent.
 */
static gboolean
must_wait_for_events(const Port *port, const LinkInfo *device, LookReason reason)
{
    return reason == LOOK_OTHER && port->mode == MACVTAP_MODE_PASSTHRU &&
           !mac_address_equal(&device->mac, &port->mac);
}

static void
look_now(Broker *broker, Port *port, LookReason reason)
{
    const Repair *repair = find_repair(broker, port);
    gboolean by_parent =
        reason == LOOK_PARENT || (reason == LOOK_DUE && repair && repair->by_parent);
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
    if (must_wait_for_events(port, &device, reason)) {
        look_later(broker, port);
        return;
    }
    port->is_new = FALSE;
    changed = take_back(broker, port, &device);
    changed |= follow_device(broker, port, &device, by_parent);
    fields = compare_device(broker, port, &device, &wanted);
    if (fields)
        changed |=
            repair_drift(broker, port, &wanted, &device, fields, by_parent, reason == LOOK_DUE);
    else
        changed |= note_good(broker, port);
    if (changed)
        broker_emit(broker, PORT_EVENT_CHANGED, port);
}

void
look_at(Broker *broker, Port *port)
{
    look_now(broker, port, LOOK_OTHER);
}

/* A passthru device shares its parent with nobody. */
static gboolean
is_blocked(const Repair *repair)
{
    return repair->fields & DEVICE_MAC && repair->n_failed > 0 &&
           repair->port->mode != MACVTAP_MODE_PASSTHRU;
}

static void
add_blocked(gpointer key, gpointer value, gpointer user_data)
{
    if (is_blocked(value))
        g_ptr_array_add(user_data, key);
}

void
look_at_blocked(Broker *broker, int parent_index)
{
    g_autoptr(GPtrArray) blocked = g_ptr_array_new();

    g_hash_table_foreach(broker->repairs, add_blocked, blocked);
    for (guint i = 0; i < blocked->len; i++) {
        Port *port = blocked->pdata[i];
        Repair *repair = find_repair(broker, port);

        /* A look at one may have helped another. */
        if (!repair || !is_blocked(repair) ||
            (parent_index != 0 && port->parent_index != parent_index))
            continue;
        repair->n_failed = 0;
        stop_timer(repair);
        look_now(broker, port, LOOK_DUE);
    }
}

/* Our own making of a device tells that it is down, has no alias and IPv6 before it tells what it
 * became. */
static guint
forget_making(Port *port, guint fields)
{
    if (!port->is_new)
        return fields;
    if (!(fields & DEVICE_UP))
        port->is_new = FALSE;
    return fields & (DEVICE_MODE | DEVICE_MAC | DEVICE_MTU | DEVICE_NAME);
}

void
look_at_event(Broker *broker, Port *port, const LinkInfo *device)
{
    Repair *repair = find_repair(broker, port);
    DeviceState wanted;
    guint fields;

    if (!device_is_of(device, port))
        return;
    fields = compare_device(broker, port, device, &wanted);
    if (repair && repair->state == REPAIR_WAITS && repair->n_failed > 0 && fields == 0) {
        /* The repair had an effect after all, and was undone before we looked. */
        repair->n_failed = 0;
        wait_as(repair, REPAIR_LASTS, LOOK_ATTEMPTS - 1);
    }
    fields = forget_making(port, fields);
    if (port->state == PORT_STATE_ACTIVE && !repair && fields == 0) {
        if (port->carrier != device->carrier) {
            port->carrier = device->carrier;
            broker_emit(broker, PORT_EVENT_CHANGED, port);
        }
        return;
    }
    look_now(broker, port, fields & DEVICE_MAC ? LOOK_MAC_EVENT : LOOK_OTHER);
}

/* Before the event that it is up, this was our own making of it. */
void
look_at_ipv6(Broker *broker, Port *port)
{
    if (!port->is_new)
        look_now(broker, port, LOOK_OTHER);
}

void
look_at_parent_event(Broker *broker, Port *port, const LinkInfo *parent)
{
    Repair *repair;

    if (features_on_parent(&broker->host, port, parent))
        broker_emit(broker, PORT_EVENT_CHANGED, port);
    repair = find_repair(broker, port);
    if (!repair || repair->state != REPAIR_GAVE_UP || looks_the_same(parent, &repair->parent))
        return;
    repair->n_failed = 0;
    look_now(broker, port, LOOK_DUE);
}

static void
reset_repair(gpointer key, gpointer value, gpointer user_data)
{
    Repair *repair = value;

    if (repair->state == REPAIR_GAVE_UP)
        repair->state = REPAIR_NEW;
}

void
look_begin_anew(Broker *broker)
{
    g_hash_table_foreach(broker->repairs, reset_repair, NULL);
    broker_look_at_all(broker);
}

/* ---- looks that wait for the events that are there ---- */

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

    /* The answer comes when the kernel is done with a change, and has told of all of it. The device
     * itself is not asked for: that makes the kernel tell of a change of its carrier that it has
     * held back for up to a second, in a message that has the new MAC as well. */
    broker->kernel->ops->link_by_index(broker->kernel, port->parent_index, &parent, NULL);
    if (!broker->looks_later)
        broker->looks_later = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_hash_table_add(broker->looks_later, g_strdup(port->id));
    if (broker->later_source)
        return;
    broker->later_source = g_idle_source_new();
    g_source_set_callback(broker->later_source, on_events_read, broker, NULL);
    g_source_attach(broker->later_source, g_main_context_get_thread_default());
}

void
look_end(Broker *broker)
{
    if (broker->later_source) {
        g_source_destroy(broker->later_source);
        g_clear_pointer(&broker->later_source, g_source_unref);
    }
    g_clear_pointer(&broker->looks_later, g_hash_table_unref);
    g_clear_pointer(&broker->repairs, g_hash_table_unref);
}
