/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which addresses the broker withholds from guests with Addresses=dhcp, and how long. */
#include "broker-fixture.h"
#include "reload-fixture.h"

#include <errno.h>
#include <net/if.h>

static int
parent(TestBroker *test)
{
    return link_named(test, "eth0").index;
}

static gboolean
is_withheld(TestBroker *test, const char *address)
{
    return fake_datapath_withholds(test->datapath, parent(test), address);
}

/* Its ports learn addresses; they are called NAME-port. */
static Network *
add_learning(TestBroker *test, const char *name, const char *parents)
{
    Network *network = test_broker_add_network(test, name, parents, MACVTAP_MODE_BRIDGE);

    network->guard.addresses = GUARD_ADDRESSES_DHCP;
    return network;
}

static void
give_addresses(Network *network, const char *subnet, const char *gateway)
{
    IpPrefix prefix;
    IpAddress address;

    assert_true(ip_prefix_parse(subnet, &prefix, NULL) && ip_address_parse(gateway, &address));
    g_array_append_val(network->addresses.subnets, prefix);
    g_array_append_val(network->addresses.gateways, address);
    assert_true(addresses_finish(&network->addresses, NULL));
}

/* Returns its address. */
static const char *
lease_of(const Port *port)
{
    static char text[IP_ADDRESS_TEXT_SIZE];

    return ip_address_format(&g_array_index(port->addresses, PortAddress, 0).address, text);
}

static void
without_a_port_that_learns_nothing_is_withheld(void **state)
{
    TestBroker *test = *state;

    give_addresses(test_broker_network(test, "lan"), "10.0.0.0/24", "10.0.0.254");
    kernel_fake_add_address(test->kernel, parent(test), "10.0.0.1/24");
    test_broker_create(test, 0, "lan", "web");
    test_settle();
    assert_int_equal(fake_datapath_count_withheld(test->datapath), 0);
}

/* As soon as the port is there, before the main loop runs. */
static void
hosts_gateways_and_ports_addresses_are_withheld(void **state)
{
    TestBroker *test = *state;
    int other = test_broker_add_parent(test, "eth1");

    give_addresses(test_broker_network(test, "lan"), "10.0.0.0/24", "10.0.0.254");
    add_learning(test, "wild", "eth0");
    kernel_fake_add_address(test->kernel, parent(test), "10.0.0.1/24");
    kernel_fake_add_address(test->kernel, parent(test), "fd00::1/64");
    kernel_fake_add_address(test->kernel, other, "10.7.0.1/24");
    kernel_fake_add_gateway(test->kernel, parent(test), "10.0.0.253");
    kernel_fake_add_gateway(test->kernel, other, "10.7.0.253");
    test_broker_create(test, 0, "lan", "web");
    test_broker_create(test, 0, "wild", "pony");
    assert_true(is_withheld(test, "10.0.0.1") && is_withheld(test, "fd00::1"));
    assert_true(is_withheld(test, "10.0.0.253") && is_withheld(test, "10.0.0.254"));
    assert_true(is_withheld(test, lease_of(find_port(test, "web"))));
    assert_int_equal(fake_datapath_count_withheld(test->datapath), 5);
}

static void
each_further_port_adds_its_own(void **state)
{
    TestBroker *test = *state;

    give_addresses(test_broker_network(test, "lan"), "10.0.0.0/24", "10.0.0.254");
    add_learning(test, "wild", "eth0");
    test_broker_create(test, 0, "wild", "pony");
    assert_int_equal(fake_datapath_count_withheld(test->datapath), 0);
    assert_true(is_withheld(test, lease_of(test_broker_create(test, 0, "lan", "web"))));
    assert_true(is_withheld(test, "10.0.0.254"));
    delete_port(test, "web");
    test_settle();
    assert_int_equal(fake_datapath_count_withheld(test->datapath), 0);
}

