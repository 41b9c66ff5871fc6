/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A link below ports is moved into another network namespace and comes back with another ifindex:
 * what is kept by its ifindex follows (src/broker/lower.c). */
#include "broker-fixture.h"

#include <errno.h>
#include <net/if.h>

#define TAGGED "parent=eth0,mode=bridge,vlan=100"
#define TWICE_TAGGED "parent=eth0,mode=bridge,vlan=200.100"
#define AWAY "was moved into another network namespace (7 of 'ip netns list-id')"

static int
move_away(TestBroker *test, const char *name)
{
    int index = link_named(test, name).index;

    kernel_fake_move_link(test->kernel, index);
    return index;
}

/* Another link gets this ifindex, and the name; its MTU is no parent's. */
static void
take_index(TestBroker *test, int index, const char *name)
{
    LinkInfo link = {
        .index = index, .mac = {{2, 7}}, .flags = IFF_UP, .carrier = TRUE, .mtu = 1300};

    g_strlcpy(link.name, name, sizeof(link.name));
    kernel_fake_add_link(test->kernel, &link);
}

static int
bring_back(TestBroker *test, const char *name)
{
    LinkInfo link;

    link.index = kernel_fake_bring_back(test->kernel, name);
    link = link_at(test, link.index);
    link.flags |= IFF_UP | IFF_RUNNING;
    kernel_fake_change_link(test->kernel, &link);
    return link.index;
}

static void
expect_away(const Port *port, const char *what)
{
    g_autofree char *text = g_strdup_printf("%s " AWAY, what);

    assert_int_equal(port->state, PORT_STATE_ACTIVE);
    assert_non_null(port->problem);
    if (!strstr(port->problem, text))
        fail_msg("'%s' has no '%s'", port->problem, text);
}

static void
change_mtu(TestBroker *test, int index, guint32 mtu)
{
    LinkInfo link = link_at(test, index);

    link.mtu = mtu;
    kernel_fake_change_link(test->kernel, &link);
    test_settle();
}

static void
rename_link(TestBroker *test, int index, const char *name)
{
    LinkInfo link = link_at(test, index);

    memset(link.name, 0, sizeof(link.name));
    g_strlcpy(link.name, name, sizeof(link.name));
    kernel_fake_change_link(test->kernel, &link);
    test_settle();
}

static gboolean
has_filter(TestBroker *test, int parent)
{
    g_autofree char *name = g_strdup_printf("mg%x", (guint)parent);
    LinkInfo link;

    return test_broker_find_link(test, name, &link) && link.lower_index == parent;
}

static void
set_guest_vlans(Network *network, const char *tags)
{
    g_strfreev(network->guest_vlans);
    network->guest_vlans = g_strsplit(tags, " ", -1);
}

static void
follows_its_parent(void **state)
{
    TestBroker *test = *state;
    const Port *port = test_broker_create(test, 0, "lan", "p1");
    int before, index;

    test_settle();
    before = move_away(test, "eth0");
    test_settle();
    expect_away(port, "its parent eth0");
    assert_int_equal(port->parent_index, 0);
    assert_int_equal(count_said(AWAY), 1);
    take_index(test, before, "eth7");
    change_mtu(test, before, 1200);
    assert_int_equal(port->mtu, 1500);
    assert_string_equal(port->parent, "eth0");
    index = bring_back(test, "eth0");
    test_settle();
    assert_int_not_equal(index, before);
    assert_int_equal(port->parent_index, index);
    assert_null(port->problem);
    assert_true(port->carrier);
    assert_int_equal(count_said("its parent eth0 is back"), 1);
    change_mtu(test, index, 1400);
    assert_int_equal(port->mtu, 1400);
    change_mtu(test, before, 1100);
    assert_int_equal(port->mtu, 1400);
}

/* There only the device shows it. */
static void
mtu_is_lowered_elsewhere(void **state)
{
    TestBroker *test = *state;
    const Port *port = test_broker_create(test, 0, "lan", "p1");

    test_settle();
    move_away(test, "eth0");
    test_settle();
    change_mtu(test, port->interface_index, 1400);
    assert_int_equal(port->mtu, 1400);
    expect_away(port, "its parent eth0");
    bring_back(test, "eth0");
    test_settle();
    assert_int_equal(port->mtu, 1500);
    assert_int_equal(link_at(test, port->interface_index).mtu, 1500);
    assert_null(port->problem);
}

