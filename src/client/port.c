/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client-private.h"

#include <errno.h>

struct MacvtapPort {
    ClientObject object;          /* the API's Port, checked */
    DescriptorArray *descriptors; /* of the whole reply */
    GArray *taps, *vhosts;        /* of guint: their indexes in descriptors */
};

struct MacvtapEvent {
    char *name;
    MacvtapPort *port;
    char *reason; /* NULL if it has none */
};

/* The name of a field that is missing or of the wrong type, or NULL. */
static const char *
find_missing(json_t *json)
{
    static const char *const texts[] = {"id",   "name",          "network",    "parent",
                                        "mode", "interfaceName", "macAddress", "state"};
    static const char *const numbers[] = {"interfaceIndex", "mtu", "queues", "owner"};

    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++) {
        if (!json_is_string(json_object_get(json, texts[i])))
            return texts[i];
    }
    for (gsize i = 0; i < G_N_ELEMENTS(numbers); i++) {
        if (!json_is_integer(json_object_get(json, numbers[i])))
            return numbers[i];
    }
    if (!json_is_string(json_object_get(json_object_get(json, "holder"), "type")))
        return "holder";
    return NULL;
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

/* Each index must name a descriptor of the reply, and no descriptor may be named twice, even in
 * different lists. */
static gboolean
read_indexes(json_t *array, guint n_descriptors, const GArray *others, GArray *indexes)
{
    gsize i;
    json_t *value;

    if (!json_is_array(array))
        return FALSE;
    json_array_foreach (array, i, value) {
        json_int_t number = json_is_integer(value) ? json_integer_value(value) : -1;
        guint index = (guint)number;

        if (number < 0 || number >= (json_int_t)n_descriptors || has_index(indexes, index) ||
            has_index(others, index))
            return FALSE;
        g_array_append_val(indexes, index);
    }
    return TRUE;
}

MacvtapPort *
client_port_new(json_t *json, DescriptorArray *descriptors, json_t *taps, json_t *vhosts,
                const char **ret_missing)
{
    MacvtapPort *port = g_new0(MacvtapPort, 1);
    guint n = descriptors ? descriptors->len : 0;
    const char *missing = find_missing(json);

    port->taps = g_array_new(FALSE, FALSE, sizeof(guint));
    port->vhosts = g_array_new(FALSE, FALSE, sizeof(guint));
    port->descriptors = descriptors ? g_array_ref(descriptors) : descriptor_array_new();
    client_object_init(&port->object, json);
    if (!missing && descriptors &&
        (!read_indexes(taps, n, port->vhosts, port->taps) ||
         !read_indexes(vhosts, n, port->taps, port->vhosts)))
        missing = "the list of descriptors";
    if (missing) {
        *ret_missing = missing;
        g_clear_pointer(&port, macvtap_port_free);
    }
    return port;
}

void
macvtap_port_free(MacvtapPort *port)
{
    if (!port)
        return;
    client_object_clear(&port->object);
    g_clear_pointer(&port->descriptors, g_array_unref);
    g_clear_pointer(&port->taps, g_array_unref);
    g_clear_pointer(&port->vhosts, g_array_unref);
    g_free(port);
}

const char *
macvtap_port_get_id(const MacvtapPort *port)
{
    return client_object_string(&port->object, "id");
}

const char *
macvtap_port_get_name(const MacvtapPort *port)
{
    return client_object_string(&port->object, "name");
}

const char *
macvtap_port_get_description(const MacvtapPort *port)
{
    return client_object_string(&port->object, "description");
}

const char *
macvtap_port_get_network(const MacvtapPort *port)
{
    return client_object_string(&port->object, "network");
}

const char *
macvtap_port_get_parent(const MacvtapPort *port)
{
    return client_object_string(&port->object, "parent");
}

const char *
macvtap_port_get_interface_name(const MacvtapPort *port)
{
    return client_object_string(&port->object, "interfaceName");
}

const char *
macvtap_port_get_mac_address(const MacvtapPort *port)
{
    return client_object_string(&port->object, "macAddress");
}

int
macvtap_port_get_interface_index(const MacvtapPort *port)
{
    return (int)client_object_integer(&port->object, "interfaceIndex");
}

unsigned
macvtap_port_get_mtu(const MacvtapPort *port)
{
    return (unsigned)client_object_integer(&port->object, "mtu");
}

unsigned
macvtap_port_get_queues(const MacvtapPort *port)
{
    return (unsigned)client_object_integer(&port->object, "queues");
}

uint32_t
macvtap_port_get_owner(const MacvtapPort *port)
{
    return (uint32_t)client_object_integer(&port->object, "owner");
}

MacvtapPortMode
macvtap_port_get_mode(const MacvtapPort *port)
{
    return client_mode_parse(client_object_string(&port->object, "mode"));
}

MacvtapPortState
macvtap_port_get_state(const MacvtapPort *port)
{
    return client_state_parse(client_object_string(&port->object, "state"));
}

