/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The syntax of networks: names, policies, VLANs. */
#include "network.h"

#include "suggestion.h"

#include <string.h>

#define VLAN_ID_MAX 4094
#define LISTED_NETWORKS_MAX 8

static const char *const vhost_names[] = {
    [VHOST_POLICY_AUTO] = "auto",
    [VHOST_POLICY_REQUIRE] = "require",
    [VHOST_POLICY_OFF] = "off",
};
G_STATIC_ASSERT(G_N_ELEMENTS(vhost_names) == VHOST_POLICY_OFF + 1);

static const char *const mac_names[] = {
    [MAC_POLICY_GENERATE] = "generate",
    [MAC_POLICY_ANY] = "any",
    [MAC_POLICY_INHERIT] = "inherit",
    [MAC_POLICY_ASSIGN] = "assign",
};
G_STATIC_ASSERT(G_N_ELEMENTS(mac_names) == MAC_POLICY_ASSIGN + 1);

static const char *const multicast_names[] = {
    [MULTICAST_ALL] = "all",
    [MULTICAST_FILTER] = "filter",
};
G_STATIC_ASSERT(G_N_ELEMENTS(multicast_names) == MULTICAST_FILTER + 1);

const char *
vhost_policy_name(VhostPolicy policy)
{
    return vhost_names[policy];
}

const char *
mac_policy_name(MacPolicy policy)
{
    return mac_names[policy];
}

const char *
multicast_policy_name(MulticastPolicy policy)
{
    return multicast_names[policy];
}

gboolean
network_name_is_valid(const char *name)
{
    gsize length = strlen(name);

    if (length == 0 || length > NETWORK_NAME_MAX || name[0] == '.' || name[0] == '-')
        return FALSE;
    for (const char *c = name; *c; c++) {
        if (!g_ascii_isalnum(*c) && !strchr("-_.", *c))
            return FALSE;
    }
    return TRUE;
}

char *
network_unknown_text(const char *name, const char *const *known)
{
    guint n = known ? g_strv_length((char **)known) : 0, least = G_MAXUINT;
    const char *nearest = NULL;
    g_autofree char *list = NULL;

    for (guint i = 0; i < n; i++) {
        guint distance = suggestion_distance(name, known[i]);

        if (distance < least)
            nearest = known[i];
        least = MIN(least, distance);
    }
    if (nearest && suggestion_is_near(name, least))
        return g_strdup_printf("there is no network '%s'; did you mean %s?", name, nearest);
    if (n == 0 || n > LISTED_NETWORKS_MAX)
        return g_strdup_printf("there is no network '%s'%s", name,
                               n ? " (macvtapctl network list shows those that you may use)" : "");
    list = g_strjoinv(", ", (char **)known);
    return g_strdup_printf("there is no network '%s'; you may use %s", name, list);
}

gboolean
network_spec_is_adhoc(const char *text)
{
    return strchr(text, '=') != NULL;
}

/* A number without leading zeros: it becomes part of a device's name. */
static gboolean
vlan_id_is_valid(const char *text)
{
    guint64 id;

    return text[0] != '0' && g_ascii_string_to_unsigned(text, 10, 1, VLAN_ID_MAX, &id, NULL);
}

gboolean
network_vlan_is_valid(const char *text)
{
    g_auto(GStrv) ids = g_strsplit(text, ".", 3);
    guint n = g_strv_length(ids);

    return (n == 1 || n == 2) && vlan_id_is_valid(ids[0]) && (n == 1 || vlan_id_is_valid(ids[1]));
}

gboolean
vlan_tags_has(const VlanTags *tags, guint tag)
{
    return (tags->bits[tag / 64] >> tag % 64 & 1) != 0;
}

void
vlan_tags_set(VlanTags *tags, guint tag, gboolean on)
{
    const guint64 bit = G_GUINT64_CONSTANT(1) << tag % 64;

    if (on)
        tags->bits[tag / 64] |= bit;
    else
        tags->bits[tag / 64] &= ~bit;
}

gboolean
vlan_tags_are_none(const VlanTags *tags)
{
    for (guint i = 0; i < G_N_ELEMENTS(tags->bits); i++) {
        if (tags->bits[i])
            return FALSE;
    }
    return TRUE;
}

guint
vlan_tags_count(const VlanTags *tags)
{
    guint count = 0;

    for (guint i = 0; i < G_N_ELEMENTS(tags->bits); i++)
        count += (guint)__builtin_popcountll(tags->bits[i]);
    return count;
}

gboolean
vlan_tags_add(const char *text, VlanTags *tags)
{
    g_auto(GStrv) ends = g_strsplit(text, "-", 3);
    guint n = g_strv_length(ends), first, last;

    if (n < 1 || n > 2 || !vlan_id_is_valid(ends[0]) || !vlan_id_is_valid(ends[n - 1]))
        return FALSE;
    first = (guint)g_ascii_strtoull(ends[0], NULL, 10);
    last = (guint)g_ascii_strtoull(ends[n - 1], NULL, 10);
    for (guint tag = first; tags && tag <= last; tag++)
        vlan_tags_set(tags, tag, TRUE);
    return first <= last;
}

void
network_guest_vlans(const Network *network, VlanTags *ret_tags)
{
    *ret_tags = (VlanTags){{0}};
    for (char **word = network->guest_vlans; *word; word++)
        vlan_tags_add(*word, ret_tags);
}
