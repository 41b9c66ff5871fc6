/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "api-private.h"

#include "capture-stream.h"
#include "field.h"

json_t *
api_json_port(const Port *port)
{
    return fields_to_json(port_fields, FIELD_USE_REPLY, port);
}

json_t *
api_json_statistics(const LinkStatistics *statistics)
{
    return json_pack(
        "{s:I, s:I, s:I, s:I, s:I, s:I}", "receivedPackets", (json_int_t)statistics->rx_packets,
        "sentPackets", (json_int_t)statistics->tx_packets, "receivedBytes",
        (json_int_t)statistics->rx_bytes, "sentBytes", (json_int_t)statistics->tx_bytes,
        "receivedDropped", (json_int_t)statistics->rx_dropped, "sentDropped",
        (json_int_t)statistics->tx_dropped);
}

json_t *
api_json_strings(const char *const *strings)
{
    json_t *array = json_array();

    /* The kernel allows any bytes in an interface's name; JSON does not. */
    for (gsize i = 0; strings && strings[i]; i++) {
        g_autofree char *valid = g_utf8_make_valid(strings[i], -1);

        json_array_append_new(array, json_string(valid));
    }
    return array;
}

static json_t *
host_link_to_json(const HostLinkView *link, gboolean is_root)
{
    char name[INTERFACE_NAME_TEXT_SIZE];
    json_t *object =
        json_pack("{s:s, s:o, s:I}", "parent", interface_name_format(link->parent, name),
                  "addresses", api_json_strings((const char *const *)link->addresses), "routes",
                  (json_int_t)link->n_routes);

    if (link->interface[0])
        json_object_set_new(object, "interfaceName",
                            json_string(interface_name_format(link->interface, name)));
    if (is_root && link->problems[0])
        json_object_set_new(object, "problems",
                            api_json_strings((const char *const *)link->problems));
    return object;
}

json_t *
api_json_host_links(const GPtrArray *links, gboolean is_root)
{
    json_t *array = json_array();

    for (guint i = 0; i < links->len; i++)
        json_array_append_new(array, host_link_to_json(links->pdata[i], is_root));
    return array;
}

json_t *
api_json_faults(const GPtrArray *faults)
{
    json_t *array = json_array();

    for (guint i = 0; i < faults->len; i++) {
        const Fault *fault = faults->pdata[i];

        json_array_append_new(array, json_pack("{s:s, s:s, s:s, s:s}", "code", fault->code,
                                               "subject", fault->subject, "message", fault->message,
                                               "remedy", fault->remedy));
    }
    return array;
}

/* The network's fields, but with the guard settings in force in place of those in its file. */
static json_t *
network_to_json(const Network *network, gboolean can_guard)
{
    Network shown = *network;
    json_t *object;

    /* A network whose file asks for a guard gets no ports if guards are unavailable. */
    can_guard |= guard_is_required(&network->guard, NULL);
    network_resolve_guard(network, can_guard, &shown.guard);
    object = fields_to_json(network_fields, FIELD_USE_REPLY, &shown);
    guard_settings_clear(&shown.guard);
    return object;
}

json_t *
api_json_network(const Network *network, guint n_ports, const char *unguarded,
                 const char *const *parent_problems, const char *const *taken_vlans)
{
    json_t *object;

    if (network->problem)
        return json_pack("{s:s, s:I, s:s}", "name", network->name, "ports", (json_int_t)n_ports,
                         "problem", network->problem);
    object = network_to_json(network, !unguarded);
    json_object_set_new(object, "ports", json_integer(n_ports));
    if (unguarded && network_wants_guard(network))
        json_object_set_new(object, "unguarded", json_string(unguarded));
    if (parent_problems)
        json_object_set_new(object, "parentProblems", api_json_strings(parent_problems));
    if (taken_vlans)
        json_object_set_new(object, "takenVlans", api_json_strings(taken_vlans));
    return object;
}

json_t *
api_json_reasons(void)
{
    json_t *array = json_array();

    for (guint i = 0; i < CAPTURE_REASON_COUNT; i++)
        json_array_append_new(array, json_string(capture_reason_name(i)));
    return array;
}

json_t *
api_json_pool(const Network *network, AddressFamily family, guint n_leased)
{
    const AddressSettings *addresses = &network->addresses;
    guint64 size = addresses_pool_size(addresses, family);
    char subnet[IP_PREFIX_TEXT_SIZE];

    return json_pack("{s:s, s:I, s:I, s:I}", "subnet",
                     ip_prefix_format(addresses_subnet(addresses, family), subnet), "size",
                     (json_int_t)size, "leased", (json_int_t)n_leased, "free",
                     (json_int_t)(size - MIN(size, n_leased)));
}

json_t *
api_json_parent(const ParentState *parent)
{
    char name[INTERFACE_NAME_TEXT_SIZE];
    json_t *object = json_pack("{s:s, s:b}", "name", interface_name_format(parent->name, name),
                               "exists", parent->exists);

    if (!parent->exists)
        return object;
    json_object_set_new(object, "carrier", json_boolean(parent->carrier));
    json_object_set_new(object, "mtu", json_integer(parent->mtu));
    json_object_set_new(object, "macs", json_integer(parent->n_macs));
    if (parent->speed > 0)
        json_object_set_new(object, "speed", json_integer(parent->speed));
    return object;
}
