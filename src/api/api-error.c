/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "api-error.h"

#define INTERFACE "org.macvtapd.Ports."

static const char *const error_names[] = {
    [PORT_ERROR_INVALID_REQUEST] = INTERFACE "InvalidRequest",
    [PORT_ERROR_NETWORK_NOT_FOUND] = INTERFACE "NetworkNotFound",
    [PORT_ERROR_NETWORK_INVALID] = INTERFACE "NetworkInvalid",
    [PORT_ERROR_ACCESS_DENIED] = INTERFACE "AccessDenied",
    [PORT_ERROR_LIMIT_REACHED] = INTERFACE "LimitReached",
    [PORT_ERROR_PORT_NOT_FOUND] = INTERFACE "PortNotFound",
    [PORT_ERROR_PARENT_NOT_FOUND] = INTERFACE "ParentNotFound",
    [PORT_ERROR_PARENT_UNUSABLE] = INTERFACE "ParentUnusable",
    [PORT_ERROR_PARENT_BUSY] = INTERFACE "ParentBusy",
    [PORT_ERROR_NAME_TAKEN] = INTERFACE "NameTaken",
    [PORT_ERROR_MAC_CONFLICT] = INTERFACE "MacConflict",
    [PORT_ERROR_MAC_NOT_ALLOWED] = INTERFACE "MacNotAllowed",
    [PORT_ERROR_MTU_TOO_LARGE] = INTERFACE "MtuTooLarge",
    [PORT_ERROR_HOLDER_INVALID] = INTERFACE "HolderInvalid",
    [PORT_ERROR_VHOST_UNAVAILABLE] = INTERFACE "VhostUnavailable",
    [PORT_ERROR_DEVICE_GONE] = INTERFACE "DeviceGone",
    [PORT_ERROR_SYSTEM] = INTERFACE "SystemError",
};
G_STATIC_ASSERT(G_N_ELEMENTS(error_names) == PORT_ERROR_COUNT);

const char *
api_error_name(PortError code)
{
    return error_names[code];
}

void
api_error_send(VarlinkCall *call, const GError *error)
{
    PortError code = error->domain == PORT_ERROR ? (PortError)error->code : PORT_ERROR_SYSTEM;
    /* A message may quote what the caller sent or a file holds; JSON takes UTF-8 only. */
    g_autofree char *message = g_utf8_make_valid(error->message, -1);

    varlink_call_error(call, api_error_name(code), json_pack("{s:s}", "message", message));
}
