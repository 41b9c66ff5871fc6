/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hand-over.h"

#include "arguments.h"

#include "ip-address.h"
#include "network.h"

#include <string.h>

#define ETHERNET_MTU 1500

static GStrv
split_words(const char *text)
{
    g_auto(GStrv) words = g_strsplit_set(text, " ,", -1);
    GPtrArray *kept = g_ptr_array_new();

    for (guint i = 0; words[i]; i++) {
        if (words[i][0])
            g_ptr_array_add(kept, g_strdup(words[i]));
    }
    g_ptr_array_add(kept, NULL);
    return (GStrv)g_ptr_array_free(kept, FALSE);
}

static GStrv
split_field(const MacvtapNetwork *network, const char *field)
{
    return split_words(network ? network_text(network, field) : "");
}

/* NULL: what it has of gateways and DNS servers is known. Free with g_free(). */
static char *
explain_unknown(const MacvtapPort *port, const MacvtapNetwork *network)
{
    const char *name = macvtap_port_get_network(port);

    if (network)
        return network_text(network, "problem")[0]
                   ? g_strdup_printf("the file of network %s has an error", name)
                   : NULL;
    if (network_spec_is_adhoc(name) || !port_text(port, "addresses")[0])
        return NULL;
    if (port_text(port, "networkRemoved")[0])
        return g_strdup_printf("network %s has been removed", name);
    return g_strdup_printf("macvtapd does not show network %s to this user, whom its AllowUsers= "
                           "and AllowGroups= do not name",
                           name);
}

HandOver *
hand_over_new(const MacvtapPort *port, const MacvtapNetwork *network)
{
    HandOver *hand_over = g_new(HandOver, 1);

    *hand_over = (HandOver){
        .port = g_strdup(macvtap_port_get_name(port)),
        .network = g_strdup(macvtap_port_get_network(port)),
        .mac = g_strdup(macvtap_port_get_mac_address(port)),
        .mtu = macvtap_port_get_mtu(port),
        .addresses = split_words(port_text(port, "addresses")),
        .gateways = split_field(network, "gateways"),
        .dns = split_field(network, "dns"),
        .search = split_field(network, "search"),
        .unknown = explain_unknown(port, network),
    };
    return hand_over;
}

void
hand_over_free(HandOver *hand_over)
{
    if (!hand_over)
        return;
    g_free(hand_over->port);
    g_free(hand_over->network);
    g_free(hand_over->mac);
    g_strfreev(hand_over->addresses);
    g_strfreev(hand_over->gateways);
    g_strfreev(hand_over->dns);
    g_strfreev(hand_over->search);
    g_free(hand_over->unknown);
    g_free(hand_over);
}

static gboolean
is_ipv4(const char *address)
{
    return !strchr(address, ':');
}

/* The first of the family in a list, or NULL. */
static const char *
find_of_family(GStrv list, gboolean ipv4)
{
    for (guint i = 0; list[i]; i++) {
        if (is_ipv4(list[i]) == ipv4)
            return list[i];
    }
    return NULL;
}

/* The lease that the tokens stand for. */
static const char *
main_address(const HandOver *hand_over)
{
    const char *found = find_of_family(hand_over->addresses, TRUE);

    return found ? found : hand_over->addresses[0];
}

/* The length of the prefix in "ADDRESS/BITS". */
static guint
prefix_bits(const char *address)
{
    const char *slash = strchr(address, '/');

    return slash ? (guint)g_ascii_strtoull(slash + 1, NULL, 10) : is_ipv4(address) ? 32 : 128;
}

static char *
without_prefix(const char *address)
{
    return g_strndup(address, strcspn(address, "/"));
}

/* "255.255.255.0" */
static char *
netmask(guint bits)
{
    guint32 mask = bits == 0 ? 0 : G_MAXUINT32 << (32 - MIN(bits, 32));

    return g_strdup_printf("%u.%u.%u.%u", mask >> 24, mask >> 16 & 255, mask >> 8 & 255,
                           mask & 255);
}

