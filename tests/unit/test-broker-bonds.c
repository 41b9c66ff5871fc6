/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Parents that are a bond or lie on one, and those that carry no macvtap at all. */
#include "broker-fixture.h"

#include <net/if.h>

/* bond0 with the slaves eth1 and eth2, the first of them active, and the network "bonded" on it. */
static int
add_bond(TestBroker *test)
{
    LinkInfo bond = {.name = "bond0", .kind = "bond", .mtu = 1500, .flags = IFF_UP};
    LinkInfo slave;

    bond.mac = (MacAddress){{2, 0xb, 0, 0, 0, 0}};
    bond.index = kernel_fake_add_link(test->kernel, &bond);
    for (int i = 1; i <= 2; i++) {
        g_autofree char *name = g_strdup_printf("eth%d", i);

        test_broker_add_parent(test, name);
        assert_true(test_broker_find_link(test, name, &slave));
        slave.master_index = bond.index;
        g_strlcpy(slave.master_kind, "bond", sizeof(slave.master_kind));
        kernel_fake_change_link(test->kernel, &slave);
    }
    assert_true(test_broker_find_link(test, "eth1", &slave));
    assert_true(test_broker_find_link(test, "bond0", &bond));
    bond.active_slave_index = slave.index;
    kernel_fake_change_link(test->kernel, &bond);
    test->n_parents++;
    test_broker_add_network(test, "bonded", "bond0", MACVTAP_MODE_BRIDGE);
    test_broker_add_network(test, "tagged", "bond0", MACVTAP_MODE_BRIDGE)->vlan = g_strdup("100");
    test_settle();
    return bond.index;
}

static void
set_slave_up(TestBroker *test, const char *name, gboolean up)
{
    LinkInfo slave;

    assert_true(test_broker_find_link(test, name, &slave));
    slave.flags = up ? slave.flags | IFF_UP : slave.flags & ~(guint32)IFF_UP;
    slave.carrier = up;
    kernel_fake_change_link(test->kernel, &slave);
}

static void
test_failover_is_told_of_the_ports_above(void **state)
{
    TestBroker *test = *state;
    g_autofree char *none = NULL, *events = NULL;

    add_bond(test);
    assert_string_equal(test_broker_create(test, 0, "bonded", "p1")->active_slave, "eth1");
    assert_string_equal(test_broker_create(test, 0, "tagged", "p2")->active_slave, "eth1");
    assert_string_equal(test_broker_create(test, 0, "lan", "p3")->active_slave, "");
    test_settle();
    g_free(test_broker_take_events(test));
    set_slave_up(test, "eth1", FALSE);
    test_settle();
    assert_string_equal(find_port(test, "p1")->active_slave, "eth2");
    assert_string_equal(find_port(test, "p2")->active_slave, "eth2");
    events = test_broker_take_events(test);
    assert_non_null(strstr(events, "changed p1\n"));
    assert_non_null(strstr(events, "changed p2\n"));
    assert_null(strstr(events, "p3"));
    /* A slave that comes back is not taken into use again. */
    set_slave_up(test, "eth1", TRUE);
    test_settle();
    none = test_broker_take_events(test);
    assert_string_equal(none, "");
}

/* The kernel's messages were lost, or nobody ran to hear them. */
static void
test_failover_that_nobody_heard(void **state)
{
    TestBroker *test = *state;

    add_bond(test);
    test_broker_create(test, 0, "bonded", "p1");
    test_broker_create(test, 0, "tagged", "p2");
    test_broker_kill(test);
    set_slave_up(test, "eth1", FALSE);
    test_broker_start(test);
    assert_string_equal(find_port(test, "p1")->active_slave, "eth2");
    assert_string_equal(find_port(test, "p2")->active_slave, "eth2");
}

static void
test_bond_without_slaves_is_refused(void **state)
{
    TestBroker *test = *state;
    const Caller root = test_caller(0);
    const PortRequest request = {.network = (char *)"empty"};
    const LinkInfo bond = {.name = "bond9", .kind = "bond", .mtu = 1500, .flags = IFF_UP};
    int index = kernel_fake_add_link(test->kernel, &bond);
    LinkInfo slave;

    test_broker_add_network(test, "empty", "bond9", MACVTAP_MODE_BRIDGE);
    test_broker_refuse(test, &root, &request, PORT_ERROR_PARENT_UNUSABLE,
                       "bond bond9 has no slaves");
    /* One whose slaves have no carrier is as good as a NIC without carrier. */
    test_broker_add_parent(test, "eth1");
    assert_true(test_broker_find_link(test, "eth1", &slave));
    slave.carrier = FALSE;
    slave.master_index = index;
    g_strlcpy(slave.master_kind, "bond", sizeof(slave.master_kind));
    kernel_fake_change_link(test->kernel, &slave);
    assert_string_equal(test_broker_create(test, 0, "empty", "p1")->parent, "bond9");
}

static void
test_wireless_parent_is_refused(void **state)
{
    TestBroker *test = *state;
    const Caller root = test_caller(0);
    const PortRequest request = {.network = (char *)"air"};

    kernel_fake_set_wireless(test->kernel, test_broker_add_parent(test, "wlan0"));
    test_broker_add_network(test, "air", "wlan0", MACVTAP_MODE_BRIDGE);
    test_broker_refuse(test, &root, &request, PORT_ERROR_PARENT_UNUSABLE,
                       "wlan0 is a Wi-Fi interface");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        BROKER_TEST(test_failover_is_told_of_the_ports_above),
        BROKER_TEST(test_failover_that_nobody_heard),
        BROKER_TEST(test_bond_without_slaves_is_refused),
        BROKER_TEST(test_wireless_parent_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
