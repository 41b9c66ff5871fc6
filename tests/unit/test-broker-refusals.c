/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the broker refuses, in the user's words: limits, names, parents, MTUs. */
#include "broker-fixture.h"

#include <net/if.h>
#include <net/if_arp.h>

static void
test_networks(void **state)
{
    TestBroker *test = *state;
    const Caller user = test_caller(1000);
    const PortRequest unknown = {.network = (char *)"none"}, broken = {.network = (char *)"broken"},
                      adhoc = {.network = (char *)"parent=eth0,mode=sideways"};

    expect_refused(test, &unknown, PORT_ERROR_NETWORK_NOT_FOUND, "there is no network 'none'");
    expect_refused(test, &adhoc, PORT_ERROR_INVALID_REQUEST, "mode=sideways");
    g_ptr_array_add(test->networks, network_new_broken("broken", "broken.network:3: no Mode="));
    test_broker_add_network(test, "other", "eth0", MACVTAP_MODE_BRIDGE);
    expect_refused(test, &broken, PORT_ERROR_NETWORK_INVALID, "broken.network:3: no Mode=");
    /* What a file says is root's alone. */
    expect_refused_as(test, &user, &broken, PORT_ERROR_NETWORK_INVALID, "its file has an error");
}

static void
test_requests_are_checked(void **state)
{
    TestBroker *test = *state;
    PortRequest request = {.network = (char *)"lan", .has_queues = TRUE, .queues = 9};

    expect_refused(test, &request, PORT_ERROR_LIMIT_REACHED, "at most 8 queues");
    request.queues = 0;
    expect_refused(test, &request, PORT_ERROR_INVALID_REQUEST, "queues");
    request = (PortRequest){.network = (char *)"lan", .has_mac = TRUE, .mac = {{1}}};
    expect_refused(test, &request, PORT_ERROR_INVALID_REQUEST, "multicast");
    request.mac = (MacAddress){{0x02, 1}};
    expect_refused(test, &request, PORT_ERROR_MAC_NOT_ALLOWED, "52:54:00:00:00:00/24");
    request = (PortRequest){.network = (char *)"lan", .interface_name = (char *)"sixteen-letters-"};
    expect_refused(test, &request, PORT_ERROR_INVALID_REQUEST, "sixteen-letters-");
}

static void
test_limits_of_the_network(void **state)
{
    TestBroker *test = *state;
    Network *network = test_broker_network(test, "lan");
    const PortRequest request = {.network = (char *)"lan"};
    const Caller user = test_caller(1000);
    uid_t uid = 1000;

    g_array_append_val(network->allow_uids, uid);
    network->max_ports = 3;
    network->max_ports_per_user = 2;
    test_broker_add_network(test, "dmz", "eth0", MACVTAP_MODE_BRIDGE);
    test_broker_create(test, 0, "dmz", NULL);
    test_broker_create(test, 1000, "lan", "one");
    test_broker_create(test, 1000, "lan", "two");
    expect_refused_as(test, &user, &request, PORT_ERROR_LIMIT_REACHED,
                      "user 1000 already has 2 ports on network lan, and MaxPortsPerUser= allows");
    test_broker_create(test, 0, "lan", "three");
    expect_refused(test, &request, PORT_ERROR_LIMIT_REACHED,
                   "network lan already has 3 ports, and MaxPorts=");
    assert_true(test_broker_delete(test, &user, "one", NULL));
    test_broker_create(test, 1000, "lan", "four");
}

/* The daemon's own limit, whatever the networks allow; records count from the start on. */
static void
test_limit_of_a_user(void **state)
{
    TestBroker *test = *state;
    Network *network = test_broker_network(test, "lan");
    const PortRequest request = {.network = (char *)"lan"};
    const Caller user = test_caller(1000);
    uid_t uid = 1000;

    g_array_append_val(network->allow_uids, uid);
    test_broker_kill(test);
    for (guint i = 0; i < 512; i++) {
        g_autoptr(Port) port = test_port_new(i);

        port->owner = 1000;
        test_broker_write_record(test, port, NULL);
    }
    test_broker_start(test);
    expect_refused_as(test, &user, &request, PORT_ERROR_LIMIT_REACHED,
                      "user 1000 already has the maximum of 512");
    test_broker_create(test, 0, "lan", "roots");
    assert_true(test_broker_delete(test, &user, "vm1", NULL));
    test_broker_create(test, 1000, "lan", "users");
}