static void
moves_whose_events_are_lost(void **state)
{
    TestBroker *test = *state;
    const Port *port;
    int before, index;

    test_broker_create(test, 0, "lan", "p1");
    restart_without_events(test);
    port = only_port(test);
    before = move_away(test, "eth0");
    take_index(test, before, "eth0");
    lose_events();
    expect_away(port, "its parent eth0");
    assert_int_equal(port->mtu, 1500);
    assert_int_equal(count_said("MTU"), 0);
    index = bring_back(test, "eth0");
    lose_events();
    assert_int_equal(port->parent_index, index);
    assert_null(port->problem);
}

static void
moves_while_no_broker_runs(void **state)
{
    TestBroker *test = *state;
    int before, index;

    set_guest_vlans(test_broker_network(test, "lan"), "100");
    test_broker_create(test, 0, "lan", "p1");
    test_settle();
    test_broker_kill(test);
    before = move_away(test, "eth0");
    take_index(test, before, "eth0");
    for (guint i = 0; i < 2; i++) { /* the second finds no ifindex in the record */
        test_broker_start(test);
        test_settle();
        expect_away(only_port(test), "its parent eth0");
        assert_int_equal(only_port(test)->parent_index, 0);
        assert_int_equal(count_said("MTU"), 0);
        assert_false(has_filter(test, before));
        test_broker_kill(test);
    }
    index = bring_back(test, "eth0");
    test_broker_start(test);
    test_settle();
    assert_int_equal(only_port(test)->parent_index, index);
    assert_null(only_port(test)->problem);
}

/* It is read again. */
static void
a_look_at_it_fails(void **state)
{
    TestBroker *test = *state;
    const Port *port = test_broker_create(test, 0, "lan", "p1");
    int before, index;

    test_settle();
    before = move_away(test, "eth0");
    kernel_fake_fail(test->kernel, "link_by_index", 1, ENOBUFS);
    await_events(test, "created p1\nchanged p1\nchanged p1\n");
    expect_away(port, "its parent eth0");
    take_index(test, before, "eth7");
    test_settle();
    index = bring_back(test, "eth0");
    kernel_fake_fail(test->kernel, "link_by_index", 2, ENOBUFS);
    while (port->problem)
        g_main_context_iteration(NULL, TRUE);
    assert_int_equal(port->parent_index, index);
}

static void
port_is_deleted_meanwhile(void **state)
{
    TestBroker *test = *state;
    const char *const networks[] = {"lan", TAGGED};

    for (guint i = 0; i < G_N_ELEMENTS(networks); i++) {
        int before;

        test_broker_create(test, 0, networks[i], "p1");
        test_settle();
        before = move_away(test, "eth0");
        take_index(test, before, "eth7");
        test_settle();
        delete_port(test, "p1");
        assert_int_equal(kernel_fake_link_count(test->kernel), 1);
        kernel_fake_remove_link(test->kernel, before);
        bring_back(test, "eth0");
        test_settle();
    }
    assert_int_equal(count_vlan_records(test), 0);
}

static void
removed_elsewhere(void **state)
{
    TestBroker *test = *state;
    const Port *port = test_broker_create(test, 0, "lan", "p1");
    int before;

    test_settle();
    before = move_away(test, "eth0");
    test_settle();
    take_index(test, before, "eth7");
    kernel_fake_remove_link(test->kernel, port->interface_index);
    test_settle();
    assert_int_equal(port->state, PORT_STATE_PARENT_GONE);
    assert_null(port->problem);
    kernel_fake_remove_link(test->kernel, before);
    take_index(test, 0, "eth0"); /* the name, and any ifindex */
    for (guint i = 0; i < 2; i++) {
        restart(test);
        test_settle();
        assert_int_equal(only_port(test)->state, PORT_STATE_PARENT_GONE);
        assert_int_equal(only_port(test)->parent_index, 0);
    }
}

/* The VLAN device stays, as the port's does. */
static void
trunk_goes_and_comes(void **state)
{
    TestBroker *test = *state;
    const char *const networks[] = {TAGGED, TWICE_TAGGED};

    for (guint i = 0; i < G_N_ELEMENTS(networks); i++) {
        const Port *port = test_broker_create(test, 0, networks[i], "p1");
        g_autofree char *what = g_strdup_printf("eth0, which its parent %s is on,", port->parent);
        int before, index, parent = port->parent_index;

        test_settle();
        before = move_away(test, "eth0");
        take_index(test, before, "eth7");
        test_settle();
        expect_away(port, what);
        assert_int_equal(port->parent_index, parent);
        assert_int_equal(port->trunk_index, 0);
        restart(test);
        test_settle();
        port = only_port(test);
        expect_away(port, what);
        index = bring_back(test, "eth0");
        test_settle();
        assert_null(port->problem);
        assert_int_equal(port->trunk_index, index);
        rename_link(test, index, "lan0");
        assert_string_equal(port->trunk, "lan0");
        rename_link(test, index, "eth0");
        delete_port(test, "p1");
        kernel_fake_remove_link(test->kernel, before);
        test_settle();
    }
    expect_no_vlans(test);
}

