/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* VLAN devices on demand, and parents of all kinds, that others rename, use and remove. */
#include "broker-fixture.h"

#include "file.h"

#include <errno.h>
#include <jansson.h>
#include <net/if.h>
#include <unistd.h>

#define TAGGED "parent=eth0,mode=bridge,vlan=100"
#define TWICE_TAGGED "parent=eth0,mode=bridge,vlan=200.100"
#define STAYS "keeping unused VLAN device "

static void
restart_and_settle(TestBroker *test)
{
    restart(test);
    test_settle();
}

static void
rename_unheard(TestBroker *test, const char *name, const char *new_name)
{
    LinkInfo link = link_named(test, name);

    memset(link.name, 0, sizeof(link.name));
    g_strlcpy(link.name, new_name, sizeof(link.name));
    kernel_fake_change_link(test->kernel, &link);
}

static void
rename_link(TestBroker *test, const char *name, const char *new_name)
{
    rename_unheard(test, name, new_name);
    test_settle();
}

static int
add_upper(TestBroker *test, const char *name, const char *kind, const char *lower)
{
    LinkInfo link = {.flags = IFF_UP, .carrier = TRUE, .mac = {{2, 2, 2}}};
    int index;

    link.lower_index = link_named(test, lower).index;
    link.is_macvlan = g_str_equal(kind, "macvlan");
    link.mode = MACVTAP_MODE_BRIDGE;
    g_strlcpy(link.name, name, sizeof(link.name));
    g_strlcpy(link.kind, kind, sizeof(link.kind));
    index = kernel_fake_add_link(test->kernel, &link);
    test_settle();
    return index;
}

static void
expect_port(TestBroker *test, const char *name, PortState state, const char *parent)
{
    const Port *port = find_port(test, name);

    assert_string_equal(port_state_name(port->state), port_state_name(state));
    assert_string_equal(port->parent, parent);
}

static void
test_comes_and_goes(void **state)
{
    TestBroker *test = *state;

    test_broker_create(test, 0, TAGGED, "p1");
    test_broker_create(test, 0, TWICE_TAGGED, "p2");
    expect_port(test, "p1", PORT_STATE_ACTIVE, "eth0.100");
    expect_port(test, "p2", PORT_STATE_ACTIVE, "eth0.200.100");
    assert_int_equal(count_vlan_records(test), 3);
    restart_and_settle(test);
    assert_int_equal(count_vlan_records(test), 3);
    delete_port(test, "p2");
    assert_false(has_link(test, "eth0.200"));
    delete_port(test, "p1");
    expect_no_vlans(test);
    assert_int_equal(count_said(STAYS), 0);
}

/* All links are looked at when the device is made, and for one that others have renamed. */
static void
test_known_device_is_asked_for_by_name(void **state)
{
    TestBroker *test = *state;

    test_broker_create(test, 0, TWICE_TAGGED, "p1");
    kernel_fake_fail(test->kernel, "link_list", 1, EIO);
    test_broker_create(test, 0, TWICE_TAGGED, "p2");
    assert_int_equal(kernel_fake_heal(test->kernel), 1);
    rename_link(test, "eth0.200", "outer");
    /* Its old name is another's now. */
    add_upper(test, "eth0.200", "macvlan", "eth0");
    kernel_fake_fail(test->kernel, "link_list", 1, EIO);
    {
        const Caller root = test_caller(0);
        const PortRequest request = {.network = (char *)TWICE_TAGGED, .name = (char *)"p3"};
        g_auto(PortGrant) grant = {0};

        assert_false(broker_create_port(test->broker, &root, &request, &grant, NULL));
    }
    assert_int_equal(kernel_fake_heal(test->kernel), 0);
    test_broker_create(test, 0, TWICE_TAGGED, "p3");
    expect_port(test, "p3", PORT_STATE_ACTIVE, "eth0.200.100");
}

/* Its name consists of bytes that no device of macvtapd's may have in its own; found by an
 * alternative one. */