static void
what_is_listed_for_a_port_is_withheld(void **state)
{
    TestBroker *test = *state;
    const Caller root = test_caller(0);
    PortRequest request = {.network = (char *)"lan",
                           .name = (char *)"web",
                           .holder = {.type = HOLDER_NONE},
                           .guard = {.is_given = TRUE, .has_addresses = TRUE}};
    PortChange change = {.port = (char *)"web", .guard = request.guard};
    IpPrefix one, several;

    assert_true(ip_prefix_parse("10.0.0.7/32", &one, NULL));
    assert_true(ip_prefix_parse("10.0.0.8/29", &several, NULL));
    request.guard.settings.addresses = GUARD_ADDRESSES_LISTED;
    request.guard.settings.prefixes = g_array_new(FALSE, FALSE, sizeof(IpPrefix));
    g_array_append_val(request.guard.settings.prefixes, one);
    g_array_append_val(request.guard.settings.prefixes, several);
    add_learning(test, "wild", "eth0");
    test_broker_create(test, 0, "wild", "pony");
    create_port(test, &root, &request);
    assert_true(is_withheld(test, "10.0.0.7"));
    assert_int_equal(fake_datapath_count_withheld(test->datapath), 1);
    change.guard.settings.addresses = GUARD_ADDRESSES_ANY;
    assert_non_null(broker_change_port(test->broker, &root, &change, NULL));
    test_settle();
    assert_int_equal(fake_datapath_count_withheld(test->datapath), 0);
    g_array_unref(request.guard.settings.prefixes);
}

/* A network gives an address once, on whichever of its parents. */
static void
a_pools_addresses_are_withheld_on_each_parent(void **state)
{
    TestBroker *test = *state;
    Network *pool;

    test_broker_add_parent(test, "eth1");
    pool = add_learning(test, "pool", "eth0,eth1");
    give_addresses(pool, "10.0.0.0/24", "10.0.0.254");
    for (guint i = 0; i < 4; i++) {
        g_autofree char *name = g_strdup_printf("p%u", i);

        test_broker_create(test, 0, "pool", name);
    }
    test_settle();
    for (guint i = 0; i < 4; i++) {
        g_autofree char *name = g_strdup_printf("p%u", i);
        const char *lease = lease_of(find_port(test, name));

        assert_true(is_withheld(test, lease));
        assert_true(fake_datapath_withholds(test->datapath, link_named(test, "eth1").index, lease));
    }
}

static void
the_hosts_addresses_are_followed(void **state)
{
    TestBroker *test = *state;

    add_learning(test, "wild", "eth0");
    test_broker_create(test, 0, "wild", "pony");
    kernel_fake_add_address(test->kernel, parent(test), "10.0.0.9/24");
    test_settle();
    assert_true(is_withheld(test, "10.0.0.9"));
    kernel_fake_remove_address(test->kernel, parent(test), "10.0.0.9/24");
    test_settle();
    assert_false(is_withheld(test, "10.0.0.9"));
}

/* Nothing would tell that a gateway's route is back. */
static void
a_next_hop_stays_as_long_as_ports_learn(void **state)
{
    TestBroker *test = *state;

    add_learning(test, "wild", "eth0");
    kernel_fake_add_gateway(test->kernel, parent(test), "10.0.0.253");
    test_broker_create(test, 0, "wild", "pony");
    kernel_fake_remove_gateway(test->kernel, parent(test), "10.0.0.253");
    kernel_fake_add_address(test->kernel, parent(test), "10.0.0.9/24");
    test_settle();
    assert_true(is_withheld(test, "10.0.0.253"));
    delete_port(test, "pony");
    test_settle();
    assert_int_equal(fake_datapath_count_withheld(test->datapath), 0);
}

/* Something that may have taken an address away. */
static void
have_reviewed(TestBroker *test)
{
    test_broker_create(test, 0, "wild", "passing");
    delete_port(test, "passing");
    test_settle();
}

