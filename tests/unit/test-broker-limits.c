/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The limits of ports in the broker: what is in force, when, and what becomes of it. */
#include "broker-fixture.h"

#include <errno.h>

static Limits *
limits_of(TestBroker *test)
{
    return &test_broker_network(test, "lan")->limits;
}

static guint64
pace(TestBroker *test, const Port *port)
{
    return kernel_fake_pace(test->kernel, port->interface_index).rate;
}

/* 0: none. */
static guint64
receive(TestBroker *test, const Port *port)
{
    const struct limit_settings *settings =
        fake_datapath_limits(test->datapath, port->interface_index);

    return settings ? settings->receive.per_second : 0;
}

static void
set_network(TestBroker *test)
{
    *limits_of(test) = (Limits){{10000000, 65536}, {20000000, 0}, 50};
}

static void
are_in_force_from_the_first(void **state)
{
    TestBroker *test = *state;
    const struct limit_settings *settings;
    const Port *port;

    set_network(test);
    port = test_broker_create(test, 0, "lan", "web");
    assert_true(port->has_limits);
    assert_true(pace(test, port) == 1250000);
    assert_int_equal(kernel_fake_pace(test->kernel, port->interface_index).burst, 65536);
    settings = fake_datapath_limits(test->datapath, port->interface_index);
    assert_non_null(settings);
    assert_true(settings->receive.per_second == 2500000);
    assert_true(settings->receive.burst_time == 250000000);
    assert_true(settings->broadcasts.per_second == 50);
    delete_port(test, "web");
    assert_int_equal(fake_datapath_count(test->datapath), 0);
}

static void
without_limits_there_is_nothing(void **state)
{
    TestBroker *test = *state;
    const Port *port = test_broker_create(test, 0, "lan", "web");

    assert_false(port->has_limits);
    assert_true(pace(test, port) == 0);
    assert_null(fake_datapath_limits(test->datapath, port->interface_index));
    broker_observe_frames(test->broker, port);
    assert_false(port->has_limited);
}

static void
fails_with_nothing_left(void **state)
{
    TestBroker *test = *state;
    const Caller root = test_caller(0);
    const PortRequest request = {
        .network = (char *)"lan", .name = (char *)"web", .holder = {.type = HOLDER_NONE}};

    set_network(test);
    kernel_fake_fail(test->kernel, "link_set_pace", 1, ENOENT);
    test_broker_refuse(test, &root, &request, PORT_ERROR_SYSTEM, "the kernel has no sch_tbf");
    assert_int_equal(fake_datapath_count(test->datapath), 0);
}

static void
stay_over_a_restart(void **state)
{
    TestBroker *test = *state;
    const Port *port;
    int index;

    set_network(test);
    port = test_broker_create(test, 0, "lan", "web");
    index = port->interface_index;
    test_broker_kill(test);
    kernel_fake_remove_pace(test->kernel, index);
    test_broker_start(test);
    port = find_port(test, "web");
    assert_true(pace(test, port) == 1250000);
    assert_true(receive(test, port) == 2500000);
}

static void
what_root_removes_is_set_again(void **state)
{
    TestBroker *test = *state;
    const Port *port;

    set_network(test);
    port = test_broker_create(test, 0, "lan", "web");
    test_settle();
    for (guint i = 0; i < 3; i++) {
        kernel_fake_remove_pace(test->kernel, port->interface_index);
        test_settle();
        assert_true(pace(test, port) == 1250000);
    }
    assert_int_equal(count_said("has been set again"), 1);
    /* A failure is left to the next look. */
    kernel_fake_fail(test->kernel, "link_set_pace", 1, EPERM);
    kernel_fake_remove_pace(test->kernel, port->interface_index);
    test_settle();
    assert_true(pace(test, port) == 1250000);
}

