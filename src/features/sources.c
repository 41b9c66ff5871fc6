/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Feature: the list of a port in source mode: its own, which can be changed, or its network's
 * present one. */
#include "feature.h"

#include "port-error.h"

static const GArray *
list_of(const Port *port, const Network *network)
{
    if (port->sources)
        return port->sources;
    return network && network->mode == MACVTAP_MODE_SOURCE ? network->sources : NULL;
}

static void
sources_want(FeatureHost *host, const Port *port, const Network *network, DeviceState *state)
{
    if (port->mode != MACVTAP_MODE_SOURCE)
        return;
    state->sources = list_of(port, network);
    if (state->sources)
        state->fields |= DEVICE_SOURCES;
}

/* sources may be NULL. */
static gboolean
set_sources(FeatureHost *host, const Port *port, const GArray *sources, GError **error)
{
    Kernel *kernel = host->kernel;

    return kernel->ops->macvtap_set_sources(kernel, port->interface_index,
                                            sources ? (const MacAddress *)sources->data : NULL,
                                            sources ? sources->len : 0, error);
}

static gboolean
sources_repair(FeatureHost *host, Port *port, const DeviceState *wanted, guint fields,
               GError **error)
{
    return !(fields & DEVICE_SOURCES) || set_sources(host, port, wanted->sources, error);
}

static gboolean
sources_check_change(FeatureHost *host, const Caller *caller, const Port *port,
                     const PortChange *change, GError **error)
{
    if (!change->sources)
        return TRUE;
    if (!caller_is_root(caller))
        return port_error_set(error, PORT_ERROR_ACCESS_DENIED,
                              "only root may change a port's sources");
    return port->mode == MACVTAP_MODE_SOURCE ||
           port_error_set(error, PORT_ERROR_INVALID_REQUEST,
                          "port %s is in mode %s; only ports in source mode have a list of sources",
                          port->name, macvtap_mode_name(port->mode));
}

/* With an empty list the port uses its network's. The caller learns at once whether the kernel
 * accepts the list. */
static gboolean
sources_change(FeatureHost *host, const Caller *caller, Port *port, const PortChange *change,
               GError **error)
{
    g_autoptr(GArray) before = NULL;
    g_autoptr(GError) cause = NULL;

    if (!change->sources)
        return TRUE;
    before = port->sources;
    port->sources = change->sources->len > 0 ? g_array_copy(change->sources) : NULL;
    if (host->ops->record(host, port, &cause) &&
        set_sources(host, port, list_of(port, host->ops->network(host, port)), &cause))
        return TRUE;
    g_clear_pointer(&port->sources, g_array_unref);
    port->sources = g_steal_pointer(&before);
    host->ops->save(host, port);
    return port_error_set(error, PORT_ERROR_SYSTEM, "sources of port %s: %s", port->name,
                          cause->message);
}

const PortFeature feature_sources = {
    .name = "sources",
    .want = sources_want,
    .repair = sources_repair,
    .check_change = sources_check_change,
    .change = sources_change,
};