/* Names that are host names as they are. */
static const char *
host_name(const HandOver *hand_over)
{
    const char *name = hand_over->port;

    return strlen(name) <= 63 && g_ascii_isalnum(name[0]) &&
                   !name[strspn(name, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "-")]
               ? name
               : "";
}

gboolean
hand_over_is_known(const HandOver *hand_over, const char *use, GError **error)
{
    if (!hand_over->unknown || !hand_over->addresses[0])
        return TRUE;
    g_set_error(error, ASK_ERROR, 0,
                "%s: the gateway and DNS servers of port %s are not known, as %s", use,
                hand_over->port, hand_over->unknown);
    return FALSE;
}

static char *
ip_parameter(const HandOver *hand_over, GError **error)
{
    const char *lease = find_of_family(hand_over->addresses, TRUE);
    const char *gateway = find_of_family(hand_over->gateways, TRUE);
    g_autofree char *address = NULL, *mask = NULL;
    GString *text;

    if (!lease) {
        arguments_refuse(error, "port %s has no IPv4 address, which {ip=} needs", hand_over->port);
        return NULL;
    }
    if (!hand_over_is_known(hand_over, "{ip=}", error))
        return NULL;
    address = without_prefix(lease);
    mask = netmask(prefix_bits(lease));
    text = g_string_new(NULL);
    g_string_printf(text, "ip=%s::%s:%s:%s::off", address, gateway ? gateway : "", mask,
                    host_name(hand_over));
    for (guint i = 0, n = 0; hand_over->dns[i] && n < 2; i++) {
        if (!is_ipv4(hand_over->dns[i]))
            continue;
        g_string_append_printf(text, ":%s", hand_over->dns[i]);
        n++;
    }
    return g_string_free(text, FALSE);
}

static char *
refuse_missing(const HandOver *hand_over, const char *what, const char *key, gboolean ipv4,
               GError **error)
{
    if (network_spec_is_adhoc(hand_over->network))
        arguments_refuse(error, "there is no %s %s for port %s: an ad-hoc network has none",
                         ipv4 ? "IPv4" : "IPv6", what, hand_over->port);
    else
        arguments_refuse(error, "network %s has no %s %s for port %s; its file has none in %s=",
                         hand_over->network, ipv4 ? "IPv4" : "IPv6", what, hand_over->port, key);
    return NULL;
}

char *
hand_over_text(const HandOver *hand_over, HandOverValue value, GError **error)
{
    const char *lease = main_address(hand_over), *found;

    if (!lease) {
        arguments_refuse(error,
                         "port %s has no address: network %s has no [Addresses], and none was asked"
                         " for",
                         hand_over->port, hand_over->network);
        return NULL;
    }
    switch (value) {
    case HAND_OVER_ADDRESS:
        return without_prefix(lease);
    case HAND_OVER_PREFIX:
        return g_strdup_printf("%u", prefix_bits(lease));
    case HAND_OVER_GATEWAY:
        if (!hand_over_is_known(hand_over, "{gateway}", error))
            return NULL;
        found = find_of_family(hand_over->gateways, is_ipv4(lease));
        return found ? g_strdup(found)
                     : refuse_missing(hand_over, "gateway", "Gateway", is_ipv4(lease), error);
    case HAND_OVER_DNS:
        if (!hand_over_is_known(hand_over, "{dns}", error))
            return NULL;
        found = find_of_family(hand_over->dns, is_ipv4(lease));
        found = found ? found : hand_over->dns[0];
        return found ? g_strdup(found)
                     : refuse_missing(hand_over, "DNS server", "DNS", is_ipv4(lease), error);
    case HAND_OVER_IP:
        break;
    }
    return ip_parameter(hand_over, error);
}

static json_t *
list_to_json(GStrv list)
{
    json_t *array = json_array();

    for (guint i = 0; list[i]; i++)
        json_array_append_new(array, json_string(list[i]));
    return array;
}

