/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reading: checks the fields of a JSON object and stores them in a structure. */
#include "field.h"

#include "guard.h"
#include "holder.h"
#include "interface-name.h"
#include "rate-limits.h"
#include "mac-address.h"
#include "network.h"
#include "port-error.h"

#include <string.h>

/* A value that is being read into a structure. */
typedef struct Reading {
    const Field *field;
    const FieldPlace *place;
    FieldUse use;
    gpointer structure;
    const char *wrong; /* the name of the invalid field */
} Reading;

static gpointer
target(const Reading *reading)
{
    return (char *)reading->structure + reading->place->offset;
}

static void
store_text(const Reading *reading, const char *text)
{
    char **at = target(reading);

    g_free(*at);
    *at = g_strdup(text);
}

static gboolean
read_text(const Reading *reading, const char *text, GError **error)
{
    if (reading->place->check && !reading->place->check(text, error))
        return FALSE;
    store_text(reading, text);
    return TRUE;
}

static gboolean
read_ifname(const Reading *reading, const char *text, GError **error)
{
    char name[INTERFACE_NAME_MAX + 1];

    if (!interface_name_parse(text, name))
        return port_error_set(error, PORT_ERROR_INVALID_REQUEST, "'%s' is not an interface name",
                              text);
    if (reading->place->type == FIELD_IFNAME)
        store_text(reading, name);
    else
        strcpy(target(reading), name);
    return TRUE;
}

static gboolean
read_uuid(const Reading *reading, const char *text, GError **error)
{
    char *at = target(reading);

    if (!uuid_is_valid(text))
        return port_error_set(error, PORT_ERROR_INVALID_REQUEST, "'%s' is not a domain's UUID",
                              text);
    for (gsize i = 0; i < UUID_TEXT_SIZE; i++)
        at[i] = g_ascii_tolower(text[i]);
    return TRUE;
}

static gboolean
read_enum(const Reading *reading, const char *text, GError **error)
{
    const Field *field = reading->field;
    g_autofree char *words = NULL;
    guint *at = target(reading);

    for (guint i = 0; i < field->n_words; i++) {
        if (!g_str_equal(field->word(i), text))
            continue;
        *at = i;
        return TRUE;
    }
    words = field_list_words(field);
    return port_error_set(error, PORT_ERROR_INVALID_REQUEST, "%s must be %s, not '%s'",
                          field_title(field), words, text);
}

/* A request's MAC is checked against its network, with better messages (policy_check_request()). */
static gboolean
read_mac(const Reading *reading, const char *text, GError **error)
{
    MacAddress *at = target(reading), mac;

    if (!mac_address_parse(text, &mac) ||
        (reading->use == FIELD_USE_RECORD &&
         (mac_address_is_multicast(&mac) || mac_address_is_zero(&mac))))
        return port_error_set(error, PORT_ERROR_INVALID_REQUEST,
                              "'%s' is not a MAC address (six pairs of hex digits joined by ':')",
                              text);
    *at = mac;
    return TRUE;
}

static gboolean
read_number(const Reading *reading, gint64 number, GError **error)
{
    gpointer at = target(reading);
    gint64 min, max;

    field_place_limits(reading->place, &min, &max);
    if (number < min || number > max)
        return port_error_set(error, PORT_ERROR_INVALID_REQUEST,
                              "%s must be %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT
                              ", not %" G_GINT64_FORMAT,
                              field_title(reading->field), min, max, number);
    if (reading->place->type == FIELD_UINT64)
        *(guint64 *)at = (guint64)number;
    else if (reading->place->type == FIELD_UINT)
        *(guint *)at = (guint)number;
    else
        *(int *)at = (int)number;
    return TRUE;
}

static gboolean
read_macs(const Reading *reading, json_t *array, GError **error)
{
    g_autoptr(GArray) macs = g_array_new(FALSE, FALSE, sizeof(MacAddress));
    GArray **at = target(reading);
    json_t *element;
    gsize i;

    if (json_array_size(array) > NETWORK_SOURCES_MAX)
        return port_error_set(error, PORT_ERROR_INVALID_REQUEST, "%s has at most %d entries",
                              reading->field->name, NETWORK_SOURCES_MAX);
    json_array_foreach (array, i, element) {
        const char *text = json_string_value(element);
        MacAddress mac;

        if (!text || !mac_address_parse(text, &mac) || mac_address_is_multicast(&mac) ||
            mac_address_is_zero(&mac))
            return port_error_set(error, PORT_ERROR_INVALID_REQUEST,
                                  "'%s' is not a unicast MAC address", text ? text : "(no text)");
        g_array_append_val(macs, mac);
    }
    g_clear_pointer(at, g_array_unref);
    *at = g_steal_pointer(&macs);
    return TRUE;
}

