/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl-domain.h"

#include "mac-address.h"

#include <string.h>

gboolean
ctl_find_network(MacvtapClient *client, const char *name, MacvtapNetwork **ret_network,
                 GError **error)
{
    g_autoptr(GPtrArray) networks = NULL;

    *ret_network = NULL;
    if (strchr(name, '='))
        return TRUE;
    networks = macvtap_client_list_networks(client, error);
    if (!networks)
        return FALSE;
    for (guint i = 0; i < networks->len; i++) {
        MacvtapNetwork *network = networks->pdata[i];
        const char *problem = macvtap_network_get_problem(network);

        if (!g_str_equal(macvtap_network_get_name(network), name))
            continue;
        if (problem)
            return ctl_fail(error, "network %s cannot be used: %s", name, problem);
        *ret_network = g_ptr_array_steal_index(networks, i);
        return TRUE;
    }
    return ctl_fail(error, "there is no network '%s' that you may use", name);
}

static char *
read_mac(const char *interface)
{
    g_autofree char *path = g_strdup_printf("/sys/class/net/%s/address", interface);
    char *text = NULL;

    if (!g_file_get_contents(path, &text, NULL, NULL))
        return NULL;
    return g_strchomp(text);
}

static char *
read_parent_mac(const MacvtapNetwork *network)
{
    g_autofree char *parents = macvtap_network_get_text(network, "parents");
    g_auto(GStrv) names = g_strsplit(parents, " ", 2);

    return names[0] && !strchr(names[0], '/') ? read_mac(names[0]) : NULL;
}

/* One of the range, at random. */
static char *
draw_mac(const MacRange *range)
{
    char text[MAC_ADDRESS_TEXT_SIZE];
    MacAddress mac = range->base;

    for (guint bit = range->prefix_bits; bit < 48; bit++) {
        if (g_random_boolean())
            mac.octets[bit / 8] |= (guint8)(0x80 >> bit % 8);
    }
    mac.octets[0] &= range->prefix_bits < 8 ? 0xfe : 0xff;
    return g_strdup(mac_address_format(&mac, text));
}

char *
ctl_choose_mac(const PortOptions *options, const MacvtapNetwork *network)
{
    MacRange range = {.base = {{0x52, 0x54, 0x00}}, .prefix_bits = 24};
    g_autofree char *policy = NULL, *allowed = NULL;
    g_auto(GStrv) ranges = NULL;

    if (g_strcmp0(options->mode, "passthru") == 0)
        return read_mac(options->parent);
    if (!network)
        return draw_mac(&range);
    policy = macvtap_network_get_text(network, "macPolicy");
    if (g_str_equal(policy, "inherit"))
        return read_parent_mac(network);
    allowed = macvtap_network_get_text(network, "allowMacs");
    ranges = g_strsplit(allowed, " ", 2);
    if (ranges[0])
        mac_range_parse(ranges[0], &range);
    return draw_mac(&range);
}
