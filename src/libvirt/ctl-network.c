/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl-domain.h"

#include "mac-address.h"

#include <string.h>

/* QEMU's, as macvtapd's own. */
#define DEFAULT_RANGE                                                                              \
    {                                                                                              \
        .base = {{0x52, 0x54, 0x00}}, .prefix_bits = 24                                            \
    }

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

/* limit: the field of the network; it has none if that is missing. */
static gboolean
check_limit(const MacvtapNetwork *network, const char *limit, const char *what, const char *wanted,
            GError **error)
{
    g_autofree char *text = macvtap_network_get_text(network, limit);
    guint64 most = g_ascii_strtoull(text, NULL, 10);

    return !wanted || most == 0 || g_ascii_strtoull(wanted, NULL, 10) <= most ||
           ctl_fail(error, "network %s allows %s of at most %s, not %s",
                    macvtap_network_get_name(network), what, text, wanted);
}

static gboolean
check_allowed(const MacvtapNetwork *network, const char *wanted, GError **error)
{
    g_autofree char *policy = macvtap_network_get_text(network, "macPolicy");
    g_autofree char *allowed = macvtap_network_get_text(network, "allowMacs");
    g_auto(GStrv) ranges = g_strsplit(allowed, " ", -1);
    MacAddress mac;
    MacRange range;

    if (!wanted || g_str_equal(policy, "any") || g_str_equal(policy, "inherit"))
        return TRUE;
    for (char **one = ranges; *one; one++) {
        if (mac_address_parse(wanted, &mac) && mac_range_parse(*one, &range) &&
            mac_range_contains(&range, &mac))
            return TRUE;
    }
    return ctl_fail(error, "MAC %s is not among those that network %s allows: %s", wanted,
                    macvtap_network_get_name(network), allowed);
}

gboolean
ctl_check_limits(const PortOptions *options, const MacvtapNetwork *network, GError **error)
{
    return check_limit(network, "maxQueues", "queues", options->queues, error) &&
           check_limit(network, "mtu", "an MTU", options->mtu, error) &&
           check_allowed(network, options->mac, error);
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

static MacAddress
mac_in_range(const MacRange *range, guint64 number)
{
    MacAddress mac = range->base;

    for (guint bit = range->prefix_bits; bit < 48; bit++) {
        if (number >> (47 - bit) & 1)
            mac.octets[bit / 8] |= (guint8)(0x80 >> bit % 8);
    }
    mac.octets[0] &= range->prefix_bits < 8 ? 0xfe : 0xff;
    return mac;
}

/* One of the range, from a random one on; of so many one more than are taken is free. */
static char *
draw_mac(const MacRange *range, GHashTable *taken)
{
    guint64 last = (G_GUINT64_CONSTANT(1) << (48 - range->prefix_bits)) - 1;
    guint64 start = (guint64)g_random_int() << 32 | g_random_int();
    guint n = taken ? g_hash_table_size(taken) : 0;
    char text[MAC_ADDRESS_TEXT_SIZE];

    for (guint64 i = 0; i <= MIN(last, n); i++) {
        MacAddress mac = mac_in_range(range, start + i);

        mac_address_format(&mac, text);
        if (n == 0 || !g_hash_table_contains(taken, text))
            return g_strdup(text);
    }
    return NULL;
}

static char *
draw_allowed_mac(const MacvtapNetwork *network, GHashTable *taken, GError **error)
{
    g_autofree char *allowed = macvtap_network_get_text(network, "allowMacs");
    g_auto(GStrv) ranges = g_strsplit(allowed, " ", -1);
    MacRange range = DEFAULT_RANGE;
    char *mac = ranges[0] ? NULL : draw_mac(&range, taken);

    for (char **one = ranges; *one && !mac; one++) {
        if (mac_range_parse(*one, &range))
            mac = draw_mac(&range, taken);
    }
    if (!mac)
        ctl_fail(error,
                 "each MAC that network %s allows (%s) is another interface's: say which"
                 " with --mac MAC",
                 macvtap_network_get_name(network), allowed);
    return mac;
}

char *
ctl_choose_mac(const PortOptions *options, const MacvtapNetwork *network, GHashTable *taken,
               GError **error)
{
    const MacRange range = DEFAULT_RANGE;
    g_autofree char *policy = network ? macvtap_network_get_text(network, "macPolicy") : NULL;
    char *mac;

    if (g_strcmp0(options->mode, "passthru") == 0)
        mac = read_mac(options->parent);
    else if (!network)
        return draw_mac(&range, taken);
    else if (g_str_equal(policy, "inherit"))
        mac = read_parent_mac(network);
    else
        return draw_allowed_mac(network, taken, error);
    if (!mac)
        ctl_fail(error,
                 "network %s gives the parent's MAC, which cannot be told: say which with"
                 " --mac MAC",
                 options->network);
    return mac;
}
