/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "varlink-message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void
refuse_call_bytes(const char *text, gsize length)
{
    VarlinkCallMessage call = {.method = (char *)"untouched"};
    g_autoptr(GError) error = NULL;

    if (varlink_call_message_parse(text, length, &call, &error))
        fail_msg("accepted: %s", text);
    assert_true(g_error_matches(error, VARLINK_ERROR, VARLINK_ERROR_PROTOCOL));
    assert_string_equal(call.method, "untouched");
}

static void
refuse_call(const char *text)
{
    refuse_call_bytes(text, strlen(text));
}

static void
refuse_reply(const char *text)
{
    VarlinkReplyMessage reply;
    g_autoptr(GError) error = NULL;

    if (varlink_reply_message_parse(text, strlen(text), &reply, &error))
        fail_msg("accepted: %s", text);
    assert_true(g_error_matches(error, VARLINK_ERROR, VARLINK_ERROR_PROTOCOL));
}

static void
parse_call(const char *text, VarlinkCallMessage *ret_call)
{
    g_autoptr(GError) error = NULL;

    if (!varlink_call_message_parse(text, strlen(text), ret_call, &error))
        fail_msg("%s: %s", text, error->message);
}

static void
test_call(void **state)
{
    g_auto(VarlinkCallMessage) call = {0};

    parse_call(
        " {\"parameters\":{\"a\":[1]},\"more\":true,\"upgrade\":false,\"method\":\"a.b.C\"} ",
        &call);
    assert_string_equal(call.method, "a.b.C");
    assert_int_equal(json_array_size(json_object_get(call.parameters, "a")), 1);
    assert_true(call.more);
    assert_false(call.oneway);
    assert_false(call.upgrade);
}

static void
test_parameters_may_be_missing_null_or_empty(void **state)
{
    static const char *const calls[] = {
        "{\"method\":\"a.b\"}",
        "{\"method\":\"a.b\",\"parameters\":null}",
        "{\"method\":\"a.b\",\"parameters\":{}}",
    };
    static const char *const replies[] = {"{}", "{\"parameters\":null}", "{\"parameters\":{}}"};

    for (guint i = 0; i < 3; i++) {
        g_auto(VarlinkCallMessage) call = {0};
        g_auto(VarlinkReplyMessage) reply = {0};

        parse_call(calls[i], &call);
        assert_true(json_is_object(call.parameters));
        assert_true(varlink_reply_message_parse(replies[i], strlen(replies[i]), &reply, NULL));
        assert_true(json_is_object(reply.parameters));
        assert_int_equal(json_object_size(reply.parameters), 0);
    }
}

static void
test_bad_calls(void **state)
{
    static const char *const bad[] = {
        "",
        " ",
        "{",
        "null",
        "[]",
        "\"text\"",
        "{}",
        "{\"method\":\"\"}",
        "{\"method\":1}",
        "{\"method\":null}",
        "{\"parameters\":{}}",
        "{\"method\":\"a.b\",\"parameters\":[]}",
        "{\"method\":\"a.b\",\"parameters\":\"\"}",
        "{\"method\":\"a.b\",\"parameters\":0}",
        "{\"method\":\"a.b\",\"more\":1}",
        "{\"method\":\"a.b\",\"more\":null}",
        "{\"method\":\"a.b\",\"oneway\":\"true\"}",
        "{\"method\":\"a.b\",\"upgrade\":{}}",
        "{\"method\":\"a.b\",\"more\":true,\"oneway\":true}",
        "{\"method\":\"a.b\",\"continues\":true}",
        "{\"method\":\"a.b\",\"Method\":\"a.b\"}",
        "{\"method\":\"a.b\",\"method\":\"a.b\"}",
        "{\"method\":\"a.b\",\"parameters\":{\"x\":1,\"x\":1}}",
        "{\"method\":\"a.b\"} {}",
        "{\"method\":\"a.b\"},",
        "{\"method\":\"a.b\",}",
        "{\"method\":\"a\\u0000b\"}",
        "{\"method\":\"a.b\",\"parameters\":{\"a\\u0000\":1}}",
        "{\"method\":\"a.\xff\"}",
        "{\"method\":\"a.b\",\"parameters\":{\"x\":99999999999999999999}}",
        "{\"method\":\"a.b\",\"parameters\":{\"x\":1e999}}",
        "{'method':'a.b'}",
        "{\"method\":\"a.b\"/**/}",
    };

    for (guint i = 0; i < G_N_ELEMENTS(bad); i++)
        refuse_call(bad[i]);
    refuse_call_bytes("{\"method\":\"a.b\"}\0", 17);
    refuse_call_bytes("{\"method\":\"a\0b\"}", 16);
}

