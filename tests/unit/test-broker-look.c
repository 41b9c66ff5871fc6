/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A port's device is compared with what it must be, repaired, and given up on with a word. */
#include "broker-fixture.h"

#include <errno.h>
#include <net/if.h>

static void
set_mtu(TestBroker *test, int index, guint32 mtu)
{
    LinkInfo link = link_at(test, index);

    link.mtu = mtu;
    kernel_fake_change_link(test->kernel, &link);
    test_settle();
}

static void
expect_device(TestBroker *test, const LinkInfo *expected)
{
    LinkInfo link = link_at(test, expected->index);

    assert_int_equal(link.mode, expected->mode);
    assert_memory_equal(&link.mac, &expected->mac, sizeof(link.mac));
    assert_int_equal(link.mtu, expected->mtu);
    assert_int_equal(link.flags, expected->flags);
    assert_int_equal(link.host_ipv6, expected->host_ipv6);
    assert_string_equal(link.alias, expected->alias);
}

static void
test_all_of_it_is_brought_back(void **state)
{
    TestBroker *test = *state;
    const Port *port = test_broker_create(test, 0, "lan", "web");
    LinkInfo was;

    test_settle();
    was = link_at(test, port->interface_index);
    /* Without the alias a device is known by its MAC as well: one thing at a time. */
    for (guint i = 0; i < 2; i++) {
        LinkInfo link = was;

        if (i == 0)
            g_strlcpy(link.alias, "mine", sizeof(link.alias));
        else
            link.mac.octets[5] ^= 1;
        link.mode = MACVTAP_MODE_PRIVATE;
        link.mtu = 1400;
        link.flags ^= IFF_ALLMULTI | IFF_NOARP;
        link.host_ipv6 = TRUE;
        kernel_fake_change_link(test->kernel, &link);
        test_settle();
        expect_device(test, &was);
        assert_null(port->problem);
    }
}

/* No event of the link tells of it. */
static void
test_ipv6_is_turned_off_again(void **state)
{
    TestBroker *test = *state;
    const Port *port = test_broker_create(test, 0, "lan", "web");

    test_settle();
    kernel_fake_enable_ipv6(test->kernel, port->interface_index);
    test_settle();
    assert_false(link_at(test, port->interface_index).host_ipv6);
    assert_null(port->problem);
}

/* What was done while no daemon ran. */
static void
test_all_of_it_is_brought_back_by_a_start(void **state)
{
    TestBroker *test = *state;
    const Port *port = test_broker_create(test, 0, "lan", "web");
    LinkInfo was = link_at(test, port->interface_index), link = was;

    test_broker_kill(test);
    link.mac.octets[5] ^= 1;
    link.mode = MACVTAP_MODE_PRIVATE;
    link.mtu = 1400;
    link.flags ^= IFF_ALLMULTI | IFF_NOARP;
    link.host_ipv6 = TRUE;
    kernel_fake_change_link(test->kernel, &link);
    test_broker_start(test);
    test_settle();
    expect_device(test, &was);
}

static void
test_sources(void **state)
{
    TestBroker *test = *state;
    const MacAddress macs[] = {{{0x52, 0x54, 0, 0, 0, 1}}, {{0x52, 0x54, 0, 0, 0, 2}}};
    const Port *port;
    Network *wall;

    test_broker_add_parent(test, "eth1");
    wall = test_broker_add_network(test, "wall", "eth1", MACVTAP_MODE_SOURCE);
    g_array_append_val(wall->sources, macs[0]);
    g_array_append_val(wall->sources, macs[0]);
    port = test_broker_create(test, 0, "wall", "web");
    assert_int_equal(kernel_fake_sources(test->kernel, port->interface_index)->len, 1);
    test->kernel->ops->macvtap_set_sources(test->kernel, port->interface_index, macs, 2, NULL);
    test_settle();
    assert_int_equal(kernel_fake_sources(test->kernel, port->interface_index)->len, 1);
    /* A reload that changes the list, and that fails once. */
    g_array_append_val(wall->sources, macs[1]);
    kernel_fake_fail(test->kernel, "macvtap_set_sources", 1, ENOMEM);
    test_broker_add_network(test, "other", "eth1", MACVTAP_MODE_BRIDGE);
    test_settle();
    assert_int_equal(kernel_fake_sources(test->kernel, port->interface_index)->len, 2);
    assert_null(port->problem);
}

static void
test_reload_of_multicast(void **state)
{
    TestBroker *test = *state;
    const Port *port = test_broker_create(test, 0, "lan", "web");

    test_settle();
    test_broker_network(test, "lan")->multicast = MULTICAST_FILTER;
    test_broker_add_network(test, "other", "eth0", MACVTAP_MODE_BRIDGE);
    test_settle();
    assert_false(link_at(test, port->interface_index).flags & IFF_ALLMULTI);
}

