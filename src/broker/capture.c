/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Use case: copies of a port's frames. */
#include "broker-private.h"

#include "policy.h"
#include "port-error.h"

void
capture_request_clear(CaptureRequest *request)
{
    g_clear_pointer(&request->port, g_free);
}

/* A passthru port's device gets every frame of the parent, which are not only its guest's. */
static gboolean
check_caller(Broker *broker, const Caller *caller, const Port *port, GError **error)
{
    const Network *network = broker_network_of(broker, port);

    if (caller_is_root(caller))
        return TRUE;
    if (port->mode == MACVTAP_MODE_PASSTHRU)
        return port_error_set(error, PORT_ERROR_ACCESS_DENIED,
                              "only root may capture a passthru port: port %s gets all frames of "
                              "its parent",
                              port->name);
    return !network || policy_may_use(network, caller) ||
           port_error_set(error, PORT_ERROR_ACCESS_DENIED,
                          "user %u may no longer use network %s (see its AllowUsers= and "
                          "AllowGroups=)",
                          (guint)caller->uid, network->name);
}

const Port *
broker_capture_port(Broker *broker, const Caller *caller, const CaptureRequest *request,
                    int *ret_fd, GError **error)
{
    Port *port = broker_find_port(broker, caller, request->port, error);
    LinkInfo device;

    if (!port || !check_caller(broker, caller, port, error) ||
        !broker_find_device(broker, port, &device, error) ||
        !features_capture(&broker->host, caller, port, &request->wish, ret_fd, error))
        return NULL;
    return port;
}
