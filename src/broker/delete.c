/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * Use case: the end of ports. The record is marked first, then the device is removed, then the
 * record, so that a crash in between leaves a record that the next start finds and cleans up. Ports
 * that end together are removed together: deleting a macvtap waits for a grace period of the kernel
 * (20 ms), and deleting a group of them for about one in total. removals.c decides when each port
 * gets its turn.
 */
#include "broker-private.h"

#include "error.h"
#include "port-error.h"
#include "source.h"

#include <errno.h>
#include <string.h>

static gboolean
is_gone(const GError *error)
{
    return g_error_matches(error, PORT_ERROR, PORT_ERROR_DEVICE_GONE);
}

gboolean
broker_sweep_devices(Broker *broker, GError **error)
{
    features_sweep(&broker->host);
    return networks_sweep_devices(broker->networks, error);
}

/* The port's device is gone: removes the rest of the port. */
static gboolean
forget_port(Broker *broker, Port *port, const PortEnd *end, GError **error)
{
    g_autoptr(Port) copy = port_copy(port);

    repairs_forget(broker->repairs, port);
    if (!registry_forget(broker->registry, port, error)) {
        registry_restore(broker->registry, port);
        if (port->state != PORT_STATE_CREATING)
            port->state = PORT_STATE_DEVICE_GONE;
        return FALSE;
    }
    features_detach(&broker->host, copy);
    if (copy->state != PORT_STATE_CREATING) /* otherwise nobody knows of it */
        broker_emit_end(broker, copy, end);
    return TRUE;
}

/* The device is gone, and the event that says where it went may still be unread, even if somebody
 * has looked for it meanwhile. */
static gboolean
remove_elsewhere(Broker *broker, Port *port, GArray **elsewhere, GError **error)
{
    const LinkInfo *moved = NULL;
    g_autoptr(GError) cause = NULL;

    if (port->state != PORT_STATE_CREATING && !port->is_moved)
        moved = broker_find_moved(broker, port, elsewhere, &cause);
    if (moved)
        device_note_moved(port, moved);
    if (cause)
        return port_error_set(error, PORT_ERROR_SYSTEM, "port %s: %s", port->name, cause->message);
    return broker_remove_moved(broker, port, error);
}

/* Marks the record and adds the device to the list; a record that cannot be marked cannot be
 * removed either, which is reported later. elsewhere: see broker_find_moved(). */
static void
begin_removal(Broker *broker, PortRemoval *removal, GArray *indexes, GArray **elsewhere)
{
    Port *port = removal->port;
    guint n_indexes = indexes->len;
    LinkInfo device;

    if (broker_find_device(broker, port, &device, &removal->error))
        g_array_append_val(indexes, device.index);
    else if (is_gone(removal->error))
        g_clear_error(&removal->error);
    else /* it may exist, and then only its record shows it */
        return;
    if (indexes->len == n_indexes && !remove_elsewhere(broker, port, elsewhere, &removal->error))
        return;
    registry_retire(broker->registry, port, NULL);
    if (!features_release(&broker->host, port, &removal->error))
        g_array_set_size(indexes, n_indexes);
}

static void
end_removal(Broker *broker, PortRemoval *removal, const GError *failure)
{
    g_autoptr(GError) cause = NULL;
    LinkInfo device;

    if (!removal->error && failure &&
        (broker_find_device(broker, removal->port, &device, &cause) || !is_gone(cause)))
        port_error_set(&removal->error, PORT_ERROR_SYSTEM, "%s", failure->message);
    /* A device that could not be deleted keeps its record, and does not stop the others. */
    if (removal->error) {
        registry_restore(broker->registry, removal->port);
        look_later(broker, removal->port); /* nobody has looked at it meanwhile */
        return;
    }
    g_clear_error(&cause);
    removal->gone = forget_port(broker, removal->port, &removal->end, &cause);
    if (!removal->gone)
        port_error_set(&removal->error, PORT_ERROR_SYSTEM, "%s", cause->message);
}

/* The events of these removals are still to come, and must be ignored. */
static void
expect_events(Broker *broker, const GArray *indexes)
{
    for (guint i = 0; i < indexes->len; i++)
        g_hash_table_add(broker->removed, GINT_TO_POINTER(g_array_index(indexes, int, i)));
}

static gboolean
on_sweep_due(gpointer user_data)
{
    Broker *broker = user_data;

    g_clear_pointer(&broker->sweep_timer, g_source_unref);
    broker_sweep_leftovers(broker);
    return G_SOURCE_REMOVE;
}

