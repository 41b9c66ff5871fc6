/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What calls a server answers, and how. */
#include "varlink-fixture.h"

#include "varlink-message.h"

static void
test_plain_call(void **state)
{
    Fixture fixture;

    fixture_init(&fixture);
    expect_answer(&fixture, "{\"method\":\"org.example.test.Echo\"}", "{\"parameters\":{}}");
    expect_answer(&fixture,
                  "{\"method\":\"org.example.test.Echo\",\"parameters\":{\"text\":\"\\u00e4\"}}",
                  "{\"parameters\":{\"text\":\"\xc3\xa4\"}}");
    fixture_clear(&fixture);
}

static void
test_service(void **state)
{
    Fixture fixture;

    fixture_init(&fixture);
    expect_answer(
        &fixture, "{\"method\":\"org.varlink.service.GetInfo\"}",
        "{\"parameters\":{\"vendor\":\"Vendor\",\"product\":\"Product\",\"version\":\"1\","
        "\"url\":\"https://example.org/\","
        "\"interfaces\":[\"org.varlink.service\",\"org.example.test\"]}}");
    expect_answer(
        &fixture,
        "{\"method\":\"org.varlink.service.GetInterfaceDescription\","
        "\"parameters\":{\"interface\":\"org.example.test\"}}",
        "{\"parameters\":{\"description\":\"interface org.example.test\\n"
        "method Echo(text: ?string) -> (text: ?string)\\n"
        "# Answered by the test, whenever it likes.\\n"
        "method Later() -> ()\\nmethod Stream() -> (n: int)\\n"
        "method Descriptors(count: int) -> ()\\nmethod Forget() -> ()\\n"
        "method Twice() -> ()\\nmethod FreeServer() -> ()\\n"
        "# Runs the main loop before and after it answers.\\nmethod RunLoop() -> ()\\n\"}}");
    fixture_clear(&fixture);
}

static const struct {
    const char *call, *error, *parameters;
} refused[] = {
    {"{\"method\":\"Echo\"}", "InvalidParameter", "{\"parameter\":\"method\"}"},
    {"{\"method\":\"org.example.none.Echo\"}", "InterfaceNotFound",
     "{\"interface\":\"org.example.none\"}"},
    {"{\"method\":\"org.example.test.None\"}", "MethodNotFound",
     "{\"method\":\"org.example.test.None\"}"},
    {"{\"method\":\"org.example.test.\"}", "MethodNotFound", "{\"method\":\"org.example.test.\"}"},
    {"{\"method\":\"org.example.test.Echo\",\"upgrade\":true}", "MethodNotImplemented",
     "{\"method\":\"org.example.test.Echo\"}"},
    {"{\"method\":\"org.example.test.Stream\"}", "ExpectedMore", "{}"},
    {"{\"method\":\"org.varlink.service.GetInfo\",\"parameters\":{\"a\":1}}", "InvalidParameter",
     "{\"parameter\":\"a\"}"},
    {"{\"method\":\"org.varlink.service.GetInterfaceDescription\"}", "InvalidParameter",
     "{\"parameter\":\"interface\"}"},
    {"{\"method\":\"org.varlink.service.GetInterfaceDescription\",\"parameters\":{\"interface\":3}"
     "}",
     "InvalidParameter", "{\"parameter\":\"interface\"}"},
    {"{\"method\":\"org.varlink.service.GetInterfaceDescription\","
     "\"parameters\":{\"interface\":\"a.b\"}}",
     "InterfaceNotFound", "{\"interface\":\"a.b\"}"},
};

static void
test_refusals(void **state)
{
    Fixture fixture;

    fixture_init(&fixture);
    for (guint i = 0; i < G_N_ELEMENTS(refused); i++) {
        g_autofree char *reply =
            g_strdup_printf("{\"error\":\"org.varlink.service.%s\",\"parameters\":%s}",
                            refused[i].error, refused[i].parameters);

        expect_answer(&fixture, refused[i].call, reply);
    }
    assert_int_equal(fixture.calls, 0);
    fixture_clear(&fixture);
}

static void
test_protocol_faults_drop_the_connection(void **state)
{
    static const char *const faults[] = {
        "",
        "{}",
        "[]",
        "{\"method\":\"org.example.test.Echo\",\"unknown\":1}",
        "{\"method\":\"org.example.test.Echo\",\"more\":\"yes\"}",
        "{\"method\":\"org.example.test.Echo\",\"more\":true,\"oneway\":true}",
        "{\"method\":\"org.example.test.Echo\",\"parameters\":[]}",
        "{\"method\":\"org.example.test.Echo\"}{\"method\":\"org.example.test.Echo\"}",
    };

    for (guint i = 0; i < G_N_ELEMENTS(faults); i++) {
        Fixture fixture;

        fixture_init(&fixture);
        ask(&fixture, faults[i]);
        expect_dropped(&fixture);
        assert_int_equal(fixture.calls, 0);
        fixture_clear(&fixture);
    }
}

