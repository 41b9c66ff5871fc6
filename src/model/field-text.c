/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a user has written for a field, to its JSON value. */
#include "field.h"

#include "port-error.h"

static json_t *
number_from_text(const Field *field, const FieldPlace *place, const char *text, GError **error)
{
    gint64 number, min, max;

    field_place_limits(place, &min, &max);
    if (text[0] != '+' && g_ascii_string_to_signed(text, 10, min, max, &number, NULL))
        return json_integer(number);
    port_error_set(error, PORT_ERROR_INVALID_REQUEST,
                   "%s must be %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT ", not '%s'",
                   field_title(field), min, max, text);
    return NULL;
}

static json_t *
truth_from_text(const Field *field, const char *text, GError **error)
{
    static const char *const usual[] = {"no", "yes"};
    /* An option without an argument is a plain yes or no, whatever the display shows. */
    const char *const *truths = field->truths && field->argument ? field->truths : usual;

    if (g_str_equal(text, truths[TRUE]) || g_str_equal(text, truths[FALSE]))
        return json_boolean(g_str_equal(text, truths[TRUE]));
    port_error_set(error, PORT_ERROR_INVALID_REQUEST, "%s must be %s or %s, not '%s'",
                   field->option ? field->option : field->name, truths[TRUE], truths[FALSE], text);
    return NULL;
}

/* NULL: not UTF-8. */
static json_t *
list_from_text(const FieldPlace *place, const char *text, const char *separator)
{
    g_auto(GStrv) words = g_strsplit(text, separator, -1);
    json_t *array = json_array();

    for (char **word = words; *word; word++) {
        if (json_array_append_new(array, json_string(*word)) < 0)
            g_clear_pointer(&array, json_decref);
    }
    /* An empty text clears a list of settings, but it is no address. */
    if (!text[0] && place->type == FIELD_PORT_ADDRESSES)
        json_array_append_new(array, json_string(text));
    return array;
}

static json_t *
value_from_text(const Field *field, const FieldPlace *place, const char *text,
                const char *separator, GError **error)
{
    json_t *json = NULL;

    switch (place->type) {
    case FIELD_INT:
    case FIELD_UINT:
    case FIELD_UINT64:
        return number_from_text(field, place, text, error);
    case FIELD_BOOLEAN:
    case FIELD_NEGATED:
        return truth_from_text(field, text, error);
    case FIELD_MACS:
    case FIELD_BITS:
    case FIELD_PREFIXES:
    case FIELD_PORT_ADDRESSES:
    case FIELD_STRINGS:
        json = list_from_text(place, text, separator);
        break;
    default:
        json = json_string(text);
    }
    if (!json)
        port_error_set(error, PORT_ERROR_INVALID_REQUEST, "%s is not UTF-8 text", field->name);
    return json;
}

/* Finds the member of a group by the name that people use; or NULL. */
static const Field *
find_member(const Field *group, FieldUse use, const char *option)
{
    for (const Field *member = group->members; member->name; member++) {
        if (field_place(member, use) && g_strcmp0(member->option, option) == 0)
            return member;
    }
    return NULL;
}

/* "senders=, verdict= or allow="; free with g_free(). */
static char *
list_members(const Field *group, FieldUse use)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    g_autoptr(GString) text = g_string_new(NULL);

    for (const Field *member = group->members; member->name; member++) {
        if (field_place(member, use) && member->option)
            g_ptr_array_add(names, (gpointer)member->option);
    }
    for (guint i = 0; i < names->len; i++)
        g_string_append_printf(text, "%s%s=",
                               i == 0               ? ""
                               : i + 1 < names->len ? ", "
                                                    : " or ",
                               (const char *)names->pdata[i]);
    return g_string_free(g_steal_pointer(&text), FALSE);
}

/* Parses one "MEMBER=VALUE" into object. */
static gboolean
member_from_text(const Field *group, FieldUse use, const char *text, json_t *object, GError **error)
{
    const char *equals = strchr(text, '=');
    g_autofree char *name = equals ? g_strndup(text, (gsize)(equals - text)) : g_strdup(text);
    const Field *member = equals ? find_member(group, use, name) : NULL;
    g_autofree char *names = list_members(group, use), *shown = g_strescape(text, NULL);
    json_t *value;

    if (!member)
        return port_error_set(error, PORT_ERROR_INVALID_REQUEST,
                              "%s has %s, each with a value, not '%.64s'", field_title(group),
                              names, shown);
    if (json_object_get(object, member->name))
        return port_error_set(error, PORT_ERROR_INVALID_REQUEST, "%s has %s= twice",
                              field_title(group), name);
    value = value_from_text(member, field_place(member, use), equals + 1, "+", error);
    return value && json_object_set_new(object, member->name, value) == 0;
}

static json_t *
group_from_text(const Field *group, FieldUse use, const char *text, GError **error)
{
    g_auto(GStrv) words = g_strsplit(text, ",", -1);
    gboolean good = words[0] || member_from_text(group, use, "", NULL, error);
    json_t *object = json_object();

    if (g_strcmp0(text, group->nothing) == 0)
        return object;
    for (char **word = words; good && *word; word++)
        good = member_from_text(group, use, *word, object, error);
    if (!good)
        g_clear_pointer(&object, json_decref);
    return object;
}

json_t *
field_json_from_text(const Field *field, FieldUse use, const char *text, GError **error)
{
    const FieldPlace *place = field_place(field, use);

    return place->type == FIELD_GROUP ? group_from_text(field, use, text, error)
                                      : value_from_text(field, place, text, ",", error);
}
