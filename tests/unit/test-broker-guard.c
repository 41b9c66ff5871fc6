/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The guard of ports in the broker: what is in force, when, and what becomes of it. */
#include "broker-fixture.h"

#include <errno.h>
#include <string.h>

static const Port *
make(TestBroker *test, const char *name)
{
    return test_broker_create(test, 0, "lan", name);
}

static gboolean
is_attached(TestBroker *test, int index)
{
    guint32 egress, ingress;

    kernel_fake_filters(test->kernel, index, &egress, &ingress);
    return egress == FAKE_EGRESS && ingress == FAKE_INGRESS;
}

static GuardSenders
senders(TestBroker *test, const Port *port)
{
    const struct guard_settings *settings =
        fake_datapath_settings(test->datapath, port->interface_index);

    assert_non_null(settings);
    assert_memory_equal(settings->mac, port->mac.octets, sizeof settings->mac);
    return (GuardSenders)settings->senders;
}

static void
is_in_force_from_the_first(void **state)
{
    TestBroker *test = *state;
    const Port *port = make(test, "web");
    int index = port->interface_index;

    assert_true(port->has_guard);
    assert_int_equal(port->guard.senders, GUARD_SENDERS_OWN);
    assert_int_equal(senders(test, port), GUARD_SENDERS_OWN);
    assert_true(is_attached(test, index));
    delete_port(test, "web");
    assert_int_equal(fake_datapath_count(test->datapath), 0);
}

static void
passthru_lets_its_guest_alone(void **state)
{
    TestBroker *test = *state;

    test_broker_add_network(test, "through", "eth0", MACVTAP_MODE_PASSTHRU);
    assert_int_equal(senders(test, test_broker_create(test, 0, "through", "web")),
                     GUARD_SENDERS_ANY);
}

static void
fails_with_nothing_left(void **state)
{
    TestBroker *test = *state;
    const Caller root = test_caller(0);
    const PortRequest request = {
        .network = (char *)"lan", .name = (char *)"web", .holder = {.type = HOLDER_NONE}};

    fake_datapath_fail_set(test->datapath, 1, ENOSPC);
    test_broker_refuse(test, &root, &request, PORT_ERROR_SYSTEM, "cannot guard the port");
    kernel_fake_fail(test->kernel, "filters_attach", 1, ENOENT);
    test_broker_refuse(test, &root, &request, PORT_ERROR_SYSTEM, "cannot guard the port");
    assert_int_equal(fake_datapath_count(test->datapath), 0);
    /* What holds nobody to anything keeps no port from being made. */
    test_broker_network(test, "lan")->guard =
        (GuardSettings){.senders = GUARD_SENDERS_ANY, .allow = GUARD_ALLOW_ALL};
    kernel_fake_fail(test->kernel, "filters_attach", 1, ENOENT);
    make(test, "web");
}

static void
later_failures_take_it_away(void **state)
{
    TestBroker *test = *state;
    const Caller root = test_caller(0);
    const PortRequest request = {.network = (char *)"lan", .name = (char *)"web"};

    kernel_fake_fail(test->kernel, "tap_open", 1, EMFILE);
    test_broker_refuse(test, &root, &request, PORT_ERROR_SYSTEM, "");
    assert_int_equal(fake_datapath_count(test->datapath), 0);
}

static void
stays_over_a_restart(void **state)
{
    TestBroker *test = *state;
    const Port *port = make(test, "web");
    int index = port->interface_index;

    test_broker_kill(test);
    assert_non_null(fake_datapath_settings(test->datapath, index));
    fake_datapath_counters(test->datapath, index)->dropped[GUARD_OTHER_MAC] = 3;
    kernel_fake_remove_filters(test->kernel, index);
    test_broker_start(test);
    assert_true(is_attached(test, index));
    port = find_port(test, "web");
    assert_int_equal(senders(test, port), GUARD_SENDERS_OWN);
    broker_observe_frames(test->broker, port);
    assert_int_equal(port->dropped[GUARD_OTHER_MAC], 3);
}

