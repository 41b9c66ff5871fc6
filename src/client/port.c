/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client-private.h"

#include <string.h>

static gboolean
protocol_error(GError **error, const char *what)
{
    g_set_error(error, MACVTAP_ERROR, MACVTAP_ERROR_PROTOCOL, "macvtapd's answer is wrong: %s",
                what);
    return FALSE;
}

static gboolean
check_port(json_t *json, GError **error)
{
    static const char *const texts[] = {"id",   "name",          "network",    "parent",
                                        "mode", "interfaceName", "macAddress", "state"};
    static const char *const numbers[] = {"interfaceIndex", "mtu", "queues", "owner"};

    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++) {
        if (!json_is_string(json_object_get(json, texts[i])))
            return protocol_error(error, texts[i]);
    }
    for (gsize i = 0; i < G_N_ELEMENTS(numbers); i++) {
        if (!json_is_integer(json_object_get(json, numbers[i])))
            return protocol_error(error, numbers[i]);
    }
    if (!json_is_string(json_object_get(json_object_get(json, "holder"), "type")))
        return protocol_error(error, "holder");
    return TRUE;
}

static gboolean
has_index(const GArray *indexes, guint index)
{
    for (guint i = 0; i < indexes->len; i++) {
        if (g_array_index(indexes, guint, i) == index)
            return TRUE;
    }
    return FALSE;
}

/* Each index must name a descriptor of the reply, and each descriptor be named once at most: not in
 * others either. */
static gboolean
read_indexes(json_t *array, guint n_descriptors, const GArray *others, GArray *indexes,
             GError **error)
{
    gsize i;
    json_t *value;

    if (!json_is_array(array))
        return protocol_error(error, "no list of descriptors");
    json_array_foreach (array, i, value) {
        json_int_t number = json_is_integer(value) ? json_integer_value(value) : -1;
        guint index = (guint)number;

        if (number < 0 || number >= (json_int_t)n_descriptors || has_index(indexes, index) ||
            has_index(others, index))
            return protocol_error(error, "a descriptor's index");
        g_array_append_val(indexes, index);
    }
    return TRUE;
}

MacvtapPort *
macvtap_port_new(json_t *json, DescriptorArray *descriptors, json_t *taps, json_t *vhosts,
                 GError **error)
{
    g_autoptr(MacvtapPort) port = g_new0(MacvtapPort, 1);
    guint n = descriptors ? descriptors->len : 0;

    port->taps = g_array_new(FALSE, FALSE, sizeof(guint));
    port->vhosts = g_array_new(FALSE, FALSE, sizeof(guint));
    port->descriptors = descriptors ? g_array_ref(descriptors) : descriptor_array_new();
    port->json = json_incref(json);
    if (!check_port(json, error))
        return NULL;
    if (descriptors && (!read_indexes(taps, n, port->vhosts, port->taps, error) ||
                        !read_indexes(vhosts, n, port->taps, port->vhosts, error)))
        return NULL;
    return g_steal_pointer(&port);
}

void
macvtap_port_free(MacvtapPort *port)
{
    if (!port)
        return;
    json_decref(port->json);
    g_clear_pointer(&port->descriptors, g_array_unref);
    g_clear_pointer(&port->taps, g_array_unref);
    g_clear_pointer(&port->vhosts, g_array_unref);
    g_free(port);
}

static const char *
get_text(const MacvtapPort *port, const char *field)
{
    return json_string_value(json_object_get(port->json, field));
}

static guint
get_number(const MacvtapPort *port, const char *field)
{
    return (guint)json_integer_value(json_object_get(port->json, field));
}

const char *
macvtap_port_get_id(const MacvtapPort *port)
{
    return get_text(port, "id");
}

const char *
macvtap_port_get_name(const MacvtapPort *port)
{
    return get_text(port, "name");
}

const char *
macvtap_port_get_network(const MacvtapPort *port)
{
    return get_text(port, "network");
}

const char *
macvtap_port_get_parent(const MacvtapPort *port)
{
    return get_text(port, "parent");
}

