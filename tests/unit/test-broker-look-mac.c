/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A port's MAC is compared with what it must be, and repaired; passthru's is its parent's too. */
#include "broker-fixture.h"

#include <net/if.h>

static int
create_inherit(TestBroker *test, const Port **ret_port)
{
    int parent = test_broker_add_parent(test, "eth1");

    test_broker_add_network(test, "pass", "eth1", MACVTAP_MODE_PASSTHRU);
    *ret_port = test_broker_create(test, 0, "pass", "web");
    test_settle();
    return parent;
}

/* A parent that takes every MAC and keeps its own, as a bond with fail_over_mac=active (F1). */
static void
test_parent_that_keeps_its_mac(void **state)
{
    TestBroker *test = *state;
    const Port *port;
    int parent = create_inherit(test, &port);
    MacAddress mac = port->mac;

    kernel_fake_keep_mac(test->kernel, parent);
    g_string_truncate(said, 0);
    set_link_mac(test, parent, 1);
    assert_in_range(kernel_fake_mac_calls(test->kernel), 2, 20);
    assert_non_null(strstr(port->problem, "its parent eth1 keeps 02:ad:00:00:00:01"));
    assert_int_equal(count_said("port web"), 1);
    assert_int_equal(port->mac_changes, 1);
    /* Another failover begins anew, and what is right again is right. */
    set_link_mac(test, parent, 2);
    assert_non_null(strstr(port->problem, "its parent eth1 keeps 02:ad:00:00:00:02"));
    assert_in_range(kernel_fake_mac_calls(test->kernel), 7, 20);
    {
        LinkInfo link = link_at(test, parent);

        link.mac = mac;
        kernel_fake_change_link(test->kernel, &link);
        test_settle();
    }
    assert_null(port->problem);
    assert_int_equal(count_said("port web"), 2);
}

/* The guest's side is put back as ever; an administrator's change of the parent is told as that. */
static void
test_mac_of_an_inheriting_port(void **state)
{
    TestBroker *test = *state;
    const MacAddress other = {{0x02, 0xad, 0, 0, 0, 9}};
    const Port *port;
    int parent = create_inherit(test, &port);
    MacAddress mac = port->mac, now;

    test->kernel->ops->link_set_mac(test->kernel, port->interface_index, &other, NULL);
    test_settle();
    now = link_at(test, parent).mac;
    assert_memory_equal(&now, &mac, sizeof(mac));
    assert_int_equal(count_said("its MAC was changed to 02:ad:00:00:00:09, which network pass"), 1);
    assert_int_equal(count_said("the MAC of its parent"), 0);
    set_link_mac(test, parent, 1);
    now = link_at(test, parent).mac;
    assert_memory_equal(&now, &mac, sizeof(mac));
    assert_int_equal(
        count_said(
            "the MAC of its parent eth1 was changed to 02:ad:00:00:00:01, and was restored to"
            " 02:00:00:00:00:02: "),
        1);
    assert_int_equal(count_said("port web"), 2);
}

/* An event of the device that tells of its carrier, too, says nothing of who changed its MAC. */
static void
test_mac_of_a_parent_with_a_late_event(void **state)
{
    TestBroker *test = *state;
    const Port *port;
    int parent = create_inherit(test, &port);
    LinkInfo device, link = link_at(test, parent);

    device = link_at(test, port->interface_index);
    kernel_fake_change_link(test->kernel, &device);
    test_settle();
    link.mac.octets[5] ^= 0x80;
    kernel_fake_change_link(test->kernel, &link);
    device = link_at(test, port->interface_index);
    device.operational_state ^= 1;
    kernel_fake_change_link(test->kernel, &device);
    test_settle();
    assert_int_equal(count_said("the MAC of its parent eth1 was changed"), 1);
    assert_int_equal(count_said("its MAC was changed"), 0);
}

static void
test_mac_of_an_assigned_port(void **state)
{
    TestBroker *test = *state;
    int parent = test_broker_add_parent(test, "eth1");
    const Port *port;

    test_broker_add_network(test, "pass", "eth1", MACVTAP_MODE_PASSTHRU)->mac = MAC_POLICY_ASSIGN;
    port = test_broker_create(test, 0, "pass", "web");
    test_settle();
    set_link_mac(test, parent, 1);
    assert_int_equal(port->mac.octets[5], 1);
    assert_int_equal(port->mac.octets[1], 0xad);
    assert_int_equal(count_said("port web: the MAC of its parent eth1 was changed from"), 1);
}

