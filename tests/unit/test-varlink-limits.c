/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a server lets its callers have: connections, values, unread replies, turns. */
#include "varlink-fixture.h"

#include "varlink-message.h"

#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/un.h>

static void
test_connection_limits(void **state)
{
    static const VarlinkLimits limits[] = {{.connections = 1}, {.connections_per_uid = 1}};

    for (guint i = 0; i < G_N_ELEMENTS(limits); i++) {
        g_autoptr(GError) error = NULL;
        Fixture fixture;
        int pair[2];

        settle();
        fixture_init_with(&fixture, &limits[i]);
        make_pair(pair);
        assert_false(
            varlink_server_add_connection(fixture.server, pair[0], VARLINK_ROOT_IS_ROOT, &error));
        assert_true(g_error_matches(error, VARLINK_ERROR, VARLINK_ERROR_BUSY));
        expect_closed(pair[1]);
        descriptor_clear(&pair[1]);
        /* The place is free again as soon as the one who had it has gone. */
        descriptor_clear(&fixture.client);
        settle();
        fixture.client = connect_client(&fixture);
        expect_answer(&fixture, "{\"method\":\"org.example.test.Echo\"}", "{\"parameters\":{}}");
        fixture_clear(&fixture);
    }
}

/* The last quarter is for users who have few. */
static void
test_last_connections_are_for_others(void **state)
{
    const VarlinkLimits limits = {.connections = 8, .connections_per_uid = 24};
    int clients[5];
    int pair[2];
    Fixture fixture;

    settle();
    fixture_init_with(&fixture, &limits);
    for (guint i = 0; i < G_N_ELEMENTS(clients); i++)
        clients[i] = connect_client(&fixture);
    make_pair(pair);
    assert_false(
        varlink_server_add_connection(fixture.server, pair[0], VARLINK_ROOT_IS_ROOT, NULL));
    expect_closed(pair[1]);
    for (guint i = 0; i < G_N_ELEMENTS(clients); i++)
        descriptor_clear(&clients[i]);
    descriptor_clear(&pair[1]);
    settle();
    fixture_clear(&fixture);
}

/* A message with more values than any method takes is not even parsed. */
static void
test_limit_of_values(void **state)
{
    const VarlinkLimits limits = {.values = 6};
    static const char call[] =
        "{\"method\":\"org.example.test.Echo\",\"parameters\":{\"text\":%s}}";
    g_autofree char *fits = g_strdup_printf(call, "[1,2]");
    g_autofree char *too_many = g_strdup_printf(call, "[1,[{}]]");
    Fixture fixture;

    settle();
    fixture_init_with(&fixture, &limits);
    expect_answer(&fixture, fits, "{\"parameters\":{\"text\":[1,2]}}");
    ask(&fixture, too_many);
    expect_dropped(&fixture);
    assert_int_equal(fixture.calls, 1);
    fixture_clear(&fixture);
}

/* Opens another connection whose reply nobody reads; whether it was dropped for that. */
static gboolean
leave_unread(Fixture *fixture, int *ret_client)
{
    g_autofree char *text = g_strnfill(1000000, 'x');
    guint before = varlink_server_connection_count(fixture->server);

    *ret_client = connect_client(fixture);
    send_text(*ret_client, "{\"method\":\"org.example.test.Later\"}");
    settle();
    varlink_call_reply(fixture->kept, json_pack("{s:s}", "text", text), NULL);
    g_clear_pointer(&fixture->kept, varlink_call_unref);
    settle();
    return varlink_server_connection_count(fixture->server) == before;
}

/* Connections that hold little each hold much together. */
static void
test_limits_of_unread_replies(void **state)
{
    static const VarlinkLimits limits[] = {{.unsent_bytes_per_uid = 1700000},
                                           {.unsent_bytes_in_all = 1700000}};

    for (guint i = 0; i < G_N_ELEMENTS(limits); i++) {
        int first, second, third;
        Fixture fixture;

        settle();
        fixture_init_with(&fixture, &limits[i]);
        assert_false(leave_unread(&fixture, &first));
        assert_false(leave_unread(&fixture, &second));
        assert_true(leave_unread(&fixture, &third));
        expect_answer(&fixture, "{\"method\":\"org.example.test.Echo\"}", "{\"parameters\":{}}");
        descriptor_clear(&third);
        /* What goes makes room. */
        descriptor_clear(&first);
        settle();
        assert_false(leave_unread(&fixture, &third));
        descriptor_clear(&second);
        descriptor_clear(&third);
        settle();
        fixture_clear(&fixture);
    }
}

/* Who has sent a hundred calls at once keeps another waiting for one of them. */
static void
test_turns_of_two_connections(void **state)
{
    static const char echo[] = "{\"method\":\"org.example.test.Echo\"}";
    g_autoptr(GString) calls = g_string_new(NULL);
    AUTO_FD int other = -1;
    Fixture fixture;
    char byte;

    fixture_init(&fixture);
    other = connect_client(&fixture);
    for (guint i = 0; i < 100; i++)
        g_string_append_len(calls, echo, sizeof echo);
    send_bytes(fixture.client, calls->str, calls->len, NULL);
    send_text(other, echo);
    while (recv(other, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0)
        g_main_context_iteration(NULL, FALSE);
    assert_in_range(fixture.calls, 1, 2);
    settle();
    assert_int_equal(fixture.calls, 101);
    descriptor_clear(&other);
    settle();
    fixture_clear(&fixture);
}

/* Without a descriptor left the caller is sent away, and the loop comes to rest. */
static void
test_out_of_descriptors(void **state)
{
    struct rlimit original, few;
    struct sockaddr_un address;
    socklen_t length;
    Fixture fixture;
    int second, third, probe;

    fixture_init(&fixture);
    assert_true(varlink_server_listen(fixture.server, make_listener(&address, &length),
                                      VARLINK_ROOT_IS_ROOT, NULL));
    second = dial(&address, length);
    third = dial(&address, length);
    getrlimit(RLIMIT_NOFILE, &original);
    probe = open("/dev/null", O_RDONLY | O_CLOEXEC);
    few = (struct rlimit){probe, original.rlim_max};
    close(probe);
    setrlimit(RLIMIT_NOFILE, &few);
    settle();
    setrlimit(RLIMIT_NOFILE, &original);
    assert_int_equal(varlink_server_connection_count(fixture.server), 1);
    expect_closed(second);
    expect_closed(third);
    descriptor_clear(&second);
    second = dial(&address, length);
    settle();
    assert_int_equal(varlink_server_connection_count(fixture.server), 2);
    descriptor_clear(&second);
    descriptor_clear(&third);
    fixture_clear(&fixture);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_connection_limits),
        cmocka_unit_test(test_last_connections_are_for_others),
        cmocka_unit_test(test_limit_of_values),
        cmocka_unit_test(test_limits_of_unread_replies),
        cmocka_unit_test(test_turns_of_two_connections),
        cmocka_unit_test(test_out_of_descriptors),
    };

    return cmocka_run_group_tests_name("varlink-limits", tests, NULL, NULL);
}
