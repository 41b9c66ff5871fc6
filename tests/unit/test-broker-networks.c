/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A network's life: what a reload says has changed, and what is for new ports only. */
#include "broker-fixture.h"
#include "reload-fixture.h"

#include <net/if.h>

static void
test_changes_are_told(void **state)
{
    TestBroker *test = *state;
    Network *lan;

    expect_changes(reload_networks(test, define_network("lan", MACVTAP_MODE_BRIDGE), NULL), "");
    expect_changes(reload_networks(test, define_network("lan", MACVTAP_MODE_BRIDGE),
                                   define_network("dmz", MACVTAP_MODE_VEPA)),
                   "+dmz(0/0)");
    test_broker_create(test, 0, "lan", "p1");
    test_broker_create(test, 0, "lan", "p2");
    lan = define_network("lan", MACVTAP_MODE_BRIDGE);
    lan->vlan = g_strdup("100");
    lan->mtu = 1400;
    lan->max_queues = 4;
    g_array_append_val(lan->allow_uids, (uid_t){1000});
    expect_changes(reload_networks(test, lan, NULL),
                   "-dmz(0/0) lan:VLAN,MTU,MaxQueues,AllowUsers(2/2:VLAN)");
    /* That the ports are not of that VLAN is no news any more. */
    lan = define_network("lan", MACVTAP_MODE_BRIDGE);
    lan->vlan = g_strdup("100");
    expect_changes(reload_networks(test, lan, NULL), "lan:MTU,MaxQueues,AllowUsers(2/0)");
    expect_changes(reload_networks(test, NULL, NULL), "-lan(2/0)");
}

static void
test_unusable_networks(void **state)
{
    TestBroker *test = *state;

    test_broker_create(test, 0, "lan", "p1");
    expect_changes(reload_networks(test, network_new_broken("lan", "a typo"), NULL), "");
    assert_false(find_port(test, "p1")->network_removed);
    expect_outdated(test, "p1", "");
    expect_changes(reload_networks(test, define_network("lan", MACVTAP_MODE_BRIDGE), NULL),
                   "=lan(1/0)");
}

static void
test_removed_network(void **state)
{
    TestBroker *test = *state;
    g_autofree char *events = NULL;

    test_broker_create(test, 0, "lan", "p1");
    test_broker_create(test, 0, "parent=eth0,mode=bridge", "adhoc");
    test_settle();
    g_free(test_broker_take_events(test));
    reload_network(test, NULL);
    events = test_broker_take_events(test);
    assert_string_equal(events, "changed p1\n");
    assert_true(find_port(test, "p1")->network_removed);
    assert_false(find_port(test, "adhoc")->network_removed);
    test_broker_kill(test);
    test_broker_start(test);
    assert_true(find_port(test, "p1")->network_removed);
    assert_int_equal(find_port(test, "p1")->state, PORT_STATE_ACTIVE);
    reload_network(test, define_network("lan", MACVTAP_MODE_BRIDGE));
    assert_false(find_port(test, "p1")->network_removed);
}

static void
test_parent_and_vlan_are_for_new_ports(void **state)
{
    TestBroker *test = *state;
    Network *network = define_network("lan", MACVTAP_MODE_BRIDGE);

    test_broker_add_parent(test, "eth1");
    test_broker_create(test, 0, "lan", "p1");
    g_free(network->parents[0]);
    network->parents[0] = g_strdup("eth1");
    network->vlan = g_strdup("7");
    reload_network(test, network);
    expect_outdated(test, "p1", "Parent VLAN");
    test_broker_create(test, 0, "lan", "p2");
    expect_outdated(test, "p2", "");
    reload_network(test, define_network("lan", MACVTAP_MODE_BRIDGE));
    expect_outdated(test, "p1", "");
    expect_outdated(test, "p2", "Parent VLAN");
    network = define_network("lan", MACVTAP_MODE_BRIDGE);
    g_free(network->parents[0]);
    network->parents[0] = g_strdup("gone0");
    reload_network(test, network);
    expect_outdated(test, "p1", "");
    reload_network(test, define_network("lan", MACVTAP_MODE_BRIDGE));
    /* A start says the same. */
    test_broker_kill(test);
    test_broker_start(test);
    expect_outdated(test, "p2", "Parent VLAN");
}

/* A macvlan stands for what it lies on. */
static void
test_parent_by_another_name(void **state)
{
    TestBroker *test = *state;
    Network *network = define_network("lan", MACVTAP_MODE_BRIDGE);
    LinkInfo parent, macvlan = {.name = "shim", .kind = "macvlan", .flags = IFF_UP};

    test_broker_create(test, 0, "lan", "p1");
    assert_true(test_broker_find_link(test, "eth0", &parent));
    macvlan.is_macvlan = TRUE;
    macvlan.mode = MACVTAP_MODE_BRIDGE;
    macvlan.lower_index = parent.index;
    kernel_fake_add_link(test->kernel, &macvlan);
    g_free(network->parents[0]);
    network->parents[0] = g_strdup("shim");
    reload_network(test, network);
    expect_outdated(test, "p1", "");
}