static void
test_names(void **state)
{
    TestBroker *test = *state;
    const Port *port = test_broker_create(test, 0, "lan", "web");
    PortRequest request = {.network = (char *)"lan", .name = (char *)"web"};
    const LinkInfo foreign = {.name = "foreign"};

    expect_refused(test, &request, PORT_ERROR_NAME_TAKEN, "there is a port 'web' already");
    request.name = (char *)port->interface_name;
    expect_refused(test, &request, PORT_ERROR_NAME_TAKEN, "already");
    request.name = (char *)"p0123456789ab";
    expect_refused(test, &request, PORT_ERROR_INVALID_REQUEST, "looks like a port ID");
    request = (PortRequest){.network = (char *)"lan", .interface_name = (char *)"eth0"};
    expect_refused(test, &request, PORT_ERROR_NAME_TAKEN, "interface name eth0 is taken");
    kernel_fake_add_link(test->kernel, &foreign);
    request.interface_name = (char *)"foreign";
    expect_refused(test, &request, PORT_ERROR_NAME_TAKEN, "interface name foreign is taken");
    request.interface_name = (char *)port->interface_name;
    expect_refused(test, &request, PORT_ERROR_NAME_TAKEN, port->interface_name);
    request.interface_name = (char *)"web";
    expect_refused(test, &request, PORT_ERROR_NAME_TAKEN, "web");
}

/* The kernel has forgotten the name, but the port has not. */
static void
test_interface_name_of_a_gone_device(void **state)
{
    TestBroker *test = *state;
    const Port *port = test_broker_create(test, 0, "lan", "web");
    const PortRequest request = {.network = (char *)"lan",
                                 .interface_name = (char *)port->interface_name};

    kernel_fake_remove_link(test->kernel, port->interface_index);
    test_settle();
    expect_refused(test, &request, PORT_ERROR_NAME_TAKEN, "web");
}

static void
change_parent(TestBroker *test, void (*change)(LinkInfo *link))
{
    LinkInfo link;

    assert_true(test_broker_find_link(test, "eth0", &link));
    change(&link);
    kernel_fake_change_link(test->kernel, &link);
}

static void
set_down(LinkInfo *link)
{
    link->flags = 0;
}

static void
set_bridge_port(LinkInfo *link)
{
    link->flags = IFF_UP;
    link->master_index = 2;
    g_strlcpy(link->master_kind, "bridge", sizeof(link->master_kind));
}

static void
set_bond_port(LinkInfo *link)
{
    g_strlcpy(link->master_kind, "bond", sizeof(link->master_kind));
}

static void
set_vanished_master(LinkInfo *link)
{
    link->master_index = 99;
}

static void
set_in_vrf(LinkInfo *link)
{
    g_strlcpy(link->master_kind, "vrf", sizeof(link->master_kind));
}

static void
set_not_ethernet(LinkInfo *link)
{
    link->hardware_type = ARPHRD_LOOPBACK;
}