static void
test_deep_nesting_is_refused(void **state)
{
    g_autofree char *open = g_strnfill(60000, '[');
    g_autofree char *close = g_strnfill(60000, ']');
    g_autofree char *call =
        g_strdup_printf("{\"method\":\"a.b\",\"parameters\":{\"x\":%s%s}}", open, close);

    refuse_call(call);
}

static void
test_bad_replies(void **state)
{
    static const char *const bad[] = {
        "",
        "[]",
        "{\"error\":1}",
        "{\"error\":\"\"}",
        "{\"error\":null}",
        "{\"continues\":\"yes\"}",
        "{\"parameters\":[]}",
        "{\"method\":\"a.b\"}",
        "{\"error\":\"a.b\",\"continues\":true}",
        "{\"parameters\":{},\"parameters\":{}}",
        "{}{}",
    };

    for (guint i = 0; i < G_N_ELEMENTS(bad); i++)
        refuse_reply(bad[i]);
}

static void
test_reply(void **state)
{
    static const char text[] = "{\"error\":\"a.b.C\",\"parameters\":{\"why\":\"x\"}}";
    g_auto(VarlinkReplyMessage) reply = {0};

    assert_true(varlink_reply_message_parse(text, strlen(text), &reply, NULL));
    assert_string_equal(reply.error, "a.b.C");
    assert_false(reply.continues);
    assert_string_equal(json_string_value(json_object_get(reply.parameters, "why")), "x");
}

static void
expect_text(char *text, const char *expected)
{
    assert_non_null(text);
    assert_string_equal(text, expected);
    free(text);
}

static void
test_format_emits_only_what_is_set(void **state)
{
    json_t *parameters = json_pack("{s:i}", "a", 1);
    VarlinkCallMessage call = {.method = (char *)"a.b"};
    VarlinkReplyMessage reply = {.parameters = parameters};

    expect_text(varlink_call_message_format(&call), "{\"method\":\"a.b\"}");
    call = (VarlinkCallMessage){(char *)"a.b", parameters, .more = TRUE};
    expect_text(varlink_call_message_format(&call),
                "{\"method\":\"a.b\",\"more\":true,\"parameters\":{\"a\":1}}");
    call = (VarlinkCallMessage){(char *)"a.b", .oneway = TRUE, .upgrade = TRUE};
    expect_text(varlink_call_message_format(&call),
                "{\"method\":\"a.b\",\"oneway\":true,\"upgrade\":true}");
    expect_text(varlink_reply_message_format(&reply), "{\"parameters\":{\"a\":1}}");
    reply.continues = TRUE;
    expect_text(varlink_reply_message_format(&reply),
                "{\"continues\":true,\"parameters\":{\"a\":1}}");
    reply = (VarlinkReplyMessage){.error = (char *)"a.E"};
    expect_text(varlink_reply_message_format(&reply), "{\"error\":\"a.E\"}");
    reply.error = (char *)"\xff";
    assert_null(varlink_reply_message_format(&reply));
    call.method = (char *)"\xff";
    assert_null(varlink_call_message_format(&call));
    json_decref(parameters);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_call),
        cmocka_unit_test(test_parameters_may_be_missing_null_or_empty),
        cmocka_unit_test(test_bad_calls),
        cmocka_unit_test(test_deep_nesting_is_refused),
        cmocka_unit_test(test_bad_replies),
        cmocka_unit_test(test_reply),
        cmocka_unit_test(test_format_emits_only_what_is_set),
    };

    return cmocka_run_group_tests_name("varlink-message", tests, NULL, NULL);
}
