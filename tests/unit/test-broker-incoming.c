/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A guest that comes from another host, or goes there. */
#include "broker-fixture.h"

#include <errno.h>
#include <unistd.h>

static const Port *
create(TestBroker *test, const char *network, gboolean incoming)
{
    const Caller root = test_caller(0);
    const PortRequest request = {.network = (char *)network,
                                 .name = (char *)"web",
                                 .no_descriptors = TRUE,
                                 .incoming = incoming};

    return create_port(test, &root, &request);
}

static void
expect_mode(TestBroker *test, const Port *port, MacvtapMode mode, gboolean incoming)
{
    LinkInfo link;

    assert_true(test_broker_find_link(test, port->interface_name, &link));
    assert_string_equal(macvtap_mode_name(link.mode), macvtap_mode_name(mode));
    assert_int_equal(port->incoming, incoming);
    /* Its network's, whatever the device is in. */
    assert_int_equal(port->mode, MACVTAP_MODE_BRIDGE);
}

static void
transmit(TestBroker *test, const Port *port)
{
    kernel_fake_transmit(test->kernel, port->interface_index);
    test_settle();
}

static void
announce(TestBroker *test, const char *parent, const MacAddress *mac)
{
    LinkInfo link;

    assert_true(test_broker_find_link(test, parent, &link));
    kernel_fake_announce(test->kernel, link.index, mac);
    test_settle();
}

/* The next daemon; the device has sent so many frames by then. */
static const Port *
restart_having_sent(TestBroker *test, guint64 sent)
{
    const LinkStatistics statistics = {.tx_packets = sent};
    int index = only_port(test)->interface_index;

    test_broker_kill(test);
    kernel_fake_set_statistics(test->kernel, index, &statistics);
    test_broker_start(test);
    return only_port(test);
}

static void
test_first_frame(void **state)
{
    TestBroker *test = *state;
    const Port *port = create(test, "lan", TRUE);

    expect_mode(test, port, MACVTAP_MODE_VEPA, TRUE);
    expect_events(test, "created web\n");
    transmit(test, port);
    expect_mode(test, port, MACVTAP_MODE_BRIDGE, FALSE);
    expect_events(test, "changed web\n");
    transmit(test, port);
    expect_events(test, "");
    port = restart_having_sent(test, 0);
    expect_mode(test, port, MACVTAP_MODE_BRIDGE, FALSE);
}

static void
test_other_modes_only_note_it(void **state)
{
    static const MacvtapMode modes[] = {MACVTAP_MODE_VEPA, MACVTAP_MODE_PRIVATE,
                                        MACVTAP_MODE_SOURCE, MACVTAP_MODE_PASSTHRU};
    TestBroker *test = *state;
    const Caller root = test_caller(0);

    for (guint i = 0; i < G_N_ELEMENTS(modes); i++) {
        const char *name = macvtap_mode_name(modes[i]);
        const Port *port;
        LinkInfo link;

        test_broker_add_network(test, name, "eth0", modes[i]);
        port = create(test, name, TRUE);
        assert_true(test_broker_find_link(test, port->interface_name, &link));
        assert_int_equal(link.mode, modes[i]);
        assert_true(port->incoming);
        kernel_fake_transmit(test->kernel, port->interface_index);
        test_settle();
        assert_false(port->incoming);
        announce(test, "eth0", &port->mac);
        assert_false(port->incoming);
        assert_true(test_broker_delete(test, &root, "web", NULL));
    }
}

static void
test_next_daemon_waits_on(void **state)
{
    TestBroker *test = *state;
    const Port *port = create(test, "lan", TRUE);

    port = restart_having_sent(test, 0);
    expect_mode(test, port, MACVTAP_MODE_VEPA, TRUE);
    assert_int_equal(test->messages->len, 0);
    transmit(test, port);
    expect_mode(test, port, MACVTAP_MODE_BRIDGE, FALSE);
}

static void
test_first_frame_while_no_daemon_ran(void **state)
{
    TestBroker *test = *state;
    const Port *port = create(test, "lan", TRUE);

    port = restart_having_sent(test, 1);
    expect_mode(test, port, MACVTAP_MODE_BRIDGE, FALSE);
    assert_int_equal(test->messages->len, 0);
}

static void
test_guest_that_leaves(void **state)
{
    TestBroker *test = *state;
    const Port *port = create(test, "lan", FALSE);

    for (guint i = 0; i < 5; i++)
        kernel_fake_transmit(test->kernel, port->interface_index);
    announce(test, "eth0", &port->mac);
    expect_mode(test, port, MACVTAP_MODE_VEPA, TRUE);
    announce(test, "eth0", &port->mac);
    expect_events(test, "created web\nchanged web\n");
    port = restart_having_sent(test, 5);
    expect_mode(test, port, MACVTAP_MODE_VEPA, TRUE);
    port = restart_having_sent(test, 6);
    expect_mode(test, port, MACVTAP_MODE_BRIDGE, FALSE);
}

/* It was an echo, or somebody lied: the guest is still here. */
static void
test_guest_that_has_not_left(void **state)
{
    TestBroker *test = *state;
    const Port *port = create(test, "lan", FALSE);

    /* That the mode changes again and again is our own doing: nothing waits. */
    for (guint i = 0; i < G_N_ELEMENTS(test->repair_delays); i++)
        test->repair_delays[i] = 3600 * 1000;
    for (guint i = 0; i < 3; i++) {
        announce(test, "eth0", &port->mac);
        expect_mode(test, port, MACVTAP_MODE_VEPA, TRUE);
        transmit(test, port);
        expect_mode(test, port, MACVTAP_MODE_BRIDGE, FALSE);
    }
}

