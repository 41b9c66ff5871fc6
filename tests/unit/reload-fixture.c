/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reload-fixture.h"

#include "broker-fixture.h"

Network *
define_network(const char *name, MacvtapMode mode)
{
    Network *network = network_new(name);

    g_strfreev(network->parents);
    network->parents = g_strsplit("eth0", ",", -1);
    network->mode = mode;
    if (mode == MACVTAP_MODE_PASSTHRU)
        network->mac = MAC_POLICY_INHERIT;
    return network;
}

GPtrArray *
reload_networks(TestBroker *test, Network *first, Network *second)
{
    GHashTable *table =
        g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify)network_unref);
    Network *networks[] = {first, second};
    GPtrArray *changes;

    g_ptr_array_set_size(test->networks, 0);
    for (guint i = 0; i < G_N_ELEMENTS(networks); i++) {
        if (!networks[i])
            continue;
        g_ptr_array_add(test->networks, network_ref(networks[i]));
        g_hash_table_insert(table, networks[i]->name, networks[i]);
    }
    test_settle();
    changes = broker_reload_networks(test->broker, table);
    test_settle();
    return changes;
}

void
reload_network(TestBroker *test, Network *network)
{
    g_ptr_array_unref(reload_networks(test, network, NULL));
}

void
expect_outdated(TestBroker *test, const char *name, const char *keys)
{
    const Port *port = find_port(test, name);
    g_autofree char *outdated = port->outdated ? g_strjoinv(" ", port->outdated) : g_strdup("");

    assert_string_equal(outdated, keys);
}

void
expect_changes(GPtrArray *changes, const char *wanted)
{
    g_autoptr(GString) text = g_string_new(NULL);

    for (guint i = 0; i < changes->len; i++) {
        const NetworkChange *change = changes->pdata[i];
        g_autofree char *keys = change->keys ? g_strjoinv(",", change->keys) : NULL;

        g_string_append_printf(text, "%s%s%s%s%s(%u/%u", i > 0 ? " " : "",
                               change->fate == NETWORK_ADDED     ? "+"
                               : change->fate == NETWORK_USABLE  ? "="
                               : change->fate == NETWORK_REMOVED ? "-"
                                                                 : "",
                               change->network, keys ? ":" : "", keys ? keys : "", change->n_ports,
                               change->n_outdated);
        for (guint j = 0; j < change->outdated->len; j++)
            g_string_append_printf(text, "%c%s", j == 0 ? ':' : ',',
                                   (const char *)change->outdated->pdata[j]);
        g_string_append_c(text, ')');
    }
    assert_string_equal(text->str, wanted);
    g_ptr_array_unref(changes);
}
