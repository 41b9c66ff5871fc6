/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include "network-change.h"
#include "network.h"
#include "port-error.h"

/* A network that network_finish() takes as it is. */
static Network *
good_network(MacvtapMode mode)
{
    static const char *const parents[] = {"eth0", NULL};
    Network *network = network_new("lan");

    g_strfreev(network->parents);
    network->parents = g_strdupv((GStrv)parents);
    network->mode = mode;
    return network;
}

static void
set_parents(Network *network, const char *words)
{
    g_strfreev(network->parents);
    network->parents = g_strsplit(words, ",", -1);
}

static void
add_mac(GArray *array, const char *text)
{
    MacAddress mac;

    assert_true(mac_address_parse(text, &mac));
    g_array_append_val(array, mac);
}

static void
assert_finish_fails(Network *network, gboolean mac_given, const char *text)
{
    GError *error = NULL;

    assert_false(network_finish(network, mac_given, &error));
    assert_error_cleared(&error, PORT_ERROR, PORT_ERROR_NETWORK_INVALID, text);
}

static void
test_defaults(void **state)
{
    g_autoptr(Network) network = network_new("lan");
    g_autofree char *range = NULL;

    assert_string_equal(network->name, "lan");
    assert_null(network->problem);
    assert_false(network->adhoc);
    assert_int_equal(g_strv_length(network->parents), 0);
    assert_int_equal(network->max_queues, 8);
    assert_int_equal(network->vhost, VHOST_POLICY_AUTO);
    assert_int_equal(network->mac, MAC_POLICY_GENERATE);
    assert_int_equal(network->multicast, MULTICAST_ALL);
    assert_int_equal(network->allow_macs->len, 1);
    range = mac_range_format(&g_array_index(network->allow_macs, MacRange, 0));
    assert_string_equal(range, "52:54:00:00:00:00/24");
    assert_int_equal(network->allow_uids->len + network->allow_gids->len, 0);
    assert_int_equal(network->max_ports + network->max_ports_per_user + network->mtu, 0);
    assert_false(network->nopromisc);
}

static void
test_references(void **state)
{
    Network *network = network_new("lan");
    Network *again = network_ref(network);

    assert_ptr_equal(network, again);
    network_unref(network);
    assert_string_equal(again->name, "lan");
    network_unref(again);
    network_unref(NULL);
}

static void
test_broken_says_why(void **state)
{
    g_autoptr(Network) network = network_new_broken("lan", "lan.network:1: bad");

    assert_string_equal(network->name, "lan");
    assert_string_equal(network->problem, "lan.network:1: bad");
    assert_int_equal(network->allow_uids->len, 0);
}

static void
test_names(void **state)
{
    g_autofree char *longest = g_strnfill(NETWORK_NAME_MAX, 'a');
    g_autofree char *longer = g_strnfill(NETWORK_NAME_MAX + 1, 'a');
    static const char *const good[] = {"a", "lan", "Lan-1_x.y", "0", "_", "a..b"};
    static const char *const bad[] = {"",    ".",   "..",  ".lan",     "-lan", "a/b",  "a b",
                                      "a=b", "a,b", "a\n", "\xc3\xa9", "a:b",  "a\\b", "a\x7f"};

    assert_true(network_name_is_valid(longest));
    assert_false(network_name_is_valid(longer));
    for (guint i = 0; i < G_N_ELEMENTS(good); i++)
        assert_true(network_name_is_valid(good[i]));
    for (guint i = 0; i < G_N_ELEMENTS(bad); i++)
        assert_false(network_name_is_valid(bad[i]));
}

static void
test_policy_names(void **state)
{
    static const char *const vhosts[] = {"auto", "require", "off"};
    static const char *const macs[] = {"generate", "any", "inherit", "assign"};
    static const char *const multicasts[] = {"all", "filter"};

    for (guint i = 0; i < G_N_ELEMENTS(vhosts); i++)
        assert_string_equal(vhost_policy_name((VhostPolicy)i), vhosts[i]);
    for (guint i = 0; i < G_N_ELEMENTS(macs); i++)
        assert_string_equal(mac_policy_name((MacPolicy)i), macs[i]);
    for (guint i = 0; i < G_N_ELEMENTS(multicasts); i++)
        assert_string_equal(multicast_policy_name((MulticastPolicy)i), multicasts[i]);
}