static void
test_other_announcements(void **state)
{
    TestBroker *test = *state;
    const MacAddress other = {{0x52, 0x54, 0, 9, 9, 9}};
    const Port *port = create(test, "lan", FALSE);
    int gone = test_broker_add_parent(test, "eth1");

    announce(test, "eth0", &other);
    announce(test, "eth1", &port->mac);
    kernel_fake_announce(test->kernel, gone, &port->mac);
    kernel_fake_remove_link(test->kernel, gone);
    test_settle();
    expect_mode(test, port, MACVTAP_MODE_BRIDGE, FALSE);
    expect_events(test, "created web\n");
    kernel_fake_remove_link(test->kernel, port->interface_index);
    test_settle();
    announce(test, "eth0", &port->mac);
    assert_false(port->incoming);
}

static void
test_what_fails(void **state)
{
    TestBroker *test = *state;
    const Caller root = test_caller(0);
    const PortRequest request = {.network = (char *)"lan", .incoming = TRUE};
    const Port *port;

    kernel_fake_fail(test->kernel, "watch_transmit", 1, EPERM);
    test_broker_refuse(test, &root, &request, PORT_ERROR_SYSTEM, "watch_transmit");
    port = create(test, "lan", TRUE);
    /* Its guest is there, but the kernel fails once: the mode is set again (B6). */
    kernel_fake_fail(test->kernel, "macvtap_set_mode", 1, EPERM);
    transmit(test, port);
    expect_mode(test, port, MACVTAP_MODE_BRIDGE, FALSE);
    assert_null(port->problem);
    port = restart_having_sent(test, 1);
    expect_mode(test, port, MACVTAP_MODE_BRIDGE, FALSE);
    for (guint i = 0; i < 2; i++) {
        static const char *const operations[] = {"link_statistics", "watch_transmit"};

        kernel_fake_fail(test->kernel, operations[i], 1, EPERM);
        g_test_expect_message(NULL, G_LOG_LEVEL_WARNING, "port web: guest migrated away*demand*");
        announce(test, "eth0", &port->mac);
        g_test_assert_expected_messages();
        expect_mode(test, port, MACVTAP_MODE_BRIDGE, FALSE);
    }
    kernel_fake_fail(test->kernel, "macvtap_set_mode", 1, EPERM);
    announce(test, "eth0", &port->mac);
    expect_mode(test, port, MACVTAP_MODE_VEPA, TRUE);
}

/* It does not know of the record of a guest that has left, or has come (B5). */
static void
test_daemon_that_dies_before_the_mode_or_the_record(void **state)
{
    TestBroker *test = *state;
    const Port *port = create(test, "lan", FALSE);
    int index = port->interface_index;

    /* The mode is there, and the record does not tell of it. */
    test_broker_kill(test);
    assert_true(test->kernel->ops->macvtap_set_mode(test->kernel, index, MACVTAP_MODE_VEPA, NULL));
    test_broker_start(test);
    expect_mode(test, only_port(test), MACVTAP_MODE_BRIDGE, FALSE);
    /* The record tells of a mode that the device does not have. */
    announce(test, "eth0", &only_port(test)->mac);
    test_broker_kill(test);
    assert_true(
        test->kernel->ops->macvtap_set_mode(test->kernel, index, MACVTAP_MODE_BRIDGE, NULL));
    test_broker_start(test);
    expect_mode(test, only_port(test), MACVTAP_MODE_VEPA, TRUE);
}

static void
test_daemon_that_cannot_watch(void **state)
{
    TestBroker *test = *state;
    const Port *port = create(test, "lan", TRUE);

    test_broker_kill(test);
    kernel_fake_fail(test->kernel, "watch_transmit", 1, EPERM);
    test_broker_start(test);
    assert_int_equal(test->messages->len, 1);
    assert_non_null(strstr(test->messages->pdata[0], "leaving it in vepa mode"));
    port = only_port(test);
    expect_mode(test, port, MACVTAP_MODE_VEPA, TRUE);
}

static void
test_only_root(void **state)
{
    TestBroker *test = *state;
    const Caller user = test_caller(getuid() + 1000);
    const PortRequest request = {.network = (char *)"lan", .incoming = TRUE};

    g_array_append_val(test_broker_network(test, "lan")->allow_uids, user.uid);
    test_broker_refuse(test, &user, &request, PORT_ERROR_ACCESS_DENIED, "incoming migration");
}

/* A port that waits may go, and its watch goes with it. */
static void
test_end(void **state)
{
    TestBroker *test = *state;
    const Caller root = test_caller(0);
    const Port *port = create(test, "lan", TRUE);

    kernel_fake_transmit(test->kernel, port->interface_index);
    assert_true(test_broker_delete(test, &root, "web", NULL));
    expect_events(test, "created web\ndeleted web\n");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        BROKER_TEST(test_first_frame),
        BROKER_TEST(test_other_modes_only_note_it),
        BROKER_TEST(test_next_daemon_waits_on),
        BROKER_TEST(test_first_frame_while_no_daemon_ran),
        BROKER_TEST(test_guest_that_leaves),
        BROKER_TEST(test_guest_that_has_not_left),
        BROKER_TEST(test_other_announcements),
        BROKER_TEST(test_what_fails),
        BROKER_TEST(test_daemon_that_dies_before_the_mode_or_the_record),
        BROKER_TEST(test_daemon_that_cannot_watch),
        BROKER_TEST(test_only_root),
        BROKER_TEST(test_end),
    };

    /* No warning but those that are expected. */
    g_log_set_always_fatal(G_LOG_FATAL_MASK | G_LOG_LEVEL_WARNING);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
