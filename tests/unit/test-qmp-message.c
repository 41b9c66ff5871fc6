/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include "qmp-message.h"

static void
parse(const char *line, QmpMessage *ret_message)
{
    g_autoptr(GError) error = NULL;

    qmp_message_parse(line, strlen(line), ret_message, &error);
    assert_no_error(error);
}

static void
refuse(const char *line, const char *why)
{
    QmpMessage message;
    GError *error = NULL;

    assert_false(qmp_message_parse(line, strlen(line), &message, &error));
    assert_error_cleared(&error, QMP_ERROR, QMP_ERROR_PROTOCOL, why);
}

static void
test_messages(void **state)
{
    g_auto(QmpMessage) greeting = {0};
    g_auto(QmpMessage) answer = {0};
    g_auto(QmpMessage) refusal = {0};
    g_auto(QmpMessage) event = {0};
    g_auto(QmpMessage) bare = {0};
    g_auto(QmpMessage) forged = {0};

    parse("{\"QMP\": {\"version\": {}, \"capabilities\": [\"oob\"]}}", &greeting);
    assert_int_equal(greeting.type, QMP_MESSAGE_GREETING);
    parse("{\"return\": [1], \"id\": 7}", &answer);
    assert_int_equal(answer.type, QMP_MESSAGE_RETURN);
    assert_true(answer.has_id && answer.id == 7);
    assert_int_equal(json_array_size(answer.value), 1);
    parse("{\"id\": 8, \"error\": {\"class\": \"GenericError\", \"desc\": \"no such device\"}}",
          &refusal);
    assert_int_equal(refusal.type, QMP_MESSAGE_ERROR);
    assert_string_equal(refusal.text, "no such device");
    assert_string_equal(refusal.name, "GenericError");
    assert_true(refusal.has_id && refusal.id == 8);
    parse("{\"timestamp\": {\"seconds\": 1}, \"event\": \"STOP\"}", &event);
    assert_int_equal(event.type, QMP_MESSAGE_EVENT);
    assert_string_equal(event.name, "STOP");
    assert_true(json_is_object(event.value));
    parse("{\"error\": {\"class\": \"GenericError\", \"desc\": \"JSON parse error\"}}", &bare);
    assert_false(bare.has_id);
    parse("{\"error\": {\"class\": \"x\", \"desc\": \"no\\nyes \\u001b[2J\"}}", &forged);
    assert_string_equal(forged.text, "no?yes ?[2J");
}

static void
test_numbers_that_jansson_has_not(void **state)
{
    g_auto(QmpMessage) message = {0};

    parse("{\"return\": 18446744073709551615, \"id\": 3}", &message);
    assert_true(json_is_real(message.value) && message.id == 3);
    refuse("{\"return\": 1, \"id\": 18446744073709551615}", "never sent");
    refuse("{\"return\": 1, \"id\": -1}", "never sent");
    refuse("{\"return\": 1, \"id\": 1.5}", "never sent");
    refuse("{\"return\": 1, \"id\": \"x\"}", "never sent");
}

static void
test_refused(void **state)
{
    g_autoptr(GString) deep = g_string_new("{\"return\": ");

    refuse("", "not a JSON object");
    refuse("[]", "not a JSON object");
    refuse("{\"return\": 1, \"return\": 2}", "not a JSON object");
    refuse("{\"return\": 1} more", "not a JSON object");
    refuse("{\"hello\": 1}", "not a QMP message");
    refuse("{\"error\": {\"class\": \"x\"}}", "without class or description");
    refuse("{\"event\": 5}", "without a name");
    refuse("{\"event\": \"STOP\", \"data\": []}", "without a name");
    for (guint i = 0; i < QMP_VALUES_MAX; i++)
        g_string_append(deep, "[1,");
    refuse(deep->str, "too many values");
}

static void
test_commands(void **state)
{
    json_t *arguments = json_pack("{s:s}", "id", "a\"\n");
    g_autofree char *with = qmp_command_format("device_del", arguments, 5);
    g_autofree char *without = qmp_command_format("query-pci", NULL, 6);

    assert_string_equal(
        with, "{\"execute\":\"device_del\",\"id\":5,\"arguments\":{\"id\":\"a\\\"\\n\"}}\n");
    assert_string_equal(without, "{\"execute\":\"query-pci\",\"id\":6}\n");
    json_decref(arguments);
}

static void
expect_line(QmpLines *lines, const char *expected)
{
    const char *line;
    gsize length;

    assert_true(qmp_lines_next(lines, &line, &length));
    assert_int_equal(length, strlen(expected));
    assert_memory_equal(line, expected, length);
}

static void
test_lines(void **state)
{
    g_autoptr(QmpLines) lines = qmp_lines_new(8);
    GError *error = NULL;
    const char *line;
    gsize length;

    assert_false(qmp_lines_next(lines, &line, &length));
    assert_true(qmp_lines_add(lines, "ab\r\n\nc", 6, NULL));
    expect_line(lines, "ab");
    expect_line(lines, "");
    assert_false(qmp_lines_next(lines, &line, &length));
    assert_true(qmp_lines_add(lines, "d\nefghi", 7, NULL));
    expect_line(lines, "cd");
    assert_false(qmp_lines_next(lines, &line, &length));
    assert_true(qmp_lines_add(lines, "jkl", 3, NULL));
    assert_false(qmp_lines_add(lines, "m", 1, &error));
    assert_error_cleared(&error, QMP_ERROR, QMP_ERROR_PROTOCOL, "too long");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages), cmocka_unit_test(test_numbers_that_jansson_has_not),
        cmocka_unit_test(test_refused),  cmocka_unit_test(test_commands),
        cmocka_unit_test(test_lines),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
