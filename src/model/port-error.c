/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "port-error.h"

G_DEFINE_QUARK(macvtapd - port - error, port_error)

gboolean
port_error_set(GError **error, PortError code, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    if (error)
        *error = g_error_new_valist(PORT_ERROR, (gint)code, format, arguments);
    va_end(arguments);
    return FALSE;
}