static void
test_parents(void **state)
{
    TestBroker *test = *state;
    const LinkInfo bridge = {.name = "br0", .kind = "bridge"};
    const PortRequest request = {.network = (char *)"lan"}, adhoc = {.network = (char *)"tap"},
                      none = {.network = (char *)"none"};
    const Port *port = test_broker_create(test, 0, "lan", NULL);

    assert_int_equal(kernel_fake_add_link(test->kernel, &bridge), 2);
    test_broker_add_network(test, "none", "eth9", MACVTAP_MODE_BRIDGE);
    expect_refused(test, &none, PORT_ERROR_PARENT_NOT_FOUND,
                   "network none: there is no interface eth9");
    test_broker_add_network(test, "tap", port->interface_name, MACVTAP_MODE_BRIDGE);
    expect_refused(test, &adhoc, PORT_ERROR_PARENT_UNUSABLE, "is a macvtap itself");
    change_parent(test, set_down);
    expect_refused(test, &request, PORT_ERROR_PARENT_UNUSABLE, "parent eth0 is down");
    change_parent(test, set_bridge_port);
    expect_refused(test, &request, PORT_ERROR_PARENT_UNUSABLE,
                   "eth0 is a port of bridge br0; use br0 as the parent");
    change_parent(test, set_bond_port);
    expect_refused(test, &request, PORT_ERROR_PARENT_UNUSABLE,
                   "eth0 is a port of bond br0; use br0 as the parent");
    change_parent(test, set_vanished_master);
    expect_refused(test, &request, PORT_ERROR_PARENT_UNUSABLE, "interface 99");
    change_parent(test, set_in_vrf);
    test_broker_create(test, 0, "lan", NULL);
    change_parent(test, set_not_ethernet);
    expect_refused(test, &request, PORT_ERROR_PARENT_UNUSABLE, "eth0 is not an Ethernet interface");
}

static void
set_switched(LinkInfo *link)
{
    g_strlcpy(link->master_kind, "openvswitch", sizeof(link->master_kind));
    link->master_index = 2;
}

/* The master is the datapath, and what the kernel tells does not name the bridge. */
static void
test_open_vswitch(void **state)
{
    TestBroker *test = *state;
    const LinkInfo datapath = {.name = "ovs-system", .kind = "openvswitch"},
                   inner = {.name = "br0", .kind = "openvswitch", .flags = IFF_UP},
                   other = {.name = "br1", .kind = "openvswitch", .flags = IFF_UP},
                   third = {.name = "dp0", .kind = "openvswitch", .flags = IFF_UP};
    const PortRequest request = {.network = (char *)"lan"}, system = {.network = (char *)"system"};
    LinkInfo link;

    assert_int_equal(kernel_fake_add_link(test->kernel, &datapath), 2);
    change_parent(test, set_switched);
    test_broker_add_network(test, "system", "ovs-system", MACVTAP_MODE_BRIDGE);
    test_broker_add_network(test, "inner", "br0", MACVTAP_MODE_BRIDGE);
    expect_refused(
        test, &request, PORT_ERROR_PARENT_UNUSABLE,
        "eth0 belongs to Open vSwitch; use an internal interface of its bridge as the parent");
    kernel_fake_add_link(test->kernel, &inner);
    expect_refused(
        test, &request, PORT_ERROR_PARENT_UNUSABLE,
        "eth0 belongs to Open vSwitch; use br0, an internal interface of its bridge, as the"
        " parent");
    expect_refused(test, &system, PORT_ERROR_PARENT_UNUSABLE,
                   "ovs-system is Open vSwitch's own device and carries no frames; use br0");
    assert_string_equal(test_broker_create(test, 0, "inner", NULL)->parent, "br0");
    kernel_fake_add_link(test->kernel, &other);
    expect_refused(test, &request, PORT_ERROR_PARENT_UNUSABLE,
                   "use an internal interface of its bridge");
    expect_refused(test, &system, PORT_ERROR_PARENT_UNUSABLE,
                   "use an internal interface of its bridge");
    /* A datapath of another name is one of ovs-dpctl(8)'s: its device is its internal interface. */
    assert_true(test_broker_find_link(test, "eth0", &link));
    link.master_index = kernel_fake_add_link(test->kernel, &third);
    kernel_fake_change_link(test->kernel, &link);
    expect_refused(test, &request, PORT_ERROR_PARENT_UNUSABLE, "use dp0 as the parent");
}

static void
add_macvlan(TestBroker *test, const char *name, const char *lower, MacvtapMode mode)
{
    LinkInfo link = {.kind = "macvlan", .flags = IFF_UP, .is_macvlan = TRUE, .mode = mode};
    LinkInfo below;

    g_strlcpy(link.name, name, sizeof(link.name));
    link.mac = (MacAddress){{0x02, 0, 0, 0, 0x33, (guint8)strlen(name)}};
    if (lower) {
        assert_true(test_broker_find_link(test, lower, &below));
        link.lower_index = below.index;
    }
    kernel_fake_add_link(test->kernel, &link);
}

