/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "network.h"

#include "interface-name.h"
#include "port-error.h"

#include <string.h>

#define DEFAULT_MAX_QUEUES 8
#define ADHOC_ALLOW_MACS "00:00:00:00:00:00/0"

static void
allow_macs(Network *network, const char *text)
{
    MacRange range;

    if (!mac_range_parse(text, &range))
        g_assert_not_reached();
    g_array_append_val(network->allow_macs, range);
}

Network *
network_new(const char *name)
{
    Network *network = g_atomic_rc_box_new0(Network);

    network->name = g_strdup(name);
    network->parents = g_new0(char *, 1);
    network->sources = g_array_new(FALSE, FALSE, sizeof(MacAddress));
    network->max_queues = DEFAULT_MAX_QUEUES;
    network->vhost = VHOST_POLICY_AUTO;
    network->mac = MAC_POLICY_GENERATE;
    network->allow_macs = g_array_new(FALSE, FALSE, sizeof(MacRange));
    network->multicast = MULTICAST_ALL;
    network->announce = TRUE;
    network->guest_vlans = g_new0(char *, 1);
    network->guard.prefixes = g_array_new(FALSE, FALSE, sizeof(IpPrefix));
    addresses_init(&network->addresses);
    network->allow_uids = g_array_new(FALSE, FALSE, sizeof(uid_t));
    network->allow_gids = g_array_new(FALSE, FALSE, sizeof(gid_t));
    allow_macs(network, NETWORK_DEFAULT_MACS);
    return network;
}

Network *
network_new_broken(const char *name, const char *problem)
{
    Network *network = network_new(name);

    network->problem = g_strdup(problem);
    return network;
}

Network *
network_ref(Network *network)
{
    return g_atomic_rc_box_acquire(network);
}

static void
network_clear(gpointer data)
{
    Network *network = data;

    g_free(network->name);
    g_free(network->problem);
    g_strfreev(network->parents);
    g_free(network->vlan);
    g_array_unref(network->sources);
    g_array_unref(network->allow_macs);
    g_strfreev(network->guest_vlans);
    guard_settings_clear(&network->guard);
    addresses_clear(&network->addresses);
    g_free(network->host_interface);
    g_array_unref(network->allow_uids);
    g_array_unref(network->allow_gids);
}

void
network_unref(Network *network)
{
    if (network)
        g_atomic_rc_box_release_full(network, network_clear);
}

static gboolean
check_parents(const Network *network, GError **error)
{
    if (!network->parents[0])
        return port_error_set(error, PORT_ERROR_NETWORK_INVALID, "Parent= is missing");
    for (char **parent = network->parents; *parent; parent++) {
        g_autoptr(GError) reason = NULL;

        if (!interface_name_check_parent(*parent, &reason))
            return port_error_set(error, PORT_ERROR_NETWORK_INVALID, "Parent= %s", reason->message);
        for (char **earlier = network->parents; earlier < parent; earlier++) {
            if (g_str_equal(*earlier, *parent))
                return port_error_set(error, PORT_ERROR_NETWORK_INVALID, "Parent= has '%s' twice",
                                      *parent);
        }
    }
    if (network->vlan && !network_vlan_is_valid(network->vlan)) {
        g_autofree char *shown = g_strescape(network->vlan, NULL);

        return port_error_set(error, PORT_ERROR_NETWORK_INVALID,
                              "VLAN= '%.64s' is not N or OUTER.INNER, each 1 to 4094", shown);
    }
    return TRUE;
}

static gboolean
check_sources(const Network *network, GError **error)
{
    if (network->sources->len > 0 && network->mode != MACVTAP_MODE_SOURCE)
        return port_error_set(error, PORT_ERROR_NETWORK_INVALID,
                              "Sources= can only be used with Mode=source, not with Mode=%s",
                              macvtap_mode_name(network->mode));
    for (guint i = 0; i < network->sources->len; i++) {
        const MacAddress *mac = &g_array_index(network->sources, MacAddress, i);
        char text[MAC_ADDRESS_TEXT_SIZE];

        if (mac_address_is_multicast(mac) || mac_address_is_zero(mac))
            return port_error_set(error, PORT_ERROR_NETWORK_INVALID,
                                  "Sources= %s is not a unicast address",
                                  mac_address_format(mac, text));
    }
    return TRUE;
}

