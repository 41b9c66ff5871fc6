/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "api-private.h"

#include <string.h>

#define INTERFACE "org.macvtapd.Ports."

/* The maximum length of a message in bytes; our own texts are shorter. */
#define MESSAGE_MAX 1000

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
    [PORT_ERROR_ADDRESS_CONFLICT] = INTERFACE "AddressConflict",
    [PORT_ERROR_ADDRESS_NOT_ALLOWED] = INTERFACE "AddressNotAllowed",
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

static guint64 n_refused[PORT_ERROR_COUNT];

guint64
api_error_count(PortError code)
{
    return n_refused[code];
}

/* A message may quote the caller or a file. JSON needs UTF-8, and the reader gets one line without
 * terminal escapes. Free with g_free(). */
static char *
one_line(const char *message)
{
    g_autofree char *valid = g_utf8_make_valid(message, -1);
    g_autoptr(GString) line = g_string_new(NULL);

    for (const char *c = valid; *c; c = g_utf8_next_char(c)) {
        if (line->len >= MESSAGE_MAX) {
            g_string_append(line, "…");
            break;
        }
        if (g_unichar_iscntrl(g_utf8_get_char(c)))
            g_string_append_c(line, '?');
        else
            g_string_append_len(line, c, g_utf8_next_char(c) - c);
    }
    return g_string_free(g_steal_pointer(&line), FALSE);
}

static PortError
code_of(const GError *error)
{
    return error->domain == PORT_ERROR ? (PortError)error->code : PORT_ERROR_SYSTEM;
}

void
api_error_send(VarlinkCall *call, const GError *error)
{
    g_autofree char *message = one_line(error->message);

    n_refused[code_of(error)]++;
    varlink_call_error(call, api_error_name(code_of(error)),
                       json_pack("{s:s}", "message", message));
}

json_t *
api_error_to_json(const char *port, const GError *error)
{
    g_autofree char *message = one_line(error->message);

    return json_pack("{s:s, s:s, s:s}", "port", port, "error",
                     api_error_name(code_of(error)) + strlen(INTERFACE), "message", message);
}