static void
test_macvlans_as_parents(void **state)
{
    TestBroker *test = *state;
    const PortRequest pass = {.network = (char *)"pass"}, own = {.network = (char *)"own"},
                      on_vlan = {.network = (char *)"on-vlan"}, tagged = {.network = (char *)"tag"};
    LinkInfo vlan = {.name = "c0.7", .kind = "vlan", .flags = IFF_UP, .vlan_id = 7}, container;

    add_macvlan(test, "shim", "eth0", MACVTAP_MODE_BRIDGE);
    add_macvlan(test, "c0", NULL, MACVTAP_MODE_BRIDGE);
    test_broker_add_parent(test, "eth1");
    add_macvlan(test, "owner", "eth1", MACVTAP_MODE_PASSTHRU);
    assert_true(test_broker_find_link(test, "c0", &container));
    vlan.lower_index = container.index;
    kernel_fake_add_link(test->kernel, &vlan);
    test_broker_add_network(test, "shim", "shim", MACVTAP_MODE_BRIDGE);
    test_broker_add_network(test, "c0", "c0", MACVTAP_MODE_BRIDGE);
    test_broker_add_network(test, "pass", "c0", MACVTAP_MODE_PASSTHRU);
    test_broker_add_network(test, "own", "owner", MACVTAP_MODE_BRIDGE);
    test_broker_add_network(test, "on-vlan", "c0.7", MACVTAP_MODE_BRIDGE);
    test_broker_add_network(test, "tag", "c0", MACVTAP_MODE_BRIDGE)->vlan = g_strdup("100");
    assert_string_equal(test_broker_create(test, 0, "shim", NULL)->parent, "eth0");
    assert_string_equal(test_broker_create(test, 0, "c0", NULL)->parent, "c0");
    expect_refused(test, &pass, PORT_ERROR_PARENT_UNUSABLE,
                   "passthru needs an interface to itself");
    expect_refused(test, &own, PORT_ERROR_PARENT_UNUSABLE, "owner is a macvlan in passthru mode");
    expect_refused(test, &tagged, PORT_ERROR_PARENT_UNUSABLE, "VLAN=100 does not work on c0");
    expect_refused(test, &on_vlan, PORT_ERROR_PARENT_UNUSABLE, "c0.7 is on macvlan c0");
    assert_true(test_broker_find_link(test, "c0", &container));
    kernel_fake_remove_link(test->kernel, container.index);
    test_settle();
    test_broker_kill(test);
    test_broker_start(test);
    assert_int_equal(test->messages->len, 0);
}

static void
assert_problems(TestBroker *test, const char *network, const char *expected)
{
    g_auto(GStrv) problems =
        broker_parent_problems(test->broker, test_broker_network(test, network));
    g_autofree char *text = problems ? g_strjoinv("\n", problems) : g_strdup("");

    assert_string_equal(text, expected);
}

