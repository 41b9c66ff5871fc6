/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What [Addresses] of a network means. */
#include "addresses.h"

#include "dhcp-options.h"

#include "port-error.h"

#include <string.h>

#define IPV4_BITS 32
#define IPV6_BITS 128
/* Shares of users and counts: see addresses_pool_size(). */
#define USER_SHARE 4

static const char *const serve_names[] = {
    [ADDRESS_SERVE_NONE] = "none",
    [ADDRESS_SERVE_DHCP] = "dhcp",
};
G_STATIC_ASSERT(G_N_ELEMENTS(serve_names) == ADDRESS_SERVE_COUNT);

const char *
address_serve_name(AddressServe serve)
{
    return serve_names[serve];
}

const char *
address_family_name(AddressFamily family)
{
    return family == ADDRESS_IPV4 ? "IPv4" : "IPv6";
}

AddressFamily
address_family(const IpAddress *address)
{
    return ip_address_is_ipv4(address) ? ADDRESS_IPV4 : ADDRESS_IPV6;
}

void
addresses_init(AddressSettings *settings)
{
    *settings = (AddressSettings){
        .subnets = g_array_new(FALSE, FALSE, sizeof(IpPrefix)),
        .ranges = g_array_new(FALSE, FALSE, sizeof(IpRange)),
        .reserved = g_array_new(FALSE, FALSE, sizeof(IpRange)),
        .gateways = g_array_new(FALSE, FALSE, sizeof(IpAddress)),
        .dns = g_array_new(FALSE, FALSE, sizeof(IpAddress)),
        .search = g_new0(char *, 1),
        .lease_time = ADDRESS_LEASE_TIME_DEFAULT,
    };
}

void
addresses_clear(AddressSettings *settings)
{
    g_array_unref(settings->subnets);
    g_array_unref(settings->ranges);
    g_array_unref(settings->reserved);
    g_array_unref(settings->gateways);
    g_array_unref(settings->dns);
    g_strfreev(settings->search);
    for (guint i = 0; i < ADDRESS_FAMILIES; i++)
        g_clear_pointer(&settings->pools[i], g_array_unref);
}

const IpPrefix *
addresses_subnet(const AddressSettings *settings, AddressFamily family)
{
    for (guint i = 0; i < settings->subnets->len; i++) {
        const IpPrefix *subnet = &g_array_index(settings->subnets, IpPrefix, i);

        if (address_family(&subnet->address) == family)
            return subnet;
    }
    return NULL;
}

const IpAddress *
addresses_gateway(const AddressSettings *settings, AddressFamily family)
{
    for (guint i = 0; i < settings->gateways->len; i++) {
        const IpAddress *gateway = &g_array_index(settings->gateways, IpAddress, i);

        if (address_family(gateway) == family)
            return gateway;
    }
    return NULL;
}

const IpPrefix *
addresses_subnet_of(const AddressSettings *settings, const IpAddress *address)
{
    const IpPrefix *subnet = addresses_subnet(settings, address_family(address));

    return subnet && ip_prefix_contains(subnet, address) ? subnet : NULL;
}

gboolean
addresses_list_has(const GArray *addresses, const IpAddress *address)
{
    for (guint i = 0; i < addresses->len; i++) {
        if (ip_address_equal(&g_array_index(addresses, IpAddress, i), address))
            return TRUE;
    }
    return FALSE;
}

gboolean
addresses_ranges_have(const GArray *ranges, const IpAddress *address)
{
    for (guint i = 0; i < ranges->len; i++) {
        if (ip_range_contains(&g_array_index(ranges, IpRange, i), address))
            return TRUE;
    }
    return FALSE;
}

/* Whether hosts of a subnet have no such address: unspecified, loopback, multicast and link-local
 * addresses, the last because guests choose those themselves. */
gboolean
addresses_is_special(const IpAddress *address)
{
    static const char *const special[] = {"0.0.0.0/8",   "127.0.0.0/8", "169.254.0.0/16",
                                          "224.0.0.0/3", "::/127",      "fe80::/10",
                                          "ff00::/8"};

    for (guint i = 0; i < G_N_ELEMENTS(special); i++) {
        IpPrefix prefix;

        if (ip_prefix_parse(special[i], &prefix, NULL) && ip_prefix_contains(&prefix, address))
            return TRUE;
    }
    return FALSE;
}

