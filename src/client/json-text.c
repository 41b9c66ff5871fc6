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

/* Objects' own text is the first of their members, which is what they are about. */
static json_t *
leading_value(json_t *element)
{
    return json_is_object(element) ? json_object_iter_value(json_object_iter(element)) : element;
}

static void
append_members(GString *text, json_t *object)
{
    const char *name;
    json_t *value;

    json_object_foreach (object, name, value) {
        g_string_append_printf(text, "%s%s", text->len > 0 ? ", " : "", name);
        append_text(text, value);
    }
}

char *
client_json_field(json_t *object, const char *field)
{
    g_auto(GStrv) names = g_strsplit(field, ".", -1);
    GString *text = g_string_new(NULL);
    json_t *element;
    gsize i;

    for (char **name = names; *name; name++)
        object = json_object_get(object, *name);
    if (json_is_array(object)) {
        json_array_foreach (object, i, element)
            append_text(text, leading_value(element));
    } else if (json_is_object(object)) {
        append_members(text, object);
    } else if (object) {
        append_text(text, object);
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