static gboolean
read_strings(const Reading *reading, json_t *array, GError **error)
{
    g_auto(GStrv) strings = g_new0(char *, json_array_size(array) + 1);
    GStrv *at = target(reading);
    json_t *element;
    gsize i;

    json_array_foreach (array, i, element) {
        const char *text = json_string_value(element);

        if (!text || (reading->place->check && !reading->place->check(text, error)))
            return FALSE;
        strings[i] = g_strdup(text);
    }
    g_strfreev(*at);
    *at = g_steal_pointer(&strings);
    return TRUE;
}

static gboolean
read_prefixes(const Reading *reading, json_t *array, GError **error)
{
    g_autoptr(GArray) prefixes = g_array_new(FALSE, FALSE, sizeof(IpPrefix));
    GArray **at = target(reading);
    json_t *element;
    gsize i;

    if (json_array_size(array) > GUARD_PREFIXES_MAX)
        return port_error_set(error, PORT_ERROR_INVALID_REQUEST, "%s has at most %d entries",
                              field_title(reading->field), GUARD_PREFIXES_MAX);
    json_array_foreach (array, i, element) {
        const char *text = json_string_value(element);
        g_autoptr(GError) cause = NULL;
        IpPrefix prefix;

        if (!ip_prefix_parse(text ? text : "(no text)", &prefix, &cause))
            return port_error_set(error, PORT_ERROR_INVALID_REQUEST, "%s", cause->message);
        g_array_append_val(prefixes, prefix);
    }
    g_clear_pointer(at, g_array_unref);
    *at = g_steal_pointer(&prefixes);
    return TRUE;
}

static gboolean
read_port_addresses(const Reading *reading, json_t *array, GError **error)
{
    g_autoptr(GArray) addresses = g_array_new(FALSE, FALSE, sizeof(PortAddress));
    GArray **at = target(reading);
    json_t *element;
    gsize i;

    if (json_array_size(array) > PORT_ADDRESSES_MAX)
        return port_error_set(error, PORT_ERROR_INVALID_REQUEST, "%s has at most %d entries",
                              field_title(reading->field), PORT_ADDRESSES_MAX);
    json_array_foreach (array, i, element) {
        const char *text = json_string_value(element);
        PortAddress address;

        if (!port_address_parse(text ? text : "(no text)", &address, error))
            return FALSE;
        g_array_append_val(addresses, address);
    }
    g_clear_pointer(at, g_array_unref);
    *at = g_steal_pointer(&addresses);
    return TRUE;
}

static gboolean
read_bits(const Reading *reading, json_t *array, GError **error)
{
    const Field *field = reading->field;
    guint *at = target(reading), bits = 0;
    json_t *element;
    gsize i;

    json_array_foreach (array, i, element) {
        const char *text = json_string_value(element);
        g_autofree char *words = NULL;
        guint bit = 0;

        while (bit < field->n_words && g_strcmp0(field->word(bit), text) != 0)
            bit++;
        if (bit == field->n_words) {
            words = field_list_words(field);
            return port_error_set(error, PORT_ERROR_INVALID_REQUEST, "%s has %s, not '%s'",
                                  field_title(field), words, text ? text : "(no text)");
        }
        bits |= 1u << bit;
    }
    *at = bits;
    return TRUE;
}

static gboolean
read_truth(const Reading *reading, gboolean truth)
{
    gboolean *at = target(reading);

    *at = reading->place->type == FIELD_NEGATED ? !truth : truth;
    return TRUE;
}

static gboolean
json_has_type(const json_t *json, FieldType type)
{
    switch (type) {
    case FIELD_INT:
    case FIELD_UINT:
    case FIELD_UINT64:
        return json_is_integer(json);
    case FIELD_BOOLEAN:
    case FIELD_NEGATED:
        return json_is_boolean(json);
    case FIELD_MACS:
    case FIELD_BITS:
    case FIELD_PREFIXES:
    case FIELD_PORT_ADDRESSES:
    case FIELD_STRINGS:
        return json_is_array(json);
    case FIELD_GROUP:
        return json_is_object(json);
    default:
        return json_is_string(json);
    }
}

/* The JSON has the field's type. */
static gboolean
read_value(Reading *reading, json_t *json, GError **error)
{
    const char *text = json_string_value(json);

    switch (reading->place->type) {
    case FIELD_TEXT:
        return read_text(reading, text, error);
    case FIELD_IFNAME:
    case FIELD_IFNAME_HERE:
        return read_ifname(reading, text, error);
    case FIELD_UUID:
        return read_uuid(reading, text, error);
    case FIELD_ENUM:
        return read_enum(reading, text, error);
    case FIELD_MAC:
        return read_mac(reading, text, error);
    case FIELD_INT:
    case FIELD_UINT:
    case FIELD_UINT64:
        return read_number(reading, json_integer_value(json), error);
    case FIELD_BOOLEAN:
    case FIELD_NEGATED:
        return read_truth(reading, json_is_true(json));
    case FIELD_MACS:
        return read_macs(reading, json, error);
    case FIELD_BITS:
        return read_bits(reading, json, error);
    case FIELD_PREFIXES:
        return read_prefixes(reading, json, error);
    case FIELD_PORT_ADDRESSES:
        return read_port_addresses(reading, json, error);
    case FIELD_STRINGS:
        return read_strings(reading, json, error);
    case FIELD_RATE:
        return rate_parse(text, target(reading), error);
    case FIELD_GROUP:
        return fields_from_json(reading->field->members, reading->use, json, reading->structure,
                                &reading->wrong, error);
    case FIELD_RANGES:
    case FIELD_IP:
    case FIELD_IPS:
    case FIELD_IP_RANGES:
    case FIELD_SECONDS:
    case FIELD_COUNTS:
    case FIELD_OBJECTS:
    case FIELD_USERS:
    case FIELD_GROUPS:
    case FIELD_DERIVED:
    case FIELD_NOT_THERE:
        break;
    }
    return FALSE;
}

