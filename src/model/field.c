/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "field.h"

#include "interface-name.h"
#include "ip-address.h"
#include "mac-address.h"
#include "network.h"
#include "port-error.h"
#include "rate-limits.h"

#include <string.h>

static const FieldPlace *
place_in(const Field *field, FieldUse use)
{
    switch (use) {
    case FIELD_USE_REQUEST:
        return &field->request;
    case FIELD_USE_CHANGE:
        return &field->change;
    case FIELD_USE_RECORD:
    case FIELD_USE_REPLY:
        break;
    }
    return &field->object;
}

const FieldPlace *
field_place(const Field *field, FieldUse use)
{
    const FieldPlace *place = place_in(field, use);

    if (place->type == FIELD_NOT_THERE ||
        (use == FIELD_USE_RECORD && !(field->flags & FIELD_RECORD)) ||
        (use == FIELD_USE_REPLY && !(field->flags & FIELD_REPLY)))
        return NULL;
    return place;
}

const Field *
field_find(const Field *fields, FieldUse use, const char *name)
{
    for (; fields->name; fields++) {
        if (g_str_equal(fields->name, name) && field_place(fields, use))
            return fields;
    }
    return NULL;
}

const char *
field_title(const Field *field)
{
    return field->title ? field->title : field->name;
}

char *
field_list_words(const Field *field)
{
    g_autoptr(GString) text = g_string_new(field->word(0));

    for (guint i = 1; i < field->n_words; i++)
        g_string_append_printf(text, "%s%s", i + 1 == field->n_words ? " or " : ", ",
                               field->word(i));
    return g_string_free(g_steal_pointer(&text), FALSE);
}

void
field_place_limits(const FieldPlace *place, gint64 *ret_min, gint64 *ret_max)
{
    *ret_min = place->min;
    *ret_max = place->max;
    if (place->min != 0 || place->max != 0)
        return;
    *ret_max = place->type == FIELD_INT    ? G_MAXINT
               : place->type == FIELD_UINT ? (gint64)G_MAXUINT
                                           : G_MAXINT64;
}

static gconstpointer
value_at(const FieldPlace *place, gconstpointer structure)
{
    return (const char *)structure + place->offset;
}

static const char *
text_at(const FieldPlace *place, gconstpointer structure)
{
    return *(const char *const *)value_at(place, structure);
}

static gint64
number_at(const FieldPlace *place, gconstpointer structure)
{
    gconstpointer value = value_at(place, structure);

    switch (place->type) {
    case FIELD_UINT64:
        return (gint64) * (const guint64 *)value;
    case FIELD_UINT:
    case FIELD_SECONDS:
    case FIELD_ENUM:
    case FIELD_BITS:
        return *(const guint *)value;
    case FIELD_NEGATED:
        return !*(const gboolean *)value;
    default:
        return *(const int *)value;
    }
}

static const GArray *
array_at(const FieldPlace *place, gconstpointer structure)
{
    return *(GArray *const *)value_at(place, structure);
}

static const char *const *
strings_at(const FieldPlace *place, gconstpointer structure)
{
    return *(const char *const *const *)value_at(place, structure);
}

static json_t *
text_to_json(const char *text)
{
    json_t *json = json_string(text);
    g_autofree char *valid = json ? NULL : g_utf8_make_valid(text, -1);

    return json ? json : json_string(valid);
}

static json_t *
ifname_to_json(const char *name)
{
    char text[INTERFACE_NAME_TEXT_SIZE];

    return json_string_nocheck(interface_name_format(name, text));
}

static json_t *
mac_to_json(const MacAddress *mac)
{
    char text[MAC_ADDRESS_TEXT_SIZE];

    return json_string_nocheck(mac_address_format(mac, text));
}

static json_t *
macs_to_json(const GArray *macs)
{
    json_t *array = json_array();

    for (guint i = 0; i < macs->len; i++)
        json_array_append_new(array, mac_to_json(&g_array_index(macs, MacAddress, i)));
    return array;
}

static json_t *
ranges_to_json(const GArray *ranges)
{
    json_t *array = json_array();

    for (guint i = 0; i < ranges->len; i++) {
        g_autofree char *text = mac_range_format(&g_array_index(ranges, MacRange, i));

        json_array_append_new(array, json_string_nocheck(text));
    }
    return array;
}

static json_t *
ip_to_json(const IpAddress *address)
{
    char text[IP_ADDRESS_TEXT_SIZE];

    return json_string_nocheck(ip_address_format(address, text));
}

static json_t *
prefixes_to_json(const GArray *prefixes)
{
    json_t *array = json_array();

    for (guint i = 0; i < prefixes->len; i++) {
        char text[IP_PREFIX_TEXT_SIZE];

        ip_prefix_format(&g_array_index(prefixes, IpPrefix, i), text);
        json_array_append_new(array, json_string_nocheck(text));
    }
    return array;
}

