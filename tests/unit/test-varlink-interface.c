/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "varlink-error.h"
#include "varlink-interface.h"
#include "varlink-service.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const char good[] =
    "# not about anything\n"
    "\n"
    "# The first line.\n"
    "#The second.\n"
    "interface org.example.te-st # a trailing comment\n"
    "\n"
    "# All kinds.\n"
    "type Everything (b: bool, i: int, f: float, s: string, o: object,\n"
    "  nullable: ?string, array: []int, map: [string]float, set: [string](),\n"
    "  # about a field\n"
    "  deep: ?[]?[string](one, two_2), anon: (x: int, y: Other), empty: ())\n"
    "type Other (only)\n"
    "method Do(what: Everything) -> (done: ?bool)\r\n"
    "# Does not stick,\n"
    "\n"
    "# this does.\n"
    "method Nothing()->()error Failed ( )\n"
    "error Other2 (o: []Other)\n"
    "# the end";

static void
test_good(void **state)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VarlinkInterface) interface = varlink_interface_parse(good, -1, &error);
    g_autofree const char **methods = NULL;
    g_autofree const char **errors = NULL;

    if (!interface)
        fail_msg("%s", error->message);
    assert_string_equal(varlink_interface_get_name(interface), "org.example.te-st");
    assert_true(varlink_interface_has_method(interface, "Do"));
    assert_false(varlink_interface_has_method(interface, "Failed"));
    assert_false(varlink_interface_has_method(interface, "do"));
    assert_true(varlink_interface_has_error(interface, "Failed"));
    assert_false(varlink_interface_has_error(interface, "Do"));
    assert_true(varlink_interface_has_type(interface, "Everything"));
    assert_false(varlink_interface_has_type(interface, "string"));
    methods = varlink_interface_list(interface, VARLINK_MEMBER_METHOD);
    assert_string_equal(methods[0], "Do");
    assert_string_equal(methods[1], "Nothing");
    assert_null(methods[2]);
    errors = varlink_interface_list(interface, VARLINK_MEMBER_ERROR);
    assert_string_equal(errors[0], "Failed");
    assert_string_equal(errors[1], "Other2");
    assert_null(errors[2]);
}

static void
test_comments(void **state)
{
    g_autoptr(VarlinkInterface) interface = varlink_interface_parse(good, -1, NULL);

    assert_non_null(interface);
    assert_string_equal(varlink_interface_get_comment(interface, NULL),
                        "The first line.\nThe second.");
    assert_string_equal(varlink_interface_get_comment(interface, "Everything"), "All kinds.");
    assert_string_equal(varlink_interface_get_comment(interface, "Other"), "");
    assert_string_equal(varlink_interface_get_comment(interface, "Nothing"), "this does.");
    assert_null(varlink_interface_get_comment(interface, "Missing"));
}