static gboolean
is_missing(const json_t *json, FieldUse use)
{
    /* In a request null means "not given". A record has no null. */
    return !json || (json_is_null(json) && use != FIELD_USE_RECORD);
}

/* FALSE with reading->wrong set, and with *error if the value is invalid. */
static gboolean
read_field(Reading *reading, json_t *json, GError **error)
{
    const Field *field = reading->field;
    const FieldPlace *place = reading->place;

    reading->wrong = field->name;
    if (is_missing(json, reading->use))
        return reading->use == FIELD_USE_RECORD ? (field->flags & FIELD_OPTIONAL) != 0
                                                : !(field->flags & FIELD_MANDATORY);
    if (!json_has_type(json, place->type) || !read_value(reading, json, error))
        return FALSE;
    if (place->given)
        *(gboolean *)((char *)reading->structure + place->given) = TRUE;
    return TRUE;
}

static gboolean
knows_all(const Field *fields, FieldUse use, json_t *object, const char **ret_field)
{
    const char *key;
    json_t *value;

    json_object_foreach (object, key, value) {
        if (!field_find(fields, use, key)) {
            *ret_field = key;
            return FALSE;
        }
    }
    return TRUE;
}

gboolean
fields_from_json(const Field *fields, FieldUse use, json_t *object, gpointer structure,
                 const char **ret_field, GError **error)
{
    gsize n_left = json_object_size(object);
    GError *cause = NULL;

    /* A record may be from a newer daemon, with unknown fields. */
    if (use != FIELD_USE_RECORD && !knows_all(fields, use, object, ret_field))
        return FALSE;
    for (; fields->name; fields++) {
        Reading reading = {fields, field_place(fields, use), use, structure};
        json_t *value;

        if (!reading.place || reading.place->type == FIELD_DERIVED)
            continue;
        /* Most objects have few of the fields. */
        value = n_left > 0 ? json_object_get(object, fields->name) : NULL;
        n_left -= value != NULL;
        if (read_field(&reading, value, error ? &cause : NULL))
            continue;
        if (cause)
            g_propagate_error(error, cause);
        else
            *ret_field = use == FIELD_USE_RECORD ? fields->name : reading.wrong;
        return FALSE;
    }
    return TRUE;
}

gboolean
fields_any_given(const Field *fields, FieldUse use, json_t *object)
{
    for (; fields->name; fields++) {
        if (field_place(fields, use) && !(fields->flags & FIELD_MANDATORY) &&
            !is_missing(json_object_get(object, fields->name), use))
            return TRUE;
    }
    return FALSE;
}

/* Large enough for every value that read_value() stores. */
typedef union Value {
    char text[UUID_TEXT_SIZE + 1];
    char *own_text;
    GArray *array;
    GStrv strings;
    guint64 number;
    Rate rate;
} Value;

static void
value_clear(Value *value, FieldType type)
{
    if (type == FIELD_TEXT || type == FIELD_IFNAME)
        g_clear_pointer(&value->own_text, g_free);
    else if (type == FIELD_MACS || type == FIELD_PREFIXES || type == FIELD_PORT_ADDRESSES)
        g_clear_pointer(&value->array, g_array_unref);
    else if (type == FIELD_STRINGS)
        g_clear_pointer(&value->strings, g_strfreev);
}

/* The JSON was made of a text: it has the field's type, and a group has no unknown members. */
static gboolean
check_json(const Field *field, FieldUse use, json_t *json, GError **error)
{
    FieldPlace place = *field_place(field, use);
    Value value = {{0}};
    Reading reading = {field, &place, use, &value};
    gboolean good = TRUE;
    const char *name;
    json_t *member;

    if (place.type == FIELD_GROUP) {
        json_object_foreach (json, name, member)
            good = good && check_json(field_find(field->members, use, name), use, member, error);
        return good;
    }
    place.offset = 0;
    good = read_value(&reading, json, error);
    value_clear(&value, place.type);
    return good;
}

gboolean
field_check_text(const Field *field, FieldUse use, const char *text, GError **error)
{
    Holder holder;
    json_t *json;
    gboolean good;

    if (g_str_equal(field->name, "holder"))
        return holder_parse(text, &holder, error);
    json = field_json_from_text(field, use, text, error);
    good = json && check_json(field, use, json, error);
    json_decref(json);
    return good;
}
