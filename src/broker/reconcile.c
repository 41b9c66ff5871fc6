/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * Use case: the start, after a clean stop or a crash. The possible states and their treatment:
 *
 * - ID.creating: the caller was never told; the device, if there is one, and the record go.
 * - ID.deleting: the removal goes on.
 * - ID, its device, and the holder lives: the port is adopted.
 * - ID, its device, and the holder has ended: both go.
 * - ID without a device, and the holder lives: the port is kept as device-gone or parent-gone,
 * which tells the holder.
 * - ID without a device, and the holder has ended: the record goes.
 * - A device "macvtapd:ID" without a record is an orphan: it goes.
 * - The same with a damaged record: the device stays. A guest may be using it, which only a person
 *   can find out.
 * - A VLAN device that macvtapd made, without a port: it goes (see src/networks).
 *
 * A port's parent is the link below the device, whatever its name. Without a device it is the one
 * with the record's index, and none if that is 0; or the one with its name if the record is from
 * before the index was stored. The features know whether a holder is alive. A device that differs
 * from its port's record is repaired by the look that ends its adoption (look.c).
 */
#include "broker-private.h"

#include "error.h"
#include "port-error.h"

#include <errno.h>

/* A reconciliation in progress. */
typedef struct Reconciliation {
    Broker *broker;
    GArray *links;       /* of LinkInfo, all */
    GArray **moved;      /* see broker_find_moved() */
    GArray *unwanted;    /* ifindexes of the devices to remove */
    GPtrArray *ended;    /* ports whose holder has ended */
    GPtrArray *messages; /* of text */
} Reconciliation;

static void G_GNUC_PRINTF(2, 3) say(Reconciliation *run, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    g_ptr_array_add(run->messages, g_strdup_vprintf(format, arguments));
    va_end(arguments);
}

static const LinkInfo *
find_device(Reconciliation *run, const Port *port)
{
    for (guint i = 0; i < run->links->len; i++) {
        const LinkInfo *link = &g_array_index(run->links, LinkInfo, i);

        if (link->index == port->interface_index && device_is_of(link, port))
            return link;
    }
    return NULL;
}

/* The kernel removes every macvtap together with its parent, but not if somebody has moved both. */
static PortState
state_without_device(Reconciliation *run, const Port *port)
{
    if (port->is_moved)
        return PORT_STATE_DEVICE_GONE;
    for (guint i = 0; i < run->links->len; i++) {
        if (g_array_index(run->links, LinkInfo, i).index == port->parent_index)
            return PORT_STATE_DEVICE_GONE;
    }
    return PORT_STATE_PARENT_GONE;
}

/* The port has no device here: it may have been moved while no daemon ran. */
static gboolean
look_elsewhere(Reconciliation *run, Port *port, gboolean *ret_changed, GError **error)
{
    g_autoptr(GError) cause = NULL;
    const LinkInfo *moved;

    *ret_changed = FALSE;
    moved = broker_find_moved(run->broker, port, run->moved, &cause);
    if (moved)
        *ret_changed = device_note_moved(port, moved);
    if (!cause)
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&cause));
    return FALSE;
}

static void
look_at_unfinished(Reconciliation *run, GPtrArray *unfinished)
{
    for (guint i = 0; i < unfinished->len; i++) {
        Port *port = unfinished->pdata[i];
        const LinkInfo *device = find_device(run, port);

        if (port->state == PORT_STATE_CREATING)
            say(run, "creation of port %s was interrupted: %s", port->name,
                device ? "its device is removed" : "it had no device yet");
        else
            say(run, "removal of port %s was interrupted: %s", port->name,
                device ? "its device is removed" : "only its record was left");
        if (!device) {
            g_autoptr(GError) error = NULL;
            gboolean changed;

            if (!look_elsewhere(run, port, &changed, &error) ||
                !broker_remove_moved(run->broker, port, &error))
                say(run, "%s", error->message);
            continue;
        }
        features_release_or_warn(&run->broker->host, port);
        g_array_append_val(run->unwanted, device->index);
    }
}

static gboolean
find_index(const LinkInfo *link, const char *name, int *index)
{
    if (*index != 0 || g_strcmp0(link->name, name) != 0)
        return FALSE;
    *index = link->index;
    return TRUE;
}

/* See above; rewrites the record if it changes. */
static void
find_parent(Reconciliation *run, Port *port, const LinkInfo *device)
{
    g_autoptr(GError) error = NULL;
    gboolean changed = FALSE;

    port->is_lower_due = port->trunk || port->parent_stands_in;
    if (device && !lower_follow(run->broker, port, device, &changed, &error)) {
        say(run, "port %s: %s", port->name, error->message);
        g_clear_error(&error);
    }
    for (guint i = 0; i < run->links->len; i++) {
        const LinkInfo *link = &g_array_index(run->links, LinkInfo, i);

        if (device)
            changed |= !lower_is_missing(port) && broker_follow_name(port, link);
        else if (port->is_by_name)
            changed |= find_index(link, port->parent, &port->parent_index) ||
                       find_index(link, port->trunk, &port->trunk_index);
    }
    port->is_by_name = FALSE;
    if (changed && !registry_update(run->broker->registry, port, &error))
        say(run, "record of port %s: %s", port->name, error->message);
}

static void
add_message(const char *message, gpointer user_data)
{
    const Reconciliation *run = user_data;

    g_ptr_array_add(run->messages, g_strdup(message));
}