static const struct {
    const char *text, *error; /* error: how the message begins */
} bad[] = {
    {"", "line 1: \"interface\" expected, but the text ends"},
    {"\n\n# x\n", "line 4: \"interface\" expected, but the text ends"},
    {"interfaces a.b", "line 1: \"interface\" expected, not \"interfaces\""},
    {"interface", "line 1: an interface's name expected"},
    {"interface a", "line 1: an interface's name expected, not \"a\""},
    {"interface a.", "line 1: an interface's name"},
    {"interface .a", "line 1: an interface's name"},
    {"interface a..b", "line 1: an interface's name"},
    {"interface a.b-", "line 1: an interface's name"},
    {"interface 1.b", "line 1: an interface's name"},
    {"interface a_b.c", "line 1: an interface's name"},
    {"interface a.b\nmethods A()->()", "line 2: \"type\", \"method\" or \"error\" expected"},
    {"interface a.b\ninterface c.d", "line 2: \"type\", \"method\" or \"error\" expected"},
    {"interface a.b\n\nmethod a()->()", "line 3: a name with a capital letter first"},
    {"interface a.b\nmethod A_b()->()", "line 2: a name with a capital letter first"},
    {"interface a.b\nmethod A()", "line 2: \"->\" expected, but the text ends"},
    {"interface a.b\nmethod A()\n-()", "line 3: \"->\" expected"},
    {"interface a.b\nmethod A->()", "line 2: a name with a capital letter first"},
    {"interface a.b\nmethod A(one, two)->()", "line 2: \":\" expected, not \",\""},
    {"interface a.b\nmethod A(a: int,)->()", "line 2: a field's name expected"},
    {"interface a.b\nmethod A(a: int b: int)->()", "line 2: \")\" expected"},
    {"interface a.b\nmethod A(a_: int)->()", "line 2: a field's name"},
    {"interface a.b\nmethod A(a__b: int)->()", "line 2: a field's name"},
    {"interface a.b\nmethod A(1: int)->()", "line 2: a field's name"},
    {"interface a.b\nmethod A(a: int,\na: int)->()", "line 3: a field's name stands twice"},
    {"interface a.b\ntype A (a, a)", "line 2: a field's name stands twice"},
    {"interface a.b\ntype A (a, b: int)", "line 2: \")\" expected, not \":\""},
    {"interface a.b\ntype A (a: ??int)", "line 2: a type that is not nullable"},
    {"interface a.b\ntype A (a: [int]int)", "line 2: \"]\" expected, not \"int\""},
    {"interface a.b\ntype A (a: [)", "line 2: \"]\" expected"},
    {"interface a.b\ntype A (a: )", "line 2: a type expected"},
    {"interface a.b\ntype A (a: integer)", "line 2: a type expected, not \"integer\""},
    {"interface a.b\n\ntype A (a: Missing)", "line 3: no type Missing is declared"},
    {"interface a.b\nerror E ()\ntype A (a: E)", "line 3: no type E is declared"},
    {"interface a.b\ntype A ()\nmethod A()->()", "line 3: A is declared twice"},
    {"interface a.b\nerror E", "line 2: \"(\" expected, but the text ends"},
    {"interface a.b\nerror E (one)", "line 2: \":\" expected"},
    {"interface a.b;", "line 1: \"type\", \"method\" or \"error\" expected, not byte 0x3b"},
    {"interface a.b\n# \xff\n", "line 2: the text is not UTF-8"},
    {"interface a.b\ntype \xc3\x84 ()", "line 2: a name with a capital letter first"},
};

static void
expect_error(const char *text, gssize length, const char *begin)
{
    g_autoptr(GError) error = NULL;

    if (varlink_interface_parse(text, length, &error))
        fail_msg("accepted: %s", text);
    assert_true(g_error_matches(error, VARLINK_ERROR, VARLINK_ERROR_INTERFACE));
    if (!g_str_has_prefix(error->message, begin))
        fail_msg("%s: %s", text, error->message);
}

static void
test_bad(void **state)
{
    for (guint i = 0; i < G_N_ELEMENTS(bad); i++)
        expect_error(bad[i].text, -1, bad[i].error);
    expect_error("interface a.b\n\0", 15, "line 2: the text is not UTF-8");
}

static void
test_length_is_respected(void **state)
{
    g_autoptr(VarlinkInterface) interface = varlink_interface_parse("interface a.bXX", 13, NULL);

    assert_non_null(interface);
    assert_string_equal(varlink_interface_get_name(interface), "a.b");
}

static void
test_every_prefix_ends_in_peace(void **state)
{
    for (gsize length = 0; length < sizeof good; length++) {
        g_autofree char *copy = g_memdup2(good, length);
        g_autoptr(GError) error = NULL;
        VarlinkInterface *interface = varlink_interface_parse(copy ? copy : "", length, &error);

        assert_true(!interface == (error != NULL));
        varlink_interface_free(interface);
    }
}

static void
test_nesting_is_limited(void **state)
{
    g_autoptr(GString) text = g_string_new("interface a.b\ntype A ");

    for (guint i = 0; i < 100000; i++)
        g_string_append(text, "(a:");
    expect_error(text->str, text->len, "line 2: types nest deeper");
}

static void
test_our_own_service(void **state)
{
    g_autoptr(VarlinkInterface) interface =
        varlink_interface_parse(varlink_service_description, -1, NULL);

    assert_non_null(interface);
    assert_string_equal(varlink_interface_get_name(interface), "org.varlink.service");
    assert_true(varlink_interface_has_error(interface, "ExpectedMore"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_comments),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_length_is_respected),
        cmocka_unit_test(test_every_prefix_ends_in_peace),
        cmocka_unit_test(test_nesting_is_limited),
        cmocka_unit_test(test_our_own_service),
    };

    return cmocka_run_group_tests_name("varlink-interface", tests, NULL, NULL);
}
