/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config-keys.h"

#include "port-error.h"

#include <string.h>

const Field config_daemon_fields[] = {
    {"seed", 0, .object = FIELD_AT(DaemonSettings, TEXT, seed), .section = "Daemon", .key = "Seed"},
    {NULL},
};

#define COMMAS "; separate the entries with spaces, not commas"

/* Describes valid values; free with g_free(). */
static char *
expected_of(const Field *field)
{
    if (field->expected)
        return g_strdup(field->expected);
    return field->word ? field_list_words(field) : g_strdup("yes or no");
}

static gboolean
refuse(GError **error, const Field *field, const char *value)
{
    g_autofree char *shown = g_strescape(value, NULL), *expected = expected_of(field);
    gboolean is_list = field->object.type == FIELD_MACS || field->object.type == FIELD_RANGES ||
                       field->object.type == FIELD_BITS || field->object.type == FIELD_USERS ||
                       field->object.type == FIELD_GROUPS || field->object.type == FIELD_IPS;

    return port_error_set(error, PORT_ERROR_NETWORK_INVALID, "%s= '%.64s' is not %s%s", field->key,
                          shown, expected, is_list && strchr(value, ',') ? COMMAS : "");
}

/* The words of value, which spaces and tabs separate; free with g_strfreev(). */
static GStrv
split_words(const char *value)
{
    g_auto(GStrv) parts = g_strsplit_set(value, " \t", -1);
    g_autoptr(GStrvBuilder) builder = g_strv_builder_new();

    for (char **part = parts; *part; part++) {
        if (**part)
            g_strv_builder_add(builder, *part);
    }
    return g_strv_builder_end(builder);
}

static gboolean
set_number(const Field *field, guint *at, const char *value, GError **error)
{
    guint64 number;
    gint64 min, max;

    field_place_limits(&field->object, &min, &max);
    if (!g_ascii_string_to_unsigned(value, 10, (guint64)min, (guint64)max, &number, NULL)) {
        g_autofree char *shown = g_strescape(value, NULL);

        return port_error_set(error, PORT_ERROR_NETWORK_INVALID,
                              "%s= '%.64s' is not a number from %u to %u", field->key, shown,
                              (guint)min, (guint)max);
    }
    *at = (guint)number;
    return TRUE;
}

static gboolean
set_word(const Field *field, guint *at, const char *value, GError **error)
{
    for (guint i = 0; i < field->n_words; i++) {
        if (g_str_equal(field->word(i), value)) {
            *at = i;
            return TRUE;
        }
    }
    return refuse(error, field, value);
}

static gboolean
set_truth(const Field *field, gboolean *at, const char *value, GError **error)
{
    static const char *const words[] = {"no", "yes", "false", "true", "0", "1", "off", "on"};

    for (guint i = 0; i < G_N_ELEMENTS(words); i++) {
        if (g_ascii_strcasecmp(value, words[i]) == 0) {
            *at = i % 2;
            return TRUE;
        }
    }
    return refuse(error, field, value);
}

static gboolean
set_text(const Field *field, char **at, const char *value, GError **error)
{
    if (field->object.check && !field->object.check(value, NULL))
        return refuse(error, field, value);
    *at = g_strdup(value);
    return TRUE;
}

/* With a range of group addresses only, no port could be created. */
static gboolean
range_has_unicast(const MacRange *range)
{
    if (range->prefix_bits == 48 && mac_address_is_zero(&range->base))
        return FALSE;
    return range->prefix_bits < 8 || !mac_address_is_multicast(&range->base);
}

/* One word of a list. */
static gboolean
add_word(const Field *field, const ConfigLookup *lookup, GArray *list, const char *word)
{
    MacAddress mac;
    MacRange range;
    IpAddress address;
    uid_t uid;
    gid_t gid;

    switch (field->object.type) {
    case FIELD_MACS:
        return mac_address_parse(word, &mac) && g_array_append_val(list, mac);
    case FIELD_RANGES:
        return mac_range_parse(word, &range) && range_has_unicast(&range) &&
               g_array_append_val(list, range);
    case FIELD_IPS:
        return ip_address_parse(word, &address) && g_array_append_val(list, address);
    case FIELD_USERS:
        return lookup->user(word, &uid) && g_array_append_val(list, uid);
    default:
        return lookup->group(word, &gid) && g_array_append_val(list, gid);
    }
}

static gboolean
set_list(const Field *field, const ConfigLookup *lookup, GArray *list, const char *value,
         GError **error)
{
    g_auto(GStrv) words = split_words(value);

    g_array_set_size(list, 0);
    for (char **word = words; *word; word++) {
        if (!add_word(field, lookup, list, *word))
            return refuse(error, field, *word);
    }
    return TRUE;
}

static gboolean
set_strings(const Field *field, GStrv *at, const char *value, GError **error)
{
    g_strfreev(*at);
    *at = split_words(value);
    for (char **word = *at; *word; word++) {
        if (field->object.check && !field->object.check(*word, NULL))
            return refuse(error, field, *word);
    }
    return TRUE;
}

