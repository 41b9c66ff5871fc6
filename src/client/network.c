/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client-private.h"

struct MacvtapNetwork {
    ClientObject object; /* the API's Network, checked */
};

MacvtapNetwork *
client_network_new(json_t *json, const char **ret_missing)
{
    MacvtapNetwork *network;

    if (!json_is_string(json_object_get(json, "name")) ||
        !json_is_integer(json_object_get(json, "ports"))) {
        *ret_missing = "a network without name or ports";
        return NULL;
    }
    network = g_new0(MacvtapNetwork, 1);
    client_object_init(&network->object, json);
    return network;
}

void
macvtap_network_free(MacvtapNetwork *network)
{
    if (!network)
        return;
    client_object_clear(&network->object);
    g_free(network);
}

const char *
macvtap_network_get_name(const MacvtapNetwork *network)
{
    return client_object_string(&network->object, "name");
}

const char *
macvtap_network_get_problem(const MacvtapNetwork *network)
{
    return client_object_string(&network->object, "problem");
}

MacvtapPortMode
macvtap_network_get_mode(const MacvtapNetwork *network)
{
    return client_mode_parse(client_object_string(&network->object, "mode"));
}

size_t
macvtap_network_get_port_count(const MacvtapNetwork *network)
{
    return (size_t)client_object_integer(&network->object, "ports");
}

size_t
macvtap_network_get_n_parent_problems(const MacvtapNetwork *network)
{
    return client_object_count(&network->object, "parentProblems");
}

const char *
macvtap_network_get_parent_problem(const MacvtapNetwork *network, size_t index)
{
    return client_object_item(&network->object, "parentProblems", index);
}

size_t
macvtap_network_get_n_taken_vlans(const MacvtapNetwork *network)
{
    return client_object_count(&network->object, "takenVlans");
}

const char *
macvtap_network_get_taken_vlan(const MacvtapNetwork *network, size_t index)
{
    return client_object_item(&network->object, "takenVlans", index);
}

const char *
macvtap_network_get_text(const MacvtapNetwork *network, const char *field)
{
    return client_object_text(&network->object, field);
}

int
macvtap_network_get_number(const MacvtapNetwork *network, const char *field, int64_t *ret_number)
{
    return client_object_number(&network->object, field, ret_number);
}

const char *
macvtap_network_get_json(const MacvtapNetwork *network)
{
    return client_object_line(&network->object);
}