/* Seen before anybody asks for a port. */
static void
test_parent_problems(void **state)
{
    TestBroker *test = *state;

    test_broker_add_parent(test, "eth1");
    test_broker_add_network(test, "none", "eth9", MACVTAP_MODE_BRIDGE);
    test_broker_add_network(test, "pool", "eth9,eth1,eth0", MACVTAP_MODE_BRIDGE);
    test_broker_add_network(test, "pass", "eth1", MACVTAP_MODE_PASSTHRU);
    test_broker_add_network(test, "alone", "eth0", MACVTAP_MODE_PASSTHRU);
    test_broker_add_network(test, "beside", "eth1", MACVTAP_MODE_BRIDGE);
    test_broker_add_network(test, "jumbo", "eth0,eth1", MACVTAP_MODE_BRIDGE)->mtu = 9000;
    test_broker_add_network(test, "fits", "eth0", MACVTAP_MODE_BRIDGE)->mtu = 1500;
    assert_problems(test, "lan", "");
    assert_problems(test, "fits", "");
    assert_problems(test, "none", "there is no interface eth9");
    assert_problems(test, "pool", "there is no interface eth9");
    assert_problems(test, "jumbo", "MTU 9000 is above eth0's 1500\nMTU 9000 is above eth1's 1500");
    test_broker_create(test, 0, "fits", "web");
    assert_problems(test, "alone", "passthru needs eth0 to itself, but port web is on it");
    delete_port(test, "web");
    assert_problems(test, "alone", "");
    change_parent(test, set_down);
    assert_problems(test, "lan", "parent eth0 is down");
    assert_problems(test, "pool", "there is no interface eth9\nparent eth0 is down");
    change_parent(test, set_not_ethernet);
    assert_problems(test, "lan", "eth0 is not an Ethernet interface");
    /* That it is in use is what a passthru network is for; nobody else can have it. */
    assert_problems(test, "beside", "");
    test_broker_create(test, 0, "pass", "vm7");
    assert_problems(test, "pass", "");
    assert_problems(test, "beside", "passthru port vm7 holds eth1");
}

static void
test_check_network(void **state)
{
    TestBroker *test = *state;
    const Caller root = test_caller(0);
    GError *error = NULL;

    test_broker_create(test, 0, "parent=eth0,mode=vepa", NULL);
    assert_true(broker_check_network(test->broker, &root, "lan", NULL));
    assert_true(broker_check_network(test->broker, &root, "parent=eth0,mode=vepa", NULL));
    assert_false(broker_check_network(test->broker, &root, "parent=eth0,mode=bridge", NULL));
    assert_false(broker_check_network(test->broker, &root, "none", &error));
    assert_error_cleared(&error, PORT_ERROR, PORT_ERROR_NETWORK_NOT_FOUND,
                         "there is no network 'none'");
}

static void
test_passthru_is_exclusive(void **state)
{
    TestBroker *test = *state;
    const PortRequest lan = {.network = (char *)"lan"}, pass = {.network = (char *)"pass"};
    const Caller root = test_caller(0);

    test_broker_add_network(test, "pass", "eth0", MACVTAP_MODE_PASSTHRU);
    test_broker_create(test, 0, "pass", "vm7");
    expect_refused(test, &lan, PORT_ERROR_PARENT_BUSY, "passthru port vm7 holds eth0");
    expect_refused(test, &pass, PORT_ERROR_PARENT_BUSY, "passthru port vm7 holds eth0");
    assert_true(test_broker_delete(test, &root, "vm7", NULL));
    test_broker_create(test, 0, "lan", "vm8");
    expect_refused(test, &pass, PORT_ERROR_PARENT_BUSY,
                   "passthru needs eth0 to itself, but port vm8");
}

static void
test_foreign_macvlans(void **state)
{
    TestBroker *test = *state;
    const PortRequest lan = {.network = (char *)"lan"}, pass = {.network = (char *)"pass"};
    LinkInfo foreign = {
        .name = "mv0", .kind = "macvlan", .is_macvlan = TRUE, .lower_index = 1, .mac = {{2, 2}}};

    test_broker_add_network(test, "pass", "eth0", MACVTAP_MODE_PASSTHRU);
    foreign.index = kernel_fake_add_link(test->kernel, &foreign);
    expect_refused(test, &pass, PORT_ERROR_PARENT_BUSY,
                   "passthru needs eth0 to itself, but macvlan mv0");
    foreign.mode = MACVTAP_MODE_PASSTHRU;
    kernel_fake_change_link(test->kernel, &foreign);
    expect_refused(test, &lan, PORT_ERROR_PARENT_BUSY, "passthru device mv0 holds eth0");
}

