/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "printable.h"

char *
printable(const char *text)
{
    GString *shown = g_string_new(NULL);

    while (*text) {
        gunichar c = g_utf8_get_char_validated(text, -1);
        gboolean is_valid = c != (gunichar)-1 && c != (gunichar)-2;

        g_string_append_unichar(shown, is_valid && g_unichar_isprint(c) ? c : '?');
        text = is_valid ? g_utf8_next_char(text) : text + 1;
    }
    return g_string_free(shown, FALSE);
}
