/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * Use case: the end of ports. The device goes first, the record last, so that a crash in between
 * leaves a record that the next start finds. Ports that end together go together: deleting a
 * macvtap waits for a grace period of the kernel (20 ms), deleting a group of them waits for about
 * one in all.
 */
#include "broker-private.h"

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
    /* Between its creation and its alias a device has only what we chose for it. */
    return port->state == PORT_STATE_CREATING && link->alias[0] == '\0' &&
           link->index == port->interface_index && g_str_equal(link->name, port->interface_name);
}

static void
collect_device(Broker *broker, const Port *port, GArray *indexes)
{
    LinkInfo link;

    /* A link of this index that is not ours is left alone: the port's device is gone then. */
    if (broker->kernel->ops->link_by_index(broker->kernel, port->interface_index, &link, NULL) &&
        broker_is_device_of(&link, port))
        g_array_append_val(indexes, link.index);
}

/* A search for the ports on a link. */
typedef struct NeedSearch {
    const char *name;
    gboolean found;
} NeedSearch;

static void
match_parent(Port *port, gpointer user_data)
{
    NeedSearch *search = user_data;

    search->found |= g_str_equal(port->parent, search->name);
}

static gboolean
is_needed(const char *name, gpointer user_data)
{
    Broker *broker = user_data;
    NeedSearch search = {.name = name};

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

gboolean
broker_remove_ports(Broker *broker, GPtrArray *ports, GError **error)
{
    g_autoptr(GArray) indexes = g_array_new(FALSE, FALSE, sizeof(int));
    g_autoptr(GError) cause = NULL;

    for (guint i = 0; i < ports->len; i++)
        collect_device(broker, ports->pdata[i], indexes);
    if (!broker->kernel->ops->link_delete(broker->kernel, (const int *)indexes->data, indexes->len,
                                          &cause))
        return port_error_set(error, PORT_ERROR_SYSTEM, "%s", cause->message);
    for (guint i = 0; i < ports->len; i++) {
        Port *port = ports->pdata[i];
        g_autoptr(Port) copy = port_copy(port);

        holders_remove(broker->holders, port->id);
        if (!registry_forget(broker->registry, port, &cause))
            return port_error_set(error, PORT_ERROR_SYSTEM, "%s", cause->message);
        broker_emit(broker, PORT_EVENT_DELETED, copy);
    }
    return broker_sweep_vlans(broker, error);
}

void
broker_on_holders_ended(const char *const *port_ids, gpointer user_data)
{
    Broker *broker = user_data;
    g_autoptr(GPtrArray) ports = g_ptr_array_new();
    g_autoptr(GError) error = NULL;

    for (const char *const *id = port_ids; *id; id++) {
        Port *port = registry_find(broker->registry, *id);

        if (port)
            g_ptr_array_add(ports, port);
    }
    if (!broker_remove_ports(broker, ports, &error))
        g_warning("ports whose holder has ended could not be removed: %s", error->message);
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
