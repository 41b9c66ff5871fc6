/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * Use case: the end of ports. The record says so first, then the device goes, the record last, so
 * that a crash in between leaves a record that the next start finds and clears away. Ports that end
 * together go together: deleting a macvtap waits for a grace period of the kernel (20 ms), deleting
 * a group of them waits for about one in all.
 */
#include "broker-private.h"
#include "incoming.h"

#include "port-error.h"

#include <string.h>

gboolean
broker_is_device_of(const LinkInfo *link, const Port *port)
{
    const char *id = port_alias_id(link->alias);

    if (!g_str_equal(link->kind, "macvtap"))
        return FALSE;
    if (id)
        return g_str_equal(id, port->id);
    /* Between its creation and its alias a device has only what we chose for it. Later somebody may
     * have written another alias; what has our index, name and MAC is ours still. */
    return link->index == port->interface_index && g_str_equal(link->name, port->interface_name) &&
           (port->state == PORT_STATE_CREATING ? link->alias[0] == '\0'
                                               : mac_address_equal(&link->mac, &port->mac));
}

/* A link of the port's index that is not ours is left alone: the port's device is gone then. */
static gboolean
has_device(Broker *broker, const Port *port)
{
    LinkInfo link;

    return broker->kernel->ops->link_by_index(broker->kernel, port->interface_index, &link, NULL) &&
           broker_is_device_of(&link, port);
}

static void
collect_device(Broker *broker, const Port *port, GArray *indexes)
{
    if (has_device(broker, port))
        g_array_append_val(indexes, port->interface_index);
}

/* A search for the ports on a link. */
typedef struct NeedSearch {
    int index;
    gboolean found;
} NeedSearch;

static void
match_parent(Port *port, gpointer user_data)
{
    NeedSearch *search = user_data;

    search->found |= port->parent_index == search->index;
}

static gboolean
is_needed(int index, gpointer user_data)
{
    Broker *broker = user_data;
    NeedSearch search = {.index = index};

    registry_foreach(broker->registry, match_parent, &search);
    return search.found;
}

gboolean
broker_sweep_vlans(Broker *broker, GError **error)
{
    g_autoptr(GError) cause = NULL;

    return vlans_sweep(broker->vlans, is_needed, broker, &cause) ||
           port_error_set(error, PORT_ERROR_SYSTEM, "%s", cause->message);
}

/* The port's device has gone: so does everything else of it. */
static gboolean
forget_port(Broker *broker, Port *port, GError **error)
{
    g_autoptr(Port) copy = port_copy(port);

    holders_remove(broker->holders, port->id);
    incoming_end(broker, port);
    if (!registry_forget(broker->registry, port, error))
        return FALSE;
    broker_emit(broker, PORT_EVENT_DELETED, copy);
    return TRUE;
}

gboolean
broker_remove_ports(Broker *broker, GPtrArray *ports, GError **error)
{
    g_autoptr(GArray) indexes = g_array_new(FALSE, FALSE, sizeof(int));
    g_autoptr(GError) first = NULL;
    gboolean deleted;

    for (guint i = 0; i < ports->len; i++) {
        /* A record that cannot be marked cannot be removed either, which is told below. */
        registry_retire(broker->registry, ports->pdata[i], NULL);
        broker_remove_node(broker, ports->pdata[i]);
        collect_device(broker, ports->pdata[i], indexes);
    }
    deleted = broker->kernel->ops->link_delete(broker->kernel, (const int *)indexes->data,
                                               indexes->len, &first);
    for (guint i = 0; i < ports->len; i++) {
        /* One that could not be deleted keeps its record, and does not keep the others. */
        if (deleted || !has_device(broker, ports->pdata[i]))
            forget_port(broker, ports->pdata[i], first ? NULL : &first);
        else
            registry_restore(broker->registry, ports->pdata[i]);
    }
    broker_sweep_vlans(broker, first ? NULL : &first);
    return !first || port_error_set(error, PORT_ERROR_SYSTEM, "%s", first->message);
}

void
broker_remove_ended(Broker *broker)
{
    g_autoptr(GPtrArray) ports = g_ptr_array_new();
    g_autoptr(GError) error = NULL;

    for (guint i = 0; i < broker->ended->len; i++) {
        Port *port = registry_find(broker->registry, broker->ended->pdata[i]);

        if (port)
            g_ptr_array_add(ports, port);
    }
    if (broker_remove_ports(broker, ports, &error))
        g_ptr_array_set_size(broker->ended, 0);
    else
        g_warning(
            "ports whose holder has ended could not be removed, which will be tried again: %s",
            error->message);
}

void
broker_on_holders_ended(const char *const *port_ids, gpointer user_data)
{
    Broker *broker = user_data;

    for (const char *const *id = port_ids; *id; id++)
        g_ptr_array_add(broker->ended, g_strdup(*id));
    broker_remove_ended(broker);
}

gboolean
broker_delete_port(Broker *broker, const Caller *caller, const char *text, GError **error)
{
    g_autoptr(GPtrArray) ports = g_ptr_array_new();
    Port *port = registry_find(broker->registry, text);

    if (!port || !broker_may_see(caller, port))
        return port_error_set(error, PORT_ERROR_PORT_NOT_FOUND, "there is no port '%s'", text);
    g_ptr_array_add(ports, port);
    return broker_remove_ports(broker, ports, error);
}

gboolean
broker_end_domain(Broker *broker, const Caller *caller, const char *domain, guint *ret_ports,
                  GError **error)
{
    g_autoptr(GPtrArray) ports = registry_list(broker->registry);
    guint n_ports;

    for (guint i = ports->len; i-- > 0;) {
        const Port *port = ports->pdata[i];

        if (!broker_may_see(caller, port) || port->holder.type != HOLDER_DOMAIN ||
            !g_str_equal(port->holder.domain, domain))
            g_ptr_array_remove_index(ports, i);
    }
    n_ports = ports->len;
    if (!broker_remove_ports(broker, ports, error))
        return FALSE;
    *ret_ports = n_ports;
    return TRUE;
}
