/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client-private.h"

static void
append_text(GString *text, json_t *value)
{
    if (text->len > 0)
        g_string_append_c(text, ' ');
    if (json_is_string(value))
        g_string_append(text, json_string_value(value));
    else if (json_is_integer(value))
        g_string_append_printf(text, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    else if (json_is_boolean(value))
        g_string_append(text, json_is_true(value) ? "yes" : "no");
}

char *
client_json_text(json_t *value)
{
    GString *text = g_string_new(NULL);
    gsize i;
    json_t *element;

    if (json_is_array(value)) {
        json_array_foreach (value, i, element)
            append_text(text, element);
    } else if (value) {
        append_text(text, value);
    }
    return g_string_free(text, FALSE);
}

char **
client_json_lines(json_t *array)
{
    g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
    gsize i;
    json_t *line;

    json_array_foreach (array, i, line) {
        if (json_is_string(line))
            g_strv_builder_add(builder, json_string_value(line));
    }
    return g_strv_builder_end(builder);
}