/* It gets its old ifindex again: no event has told that this was free. */
static void
trunk_comes_back_after_lost_events(void **state)
{
    TestBroker *test = *state;
    int before;

    test_broker_create(test, 0, TAGGED, "p1");
    restart_without_events(test);
    before = move_away(test, "eth0");
    lose_events();
    expect_away(only_port(test), "eth0, which its parent eth0.100 is on,");
    assert_int_equal(bring_back(test, "eth0"), before);
    tell_link(test, before);
    assert_null(only_port(test)->problem);
    assert_int_equal(only_port(test)->trunk_index, before);
}

/* The port keeps the ifindexes of its parent and trunk, not of the VLAN device between them. */
static void
outer_vlan_device_goes_and_comes(void **state)
{
    TestBroker *test = *state;
    const Port *port = test_broker_create(test, 0, TWICE_TAGGED, "p1");
    g_autofree char *what = g_strdup_printf("the VLAN device of tag 200, which its parent %s is "
                                            "on,",
                                            port->parent);

    test_settle();
    for (guint i = 0; i < 2; i++) {
        move_away(test, "eth0.200");
        test_settle();
        expect_away(only_port(test), what);
        if (i == 1)
            restart(test);
        test_settle();
        expect_away(only_port(test), what);
        bring_back(test, "eth0.200");
        test_settle();
        assert_null(only_port(test)->problem);
        assert_int_equal(only_port(test)->trunk_index, link_named(test, "eth0").index);
    }
}

static int
add_vlan_device(TestBroker *test, int lower_index)
{
    LinkInfo link = {.name = "vlan5", .kind = "vlan", .flags = IFF_UP, .carrier = TRUE};

    link.vlan_id = 5;
    link.lower_index = lower_index;
    link.lower_is_elsewhere = lower_index == 0;
    link.lower_netns = 7;
    link.lower_there = 40;
    return kernel_fake_add_link(test->kernel, &link);
}

/* Somebody has given it to this network namespace, and has its lower link: nothing was moved. */
static void
vlan_device_of_a_link_elsewhere(void **state)
{
    TestBroker *test = *state;
    const char *const networks[] = {"parent=vlan5,mode=bridge", "parent=vlan5,mode=bridge,vlan=100",
                                    "parent=vlan5,mode=bridge,vlan=200.100"};
    int index = add_vlan_device(test, 0);

    for (guint i = 0; i < G_N_ELEMENTS(networks); i++) {
        const Port *port = test_broker_create(test, 0, networks[i], "p1");
        g_autofree char *what =
            port->trunk ? g_strdup_printf("vlan6, which its parent %s is on,", port->parent)
                        : g_strdup("its parent vlan6");

        rename_link(test, index, "vlan6");
        assert_string_equal(port->trunk ? port->trunk : port->parent, "vlan6");
        restart(test);
        test_settle();
        port = only_port(test);
        assert_null(port->problem);
        move_away(test, "vlan6");
        test_settle();
        expect_away(port, what);
        bring_back(test, "vlan6");
        test_settle();
        assert_null(port->problem);
        delete_port(test, "p1");
        rename_link(test, index, "vlan5");
    }
}

static void
vlan_device_of_a_bond_goes_and_comes(void **state)
{
    TestBroker *test = *state;
    LinkInfo bond = {.name = "bond0", .kind = "bond", .flags = IFF_UP, .carrier = TRUE};
    int index = kernel_fake_add_link(test->kernel, &bond);
    const Port *port;

    add_vlan_device(test, index);
    test_settle();
    port = test_broker_create(test, 0, "parent=vlan5,mode=bridge", "p1");
    assert_int_equal(port->bond_index, index);
    take_index(test, move_away(test, "vlan5"), "eth7");
    test_settle();
    expect_away(port, "its parent vlan5");
    assert_int_equal(port->bond_index, 0);
    bring_back(test, "vlan5");
    test_settle();
    assert_null(port->problem);
    assert_int_equal(port->bond_index, index);
}

/* In a container: it has the same link below as the port's device. */
static LinkInfo
add_stand_in(TestBroker *test)
{
    LinkInfo link = {.name = "net0", .kind = "macvlan", .mac = {{2, 5}}, .is_macvlan = TRUE};

    link.flags = IFF_UP;
    link.carrier = link.lower_is_elsewhere = TRUE;
    link.lower_netns = 3;
    link.lower_there = 2;
    link.index = kernel_fake_add_link(test->kernel, &link);
    test_settle();
    return link;
}