static gboolean
check_passthru(const Network *network, GError **error)
{
    gboolean passthru = network->mode == MACVTAP_MODE_PASSTHRU;
    gboolean parents_mac = network->mac == MAC_POLICY_INHERIT || network->mac == MAC_POLICY_ASSIGN;

    if (network->nopromisc && !passthru)
        return port_error_set(error, PORT_ERROR_NETWORK_INVALID,
                              "NoPromisc= can only be used with Mode=passthru, not with Mode=%s",
                              macvtap_mode_name(network->mode));
    if (parents_mac && !passthru)
        return port_error_set(error, PORT_ERROR_NETWORK_INVALID,
                              "Mac=%s can only be used with Mode=passthru, not with Mode=%s",
                              mac_policy_name(network->mac), macvtap_mode_name(network->mode));
    /* The kernel ignores the MAC given for a new passthru device, so generate would have no effect.
     */
    if (passthru && network->mac == MAC_POLICY_GENERATE)
        return port_error_set(error, PORT_ERROR_NETWORK_INVALID,
                              "Mac=generate cannot be used with Mode=passthru: use inherit (the "
                              "parent's) or assign (the parent takes the port's)");
    return TRUE;
}

/* Passthru has the parent to itself: no other device there could add the tags. */
static gboolean
check_guest_vlans(const Network *network, GError **error)
{
    VlanTags tags;

    if (network->guest_vlans[0] && network->mode == MACVTAP_MODE_PASSTHRU)
        return port_error_set(error, PORT_ERROR_NETWORK_INVALID,
                              "GuestVLANs= cannot be used with Mode=passthru, whose parent accepts "
                              "every tag (unless NoPromisc=yes)");
    network_guest_vlans(network, &tags);
    return vlan_tags_count(&tags) <= NETWORK_GUEST_VLANS_MAX ||
           port_error_set(error, PORT_ERROR_NETWORK_INVALID,
                          "GuestVLANs= has more than %d tags: make the parent promiscuous instead, "
                          "which accepts all tags (ip link set %s promisc on)",
                          NETWORK_GUEST_VLANS_MAX, network->parents[0]);
}

static gboolean
check_guard(const Network *network, GError **error)
{
    const GuardSettings *guard = &network->guard;

    if (guard->prefixes->len > 0 && guard->addresses == GUARD_ADDRESSES_ANY)
        return port_error_set(error, PORT_ERROR_NETWORK_INVALID,
                              "AllowAddresses= can only be used with Addresses=listed or "
                              "Addresses=dhcp: otherwise the guest may use any address");
    if (guard->prefixes->len > GUARD_PREFIXES_MAX)
        return port_error_set(error, PORT_ERROR_NETWORK_INVALID,
                              "AllowAddresses= has %u entries; a guard can have at most %d",
                              guard->prefixes->len, GUARD_PREFIXES_MAX);
    if (guard->allow & GUARD_ALLOW_NONE && guard->allow & GUARD_ALLOW_ALL)
        return port_error_set(error, PORT_ERROR_NETWORK_INVALID,
                              "Allow=none cannot be combined with other words");
    return TRUE;
}

/* The host's own frames reach a macvtap only where the kernel passes frames between macvlans. */
static const char *
why_no_host_access(MacvtapMode mode)
{
    switch (mode) {
    case MACVTAP_MODE_PASSTHRU:
        return "whose port has the parent to itself";
    case MACVTAP_MODE_SOURCE:
        return "whose ports get frames from the sources in their lists only";
    default:
        return "whose ports send all frames out to the switch, also those to the host";
    }
}

/* Routes lead to the MAC that a guest's addresses belong to, so no guest may use another. */
static gboolean
check_host(Network *network, GError **error)
{
    if (!network->host_access)
        return !network->host_interface ||
               port_error_set(error, PORT_ERROR_NETWORK_INVALID,
                              "Interface= can only be used with Access=yes");
    if (network->mode != MACVTAP_MODE_BRIDGE)
        return port_error_set(error, PORT_ERROR_NETWORK_INVALID,
                              "Access=yes needs Mode=bridge: it cannot work with Mode=%s, %s",
                              macvtap_mode_name(network->mode), why_no_host_access(network->mode));
    if (network->guard.senders == GUARD_SENDERS_ANY)
        return port_error_set(error, PORT_ERROR_NETWORK_INVALID,
                              "Access=yes needs Senders=own: with Senders=any a guest could take "
                              "another's traffic with the host");
    if (network->guard.verdict != GUARD_VERDICT_DROP)
        return port_error_set(error, PORT_ERROR_NETWORK_INVALID,
                              "Access=yes needs Verdict=drop: otherwise Senders=own only counts "
                              "frames from other MACs");
    if (network->host_interface && network->parents[1])
        return port_error_set(error, PORT_ERROR_NETWORK_INVALID,
                              "Interface= cannot be used with several parents, each of which has a "
                              "host link of its own");
    network->guard.senders = GUARD_SENDERS_OWN;
    return TRUE;
}