static void
test_vlans(void **state)
{
    static const char *const good[] = {"1", "100", "4094", "200.100", "1.4094"};
    static const char *const bad[] = {"",   "0",      "4095",  "-1",   "+1",  "01",
                                      "1.", ".1",     "1.2.3", "1.0",  "1,2", "1 ",
                                      "a",  "4095.1", "1.01",  "1..2", "0x10"};

    for (guint i = 0; i < G_N_ELEMENTS(good); i++)
        assert_true(network_vlan_is_valid(good[i]));
    for (guint i = 0; i < G_N_ELEMENTS(bad); i++)
        assert_false(network_vlan_is_valid(bad[i]));
}

static void
test_what_of_the_guard_is_in_force(void **state)
{
    g_autoptr(Network) network = good_network(MACVTAP_MODE_BRIDGE);
    g_autoptr(Network) passthru = good_network(MACVTAP_MODE_PASSTHRU);
    GuardSettings settings;

    network_resolve_guard(network, TRUE, &settings);
    assert_int_equal(settings.senders, GUARD_SENDERS_OWN);
    assert_int_equal(settings.allow, 0);
    assert_true(network_wants_guard(network));
    network_resolve_guard(network, FALSE, &settings);
    assert_int_equal(settings.senders, GUARD_SENDERS_ANY);
    network_resolve_guard(passthru, TRUE, &settings);
    assert_int_equal(settings.senders, GUARD_SENDERS_ANY);
    assert_false(network_wants_guard(passthru));
    g_strfreev(network->guest_vlans);
    network->guest_vlans = g_strsplit("100", " ", -1);
    network_resolve_guard(network, TRUE, &settings);
    assert_int_equal(settings.allow, GUARD_ALLOW_VLAN);
}

/* What network_list_changes() finds between these; "" when nothing. Free with g_free(). */
static char *
changed_keys(Network *before, Network *after)
{
    g_autoptr(GHashTable) old = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(GHashTable) new = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(GPtrArray) changes = NULL;

    g_hash_table_insert(old, before->name, before);
    g_hash_table_insert(new, after->name, after);
    changes = network_list_changes(old, new);
    return changes->len == 0
               ? g_strdup("")
               : g_strjoinv(" ", ((NetworkChange *)g_ptr_array_index(changes, 0))->keys);
}

static void
test_changes_name_the_keys_of_a_group(void **state)
{
    g_autoptr(Network) before = good_network(MACVTAP_MODE_BRIDGE);
    g_autoptr(Network) after = good_network(MACVTAP_MODE_BRIDGE);
    const IpPrefix prefix = {.prefix_bits = 8};
    g_autofree char *none = changed_keys(before, after), *text = NULL;

    assert_string_equal(none, "");
    after->guard.senders = GUARD_SENDERS_OWN;
    after->guard.allow = GUARD_ALLOW_STP;
    g_array_append_val(after->guard.prefixes, prefix);
    after->max_ports = 7;
    text = changed_keys(before, after);
    assert_string_equal(text, "Senders AllowAddresses Allow MaxPorts");
}

static void
test_finish_takes_every_mode(void **state)
{
    for (MacvtapMode mode = 0; mode < MACVTAP_MODE_COUNT; mode++) {
        g_autoptr(Network) network = good_network(mode);
        g_autoptr(GError) error = NULL;

        assert_true(network_finish(network, FALSE, &error));
        assert_no_error(error);
        assert_int_equal(network->mac,
                         mode == MACVTAP_MODE_PASSTHRU ? MAC_POLICY_INHERIT : MAC_POLICY_GENERATE);
    }
}

