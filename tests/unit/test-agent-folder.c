/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include "agent-folder.h"

#include "descriptor.h"
#include "error.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static int
setup(void **state)
{
    char *folder = g_dir_make_tmp("agents-XXXXXX", NULL);

    assert_non_null(folder);
    g_setenv("MACVTAP_AGENT_DIR", folder, TRUE);
    *state = folder;
    return 0;
}

static int
teardown(void **state)
{
    g_unsetenv("MACVTAP_AGENT_DIR");
    assert_int_equal(rmdir(*state), 0);
    g_free(*state);
    return 0;
}

/* The names of the VMs, joined. */
static char *
list(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) places = agent_folder_list(&error);
    GString *names = g_string_new(NULL);

    assert_no_error(error);
    for (guint i = 0; i < places->len; i++)
        g_string_append_printf(names, "%s ", ((AgentPlace *)places->pdata[i])->name);
    return g_string_free(names, FALSE);
}

static void
expect_list(const char *expected)
{
    g_autofree char *names = list();

    assert_string_equal(names, expected);
}

static int
listen_as(const char *folder, const char *name, const char *expected)
{
    g_autofree char *became = NULL;
    g_autoptr(GError) error = NULL;
    int fd = agent_folder_listen(folder, name, 77, &became, &error);

    assert_no_error(error);
    assert_string_equal(became, expected);
    return fd;
}

static void
test_dead_agents_are_swept(void **state)
{
    const char *folder = *state;
    AUTO_FD int web = listen_as(folder, "web", "web");
    AUTO_FD int second = listen_as(folder, "web", "web.77");

    expect_list("web web.77 ");
    descriptor_clear(&web); /* as if it had been killed */
    {
        AUTO_FD int third = listen_as(folder, "web", "web");

        expect_list("web web.77 ");
    }
    descriptor_clear(&second);
    expect_list("");
}

static void
test_names(void **state)
{
    static const struct {
        const char *name, *file;
    } rows[] = {
        {"web", "web"},
        {"../web 1\n", "_._web_1_"},
        {".", "_"},
        {"K\303\266ln", "K\303\266ln"},
        {"1234567890123456789012345678901234567890123456789012345678901234",
         "123456789012345678901234567890123456789012345678"},
    };

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *file = agent_folder_name(rows[i].name);

        assert_string_equal(file, rows[i].file);
    }
}

static void
test_a_folder_that_others_can_write_to(void **state)
{
    const char *folder = *state;
    GError *error = NULL;

    assert_true(agent_folder_make(folder, &error));
    chmod(folder, 0770);
    assert_false(agent_folder_make(folder, &error));
    assert_error_cleared(&error, ERRNO_ERROR, EPERM, "nobody else can write to");
    chmod(folder, 0700);
    assert_false(agent_folder_make("/proc/1/nosuch", &error));
    assert_error_cleared(&error, ERRNO_ERROR, ENOENT, "cannot make");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_dead_agents_are_swept, setup, teardown),
        cmocka_unit_test(test_names),
        cmocka_unit_test_setup_teardown(test_a_folder_that_others_can_write_to, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