/* The parent's MTU sinks and rises, and a daemon starts in between. */
static void
test_mtu_is_regained(void **state)
{
    TestBroker *test = *state;
    int parent = link_named(test, "eth0").index, index;
    const Port *port;

    set_mtu(test, parent, 9000);
    test_broker_network(test, "lan")->mtu = 8000;
    index = test_broker_create(test, 0, "lan", "web")->interface_index;
    expect_events(test, "created web\n");
    set_mtu(test, parent, 1500);
    port = only_port(test);
    assert_int_equal(port->mtu, 1500);
    assert_int_equal(link_at(test, index).mtu, 1500);
    assert_int_equal(count_said("its MTU is now 1500, it was 8000 (the parent's has changed)"), 1);
    test_broker_kill(test);
    test_broker_start(test);
    port = only_port(test);
    assert_int_equal(port->mtu, 1500);
    set_mtu(test, parent, 6000);
    assert_int_equal(link_at(test, index).mtu, 6000);
    test_broker_kill(test);
    set_mtu(test, parent, 9000);
    test_broker_start(test);
    test_settle();
    port = only_port(test);
    assert_int_equal(port->mtu, 8000);
    assert_int_equal(link_at(test, index).mtu, 8000);
}

/* A rename with the daemon there, and without it (B11). */
static void
test_device_is_renamed(void **state)
{
    TestBroker *test = *state;
    const Caller root = test_caller(0);
    const Port *port = test_broker_create(test, 0, "lan", "web");
    g_auto(PortGrant) grant = {0};
    LinkInfo link;

    expect_events(test, "created web\n");
    link = link_at(test, port->interface_index);
    memcpy(link.name, "guest7", sizeof("guest7"));
    kernel_fake_change_link(test->kernel, &link);
    expect_events(test, "changed web\n");
    assert_string_equal(port->interface_name, "guest7");
    assert_true(broker_open_port(test->broker, &root, "guest7", 1, &grant, NULL));
    test_broker_kill(test);
    memcpy(link.name, "guest8", sizeof("guest8"));
    kernel_fake_change_link(test->kernel, &link);
    test_broker_start(test);
    assert_string_equal(only_port(test)->interface_name, "guest8");
    /* A restart knows it by that name. */
    test_broker_kill(test);
    test_broker_start(test);
    assert_int_equal(test->messages->len, 0);
    assert_string_equal(only_port(test)->interface_name, "guest8");
    assert_true(test_broker_delete(test, &root, "guest8", NULL));
}

/* A name that another port goes by would make two ports of one name; it is told. */
static void
test_device_gets_the_name_of_another_port(void **state)
{
    TestBroker *test = *state;
    const Port *port = test_broker_create(test, 0, "lan", "web");
    LinkInfo link;

    test_broker_create(test, 0, "lan", "db");
    test_settle();
    link = link_at(test, port->interface_index);
    memcpy(link.name, "db", sizeof("db"));
    kernel_fake_change_link(test->kernel, &link);
    test_settle();
    assert_non_null(strstr(port->problem, "its device was renamed to 'db'"));
    assert_int_equal(count_said("its device was renamed to 'db'"), 1);
    memcpy(link.name, "web0", sizeof("web0"));
    kernel_fake_change_link(test->kernel, &link);
    test_settle();
    assert_null(port->problem);
    assert_string_equal(port->interface_name, "web0");
}

static void
rename_link(TestBroker *test, int index, const char *name)
{
    LinkInfo link = link_at(test, index);

    g_strlcpy(link.name, name, sizeof(link.name));
    kernel_fake_change_link(test->kernel, &link);
}

/* Nothing but ENODEV says that a device has gone (B7). */
static void
test_look_that_fails_after_lost_events(void **state)
{
    TestBroker *test = *state;
    const Port *port;

    restart_without_events(test);
    port = test_broker_create(test, 0, "lan", "web");
    expect_events(test, "created web\n");
    set_mtu(test, port->interface_index, 1400);
    rename_link(test, port->parent_index, "uplink");
    kernel_fake_fail(test->kernel, "link_list", 1, ENOBUFS);
    for (guint i = 1; i <= 3; i++)
        kernel_fake_fail(test->kernel, "link_by_index", i, ENOBUFS);
    lose_events();
    assert_int_equal(port->state, PORT_STATE_ACTIVE);
    assert_non_null(strstr(port->problem, "cannot be read"));
    test_settle();
    assert_int_equal(kernel_fake_heal(test->kernel), 0);
    assert_int_equal(port->state, PORT_STATE_ACTIVE);
    assert_null(port->problem);
    assert_int_equal(link_at(test, port->interface_index).mtu, 1500);
    assert_string_equal(port->parent, "uplink");
}