static void
what_is_left_is_swept(void **state)
{
    TestBroker *test = *state;
    const Port *port = make(test, "web");
    int index = port->interface_index;

    test_broker_kill(test);
    fake_datapath_leave(test->datapath, 4711);
    kernel_fake_remove_link(test->kernel, index);
    test_broker_start(test);
    assert_null(fake_datapath_settings(test->datapath, 4711));
    delete_port(test, "web");
    assert_int_equal(fake_datapath_count(test->datapath), 0);
}

static void
a_device_with_a_damaged_record_keeps_its_own(void **state)
{
    TestBroker *test = *state;
    const Port *port = make(test, "web");
    g_autofree char *path = g_build_filename(test->state, "ports", port->id, NULL);
    int index = port->interface_index;

    test_broker_kill(test);
    assert_true(g_file_set_contents(path, "{", -1, NULL));
    fake_datapath_leave(test->datapath, 4711);
    test_broker_start(test);
    assert_null(find_port(test, "web"));
    assert_non_null(fake_datapath_settings(test->datapath, index));
    assert_null(fake_datapath_settings(test->datapath, 4711));
    kernel_fake_remove_link(test->kernel, index);
    test_settle();
    assert_int_equal(fake_datapath_count(test->datapath), 0);
}

static void
is_put_back_each_time(void **state)
{
    TestBroker *test = *state;
    const Port *port = make(test, "web");

    for (guint i = 0; i < 3; i++) {
        kernel_fake_remove_filters(test->kernel, port->interface_index);
        test_settle();
        assert_true(is_attached(test, port->interface_index));
    }
    assert_int_equal(port->guard_losses, 3);
    assert_non_null(strstr(said->str, "port web: its guard was removed"));
    assert_null(strstr(strstr(said->str, "its guard was") + 1, "its guard was"));
}

/* The kernel tells only that events were lost. */
static void
is_put_back_after_lost_events(void **state)
{
    TestBroker *test = *state;
    const Port *web = make(test, "web"), *db = make(test, "db");

    kernel_fake_lose_filters(test->kernel, web->interface_index);
    kernel_fake_lose_filters(test->kernel, db->interface_index);
    test_settle();
    assert_true(is_attached(test, web->interface_index));
    assert_true(is_attached(test, db->interface_index));
    assert_int_equal(web->guard_losses, 1);
    assert_int_equal(db->guard_losses, 1);
}

static void
what_cannot_be_put_back_is_tried_again(void **state)
{
    TestBroker *test = *state;
    const Port *port = make(test, "web");

    test_settle();
    kernel_fake_fail(test->kernel, "filters_attach", 1, ENOMEM);
    kernel_fake_remove_filters(test->kernel, port->interface_index);
    test_settle();
    assert_true(is_attached(test, port->interface_index));
    assert_null(port->problem);
}

static void
follows_its_network(void **state)
{
    TestBroker *test = *state;
    const Port *port = make(test, "web");

    test_broker_network(test, "lan")->guard.senders = GUARD_SENDERS_ANY;
    test_broker_reload(test);
    assert_int_equal(senders(test, port), GUARD_SENDERS_ANY);
    restart(test);
    port = find_port(test, "web");
    assert_int_equal(port->guard.senders, GUARD_SENDERS_ANY);
    test_broker_network(test, "lan")->guard.senders = GUARD_SENDERS_AUTO;
    test_broker_reload(test);
    assert_int_equal(senders(test, port), GUARD_SENDERS_OWN);
}

static void
follows_its_mac(void **state)
{
    TestBroker *test = *state;
    LinkInfo link;
    const Port *port;

    test_broker_network(test, "lan")->mac = MAC_POLICY_ANY;
    port = make(test, "web");
    test_settle();
    test_broker_find_link(test, port->interface_name, &link);
    link.mac.octets[5] ^= 1;
    kernel_fake_change_link(test->kernel, &link);
    test_settle();
    assert_memory_equal(&port->mac, &link.mac, sizeof link.mac);
    assert_int_equal(senders(test, port), GUARD_SENDERS_OWN);
}