static void
test_trunk_with_an_odd_name(void **state)
{
    TestBroker *test = *state;
    int trunk = link_named(test, "eth0").index;
    g_autofree char *name = g_strdup_printf("mv%x.100", (guint)trunk);

    kernel_fake_add_altname(test->kernel, trunk, "uplink");
    rename_link(test, "eth0", "et\xff");
    test_broker_create(test, 0, "parent=uplink,mode=bridge,vlan=100", "p1");
    assert_string_equal(find_port(test, "p1")->parent, name);
    restart_and_settle(test);
    assert_int_equal(count_vlan_records(test), 1);
    delete_port(test, "p1");
    expect_no_vlans(test);
}

static void
test_renamed_device_stays_with_its_ports(void **state)
{
    TestBroker *test = *state;

    test_broker_create(test, 0, TAGGED, "p1");
    rename_link(test, "eth0.100", "office");
    expect_port(test, "p1", PORT_STATE_ACTIVE, "office");
    test_broker_create(test, 0, TAGGED, "p2");
    expect_port(test, "p2", PORT_STATE_ACTIVE, "office");
    delete_port(test, "p1");
    expect_port(test, "p2", PORT_STATE_ACTIVE, "office");
    delete_port(test, "p2");
    expect_no_vlans(test);
}

/* Whether the daemon hears of the new name, or nobody runs when it comes. */
static void
test_restart_after_a_rename(void **state)
{
    TestBroker *test = *state;

    test_broker_create(test, 0, TWICE_TAGGED, "p1");
    rename_link(test, "eth0.200", "outer");
    rename_link(test, "eth0.200.100", "office");
    restart_and_settle(test);
    expect_port(test, "p1", PORT_STATE_ACTIVE, "office");
    test_broker_kill(test);
    rename_link(test, "office", "attic");
    rename_link(test, "eth0", "lan0");
    test_broker_start(test);
    expect_port(test, "p1", PORT_STATE_ACTIVE, "attic");
    assert_string_equal(find_port(test, "p1")->trunk, "lan0");
    restart_and_settle(test);
    expect_port(test, "p1", PORT_STATE_ACTIVE, "attic");
    delete_port(test, "p1");
    expect_no_vlans(test);
}

static char *
read_text(const char *path)
{
    g_autoptr(GError) error = NULL;
    char *text = NULL;

    g_file_get_contents(path, &text, NULL, &error);
    assert_no_error(error);
    return text;
}

/* Makes of the records what the daemon wrote when it knew links by their names. */
static void
age_records(TestBroker *test, const Port *port)
{
    g_autofree char *index = g_strdup_printf("%d", port->parent_index);
    g_autofree char *vlan = g_build_filename(test->state, "vlans", index, NULL);
    g_autofree char *old_vlan = g_build_filename(test->state, "vlans", port->parent, NULL);
    g_autofree char *record = g_build_filename(test->state, "ports", port->id, NULL);
    g_autofree char *text = read_text(record);
    json_t *object = json_loads(text, 0, NULL);

    assert_int_equal(rename(vlan, old_vlan), 0);
    assert_int_equal(json_object_del(object, "parentIndex"), 0);
    assert_int_equal(json_object_del(object, "trunkIndex"), 0);
    assert_int_equal(json_dump_file(object, record, 0), 0);
    json_decref(object);
}

static void
test_old_records(void **state)
{
    TestBroker *test = *state;
    int index;

    age_records(test, test_broker_create(test, 0, TAGGED, "p1"));
    index = link_named(test, "eth0.100").index;
    test_broker_kill(test);
    rename_link(test, "eth0.100", "office");
    test_broker_start(test);
    expect_port(test, "p1", PORT_STATE_ACTIVE, "office");
    assert_int_equal(find_port(test, "p1")->parent_index, index);
    assert_int_equal(find_port(test, "p1")->trunk_index, link_named(test, "eth0").index);
    restart_and_settle(test);
    assert_int_equal(count_vlan_records(test), 1);
    delete_port(test, "p1");
    expect_no_vlans(test);
}

/* A record from before the index, of a port whose device is gone, has the name alone. */
static void
test_old_record_without_device(void **state)
{
    TestBroker *test = *state;
    const Port *port = test_broker_create(test, 0, TAGGED, "p1");

    age_records(test, port);
    kernel_fake_remove_link(test->kernel, port->interface_index);
    restart_and_settle(test);
    expect_port(test, "p1", PORT_STATE_DEVICE_GONE, "eth0.100");
    assert_int_equal(find_port(test, "p1")->parent_index, link_named(test, "eth0.100").index);
    delete_port(test, "p1");
    expect_no_vlans(test);
}

