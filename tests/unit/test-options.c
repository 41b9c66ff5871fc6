/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include "daemon.h"

/* arguments: joined by blanks, "" for none. */
static gboolean
parse(const char *arguments, Options *ret_options, GError **error)
{
    g_auto(GStrv) words = g_strsplit(arguments, " ", -1);
    g_autofree char **argv = g_new0(char *, g_strv_length(words) + 2);
    int argc = 1;

    argv[0] = (char *)"macvtapd";
    for (guint i = 0; words[i]; i++)
        argv[argc++] = words[i];
    return options_parse(ret_options, argc, argv, error);
}

static void
test_defaults(void **state)
{
    g_auto(Options) options = {0};

    assert_true(parse("", &options, NULL));
    assert_string_equal(options.config, "/etc/macvtapd");
    assert_string_equal(options.state, "/run/macvtapd");
    assert_string_equal(options.socket, "/run/macvtapd/socket");
    assert_string_equal(options.container_socket, "/run/macvtapd-containers/socket");
    assert_false(options.version);
}

static void
test_container_socket(void **state)
{
    static const char *const rows[][2] = {
        {"--socket /x/socket", NULL},
        {"--container-socket=", NULL},
        {"--container-socket /c/socket", "/c/socket"},
        {"--socket /x/socket --container-socket /x-c/socket", "/x-c/socket"},
        {"--state /x-s --socket /x-m/socket --container-socket /x/socket", "/x/socket"},
        {"--state /x/s --socket /x/socket --container-socket /x/c/socket", "/x/c/socket"},
    };
    static const char *const bad[] = {
        "--container-socket /run/macvtapd/containers",
        "--container-socket /run/socket",
        "--container-socket /socket",
        "--container-socket /run/../run/./macvtapd/containers",
        "--state /x/state --socket /y/socket --container-socket /x/socket",
        "--state /x/state --socket /y/socket --container-socket /x/state/socket",
        "--socket /x/socket --container-socket /x/socket",
    };

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_auto(Options) options = {0};

        assert_true(parse(rows[i][0], &options, NULL));
        if (g_strcmp0(options.container_socket, rows[i][1]) != 0)
            fail_msg("%s: %s", rows[i][0], options.container_socket);
    }
    for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_auto(Options) options = {0};
        g_autoptr(GError) error = NULL;

        if (parse(bad[i], &options, &error))
            fail_msg("%s", bad[i]);
        assert_error_cleared(&error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                             "needs its own folder");
    }
}

static void
test_all(void **state)
{
    g_auto(Options) options = {0};

    assert_true(parse("--config a --state=b --socket c --version", &options, NULL));
    assert_string_equal(options.config, "a");
    assert_string_equal(options.state, "b");
    assert_string_equal(options.socket, "c");
    assert_true(options.version);
}

static void
test_last_one_wins(void **state)
{
    g_auto(Options) options = {0};

    assert_true(parse("--config a --config b", &options, NULL));
    assert_string_equal(options.config, "b");
}

static void
test_refusals(void **state)
{
    static const char *const rows[][2] = {
        {"--colour", "--colour"}, {"-x", "-x"},           {"--config", "--config"},
        {"start", "'start'"},     {"--state a b", "'b'"},
    };

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_auto(Options) options = {0};
        g_autoptr(GError) error = NULL;

        assert_false(parse(rows[i][0], &options, &error));
        assert_non_null(error);
        assert_string_equal(g_quark_to_string(error->domain), "g-option-context-error-quark");
        if (!strstr(error->message, rows[i][1]))
            fail_msg("%s: %s", rows[i][0], error->message);
        assert_null(options.config);
        assert_null(options.socket);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults), cmocka_unit_test(test_container_socket),
        cmocka_unit_test(test_all),      cmocka_unit_test(test_last_one_wins),
        cmocka_unit_test(test_refusals),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
