/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client-private.h"

struct MacvtapNetwork {
    json_t *json; /* the API's Network, checked */
};

MacvtapNetwork *
macvtap_network_new(json_t *json, GError **error)
{
    MacvtapNetwork *network;

    if (!json_is_string(json_object_get(json, "name")) ||
        !json_is_integer(json_object_get(json, "ports"))) {
        g_set_error_literal(error, MACVTAP_ERROR, MACVTAP_ERROR_PROTOCOL,
                            "macvtapd's answer is wrong: a network without name or ports");
        return NULL;
    }
    network = g_new0(MacvtapNetwork, 1);
    network->json = json_incref(json);
    return network;
}

void
macvtap_network_free(MacvtapNetwork *network)
{
    if (!network)
        return;
    json_decref(network->json);
    g_free(network);
}

const char *
macvtap_network_get_name(const MacvtapNetwork *network)
{
    return json_string_value(json_object_get(network->json, "name"));
}

const char *
macvtap_network_get_problem(const MacvtapNetwork *network)
{
    return json_string_value(json_object_get(network->json, "problem"));
}

const char *
macvtap_network_get_mode(const MacvtapNetwork *network)
{
    return json_string_value(json_object_get(network->json, "mode"));
}

guint
macvtap_network_get_n_ports(const MacvtapNetwork *network)
{
    return (guint)json_integer_value(json_object_get(network->json, "ports"));
}

char *
macvtap_network_get_text(const MacvtapNetwork *network, const char *field)
{
    return client_json_field(network->json, field);
}

char **
macvtap_network_get_parent_problems(const MacvtapNetwork *network)
{
    return client_json_lines(json_object_get(network->json, "parentProblems"));
}

char **
macvtap_network_get_taken_vlans(const MacvtapNetwork *network)
{
    return client_json_lines(json_object_get(network->json, "takenVlans"));
}

char *
macvtap_network_to_json(const MacvtapNetwork *network)
{
    return json_dumps(network->json, JSON_COMPACT);
}
