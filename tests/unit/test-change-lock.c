/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include "hook-state.h"

#include "descriptor.h"
#include "error.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <sys/file.h>
#include <sys/stat.h>

typedef struct Fixture {
    char *parent, *folder, *file;
} Fixture;

static int
set_up(void **state)
{
    Fixture *fixture = g_new0(Fixture, 1);

    fixture->parent = g_dir_make_tmp("macvtapd-test-XXXXXX", NULL);
    fixture->folder = g_build_filename(fixture->parent, "state", NULL);
    fixture->file = g_build_filename(fixture->folder, "change", NULL);
    *state = fixture;
    return 0;
}

static int
tear_down(void **state)
{
    Fixture *fixture = *state;

    g_unlink(fixture->file);
    g_rmdir(fixture->folder);
    assert_int_equal(g_rmdir(fixture->parent), 0);
    g_free(fixture->file);
    g_free(fixture->folder);
    g_free(fixture->parent);
    g_free(fixture);
    return 0;
}

/* As another process would find it. */
static gboolean
is_free(const Fixture *fixture)
{
    AUTO_FD int fd = open(fixture->file, O_RDWR | O_CLOEXEC);

    return flock(fd, LOCK_EX | LOCK_NB) == 0;
}

static void
test_lock(void **state)
{
    const Fixture *fixture = *state;
    const char *const folders[] = {"/dev/null/no", fixture->folder, NULL};
    g_autoptr(GError) error = NULL;
    struct stat status;
    int fd = change_lock_take(folders, &error);

    assert_no_error(error);
    assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
    assert_int_equal(stat(fixture->folder, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0700);
    assert_int_equal(stat(fixture->file, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0600);
    assert_false(is_free(fixture));
    descriptor_clear(&fd);
    assert_true(is_free(fixture));
    fd = change_lock_take(folders, NULL);
    assert_false(is_free(fixture));
    descriptor_clear(&fd);
}

static void
test_no_lock(void **state)
{
    const Fixture *fixture = *state;
    const char *const nowhere[] = {"/dev/null/no", "/nonexistent/no", NULL};
    const char *const folders[] = {fixture->folder, NULL};
    g_autoptr(GError) error = NULL;

    assert_int_equal(change_lock_take(nowhere, &error), -1);
    assert_error_cleared(&error, ERRNO_ERROR, ENOTDIR, "the folder /dev/null/no");
    assert_int_equal(g_mkdir(fixture->folder, 0700), 0);
    assert_int_equal(symlink("/dev/null", fixture->file), 0);
    assert_int_equal(change_lock_take(folders, &error), -1);
    assert_error_cleared(&error, ERRNO_ERROR, ELOOP, fixture->file);
}

static void
test_folders(void **state)
{
    g_auto(GStrv) root = hook_state_folders(0), user = hook_state_folders(1000);

    assert_string_equal(root[0], "/run/macvtapd-hook");
    assert_null(root[1]);
    assert_string_equal(user[0], "/run/user/1000/macvtapd-hook");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_lock, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_lock, set_up, tear_down),
        cmocka_unit_test(test_folders),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