/* A repair that has an effect is made again each time that others undo it, more and more slowly. */
static void
test_repair_that_others_undo(void **state)
{
    TestBroker *test = *state;
    const Port *port = test_broker_create(test, 0, "lan", "web");
    MacAddress mac = port->mac;

    /* It would have to last an hour. */
    test->repair_delays[4] = 3600 * 1000;
    test_settle();
    for (guint8 i = 1; i <= 30; i++) {
        MacAddress now;

        set_link_mac(test, port->interface_index, i);
        now = link_at(test, port->interface_index).mac;
        assert_memory_equal(&now, &mac, sizeof(mac));
        assert_int_equal(port->mac_changes, i);
    }
    assert_null(port->problem);
    /* From the second time on it waits. */
    test->repair_delays[1] = test->repair_delays[2] = 3600 * 1000;
    set_link_mac(test, port->interface_index, 40);
    assert_int_equal(link_at(test, port->interface_index).mac.octets[5], 40);
}

static const KernelOps *real_ops;
static guint n_undone;

/* The guest is quicker than our look at what became of the repair. */
static gboolean
set_mac_and_undo(Kernel *kernel, int index, const MacAddress *mac, GError **error)
{
    const MacAddress other = {{0x02, 0xad, 0, 0, 0, 7}};

    return real_ops->link_set_mac(kernel, index, mac, error) &&
           (n_undone++ > 0 || real_ops->link_set_mac(kernel, index, &other, error));
}

static void
test_repair_undone_before_it_is_seen(void **state)
{
    TestBroker *test = *state;
    const Port *port = test_broker_create(test, 0, "lan", "web");
    KernelOps ops = *test->kernel->ops;
    MacAddress now;

    expect_events(test, "created web\n");
    real_ops = test->kernel->ops;
    n_undone = 0;
    ops.link_set_mac = set_mac_and_undo;
    test->repair_delays[4] = 3600 * 1000;
    test->kernel->ops = &ops;
    set_link_mac(test, port->interface_index, 1);
    test->kernel->ops = real_ops;
    now = link_at(test, port->interface_index).mac;
    assert_memory_equal(&now, &port->mac, sizeof(now));
    assert_int_equal(port->mac_changes, 2);
    assert_null(port->problem);
    expect_events(test, "changed web\nchanged web\n");
}

/* Its MAC is another's: it is given up on, and comes back as soon as that one has gone. */
static void
test_blocked_mac(void **state)
{
    TestBroker *test = *state;
    const Port *port = test_broker_create(test, 0, "lan", "web");
    LinkInfo thief = {.name = "thief", .kind = "macvlan", .is_macvlan = TRUE, .flags = IFF_UP};
    MacAddress now;
    int index;

    test_settle();
    kernel_fake_fail(test->kernel, "link_set_mac", 1, EIO);
    thief.mac = port->mac;
    thief.lower_index = port->parent_index;
    index = kernel_fake_add_link(test->kernel, &thief);
    set_link_mac(test, port->interface_index, 1);
    assert_non_null(strstr(port->problem, "could not be restored, it is 02:ad:00:00:00:01"));
    assert_int_equal(count_said("could not be restored"), 1);
    kernel_fake_remove_link(test->kernel, index);
    test_settle();
    assert_null(port->problem);
    now = link_at(test, port->interface_index).mac;
    assert_memory_equal(&now, &port->mac, sizeof(now));
}

/* The same, and the event that the other one has gone is lost. */
static void
test_blocked_mac_after_lost_events(void **state)
{
    TestBroker *test = *state;
    LinkInfo thief = {.name = "thief", .kind = "macvlan", .is_macvlan = TRUE, .flags = IFF_UP};
    const Port *port;
    MacAddress now;
    int index;

    restart_without_events(test);
    port = test_broker_create(test, 0, "lan", "web");
    test_settle();
    kernel_fake_fail(test->kernel, "link_set_mac", 1, EIO);
    thief.mac = port->mac;
    thief.lower_index = port->parent_index;
    index = kernel_fake_add_link(test->kernel, &thief);
    set_link_mac(test, port->interface_index, 1);
    lose_events();
    test_settle();
    assert_non_null(strstr(port->problem, "could not be restored, it is 02:ad:00:00:00:01"));
    kernel_fake_remove_link(test->kernel, index);
    lose_events();
    test_settle();
    assert_null(port->problem);
    now = link_at(test, port->interface_index).mac;
    assert_memory_equal(&now, &port->mac, sizeof(now));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        BROKER_TEST_SAID(test_parent_that_keeps_its_mac),
        BROKER_TEST_SAID(test_mac_of_an_inheriting_port),
        BROKER_TEST_SAID(test_mac_of_a_parent_with_a_late_event),
        BROKER_TEST_SAID(test_mac_of_an_assigned_port),
        BROKER_TEST_SAID(test_repair_that_others_undo),
        BROKER_TEST_SAID(test_repair_undone_before_it_is_seen),
        BROKER_TEST_SAID(test_blocked_mac),
        BROKER_TEST_SAID(test_blocked_mac_after_lost_events),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