static void
without_a_datapath_ports_are_as_before(void **state)
{
    TestBroker *test = *state;
    const Caller root = test_caller(0);
    const PortRequest request = {
        .network = (char *)"lan", .name = (char *)"db", .holder = {.type = HOLDER_NONE}};
    const Port *port;

    test_broker_kill(test);
    test->unguarded = TRUE;
    test_broker_start(test);
    port = make(test, "web");
    assert_false(port->has_guard);
    assert_false(is_attached(test, port->interface_index));
    test_broker_network(test, "lan")->guard.senders = GUARD_SENDERS_OWN;
    test_broker_refuse(test, &root, &request, PORT_ERROR_SYSTEM,
                       "network lan asks for a guard, and macvtapd cannot guard ports: this kernel "
                       "does not support BPF");
}

/* Nobody has asked for it in so many words. */
static void
what_was_unguarded_stays_so(void **state)
{
    TestBroker *test = *state;
    const Port *port;

    test_broker_kill(test);
    test->unguarded = TRUE;
    test_broker_start(test);
    make(test, "web");
    test_broker_kill(test);
    test->unguarded = FALSE;
    test_broker_start(test);
    port = find_port(test, "web");
    assert_false(port->has_guard);
    assert_int_equal(senders(test, port), GUARD_SENDERS_ANY);
    assert_int_equal(fake_datapath_settings(test->datapath, port->interface_index)->allow,
                     GUARD_ALLOW_ALL);
    test_broker_reload(test);
    assert_false(port->has_guard);
    test_broker_network(test, "lan")->guard.senders = GUARD_SENDERS_OWN;
    test_broker_reload(test);
    assert_true(port->has_guard);
    assert_int_equal(senders(test, port), GUARD_SENDERS_OWN);
}

static void
root_may_give_a_port_its_own(void **state)
{
    TestBroker *test = *state;
    const Caller root = test_caller(0), user = test_caller(1000);
    PortChange change = {
        .port = (char *)"web",
        .guard = {.is_given = TRUE, .has_senders = TRUE, .settings.senders = GUARD_SENDERS_ANY}};
    g_autoptr(GError) error = NULL;
    const Port *port;
    guint32 uid = 1000;

    g_array_append_val(test_broker_network(test, "lan")->allow_uids, uid);
    port = test_broker_create(test, 1000, "lan", "web");
    assert_null(broker_change_port(test->broker, &user, &change, &error));
    assert_true(g_error_matches(error, PORT_ERROR, PORT_ERROR_ACCESS_DENIED));
    assert_int_equal(senders(test, port), GUARD_SENDERS_OWN);
    assert_non_null(broker_change_port(test->broker, &root, &change, NULL));
    assert_int_equal(senders(test, port), GUARD_SENDERS_ANY);
    restart(test);
    port = find_port(test, "web");
    assert_int_equal(senders(test, port), GUARD_SENDERS_ANY);
    change.guard = (GuardOwn){.is_given = TRUE};
    assert_non_null(broker_change_port(test->broker, &root, &change, NULL));
    assert_int_equal(senders(test, port), GUARD_SENDERS_OWN);
}

/* It is refused, so it must not take effect later. */
static void
a_change_that_fails_changes_nothing(void **state)
{
    TestBroker *test = *state;
    const Caller root = test_caller(0);
    const PortChange change = {
        .port = (char *)"web",
        .guard = {.is_given = TRUE, .has_senders = TRUE, .settings.senders = GUARD_SENDERS_ANY}};
    const Port *port = make(test, "web");
    g_autoptr(GError) error = NULL;

    test_settle();
    fake_datapath_fail_set(test->datapath, 1, ENOMEM);
    assert_null(broker_change_port(test->broker, &root, &change, &error));
    assert_error_cleared(&error, PORT_ERROR, PORT_ERROR_SYSTEM, "port web: ");
    test_settle();
    assert_int_equal(port->guard.senders, GUARD_SENDERS_OWN);
    assert_false(port->own_guard.is_given);
    assert_int_equal(senders(test, port), GUARD_SENDERS_OWN);
}

