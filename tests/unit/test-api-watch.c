/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* WatchPorts: a call with many replies. */
#include "api-fixture.h"

#include "broker-private.h"

#include <unistd.h>

static void
expect_event(VarlinkClient *client, const char *event, const char *name)
{
    g_auto(VarlinkReply) reply = {0};
    json_t *port;

    api_receive(client, &reply);
    assert_null(reply.error);
    assert_true(reply.continues);
    assert_string_equal(api_text_of(reply.parameters, "event"), event);
    port = json_object_get(reply.parameters, "port");
    if (name) {
        api_check_struct(port, "Port");
        assert_string_equal(api_text_of(port, "name"), name);
    } else {
        assert_null(port);
    }
    assert_int_equal(json_object_size(reply.parameters), name ? 2 : 1);
}

/* By the API: what asks for a removal beneath it is not what the trail knows. */
static void
delete_web(ApiFixture *fixture)
{
    g_auto(VarlinkReply) reply = {0};

    api_call_well(fixture, "DeletePort", "{'port':'web'}", &reply);
}

static void
test_watch(void **state)
{
    ApiFixture *fixture = *state;
    VarlinkClient *watcher = api_connect(fixture), *second = api_connect(fixture);
    const Port *port;
    VarlinkReply nothing;

    api_send(watcher, "WatchPorts", "{}", VARLINK_CALL_MORE);
    expect_event(watcher, "ready", NULL);
    api_send(second, "WatchPorts", "{}", VARLINK_CALL_MORE);
    port = test_broker_create(fixture->test, getuid(), "lan", "web");
    expect_event(watcher, "created", "web");
    kernel_fake_remove_link(fixture->test->kernel, port->interface_index);
    test_settle();
    expect_event(watcher, "changed", "web");
    varlink_client_free(watcher);
    test_settle();
    delete_web(fixture);
    expect_event(second, "ready", NULL);
    expect_event(second, "created", "web");
    expect_event(second, "changed", "web");
    expect_event(second, "deleted", "web");
    assert_false(varlink_client_receive(second, &nothing, NULL));
    varlink_client_free(second);
}

static void
test_a_dropped_frame(void **state)
{
    ApiFixture *fixture = *state;
    Broker *broker = fixture->test->broker;
    g_auto(VarlinkReply) reply = {0};
    VarlinkClient *watcher = api_connect(fixture);

    api_send(watcher, "WatchPorts", "{}", VARLINK_CALL_MORE);
    expect_event(watcher, "ready", NULL);
    test_broker_create(fixture->test, getuid(), "lan", "web");
    expect_event(watcher, "created", "web");
    broker->host.ops->dropped(&broker->host, port_table_find(broker->ports, "web"), GUARD_STP, NULL,
                              0);
    api_receive(watcher, &reply);
    assert_string_equal(api_text_of(reply.parameters, "event"), "dropped");
    assert_string_equal(api_text_of(reply.parameters, "reason"), "stp");
    api_check_struct(json_object_get(reply.parameters, "port"), "Port");
    assert_string_equal(api_text_of(json_object_get(reply.parameters, "port"), "dropExample"),
                        "a spanning tree frame (Allow=stp lets it pass)");
    assert_int_equal(json_object_size(reply.parameters), 3);
    varlink_client_free(watcher);
}

static void
test_watchers_see_their_own(void **state)
{
    ApiFixture *fixture = *state;
    VarlinkClient *watcher;
    VarlinkReply nothing;
    uid_t uid = 12345;

    if (getuid() != 0) {
        print_message("# not root: other users' credentials cannot be had\n");
        skip();
    }
    assert_int_equal(seteuid(uid), 0);
    watcher = api_connect(fixture);
    assert_int_equal(seteuid(0), 0);
    g_array_append_val(test_broker_network(fixture->test, "lan")->allow_uids, uid);
    api_send(watcher, "WatchPorts", "{}", VARLINK_CALL_MORE);
    test_broker_create(fixture->test, 0, "lan", "roots");
    test_broker_create(fixture->test, uid, "lan", "own");
    expect_event(watcher, "ready", NULL);
    expect_event(watcher, "created", "own");
    assert_false(varlink_client_receive(watcher, &nothing, NULL));
    varlink_client_free(watcher);
}

/* How many of n watches a user gets. */
static guint
count_allowed(ApiFixture *fixture, uid_t uid, guint n)
{
    g_autoptr(GPtrArray) watchers =
        g_ptr_array_new_with_free_func((GDestroyNotify)varlink_client_free);
    guint allowed = 0;

    for (guint i = 0; i < n; i++) {
        g_auto(VarlinkReply) reply = {0};
        VarlinkClient *watcher;

        assert_int_equal(seteuid(uid), 0);
        watcher = api_connect(fixture);
        assert_int_equal(seteuid(0), 0);
        g_ptr_array_add(watchers, watcher);
        api_send(watcher, "WatchPorts", "{}", VARLINK_CALL_MORE);
        api_receive(watcher, &reply);
        allowed += !reply.error;
        if (reply.error)
            assert_string_equal(reply.error, API_INTERFACE "LimitReached");
    }
    g_ptr_array_set_size(watchers, 0);
    test_settle();
    return allowed;
}

static void
test_a_port_more_is_a_watch_more(void **state)
{
    ApiFixture *fixture = *state;
    uid_t uid = 12345;

    if (getuid() != 0) {
        print_message("# not root: other users' credentials cannot be had\n");
        skip();
    }
    g_array_append_val(test_broker_network(fixture->test, "lan")->allow_uids, uid);
    test_broker_create(fixture->test, 0, "lan", "roots");
    assert_int_equal(count_allowed(fixture, uid, 40), 32);
    for (guint i = 0; i < 230; i++) {
        g_autofree char *name = g_strdup_printf("own%u", i);

        test_broker_create(fixture->test, uid, "lan", name);
        if (i == 2)
            assert_int_equal(count_allowed(fixture, uid, 40), 35);
    }
    assert_int_equal(count_allowed(fixture, uid, 260), 256);
    assert_int_equal(count_allowed(fixture, 0, 260), 260);
}

/* The end of the server ends the watches before the broker goes. */
static void
test_server_ends_under_a_watch(void **state)
{
    ApiFixture *fixture = *state;

    api_send(fixture->client, "WatchPorts", "{}", VARLINK_CALL_MORE);
    g_clear_pointer(&fixture->server, varlink_server_free);
    test_broker_create(fixture->test, getuid(), "lan", "web");
}

/* A watcher that does not read is dropped, and nothing of it stays. */
static void
test_watcher_that_does_not_read(void **state)
{
    ApiFixture *fixture = *state;
    VarlinkClient *watcher = api_connect(fixture);

    api_send(watcher, "WatchPorts", "{}", VARLINK_CALL_MORE);
    assert_int_equal(varlink_server_connection_count(fixture->server), 2);
    for (guint i = 0; varlink_server_connection_count(fixture->server) > 1; i++) {
        assert_true(i < 10000);
        test_broker_create(fixture->test, getuid(), "lan", "web");
        delete_web(fixture);
        test_settle();
    }
    test_broker_create(fixture->test, getuid(), "lan", "web");
    varlink_client_free(watcher);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        API_TEST(test_watch),
        API_TEST(test_a_dropped_frame),
        API_TEST(test_watchers_see_their_own),
        API_TEST(test_a_port_more_is_a_watch_more),
        API_TEST(test_server_ends_under_a_watch),
        API_TEST(test_watcher_that_does_not_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