static json_t *
ips_to_json(const GArray *addresses)
{
    json_t *array = json_array();

    for (guint i = 0; i < addresses->len; i++)
        json_array_append_new(array, ip_to_json(&g_array_index(addresses, IpAddress, i)));
    return array;
}

static json_t *
ip_ranges_to_json(const GArray *ranges)
{
    json_t *array = json_array();

    for (guint i = 0; i < ranges->len; i++) {
        char text[IP_RANGE_TEXT_SIZE];

        ip_range_format(&g_array_index(ranges, IpRange, i), text);
        json_array_append_new(array, json_string_nocheck(text));
    }
    return array;
}

static json_t *
port_addresses_to_json(const GArray *addresses)
{
    json_t *array = json_array();

    for (guint i = 0; i < addresses->len; i++) {
        char text[PORT_ADDRESS_TEXT_SIZE];

        port_address_format(&g_array_index(addresses, PortAddress, i), text);
        json_array_append_new(array, json_string_nocheck(text));
    }
    return array;
}

static json_t *
bits_to_json(const Field *field, gint64 bits)
{
    json_t *array = json_array();

    for (guint i = 0; i < field->n_words; i++) {
        if (bits >> i & 1)
            json_array_append_new(array, json_string_nocheck(field->word(i)));
    }
    return array;
}

/* NULL: all are 0. */
static json_t *
counts_to_json(const Field *field, const guint64 *counts)
{
    json_t *object = NULL;

    for (guint i = 0; i < field->n_words; i++) {
        if (counts[i] == 0)
            continue;
        object = object ? object : json_object();
        json_object_set_new_nocheck(object, field->word(i), json_integer((json_int_t)counts[i]));
    }
    return object;
}

/* NULL: an empty list. */
static json_t *
objects_to_json(const Field *field, FieldUse use, const GArray *objects)
{
    json_t *array;
    guint size;

    if (!objects || objects->len == 0)
        return NULL;
    size = g_array_get_element_size((GArray *)objects);
    array = json_array();
    for (guint i = 0; i < objects->len; i++)
        json_array_append_new(array, fields_to_json(field->members, use, objects->data + i * size));
    return array;
}

static json_t *
strings_to_json(const char *const *strings)
{
    json_t *array = json_array();

    for (; *strings; strings++)
        json_array_append_new(array, text_to_json(*strings));
    return array;
}

static json_t *
derived_to_json(const FieldPlace *place, gconstpointer structure)
{
    g_autofree char *text = place->derive(structure);

    return text ? text_to_json(text) : NULL;
}

/* An absent limit is written "none" only where the user has asked for it. */
static json_t *
rate_to_json(const FieldPlace *place, const Rate *rate)
{
    g_autofree char *text = rate_format(rate);

    return rate->bits > 0 || place->given ? json_string_nocheck(text) : NULL;
}

/* NULL when the structure does not have the field. */
static json_t *
value_to_json(const Field *field, FieldUse use, const FieldPlace *place, gconstpointer structure)
{
    switch (place->type) {
    case FIELD_TEXT:
        return text_at(place, structure) ? text_to_json(text_at(place, structure)) : NULL;
    case FIELD_IFNAME:
        return text_at(place, structure) ? ifname_to_json(text_at(place, structure)) : NULL;
    case FIELD_IFNAME_HERE:
        return ifname_to_json(value_at(place, structure));
    case FIELD_UUID:
        return json_string(value_at(place, structure));
    case FIELD_INT:
    case FIELD_UINT:
    case FIELD_UINT64:
    case FIELD_SECONDS:
        return json_integer(number_at(place, structure));
    case FIELD_BOOLEAN:
    case FIELD_NEGATED:
        return json_boolean(number_at(place, structure));
    case FIELD_ENUM:
        return json_string_nocheck(field->word((guint)number_at(place, structure)));
    case FIELD_MAC:
        return mac_to_json(value_at(place, structure));
    case FIELD_MACS:
        return array_at(place, structure) ? macs_to_json(array_at(place, structure)) : NULL;
    case FIELD_RANGES:
        return array_at(place, structure) ? ranges_to_json(array_at(place, structure)) : NULL;
    case FIELD_STRINGS:
        return strings_at(place, structure) ? strings_to_json(strings_at(place, structure)) : NULL;
    case FIELD_BITS:
        return bits_to_json(field, number_at(place, structure));
    case FIELD_IP:
        return ip_to_json(value_at(place, structure));
    case FIELD_PREFIXES:
        return array_at(place, structure) ? prefixes_to_json(array_at(place, structure)) : NULL;
    case FIELD_IPS:
        return ips_to_json(array_at(place, structure));
    case FIELD_IP_RANGES:
        return ip_ranges_to_json(array_at(place, structure));
    case FIELD_PORT_ADDRESSES:
        return array_at(place, structure) ? port_addresses_to_json(array_at(place, structure))
                                          : NULL;
    case FIELD_RATE:
        return rate_to_json(place, value_at(place, structure));
    case FIELD_GROUP:
        return fields_to_json(field->members, use, structure);
    case FIELD_COUNTS:
        return counts_to_json(field, value_at(place, structure));
    case FIELD_OBJECTS:
        return objects_to_json(field, use, array_at(place, structure));
    case FIELD_DERIVED:
        return derived_to_json(place, structure);
    case FIELD_USERS:
    case FIELD_GROUPS:
    case FIELD_NOT_THERE:
        break;
    }
    return NULL;
}