/* What is wrong with the address as that of a host in the subnet; NULL: nothing. */
const char *
addresses_find_role(const IpPrefix *subnet, const IpAddress *address)
{
    const IpRange all = ip_prefix_range(subnet);
    gboolean is_ipv4 = ip_address_is_ipv4(address);

    /* RFC 3021, RFC 6164: both addresses of a link between two are those of hosts. */
    if (subnet->prefix_bits >= IPV6_BITS - 1)
        return NULL;
    if (ip_address_equal(address, &all.first))
        return is_ipv4 ? "network address" : "address of all routers";
    return is_ipv4 && ip_address_equal(address, &all.last) ? "broadcast address" : NULL;
}

static gboolean
check_subnets(const AddressSettings *settings, GError **error)
{
    guint n[ADDRESS_FAMILIES] = {0};

    for (guint i = 0; i < settings->subnets->len; i++) {
        const IpPrefix *subnet = &g_array_index(settings->subnets, IpPrefix, i);
        const IpRange all = ip_prefix_range(subnet);
        AddressFamily family = address_family(&subnet->address);
        char text[IP_PREFIX_TEXT_SIZE];

        ip_prefix_format(subnet, text);
        if (addresses_is_special(&all.first) || addresses_is_special(&all.last))
            return port_error_set(error, PORT_ERROR_NETWORK_INVALID,
                                  "Subnet= '%s' is not a subnet of unicast addresses", text);
        if (subnet->prefix_bits == IPV6_BITS)
            return port_error_set(error, PORT_ERROR_NETWORK_INVALID,
                                  "Subnet= '%s' is a single address; a subnet is written "
                                  "ADDRESS/BITS (example: 192.168.1.0/24)",
                                  text);
        if (n[family]++ > 0)
            return port_error_set(error, PORT_ERROR_NETWORK_INVALID,
                                  "Subnet= has more than one %s subnet",
                                  address_family_name(family));
    }
    return TRUE;
}

/* Whether the lists have a sensible number of entries. */
static gboolean
check_lengths(const AddressSettings *settings, GError **error)
{
    const struct {
        const char *key;
        guint n, most;
    } lists[] = {
        {"Range", settings->ranges->len, ADDRESS_RANGES_MAX},
        {"Reserve", settings->reserved->len, ADDRESS_RESERVED_MAX},
        {"DNS", settings->dns->len, ADDRESS_DNS_MAX},
        {"Search", g_strv_length(settings->search), ADDRESS_SEARCH_MAX},
    };

    for (guint i = 0; i < G_N_ELEMENTS(lists); i++) {
        if (lists[i].n > lists[i].most)
            return port_error_set(error, PORT_ERROR_NETWORK_INVALID,
                                  "%s= has %u entries; it can have at most %u", lists[i].key,
                                  lists[i].n, lists[i].most);
    }
    return TRUE;
}

static gboolean
check_ranges(const AddressSettings *settings, const char *key, const GArray *ranges, GError **error)
{
    for (guint i = 0; i < ranges->len; i++) {
        const IpRange *range = &g_array_index(ranges, IpRange, i);
        char text[IP_RANGE_TEXT_SIZE];

        if (!addresses_subnet_of(settings, &range->first) ||
            !addresses_subnet_of(settings, &range->last))
            return port_error_set(error, PORT_ERROR_NETWORK_INVALID,
                                  "%s= '%s' is not within Subnet=", key,
                                  ip_range_format(range, text));
    }
    return TRUE;
}

/* An IPv6 router may be known by its link-local address. */
static gboolean
gateway_is_on_link(const AddressSettings *settings, const IpAddress *gateway)
{
    const IpPrefix link_local = {.address = {{0xfe, 0x80}}, .prefix_bits = 10};

    return addresses_subnet_of(settings, gateway) ||
           (addresses_subnet(settings, address_family(gateway)) &&
            ip_prefix_contains(&link_local, gateway));
}

static gboolean
check_gateways(const AddressSettings *settings, GError **error)
{
    for (guint i = 0; i < settings->gateways->len; i++) {
        const IpAddress *gateway = &g_array_index(settings->gateways, IpAddress, i);
        AddressFamily family = address_family(gateway);
        const IpPrefix *subnet = addresses_subnet_of(settings, gateway);
        const char *role = subnet ? addresses_find_role(subnet, gateway) : NULL;
        char text[IP_ADDRESS_TEXT_SIZE];

        ip_address_format(gateway, text);
        if (addresses_gateway(settings, family) != gateway)
            return port_error_set(error, PORT_ERROR_NETWORK_INVALID,
                                  "Gateway= has more than one %s address",
                                  address_family_name(family));
        if (!gateway_is_on_link(settings, gateway))
            return port_error_set(error, PORT_ERROR_NETWORK_INVALID,
                                  "Gateway= '%s' is not within Subnet=", text);
        if (role && family == ADDRESS_IPV4)
            return port_error_set(error, PORT_ERROR_NETWORK_INVALID,
                                  "Gateway= '%s' is the %s of Subnet=", text, role);
    }
    return TRUE;
}

