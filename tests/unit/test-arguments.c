/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include "arguments.h"

#include <string.h>

typedef struct Given {
    char *lines, *network, *socket;
    gboolean follow, json;
    char **words; /* arguments_copy()'s; argv is what is left of it */
    int argc;
    char **argv;
    GError *error;
} Given;

static void
given_clear(Given *given)
{
    g_free(given->lines);
    g_free(given->network);
    g_free(given->socket);
    g_free(given->words);
    g_clear_error(&given->error);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Given, given_clear)

static gboolean
parse(Given *given, gboolean stop)
{
    const GOptionEntry own[] = {
        {"lines", 'n', 0, G_OPTION_ARG_STRING, &given->lines, "", "N"},
        {"network", 'w', 0, G_OPTION_ARG_STRING, &given->network, "", "NET"},
        {"follow", 'f', 0, G_OPTION_ARG_NONE, &given->follow, "", NULL},
        {NULL},
    };
    const GOptionEntry common[] = {
        {"socket", 's', 0, G_OPTION_ARG_STRING, &given->socket, "", "PATH"},
        {"json", 0, 0, G_OPTION_ARG_NONE, &given->json, "", NULL},
        {NULL},
    };
    const ArgumentsSyntax syntax = {.own = own,
                                    .common = common,
                                    .arguments = "WORD...",
                                    .max = stop ? -1 : 2,
                                    .stop_at_argument = stop};

    return arguments_parse(&syntax, &given->argc, &given->argv, &given->error);
}

/* line: words with a blank between them. The words' copies last as long as the process. */
static gboolean
parse_line(Given *given, const char *line, gboolean stop)
{
    g_auto(GStrv) words = g_strsplit(line, " ", -1);

    given->argc = (int)g_strv_length(words);
    for (int i = 0; i < given->argc; i++) {
        const char *lasting = g_intern_string(words[i]);

        g_free(words[i]);
        words[i] = (char *)lasting;
    }
    given->words = given->argv = arguments_copy(given->argc, words);
    words[0] = NULL;
    return parse(given, stop);
}

static void
expect_left(const Given *given, const char *expected)
{
    g_autofree char *left = NULL;

    given->argv[given->argc] = NULL;
    left = g_strjoinv(" ", given->argv + 1);
    assert_no_error(given->error);
    assert_string_equal(left, expected);
}

static void
test_value_attached_to_a_letter(void **state)
{
    static const char *const lines[] = {"p -n20 a",   "p a -n20",       "p -n 20 a",  "p -fn20 a",
                                        "p -fn 20 a", "p --lines=20 a", "p -f a -n20"};

    for (gsize i = 0; i < G_N_ELEMENTS(lines); i++) {
        g_auto(Given) given = {0};

        parse_line(&given, lines[i], FALSE);
        expect_left(&given, "a");
        assert_string_equal(given.lines, "20");
        assert_int_equal(given.follow, strchr(lines[i], 'f') != NULL);
    }
}

static void
test_every_word_may_have_to_be_cut(void **state)
{
    g_auto(Given) given = {0};

    parse_line(&given, "p -n1 -n2 -n3 -wlan -s/x", FALSE);
    expect_left(&given, "");
    assert_string_equal(given.lines, "3");
    assert_string_equal(given.network, "lan");
    assert_string_equal(given.socket, "/x");
}

static void
test_values_are_left_whole(void **state)
{
    static const struct {
        const char *line, *network;
    } rows[] = {
        {"p -w -n20", "-n20"}, {"p --network -n20", "-n20"}, {"p --network=-n20", "-n20"},
        {"p -w-n20", "-n20"},  {"p -wn20", "n20"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_auto(Given) given = {0};

        parse_line(&given, rows[i].line, FALSE);
        expect_left(&given, "");
        assert_string_equal(given.network, rows[i].network);
        assert_null(given.lines);
    }
}

static void
test_nothing_behind_the_end_of_options(void **state)
{
    static const struct {
        const char *line, *left;
        gboolean stop;
    } rows[] = {
        {"p -- -n20", "-n20", FALSE},       {"p a -- -n20", "a -n20", FALSE},
        {"p -- --json", "--json", FALSE},   {"p -- -n20 --json", "-n20 --json", TRUE},
        {"p a -n20", "a -n20", TRUE},       {"p a --json", "a --json", TRUE},
        {"p a -- -n20", "a -- -n20", TRUE}, {"p -- a -- b", "a -- b", TRUE},
        {"p - -n20", "- -n20", TRUE},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_auto(Given) given = {0};

        parse_line(&given, rows[i].line, rows[i].stop);
        expect_left(&given, rows[i].left);
        assert_null(given.lines);
        assert_false(given.json);
    }
}

static void
test_later_part_of_the_line(void **state)
{
    g_auto(Given) given = {0};

    parse_line(&given, "p -s/first word --socket /second --json", TRUE);
    assert_string_equal(given.socket, "/first");
    given.argv++;
    given.argc--;
    parse(&given, TRUE);
    expect_left(&given, "");
    assert_string_equal(given.socket, "/second"); /* and the first is freed: ask a sanitizer */
    assert_true(given.json);
}

static void
test_refusals(void **state)
{
    static const char *const lines[] = {"p a b c", "p -n", "p -x20", "p --nonsense", "p -fx"};

    for (gsize i = 0; i < G_N_ELEMENTS(lines); i++) {
        g_auto(Given) given = {0};

        assert_false(parse_line(&given, lines[i], FALSE));
        assert_int_equal(given.error->domain, G_OPTION_ERROR);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_value_attached_to_a_letter),
        cmocka_unit_test(test_every_word_may_have_to_be_cut),
        cmocka_unit_test(test_values_are_left_whole),
        cmocka_unit_test(test_nothing_behind_the_end_of_options),
        cmocka_unit_test(test_later_part_of_the_line),
        cmocka_unit_test(test_refusals),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
