/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guard.h"

#include "addresses.h"
#include "port-error.h"

static const char *const senders_names[] = {
    [GUARD_SENDERS_AUTO] = "auto",
    [GUARD_SENDERS_ANY] = "any",
    [GUARD_SENDERS_OWN] = "own",
};

static const char *const verdict_names[] = {
    [GUARD_VERDICT_DROP] = "drop",
    [GUARD_VERDICT_COUNT] = "count",
};

static const char *const addresses_names[] = {
    [GUARD_ADDRESSES_ANY] = "any",
    [GUARD_ADDRESSES_LISTED] = "listed",
    [GUARD_ADDRESSES_DHCP] = "dhcp",
};

static const char *const allow_names[] = {"router", "dhcp-server", "vlan",  "lldp", "lacp",
                                          "stp",    "tunnels",     "other", "none"};
G_STATIC_ASSERT(G_N_ELEMENTS(allow_names) == GUARD_ALLOW_COUNT);
G_STATIC_ASSERT(GUARD_ALLOW_NONE == 1 << (GUARD_ALLOW_COUNT - 1));
G_STATIC_ASSERT(GUARD_ALLOW_NONE == GUARD_ALLOW_OTHER << 1);

const char *
guard_senders_name(GuardSenders senders)
{
    return senders_names[senders];
}

const char *
guard_verdict_name(GuardVerdict verdict)
{
    return verdict_names[verdict];
}

const char *
guard_addresses_name(GuardAddresses addresses)
{
    return addresses_names[addresses];
}

const char *
guard_allow_name(guint i)
{
    return allow_names[i];
}

static guint
count_prefixes(const GuardSettings *settings)
{
    return settings->prefixes ? settings->prefixes->len : 0;
}

void
guard_settings_clear(GuardSettings *settings)
{
    g_clear_pointer(&settings->prefixes, g_array_unref);
    *settings = (GuardSettings){0};
}

void
guard_settings_copy(const GuardSettings *settings, GuardSettings *ret_settings)
{
    *ret_settings = *settings;
    if (settings->prefixes)
        ret_settings->prefixes = g_array_copy(settings->prefixes);
}

gboolean
guard_settings_equal(const GuardSettings *a, const GuardSettings *b)
{
    guint n = count_prefixes(a);

    if (a->senders != b->senders || a->verdict != b->verdict || a->addresses != b->addresses ||
        a->allow != b->allow || n != count_prefixes(b))
        return FALSE;
    for (guint i = 0; i < n; i++) {
        if (!ip_prefix_equal(&g_array_index(a->prefixes, IpPrefix, i),
                             &g_array_index(b->prefixes, IpPrefix, i)))
            return FALSE;
    }
    return TRUE;
}

gboolean
guard_is_on(const GuardSettings *settings)
{
    return settings->senders == GUARD_SENDERS_OWN || settings->addresses != GUARD_ADDRESSES_ANY ||
           settings->allow != GUARD_ALLOW_ALL;
}

static GuardSenders
senders_of(const GuardSettings *network, const GuardOwn *own)
{
    return own && own->has_senders ? own->settings.senders : network->senders;
}

static GuardAddresses
addresses_of(const GuardSettings *network, const GuardOwn *own)
{
    return own && own->has_addresses ? own->settings.addresses : network->addresses;
}

gboolean
guard_is_required(const GuardSettings *network, const GuardOwn *own)
{
    return senders_of(network, own) == GUARD_SENDERS_OWN ||
           addresses_of(network, own) != GUARD_ADDRESSES_ANY;
}

/* Where the guest may use any MAC, the default is to allow everything: a guest that has its parent
 * to itself may well be a router. */
static guint
decide_allow(const GuardSettings *network, const GuardOwn *own, const GuardPlace *place,
             gboolean is_held)
{
    guint allow = own && own->has_allow ? own->settings.allow | GUARD_ALLOW_NONE : network->allow;

    if (allow == 0 && !is_held)
        allow = GUARD_ALLOW_ALL;
    if (place->has_guest_vlans)
        allow |= GUARD_ALLOW_VLAN;
    return allow & GUARD_ALLOW_ALL;
}

static gboolean
has_prefix(const GArray *prefixes, const IpPrefix *prefix)
{
    for (guint i = 0; i < prefixes->len; i++) {
        if (ip_prefix_equal(&g_array_index(prefixes, IpPrefix, i), prefix))
            return TRUE;
    }
    return FALSE;
}

static void
join_prefixes(GArray *prefixes, const GuardSettings *settings)
{
    for (guint i = 0; i < count_prefixes(settings); i++) {
        const IpPrefix *prefix = &g_array_index(settings->prefixes, IpPrefix, i);

        if (!has_prefix(prefixes, prefix))
            g_array_append_vals(prefixes, prefix, 1);
    }
}

static void
join_addresses(GArray *prefixes, const GArray *addresses)
{
    for (guint i = 0; addresses && i < addresses->len; i++) {
        const IpPrefix own = {g_array_index(addresses, PortAddress, i).address, IP_PREFIX_BITS_MAX};

        if (!has_prefix(prefixes, &own))
            g_array_append_val(prefixes, own);
    }
}

gboolean
guard_resolve(const GuardSettings *network, const GuardOwn *own, const GuardPlace *place,
              GuardSettings *ret_settings, GError **error)
{
    g_autoptr(GArray) prefixes = g_array_new(FALSE, FALSE, sizeof(IpPrefix));
    GuardSettings settings = {.senders = senders_of(network, own),
                              .verdict = own && own->has_verdict ? own->settings.verdict
                                                                 : network->verdict,
                              .addresses = addresses_of(network, own)};

    if (!place->can_guard) {
        *ret_settings =
            (GuardSettings){.senders = GUARD_SENDERS_ANY, .allow = (guint)GUARD_ALLOW_ALL};
        return TRUE;
    }
    if (settings.senders == GUARD_SENDERS_AUTO)
        settings.senders = place->is_passthru ? GUARD_SENDERS_ANY : GUARD_SENDERS_OWN;
    settings.allow = decide_allow(network, own, place,
                                  settings.senders == GUARD_SENDERS_OWN ||
                                      settings.addresses != GUARD_ADDRESSES_ANY);
    if (settings.addresses != GUARD_ADDRESSES_ANY) {
        join_addresses(prefixes, place->addresses);
        if (own)
            join_prefixes(prefixes, &own->settings);
        join_prefixes(prefixes, network);
    }
    if (prefixes->len > GUARD_PREFIXES_MAX)
        return port_error_set(error, PORT_ERROR_INVALID_REQUEST,
                              "a guard can have at most %d addresses: the port's own and those in "
                              "AllowAddresses= of its network are %u",
                              GUARD_PREFIXES_MAX, prefixes->len);
    if (prefixes->len > 0)
        settings.prefixes = g_steal_pointer(&prefixes);
    *ret_settings = settings;
    return TRUE;
}

gboolean
guard_check_own(const GuardSettings *network, const GuardOwn *own, GError **error)
{
    return count_prefixes(&own->settings) == 0 ||
           addresses_of(network, own) != GUARD_ADDRESSES_ANY ||
           port_error_set(error, PORT_ERROR_INVALID_REQUEST,
                          "addresses set for a port have an effect only with addresses=listed or "
                          "dhcp, and its network has Addresses=any");
}

const char *
guard_seen_name(guint how)
{
    static const char *const names[] = {
        [GUARD_SEEN_ARP] = "arp", [GUARD_SEEN_ND] = "nd", [GUARD_SEEN_DHCP] = "dhcp"};

    return how < G_N_ELEMENTS(names) ? names[how] : NULL;
}
