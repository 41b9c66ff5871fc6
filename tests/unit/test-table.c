/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include "table.h"

static const char *const headings[] = {"NAME", "MODE", "PORTS", NULL};

static void
test_headings_alone(void **state)
{
    g_autofree char *text = table_finish(table_new(headings));

    assert_string_equal(text, "NAME  MODE  PORTS\n");
}

static void
test_columns_are_as_wide_as_their_widest(void **state)
{
    Table *table = table_new(headings);
    g_autofree char *text = NULL;

    table_add(table, g_strdup("lan"), g_strdup("passthru"), g_strdup("1"));
    table_add(table, g_strdup("a-long-name"), g_strdup("vepa"), g_strdup("1000000"));
    text = table_finish(table);
    assert_string_equal(text, "NAME         MODE      PORTS\n"
                              "lan          passthru  1\n"
                              "a-long-name  vepa      1000000\n");
}

static void
test_nothing_is_a_dash(void **state)
{
    Table *table = table_new(headings);
    g_autofree char *text = NULL;

    table_add(table, g_strdup("lan"), NULL, g_strdup(""));
    text = table_finish(table);
    assert_string_equal(text, "NAME  MODE  PORTS\nlan   -     -\n");
}

static void
test_characters_count_not_bytes(void **state)
{
    Table *table = table_new(headings);
    g_autofree char *text = NULL;

    table_add(table, g_strdup("büro-ö"), g_strdup("vepa"), g_strdup("1"));
    text = table_finish(table);
    assert_string_equal(text, "NAME    MODE  PORTS\nbüro-ö  vepa  1\n");
}

static void
test_one_column(void **state)
{
    static const char *const one[] = {"NAME", NULL};
    Table *table = table_new(one);
    g_autofree char *text = NULL;

    table_add(table, g_strdup("a"));
    text = table_finish(table);
    assert_string_equal(text, "NAME\na\n");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_headings_alone),
        cmocka_unit_test(test_columns_are_as_wide_as_their_widest),
        cmocka_unit_test(test_nothing_is_a_dash),
        cmocka_unit_test(test_characters_count_not_bytes),
        cmocka_unit_test(test_one_column),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