/* Its network's file changes for the others. */
static void
its_own_stays_over_a_reload(void **state)
{
    TestBroker *test = *state;
    const Caller root = test_caller(0), user = test_caller(1000);
    g_autoptr(GArray) list = g_array_new(FALSE, TRUE, sizeof(IpPrefix));
    const GuardOwn own = {
        .is_given = TRUE, .has_senders = TRUE, .settings.senders = GUARD_SENDERS_ANY};
    PortRequest request = {.network = (char *)"lan",
                           .name = (char *)"web",
                           .guard = own,
                           .no_descriptors = TRUE,
                           .holder = {.type = HOLDER_NONE}};
    Network *network = test_broker_network(test, "lan");
    g_auto(PortGrant) grant = {0};
    guint32 uid = 1000;

    g_array_append_val(network->allow_uids, uid);
    test_broker_refuse(test, &user, &request, PORT_ERROR_ACCESS_DENIED,
                       "only root may give a port its own guard");
    g_array_set_size(list, 1);
    request.guard.settings.prefixes = list;
    test_broker_refuse(test, &root, &request, PORT_ERROR_INVALID_REQUEST, "Addresses=any");
    request.guard = own;
    assert_true(broker_create_port(test->broker, &root, &request, &grant, NULL));
    network->guard.addresses = GUARD_ADDRESSES_DHCP;
    test_broker_reload(test);
    assert_int_equal(senders(test, grant.port), GUARD_SENDERS_ANY);
    assert_int_equal(grant.port->guard.addresses, GUARD_ADDRESSES_DHCP);
    assert_true(grant.port->own_guard.has_senders);
}

static void
tells_what_it_drops(void **state)
{
    TestBroker *test = *state;
    const Port *port = make(test, "web");
    struct guard_event event = {
        .ifindex = (guint32)port->interface_index, .reason = GUARD_OTHER_MAC, .length = 60};

    test_settle();
    g_free(test_broker_take_events(test));
    fake_datapath_tell(test->datapath, &event);
    expect_events(test, "dropped web\n");
    assert_int_equal(port->drop_reason, GUARD_OTHER_MAC);
    event.reason = GUARD_EVENT_SEEN;
    fake_datapath_state(test->datapath, port->interface_index)->seen[3] =
        (struct guard_seen){.address = {.bytes = {[10] = 255, [11] = 255, 10, 0, 0, 5}},
                            .first = 1,
                            .last = 1,
                            .how = GUARD_HOW_ARP};
    fake_datapath_tell(test->datapath, &event);
    expect_events(test, "changed web\n");
    assert_int_equal(port->seen->len, 1);
    assert_int_equal(g_array_index(port->seen, SeenAddress, 0).address.bytes[15], 5);
    event.ifindex = 4711;
    fake_datapath_tell(test->datapath, &event);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        BROKER_TEST(is_in_force_from_the_first),
        BROKER_TEST(passthru_lets_its_guest_alone),
        BROKER_TEST(fails_with_nothing_left),
        BROKER_TEST(later_failures_take_it_away),
        BROKER_TEST(stays_over_a_restart),
        BROKER_TEST(what_is_left_is_swept),
        BROKER_TEST(a_device_with_a_damaged_record_keeps_its_own),
        BROKER_TEST_SAID(is_put_back_each_time),
        BROKER_TEST_SAID(is_put_back_after_lost_events),
        BROKER_TEST_SAID(what_cannot_be_put_back_is_tried_again),
        BROKER_TEST(follows_its_network),
        BROKER_TEST(follows_its_mac),
        BROKER_TEST(without_a_datapath_ports_are_as_before),
        BROKER_TEST(what_was_unguarded_stays_so),
        BROKER_TEST(root_may_give_a_port_its_own),
        BROKER_TEST(a_change_that_fails_changes_nothing),
        BROKER_TEST(its_own_stays_over_a_reload),
        BROKER_TEST(tells_what_it_drops),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
