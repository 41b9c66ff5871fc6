/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What every unit test needs: cmocka with the headers that it wants before it, and GErrors. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <glib.h>

/* Checks that *error is of domain and code and that its message has text in it, and clears it. */
static inline void
assert_error_cleared(GError **error, GQuark domain, int code, const char *text)
{
    assert_non_null(*error);
    assert_string_equal(g_quark_to_string((*error)->domain), g_quark_to_string(domain));
    assert_int_equal((*error)->code, code);
    if (!strstr((*error)->message, text))
        fail_msg("'%s' is not in the message '%s'", text, (*error)->message);
    g_clear_error(error);
}

/* Checks that *error is NULL, and shows its message if not. */
static inline void
assert_no_error(const GError *error)
{
    if (error)
        fail_msg("unexpected error: %s", error->message);
}