static void
follow_a_reload(void **state)
{
    TestBroker *test = *state;
    const Port *port = test_broker_create(test, 0, "lan", "web");

    set_network(test);
    test_broker_reload(test);
    assert_true(pace(test, port) == 1250000);
    assert_true(receive(test, port) == 2500000);
    limits_of(test)->send.bits = 64000;
    test_broker_reload(test);
    assert_true(pace(test, port) == 8000);
    *limits_of(test) = (Limits){0};
    test_broker_reload(test);
    assert_true(pace(test, port) == 0);
    assert_true(receive(test, port) == 0);
    assert_false(port->has_limits);
}

static void
root_may_give_a_port_its_own(void **state)
{
    TestBroker *test = *state;
    const Caller root = test_caller(0), user = test_caller(1000);
    PortChange change = {.port = (char *)"web",
                         .limits = {.is_given = TRUE, .has_send = TRUE, .limits.send.bits = 80000}};
    g_autoptr(GError) error = NULL;
    const Port *port;
    guint32 uid = 1000;

    set_network(test);
    g_array_append_val(test_broker_network(test, "lan")->allow_uids, uid);
    port = test_broker_create(test, 1000, "lan", "web");
    assert_null(broker_change_port(test->broker, &user, &change, &error));
    assert_true(g_error_matches(error, PORT_ERROR, PORT_ERROR_ACCESS_DENIED));
    assert_non_null(broker_change_port(test->broker, &root, &change, NULL));
    assert_true(pace(test, port) == 10000);
    assert_true(receive(test, port) == 2500000);
    restart(test);
    port = find_port(test, "web");
    assert_true(pace(test, port) == 10000);
    change.limits = (LimitsOwn){.is_given = TRUE};
    assert_non_null(broker_change_port(test->broker, &root, &change, NULL));
    assert_true(pace(test, port) == 1250000);
}

static void
show_their_cost(void **state)
{
    TestBroker *test = *state;
    const LinkPaceCost cost = {.dropped = 3, .delayed = 4};
    struct limit_state *limited;
    const Port *port;

    set_network(test);
    port = test_broker_create(test, 0, "lan", "web");
    kernel_fake_set_pace_cost(test->kernel, port->interface_index, &cost);
    limited = fake_datapath_limited(test->datapath, port->interface_index);
    limited->received_dropped = 5;
    limited->received_bytes_dropped = 6;
    limited->broadcasts_dropped = 7;
    broker_observe_frames(test->broker, port);
    assert_true(port->has_limited);
    assert_int_equal(port->limited[LIMIT_SENT_DROPPED], 3);
    assert_int_equal(port->limited[LIMIT_SENT_DELAYED], 4);
    assert_int_equal(port->limited[LIMIT_RECEIVED_DROPPED], 5);
    assert_int_equal(port->limited[LIMIT_RECEIVED_BYTES_DROPPED], 6);
    assert_int_equal(port->limited[LIMIT_BROADCASTS_DROPPED], 7);
}

/* Frames as large as the MTU must fit the bucket. */
static void
burst_follows_the_mtu(void **state)
{
    TestBroker *test = *state;
    const Port *port;
    LinkInfo link;

    *limits_of(test) = (Limits){.send = {10000000, 2048}};
    test_broker_find_link(test, "eth0", &link);
    link.mtu = 9000;
    kernel_fake_change_link(test->kernel, &link);
    test_settle();
    port = test_broker_create(test, 0, "lan", "web");
    assert_int_equal(port->mtu, 9000);
    assert_int_equal(kernel_fake_pace(test->kernel, port->interface_index).burst, 9064);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        BROKER_TEST(are_in_force_from_the_first),
        BROKER_TEST(without_limits_there_is_nothing),
        BROKER_TEST(fails_with_nothing_left),
        BROKER_TEST(stay_over_a_restart),
        BROKER_TEST_SAID(what_root_removes_is_set_again),
        BROKER_TEST(follow_a_reload),
        BROKER_TEST(root_may_give_a_port_its_own),
        BROKER_TEST(show_their_cost),
        BROKER_TEST(burst_follows_the_mtu),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
