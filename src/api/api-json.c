/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "api-json.h"

#include "port-fields.h"

static json_t *
macs_to_json(const GArray *macs)
{
    json_t *array = json_array();
    char text[MAC_ADDRESS_TEXT_SIZE];

    for (guint i = 0; macs && i < macs->len; i++)
        json_array_append_new(
            array, json_string(mac_address_format(&g_array_index(macs, MacAddress, i), text)));
    return array;
}

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

    /* The kernel lets an interface's name be any bytes; JSON does not. */
    for (gsize i = 0; strings && strings[i]; i++) {
        g_autofree char *valid = g_utf8_make_valid(strings[i], -1);

        json_array_append_new(array, json_string(valid));
    }
    return array;
}

static json_t *
ranges_to_json(const GArray *ranges)
{
    json_t *array = json_array();

    for (guint i = 0; ranges && i < ranges->len; i++) {
        g_autofree char *text = mac_range_format(&g_array_index(ranges, MacRange, i));

        json_array_append_new(array, json_string(text));
    }
    return array;
}

json_t *
api_json_network(const Network *network, guint n_ports, const char *const *parent_problems)
{
    json_t *object = json_pack("{s:s, s:I}", "name", network->name, "ports", (json_int_t)n_ports);

    if (network->problem) {
        json_object_set_new(object, "problem", json_string(network->problem));
        return object;
    }
    json_object_set_new(object, "parents", api_json_strings((const char *const *)network->parents));
    if (parent_problems)
        json_object_set_new(object, "parentProblems", api_json_strings(parent_problems));
    if (network->vlan)
        json_object_set_new(object, "vlan", json_string(network->vlan));
    json_object_set_new(object, "mode", json_string(macvtap_mode_name(network->mode)));
    json_object_set_new(object, "noPromisc", json_boolean(network->nopromisc));
    if (network->mtu)
        json_object_set_new(object, "mtu", json_integer(network->mtu));
    json_object_set_new(object, "sources", macs_to_json(network->sources));
    json_object_set_new(object, "maxQueues", json_integer(network->max_queues));
    json_object_set_new(object, "vhost", json_string(vhost_policy_name(network->vhost)));
    json_object_set_new(object, "macPolicy", json_string(mac_policy_name(network->mac)));
    json_object_set_new(object, "allowMacs", ranges_to_json(network->allow_macs));
    json_object_set_new(object, "multicast",
                        json_string(multicast_policy_name(network->multicast)));
    if (network->max_ports)
        json_object_set_new(object, "maxPorts", json_integer(network->max_ports));
    if (network->max_ports_per_user)
        json_object_set_new(object, "maxPortsPerUser", json_integer(network->max_ports_per_user));
    return object;
}
