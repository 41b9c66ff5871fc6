/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "network-change.h"

#include "field.h"

#include <string.h>

static void
network_change_free(gpointer data)
{
    NetworkChange *change = data;

    g_free(change->network);
    g_strfreev(change->keys);
    g_ptr_array_unref(change->outdated);
    g_free(change);
}

static void
add_changed_keys(const Field *fields, const Network *before, const Network *after,
                 GStrvBuilder *keys)
{
    for (; fields->name; fields++) {
        if (fields->members)
            add_changed_keys(fields->members, before, after, keys);
        else if (fields->key && !field_is_equal(fields, before, after))
            g_strv_builder_add(keys, fields->key);
    }
}

/* The keys whose values differ between these networks, both usable. */
static GStrv
network_list_changed_keys(const Network *before, const Network *after)
{
    g_autoptr(GStrvBuilder) keys = g_strv_builder_new();

    add_changed_keys(network_fields, before, after, keys);
    return g_strv_builder_end(keys);
}

static void
add_change(GPtrArray *changes, const char *network, NetworkFate fate, GStrv keys)
{
    NetworkChange *change = g_new0(NetworkChange, 1);

    change->network = g_strdup(network);
    change->fate = fate;
    change->keys = keys;
    change->outdated = g_ptr_array_new_with_free_func(g_free);
    g_ptr_array_add(changes, change);
}

/* before: NULL if the network is new. */
static void
compare_network(GPtrArray *changes, const Network *before, const Network *after)
{
    g_auto(GStrv) keys = NULL;

    if (after->problem)
        return;
    if (!before || before->problem) {
        add_change(changes, after->name, before ? NETWORK_USABLE : NETWORK_ADDED, NULL);
        return;
    }
    keys = network_list_changed_keys(before, after);
    if (keys[0])
        add_change(changes, after->name, NETWORK_CHANGED, g_steal_pointer(&keys));
}

static gint
compare_changes(gconstpointer a, gconstpointer b)
{
    return strcmp((*(const NetworkChange *const *)a)->network,
                  (*(const NetworkChange *const *)b)->network);
}

GPtrArray *
network_list_changes(GHashTable *before, GHashTable *after)
{
    GPtrArray *changes = g_ptr_array_new_with_free_func(network_change_free);
    GHashTableIter iter;
    gpointer name, value;

    g_hash_table_iter_init(&iter, after);
    while (g_hash_table_iter_next(&iter, &name, &value))
        compare_network(changes, g_hash_table_lookup(before, name), value);
    g_hash_table_iter_init(&iter, before);
    while (g_hash_table_iter_next(&iter, &name, NULL)) {
        if (!g_hash_table_contains(after, name))
            add_change(changes, name, NETWORK_REMOVED, NULL);
    }
    g_ptr_array_sort(changes, compare_changes);
    return changes;
}