static gboolean
any_is_given(const AddressSettings *settings)
{
    return settings->ranges->len > 0 || settings->reserved->len > 0 ||
           settings->gateways->len > 0 || settings->dns->len > 0 || settings->search[0] ||
           settings->serve != ADDRESS_SERVE_NONE ||
           settings->lease_time != ADDRESS_LEASE_TIME_DEFAULT;
}

static gint
compare_ranges(gconstpointer a, gconstpointer b)
{
    return ip_address_compare(&((const IpRange *)a)->first, &((const IpRange *)b)->first);
}

static void
step(IpAddress *address, int by)
{
    for (guint i = sizeof(address->bytes); i-- > 0;) {
        address->bytes[i] = (guint8)(address->bytes[i] + by);
        if (address->bytes[i] != (by > 0 ? 0 : 0xff))
            return;
    }
}

/* Sorts the ranges and joins those that overlap. */
static void
join_ranges(GArray *ranges)
{
    guint n = 0;

    g_array_sort(ranges, compare_ranges);
    for (guint i = 0; i < ranges->len; i++) {
        const IpRange range = g_array_index(ranges, IpRange, i);
        IpRange *last = n > 0 ? &g_array_index(ranges, IpRange, n - 1) : NULL;

        if (!last || ip_address_compare(&last->last, &range.first) < 0)
            g_array_index(ranges, IpRange, n++) = range;
        else if (ip_address_compare(&last->last, &range.last) < 0)
            last->last = range.last;
    }
    g_array_set_size(ranges, n);
}

/* Takes the addresses of out from sorted, disjoint ranges. */
static void
exclude(GArray *ranges, const IpRange *out)
{
    g_autoptr(GArray) left = g_array_new(FALSE, FALSE, sizeof(IpRange));

    for (guint i = 0; i < ranges->len; i++) {
        const IpRange range = g_array_index(ranges, IpRange, i);
        IpRange below = {range.first, out->first}, above = {out->last, range.last};

        if (ip_address_compare(&out->last, &range.first) < 0 ||
            ip_address_compare(&range.last, &out->first) < 0) {
            g_array_append_val(left, range);
            continue;
        }
        step(&below.last, -1);
        step(&above.first, 1);
        if (ip_address_compare(&range.first, &out->first) < 0)
            g_array_append_val(left, below);
        if (ip_address_compare(&out->last, &range.last) < 0)
            g_array_append_val(left, above);
    }
    g_array_set_size(ranges, 0);
    g_array_append_vals(ranges, left->data, left->len);
}

static void
exclude_addresses(GArray *ranges, const GArray *addresses)
{
    for (guint i = 0; i < addresses->len; i++) {
        const IpAddress address = g_array_index(addresses, IpAddress, i);

        exclude(ranges, &(IpRange){address, address});
    }
}

static void
exclude_roles(GArray *ranges, const IpPrefix *subnet)
{
    const IpRange all = ip_prefix_range(subnet);

    if (addresses_find_role(subnet, &all.first))
        exclude(ranges, &(IpRange){all.first, all.first});
    if (addresses_find_role(subnet, &all.last))
        exclude(ranges, &(IpRange){all.last, all.last});
}

static GArray *
make_pool(const AddressSettings *settings, AddressFamily family)
{
    const IpPrefix *subnet = addresses_subnet(settings, family);
    const IpRange all = ip_prefix_range(subnet);
    GArray *pool = g_array_new(FALSE, FALSE, sizeof(IpRange));

    for (guint i = 0; i < settings->ranges->len; i++) {
        const IpRange *range = &g_array_index(settings->ranges, IpRange, i);

        if (address_family(&range->first) == family)
            g_array_append_vals(pool, range, 1);
    }
    if (pool->len == 0)
        g_array_append_val(pool, all);
    join_ranges(pool);
    exclude_roles(pool, subnet);
    exclude_addresses(pool, settings->gateways);
    exclude_addresses(pool, settings->dns);
    for (guint i = 0; i < settings->reserved->len; i++)
        exclude(pool, &g_array_index(settings->reserved, IpRange, i));
    return pool;
}

