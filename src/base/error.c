/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "error.h"

#include <errno.h>

G_DEFINE_QUARK(macvtapd - errno - error, errno_error)

gboolean
error_set(GError **error, GQuark domain, int code, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    if (error)
        *error = g_error_new_valist(domain, code, format, arguments);
    va_end(arguments);
    return FALSE;
}

gboolean
error_set_errno(GError **error, int errnum, const char *format, ...)
{
    int saved = errno;
    va_list arguments;
    g_autofree char *what = NULL;

    va_start(arguments, format);
    what = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    g_set_error(error, ERRNO_ERROR, errnum, "%s: %s", what, g_strerror(errnum));
    errno = saved;
    return FALSE;
}

gboolean
error_is_errno(const GError *error, int errnum)
{
    return g_error_matches(error, ERRNO_ERROR, errnum);
}

void
error_keep_first(GError **failure, GError *error)
{
    if (!error)
        return;
    if (*failure)
        g_error_free(error);
    else
        *failure = error;
}
