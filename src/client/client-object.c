/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client-private.h"

#include <errno.h>
#include <stdlib.h>

/* The key of the whole object's JSON line: no field has an empty name. */
#define WHOLE ""

void
client_object_init(ClientObject *object, json_t *json)
{
    object->json = json_incref(json);
    object->texts = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, free);
}

void
client_object_clear(ClientObject *object)
{
    g_clear_pointer(&object->json, json_decref);
    g_clear_pointer(&object->texts, g_hash_table_unref);
}

const char *
client_object_string(const ClientObject *object, const char *field)
{
    return json_string_value(json_object_get(object->json, field));
}

gint64
client_object_integer(const ClientObject *object, const char *field)
{
    return json_integer_value(json_object_get(object->json, field));
}

gboolean
client_object_truth(const ClientObject *object, const char *field)
{
    return json_is_true(json_object_get(object->json, field));
}

gsize
client_object_count(const ClientObject *object, const char *list)
{
    return json_array_size(json_object_get(object->json, list));
}

const char *
client_object_item(const ClientObject *object, const char *list, gsize index)
{
    return json_string_value(json_array_get(json_object_get(object->json, list), index));
}

/* "statistics.sentPackets" is a nested field. */
static json_t *
find_value(const ClientObject *object, const char *field)
{
    g_auto(GStrv) names = g_strsplit(field, ".", -1);
    json_t *value = object->json;

    for (char **name = names; *name; name++)
        value = json_object_get(value, *name);
    return value;
}

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

/* The text of an object in a list is its first member, which identifies it. */
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

static char *
make_text(json_t *value)
{
    GString *text = g_string_new(NULL);
    gsize i;
    json_t *element;

    if (json_is_array(value)) {
        json_array_foreach (value, i, element)
            append_text(text, leading_value(element));
    } else if (json_is_object(value)) {
        append_members(text, value);
    } else {
        append_text(text, value);
    }
    return g_string_free(text, FALSE);
}

/* Caches text, taking ownership. Never replaces a cached text, as the caller may have pointers to
 * it. */
static const char *
keep_text(const ClientObject *object, const char *field, char *text)
{
    g_hash_table_insert(object->texts, g_strdup(field), text);
    return text;
}

const char *
client_object_text(const ClientObject *object, const char *field)
{
    const char *text = *field ? g_hash_table_lookup(object->texts, field) : NULL;
    json_t *value = text || !*field ? NULL : find_value(object, field);

    return value ? keep_text(object, field, make_text(value)) : text;
}

int
client_object_number(const ClientObject *object, const char *field, int64_t *ret_number)
{
    json_t *value = find_value(object, field);

    if (!value)
        return -ENOENT;
    if (!json_is_integer(value))
        return -EINVAL;
    *ret_number = json_integer_value(value);
    return 0;
}

const char *
client_object_line(const ClientObject *object)
{
    const char *line = g_hash_table_lookup(object->texts, WHOLE);

    return line ?: keep_text(object, WHOLE, json_dumps(object->json, JSON_COMPACT));
}
