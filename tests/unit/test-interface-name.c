/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include "error.h"
#include "interface-name.h"

#include <errno.h>

static void
test_usual_names_pass(void **state)
{
    static const char *const good[] = {"e",   "eth0", "bond0.100", "vm-7_a@b", "123456789012345",
                                       "...", "-x"};

    for (guint i = 0; i < G_N_ELEMENTS(good); i++) {
        g_autoptr(GError) error = NULL;

        assert_true(interface_name_check(good[i], &error));
        assert_no_error(error);
    }
}

static void
test_each_refusal_says_why(void **state)
{
    static const struct {
        const char *name;
        const char *why;
    } bad[] = {
        {"", "empty"},          {"1234567890123456", "longer than 15"},
        {".", "folder"},        {"..", "folder"},
        {"eth/0", "printable"}, {"eth:0", "printable"},
        {"eth%d", "printable"}, {"eth 0", "printable"},
        {"eth\t", "printable"}, {"eth\n", "'eth\\n'"},
        {"\x7f", "printable"},  {"\xc3\xa9th", "printable"},
    };

    for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
        GError *error = NULL;

        assert_false(interface_name_check(bad[i].name, &error));
        assert_error_cleared(&error, ERRNO_ERROR, EINVAL, bad[i].why);
    }
}

/* An alternative name may have 127 bytes. */
static void
test_parents(void **state)
{
    g_autofree char *long_name = g_strnfill(130, 'n');
    const char *const good[] = {"e",          ".x", "eth0", "bond0.100",
                                "veth0@if3",  "_x", "a-b",  "1234567890123456",
                                long_name + 3};
    const struct {
        const char *name;
        const char *why;
    } bad[] = {
        {"", "empty"},
        {"eth0;p1", "only letters"},
        {"eth0,eth1", "separated by blanks"},
        {"'eth0'", "only letters"},
        {"$(id)", "only letters"},
        {"-x", "begins with '-'"},
        {"#", "a comment needs a line of its own"},
        {"eth0#uplink", "a comment needs a line of its own"},
        {long_name + 2, "longer than 127"},
        {"eth0:1", "may be used"},
    };

    for (guint i = 0; i < G_N_ELEMENTS(good); i++)
        assert_true(interface_name_check_parent(good[i], NULL));
    for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
        GError *error = NULL;

        assert_false(interface_name_check_parent(bad[i].name, &error));
        assert_error_cleared(&error, ERRNO_ERROR, EINVAL, bad[i].why);
    }
}

static void
test_chosen(void **state)
{
    static const char *const good[] = {"e", "7", "vm-7_a.b", "mvt0"};
    static const char *const bad[] = {"",    "-x",  "_x",  ".x",   "a@b",
                                      "a:b", "a;b", "a#b", "a\tb", "1234567890123456"};

    for (guint i = 0; i < G_N_ELEMENTS(good); i++)
        assert_true(interface_name_check_chosen(good[i], NULL));
    for (guint i = 0; i < G_N_ELEMENTS(bad); i++)
        assert_false(interface_name_check_chosen(bad[i], NULL));
    assert_true(interface_name_is_users("vm7"));
    assert_true(interface_name_is_users("mvt0"));
    assert_true(interface_name_is_users("vmb"));
    assert_false(interface_name_is_users("vmbr0"));
    assert_false(interface_name_is_users("vmnet8"));
    assert_false(interface_name_is_users("eth7"));
    assert_false(interface_name_is_users("xvm7"));
    assert_false(interface_name_is_users(""));
}

/* The refusal of a wrong character names those that may be used here, not those of any name. */
static void
test_refusal_says_what_may_be_used(void **state)
{
    static const char *const bad[] = {"eth%d", "eth:0", "eth/0", "eth 0", "eth@0", "eth+0"};
    static const char chosen[] = "only letters, digits, '_', '.' and '-' may be used";
    static const char parents[] = "only letters, digits, '_', '.', '@' and '-' may be used";

    for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
        GError *error = NULL;

        assert_false(interface_name_check_chosen(bad[i], &error));
        assert_error_cleared(&error, ERRNO_ERROR, EINVAL, chosen);
        if (strchr(bad[i], '@'))
            continue;
        assert_false(interface_name_check_parent(bad[i], &error));
        assert_error_cleared(&error, ERRNO_ERROR, EINVAL, parents);
    }
}

static void
test_a_long_name_does_not_flood_the_message(void **state)
{
    g_autofree char *name = g_strnfill(100000, '\n');
    g_autoptr(GError) error = NULL;

    assert_false(interface_name_check(name, &error));
    assert_true(strlen(error->message) < 200);
    assert_false(interface_name_check(name, NULL));
}

static void
test_any_bytes_as_text(void **state)
{
    static const struct {
        const char *name, *text;
    } rows[] = {
        {"eth0.100@x", "eth0.100@x"},
        {"\xff\xfe", "\\xff\\xfe"},
        {"\xc3\xa9"
         "0",
         "\\xc3\\xa90"},
        {"\\xff", "\\x5cxff"},
        {"a\x01\x7f", "a\\x01\\x7f"},
        {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
         "\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff"},
    };
    char text[INTERFACE_NAME_TEXT_SIZE], name[INTERFACE_NAME_MAX + 1];

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        assert_string_equal(interface_name_format(rows[i].name, text), rows[i].text);
        assert_true(interface_name_parse(text, name));
        assert_string_equal(name, rows[i].name);
    }
    for (guint byte = 1; byte < 256; byte++) {
        const char one[] = {'x', (char)byte, '\0'};

        interface_name_format(one, text);
        assert_true(g_str_is_ascii(text));
        if (strchr("/: \t\n\v\f\r", (int)byte))
            continue;
        assert_true(interface_name_parse(text, name));
        assert_string_equal(name, one);
    }
}

static void
test_texts_of_no_name(void **state)
{
    static const char *const bad[] = {"",        ".",     "..",    "\\x2e\\x2e",       "a/b",
                                      "a\\x2fb", "a:b",   "a b",   "a\\x0ab",          "\\x00",
                                      "a\\x00",  "\\x20", "\\x0b", "sixteen-letters-", "a\nb"};
    char name[INTERFACE_NAME_MAX + 1] = "untouched";

    for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
        if (interface_name_parse(bad[i], name))
            fail_msg("taken: %s", bad[i]);
    }
    assert_string_equal(name, "untouched");
}

/* Records from before there were escapes have the name's own bytes. */
static void
test_texts_from_before(void **state)
{
    static const char *const texts[] = {"a\\b", "\\", "\\x", "\\x1", "\\xg0", "\xc3\xa9"};
    char name[INTERFACE_NAME_MAX + 1];

    for (guint i = 0; i < G_N_ELEMENTS(texts); i++) {
        assert_true(interface_name_parse(texts[i], name));
        assert_string_equal(name, texts[i]);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_usual_names_pass),
        cmocka_unit_test(test_each_refusal_says_why),
        cmocka_unit_test(test_parents),
        cmocka_unit_test(test_chosen),
        cmocka_unit_test(test_refusal_says_what_may_be_used),
        cmocka_unit_test(test_any_bytes_as_text),
        cmocka_unit_test(test_texts_of_no_name),
        cmocka_unit_test(test_texts_from_before),
        cmocka_unit_test(test_a_long_name_does_not_flood_the_message),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
