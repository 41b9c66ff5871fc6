/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which addresses a port may have, and which it may keep after a change of its network's file. */
#include "addresses.h"

#include "port-error.h"

gboolean
addresses_check_foreign(PortAddress *address, GError **error)
{
    char text[IP_ADDRESS_TEXT_SIZE];

    if (addresses_is_special(&address->address))
        return port_error_set(error, PORT_ERROR_INVALID_REQUEST,
                              "%s cannot be the address of a port",
                              ip_address_format(&address->address, text));
    if (address->bits == 0)
        address->bits = ip_address_is_ipv4(&address->address) ? 32 : 128;
    return TRUE;
}

/* Sets the bits to those of the subnet; FALSE: they differ from the subnet's. */
static gboolean
set_bits(const char *network, const IpPrefix *subnet, PortAddress *address, GError **error)
{
    char text[PORT_ADDRESS_TEXT_SIZE], whole[IP_PREFIX_TEXT_SIZE];

    if (address->bits != 0 && address->bits != ip_prefix_length(subnet))
        return port_error_set(error, PORT_ERROR_INVALID_REQUEST,
                              "address %s does not fit network %s, whose subnet is %s",
                              port_address_format(address, text), network,
                              ip_prefix_format(subnet, whole));
    address->bits = ip_prefix_length(subnet);
    return TRUE;
}

/* The Range= of the family as in the file, without it the subnet; free with g_free(). */
static char *
format_ranges(const AddressSettings *settings, AddressFamily family)
{
    g_autoptr(GString) all = g_string_new(NULL);
    char text[IP_RANGE_TEXT_SIZE];

    for (guint i = 0; i < settings->ranges->len; i++) {
        const IpRange *range = &g_array_index(settings->ranges, IpRange, i);

        if (address_family(&range->first) == family)
            g_string_append_printf(all, "%s%s", all->len > 0 ? ", " : "",
                                   ip_range_format(range, text));
    }
    if (all->len == 0)
        g_string_append(all, ip_prefix_format(addresses_subnet(settings, family), text));
    return g_string_free(g_steal_pointer(&all), FALSE);
}

/* What only root may have. */
static gboolean
check_range(const AddressSettings *settings, const char *network, const IpAddress *address,
            GError **error)
{
    g_autofree char *ranges = format_ranges(settings, address_family(address));
    char text[IP_ADDRESS_TEXT_SIZE];

    ip_address_format(address, text);
    if (addresses_list_has(settings->dns, address))
        return port_error_set(error, PORT_ERROR_ADDRESS_NOT_ALLOWED,
                              "address %s is a DNS server of network %s", text, network);
    return addresses_pool_has(settings, address) ||
           port_error_set(error, PORT_ERROR_ADDRESS_NOT_ALLOWED,
                          "address %s is outside %s, the range of network %s; only root may go "
                          "beyond it",
                          text, ranges, network);
}

gboolean
addresses_check(const AddressSettings *settings, const char *network, gboolean is_root,
                PortAddress *address, GError **error)
{
    const IpAddress *ip = &address->address;
    AddressFamily family = address_family(ip);
    const IpPrefix *subnet = addresses_subnet(settings, family);
    char text[IP_ADDRESS_TEXT_SIZE], whole[IP_PREFIX_TEXT_SIZE];
    const char *role = subnet ? addresses_find_role(subnet, ip) : NULL;

    ip_address_format(ip, text);
    if (!subnet)
        return port_error_set(error, PORT_ERROR_ADDRESS_NOT_ALLOWED,
                              "network %s has no %s subnet, so no port can have %s", network,
                              address_family_name(family), text);
    ip_prefix_format(subnet, whole);
    if (!ip_prefix_contains(subnet, ip))
        return port_error_set(error, PORT_ERROR_ADDRESS_NOT_ALLOWED,
                              "address %s is outside %s, the subnet of network %s", text, whole,
                              network);
    if (role)
        return port_error_set(error, PORT_ERROR_ADDRESS_NOT_ALLOWED,
                              "address %s is the %s of %s, the subnet of network %s", text, role,
                              whole, network);
    if (addresses_list_has(settings->gateways, ip))
        return port_error_set(error, PORT_ERROR_ADDRESS_NOT_ALLOWED,
                              "address %s is the gateway of network %s", text, network);
    if (addresses_ranges_have(settings->reserved, ip))
        return port_error_set(error, PORT_ERROR_ADDRESS_NOT_ALLOWED,
                              "address %s is reserved (Reserve= of network %s)", text, network);
    return (is_root || check_range(settings, network, ip, error)) &&
           set_bits(network, subnet, address, error);
}

/* ---- after a change of the file ---- */

gboolean
addresses_follow(const AddressSettings *settings, GArray *addresses)
{
    gboolean is_news = FALSE;

    for (guint i = 0; i < addresses->len; i++) {
        PortAddress *address = &g_array_index(addresses, PortAddress, i);
        const IpPrefix *subnet = addresses_subnet_of(settings, &address->address);

        if (!subnet || address->bits == ip_prefix_length(subnet))
            continue;
        address->bits = ip_prefix_length(subnet);
        is_news = TRUE;
    }
    return is_news;
}

static const char *
outdated_key(const AddressSettings *settings, const PortAddress *own, gboolean is_in_range)
{
    if (!own || !addresses_subnet_of(settings, &own->address))
        return "Subnet";
    if (addresses_list_has(settings->gateways, &own->address))
        return "Gateway";
    if (addresses_ranges_have(settings->reserved, &own->address))
        return "Reserve";
    return is_in_range && !addresses_pool_has(settings, &own->address) ? "Range" : NULL;
}

const char *
addresses_outdated_key(const AddressSettings *settings, const GArray *addresses, gboolean is_leased,
                       gboolean is_in_range)
{
    for (guint family = 0; family < ADDRESS_FAMILIES; family++) {
        const PortAddress *own = port_addresses_find(addresses, family);
        const char *key = NULL;

        if (addresses_subnet(settings, family) || (own && is_leased))
            key = outdated_key(settings, own, is_in_range);
        if (key)
            return key;
    }
    return NULL;
}