/* Two devices of ours that have had the same name have a record each. */
static void
test_name_given_to_another(void **state)
{
    TestBroker *test = *state;

    test_broker_create(test, 0, TAGGED, "p1");
    rename_link(test, "eth0.100", "office");
    rename_link(test, "eth0", "lan0");
    assert_string_equal(find_port(test, "p1")->trunk, "lan0");
    test_broker_add_parent(test, "eth0");
    test_broker_create(test, 0, TAGGED, "p2");
    expect_port(test, "p2", PORT_STATE_ACTIVE, "eth0.100");
    assert_int_equal(count_vlan_records(test), 2);
    restart_and_settle(test);
    assert_int_equal(count_vlan_records(test), 2);
    delete_port(test, "p2");
    assert_false(has_link(test, "eth0.100"));
    expect_port(test, "p1", PORT_STATE_ACTIVE, "office");
    delete_port(test, "p1");
    expect_no_vlans(test);
}

static void
sweep(TestBroker *test)
{
    test_broker_create(test, 0, "lan", "passing");
    delete_port(test, "passing");
}

static void
test_outer_device_in_use(void **state)
{
    TestBroker *test = *state;
    int index;

    test_broker_create(test, 0, TWICE_TAGGED, "p1");
    index = add_upper(test, "adm7", "vlan", "eth0.200");
    delete_port(test, "p1");
    assert_false(has_link(test, "eth0.200.100"));
    assert_true(has_link(test, "eth0.200"));
    assert_true(has_link(test, "adm7"));
    assert_int_equal(count_said(STAYS), 1);
    sweep(test);
    assert_int_equal(count_said(STAYS), 1);
    restart_and_settle(test);
    assert_true(has_link(test, "adm7"));
    kernel_fake_remove_link(test->kernel, index);
    sweep(test);
    expect_no_vlans(test);
}

static void
test_inner_device_in_use(void **state)
{
    TestBroker *test = *state;
    int index;

    test_broker_create(test, 0, TWICE_TAGGED, "p1");
    index = add_upper(test, "container", "macvlan", "eth0.200.100");
    delete_port(test, "p1");
    assert_true(has_link(test, "container"));
    assert_int_equal(count_vlan_records(test), 2);
    assert_int_equal(count_said(STAYS), 1);
    /* It serves ports again meanwhile. */
    test_broker_create(test, 0, TWICE_TAGGED, "p2");
    expect_port(test, "p2", PORT_STATE_ACTIVE, "eth0.200.100");
    kernel_fake_remove_link(test->kernel, index);
    delete_port(test, "p2");
    expect_no_vlans(test);
}

static void
test_device_in_a_bridge(void **state)
{
    TestBroker *test = *state;
    LinkInfo bridge = {.name = "br0", .kind = "bridge"}, device;

    bridge.index = kernel_fake_add_link(test->kernel, &bridge);
    test_broker_create(test, 0, TAGGED, "p1");
    kernel_fake_remove_link(test->kernel, find_port(test, "p1")->interface_index);
    test_settle();
    device = link_named(test, "eth0.100");
    device.master_index = bridge.index;
    kernel_fake_change_link(test->kernel, &device);
    delete_port(test, "p1");
    assert_true(has_link(test, "eth0.100"));
    assert_int_equal(count_said(STAYS), 1);
    kernel_fake_remove_link(test->kernel, bridge.index);
    sweep(test);
    expect_no_vlans(test);
}

/* A guest may be using it: what it lies on stays as well. */
static void
test_device_of_a_damaged_record(void **state)
{
    TestBroker *test = *state;
    const Port *port = test_broker_create(test, 0, TAGGED, "p1");
    g_autofree char *record = g_build_filename(test->state, "ports", port->id, NULL);
    g_autofree char *device = g_strdup(port->interface_name);

    test_broker_kill(test);
    assert_true(g_file_set_contents(record, "{", 1, NULL));
    test_broker_start(test);
    assert_true(has_link(test, device));
    assert_true(has_link(test, "eth0.100"));
    assert_int_equal(count_said(STAYS), 1);
}

