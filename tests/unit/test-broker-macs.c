/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which MACs the broker gives and refuses. */
#include "broker-fixture.h"

#include <errno.h>
#include <net/if.h>

static void
test_generated_macs(void **state)
{
    TestBroker *test = *state;
    const Caller root = test_caller(0);
    MacAddress first;

    first = test_broker_create(test, 0, "lan", "web")->mac;
    assert_false(mac_address_equal(&test_broker_create(test, 0, "lan", "db")->mac, &first));
    assert_true(test_broker_delete(test, &root, "web", NULL));
    assert_true(mac_address_equal(&test_broker_create(test, 0, "lan", "web")->mac, &first));
}

/* A range of two addresses, one of which a port has: the other one, then none. */
static void
test_generated_macs_are_unique(void **state)
{
    TestBroker *test = *state;
    Network *network = test_broker_network(test, "lan");
    const PortRequest request = {.network = (char *)"lan"};
    MacAddress first;

    assert_true(
        mac_range_parse("02:00:00:00:77:00/47", &g_array_index(network->allow_macs, MacRange, 0)));
    first = test_broker_create(test, 0, "lan", NULL)->mac;
    assert_int_equal(test_broker_create(test, 0, "lan", NULL)->mac.octets[5], !first.octets[5]);
    expect_refused(test, &request, PORT_ERROR_MAC_CONFLICT, "no free MAC");
}

static void
test_macs_in_use(void **state)
{
    TestBroker *test = *state;
    Network *network = test_broker_network(test, "lan");
    const Caller root = test_caller(0);
    PortRequest request = {.network = (char *)"lan", .has_mac = TRUE};
    LinkInfo foreign = {.name = "mv0",
                        .kind = "macvlan",
                        .is_macvlan = TRUE,
                        .flags = IFF_UP,
                        .lower_index = 1,
                        .mac = {{0x02, 0, 0, 0, 0x22, 0x22}}};

    network->mac = MAC_POLICY_ANY;
    request.mac = test_broker_create(test, 0, "lan", "web")->mac;
    expect_refused(test, &request, PORT_ERROR_MAC_CONFLICT, "belongs to port web on eth0");
    request.mac = (MacAddress){{0x02, 0, 0, 0, 0, 1}};
    expect_refused(test, &request, PORT_ERROR_MAC_CONFLICT,
                   "02:00:00:00:00:01 is the parent's own (eth0)");
    kernel_fake_add_link(test->kernel, &foreign);
    request.mac = foreign.mac;
    expect_refused(test, &request, PORT_ERROR_MAC_CONFLICT,
                   "02:00:00:00:22:22 belongs to mv0 on eth0");
    /* Whoever has it is not to be seen, so no check tells. */
    kernel_fake_fail(test->kernel, "macvtap_create", 1, EADDRINUSE);
    request.mac = (MacAddress){{0x02, 0, 0, 0, 0, 3}};
    test_broker_refuse(test, &root, &request, PORT_ERROR_MAC_CONFLICT,
                       "02:00:00:00:00:03 is already in use on eth0");
}

/* The same MAC on another parent is another segment's business. */
static void
test_mac_on_another_parent(void **state)
{
    TestBroker *test = *state;
    const Caller root = test_caller(0);
    PortRequest request = {.network = (char *)"other", .has_mac = TRUE};
    g_auto(PortGrant) grant = {0};

    test_broker_add_parent(test, "eth1");
    test_broker_add_network(test, "other", "eth1", MACVTAP_MODE_BRIDGE);
    request.mac = test_broker_create(test, 0, "lan", "web")->mac;
    assert_true(broker_create_port(test->broker, &root, &request, &grant, NULL));
}

static void
test_generated_mac_that_a_stranger_has(void **state)
{
    TestBroker *test = *state;
    const Caller root = test_caller(0);
    LinkInfo foreign = {.name = "mv0",
                        .kind = "macvlan",
                        .flags = IFF_UP,
                        .is_macvlan = TRUE,
                        .lower_index = 1,
                        .mtu = 1500};
    const Port *port;

    foreign.mac = test_broker_create(test, 0, "lan", "web")->mac;
    assert_true(test_broker_delete(test, &root, "web", NULL));
    kernel_fake_add_link(test->kernel, &foreign);
    port = test_broker_create(test, 0, "lan", "web");
    assert_false(mac_address_equal(&port->mac, &foreign.mac));
    assert_int_equal(port->mac.octets[0], 0x52);
}

static void
test_inherited_mac(void **state)
{
    TestBroker *test = *state;
    const Caller root = test_caller(0);
    PortRequest request = {.network = (char *)"pass", .has_mac = TRUE, .mac = {{2, 0, 0, 0, 9, 9}}};
    g_auto(PortGrant) grant = {0};

    test_broker_add_network(test, "pass", "eth0", MACVTAP_MODE_PASSTHRU);
    expect_refused(test, &request, PORT_ERROR_MAC_NOT_ALLOWED,
                   "gives the guest the MAC of eth0, 02:00:00:00:00:01, not 02:00:00:00:09:09");
    request.mac = (MacAddress){{2, 0, 0, 0, 0, 1}};
    assert_true(broker_create_port(test->broker, &root, &request, &grant, NULL));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        BROKER_TEST(test_generated_macs),
        BROKER_TEST(test_generated_macs_are_unique),
        BROKER_TEST(test_macs_in_use),
        BROKER_TEST(test_mac_on_another_parent),
        BROKER_TEST(test_generated_mac_that_a_stranger_has),
        BROKER_TEST(test_inherited_mac),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