static void
test_finish_checks_parents(void **state)
{
    g_autoptr(Network) network = good_network(MACVTAP_MODE_BRIDGE);
    g_autofree char *long_name = g_strnfill(128, 'n');

    set_parents(network, "eth0,eth1,bond0");
    assert_true(network_finish(network, FALSE, NULL));
    set_parents(network, "eth0,eth1,eth0");
    assert_finish_fails(network, FALSE, "Parent= has 'eth0' twice");
    set_parents(network, "eth0,eth/1");
    assert_finish_fails(network, FALSE, "Parent= 'eth/1' cannot be an interface name");
    set_parents(network, "1234567890123456");
    assert_true(network_finish(network, FALSE, NULL));
    set_parents(network, long_name);
    assert_finish_fails(network, FALSE, "longer than 127");
    set_parents(network, "");
    assert_finish_fails(network, FALSE, "Parent= is missing");
}

static void
test_finish_checks_the_vlan(void **state)
{
    g_autoptr(Network) network = good_network(MACVTAP_MODE_BRIDGE);

    network->vlan = g_strdup("200.100");
    assert_true(network_finish(network, FALSE, NULL));
    g_free(network->vlan);
    network->vlan = g_strdup("5000");
    assert_finish_fails(network, FALSE, "VLAN= '5000' is not");
}

static void
test_finish_keeps_sources_to_source_mode(void **state)
{
    g_autoptr(Network) network = good_network(MACVTAP_MODE_SOURCE);

    add_mac(network->sources, "52:54:00:00:00:01");
    assert_true(network_finish(network, FALSE, NULL));
    network->mode = MACVTAP_MODE_VEPA;
    assert_finish_fails(network, FALSE,
                        "Sources= can only be used with Mode=source, not with Mode=vepa");
    network->mode = MACVTAP_MODE_SOURCE;
    add_mac(network->sources, "01:00:5e:00:00:01");
    assert_finish_fails(network, FALSE, "Sources= 01:00:5e:00:00:01 is not a unicast address");
}

static void
test_finish_keeps_passthru_to_itself(void **state)
{
    g_autoptr(Network) network = good_network(MACVTAP_MODE_BRIDGE);

    network->mac = MAC_POLICY_INHERIT;
    assert_finish_fails(network, TRUE, "Mac=inherit can only be used with Mode=passthru");
    network->mac = MAC_POLICY_ASSIGN;
    assert_finish_fails(network, TRUE, "Mac=assign can only be used with Mode=passthru");
    network->mac = MAC_POLICY_ANY;
    assert_true(network_finish(network, TRUE, NULL));
    network->nopromisc = TRUE;
    assert_finish_fails(network, TRUE, "NoPromisc= can only be used with Mode=passthru");
    network->mode = MACVTAP_MODE_PASSTHRU;
    assert_true(network_finish(network, TRUE, NULL));
    assert_int_equal(network->mac, MAC_POLICY_ANY);
    network->mac = MAC_POLICY_ASSIGN;
    assert_true(network_finish(network, TRUE, NULL));
    assert_int_equal(network->mac, MAC_POLICY_ASSIGN);
    network->mac = MAC_POLICY_GENERATE;
    assert_finish_fails(network, TRUE,
                        "Mac=generate cannot be used with Mode=passthru: use inherit");
    network->mac = MAC_POLICY_INHERIT;
    g_strfreev(network->guest_vlans);
    network->guest_vlans = g_strsplit("100", " ", -1);
    assert_finish_fails(network, TRUE, "GuestVLANs= cannot be used with Mode=passthru");
}

static void
test_adhoc(void **state)
{
    g_autoptr(Network) network =
        network_parse_adhoc("mode=passthru,vlan=200.100,parent=bond0", NULL);
    g_autofree char *range = NULL, *second = NULL;

    assert_non_null(network);
    assert_string_equal(network->name, "mode=passthru,vlan=200.100,parent=bond0");
    assert_true(network->adhoc);
    assert_int_equal(g_strv_length(network->parents), 1);
    assert_string_equal(network->parents[0], "bond0");
    assert_string_equal(network->vlan, "200.100");
    assert_int_equal(network->mode, MACVTAP_MODE_PASSTHRU);
    assert_int_equal(network->mac, MAC_POLICY_INHERIT);
    assert_int_equal(network->max_queues, NETWORK_QUEUES_MAX);
    range = mac_range_format(&g_array_index(network->allow_macs, MacRange, 0));
    second = mac_range_format(&g_array_index(network->allow_macs, MacRange, 1));
    assert_int_equal(network->allow_macs->len, 2);
    assert_string_equal(range, "52:54:00:00:00:00/24");
    assert_string_equal(second, "00:00:00:00:00:00/0");
    assert_true(network_spec_is_adhoc("parent=eth0"));
    assert_false(network_spec_is_adhoc("lan"));
}

