/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config-keys.h"

#include "port-error.h"

#include <string.h>

struct ConfigKey {
    const char *section;
    const char *name;
    gboolean (*set)(const ConfigKey *key, ConfigTarget *target, const char *value, GError **error);
    gsize offset;         /* numbers: where in Network, a guint32 */
    guint32 min, max;     /* numbers */
    const char *expected; /* what a value must be, for messages */
};

G_STATIC_ASSERT(sizeof(guint) == sizeof(guint32));

static gboolean
refuse(GError **error, const ConfigKey *key, const char *value)
{
    g_autofree char *shown = g_strescape(value, NULL);

    return port_error_set(error, PORT_ERROR_NETWORK_INVALID, "%s= '%.64s' is not %s", key->name,
                          shown, key->expected);
}

/* The words of value, which spaces and tabs separate; free with g_strfreev(). */
static GStrv
split_words(const char *value)
{
    g_auto(GStrv) parts = g_strsplit_set(value, " \t", -1);
    g_autoptr(GStrvBuilder) builder = g_strv_builder_new();

    for (char **part = parts; *part; part++) {
        if (**part)
            g_strv_builder_add(builder, *part);
    }
    return g_strv_builder_end(builder);
}

static gboolean
set_number(const ConfigKey *key, ConfigTarget *target, const char *value, GError **error)
{
    guint64 number;

    if (!g_ascii_string_to_unsigned(value, 10, key->min, key->max, &number, NULL)) {
        g_autofree char *shown = g_strescape(value, NULL);

        return port_error_set(error, PORT_ERROR_NETWORK_INVALID,
                              "%s= '%.64s' is not a number from %u to %u", key->name, shown,
                              key->min, key->max);
    }
    G_STRUCT_MEMBER(guint32, target->network, key->offset) = (guint32)number;
    return TRUE;
}

static gboolean
set_parent(const ConfigKey *key, ConfigTarget *target, const char *value, GError **error)
{
    g_strfreev(target->network->parents);
    target->network->parents = split_words(value);
    return TRUE;
}

static gboolean
set_vlan(const ConfigKey *key, ConfigTarget *target, const char *value, GError **error)
{
    if (!network_vlan_is_valid(value))
        return refuse(error, key, value);
    target->network->vlan = g_strdup(value);
    return TRUE;
}

static gboolean
set_mode(const ConfigKey *key, ConfigTarget *target, const char *value, GError **error)
{
    target->has_mode = macvtap_mode_parse(value, &target->network->mode);
    return target->has_mode || refuse(error, key, value);
}

static gboolean
set_nopromisc(const ConfigKey *key, ConfigTarget *target, const char *value, GError **error)
{
    static const char *const words[] = {"no", "yes", "false", "true", "0", "1", "off", "on"};

    for (guint i = 0; i < G_N_ELEMENTS(words); i++) {
        if (g_ascii_strcasecmp(value, words[i]) == 0) {
            target->network->nopromisc = i % 2;
            return TRUE;
        }
    }
    return refuse(error, key, value);
}

static gboolean
set_sources(const ConfigKey *key, ConfigTarget *target, const char *value, GError **error)
{
    g_auto(GStrv) words = split_words(value);

    for (char **word = words; *word; word++) {
        MacAddress mac;

        if (!mac_address_parse(*word, &mac))
            return refuse(error, key, *word);
        g_array_append_val(target->network->sources, mac);
    }
    return TRUE;
}

static gboolean
set_vhost(const ConfigKey *key, ConfigTarget *target, const char *value, GError **error)
{
    return vhost_policy_parse(value, &target->network->vhost) || refuse(error, key, value);
}

static gboolean
set_mac(const ConfigKey *key, ConfigTarget *target, const char *value, GError **error)
{
    target->has_mac = mac_policy_parse(value, &target->network->mac);
    return target->has_mac || refuse(error, key, value);
}

/* A range that the group bit makes useless would let nobody have a port. */
static gboolean
range_has_unicast(const MacRange *range)
{
    if (range->prefix_bits == 48 && mac_address_is_zero(&range->base))
        return FALSE;
    return range->prefix_bits < 8 || !mac_address_is_multicast(&range->base);
}