static void
add_routes(json_t *ethernet, const HandOver *hand_over)
{
    json_t *routes = json_array();

    for (guint i = 0; hand_over->gateways[i]; i++) {
        gboolean ipv4 = is_ipv4(hand_over->gateways[i]);

        if (find_of_family(hand_over->addresses, ipv4))
            json_array_append_new(routes, json_pack("{s:s, s:s}", "to", ipv4 ? "0.0.0.0/0" : "::/0",
                                                    "via", hand_over->gateways[i]));
    }
    if (json_array_size(routes) > 0)
        json_object_set(ethernet, "routes", routes);
    json_decref(routes);
}

static json_t *
ethernet_to_json(const HandOver *hand_over)
{
    json_t *ethernet = json_pack("{s:{s:s}}", "match", "macaddress", hand_over->mac);
    json_t *nameservers = json_object();

    if (hand_over->mtu != ETHERNET_MTU)
        json_object_set_new(ethernet, "mtu", json_integer(hand_over->mtu));
    if (hand_over->addresses[0])
        json_object_set_new(ethernet, "addresses", list_to_json(hand_over->addresses));
    else
        json_object_set_new(ethernet, "dhcp4", json_true());
    add_routes(ethernet, hand_over);
    if (hand_over->dns[0])
        json_object_set_new(nameservers, "addresses", list_to_json(hand_over->dns));
    if (hand_over->search[0])
        json_object_set_new(nameservers, "search", list_to_json(hand_over->search));
    if (json_object_size(nameservers) > 0 && hand_over->addresses[0])
        json_object_set(ethernet, "nameservers", nameservers);
    json_decref(nameservers);
    return ethernet;
}

json_t *
hand_over_network_config(const HandOver *const *ports, guint n)
{
    json_t *ethernets = json_object();

    for (guint i = 0; i < n; i++) {
        g_autofree char *id = g_strdup_printf("macvtap%u", i);

        json_object_set_new(ethernets, id, ethernet_to_json(ports[i]));
    }
    return json_pack("{s:i, s:o}", "version", 2, "ethernets", ethernets);
}

static void append_yaml(GString *text, const json_t *value, guint depth);

static void
append_yaml_object(GString *text, const json_t *object, guint depth)
{
    const char *key;
    json_t *value;

    json_object_foreach ((json_t *)object, key, value) {
        g_string_append_printf(text, "%*s%s:", (int)depth * 2, "", key);
        append_yaml(text, value, depth + 1);
    }
}

/* An object in a list begins on the dash's line. */
static void
append_yaml_list(GString *text, const json_t *array, guint depth)
{
    for (size_t i = 0; i < json_array_size(array); i++) {
        const json_t *value = json_array_get(array, i);
        gsize begin = text->len;

        if (json_is_object(value)) {
            append_yaml_object(text, value, depth + 1);
            text->str[begin + depth * 2] = '-';
        } else {
            g_string_append_printf(text, "%*s-", (int)depth * 2, "");
            append_yaml(text, value, depth + 1);
        }
    }
}

/* Each text stands in double quotes, escaped as in JSON, which YAML 1.2 (5.7) reads the same. */
static void
append_yaml(GString *text, const json_t *value, guint depth)
{
    g_autofree char *scalar = NULL;

    if (json_is_object(value) || json_is_array(value)) {
        g_string_append_c(text, '\n');
        if (json_is_object(value))
            append_yaml_object(text, value, depth);
        else
            append_yaml_list(text, value, depth);
        return;
    }
    scalar = json_dumps(value, JSON_ENCODE_ANY);
    g_string_append_printf(text, " %s\n", scalar);
}

char *
hand_over_to_yaml(const json_t *network_config)
{
    GString *text = g_string_new(NULL);

    append_yaml_object(text, network_config, 0);
    return g_string_free(text, FALSE);
}
