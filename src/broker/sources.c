/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Use case: the list of a port in source mode, which may change while the port lives. */
#include "broker-private.h"

#include "port-error.h"

/* The list that the port should have: its own, or its network's as it is now; NULL: leave it. */
static const GArray *
wanted_sources(Broker *broker, const Port *port)
{
    const Network *network = g_hash_table_lookup(broker->networks, port->network);

    if (port->mode != MACVTAP_MODE_SOURCE || port->state != PORT_STATE_ACTIVE)
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

static gboolean
check_target(const Caller *caller, const Port *port, const char *text, GError **error)
{
    if (!port || !broker_may_see(caller, port))
        return port_error_set(error, PORT_ERROR_PORT_NOT_FOUND, "there is no port '%s'", text);
    if (caller->uid != 0)
        return port_error_set(error, PORT_ERROR_ACCESS_DENIED,
                              "only root may change the sources of a port");
    if (port->mode != MACVTAP_MODE_SOURCE)
        return port_error_set(error, PORT_ERROR_INVALID_REQUEST,
                              "port %s is in mode %s; only source mode has a list of sources",
                              port->name, macvtap_mode_name(port->mode));
    if (port->state != PORT_STATE_ACTIVE)
        return port_error_set(error, PORT_ERROR_DEVICE_GONE,
                              "the device %s of port %s has been removed", port->interface_name,
                              port->name);
    return TRUE;
}

const Port *
broker_set_sources(Broker *broker, const Caller *caller, const char *text,
                   const MacAddress *sources, gsize n_sources, GError **error)
{
    Port *port = registry_find(broker->registry, text);
    g_autoptr(GArray) before = NULL;
    g_autoptr(GError) cause = NULL;

    if (!check_target(caller, port, text, error))
        return NULL;
    before = port->sources;
    port->sources = g_array_sized_new(FALSE, FALSE, sizeof(MacAddress), (guint)n_sources);
    g_array_append_vals(port->sources, sources, (guint)n_sources);
    if (!registry_update(broker->registry, port, &cause) || !apply(broker, port, &cause)) {
        g_array_unref(port->sources);
        port->sources = g_steal_pointer(&before);
        port_error_set(error, PORT_ERROR_SYSTEM, "sources of port %s: %s", port->name,
                       cause->message);
        return NULL;
    }
    broker_emit(broker, PORT_EVENT_CHANGED, port);
    return port;
}
