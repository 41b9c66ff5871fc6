/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain-xml.h"

#include "field.h"
#include "rate-limits.h"

#include <string.h>

/* libvirt's average is in kilobytes per second, and its burst in kibibytes. */
#define BITS_OF_AVERAGE G_GUINT64_CONSTANT(8000)
#define BYTES_OF_BURST G_GUINT64_CONSTANT(1024)

gboolean
domain_limits_check(const char *text, GError **error)
{
    const Field *field = field_find(port_fields, FIELD_USE_REQUEST, "limits");

    return field_check_text(field, FIELD_USE_REQUEST, text, error);
}

/* FALSE: there is no such attribute, or it is not a number. */
static gboolean
read_number(const xmlNode *node, const char *name, guint64 max, guint64 *ret_number)
{
    xmlChar *text = xmlGetNoNsProp(node, BAD_CAST name);
    gboolean good =
        text && g_ascii_string_to_unsigned((const char *)text, 10, 1, max, ret_number, NULL);

    xmlFree(text);
    return good;
}

/* Returns NULL, or why a port's limit cannot say the same. */
static const char *
read_direction(const xmlNode *node, Rate *ret_rate)
{
    guint64 average, burst = 0;

    if (xmlHasProp(node, BAD_CAST "floor"))
        return "a port has no guaranteed minimum (floor)";
    if (xmlHasProp(node, BAD_CAST "peak"))
        return "a port has one rate and no second one for its bursts (peak)";
    if (!read_number(node, "average", RATE_MAX / BITS_OF_AVERAGE, &average) ||
        average * BITS_OF_AVERAGE < RATE_MIN)
        return "its average is not one that a port can have";
    if (xmlHasProp(node, BAD_CAST "burst") &&
        (!read_number(node, "burst", RATE_BURST_MAX / BYTES_OF_BURST, &burst) ||
         burst * BYTES_OF_BURST < RATE_BURST_MIN))
        return "its burst is not one that a port can have";
    *ret_rate = (Rate){average * BITS_OF_AVERAGE, (guint32)(burst * BYTES_OF_BURST)};
    return NULL;
}

static gboolean
has_limit(char *const *limits, const char *one)
{
    gsize length = strcspn(one, "=") + 1;

    while (*limits && strncmp(*limits, one, length) != 0)
        limits++;
    return *limits != NULL;
}

char *
domain_limits_complete(const char *limits, const char *other)
{
    g_auto(GStrv) given = g_strsplit(limits ? limits : "", ",", -1);
    g_auto(GStrv) others = g_strsplit(other ? other : "", ",", -1);
    GString *text = g_string_new(limits);

    if (!limits || !other) {
        g_string_free(text, TRUE);
        return g_strdup(limits ? limits : other);
    }
    for (char **one = others; *one; one++) {
        /* "network" has no value and says nothing here. */
        if (strchr(*one, '=') && !has_limit(given, *one))
            g_string_append_printf(text, ",%s", *one);
    }
    return g_string_free(text, FALSE);
}

/* inbound is what the guest receives. */
char *
domain_bandwidth_limits(const xmlNode *bandwidth, const char **ret_reason)
{
    static const struct {
        const char *element, *limit;
    } directions[] = {{"inbound", "receive"}, {"outbound", "send"}};
    g_autoptr(GString) text = g_string_new(NULL);

    for (const xmlNode *node = bandwidth->children; node; node = node->next) {
        for (guint i = 0; i < G_N_ELEMENTS(directions); i++) {
            g_autofree char *rate = NULL;
            Rate values;

            if (node->type != XML_ELEMENT_NODE ||
                strcmp((const char *)node->name, directions[i].element) != 0)
                continue;
            *ret_reason = read_direction(node, &values);
            if (*ret_reason)
                return NULL;
            rate = rate_format(&values);
            g_string_append_printf(text, "%s%s=%s", text->len > 0 ? "," : "", directions[i].limit,
                                   rate);
        }
    }
    *ret_reason = text->len > 0 ? NULL : "it limits nothing";
    return *ret_reason ? NULL : g_string_free(g_steal_pointer(&text), FALSE);
}