static void
test_adhoc_refusals_name_the_word(void **state)
{
    static const struct {
        const char *text;
        const char *message;
    } bad[] = {
        {"parent=eth0", "mode= is missing"},
        {"mode=bridge", "parent= is missing"},
        {"parent=eth0,mode=bridg", "unknown word 'mode=bridg'"},
        {"parent=eth0,mode=", "unknown word 'mode='"},
        {"parent=eth0,mode=bridge,mtu=9000", "unknown word 'mtu=9000'"},
        {"parent=eth0,mode=bridge,", "unknown word ''"},
        {"parents=eth0,mode=bridge", "unknown word 'parents=eth0'"},
        {"Parent=eth0,mode=bridge", "unknown word 'Parent=eth0'"},
        {"parent=eth0,parent=eth1,mode=bridge", "parent is given twice"},
        {"parent=eth0,mode=bridge,mode=vepa", "mode is given twice"},
        {"parent=eth0,mode=bridge,vlan=1,vlan=2", "vlan is given twice"},
        {"parent=eth0,mode=bridge,vlan=0", "VLAN= '0' is not"},
        {"parent=,mode=bridge", "cannot be an interface name"},
        {"parent=a b,mode=bridge", "'a b' cannot be an interface name"},
        {"parent=eth0;p1,mode=bridge", "'eth0;p1' cannot be an interface name"},
        {"parent=-x,mode=bridge", "'-x' cannot be an interface name: it begins with '-'"},
        {"=", "unknown word '='"},
    };

    for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
        GError *error = NULL;

        assert_null(network_parse_adhoc(bad[i].text, &error));
        assert_error_cleared(&error, PORT_ERROR, PORT_ERROR_INVALID_REQUEST, bad[i].message);
    }
}

static void
test_unknown_names_what_is_meant(void **state)
{
    static const char *const known[] = {"dmz", "lan", "office", NULL};
    static const char *const many[] = {"n1", "n2", "n3", "n4", "n5", "n6", "n7", "n8", "n9", NULL};
    static const struct {
        const char *name;
        const char *const *known;
        const char *text;
    } cases[] = {
        {"lna", known, "there is no network 'lna'; did you mean lan?"},
        {"Office", known, "there is no network 'Office'; did you mean office?"},
        {"x", known, "there is no network 'x'; you may use dmz, lan, office"},
        {"lan", NULL, "there is no network 'lan'"},
        {"lan", known + 3, "there is no network 'lan'"},
        {"other", many,
         "there is no network 'other' (macvtapctl network list shows those that you may use)"},
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text = network_unknown_text(cases[i].name, cases[i].known);

        assert_string_equal(text, cases[i].text);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_references),
        cmocka_unit_test(test_broken_says_why),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_policy_names),
        cmocka_unit_test(test_vlans),
        cmocka_unit_test(test_what_of_the_guard_is_in_force),
        cmocka_unit_test(test_changes_name_the_keys_of_a_group),
        cmocka_unit_test(test_finish_takes_every_mode),
        cmocka_unit_test(test_finish_checks_parents),
        cmocka_unit_test(test_finish_checks_the_vlan),
        cmocka_unit_test(test_finish_keeps_sources_to_source_mode),
        cmocka_unit_test(test_finish_keeps_passthru_to_itself),
        cmocka_unit_test(test_unknown_names_what_is_meant),
        cmocka_unit_test(test_adhoc),
        cmocka_unit_test(test_adhoc_refusals_name_the_word),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
