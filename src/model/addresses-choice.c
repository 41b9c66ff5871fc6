/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation: an address is chosen as a generated MAC is (policy-mac.c). Its number in the
 * pool comes from SHA-256(seed, network, name, counter, family), so it needs no state: the same
 * name gets the same address. The first counters give independent candidates, which is enough while
 * the pool has many free addresses. After them the search walks through the pool, and ends: of n +
 * 1 addresses at least one is free if n are taken. So the cost depends on how many addresses are
 * taken, not on the size of the pool, which for IPv6 is 2^64. The walk starts where n says, because
 * ports without names share their candidates and would otherwise queue up behind each other.
 */
#include "addresses.h"

#include "policy.h"
#include "port-error.h"

#include <string.h>

/* Few, as each costs a hash. */
#define HASHED_CANDIDATES 8

/* An address as a number, and the size of a pool. */
typedef unsigned __int128 Number;

static Number
number_of(const guint8 *bytes, gsize n)
{
    Number number = 0;

    for (gsize i = 0; i < n; i++)
        number = number << 8 | bytes[i];
    return number;
}

static Number
range_size(const IpRange *range)
{
    const gsize n = sizeof(range->first.bytes);

    /* 2^128, of ::/0, is no pool: part of it is not unicast. */
    return number_of(range->last.bytes, n) - number_of(range->first.bytes, n) + 1;
}

static Number
pool_size(const GArray *pool)
{
    Number size = 0;

    for (guint i = 0; pool && i < pool->len; i++)
        size += range_size(&g_array_index(pool, IpRange, i));
    return size;
}

guint64
addresses_pool_size(const AddressSettings *settings, AddressFamily family)
{
    return (guint64)MIN(pool_size(settings->pools[family]), (Number)G_MAXINT64);
}

gboolean
addresses_pool_has(const AddressSettings *settings, const IpAddress *address)
{
    const GArray *pool = settings->pools[address_family(address)];

    for (guint i = 0; pool && i < pool->len; i++) {
        if (ip_range_contains(&g_array_index(pool, IpRange, i), address))
            return TRUE;
    }
    return FALSE;
}

gboolean
addresses_are_in_pool(const AddressSettings *settings, const GArray *addresses)
{
    for (guint i = 0; i < addresses->len; i++) {
        if (!addresses_pool_has(settings, &g_array_index(addresses, PortAddress, i).address))
            return FALSE;
    }
    return TRUE;
}

/* The address with this number in the pool. */
static IpAddress
pool_get(const GArray *pool, Number number)
{
    IpAddress address;
    guint i = 0;

    for (; number >= range_size(&g_array_index(pool, IpRange, i)); i++)
        number -= range_size(&g_array_index(pool, IpRange, i));
    address = g_array_index(pool, IpRange, i).first;
    number += number_of(address.bytes, sizeof(address.bytes));
    for (gsize j = sizeof(address.bytes); j-- > 0; number >>= 8)
        address.bytes[j] = (guint8)number;
    return address;
}

/* A search in one pool. */
typedef struct Search {
    const GArray *pool;
    Number size;
    const MacOrigin *origin;
    const char *network;
    AddressFamily family;
} Search;

static Number
hash_number(const Search *search, guint counter)
{
    guint8 digest[MAC_ORIGIN_HASH_SIZE];

    mac_origin_hash(search->origin, search->network, counter, address_family_name(search->family),
                    digest);
    return number_of(digest, sizeof(Number)) % search->size;
}

static gboolean
search_pool(const Search *search, guint n_taken, AddressTaken taken, gpointer user_data,
            IpAddress *ret_address)
{
    Number start;

    for (guint i = 0; i < HASHED_CANDIDATES; i++) {
        *ret_address = pool_get(search->pool, hash_number(search, i));
        if (!taken(ret_address, user_data))
            return TRUE;
    }
    start = hash_number(search, HASHED_CANDIDATES + n_taken);
    for (Number i = 0; i < MIN(search->size, (Number)n_taken + 1); i++) {
        *ret_address = pool_get(search->pool, (start + i) % search->size);
        if (!taken(ret_address, user_data))
            return TRUE;
    }
    return FALSE;
}

gboolean
addresses_say_full(const AddressSettings *settings, const char *network, AddressFamily family,
                   GError **error)
{
    return port_error_set(
        error, PORT_ERROR_LIMIT_REACHED,
        "network %s has no free %s address left: all %" G_GUINT64_FORMAT " of its range are taken",
        network, address_family_name(family), addresses_pool_size(settings, family));
}

gboolean
addresses_choose(const AddressSettings *settings, const char *network, AddressFamily family,
                 const MacOrigin *origin, guint n_taken, AddressTaken taken, gpointer user_data,
                 IpAddress *ret_address, GError **error)
{
    const Search search = {settings->pools[family], pool_size(settings->pools[family]), origin,
                           network, family};
    IpAddress address;

    if (!search_pool(&search, n_taken, taken, user_data, &address))
        return addresses_say_full(settings, network, family, error);
    *ret_address = address;
    return TRUE;
}
