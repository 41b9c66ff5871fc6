/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Use case: the list of a port in source mode, which may change while the port lives. */
#include "broker-private.h"

#include "port-error.h"

/* The list that the port should have: its own, or its network's as it is now; NULL: leave it. */
static const GArray *
wanted_sources(Broker *broker, const Port *port)
{
    const Network *network = g_hash_table_lookup(broker->networks, port->network);

    if (port->mode != MACVTAP_MODE_SOURCE || port->state != PORT_STATE_ACTIVE || port->is_ending)
        return NULL;
    if (port->sources)
        return port->sources;
    return network && !network->problem && network->mode == MACVTAP_MODE_SOURCE ? network->sources
                                                                                : NULL;
}

static gboolean
apply(Broker *broker, const Port *port, GError **error)
{
    const GArray *sources = wanted_sources(broker, port);

    return !sources || broker->kernel->ops->macvtap_set_sources(
                           broker->kernel, port->interface_index, (const MacAddress *)sources->data,
                           sources->len, error);
}

void
broker_apply_sources(Broker *broker)
{
    g_autoptr(GPtrArray) ports = registry_list(broker->registry);

    for (guint i = 0; i < ports->len; i++) {
        const Port *port = ports->pdata[i];
        g_autoptr(GError) error = NULL;

        if (!apply(broker, port, &error))
            g_warning("port %s: its sources could not be set: %s", port->name, error->message);
    }
}

gboolean
broker_replace_sources(Broker *broker, Port *port, const GArray *sources, GError **error)
{
    g_autoptr(GArray) before = port->sources;
    g_autoptr(GError) cause = NULL;

    port->sources = g_array_copy((GArray *)sources);
    if (registry_update(broker->registry, port, &cause) && apply(broker, port, &cause))
        return TRUE;
    g_array_unref(port->sources);
    port->sources = g_steal_pointer(&before);
    return port_error_set(error, PORT_ERROR_SYSTEM, "sources of port %s: %s", port->name,
                          cause->message);
}