static void
test_byte_by_byte(void **state)
{
    static const char text[] =
        "{\"method\":\"org.example.test.Echo\",\"parameters\":{\"text\":\"x\"}}";
    Fixture fixture;

    fixture_init(&fixture);
    for (gsize i = 0; i < sizeof text; i++) {
        expect_nothing(fixture.client);
        assert_int_equal(send_bytes(fixture.client, text + i, 1, NULL), 1);
        settle();
    }
    expect_text(fixture.client, "{\"parameters\":{\"text\":\"x\"}}");
    fixture_clear(&fixture);
}

static void
test_truncated(void **state)
{
    Fixture fixture;

    fixture_init(&fixture);
    send_bytes(fixture.client, "{\"method\":\"org.example.test.Echo\"}", 34, NULL);
    shutdown(fixture.client, SHUT_WR);
    expect_dropped(&fixture);
    assert_int_equal(fixture.calls, 0);
    fixture_clear(&fixture);
}

static void
test_message_limit(void **state)
{
    const VarlinkLimits limits = {.message_bytes = 100};
    g_autofree char *filling = g_strnfill(100 - 35, ' ');
    g_autofree char *fits = g_strconcat("{\"method\":\"org.example.test.Echo\"}", filling, NULL);
    Fixture fixture;

    settle();
    fixture_init_with(&fixture, &limits);
    assert_int_equal(strlen(fits) + 1, 100);
    expect_answer(&fixture, fits, "{\"parameters\":{}}");
    send_bytes(fixture.client, fits, 99, NULL);
    send_bytes(fixture.client, " ", 2, NULL);
    expect_dropped(&fixture);
    assert_int_equal(fixture.calls, 1);
    fixture_clear(&fixture);
}

static void
test_pipelined_calls_are_answered_in_order(void **state)
{
    Fixture fixture;

    fixture_init(&fixture);
    send_text(fixture.client,
              "{\"method\":\"org.example.test.Echo\",\"parameters\":{\"text\":\"1\"}}");
    send_text(fixture.client, "{\"method\":\"org.example.test.Later\"}");
    send_text(fixture.client,
              "{\"method\":\"org.example.test.Echo\",\"parameters\":{\"text\":\"2\"}}");
    settle();
    expect_text(fixture.client, "{\"parameters\":{\"text\":\"1\"}}");
    assert_int_equal(fixture.calls, 2);
    /* Comes while a call is in hand: neither read nor polled until that one is answered. */
    send_text(fixture.client,
              "{\"method\":\"org.example.test.Echo\",\"parameters\":{\"text\":\"3\"}}");
    settle();
    assert_int_equal(fixture.calls, 2);
    varlink_call_reply(fixture.kept, NULL, NULL);
    expect_text(fixture.client, "{\"parameters\":{}}");
    settle();
    assert_int_equal(fixture.calls, 4);
    assert_int_equal(fixture.gone, 0);
    fixture_clear(&fixture);
}

static void
test_call_that_came_along_is_handled_after_a_late_reply(void **state)
{
    static const char both[] = "{\"method\":\"org.example.test.Later\"}\0"
                               "{\"method\":\"org.example.test.Echo\"}";
    Fixture fixture;

    fixture_init(&fixture);
    send_bytes(fixture.client, both, sizeof both, NULL);
    settle();
    assert_int_equal(fixture.calls, 1);
    varlink_call_reply(fixture.kept, NULL, NULL);
    settle();
    assert_int_equal(fixture.calls, 2);
    expect_first_text(&fixture, "{\"parameters\":{}}");
    expect_text(fixture.client, "{\"parameters\":{}}");
    fixture_clear(&fixture);
}

static void
test_oneway_gets_no_reply(void **state)
{
    Fixture fixture;

    fixture_init(&fixture);
    ask(&fixture, "{\"method\":\"org.example.test.Echo\",\"oneway\":true}");
    ask(&fixture, "{\"method\":\"org.example.test.None\",\"oneway\":true}");
    ask(&fixture, "{\"method\":\"org.example.test.Descriptors\",\"oneway\":true,"
                  "\"parameters\":{\"count\":5}}");
    assert_int_equal(fixture.calls, 1);
    assert_int_equal(count_descriptors(), fixture.held);
    expect_nothing(fixture.client);
    expect_answer(&fixture, "{\"method\":\"org.example.test.Echo\"}", "{\"parameters\":{}}");
    fixture_clear(&fixture);
}