/* The event of a parent may be old: what cannot be looked at is looked at again. */
static void
test_look_at_a_parent_that_fails(void **state)
{
    TestBroker *test = *state;
    const Port *port = test_broker_create(test, 0, "lan", "web");

    test_settle();
    rename_link(test, port->parent_index, "uplink");
    kernel_fake_fail(test->kernel, "link_by_index", 1, ENOBUFS);
    kernel_fake_fail(test->kernel, "link_list", 1, ENOBUFS);
    kernel_fake_fail(test->kernel, "link_list", 2, ENOBUFS);
    test_settle();
    assert_int_equal(kernel_fake_heal(test->kernel), 0);
    assert_string_equal(port->parent, "uplink");
    assert_int_equal(count_said("which may have changed"), 0);
}

static void
test_look_at_parents_that_fails_for_good(void **state)
{
    TestBroker *test = *state;
    const Port *port = test_broker_create(test, 0, "lan", "web");

    test_settle();
    rename_link(test, port->parent_index, "uplink");
    kernel_fake_fail(test->kernel, "link_by_index", 1, ENOBUFS);
    for (guint i = 1; i <= 4; i++)
        kernel_fake_fail(test->kernel, "link_list", i, ENOBUFS);
    test_settle();
    assert_int_equal(kernel_fake_heal(test->kernel), 0);
    assert_string_equal(port->parent, "eth0");
    assert_int_equal(count_said("cannot read the state of the ports' parents"), 1);
    rename_link(test, port->parent_index, "wire");
    test_settle();
    assert_string_equal(port->parent, "wire");
}

/* It was only out of sight: moved into another network namespace and back. */
static void
test_device_comes_back(void **state)
{
    TestBroker *test = *state;
    const Port *port = test_broker_create(test, 0, "lan", "web");
    LinkInfo link = link_at(test, port->interface_index);

    test_settle();
    kernel_fake_remove_link(test->kernel, link.index);
    test_settle();
    assert_int_equal(port->state, PORT_STATE_DEVICE_GONE);
    link.flags &= ~(guint32)IFF_UP;
    kernel_fake_add_link(test->kernel, &link);
    test_settle();
    assert_int_equal(port->state, PORT_STATE_ACTIVE);
    assert_false(port->link_up);
}

/* What an administrator has put right elsewhere is tried again by a reload. */
static void
test_reload_tries_again(void **state)
{
    TestBroker *test = *state;
    const Port *port = test_broker_create(test, 0, "lan", "web");
    LinkInfo was, link;

    test_settle();
    was = link = link_at(test, port->interface_index);
    for (guint i = 1; i <= 5; i++)
        kernel_fake_fail(test->kernel, "macvtap_set_mode", i, EPERM);
    link.mode = MACVTAP_MODE_PRIVATE;
    kernel_fake_change_link(test->kernel, &link);
    test_settle();
    assert_non_null(strstr(port->problem, "in mode private instead of bridge"));
    assert_non_null(strstr(port->problem, "tried 5 times"));
    assert_int_equal(kernel_fake_heal(test->kernel), 0);
    test_broker_add_network(test, "other", "eth0", MACVTAP_MODE_BRIDGE);
    test_settle();
    assert_null(port->problem);
    expect_device(test, &was);
}

/* Ends with a repair that waits: nothing of it is left. */
static void
test_end_of_a_port_that_waits(void **state)
{
    TestBroker *test = *state;
    const Caller root = test_caller(0);
    const Port *port = test_broker_create(test, 0, "lan", "web");

    test_settle();
    for (guint i = 0; i < 5; i++)
        test->repair_delays[i] = 3600 * 1000;
    kernel_fake_fail(test->kernel, "link_set_mac", 1, EIO);
    set_link_mac(test, port->interface_index, 1);
    assert_non_null(port->problem);
    assert_true(test_broker_delete(test, &root, "web", NULL));
    test_settle();
    test_broker_create(test, 0, "lan", "web");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        BROKER_TEST_SAID(test_all_of_it_is_brought_back),
        BROKER_TEST_SAID(test_ipv6_is_turned_off_again),
        BROKER_TEST_SAID(test_all_of_it_is_brought_back_by_a_start),
        BROKER_TEST_SAID(test_sources),
        BROKER_TEST_SAID(test_reload_of_multicast),
        BROKER_TEST_SAID(test_mtu_is_regained),
        BROKER_TEST_SAID(test_device_is_renamed),
        BROKER_TEST_SAID(test_device_gets_the_name_of_another_port),
        BROKER_TEST_SAID(test_look_that_fails_after_lost_events),
        BROKER_TEST_SAID(test_look_at_a_parent_that_fails),
        BROKER_TEST_SAID(test_look_at_parents_that_fails_for_good),
        BROKER_TEST_SAID(test_device_comes_back),
        BROKER_TEST_SAID(test_reload_tries_again),
        BROKER_TEST_SAID(test_end_of_a_port_that_waits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