static void
bring_back(TestBroker *test, const char *name)
{
    LinkInfo link = link_at(test, kernel_fake_bring_back(test->kernel, name));

    link.flags |= IFF_UP;
    kernel_fake_change_link(test->kernel, &link);
}

/* Meanwhile another port ends, a broker starts, or all events of the device are lost. */
static void
test_device_that_was_moved(void **state)
{
    TestBroker *test = *state;

    for (guint i = 0; i < 3; i++) {
        test_broker_create(test, 0, TAGGED, "p1");
        test_settle();
        if (i == 2)
            restart_without_events(test);
        kernel_fake_move_link(test->kernel, link_named(test, "eth0.100").index);
        if (i == 1)
            restart(test);
        if (i == 2)
            lose_events();
        test_settle();
        test_broker_create(test, 0, "parent=eth0,mode=bridge,vlan=5", "passing");
        delete_port(test, "passing");
        bring_back(test, "eth0.100");
        if (i == 2)
            lose_events();
        test_settle();
        expect_port(test, "p1", PORT_STATE_ACTIVE, "eth0.100");
        assert_null(find_port(test, "p1")->problem);
        delete_port(test, "p1");
        expect_no_vlans(test);
    }
}

/* It comes back with another ifindex. The second time a broker starts afterwards. */
static void
test_outer_device_that_was_moved(void **state)
{
    TestBroker *test = *state;

    for (guint i = 0; i < 2; i++) {
        LinkInfo other = {.name = "eth7", .mac = {{2, 7}}, .flags = IFF_UP};

        test_broker_create(test, 0, TWICE_TAGGED, "p1");
        test_settle();
        other.index = link_named(test, "eth0.200").index;
        kernel_fake_move_link(test->kernel, other.index);
        kernel_fake_add_link(test->kernel, &other);
        test_settle();
        bring_back(test, "eth0.200");
        if (i == 1)
            restart(test);
        test_settle();
        test_broker_create(test, 0, "parent=eth0,mode=bridge,vlan=5", "passing");
        delete_port(test, "passing");
        test_settle();
        expect_port(test, "p1", PORT_STATE_ACTIVE, "eth0.200.100");
        delete_port(test, "p1");
        kernel_fake_remove_link(test->kernel, other.index);
        expect_no_vlans(test);
    }
}

static void
test_passthru_parent_that_was_renamed(void **state)
{
    TestBroker *test = *state;
    const Caller root = test_caller(0);
    const PortRequest again = {.network = (char *)"pass"}, old = {.network = (char *)"old"};

    test_broker_add_network(test, "pass", "eth0", MACVTAP_MODE_PASSTHRU);
    test_broker_create(test, 0, "pass", "p1");
    rename_link(test, "eth0", "old0");
    test_broker_add_network(test, "old", "old0", MACVTAP_MODE_PASSTHRU);
    test_broker_add_parent(test, "eth0");
    test_broker_create(test, 0, "pass", "p2");
    expect_port(test, "p1", PORT_STATE_ACTIVE, "old0");
    expect_port(test, "p2", PORT_STATE_ACTIVE, "eth0");
    test_broker_refuse(test, &root, &again, PORT_ERROR_PARENT_BUSY, "passthru port p2 holds eth0");
    test_broker_refuse(test, &root, &old, PORT_ERROR_PARENT_BUSY, "passthru port p1 holds old0");
}

/* The same MAC on another parent is nobody's conflict, nor is another's of the same old name. */
static void
test_macs_of_a_renamed_parent(void **state)
{
    TestBroker *test = *state;
    const Caller root = test_caller(0);
    PortRequest request = {.network = (char *)"moved", .has_mac = TRUE};

    request.mac = test_broker_create(test, 0, "lan", "p1")->mac;
    rename_unheard(test, "eth0", "old0");
    test_broker_add_network(test, "moved", "old0", MACVTAP_MODE_BRIDGE);
    test_broker_add_parent(test, "eth0");
    test_broker_refuse(test, &root, &request, PORT_ERROR_MAC_CONFLICT,
                       "belongs to port p1 on old0");
}