/* lan becomes this, which may be NULL; the port pony of wild learns. */
static void
redefine(TestBroker *test, Network *lan)
{
    Network *wild = define_network("wild", MACVTAP_MODE_BRIDGE);

    wild->guard.addresses = GUARD_ADDRESSES_DHCP;
    g_ptr_array_unref(reload_networks(test, lan, wild));
}

static Network *
lan_with_gateway(const char *gateway)
{
    Network *lan = define_network("lan", MACVTAP_MODE_BRIDGE);

    give_addresses(lan, "10.0.0.0/24", gateway);
    return lan;
}

/* Whose ports live on: removed, or invalid. */
static void
a_networks_gateway_outlives_its_file(void **state)
{
    TestBroker *test = *state;

    redefine(test, lan_with_gateway("10.0.0.254"));
    test_broker_create(test, 0, "wild", "pony");
    test_broker_create(test, 0, "lan", "web");
    for (guint i = 0; i < 2; i++) {
        redefine(test, i == 0 ? NULL : network_new_broken("lan", "line 3: unknown key"));
        kernel_fake_add_address(test->kernel, parent(test), "10.0.0.9/24");
        test_settle();
        have_reviewed(test);
        assert_true(is_withheld(test, "10.0.0.254") && is_withheld(test, "10.0.0.9"));
        kernel_fake_remove_address(test->kernel, parent(test), "10.0.0.9/24");
        test_settle();
        assert_true(is_withheld(test, "10.0.0.254"));
        assert_false(is_withheld(test, "10.0.0.9"));
    }
    redefine(test, lan_with_gateway("10.0.0.253"));
    assert_true(is_withheld(test, "10.0.0.253"));
    assert_false(is_withheld(test, "10.0.0.254"));
}

/* Also if it was not withheld yet when the file went. */
static void
a_port_that_learns_later_does_not_learn_it(void **state)
{
    TestBroker *test = *state;

    redefine(test, lan_with_gateway("10.0.0.254"));
    test_broker_create(test, 0, "lan", "web");
    redefine(test, NULL);
    assert_int_equal(fake_datapath_count_withheld(test->datapath), 0);
    test_broker_create(test, 0, "wild", "pony");
    assert_true(is_withheld(test, "10.0.0.254"));
}

/* Which only the datapath remembers then. */
static void
a_networks_gateway_outlives_its_file_and_the_daemon(void **state)
{
    TestBroker *test = *state;

    redefine(test, lan_with_gateway("10.0.0.254"));
    test_broker_create(test, 0, "lan", "web");
    test_broker_create(test, 0, "wild", "pony");
    redefine(test, NULL);
    test_broker_kill(test);
    test_broker_start(test);
    have_reviewed(test);
    assert_true(is_withheld(test, "10.0.0.254"));
    redefine(test, lan_with_gateway("10.0.0.253"));
    assert_true(is_withheld(test, "10.0.0.253"));
    assert_false(is_withheld(test, "10.0.0.254"));
}

/* What is there is not known then, let alone what has gone. */
static void
nothing_is_released_after_a_failure(void **state)
{
    static const char *const operations[] = {"address_list", "link_by_index", "gateway_list"};
    TestBroker *test = *state;
    int other = test_broker_add_parent(test, "eth1");

    add_learning(test, "wild", "eth0");
    kernel_fake_add_address(test->kernel, other, "10.7.0.1/24");
    kernel_fake_add_address(test->kernel, parent(test), "10.0.0.9/24");
    test_broker_create(test, 0, "wild", "pony");
    for (guint i = 0; i < G_N_ELEMENTS(operations); i++) {
        test->repair_delays[1] = 3600 * 1000;
        kernel_fake_remove_address(test->kernel, parent(test), "10.0.0.9/24");
        kernel_fake_fail(test->kernel, operations[i], 1, ENOBUFS);
        test_settle();
        assert_true(is_withheld(test, "10.0.0.9"));
        kernel_fake_add_address(test->kernel, parent(test), "10.0.0.8/24");
        test_settle();
        assert_true(is_withheld(test, "10.0.0.8"));
        assert_false(is_withheld(test, "10.0.0.9"));
        test->repair_delays[1] = 0;
        kernel_fake_remove_address(test->kernel, parent(test), "10.0.0.8/24");
        kernel_fake_fail(test->kernel, operations[i], 1, ENOBUFS);
        test_settle();
        assert_false(is_withheld(test, "10.0.0.8"));
        kernel_fake_add_address(test->kernel, parent(test), "10.0.0.9/24");
        test_settle();
    }
}