static gboolean
set_allow_macs(const ConfigKey *key, ConfigTarget *target, const char *value, GError **error)
{
    g_auto(GStrv) words = split_words(value);

    g_array_set_size(target->network->allow_macs, 0);
    for (char **word = words; *word; word++) {
        MacRange range;

        if (!mac_range_parse(*word, &range) || !range_has_unicast(&range))
            return refuse(error, key, *word);
        g_array_append_val(target->network->allow_macs, range);
    }
    return TRUE;
}

static gboolean
set_multicast(const ConfigKey *key, ConfigTarget *target, const char *value, GError **error)
{
    return multicast_policy_parse(value, &target->network->multicast) || refuse(error, key, value);
}

static gboolean
set_allow_users(const ConfigKey *key, ConfigTarget *target, const char *value, GError **error)
{
    g_auto(GStrv) words = split_words(value);

    for (char **word = words; *word; word++) {
        uid_t uid;

        if (!target->lookup->user(*word, &uid))
            return refuse(error, key, *word);
        g_array_append_val(target->network->allow_uids, uid);
    }
    return TRUE;
}

static gboolean
set_allow_groups(const ConfigKey *key, ConfigTarget *target, const char *value, GError **error)
{
    g_auto(GStrv) words = split_words(value);

    for (char **word = words; *word; word++) {
        gid_t gid;

        if (!target->lookup->group(*word, &gid))
            return refuse(error, key, *word);
        g_array_append_val(target->network->allow_gids, gid);
    }
    return TRUE;
}

static gboolean
set_seed(const ConfigKey *key, ConfigTarget *target, const char *value, GError **error)
{
    target->settings->seed = g_strdup(value);
    return TRUE;
}

#define NUMBER(section, name, member, min, max)                                                    \
    {                                                                                              \
        section, name, set_number, G_STRUCT_OFFSET(Network, member), min, max, NULL                \
    }

/* The three sections of a network file. MTU: Linux's ETH_MIN_MTU and ETH_MAX_MTU. */
static const ConfigKey network_keys[] = {
    {"Network", "Parent", set_parent},
    {"Network", "VLAN", set_vlan, .expected = "N or OUTER.INNER, each 1 to 4094"},
    {"Network", "Mode", set_mode, .expected = "bridge, vepa, private, passthru or source"},
    {"Network", "NoPromisc", set_nopromisc, .expected = "yes or no"},
    NUMBER("Network", "MTU", mtu, 68, 65535),
    {"Network", "Sources", set_sources, .expected = "a MAC address (as 52:54:00:12:34:56)"},
    NUMBER("Port", "MaxQueues", max_queues, 1, NETWORK_QUEUES_MAX),
    {"Port", "Vhost", set_vhost, .expected = "auto, require or off"},
    {"Port", "Mac", set_mac, .expected = "generate, any, inherit or assign"},
    {"Port", "AllowMacs", set_allow_macs,
     .expected = "a unicast MAC address or a range of them (as 52:54:00:00:00:00/24, with no bits "
                 "after the 24th)"},
    {"Port", "Multicast", set_multicast, .expected = "all or filter"},
    NUMBER("Port", "TxQueueLength", tx_queue_length, 1, 1000000),
    NUMBER("Port", "BroadcastQueueLength", broadcast_queue_length, 1, 1000000),
    {"Access", "AllowUsers", set_allow_users, .expected = "a user or uid of this system"},
    {"Access", "AllowGroups", set_allow_groups, .expected = "a group or gid of this system"},
    NUMBER("Access", "MaxPorts", max_ports, 0, G_MAXUINT32),
    NUMBER("Access", "MaxPortsPerUser", max_ports_per_user, 0, G_MAXUINT32),
    {NULL},
};
const ConfigKey *const config_network_keys = network_keys;

static const ConfigKey daemon_keys[] = {
    {"Daemon", "Seed", set_seed},
    {NULL},
};
const ConfigKey *const config_daemon_keys = daemon_keys;

gboolean
config_section_exists(const ConfigKey *keys, const char *section)
{
    for (; keys->section; keys++) {
        if (g_str_equal(keys->section, section))
            return TRUE;
    }
    return FALSE;
}

const ConfigKey *
config_key_find(const ConfigKey *keys, const char *section, const char *name)
{
    for (; keys->section; keys++) {
        if (g_str_equal(keys->section, section) && g_str_equal(keys->name, name))
            return keys;
    }
    return NULL;
}

gboolean
config_key_set(const ConfigKey *key, ConfigTarget *target, const char *value, GError **error)
{
    return key->set(key, target, value, error);
}