/* A pool counts the ports on the VLANs of its members. */
static void
test_load_of_a_renamed_trunk(void **state)
{
    TestBroker *test = *state;
    Network *network;

    test_broker_add_parent(test, "eth1");
    test_broker_create(test, 0, TAGGED, "p1");
    rename_unheard(test, "eth0", "lan0");
    network = test_broker_add_network(test, "pool", "lan0,eth1", MACVTAP_MODE_BRIDGE);
    network->vlan = g_strdup("5");
    test_broker_create(test, 0, "pool", "p2");
    expect_port(test, "p2", PORT_STATE_ACTIVE, "eth1.5");
    test_settle();
    test_broker_create(test, 0, "pool", "p3");
    expect_port(test, "p3", PORT_STATE_ACTIVE, "lan0.5");
}

static void
test_rename_is_told(void **state)
{
    TestBroker *test = *state;
    g_autofree char *events = NULL, *record = NULL, *text = NULL;
    const Port *port = test_broker_create(test, 0, "lan", "p1");

    test_settle();
    g_free(test_broker_take_events(test));
    rename_link(test, "eth0", "lan0");
    events = test_broker_take_events(test);
    assert_string_equal(events, "changed p1\n");
    expect_port(test, "p1", PORT_STATE_ACTIVE, "lan0");
    record = g_build_filename(test->state, "ports", port->id, NULL);
    text = read_text(record);
    assert_non_null(strstr(text, "\"parent\":\"lan0\""));
}

/* An old event has the old name; the port was made on the new one. */
static void
test_event_older_than_the_port(void **state)
{
    TestBroker *test = *state;
    g_autofree char *events = NULL;

    test_settle();
    test_broker_add_network(test, "new", "lan0", MACVTAP_MODE_BRIDGE);
    rename_unheard(test, "eth0", "eth0");
    rename_unheard(test, "eth0", "lan0");
    test_broker_create(test, 0, "new", "p1");
    test_settle();
    events = test_broker_take_events(test);
    assert_string_equal(events, "created p1\n");
    expect_port(test, "p1", PORT_STATE_ACTIVE, "lan0");
}

static void
test_states_of_a_renamed_parent(void **state)
{
    TestBroker *test = *state;
    int index = link_named(test, "eth0").index;

    test_broker_create(test, 0, "lan", "p1");
    test_broker_create(test, 0, "lan", "p2");
    rename_link(test, "eth0", "old0");
    test_broker_add_parent(test, "eth0");
    kernel_fake_remove_link(test->kernel, find_port(test, "p1")->interface_index);
    test_settle();
    expect_port(test, "p1", PORT_STATE_DEVICE_GONE, "old0");
    restart_and_settle(test);
    expect_port(test, "p1", PORT_STATE_DEVICE_GONE, "old0");
    kernel_fake_remove_link(test->kernel, index);
    rename_unheard(test, "eth0", "old0");
    test_settle();
    expect_port(test, "p2", PORT_STATE_PARENT_GONE, "old0");
    restart_and_settle(test);
    expect_port(test, "p2", PORT_STATE_PARENT_GONE, "old0");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        BROKER_TEST_SAID(test_comes_and_goes),
        BROKER_TEST_SAID(test_known_device_is_asked_for_by_name),
        BROKER_TEST_SAID(test_trunk_with_an_odd_name),
        BROKER_TEST_SAID(test_renamed_device_stays_with_its_ports),
        BROKER_TEST_SAID(test_restart_after_a_rename),
        BROKER_TEST_SAID(test_old_records),
        BROKER_TEST_SAID(test_old_record_without_device),
        BROKER_TEST_SAID(test_name_given_to_another),
        BROKER_TEST_SAID(test_outer_device_in_use),
        BROKER_TEST_SAID(test_inner_device_in_use),
        BROKER_TEST_SAID(test_device_in_a_bridge),
        BROKER_TEST_SAID(test_device_of_a_damaged_record),
        BROKER_TEST_SAID(test_device_that_was_moved),
        BROKER_TEST_SAID(test_outer_device_that_was_moved),
        BROKER_TEST_SAID(test_passthru_parent_that_was_renamed),
        BROKER_TEST_SAID(test_macs_of_a_renamed_parent),
        BROKER_TEST_SAID(test_load_of_a_renamed_trunk),
        BROKER_TEST_SAID(test_rename_is_told),
        BROKER_TEST_SAID(test_event_older_than_the_port),
        BROKER_TEST_SAID(test_states_of_a_renamed_parent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
