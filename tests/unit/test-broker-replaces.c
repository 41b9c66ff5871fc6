/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What CreatePort's checkOnly says of a port that takes the place of others: what it will be. */
#include "broker-fixture.h"

#define MAC                                                                                        \
    {                                                                                              \
        {                                                                                          \
            0x52, 0x54, 0, 0, 0, 0x09                                                              \
        }                                                                                          \
    }

/* In the order of creation, each with a space behind. */
static char *
list_ports(TestBroker *test)
{
    g_autoptr(GPtrArray) ports = broker_list_ports(test->broker, &(Caller){.uid = 0}, NULL);
    GString *names = g_string_new(NULL);

    for (guint i = 0; i < ports->len; i++)
        g_string_append_printf(names, "%s ", ((const Port *)ports->pdata[i])->name);
    return g_string_free(names, FALSE);
}

static Port *
check(TestBroker *test, const Caller *caller, const PortRequest *request)
{
    g_autofree char *before = list_ports(test), *after = NULL;
    Port *port = broker_check_port(test->broker, caller, request, NULL);

    after = list_ports(test);
    assert_string_equal(before, after);
    expect_events(test, "");
    return port;
}

/* The old port by this request is replaced by a new one with its name. */
static void
expect_foreseen(TestBroker *test, const PortRequest *old, PortRequest new)
{
    const Caller root = test_caller(0);
    char *replaces[] = {old->name, NULL};
    g_autoptr(Port) foreseen = NULL;
    const Port *port;

    test_broker_create(test, 0, "lan", "before");
    create_port(test, &root, old);
    test_broker_create(test, 0, "lan", "behind");
    g_free(test_broker_take_events(test));
    assert_null(check(test, &root, &new));
    new.replaces = replaces;
    foreseen = check(test, &root, &new);
    assert_non_null(foreseen);
    new.replaces = NULL;
    delete_port(test, old->name);
    port = create_port(test, &root, &new);
    assert_string_equal(foreseen->name, port->name);
    assert_string_equal(foreseen->parent, port->parent);
    assert_true(mac_address_equal(&foreseen->mac, &port->mac));
    assert_int_equal(foreseen->mtu, port->mtu);
    assert_int_equal(foreseen->queues, port->queues);
    delete_port(test, port->name);
    delete_port(test, "before");
    delete_port(test, "behind");
    g_free(test_broker_take_events(test));
}

static void
test_foresees_the_port(void **state)
{
    TestBroker *test = *state;
    const PortRequest plain = {.network = (char *)"lan", .name = (char *)"web"};
    PortRequest own = plain, named = plain, pass = plain;

    own.has_mac = TRUE;
    own.mac = (MacAddress)MAC;
    named.interface_name = (char *)"vm-web";
    expect_foreseen(test, &plain, plain);
    expect_foreseen(test, &own, plain); /* it gets a MAC that is generated */
    expect_foreseen(test, &own, own);
    expect_foreseen(test, &named, named);
    test_broker_add_parent(test, "eth1");
    pass.network = (char *)"pass";
    for (guint i = 0; i < 2; i++) {
        Network *network;

        if (i == 0)
            test_broker_add_network(test, "pass", "eth1", MACVTAP_MODE_PASSTHRU);
        network = test_broker_network(test, "pass");
        network->mac = i == 0 ? MAC_POLICY_INHERIT : MAC_POLICY_ASSIGN;
        expect_foreseen(test, &pass, pass);
    }
}

/* A limit that the old port has reached is no limit for the new one. */
static void
test_limits(void **state)
{
    TestBroker *test = *state;
    const Caller root = test_caller(0);
    char *replaces[] = {(char *)"web", (char *)"none", (char *)"web", NULL};
    PortRequest request = {.network = (char *)"lan", .name = (char *)"other", .replaces = replaces};
    g_autoptr(Port) port = NULL;

    test_broker_network(test, "lan")->max_ports = 1;
    test_broker_create(test, 0, "lan", "web");
    g_free(test_broker_take_events(test));
    port = check(test, &root, &request);
    assert_non_null(port);
    request.replaces = NULL;
    assert_null(check(test, &root, &request));
}

/* Nobody learns what would be if another user's port did not exist. */
static void
test_only_the_callers(void **state)
{
    TestBroker *test = *state;
    const Caller user = test_caller(1000), root = test_caller(0);
    char *replaces[] = {(char *)"web", NULL};
    const PortRequest request = {
        .network = (char *)"lan", .name = (char *)"web", .replaces = replaces};
    g_autoptr(Port) port = NULL;
    uid_t uid = user.uid;

    g_array_append_val(test_broker_network(test, "lan")->allow_uids, uid);
    test_broker_create(test, 0, "lan", "web");
    g_free(test_broker_take_events(test));
    assert_null(check(test, &user, &request));
    port = check(test, &root, &request);
    assert_non_null(port);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        BROKER_TEST(test_foresees_the_port),
        BROKER_TEST(test_limits),
        BROKER_TEST(test_only_the_callers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