static gboolean
set_prefixes(const Field *field, GArray *prefixes, const char *value, GError **error)
{
    g_auto(GStrv) words = split_words(value);

    g_array_set_size(prefixes, 0);
    for (char **word = words; *word; word++) {
        g_autoptr(GError) cause = NULL;
        IpPrefix prefix;

        if (!ip_prefix_parse(*word, &prefix, &cause))
            return port_error_set(error, PORT_ERROR_NETWORK_INVALID, "%s= %s%s", field->key,
                                  cause->message, strchr(*word, ',') ? COMMAS : "");
        g_array_append_val(prefixes, prefix);
    }
    return TRUE;
}

static gboolean
set_ip_ranges(const Field *field, GArray *ranges, const char *value, GError **error)
{
    g_auto(GStrv) words = split_words(value);

    g_array_set_size(ranges, 0);
    for (char **word = words; *word; word++) {
        g_autoptr(GError) cause = NULL;
        IpRange range;

        if (!ip_range_parse(*word, &range, &cause))
            return port_error_set(error, PORT_ERROR_NETWORK_INVALID, "%s= %s%s", field->key,
                                  cause->message, strchr(*word, ',') ? COMMAS : "");
        g_array_append_val(ranges, range);
    }
    return TRUE;
}

/* The seconds in a unit; 0 if there is no such unit. */
static guint
seconds_of_unit(const char *unit)
{
    static const struct {
        const char *unit;
        guint seconds;
    } units[] = {{"", 1},     {"s", 1},     {"m", 60},    {"min", 60},
                 {"h", 3600}, {"d", 86400}, {"w", 604800}};

    for (guint i = 0; i < G_N_ELEMENTS(units); i++) {
        if (g_str_equal(units[i].unit, unit))
            return units[i].seconds;
    }
    return 0;
}

/* The largest value is also the word infinity. */
static gboolean
set_seconds(const Field *field, guint *at, const char *value, GError **error)
{
    gsize digits = strspn(value, G_CSET_DIGITS);
    guint64 number = 0, unit = seconds_of_unit(value + digits);
    g_autofree char *figure = g_strndup(value, digits);
    gint64 min, max;

    field_place_limits(&field->object, &min, &max);
    if (g_str_equal(value, "infinity"))
        number = (guint64)max;
    else if (!unit || !g_ascii_string_to_unsigned(figure, 10, 0, (guint64)max, &number, NULL))
        return refuse(error, field, value);
    else
        number *= unit;
    if (number < (guint64)min || number > (guint64)max)
        return refuse(error, field, value);
    *at = (guint)number;
    return TRUE;
}

static gboolean
set_bits(const Field *field, guint *at, const char *value, GError **error)
{
    g_auto(GStrv) words = split_words(value);
    guint bits = 0;

    for (char **word = words; *word; word++) {
        guint i = 0;

        if (!set_word(field, &i, *word, error))
            return FALSE;
        bits |= 1u << i;
    }
    *at = bits;
    return TRUE;
}

static gboolean
set_rate(const Field *field, Rate *rate, const char *value, GError **error)
{
    g_autoptr(GError) cause = NULL;

    return rate_parse(value, rate, &cause) ||
           port_error_set(error, PORT_ERROR_NETWORK_INVALID, "%s= %s", field->key, cause->message);
}

static gboolean
set_value(const Field *field, ConfigTarget *target, const char *value, GError **error)
{
    gpointer structure = target->network ? (gpointer)target->network : target->settings;
    gpointer at = (char *)structure + field->object.offset;

    switch (field->object.type) {
    case FIELD_UINT:
        return set_number(field, at, value, error);
    case FIELD_ENUM:
        return set_word(field, at, value, error);
    case FIELD_BOOLEAN:
        return set_truth(field, at, value, error);
    case FIELD_TEXT:
        return set_text(field, at, value, error);
    case FIELD_STRINGS:
        return set_strings(field, at, value, error);
    case FIELD_BITS:
        return set_bits(field, at, value, error);
    case FIELD_RATE:
        return set_rate(field, at, value, error);
    case FIELD_PREFIXES:
        return set_prefixes(field, *(GArray **)at, value, error);
    case FIELD_IP_RANGES:
        return set_ip_ranges(field, *(GArray **)at, value, error);
    case FIELD_SECONDS:
        return set_seconds(field, at, value, error);
    default:
        return set_list(field, target->lookup, *(GArray **)at, value, error);
    }
}

gboolean
config_section_exists(const Field *fields, const char *section)
{
    for (; fields->name; fields++) {
        if (g_strcmp0(fields->section, section) == 0 ||
            (fields->members && config_section_exists(fields->members, section)))
            return TRUE;
    }
    return FALSE;
}

const Field *
config_key_find(const Field *fields, const char *section, const char *name)
{
    for (; fields->name; fields++) {
        const Field *member =
            fields->members ? config_key_find(fields->members, section, name) : NULL;

        if (member)
            return member;
        if (g_strcmp0(fields->section, section) == 0 && g_strcmp0(fields->key, name) == 0)
            return fields;
    }
    return NULL;
}

gboolean
config_key_set(const Field *field, ConfigTarget *target, const char *value, GError **error)
{
    if (!set_value(field, target, value, error))
        return FALSE;
    target->has_mode |= g_str_equal(field->name, "mode");
    target->has_mac |= g_str_equal(field->name, "macPolicy");
    return TRUE;
}