const char *
macvtap_port_get_mode(const MacvtapPort *port)
{
    return get_text(port, "mode");
}

const char *
macvtap_port_get_interface_name(const MacvtapPort *port)
{
    return get_text(port, "interfaceName");
}

const char *
macvtap_port_get_mac_address(const MacvtapPort *port)
{
    return get_text(port, "macAddress");
}

const char *
macvtap_port_get_state(const MacvtapPort *port)
{
    return get_text(port, "state");
}

int
macvtap_port_get_interface_index(const MacvtapPort *port)
{
    return (int)get_number(port, "interfaceIndex");
}

guint
macvtap_port_get_mtu(const MacvtapPort *port)
{
    return get_number(port, "mtu");
}

guint
macvtap_port_get_queues(const MacvtapPort *port)
{
    return get_number(port, "queues");
}

guint
macvtap_port_get_owner(const MacvtapPort *port)
{
    return get_number(port, "owner");
}

char *
macvtap_port_get_holder(const MacvtapPort *port)
{
    json_t *holder = json_object_get(port->json, "holder");
    const char *type = json_string_value(json_object_get(holder, "type"));
    const char *domain = json_string_value(json_object_get(holder, "domain"));

    if (g_str_equal(type, "process"))
        return g_strdup_printf("pid:%" JSON_INTEGER_FORMAT,
                               json_integer_value(json_object_get(holder, "pid")));
    if (domain)
        return g_strdup_printf("%s:%s", type, domain);
    return g_strdup(type);
}

char *
macvtap_port_get_text(const MacvtapPort *port, const char *field)
{
    return client_json_field(port->json, field);
}

/* "12 s", "3 min", "2 h", "5 days"; free with g_free(). */
static char *
format_age(json_int_t seconds)
{
    static const struct {
        json_int_t size;
        const char *unit;
    } units[] = {{2 * 86400, "days"}, {2 * 3600, "h"}, {2 * 60, "min"}};

    for (gsize i = 0; i < G_N_ELEMENTS(units); i++) {
        if (seconds >= units[i].size)
            return g_strdup_printf("%" JSON_INTEGER_FORMAT " %s", seconds / (units[i].size / 2),
                                   units[i].unit);
    }
    return g_strdup_printf("%" JSON_INTEGER_FORMAT " s", seconds);
}

char **
macvtap_port_get_seen_addresses(const MacvtapPort *port)
{
    g_autoptr(GStrvBuilder) lines = g_strv_builder_new();
    json_t *seen;
    gsize i;

    json_array_foreach (json_object_get(port->json, "seenAddresses"), i, seen) {
        g_autofree char *address = client_json_field(seen, "address");
        g_autofree char *how = client_json_field(seen, "how");
        g_autofree char *age = format_age(json_integer_value(json_object_get(seen, "age")));
        g_autofree char *line = g_strdup_printf("%s (%s, %s ago)", address, how, age);

        g_strv_builder_add(lines, line);
    }
    return g_strv_builder_end(lines);
}

guint
macvtap_port_get_n_taps(const MacvtapPort *port)
{
    return port->taps->len;
}

guint
macvtap_port_get_n_vhosts(const MacvtapPort *port)
{
    return port->vhosts->len;
}

int
macvtap_port_steal_tap(MacvtapPort *port, guint index)
{
    g_return_val_if_fail(index < port->taps->len, -1);
    return descriptor_array_steal(port->descriptors, g_array_index(port->taps, guint, index));
}

int
macvtap_port_steal_vhost(MacvtapPort *port, guint index)
{
    g_return_val_if_fail(index < port->vhosts->len, -1);
    return descriptor_array_steal(port->descriptors, g_array_index(port->vhosts, guint, index));
}

/* Jansson allocates with malloc(), GLib's g_free() is free(): the text may be handed on as it is.
 */
char *
macvtap_port_to_json(const MacvtapPort *port)
{
    return json_dumps(port->json, JSON_COMPACT);
}