/* A repair looks at all of a port. */
static void
repair_port(TestBroker *test, const char *name)
{
    LinkInfo device = link_named(test, find_port(test, name)->interface_name);

    device.mac.octets[5] ^= 1;
    kernel_fake_change_link(test->kernel, &device);
    test_settle();
}

/* Its name stays the same, its ifindex does not. */
static void
test_parent_that_is_made_again(void **state)
{
    TestBroker *test = *state;
    Network *network = define_network("lan", MACVTAP_MODE_BRIDGE);

    g_free(network->parents[0]);
    network->parents[0] = g_strdup("uplink");
    kernel_fake_add_altname(test->kernel, link_named(test, "eth0").index, "uplink");
    reload_network(test, network);
    test_broker_create(test, 0, "lan", "p1");
    repair_port(test, "p1");
    expect_outdated(test, "p1", "");
    kernel_fake_remove_link(test->kernel, link_named(test, "eth0").index);
    test_broker_add_parent(test, "eth0");
    kernel_fake_add_altname(test->kernel, link_named(test, "eth0").index, "uplink");
    test_broker_create(test, 0, "lan", "p2");
    repair_port(test, "p2");
    expect_outdated(test, "p2", "");
}

static void
expect_taken(TestBroker *test, const char *name, const char *text)
{
    g_auto(GStrv) lines = broker_taken_vlans(test->broker, test_broker_network(test, name));

    if (!text)
        assert_null(lines);
    else
        assert_non_null(strstr(lines[0], text));
    assert_true(!lines || !lines[1]);
}

static void
test_frames_that_another_network_takes(void **state)
{
    TestBroker *test = *state;
    Network *office = define_network("office", MACVTAP_MODE_BRIDGE);
    LinkInfo vlan = {.name = "eth0.7", .kind = "vlan", .flags = IFF_UP, .vlan_id = 7};
    LinkInfo shim = {.name = "shim", .kind = "macvlan", .is_macvlan = TRUE}, parent;
    Network *lan;

    office->vlan = g_strdup("100");
    g_ptr_array_unref(reload_networks(test, define_network("lan", MACVTAP_MODE_BRIDGE), office));
    expect_taken(test, "lan", "VLAN 100 on eth0 while network office");
    expect_taken(test, "office", NULL);
    /* On another parent it takes nothing. */
    test_broker_add_parent(test, "eth1");
    office = define_network("office", MACVTAP_MODE_BRIDGE);
    office->vlan = g_strdup("100");
    g_free(office->parents[0]);
    office->parents[0] = g_strdup("eth1");
    g_ptr_array_unref(reload_networks(test, define_network("lan", MACVTAP_MODE_BRIDGE), office));
    expect_taken(test, "lan", NULL);
    /* VLANs beside each other take nothing from each other. */
    office = define_network("office", MACVTAP_MODE_BRIDGE);
    office->vlan = g_strdup("100");
    lan = define_network("lan", MACVTAP_MODE_BRIDGE);
    lan->vlan = g_strdup("200");
    g_ptr_array_unref(reload_networks(test, lan, office));
    expect_taken(test, "lan", NULL);
    /* A VLAN device that was there is the same. */
    assert_true(test_broker_find_link(test, "eth0", &parent));
    vlan.lower_index = shim.lower_index = parent.index;
    kernel_fake_add_link(test->kernel, &vlan);
    kernel_fake_add_link(test->kernel, &shim);
    office = define_network("office", MACVTAP_MODE_BRIDGE);
    g_free(office->parents[0]);
    office->parents[0] = g_strdup("eth0.7");
    g_ptr_array_unref(reload_networks(test, define_network("lan", MACVTAP_MODE_BRIDGE), office));
    expect_taken(test, "lan", "VLAN 7 on eth0: eth0.7, a parent of network office");
    expect_taken(test, "office", NULL);
    /* It need not have been there when the networks were read. */
    kernel_fake_remove_link(test->kernel, link_named(test, "eth0.7").index);
    test_settle();
    expect_taken(test, "lan", NULL);
    kernel_fake_add_link(test->kernel, &vlan);
    test_settle();
    expect_taken(test, "lan", "VLAN 7 on eth0: eth0.7, a parent of network office");
    /* So is the parent by another name. */
    office = define_network("office", MACVTAP_MODE_BRIDGE);
    office->vlan = g_strdup("100");
    g_free(office->parents[0]);
    office->parents[0] = g_strdup("shim");
    g_ptr_array_unref(reload_networks(test, define_network("lan", MACVTAP_MODE_BRIDGE), office));
    expect_taken(test, "lan", "VLAN 100 on eth0 while network office");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        BROKER_TEST(test_changes_are_told),
        BROKER_TEST(test_unusable_networks),
        BROKER_TEST(test_removed_network),
        BROKER_TEST(test_parent_and_vlan_are_for_new_ports),
        BROKER_TEST(test_parent_by_another_name),
        BROKER_TEST(test_parent_that_is_made_again),
        BROKER_TEST(test_frames_that_another_network_takes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