static void
macvlan_that_stands_in(void **state)
{
    TestBroker *test = *state;
    LinkInfo link = add_stand_in(test);
    int index = link.index;
    const Port *port;

    test_broker_create(test, 0, "parent=net0,mode=bridge", "p1");
    restart(test);
    test_settle();
    port = only_port(test);
    assert_int_equal(port->parent_index, index);
    assert_null(port->problem);
    /* A macvlan on another link does not stand in, whatever its name and ifindex are. */
    kernel_fake_remove_link(test->kernel, index);
    link.lower_there = 4;
    kernel_fake_add_link(test->kernel, &link);
    test_settle();
    for (guint i = 0; i < 2; i++) {
        port = only_port(test);
        assert_null(port->problem);
        assert_int_equal(port->parent_index, 0);
        restart(test);
        test_settle();
    }
    port = only_port(test);
    kernel_fake_remove_link(test->kernel, index);
    link.lower_there = 2;
    link.index = 0;
    index = kernel_fake_add_link(test->kernel, &link);
    test_settle();
    assert_null(port->problem);
    assert_int_equal(port->parent_index, index);
}

static void
look_up_of_a_stand_in_fails(void **state)
{
    TestBroker *test = *state;
    LinkInfo link = add_stand_in(test);
    const Port *port;

    test_broker_create(test, 0, "parent=net0,mode=bridge", "p1");
    restart_without_events(test);
    port = only_port(test);
    kernel_fake_remove_link(test->kernel, link.index);
    take_index(test, link.index, "eth7");
    link.index = 0;
    link.index = kernel_fake_add_link(test->kernel, &link);
    kernel_fake_fail(test->kernel, "link_by_name", 1, ENOBUFS);
    lose_events();
    assert_int_equal(kernel_fake_heal(test->kernel), 0);
    while (port->problem)
        g_main_context_iteration(NULL, TRUE);
    assert_int_equal(port->parent_index, link.index);
}

/* The second time a broker starts while the parent is away, the third time all events are lost. */
static void
filter_of_guest_vlans_is_made_again(void **state)
{
    TestBroker *test = *state;

    set_guest_vlans(test_broker_network(test, "lan"), "100");
    set_guest_vlans(test_broker_add_network(test, "other", "eth7", MACVTAP_MODE_BRIDGE), "300");
    for (guint i = 0; i < 3; i++) {
        int before, index;

        test_broker_create(test, 0, "lan", "p1");
        test_settle();
        if (i == 2)
            restart_without_events(test);
        before = move_away(test, "eth0");
        if (i == 2)
            lose_events();
        test_settle();
        if (i == 1)
            restart(test);
        /* Another parent with the old ifindex gets one of its own. */
        take_index(test, before, "eth7");
        test_broker_create(test, 0, "other", "p2");
        assert_true(has_filter(test, before));
        index = bring_back(test, "eth0");
        if (i == 2)
            lose_events();
        test_settle();
        assert_true(has_filter(test, index));
        assert_true(has_filter(test, before));
        assert_null(find_port(test, "p1")->outdated);
        delete_port(test, "p1");
        assert_false(has_filter(test, index));
        assert_true(has_filter(test, before));
        delete_port(test, "p2");
        kernel_fake_remove_link(test->kernel, before);
        test_settle();
        assert_int_equal(count_devices(test), 0);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        BROKER_TEST_SAID(follows_its_parent),
        BROKER_TEST_SAID(mtu_is_lowered_elsewhere),
        BROKER_TEST_SAID(moves_whose_events_are_lost),
        BROKER_TEST_SAID(moves_while_no_broker_runs),
        BROKER_TEST_SAID(a_look_at_it_fails),
        BROKER_TEST_SAID(port_is_deleted_meanwhile),
        BROKER_TEST_SAID(removed_elsewhere),
        BROKER_TEST_SAID(trunk_goes_and_comes),
        BROKER_TEST_SAID(trunk_comes_back_after_lost_events),
        BROKER_TEST_SAID(outer_vlan_device_goes_and_comes),
        BROKER_TEST_SAID(vlan_device_of_a_link_elsewhere),
        BROKER_TEST_SAID(vlan_device_of_a_bond_goes_and_comes),
        BROKER_TEST_SAID(macvlan_that_stands_in),
        BROKER_TEST_SAID(look_up_of_a_stand_in_fails),
        BROKER_TEST_SAID(filter_of_guest_vlans_is_made_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
