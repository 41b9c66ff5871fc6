/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation: a generated MAC is the network's range with the free bits taken from
 * SHA-256(seed, network, name, counter), or for a port without a name from SHA-256(seed, uid,
 * network, guest's name, counter): one part more, so the two never hash the same bytes. The first
 * counters give independent candidates, which is enough for a range with many free addresses. In a
 * small or full range the search then walks from the first candidate, so that it finds the last
 * free address; the walk is bounded because a caller waits for it.
 *
 * A caller that makes ports without names one after the other goes through the same candidates each
 * time, so those of the last origin are kept.
 */
#include "policy.h"

#include "port-error.h"

#include <string.h>

#define HASHED_CANDIDATES 64
#define WALKED_CANDIDATES 65536
#define LOCALLY_ADMINISTERED 0x02
#define GROUP 0x01

static guint64
mac_to_number(const MacAddress *mac)
{
    guint64 bytes = 0;

    memcpy(&bytes, mac->octets, sizeof mac->octets);
    return GUINT64_FROM_BE(bytes) >> 16;
}

/* The address in range with these free bits. */
static MacAddress
mac_in_range(const MacRange *range, guint64 number)
{
    guint64 mask = (G_GUINT64_CONSTANT(1) << (48 - range->prefix_bits)) - 1;
    MacAddress mac;

    number = GUINT64_TO_BE((mac_to_number(&range->base) | (number & mask)) << 16);
    memcpy(mac.octets, &number, sizeof mac.octets);
    /* Avoid vendors' addresses and group addresses if the range leaves these bits free. */
    if (range->prefix_bits < 7)
        mac.octets[0] |= LOCALLY_ADMINISTERED;
    if (range->prefix_bits < 8)
        mac.octets[0] &= (guint8)~GROUP;
    return mac;
}

void
mac_origin_hash(const MacOrigin *origin, const char *network, guint counter, const char *subject,
                guint8 ret_hash[static MAC_ORIGIN_HASH_SIZE])
{
    g_autoptr(GChecksum) checksum = g_checksum_new(G_CHECKSUM_SHA256);
    g_autofree char *count = g_strdup_printf("%u", counter);
    g_autofree char *uid = g_strdup_printf("%u", (guint)origin->uid);
    const char *named[] = {origin->seed, network, origin->name, count, subject, NULL};
    const char *unnamed[] = {origin->seed, uid,     network, origin->guest_name ?: "",
                             count,        subject, NULL};
    gsize length = MAC_ORIGIN_HASH_SIZE;

    /* Includes each NUL, so that ("ab", "c") and ("a", "bc") differ. */
    for (const char **part = origin->name ? named : unnamed; *part; part++)
        g_checksum_update(checksum, (const guchar *)*part, (gssize)strlen(*part) + 1);
    g_checksum_get_digest(checksum, ret_hash, &length);
}

static guint64
hash_candidate(const MacOrigin *origin, const char *network, guint counter)
{
    guint8 digest[MAC_ORIGIN_HASH_SIZE];
    guint64 number = 0;

    mac_origin_hash(origin, network, counter, NULL, digest);
    for (guint i = 0; i < 6; i++)
        number = number << 8 | digest[i];
    return number;
}

/* The candidates of one origin generated so far. */
typedef struct Candidates {
    char *seed, *network, *name, *guest_name;
    uid_t uid;
    guint64 numbers[HASHED_CANDIDATES];
    guint n;
} Candidates;

static gboolean
are_of(const Candidates *candidates, const MacOrigin *origin, const char *network)
{
    return candidates->uid == origin->uid && g_strcmp0(candidates->seed, origin->seed) == 0 &&
           g_strcmp0(candidates->network, network) == 0 &&
           g_strcmp0(candidates->name, origin->name) == 0 &&
           g_strcmp0(candidates->guest_name, origin->guest_name) == 0;
}

static Candidates *
candidates_of(const MacOrigin *origin, const char *network)
{
    static Candidates last;

    if (are_of(&last, origin, network))
        return &last;
    g_free(last.seed);
    g_free(last.network);
    g_free(last.name);
    g_free(last.guest_name);
    last = (Candidates){
        .seed = g_strdup(origin->seed),
        .network = g_strdup(network),
        .name = g_strdup(origin->name),
        .guest_name = g_strdup(origin->guest_name),
        .uid = origin->uid,
    };
    return &last;
}

static guint64
candidates_get(Candidates *candidates, const MacOrigin *origin, const char *network, guint counter)
{
    for (; candidates->n <= counter; candidates->n++)
        candidates->numbers[candidates->n] = hash_candidate(origin, network, candidates->n);
    return candidates->numbers[counter];
}

static gboolean
is_free(const MacAddress *mac, PolicyMacTaken taken, gpointer user_data)
{
    return !mac_address_is_multicast(mac) && !mac_address_is_zero(mac) && !taken(mac, user_data);
}

static gboolean
generate_in_range(const MacRange *range, const MacOrigin *origin, const char *network,
                  PolicyMacTaken taken, gpointer user_data, MacAddress *ret_mac)
{
    guint64 size = G_GUINT64_CONSTANT(1) << (48 - range->prefix_bits);
    Candidates *candidates = candidates_of(origin, network);
    guint64 start = candidates_get(candidates, origin, network, 0);
    MacAddress mac;

    for (guint i = 0; i < HASHED_CANDIDATES; i++) {
        mac = mac_in_range(range, candidates_get(candidates, origin, network, i));
        if (is_free(&mac, taken, user_data)) {
            *ret_mac = mac;
            return TRUE;
        }
    }
    for (guint64 i = 1; i < MIN(size, WALKED_CANDIDATES); i++) {
        mac = mac_in_range(range, start + i);
        if (is_free(&mac, taken, user_data)) {
            *ret_mac = mac;
            return TRUE;
        }
    }
    return FALSE;
}

gboolean
policy_generate_mac(const Network *network, const MacOrigin *origin, PolicyMacTaken taken,
                    gpointer user_data, MacAddress *ret_mac, GError **error)
{
    g_autofree char *shown = NULL;
    MacRange range;

    if (network->allow_macs->len > 0)
        range = g_array_index(network->allow_macs, MacRange, 0);
    else
        mac_range_parse(NETWORK_DEFAULT_MACS, &range);
    if (generate_in_range(&range, origin, network->name, taken, user_data, ret_mac))
        return TRUE;
    shown = mac_range_format(&range);
    return port_error_set(error, PORT_ERROR_MAC_CONFLICT,
                          "no free MAC address is left for network '%s' in %s", network->name,
                          shown);
}