void
broker_sweep_leftovers(gpointer user_data)
{
    Broker *broker = user_data;
    g_autoptr(GError) error = NULL;

    if (broker_sweep_devices(broker, &error)) {
        source_clear(&broker->sweep_timer);
        broker->n_sweeps_failed = 0;
        return;
    }
    if (broker->sweep_timer) /* another event in between: the schedule goes on */
        return;
    if (++broker->n_sweeps_failed == REPAIR_ATTEMPTS) {
        broker->n_sweeps_failed = 0;
        g_warning("%s (tried %d times; will retry when a port is removed)", error->message,
                  REPAIR_ATTEMPTS);
        return;
    }
    if (broker->n_sweeps_failed == 1)
        g_warning("%s", error->message);
    broker->sweep_timer = source_add_timeout(broker->repair_delays[broker->n_sweeps_failed],
                                             on_sweep_due, broker, "sweep again");
}

static gboolean
on_removal_due(gpointer user_data)
{
    Broker *broker = user_data;

    g_clear_pointer(&broker->removal_timer, g_source_unref);
    removals_retry(broker->removals);
    return G_SOURCE_REMOVE;
}

/* Failed removals that no caller repeats are retried on the schedule of repairs; after its end, at
 * the next creation or end of a holder. */
static void
schedule_removals(Broker *broker, gboolean any_failed)
{
    if (!any_failed)
        broker->n_removals_failed = 0;
    if (!any_failed || broker->removal_timer || ++broker->n_removals_failed >= REPAIR_ATTEMPTS)
        return;
    broker->removal_timer = source_add_timeout(broker->repair_delays[broker->n_removals_failed],
                                               on_removal_due, broker, "removals again");
}

void
broker_remove_ports(PortRemoval *removals, guint n, gboolean is_last, gpointer user_data)
{
    Broker *broker = user_data;
    g_autoptr(GArray) indexes = g_array_new(FALSE, FALSE, sizeof(int)), elsewhere = NULL;
    g_autoptr(GError) failure = NULL;
    gboolean on_vlan = FALSE, any_failed = FALSE;

    for (guint i = 0; i < n; i++) {
        begin_removal(broker, &removals[i], indexes, &elsewhere);
        on_vlan |= removals[i].port->vlan != NULL;
    }
    if (broker->kernel->ops->link_delete(broker->kernel, (const int *)indexes->data, indexes->len,
                                         &failure))
        expect_events(broker, indexes);
    for (guint i = 0; i < n; i++)
        end_removal(broker, &removals[i], failure);
    for (guint i = 0; i < n; i++)
        any_failed |= !removals[i].gone;
    look_at_blocked(broker, 0);
    if (on_vlan || is_last || networks_have_idle_devices(broker->networks))
        broker_sweep_leftovers(broker);
    else
        features_sweep(&broker->host); /* a passthru port may be waiting for the parent */
    schedule_removals(broker, any_failed);
}

gboolean
broker_delete_port(Broker *broker, const Caller *caller, const char *text, const PortEnder *ender,
                   BrokerRemoved done, gpointer user_data, GError **error)
{
    g_autoptr(GPtrArray) ports = g_ptr_array_new();
    Port *port = port_table_find(broker->ports, text);

    if (!port || !broker_may_change(caller, port))
        return port_error_set(error, PORT_ERROR_PORT_NOT_FOUND, "there is no port '%s'", text);
    g_ptr_array_add(ports, port);
    removals_begin(broker->removals, ports, ender, done, user_data);
    return TRUE;
}

void
broker_undo_grant(Broker *broker, const char *id)
{
    Port *port = port_table_find(broker->ports, id);

    if (port)
        removals_begin_undo(broker->removals, port);
}

/* Root ends the leftovers of users' domains, but not ports that a living process holds: a user's
 * libvirt may run a domain with the same UUID. */
static gboolean
may_end(const Caller *caller, const Port *port)
{
    return caller_owns(caller, port) || (caller_is_root(caller) && port->holder.pid == 0);
}

void
broker_end_domain(Broker *broker, const Caller *caller, const char *domain, const PortEnder *ender,
                  BrokerRemoved done, gpointer user_data)
{
    g_autoptr(GPtrArray) all = port_table_list(broker->ports), ports = g_ptr_array_new();

    for (guint i = 0; i < all->len; i++) {
        const Port *port = all->pdata[i];

        if (may_end(caller, port) && port->holder.type == HOLDER_DOMAIN &&
            g_str_equal(port->holder.domain, domain))
            g_ptr_array_add(ports, all->pdata[i]);
    }
    removals_begin(broker->removals, ports, ender, done, user_data);
}