static void
test_oneway_calls_count_though_the_caller_has_gone(void **state)
{
    Fixture fixture;

    fixture_init(&fixture);
    send_text(fixture.client, "{\"method\":\"org.example.test.Echo\",\"oneway\":true}");
    send_text(fixture.client, "{\"method\":\"org.example.test.Echo\",\"oneway\":true}");
    descriptor_clear(&fixture.client);
    settle();
    assert_int_equal(fixture.calls, 2);
    assert_int_equal(varlink_server_connection_count(fixture.server), 0);
    fixture_clear(&fixture);
}

static void
test_stream(void **state)
{
    Fixture fixture;

    fixture_init(&fixture);
    ask(&fixture, "{\"method\":\"org.example.test.Stream\",\"more\":true}");
    assert_true(varlink_call_wants_more(fixture.kept));
    assert_true(varlink_call_reply_more(fixture.kept, json_pack("{s:i}", "n", 1)));
    expect_text(fixture.client, "{\"continues\":true,\"parameters\":{\"n\":1}}");
    assert_true(varlink_call_reply_more(fixture.kept, NULL));
    expect_text(fixture.client, "{\"continues\":true,\"parameters\":{}}");
    varlink_call_reply(fixture.kept, json_pack("{s:i}", "n", 3), NULL);
    expect_text(fixture.client, "{\"parameters\":{\"n\":3}}");
    assert_false(varlink_call_reply_more(fixture.kept, json_pack("{s:i}", "n", 4)));
    expect_answer(&fixture, "{\"method\":\"org.example.test.Echo\"}", "{\"parameters\":{}}");
    assert_int_equal(fixture.gone, 0);
    fixture_clear(&fixture);
}

static void
test_forgotten_call_drops_the_connection(void **state)
{
    Fixture fixture;

    fixture_init(&fixture);
    ask(&fixture, "{\"method\":\"org.example.test.Forget\"}");
    expect_dropped(&fixture);
    fixture_clear(&fixture);
}

static void
test_second_answer_is_ignored(void **state)
{
    Fixture fixture;

    fixture_init(&fixture);
    expect_answer(&fixture, "{\"method\":\"org.example.test.Twice\"}",
                  "{\"parameters\":{\"n\":1}}");
    expect_nothing(fixture.client);
    fixture_clear(&fixture);
}

static void
test_server_freed_by_a_handler(void **state)
{
    Fixture fixture;
    AUTO_FD int other = -1;

    fixture_init(&fixture);
    other = connect_client(&fixture);
    send_text(other, "{\"method\":\"org.example.test.Later\"}");
    settle();
    send_text(fixture.client, "{\"method\":\"org.example.test.FreeServer\"}");
    ask(&fixture, "{\"method\":\"org.example.test.Echo\"}");
    assert_null(fixture.server);
    assert_int_equal(fixture.gone, 1);
    assert_int_equal(fixture.calls, 1);
    expect_closed(fixture.client);
    expect_closed(other);
    descriptor_clear(&other);
    fixture_clear(&fixture);
}

static void
test_handler_that_runs_the_main_loop(void **state)
{
    Fixture fixture;

    fixture_init(&fixture);
    send_text(fixture.client, "{\"method\":\"org.example.test.RunLoop\"}");
    send_text(fixture.client, "{\"method\":\"org.example.test.Echo\"}");
    settle();
    assert_int_equal(fixture.calls, 1);
    expect_first_text(&fixture, "{\"parameters\":{}}");
    expect_text(fixture.client, "{\"parameters\":{}}");
    fixture_clear(&fixture);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain_call),
        cmocka_unit_test(test_service),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_protocol_faults_drop_the_connection),
        cmocka_unit_test(test_byte_by_byte),
        cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_message_limit),
        cmocka_unit_test(test_pipelined_calls_are_answered_in_order),
        cmocka_unit_test(test_call_that_came_along_is_handled_after_a_late_reply),
        cmocka_unit_test(test_oneway_gets_no_reply),
        cmocka_unit_test(test_oneway_calls_count_though_the_caller_has_gone),
        cmocka_unit_test(test_stream),
        cmocka_unit_test(test_forgotten_call_drops_the_connection),
        cmocka_unit_test(test_second_answer_is_ignored),
        cmocka_unit_test(test_server_freed_by_a_handler),
        cmocka_unit_test(test_handler_that_runs_the_main_loop),
    };

    return cmocka_run_group_tests_name("varlink-server", tests, NULL, NULL);
}