/* Updates an adopted port from its device; anything may have changed while no daemon ran. */
static void
adopt(Reconciliation *run, Port *port, const LinkInfo *device)
{
    for (guint i = 0; i < run->links->len; i++) {
        const LinkInfo *parent = &g_array_index(run->links, LinkInfo, i);

        if (parent->index == port->parent_index)
            broker_observe(run->broker, port, device, parent);
    }
    port->state = PORT_STATE_ACTIVE;
    if (port->is_moved) {
        port->is_moved = FALSE;
        broker_save(run->broker, port);
    }
    features_adopt(&run->broker->host, port, device, add_message, run);
    broker_follow_network(run->broker, port);
    look_at_listed(run->broker, port, device);
}

static gboolean
end_port(Reconciliation *run, Port *port, const LinkInfo *device, GError **error)
{
    if (!device && !broker_remove_moved(run->broker, port, error))
        return FALSE;
    features_release_or_warn(&run->broker->host, port);
    if (device)
        g_array_append_val(run->unwanted, device->index);
    g_ptr_array_add(run->ended, port);
    return TRUE;
}

static gboolean
look_at_port(Reconciliation *run, Port *port, GError **error)
{
    const LinkInfo *device = find_device(run, port);
    gboolean lives, is_news = FALSE;

    if ((!device && !look_elsewhere(run, port, &is_news, error)) ||
        !features_lives(&run->broker->host, port, &lives, error))
        return FALSE;
    if (!lives)
        return end_port(run, port, device, error);
    find_parent(run, port, device);
    if (device) {
        adopt(run, port, device);
    } else {
        features_release_or_warn(&run->broker->host, port);
        port->state = state_without_device(run, port);
        broker_follow_network(run->broker, port);
        if (is_news)
            broker_save(run->broker, port);
        look_note_moved(port);
        say(run, "device %s of port %s is gone", port->interface_name, port->name);
    }
    broker_note_network(run->broker, port);
    return TRUE;
}

static void
look_for_orphans(Reconciliation *run, GPtrArray *unfinished)
{
    for (guint i = 0; i < run->links->len; i++) {
        const LinkInfo *link = &g_array_index(run->links, LinkInfo, i);
        const char *id = port_alias_id(link->alias);
        gboolean known = FALSE;

        if (!id || !g_str_equal(link->kind, "macvtap"))
            continue;
        for (guint j = 0; j < unfinished->len; j++)
            known |= g_str_equal(((const Port *)unfinished->pdata[j])->id, id);
        if (known || port_table_find(run->broker->ports, id))
            continue;
        if (registry_has_damaged(run->broker->registry, id)) {
            say(run,
                "keeping device %s because its record is damaged: if no guest uses it, remove it "
                "(ip link delete %s)",
                link->name, link->name);
            continue;
        }
        say(run, "removing orphaned device %s, which has no record", link->name);
        features_orphan(&run->broker->host, link);
        g_array_append_val(run->unwanted, link->index);
    }
}

static gboolean
remove_all(Reconciliation *run, GPtrArray *unfinished, GPtrArray *ended, GError **error)
{
    Broker *broker = run->broker;

    if (!broker->kernel->ops->link_delete(broker->kernel, (const int *)run->unwanted->data,
                                          run->unwanted->len, error))
        return FALSE;
    for (guint i = 0; i < unfinished->len; i++)
        registry_abort(broker->registry, ((const Port *)unfinished->pdata[i])->id);
    for (guint i = 0; i < ended->len; i++) {
        g_autoptr(Port) copy = port_copy(ended->pdata[i]);

        repairs_forget(broker->repairs, ended->pdata[i]);
        if (!registry_forget(broker->registry, ended->pdata[i], error))
            return FALSE;
        broker_emit_end(broker, copy, &(PortEnd){.reason = PORT_END_HOLDER});
    }
    return TRUE;
}

gboolean
broker_reconcile(Broker *broker, GPtrArray **ret_messages, GError **error)
{
    g_autoptr(GPtrArray) unfinished = NULL, messages = NULL, ports = NULL;
    g_autoptr(GPtrArray) ended = g_ptr_array_new();
    g_autoptr(GArray) links = NULL, moved = NULL;
    g_autoptr(GArray) unwanted = g_array_new(FALSE, FALSE, sizeof(int));
    Reconciliation run = {.broker = broker, .unwanted = unwanted, .moved = &moved};

    if (!registry_load(broker->registry, &unfinished, &messages, error))
        return FALSE;
    if (!features_load(&broker->host, error))
        return FALSE;
    links = broker->kernel->ops->link_list(broker->kernel, error);
    if (!links || !networks_load_devices(broker->networks, links, error))
        return FALSE;
    run.links = links;
    run.messages = messages;
    look_at_unfinished(&run, unfinished);
    ports = port_table_list(broker->ports);
    run.ended = ended;
    for (guint i = 0; i < ports->len; i++) {
        if (!look_at_port(&run, ports->pdata[i], error))
            return FALSE;
    }
    look_for_orphans(&run, unfinished);
    if (!remove_all(&run, unfinished, ended, error))
        return FALSE;
    networks_follow_all(broker->networks);
    broker->is_reconciled = TRUE;
    if (!broker_sweep_devices(broker, error))
        return FALSE;
    features_loaded(&broker->host);
    *ret_messages = g_steal_pointer(&messages);
    return TRUE;
}
