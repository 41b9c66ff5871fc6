/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Use case: descriptors of an existing port. */
#include "broker-private.h"

#include "error.h"
#include "policy.h"
#include "port-error.h"

#include <errno.h>

void
port_grant_clear(PortGrant *grant)
{
    g_clear_pointer(&grant->taps, g_array_unref);
    g_clear_pointer(&grant->vhosts, g_array_unref);
    grant->port = NULL;
}

gboolean
broker_open_vhosts(Broker *broker, VhostPolicy policy, guint n, DescriptorArray *vhosts,
                   GError **error)
{
    g_autoptr(GError) cause = NULL;

    if (policy == VHOST_POLICY_OFF)
        return TRUE;
    if (broker->open_vhost(n, vhosts, broker->vhost_data, &cause))
        return TRUE;
    if (policy == VHOST_POLICY_AUTO &&
        (error_is_errno(cause, ENOENT) || error_is_errno(cause, ENODEV) ||
         error_is_errno(cause, ENXIO)))
        return TRUE;
    return port_error_set(error, PORT_ERROR_VHOST_UNAVAILABLE, "vhost-net: %s", cause->message);
}

gboolean
broker_open_descriptors(Broker *broker, const Port *port, const LinkInfo *link, guint n_queues,
                        DescriptorArray *taps, GError **error)
{
    g_autoptr(GError) cause = NULL;

    if (broker->kernel->ops->tap_open(broker->kernel, link, port->id, n_queues, port->queues > 1,
                                      taps, &cause))
        return TRUE;
    return port_error_set(error, PORT_ERROR_SYSTEM, "port %s: %s", port->name, cause->message);
}

gboolean
broker_check_grant(guint n_queues, const DescriptorArray *vhosts, GError **error)
{
    if (n_queues + vhosts->len <= GRANT_DESCRIPTORS_MAX)
        return TRUE;
    return port_error_set(
        error, PORT_ERROR_LIMIT_REACHED,
        "%u queues%s need %u descriptors, but one reply carries at most %d: create the port "
        "without descriptors and open its queues in batches (OpenPort)",
        n_queues, vhosts->len ? " with vhost-net" : "", n_queues + vhosts->len,
        GRANT_DESCRIPTORS_MAX);
}

static gboolean
check_unused(Broker *broker, const Port *port, GError **error)
{
    Kernel *kernel = broker->kernel;

    kernel->ops->queue_catch_up(kernel);
    return kernel->ops->queue_count(kernel, port->id) == 0 ||
           port_error_set(error, PORT_ERROR_ACCESS_DENIED,
                          "port %s is in use; it can be opened again once its queues are closed",
                          port->holder.interface);
}

/* A port that the caller's network namespace holds is open to everybody there, as an interface in
 * it would be, but only while nobody uses it. */
static Port *
find_to_open(Broker *broker, const Caller *caller, const char *text, gboolean *ret_beside,
             GError **error)
{
    Port *port = broker_find_beside(broker, caller, text);

    *ret_beside = port != NULL;
    if (!port)
        return broker_find_port(broker, caller, text, error);
    return check_unused(broker, port, error) ? port : NULL;
}

/* Checks the request against the port's network as it is now. */
static gboolean
check_network(Broker *broker, const Caller *caller, const Port *port, gboolean is_beside,
              guint *n_queues, GError **error)
{
    const Network *network = broker_network_of(broker, port);
    guint most = network ? MIN(network->max_queues, port->queues) : port->queues;

    if (network && !is_beside && !policy_may_use(network, caller))
        return port_error_set(error, PORT_ERROR_ACCESS_DENIED,
                              "user %u may no longer use network %s (see its AllowUsers= and"
                              " AllowGroups=)",
                              (guint)caller->uid, network->name);
    if (*n_queues == 0)
        *n_queues = most;
    if (*n_queues <= most)
        return TRUE;
    if (*n_queues > port->queues)
        return port_error_set(error, PORT_ERROR_LIMIT_REACHED, "port %s has %u queue%s, not %u",
                              port->name, port->queues, port->queues == 1 ? "" : "s", *n_queues);
    return port_error_set(
        error, PORT_ERROR_LIMIT_REACHED,
        "network %s now allows at most %u queue%s for each port (MaxQueues=), not %u",
        network->name, network->max_queues, network->max_queues == 1 ? "" : "s", *n_queues);
}

gboolean
broker_open_port(Broker *broker, const Caller *caller, const char *text, guint n_queues,
                 PortGrant *ret_grant, GError **error)
{
    g_autoptr(DescriptorArray) taps = descriptor_array_new();
    g_autoptr(DescriptorArray) vhosts = descriptor_array_new();
    gboolean is_beside;
    Port *port = find_to_open(broker, caller, text, &is_beside, error);
    LinkInfo link;

    if (!port)
        return FALSE;
    if (!check_network(broker, caller, port, is_beside, &n_queues, error) ||
        !broker_find_device(broker, port, &link, error))
        return FALSE;
    if (!broker_open_vhosts(broker, port->vhost, n_queues, vhosts, error) ||
        !broker_check_grant(n_queues, vhosts, error) ||
        !broker_open_descriptors(broker, port, &link, n_queues, taps, error))
        return FALSE;
    features_opened(&broker->host, port);
    broker_emit(broker, PORT_EVENT_CHANGED, port);
    ret_grant->port = port;
    ret_grant->taps = g_steal_pointer(&taps);
    ret_grant->vhosts = g_steal_pointer(&vhosts);
    return TRUE;
}
