/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the ports of a network with Serve=dhcp answer to DHCP, and when that changes. */
#include "broker-fixture.h"
#include "reload-fixture.h"

#include <errno.h>
#include <string.h>

static void
give(Network *network, const char *subnet, const char *gateway, AddressServe serve)
{
    IpPrefix prefix;
    IpAddress address;

    assert_true(ip_prefix_parse(subnet, &prefix, NULL));
    g_array_append_val(network->addresses.subnets, prefix);
    if (gateway) {
        assert_true(ip_address_parse(gateway, &address));
        g_array_append_val(network->addresses.gateways, address);
    }
    network->addresses.serve = serve;
    assert_true(addresses_finish(&network->addresses, NULL));
}

static Network *
serving(const char *gateway, AddressServe serve)
{
    Network *network = define_network("lan", MACVTAP_MODE_BRIDGE);

    give(network, "10.9.0.0/24", gateway, serve);
    return network;
}

static const struct dhcp_port *
answer_of(TestBroker *test, const Port *port)
{
    return fake_datapath_dhcp(test->datapath, port->interface_index);
}

/* The last bytes of the port's address and of its server identifier, which are 10.9.0.x. */
static void
assert_answer(TestBroker *test, const Port *port, guint8 server)
{
    const PortAddress *lease = port_addresses_find(port->addresses, ADDRESS_IPV4);
    const struct dhcp_port *answer = answer_of(test, port);
    const guint8 wanted[] = {10, 9, 0, server};

    assert_non_null(lease);
    assert_non_null(answer);
    assert_memory_equal(&answer->address, lease->address.bytes + 12, 4);
    assert_memory_equal(&answer->server, wanted, 4);
    assert_memory_equal(answer->mac, port->mac.octets, 6);
}

static gboolean
is_attached(TestBroker *test, int index)
{
    guint32 egress, ingress;

    kernel_fake_filters(test->kernel, index, &egress, &ingress);
    return egress == FAKE_EGRESS && ingress == FAKE_INGRESS;
}

static void
test_a_port_answers_with_its_lease(void **state)
{
    TestBroker *test = *state;
    const Port *port;

    reload_network(test, serving("10.9.0.254", ADDRESS_SERVE_DHCP));
    port = test_broker_create(test, 0, "lan", "web");
    assert_answer(test, port, 254);
    assert_true(is_attached(test, port->interface_index));
    delete_port(test, "web");
    assert_int_equal(fake_datapath_count(test->datapath), 0);
}

static void
test_other_ports_answer_nothing(void **state)
{
    TestBroker *test = *state;

    assert_null(answer_of(test, test_broker_create(test, 0, "lan", "before")));
    reload_network(test, serving("10.9.0.254", ADDRESS_SERVE_NONE));
    assert_null(answer_of(test, test_broker_create(test, 0, "lan", "after")));
}

/* A network without a guard has it as well, and its ports cannot be without. */
static void
test_a_guard_is_not_needed(void **state)
{
    TestBroker *test = *state;
    const Caller root = test_caller(0);
    const PortRequest request = {
        .network = (char *)"lan", .name = (char *)"db", .holder = {.type = HOLDER_NONE}};
    Network *network = serving("10.9.0.254", ADDRESS_SERVE_DHCP);
    const Port *port;

    network->guard.senders = GUARD_SENDERS_ANY;
    network->guard.allow = GUARD_ALLOW_ALL;
    reload_network(test, network);
    port = test_broker_create(test, 0, "lan", "web");
    assert_false(guard_is_on(&port->guard));
    assert_answer(test, port, 254);
    kernel_fake_fail(test->kernel, "filters_attach", 1, ENOENT);
    test_broker_refuse(test, &root, &request, PORT_ERROR_SYSTEM, "cannot guard the port");
}

static void
test_ports_follow_their_network(void **state)
{
    TestBroker *test = *state;
    const Port *port;

    reload_network(test, serving("10.9.0.254", ADDRESS_SERVE_NONE));
    port = test_broker_create(test, 0, "lan", "web");
    reload_network(test, serving("10.9.0.254", ADDRESS_SERVE_DHCP));
    assert_answer(test, port, 254);
    reload_network(test, serving("10.9.0.1", ADDRESS_SERVE_DHCP));
    assert_answer(test, port, 1);
    reload_network(test, serving("10.9.0.1", ADDRESS_SERVE_NONE));
    assert_null(answer_of(test, port));
}

/* One from before [Addresses] has no address to give. */
static void
test_a_port_without_an_address(void **state)
{
    TestBroker *test = *state;
    const Port *port = test_broker_create(test, 0, "lan", "web");

    reload_network(test, serving("10.9.0.254", ADDRESS_SERVE_DHCP));
    assert_null(answer_of(test, port));
    expect_outdated(test, "web", "Subnet Serve");
    test_broker_create(test, 0, "lan", "new");
    expect_outdated(test, "new", "");
}

static void
test_a_restart_changes_nothing(void **state)
{
    TestBroker *test = *state;

    reload_network(test, serving("10.9.0.254", ADDRESS_SERVE_DHCP));
    test_broker_create(test, 0, "lan", "web");
    restart(test);
    assert_answer(test, find_port(test, "web"), 254);
}

/* The administrator has removed its file: what the guest has been told stays so. */
static void
test_a_port_without_its_network(void **state)
{
    TestBroker *test = *state;

    reload_network(test, serving("10.9.0.254", ADDRESS_SERVE_DHCP));
    test_broker_create(test, 0, "lan", "web");
    reload_networks(test, NULL, NULL);
    assert_answer(test, find_port(test, "web"), 254);
    restart(test);
    assert_answer(test, find_port(test, "web"), 254);
}

static void
test_without_a_datapath_there_is_no_port(void **state)
{
    TestBroker *test = *state;
    const Caller root = test_caller(0);
    const PortRequest request = {
        .network = (char *)"lan", .name = (char *)"db", .holder = {.type = HOLDER_NONE}};

    test_broker_kill(test);
    test->unguarded = TRUE;
    test_broker_start(test);
    reload_network(test, serving("10.9.0.254", ADDRESS_SERVE_DHCP));
    test_broker_refuse(test, &root, &request, PORT_ERROR_SYSTEM,
                       "network lan has its ports answer DHCP (Serve=dhcp), and macvtapd cannot do "
                       "that: this kernel does not support BPF");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        BROKER_TEST(test_a_port_answers_with_its_lease),
        BROKER_TEST(test_other_ports_answer_nothing),
        BROKER_TEST(test_a_guard_is_not_needed),
        BROKER_TEST(test_ports_follow_their_network),
        BROKER_TEST(test_a_port_without_an_address),
        BROKER_TEST(test_a_restart_changes_nothing),
        BROKER_TEST(test_a_port_without_its_network),
        BROKER_TEST(test_without_a_datapath_there_is_no_port),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