static gboolean
json_is_empty(const json_t *json)
{
    return json_is_false(json) || (json_is_integer(json) && json_integer_value(json) == 0) ||
           (json_is_string(json) && json_string_length(json) == 0);
}

json_t *
fields_to_json(const Field *fields, FieldUse use, gconstpointer structure)
{
    json_t *object = json_object();

    for (; fields->name; fields++) {
        const FieldPlace *place = field_place(fields, use);
        json_t *value;

        if (!place ||
            (place->given && !*(const gboolean *)((const char *)structure + place->given)))
            continue;
        value = value_to_json(fields, use, place, structure);
        /* A number with its own "given" flag may be 0. */
        if (value && (fields->flags & FIELD_OPTIONAL) && !place->given && json_is_empty(value))
            json_decref(value);
        else if (value)
            json_object_set_new_nocheck(object, fields->name, value);
    }
    return object;
}

static gboolean
is_array(FieldType type)
{
    return type == FIELD_MACS || type == FIELD_PREFIXES || type == FIELD_OBJECTS ||
           type == FIELD_PORT_ADDRESSES;
}

void
fields_release(const Field *fields, FieldUse use, gpointer structure)
{
    for (; fields->name; fields++) {
        const FieldPlace *place = place_in(fields, use);
        gpointer at = (char *)structure + place->offset;

        if (place->type == FIELD_TEXT || place->type == FIELD_IFNAME)
            g_clear_pointer((char **)at, g_free);
        else if (is_array(place->type))
            g_clear_pointer((GArray **)at, g_array_unref);
        else if (place->type == FIELD_STRINGS)
            g_clear_pointer((GStrv *)at, g_strfreev);
        else if (place->type == FIELD_GROUP)
            fields_release(fields->members, use, structure);
    }
}

void
fields_duplicate(const Field *fields, FieldUse use, gpointer structure)
{
    for (; fields->name; fields++) {
        const FieldPlace *place = place_in(fields, use);
        gpointer at = (char *)structure + place->offset;

        if (place->type == FIELD_TEXT || place->type == FIELD_IFNAME)
            *(char **)at = g_strdup(*(char **)at);
        else if (is_array(place->type) && *(GArray **)at)
            *(GArray **)at = g_array_copy(*(GArray **)at);
        else if (place->type == FIELD_STRINGS)
            *(GStrv *)at = g_strdupv(*(GStrv *)at);
        else if (place->type == FIELD_GROUP)
            fields_duplicate(fields->members, use, structure);
    }
}

static gboolean
arrays_are_equal(const GArray *a, const GArray *b)
{
    /* An empty array has no data. */
    return a->len == b->len &&
           (a->len == 0 ||
            memcmp(a->data, b->data, a->len * g_array_get_element_size((GArray *)a)) == 0);
}

static gboolean
rates_are_equal(const Rate *a, const Rate *b)
{
    return a->bits == b->bits && a->burst == b->burst;
}

gboolean
field_is_equal(const Field *field, gconstpointer a, gconstpointer b)
{
    const FieldPlace *place = &field->object;

    switch (place->type) {
    case FIELD_TEXT:
        return g_strcmp0(text_at(place, a), text_at(place, b)) == 0;
    case FIELD_STRINGS:
        return g_strv_equal(strings_at(place, a), strings_at(place, b));
    case FIELD_RATE:
        return rates_are_equal(value_at(place, a), value_at(place, b));
    case FIELD_INT:
    case FIELD_UINT:
    case FIELD_UINT64:
    case FIELD_SECONDS:
    case FIELD_BOOLEAN:
    case FIELD_NEGATED:
    case FIELD_ENUM:
    case FIELD_BITS:
        return number_at(place, a) == number_at(place, b);
    default: /* a list */
        return arrays_are_equal(array_at(place, a), array_at(place, b));
    }
}

gboolean
fields_keep(const Field *fields, FieldUse use, gconstpointer from, gpointer port)
{
    gboolean any = FALSE;

    for (; fields->name; fields++) {
        const FieldPlace *source = place_in(fields, use);
        const char *text;
        char **at;

        if (!(fields->flags & FIELD_KEPT) || source->type != FIELD_TEXT)
            continue;
        text = text_at(source, from);
        /* NULL is a value in a port, and "not given" in a request. */
        if (!text && source != &fields->object)
            continue;
        at = (char **)((char *)port + fields->object.offset);
        g_free(*at);
        *at = g_strdup(text);
        any = TRUE;
    }
    return any;
}