static gboolean
make_pools(AddressSettings *settings, GError **error)
{
    for (guint family = 0; family < ADDRESS_FAMILIES; family++) {
        if (!addresses_subnet(settings, family))
            continue;
        settings->pools[family] = make_pool(settings, family);
        if (settings->pools[family]->len == 0)
            return port_error_set(error, PORT_ERROR_NETWORK_INVALID,
                                  "Reserve= leaves no %s address for ports",
                                  address_family_name(family));
    }
    return TRUE;
}

/* Whether what a port is to answer to DHCP can be put into an answer. */
static gboolean
check_answer(const AddressSettings *settings, GError **error)
{
    const IpPrefix *subnet = addresses_subnet(settings, ADDRESS_IPV4);
    g_autoptr(GByteArray) options = NULL;
    g_autoptr(GError) cause = NULL;
    DhcpAnswer answer = {.dns = settings->dns, .search = (const char *const *)settings->search};

    if (!subnet)
        return port_error_set(error, PORT_ERROR_NETWORK_INVALID,
                              "Serve=dhcp needs an IPv4 subnet in Subnet=");
    answer.address = subnet->address;
    answer.bits = ip_prefix_length(subnet);
    answer.gateway = addresses_gateway(settings, ADDRESS_IPV4);
    answer.mtu = G_MAXUINT16;
    options = dhcp_answer_options(&answer, &cause);
    return options ||
           port_error_set(error, PORT_ERROR_NETWORK_INVALID, "Serve=dhcp: %s", cause->message);
}

gboolean
addresses_finish(AddressSettings *settings, GError **error)
{
    settings->is_given = settings->subnets->len > 0;
    if (!settings->is_given)
        return !any_is_given(settings) ||
               port_error_set(error, PORT_ERROR_NETWORK_INVALID,
                              "Subnet= is missing: the other keys of [Addresses] need it");
    if (!check_subnets(settings, error) || !check_lengths(settings, error) ||
        !check_ranges(settings, "Range", settings->ranges, error) ||
        !check_ranges(settings, "Reserve", settings->reserved, error) ||
        !check_gateways(settings, error))
        return FALSE;
    if (settings->serve == ADDRESS_SERVE_DHCP && !check_answer(settings, error))
        return FALSE;
    return make_pools(settings, error);
}

guint
addresses_user_share(const AddressSettings *settings)
{
    guint64 least = G_MAXUINT;

    if (!settings->is_given)
        return 0;
    for (guint family = 0; family < ADDRESS_FAMILIES; family++) {
        if (settings->pools[family])
            least = MIN(least, addresses_pool_size(settings, family));
    }
    return MAX((guint)(least / USER_SHARE), 1);
}

/* ---- an address of a port ---- */

gboolean
port_address_parse(const char *text, PortAddress *ret_address, GError **error)
{
    g_auto(GStrv) parts = g_strsplit(text, "/", 2);
    g_autofree char *shown = g_strescape(text, NULL);
    PortAddress address = {.bits = 0};
    guint64 bits = 0;
    guint most;

    if (!parts[0] || !ip_address_parse(parts[0], &address.address))
        return port_error_set(error, PORT_ERROR_INVALID_REQUEST,
                              "'%.64s' is neither ADDRESS nor ADDRESS/BITS", shown);
    most = ip_address_is_ipv4(&address.address) ? IPV4_BITS : IPV6_BITS;
    if (parts[1] && !g_ascii_string_to_unsigned(parts[1], 10, 1, most, &bits, NULL))
        return port_error_set(error, PORT_ERROR_INVALID_REQUEST,
                              "'%.64s' must have a length of 1 to %u after the '/'", shown, most);
    address.bits = (guint)bits;
    *ret_address = address;
    return TRUE;
}

char *
port_address_format(const PortAddress *address, char text[static PORT_ADDRESS_TEXT_SIZE])
{
    char *end = text + strlen(ip_address_format(&address->address, text));

    if (address->bits > 0)
        g_snprintf(end, sizeof("/128"), "/%u", address->bits);
    return text;
}

const PortAddress *
port_addresses_find(const GArray *addresses, AddressFamily family)
{
    for (guint i = 0; addresses && i < addresses->len; i++) {
        const PortAddress *address = &g_array_index(addresses, PortAddress, i);

        if (address_family(&address->address) == family)
            return address;
    }
    return NULL;
}

gboolean
port_addresses_have(const GArray *addresses, const IpAddress *address)
{
    for (guint i = 0; addresses && i < addresses->len; i++) {
        if (ip_address_equal(&g_array_index(addresses, PortAddress, i).address, address))
            return TRUE;
    }
    return FALSE;
}
