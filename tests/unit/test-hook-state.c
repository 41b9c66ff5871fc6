/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include "descriptor.h"
#include "hook-state.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

typedef struct Fixture {
    char *folder;
    int fd;
} Fixture;

static int
set_up(void **state)
{
    Fixture *fixture = g_new0(Fixture, 1);
    g_autofree char *parent = g_dir_make_tmp("macvtapd-test-XXXXXX", NULL);

    fixture->folder = g_build_filename(parent, "state", NULL);
    fixture->fd = hook_state_open(fixture->folder);
    assert_true(fixture->fd >= 0);
    *state = fixture;
    return 0;
}

static int
tear_down(void **state)
{
    Fixture *fixture = *state;
    g_autofree char *parent = g_path_get_dirname(fixture->folder);

    descriptor_clear(&fixture->fd);
    rmdir(fixture->folder);
    rmdir(parent);
    g_free(fixture->folder);
    g_free(fixture);
    return 0;
}

static void
set_age(int folder, const char *name, time_t seconds)
{
    struct timespec times[2] = {{.tv_sec = time(NULL) - seconds}, {.tv_sec = time(NULL) - seconds}};

    assert_int_equal(utimensat(folder, name, times, 0), 0);
}

static void
test_marks(void **state)
{
    const Fixture *fixture = *state;

    assert_false(hook_state_has(fixture->fd, "a", "incoming"));
    hook_state_mark(fixture->fd, "a", "incoming");
    assert_true(hook_state_has(fixture->fd, "a", "incoming"));
    assert_false(hook_state_has(fixture->fd, "a", "slow"));
    assert_false(hook_state_has(fixture->fd, "b", "incoming"));
    hook_state_clear(fixture->fd, "a", "incoming");
    assert_false(hook_state_has(fixture->fd, "a", "incoming"));
    hook_state_clear(fixture->fd, "a", "incoming");
}

/* One that nobody took, long ago, counts no more, until it is made anew. */
static void
test_age(void **state)
{
    const Fixture *fixture = *state;

    hook_state_mark(fixture->fd, "a", "incoming");
    set_age(fixture->fd, "a.incoming", 3600);
    assert_false(hook_state_has(fixture->fd, "a", "incoming"));
    hook_state_mark(fixture->fd, "a", "incoming");
    assert_true(hook_state_has(fixture->fd, "a", "incoming"));
    hook_state_clear(fixture->fd, "a", "incoming");
}

static void
test_stamp(void **state)
{
    const Fixture *fixture = *state;
    struct stat status;

    hook_state_stamp(fixture->fd);
    set_age(fixture->fd, "called", 3600);
    hook_state_stamp(fixture->fd);
    assert_int_equal(fstatat(fixture->fd, "called", &status, 0), 0);
    assert_true(status.st_mtime > time(NULL) - 3600);
    assert_int_equal(unlinkat(fixture->fd, "called", 0), 0);
}

static void
test_folder(void **state)
{
    const Fixture *fixture = *state;
    g_autofree char *missing = g_build_filename(fixture->folder, "no", "folder", NULL);
    g_autofree char *link = g_build_filename(fixture->folder, "link", NULL);
    AUTO_FD int again = hook_state_open(fixture->folder);
    struct stat status;

    assert_true(again >= 0);
    assert_int_equal(fstat(fixture->fd, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0700);
    assert_int_equal(hook_state_open(missing), -1);
    assert_int_equal(symlink("/tmp", link), 0);
    assert_int_equal(hook_state_open(link), -1);
    assert_int_equal(unlink(link), 0);
}

/* Where no folder can be had, nothing is remembered and nothing fails. */
static void
test_no_folder(void **state)
{
    hook_state_stamp(-1);
    hook_state_mark(-1, "a", "slow");
    hook_state_clear(-1, "a", "slow");
    assert_false(hook_state_has(-1, "a", "slow"));
}

#define STATE_TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        STATE_TEST(test_marks),           STATE_TEST(test_age),
        STATE_TEST(test_stamp),           STATE_TEST(test_folder),
        cmocka_unit_test(test_no_folder),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