static void
the_next_daemon_withholds_the_same(void **state)
{
    TestBroker *test = *state;

    give_addresses(test_broker_network(test, "lan"), "10.0.0.0/24", "10.0.0.254");
    add_learning(test, "wild", "eth0");
    test_broker_create(test, 0, "lan", "web");
    test_broker_create(test, 0, "wild", "pony");
    test_broker_kill(test);
    assert_true(is_withheld(test, "10.0.0.254"));
    kernel_fake_add_address(test->kernel, parent(test), "10.0.0.9/24");
    test_broker_start(test);
    assert_true(is_withheld(test, "10.0.0.9") && is_withheld(test, "10.0.0.254"));
    assert_true(is_withheld(test, lease_of(find_port(test, "web"))));
    test_broker_kill(test);
    test_broker_start(test);
    delete_port(test, "pony");
    test_settle();
    assert_int_equal(fake_datapath_count_withheld(test->datapath), 0);
}

static void
a_failure_keeps_a_port_that_learns_from_being_made(void **state)
{
    TestBroker *test = *state;
    const Caller root = test_caller(0);
    const PortRequest request = {
        .network = (char *)"wild", .name = (char *)"pony", .holder = {.type = HOLDER_NONE}};

    add_learning(test, "wild", "eth0");
    fake_datapath_fail_withhold(test->datapath, 1);
    test_broker_refuse(test, &root, &request, PORT_ERROR_SYSTEM, "cannot guard the port");
    kernel_fake_add_gateway(test->kernel, parent(test), "10.0.0.253");
    test_broker_create(test, 0, "wild", "pony");
    assert_true(is_withheld(test, "10.0.0.253"));
}

/* The host's address and the gateways are withheld as well as they can be. */
static void
too_many_addresses_are_an_error(void **state)
{
    TestBroker *test = *state;
    const Caller root = test_caller(0);
    const PortRequest request = {
        .network = (char *)"wild", .name = (char *)"pony", .holder = {.type = HOLDER_NONE}};

    give_addresses(test_broker_network(test, "lan"), "10.0.0.0/24", "10.0.0.254");
    add_learning(test, "wild", "eth0");
    test_broker_create(test, 0, "lan", "web");
    test_broker_create(test, 0, "lan", "db");
    kernel_fake_add_address(test->kernel, parent(test), "10.0.0.1/24");
    kernel_fake_add_gateway(test->kernel, parent(test), "10.0.0.253");
    fake_datapath_limit_withheld(test->datapath, 3);
    test_broker_refuse(test, &root, &request, PORT_ERROR_SYSTEM, "too many addresses on eth0");
    assert_true(is_withheld(test, "10.0.0.1") && is_withheld(test, "10.0.0.253"));
    assert_true(is_withheld(test, "10.0.0.254"));
    fake_datapath_limit_withheld(test->datapath, 5);
    test_broker_create(test, 0, "wild", "pony");
    assert_int_equal(fake_datapath_count_withheld(test->datapath), 5);
}