MacvtapVhost
macvtap_port_get_vhost(const MacvtapPort *port)
{
    return client_vhost_parse(client_object_string(&port->object, "vhost"));
}

bool
macvtap_port_get_link_up(const MacvtapPort *port)
{
    return client_object_truth(&port->object, "linkUp");
}

bool
macvtap_port_get_carrier(const MacvtapPort *port)
{
    return client_object_truth(&port->object, "carrier");
}

const char *
macvtap_port_get_problem(const MacvtapPort *port)
{
    return client_object_string(&port->object, "problem");
}

size_t
macvtap_port_get_n_addresses(const MacvtapPort *port)
{
    return client_object_count(&port->object, "addresses");
}

const char *
macvtap_port_get_address(const MacvtapPort *port, size_t index)
{
    return client_object_item(&port->object, "addresses", index);
}

static json_t *
seen_address(const MacvtapPort *port, size_t index)
{
    return json_array_get(json_object_get(port->object.json, "seenAddresses"), index);
}

size_t
macvtap_port_get_n_seen_addresses(const MacvtapPort *port)
{
    return client_object_count(&port->object, "seenAddresses");
}

const char *
macvtap_port_get_seen_address(const MacvtapPort *port, size_t index)
{
    return json_string_value(json_object_get(seen_address(port, index), "address"));
}

const char *
macvtap_port_get_seen_address_how(const MacvtapPort *port, size_t index)
{
    return json_string_value(json_object_get(seen_address(port, index), "how"));
}

int64_t
macvtap_port_get_seen_address_age(const MacvtapPort *port, size_t index)
{
    json_t *age = json_object_get(seen_address(port, index), "age");

    return json_is_integer(age) ? json_integer_value(age) : -1;
}

static json_t *
holder_member(const MacvtapPort *port, const char *name)
{
    return json_object_get(json_object_get(port->object.json, "holder"), name);
}

MacvtapHolder
macvtap_port_get_holder(const MacvtapPort *port)
{
    return client_holder_parse(json_string_value(holder_member(port, "type")));
}

int
macvtap_port_get_holder_pid(const MacvtapPort *port)
{
    return (int)json_integer_value(holder_member(port, "pid"));
}

const char *
macvtap_port_get_holder_domain(const MacvtapPort *port)
{
    return json_string_value(holder_member(port, "domain"));
}

const char *
macvtap_port_get_holder_interface(const MacvtapPort *port)
{
    return json_string_value(holder_member(port, "interface"));
}

const char *
macvtap_port_get_text(const MacvtapPort *port, const char *field)
{
    return client_object_text(&port->object, field);
}

int
macvtap_port_get_number(const MacvtapPort *port, const char *field, int64_t *ret_number)
{
    return client_object_number(&port->object, field, ret_number);
}

const char *
macvtap_port_get_json(const MacvtapPort *port)
{
    return client_object_line(&port->object);
}

size_t
macvtap_port_get_n_taps(const MacvtapPort *port)
{
    return port->taps->len;
}

size_t
macvtap_port_get_n_vhosts(const MacvtapPort *port)
{
    return port->vhosts->len;
}

static int
take_descriptor(MacvtapPort *port, const GArray *indexes, size_t index)
{
    int fd = -1;

    if (index < indexes->len)
        fd = descriptor_array_steal(port->descriptors, g_array_index(indexes, guint, index));
    return fd >= 0 ? fd : -EBADF;
}

int
macvtap_port_take_tap(MacvtapPort *port, size_t index)
{
    return take_descriptor(port, port->taps, index);
}

int
macvtap_port_take_vhost(MacvtapPort *port, size_t index)
{
    return take_descriptor(port, port->vhosts, index);
}

MacvtapEvent *
client_event_new(const VarlinkReply *reply)
{
    const char *word = json_string_value(json_object_get(reply->parameters, "event"));
    const char *missing;
    MacvtapPort *port;
    MacvtapEvent *event;

    if (!word)
        return NULL;
    port = client_port_new(json_object_get(reply->parameters, "port"), NULL, NULL, NULL, &missing);
    if (!port)
        return NULL;
    event = g_new(MacvtapEvent, 1);
    *event =
        (MacvtapEvent){g_strdup(word), port,
                       g_strdup(json_string_value(json_object_get(reply->parameters, "reason")))};
    return event;
}

void
macvtap_event_free(MacvtapEvent *event)
{
    if (!event)
        return;
    macvtap_port_free(event->port);
    g_free(event->name);
    g_free(event->reason);
    g_free(event);
}

MacvtapEventType
macvtap_event_get_type(const MacvtapEvent *event)
{
    return client_event_parse(event->name);
}

const char *
macvtap_event_get_name(const MacvtapEvent *event)
{
    return event->name;
}

const MacvtapPort *
macvtap_event_get_port(const MacvtapEvent *event)
{
    return event->port;
}

const char *
macvtap_event_get_reason(const MacvtapEvent *event)
{
    return event->reason;
}

MacvtapPort *
macvtap_event_take_port(MacvtapEvent *event)
{
    return g_steal_pointer(&event->port);
}
