/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A port's device is compared with what it must be, repaired, and given up on with a word. */
#include "broker-fixture.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <net/if.h>

static LinkInfo
link_at(TestBroker *test, int index)
{
    LinkInfo link;

    assert_true(test->kernel->ops->link_by_index(test->kernel, index, &link, NULL));
    return link;
}

static LinkInfo
link_named(TestBroker *test, const char *name)
{
    LinkInfo link;

    assert_true(test_broker_find_link(test, name, &link));
    return link;
}

static void
set_mtu(TestBroker *test, int index, guint32 mtu)
{
    LinkInfo link = link_at(test, index);

    link.mtu = mtu;
    kernel_fake_change_link(test->kernel, &link);
    test_settle();
}

static void
set_mac(TestBroker *test, int index, guint8 last)
{
    LinkInfo link = link_at(test, index);

    link.mac = (MacAddress){{0x02, 0xad, 0, 0, 0, last}};
    kernel_fake_change_link(test->kernel, &link);
    test_settle();
}

static guint
count_said(const char *text)
{
    guint count = 0;

    for (const char *c = said->str; (c = strstr(c, text)); c++)
        count++;
    return count;
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
    assert_non_null(strstr(port->problem, "its device is named 'db' now"));
    assert_int_equal(count_said("its device is named 'db' now"), 1);
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

static LinkEventHandler handler;
static gpointer handler_data;

static gboolean
keep_monitor(Kernel *kernel, LinkEventHandler given, gpointer user_data, GError **error)
{
    handler = given;
    handler_data = user_data;
    return TRUE;
}

/* Nothing but ENODEV says that a device has gone (B7). */
static void
test_look_that_fails_after_lost_events(void **state)
{
    TestBroker *test = *state;
    const LinkInfo nothing = {0};
    const KernelOps *real = test->kernel->ops;
    KernelOps ops = *real;
    const Port *port;

    test_broker_kill(test);
    ops.monitor = keep_monitor;
    test->kernel->ops = &ops;
    test_broker_start(test);
    port = test_broker_create(test, 0, "lan", "web");
    expect_events(test, "created web\n");
    set_mtu(test, port->interface_index, 1400);
    rename_link(test, port->parent_index, "uplink");
    kernel_fake_fail(test->kernel, "link_list", 1, ENOBUFS);
    for (guint i = 1; i <= 3; i++)
        kernel_fake_fail(test->kernel, "link_by_index", i, ENOBUFS);
    handler(LINK_EVENT_LOST, &nothing, handler_data);
    assert_int_equal(port->state, PORT_STATE_ACTIVE);
    assert_non_null(strstr(port->problem, "cannot be looked at"));
    test_settle();
    assert_int_equal(kernel_fake_heal(test->kernel), 0);
    assert_int_equal(port->state, PORT_STATE_ACTIVE);
    assert_null(port->problem);
    assert_int_equal(link_at(test, port->interface_index).mtu, 1500);
    assert_string_equal(port->parent, "uplink");
    test->kernel->ops = real;
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
    assert_int_equal(count_said("may be otherwise"), 0);
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
    assert_int_equal(count_said("the ports' parents may be otherwise than is shown"), 1);
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

static const Port *
create_and_move(TestBroker *test)
{
    const Port *port = test_broker_create(test, 0, "lan", "web");

    test_settle();
    kernel_fake_move_link(test->kernel, port->interface_index);
    test_settle();
    return port;
}

/* It is told where the device is, a restart knows it too, and the port's end removes it (F6). */
static void
test_device_in_another_namespace(void **state)
{
    TestBroker *test = *state;
    const Caller root = test_caller(0);
    const Port *port = create_and_move(test);
    g_autoptr(GError) error = NULL;

    assert_int_equal(port->state, PORT_STATE_DEVICE_GONE);
    assert_non_null(strstr(port->problem, "moved into another network namespace (7 of"));
    assert_int_equal(count_said("moved into another network namespace"), 1);
    test_broker_kill(test);
    test_broker_start(test);
    assert_non_null(strstr(only_port(test)->problem, "moved into another network namespace (7 of"));
    kernel_fake_fail(test->kernel, "link_delete_moved", 1, EACCES);
    assert_false(test_broker_delete(test, &root, "web", &error));
    assert_error_cleared(&error, PORT_ERROR, PORT_ERROR_SYSTEM, "in another network namespace");
    assert_int_equal(kernel_fake_moved_count(test->kernel), 1);
    assert_true(test_broker_delete(test, &root, "web", &error));
    assert_int_equal(kernel_fake_moved_count(test->kernel), 0);
}

/* Nobody has heard the event of the move: the daemon did not run, the event was lost, or it is
 * still to be read. */
static void
test_device_in_another_namespace_without_a_daemon(void **state)
{
    TestBroker *test = *state;
    const Caller root = test_caller(0);
    int index = test_broker_create(test, 0, "lan", "web")->interface_index;

    test_settle();
    test_broker_kill(test);
    kernel_fake_move_link(test->kernel, index);
    for (guint i = 0; i < 2; i++) {
        test_broker_start(test);
        assert_non_null(
            strstr(find_port(test, "web")->problem, "moved into another network namespace"));
        test_broker_kill(test);
    }
    test_broker_start(test);
    assert_true(test_broker_delete(test, &root, "web", NULL));
    assert_int_equal(kernel_fake_moved_count(test->kernel), 0);
}

static void
test_device_in_another_namespace_whose_event_is_lost(void **state)
{
    static const LinkInfo nothing;
    TestBroker *test = *state;
    const Caller root = test_caller(0);
    const KernelOps *real = test->kernel->ops;
    KernelOps ops = *real;
    const Port *port;

    test_broker_kill(test);
    ops.monitor = keep_monitor;
    test->kernel->ops = &ops;
    test_broker_start(test);
    port = test_broker_create(test, 0, "lan", "web");
    kernel_fake_move_link(test->kernel, port->interface_index);
    kernel_fake_fail(test->kernel, "link_list_moved", 1, ENOBUFS);
    handler(LINK_EVENT_LOST, &nothing, handler_data);
    assert_non_null(strstr(port->problem, "cannot be looked at"));
    test_settle();
    assert_non_null(strstr(port->problem, "moved into another network namespace (7 of"));
    assert_int_equal(count_said("moved into another network namespace"), 1);
    assert_true(test_broker_delete(test, &root, "web", NULL));
    assert_int_equal(kernel_fake_moved_count(test->kernel), 0);
    test->kernel->ops = real;
}

static void
test_device_in_another_namespace_before_the_event(void **state)
{
    TestBroker *test = *state;
    const Caller root = test_caller(0);
    const Port *port = test_broker_create(test, 0, "lan", "web");

    test_settle();
    kernel_fake_move_link(test->kernel, port->interface_index);
    assert_true(test_broker_delete(test, &root, "web", NULL));
    assert_int_equal(kernel_fake_moved_count(test->kernel), 0);
}

static void
test_device_in_another_namespace_of_an_interrupted_removal(void **state)
{
    TestBroker *test = *state;
    const Port *port = test_broker_create(test, 0, "lan", "web");
    int index = port->interface_index;
    g_autofree char *path = g_build_filename(test->state, "ports", port->id, NULL);
    g_autofree char *deleting = g_strconcat(path, ".deleting", NULL);
    g_autofree char *records = NULL;

    test_broker_kill(test);
    assert_int_equal(g_rename(path, deleting), 0);
    kernel_fake_move_link(test->kernel, index);
    test_broker_start(test);
    assert_int_equal(kernel_fake_moved_count(test->kernel), 0);
    records = test_broker_records(test);
    assert_string_equal(records, "");
}

static void
test_device_in_another_namespace_when_the_holder_ends(void **state)
{
    TestBroker *test = *state;
    const Caller root = test_caller(0);
    TestChild child = test_child_new();
    const PortRequest request = {.network = (char *)"lan",
                                 .name = (char *)"web",
                                 .no_descriptors = TRUE,
                                 .holder = {.type = HOLDER_PROCESS, .pid = child.pid}};
    g_auto(PortGrant) grant = {0};
    g_autofree char *records = NULL;

    assert_true(broker_create_port(test->broker, &root, &request, &grant, NULL));
    test_settle();
    kernel_fake_move_link(test->kernel, grant.port->interface_index);
    test_settle();
    test_broker_kill(test);
    test_child_end(&child);
    test_broker_start(test);
    assert_int_equal(kernel_fake_moved_count(test->kernel), 0);
    records = test_broker_records(test);
    assert_string_equal(records, "");
}

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
    set_mac(test, parent, 1);
    assert_in_range(kernel_fake_mac_calls(test->kernel), 2, 20);
    assert_non_null(strstr(port->problem, "its parent eth1 keeps 02:ad:00:00:00:01"));
    assert_int_equal(count_said("port web"), 1);
    assert_int_equal(port->mac_changes, 1);
    /* Another failover begins anew, and what is right again is right. */
    set_mac(test, parent, 2);
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
    set_mac(test, parent, 1);
    now = link_at(test, parent).mac;
    assert_memory_equal(&now, &mac, sizeof(mac));
    assert_int_equal(
        count_said("the MAC of its parent eth1 was changed to 02:ad:00:00:00:01, and is"
                   " 02:00:00:00:00:02 again"),
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
    set_mac(test, parent, 1);
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

        set_mac(test, port->interface_index, i);
        now = link_at(test, port->interface_index).mac;
        assert_memory_equal(&now, &mac, sizeof(mac));
        assert_int_equal(port->mac_changes, i);
    }
    assert_null(port->problem);
    /* From the second time on it waits. */
    test->repair_delays[1] = test->repair_delays[2] = 3600 * 1000;
    set_mac(test, port->interface_index, 40);
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
    set_mac(test, port->interface_index, 1);
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
    set_mac(test, port->interface_index, 1);
    assert_non_null(strstr(port->problem, "could not be put back, it is 02:ad:00:00:00:01"));
    assert_int_equal(count_said("could not be put back"), 1);
    kernel_fake_remove_link(test->kernel, index);
    test_settle();
    assert_null(port->problem);
    now = link_at(test, port->interface_index).mac;
    assert_memory_equal(&now, &port->mac, sizeof(now));
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
    assert_non_null(strstr(port->problem, "in mode private and not in mode bridge"));
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
    set_mac(test, port->interface_index, 1);
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
        BROKER_TEST_SAID(test_device_in_another_namespace),
        BROKER_TEST_SAID(test_device_in_another_namespace_without_a_daemon),
        BROKER_TEST_SAID(test_device_in_another_namespace_whose_event_is_lost),
        BROKER_TEST_SAID(test_device_in_another_namespace_before_the_event),
        BROKER_TEST_SAID(test_device_in_another_namespace_of_an_interrupted_removal),
        BROKER_TEST_SAID(test_device_in_another_namespace_when_the_holder_ends),
        BROKER_TEST_SAID(test_parent_that_keeps_its_mac),
        BROKER_TEST_SAID(test_mac_of_an_inheriting_port),
        BROKER_TEST_SAID(test_mac_of_a_parent_with_a_late_event),
        BROKER_TEST_SAID(test_mac_of_an_assigned_port),
        BROKER_TEST_SAID(test_repair_that_others_undo),
        BROKER_TEST_SAID(test_repair_undone_before_it_is_seen),
        BROKER_TEST_SAID(test_blocked_mac),
        BROKER_TEST_SAID(test_reload_tries_again),
        BROKER_TEST_SAID(test_end_of_a_port_that_waits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