static void
test_pool(void **state)
{
    TestBroker *test = *state;
    const PortRequest request = {.network = (char *)"pool"};
    static const char *const chosen[] = {"eth0", "eth1", "eth2", "eth0"};
    LinkInfo link;

    test_broker_add_parent(test, "eth1");
    test_broker_add_parent(test, "eth2");
    test_broker_add_network(test, "pool", "eth0,eth1,eth2,eth9", MACVTAP_MODE_BRIDGE);
    for (guint i = 0; i < G_N_ELEMENTS(chosen); i++)
        assert_string_equal(test_broker_create(test, 0, "pool", NULL)->parent, chosen[i]);
    /* The least loaded has no carrier: one that has takes it. */
    assert_true(test_broker_find_link(test, "eth1", &link));
    link.carrier = FALSE;
    kernel_fake_change_link(test->kernel, &link);
    assert_string_equal(test_broker_create(test, 0, "pool", NULL)->parent, "eth2");
    assert_string_equal(test_broker_create(test, 0, "pool", NULL)->parent, "eth0");
    /* Without any carrier at all the load decides again. */
    for (guint i = 0; i < 3; i++) {
        g_autofree char *name = g_strdup_printf("eth%u", i);

        assert_true(test_broker_find_link(test, name, &link));
        link.carrier = FALSE;
        kernel_fake_change_link(test->kernel, &link);
    }
    assert_string_equal(test_broker_create(test, 0, "pool", NULL)->parent, "eth1");
    for (guint i = 0; i < 3; i++) {
        g_autofree char *name = g_strdup_printf("eth%u", i);

        assert_true(test_broker_find_link(test, name, &link));
        link.flags = 0;
        kernel_fake_change_link(test->kernel, &link);
    }
    expect_refused(test, &request, PORT_ERROR_PARENT_UNUSABLE, "parent eth0 is down");
}

static void
test_pool_of_passthru(void **state)
{
    TestBroker *test = *state;
    const PortRequest request = {.network = (char *)"pool"};
    const Caller root = test_caller(0);

    test_broker_add_parent(test, "eth1");
    test_broker_add_network(test, "pool", "eth0,eth1", MACVTAP_MODE_PASSTHRU);
    assert_string_equal(test_broker_create(test, 0, "pool", "vm1")->parent, "eth0");
    assert_string_equal(test_broker_create(test, 0, "pool", "vm2")->parent, "eth1");
    expect_refused(test, &request, PORT_ERROR_PARENT_BUSY, "passthru port vm1 holds eth0");
    assert_true(test_broker_delete(test, &root, "vm1", NULL));
    assert_string_equal(test_broker_create(test, 0, "pool", "vm3")->parent, "eth0");
}

static void
test_mtus(void **state)
{
    TestBroker *test = *state;
    Network *network = test_broker_network(test, "lan");
    PortRequest request = {.network = (char *)"lan", .mtu = 9000};
    LinkInfo link;

    expect_refused(test, &request, PORT_ERROR_MTU_TOO_LARGE, "MTU 9000 is above eth0's 1500");
    network->mtu = 1300;
    assert_int_equal(test_broker_create(test, 0, "lan", "web")->mtu, 1300);
    assert_true(test_broker_find_link(
        test, test_broker_create(test, 0, "lan", "db")->interface_name, &link));
    assert_int_equal(link.mtu, 1300);
    request.mtu = 1400;
    expect_refused(test, &request, PORT_ERROR_MTU_TOO_LARGE, "1300");
    network->mtu = 2000;
    request.mtu = 0;
    expect_refused(test, &request, PORT_ERROR_MTU_TOO_LARGE, "MTU 2000 is above eth0's 1500");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        BROKER_TEST(test_networks),
        BROKER_TEST(test_requests_are_checked),
        BROKER_TEST(test_limits_of_the_network),
        BROKER_TEST(test_limit_of_a_user),
        BROKER_TEST(test_names),
        BROKER_TEST(test_interface_name_of_a_gone_device),
        BROKER_TEST(test_parents),
        BROKER_TEST(test_open_vswitch),
        BROKER_TEST(test_macvlans_as_parents),
        BROKER_TEST(test_parent_problems),
        BROKER_TEST(test_check_network),
        BROKER_TEST(test_passthru_is_exclusive),
        BROKER_TEST(test_foreign_macvlans),
        BROKER_TEST(test_pool),
        BROKER_TEST(test_pool_of_passthru),
        BROKER_TEST(test_mtus),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
