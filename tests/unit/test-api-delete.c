/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "api-fixture.h"

#include "api-private.h"

#include <unistd.h>

static void
expect_deleted(ApiFixture *fixture, const char *parameters, guint n, const char *failed)
{
    g_auto(VarlinkReply) reply = {0};
    json_t *failures, *failure;

    api_call_well(fixture, "DeletePort", parameters, &reply);
    assert_int_equal(json_integer_value(json_object_get(reply.parameters, "deleted")), n);
    failures = json_object_get(reply.parameters, "failures");
    assert_int_equal(json_array_size(failures), failed ? 1 : 0);
    if (!failed)
        return;
    failure = json_array_get(failures, 0);
    api_check_struct(failure, "Failure");
    assert_string_equal(api_text_of(failure, "port"), failed);
    assert_string_equal(api_text_of(failure, "error"), "PortNotFound");
}

/* Those that can go do, by whatever they are called. */
static void
test_delete_several(void **state)
{
    static const char *const wrong[] = {"{}", "{'all':false}", "{'port':'a','ports':['b']}",
                                        "{'network':'lan','all':true}", "{'ports':[],'port':'a'}"};
    ApiFixture *fixture = *state;
    const Port *port = test_broker_create(fixture->test, getuid(), "lan", "b");
    g_autofree char *parameters =
        g_strdup_printf("{'ports':['a','none','%s','%s']}", port->id,
                        test_broker_create(fixture->test, getuid(), "lan", "c")->interface_name);
    g_autofree char *records = NULL;

    test_broker_create(fixture->test, getuid(), "lan", "a");
    test_broker_create(fixture->test, getuid(), "lan", "stays");
    expect_deleted(fixture, parameters, 3, "none");
    assert_int_equal(broker_count_ports(fixture->test->broker, NULL), 1);
    expect_deleted(fixture, "{'ports':[]}", 0, NULL);
    for (guint i = 0; i < G_N_ELEMENTS(wrong); i++)
        api_expect_error(fixture, "DeletePort", wrong[i], "InvalidRequest", "exactly one of");
    api_expect_error(fixture, "DeletePort", "{'network':'none'}", "NetworkNotFound", "'none'");
    assert_int_equal(broker_count_ports(fixture->test->broker, NULL), 1);
    expect_deleted(fixture, "{'all':true}", 1, NULL);
    records = test_broker_records(fixture->test);
    assert_string_equal(records, "");
}

static void
test_a_port_that_is_named_twice_counts_once(void **state)
{
    ApiFixture *fixture = *state;
    const Port *port = test_broker_create(fixture->test, getuid(), "lan", "a");
    g_autofree char *parameters =
        g_strdup_printf("{'ports':['a','%s','%s','a']}", port->id, port->interface_name);

    expect_deleted(fixture, parameters, 1, NULL);
}

/* Root's are everybody's, a user's his own. */
static void
test_delete_by_network(void **state)
{
    ApiFixture *fixture = *state;
    uid_t user = 12345;

    if (getuid() != 0) {
        print_message("# not root: other users' credentials cannot be had\n");
        skip();
    }
    g_array_append_val(test_broker_network(fixture->test, "lan")->allow_uids, user);
    g_array_append_val(
        test_broker_add_network(fixture->test, "dmz", "eth0", MACVTAP_MODE_BRIDGE)->allow_uids,
        user);
    for (guint i = 0; i < 3; i++) {
        test_broker_create(fixture->test, user, "lan", NULL);
        test_broker_create(fixture->test, user, "dmz", NULL);
        test_broker_create(fixture->test, 0, "lan", NULL);
        test_broker_create(fixture->test, 0, "dmz", NULL);
    }
    varlink_client_free(fixture->client);
    assert_int_equal(seteuid(user), 0);
    fixture->client = api_connect(fixture);
    assert_int_equal(seteuid(0), 0);
    expect_deleted(fixture, "{'network':'lan'}", 3, NULL);
    expect_deleted(fixture, "{'all':true}", 3, NULL);
    assert_int_equal(broker_count_ports(fixture->test->broker, "lan"), 3);
    varlink_client_free(fixture->client);
    fixture->client = api_connect(fixture);
    test_broker_create(fixture->test, user, "dmz", NULL);
    expect_deleted(fixture, "{'network':'dmz'}", 4, NULL);
    expect_deleted(fixture, "{'all':true}", 3, NULL);
}

/* The kernel's grace period passes once for 64 of them, not for each. */
static void
test_several_go_together(void **state)
{
    ApiFixture *fixture = *state;
    g_autoptr(GString) names = g_string_new("{\"ports\":[");
    guint n_links, n_steps = 0;
    g_auto(VarlinkReply) reply = {0};

    for (guint i = 0; i < 100; i++)
        g_string_append_printf(names, "%s\"%s\"", i ? "," : "",
                               test_broker_create(fixture->test, getuid(), "lan", NULL)->id);
    g_string_append(names, "]}");
    test_settle();
    n_links = kernel_fake_link_count(fixture->test->kernel);
    varlink_client_send(fixture->client, API_INTERFACE "DeletePort",
                        json_loads(names->str, 0, NULL), VARLINK_CALL_PLAIN, NULL);
    while (kernel_fake_link_count(fixture->test->kernel) > 1) {
        g_main_context_iteration(NULL, TRUE);
        n_steps += kernel_fake_link_count(fixture->test->kernel) < n_links;
        n_links = kernel_fake_link_count(fixture->test->kernel);
    }
    assert_int_equal(n_steps, 2);
    test_settle();
    api_receive(fixture->client, &reply);
    assert_int_equal(json_integer_value(json_object_get(reply.parameters, "deleted")), 100);
}

/* The daemon ends while a caller waits for a removal: that is told before the connection closes. */
static void
test_delete_when_the_daemon_stops(void **state)
{
    ApiFixture *fixture = *state;
    const Caller root = test_caller(0);
    g_auto(VarlinkReply) reply = {0};
    g_autoptr(GError) error = NULL;
    g_autofree char *records = NULL;

    test_broker_create(fixture->test, getuid(), "lan", "web");
    varlink_client_send(fixture->client, API_INTERFACE "DeletePort",
                        json_pack("{s:s}", "port", "web"), VARLINK_CALL_PLAIN, &error);
    assert_no_error(error);
    while (broker_get_port(fixture->test->broker, &root, "web", NULL))
        g_main_context_iteration(NULL, TRUE);
    broker_stop(fixture->test->broker);
    api_receive(fixture->client, &reply);
    assert_string_equal(reply.error, API_INTERFACE "SystemError");
    assert_string_equal(api_text_of(reply.parameters, "message"),
                        "macvtapd is shutting down; the removal will be completed at the next"
                        " start");
    records = test_broker_records(fixture->test);
    assert_non_null(strstr(records, ".deleting"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        API_TEST(test_delete_several),
        API_TEST(test_a_port_that_is_named_twice_counts_once),
        API_TEST(test_delete_by_network),
        API_TEST(test_several_go_together),
        API_TEST(test_delete_when_the_daemon_stops),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