/* Those of the host and gateways, of whatever link, before those of ports. */
static void
the_room_is_for_the_most_important(void **state)
{
    TestBroker *test = *state;
    int other = test_broker_add_parent(test, "eth1");
    const char *const names[] = {"a", "b", "c", "d"};

    give_addresses(add_learning(test, "lan0", "eth0"), "10.0.0.0/24", "10.0.0.254");
    give_addresses(add_learning(test, "lan1", "eth1"), "10.1.0.0/24", "10.1.0.254");
    for (guint i = 0; i < G_N_ELEMENTS(names); i++)
        test_broker_create(test, 0, i % 2 ? "lan1" : "lan0", names[i]);
    test_settle();
    assert_int_equal(fake_datapath_count_withheld(test->datapath), 6);
    fake_datapath_limit_withheld(test->datapath, 3);
    kernel_fake_add_address(test->kernel, other, "10.1.0.1/24");
    test_settle();
    assert_int_equal(fake_datapath_count_withheld(test->datapath), 3);
    assert_true(is_withheld(test, "10.0.0.254"));
    assert_true(fake_datapath_withholds(test->datapath, other, "10.1.0.254"));
    assert_true(fake_datapath_withholds(test->datapath, other, "10.1.0.1"));
}

/* The only fault that there can be; NULL: none. Free with g_free(). */
static char *
fault_of(TestBroker *test)
{
    const Caller root = test_caller(0);
    g_autoptr(GPtrArray) faults = broker_list_faults(test->broker, &root);
    const Fault *fault = faults->len > 0 ? faults->pdata[0] : NULL;

    assert_true(faults->len <= 1);
    return fault ? g_strdup_printf("%s: %s: %s", fault->code, fault->message, fault->remedy) : NULL;
}

/* And no longer once a review has succeeded. */
static void
a_review_that_fails_is_a_fault(void **state)
{
    TestBroker *test = *state;
    g_autofree char *none = NULL, *unread = NULL, *full = NULL, *over = NULL;

    test->repair_delays[1] = 3600 * 1000;
    add_learning(test, "wild", "eth0");
    test_broker_create(test, 0, "wild", "pony");
    none = fault_of(test);
    assert_null(none);
    kernel_fake_fail(test->kernel, "address_list", 1, ENOBUFS);
    kernel_fake_add_address(test->kernel, parent(test), "10.0.0.1/24");
    test_settle();
    unread = fault_of(test);
    assert_non_null(strstr(unread, "address-not-withheld: cannot find out which addresses"));
    fake_datapath_limit_withheld(test->datapath, 1);
    kernel_fake_add_address(test->kernel, parent(test), "10.0.0.2/24");
    test_settle();
    full = fault_of(test);
    assert_non_null(strstr(full, "address-not-withheld: cannot withhold addresses"));
    assert_non_null(strstr(full, "fewer addresses"));
    kernel_fake_remove_address(test->kernel, parent(test), "10.0.0.2/24");
    test_settle();
    over = fault_of(test);
    assert_null(over);
}

/* It would learn what could not be read. */
static void
a_failure_to_read_does_so_too(void **state)
{
    TestBroker *test = *state;
    const Caller root = test_caller(0);
    const PortRequest request = {
        .network = (char *)"wild", .name = (char *)"pony", .holder = {.type = HOLDER_NONE}};

    add_learning(test, "wild", "eth0");
    kernel_fake_add_address(test->kernel, parent(test), "10.0.0.9/24");
    kernel_fake_fail(test->kernel, "address_list", 1, ENOBUFS);
    test_broker_refuse(test, &root, &request, PORT_ERROR_SYSTEM,
                       "cannot find out which addresses to withhold from guests");
    test_broker_create(test, 0, "wild", "pony");
    assert_true(is_withheld(test, "10.0.0.9"));
}

/* ---- without the parent ---- */

/* The ports pony, which learns, and web, with addresses and a gateway; and a next hop. */
static void
create_pony_and_web(TestBroker *test, const char *network, const char *parent_name)
{
    give_addresses(test_broker_network(test, network), "10.0.0.0/24", "10.0.0.254");
    add_learning(test, "wild", parent_name);
    kernel_fake_add_gateway(test->kernel, link_named(test, parent_name).index, "10.0.0.253");
    test_broker_create(test, 0, network, "web");
    test_broker_create(test, 0, "wild", "pony");
    test_settle();
}