GuardPlace
network_guard_place(const Network *network, gboolean can_guard)
{
    return (GuardPlace){.is_passthru = network->mode == MACVTAP_MODE_PASSTHRU,
                        .has_guest_vlans = network->guest_vlans[0] != NULL,
                        .can_guard = can_guard};
}

void
network_resolve_guard(const Network *network, gboolean can_guard, GuardSettings *ret_settings)
{
    const GuardPlace place = network_guard_place(network, can_guard);

    /* network_finish() has checked that it does not have too many prefixes of its own. */
    if (!guard_resolve(&network->guard, NULL, &place, ret_settings, NULL))
        g_assert_not_reached();
}

gboolean
network_wants_guard(const Network *network)
{
    g_auto(GuardSettings) settings = {0};

    network_resolve_guard(network, TRUE, &settings);
    return guard_is_on(&settings);
}

gboolean
network_finish(Network *network, gboolean mac_policy_given, GError **error)
{
    if (!mac_policy_given && network->mode == MACVTAP_MODE_PASSTHRU)
        network->mac = MAC_POLICY_INHERIT;
    return check_parents(network, error) && check_sources(network, error) &&
           check_passthru(network, error) && check_guest_vlans(network, error) &&
           check_guard(network, error) && check_host(network, error) &&
           addresses_finish(&network->addresses, error);
}

static gboolean
adhoc_refuse(GError **error, const char *what, const char *text)
{
    g_autofree char *shown = g_strescape(text, NULL);

    return port_error_set(error, PORT_ERROR_INVALID_REQUEST,
                          "%s in the ad-hoc network '%.128s' (parent=IFNAME,mode=MODE[,vlan=N])",
                          what, shown);
}

/* Whether word is key=VALUE for this key; then *ret_value is VALUE (borrowed). */
static gboolean
adhoc_word_is(const char *word, const char *key, const char **ret_value)
{
    gsize length = strlen(key);

    if (strncmp(word, key, length) != 0 || word[length] != '=')
        return FALSE;
    *ret_value = word + length + 1;
    return TRUE;
}

static gboolean
adhoc_take_word(Network *network, const char *word, gboolean *has_mode, GError **error)
{
    g_autofree char *shown = g_strescape(word, NULL);
    g_autofree char *unknown = g_strdup_printf("unknown word '%.64s'", shown);
    const char *value;

    if (adhoc_word_is(word, "parent", &value)) {
        if (network->parents[0])
            return adhoc_refuse(error, "parent is given twice", network->name);
        g_strfreev(network->parents);
        network->parents = g_new0(char *, 2);
        network->parents[0] = g_strdup(value);
        return TRUE;
    }
    if (adhoc_word_is(word, "vlan", &value)) {
        if (network->vlan)
            return adhoc_refuse(error, "vlan is given twice", network->name);
        network->vlan = g_strdup(value);
        return TRUE;
    }
    if (!adhoc_word_is(word, "mode", &value))
        return adhoc_refuse(error, unknown, network->name);
    if (*has_mode)
        return adhoc_refuse(error, "mode is given twice", network->name);
    *has_mode = macvtap_mode_parse(value, &network->mode);
    return *has_mode || adhoc_refuse(error, unknown, network->name);
}

Network *
network_parse_adhoc(const char *text, GError **error)
{
    g_autoptr(Network) network = network_new(text);
    g_auto(GStrv) words = g_strsplit(text, ",", -1);
    g_autoptr(GError) reason = NULL;
    gboolean has_mode = FALSE;

    network->adhoc = TRUE;
    network->max_queues = NETWORK_QUEUES_MAX;
    /* Allow any MAC; the first range, from which MACs are generated, stays the default. */
    allow_macs(network, ADHOC_ALLOW_MACS);
    for (char **word = words; *word; word++) {
        if (!adhoc_take_word(network, *word, &has_mode, error))
            return NULL;
    }
    if (!network->parents[0] || !has_mode) {
        adhoc_refuse(error, has_mode ? "parent= is missing" : "mode= is missing", text);
        return NULL;
    }
    if (!network_finish(network, FALSE, &reason)) {
        adhoc_refuse(error, reason->message, text);
        return NULL;
    }
    return g_steal_pointer(&network);
}

gboolean
network_spec_check(const char *text, GError **error)
{
    g_autoptr(Network) adhoc = NULL;
    g_autofree char *shown = g_strescape(text, NULL);

    if (network_spec_is_adhoc(text)) {
        adhoc = network_parse_adhoc(text, error);
        return adhoc != NULL;
    }
    return network_name_is_valid(text) ||
           port_error_set(error, PORT_ERROR_INVALID_REQUEST, "'%.80s' cannot be a network's name",
                          shown);
}