static guint
count_withheld_at(TestBroker *test, int link)
{
    return fake_datapath_withholds(test->datapath, link, "10.0.0.253") +
           fake_datapath_withholds(test->datapath, link, "10.0.0.254") +
           fake_datapath_withholds(test->datapath, link, lease_of(find_port(test, "web")));
}

/* The programs look there. */
static void
expect_withheld_at(TestBroker *test, int link)
{
    int pony = find_port(test, "pony")->interface_index;

    assert_int_equal(count_withheld_at(test, link), 3);
    assert_int_equal(fake_datapath_settings(test->datapath, pony)->link, link);
}

/* Its guest has its connection if the parent is up where it is now. */
static void
nothing_is_released_while_the_parent_is_away(void **state)
{
    TestBroker *test = *state;
    LinkInfo other = {.name = "eth7", .mac = {{2, 7}}};
    int index;

    create_pony_and_web(test, "lan", "eth0");
    other.index = parent(test);
    kernel_fake_move_link(test->kernel, other.index);
    test_settle();
    expect_withheld_at(test, other.index);
    restart(test);
    restart(test); /* the record has parentIndex no longer */
    test_settle();
    expect_withheld_at(test, other.index);
    kernel_fake_add_link(test->kernel, &other);
    index = kernel_fake_bring_back(test->kernel, "eth0");
    kernel_fake_add_gateway(test->kernel, index, "10.0.0.253");
    test_settle();
    expect_withheld_at(test, index);
    assert_int_equal(count_withheld_at(test, other.index), 0);
}

static void
nothing_is_released_while_there_is_no_stand_in(void **state)
{
    TestBroker *test = *state;
    LinkInfo link = {.name = "net0", .kind = "macvlan", .mac = {{2, 5}}, .flags = IFF_UP};
    int before;

    link.carrier = link.is_macvlan = link.lower_is_elsewhere = TRUE;
    link.lower_netns = 3;
    link.lower_there = 2;
    before = kernel_fake_add_link(test->kernel, &link);
    test_settle();
    test_broker_add_network(test, "inside", "net0", MACVTAP_MODE_BRIDGE);
    create_pony_and_web(test, "inside", "net0");
    kernel_fake_remove_link(test->kernel, before);
    test_settle();
    expect_withheld_at(test, before);
    restart(test);
    test_settle();
    expect_withheld_at(test, before);
    link.index = before + 10;
    kernel_fake_add_link(test->kernel, &link);
    kernel_fake_add_gateway(test->kernel, link.index, "10.0.0.253");
    test_settle();
    expect_withheld_at(test, link.index);
    assert_int_equal(count_withheld_at(test, before), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        BROKER_TEST(without_a_port_that_learns_nothing_is_withheld),
        BROKER_TEST(hosts_gateways_and_ports_addresses_are_withheld),
        BROKER_TEST(each_further_port_adds_its_own),
        BROKER_TEST(what_is_listed_for_a_port_is_withheld),
        BROKER_TEST(a_pools_addresses_are_withheld_on_each_parent),
        BROKER_TEST(the_hosts_addresses_are_followed),
        BROKER_TEST(a_next_hop_stays_as_long_as_ports_learn),
        BROKER_TEST(a_networks_gateway_outlives_its_file),
        BROKER_TEST(a_port_that_learns_later_does_not_learn_it),
        BROKER_TEST(a_networks_gateway_outlives_its_file_and_the_daemon),
        BROKER_TEST(nothing_is_released_after_a_failure),
        BROKER_TEST(the_next_daemon_withholds_the_same),
        BROKER_TEST(a_failure_keeps_a_port_that_learns_from_being_made),
        BROKER_TEST(too_many_addresses_are_an_error),
        BROKER_TEST(the_room_is_for_the_most_important),
        BROKER_TEST(a_review_that_fails_is_a_fault),
        BROKER_TEST(a_failure_to_read_does_so_too),
        BROKER_TEST(nothing_is_released_while_the_parent_is_away),
        BROKER_TEST(nothing_is_released_while_there_is_no_stand_in),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
