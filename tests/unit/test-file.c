/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include "descriptor.h"
#include "error.h"
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct Folder {
    char *path;
    int fd;
} Folder;

static int
setup(void **state)
{
    Folder *folder = g_new0(Folder, 1);

    folder->path = g_dir_make_tmp("test-file-XXXXXX", NULL);
    assert_non_null(folder->path);
    folder->fd = folder_open(folder->path, NULL);
    assert_true(folder->fd >= 0);
    *state = folder;
    return 0;
}

static int
teardown(void **state)
{
    static const char *const names[] = {"a", ".a.new", "link", "fifo"};
    Folder *folder = *state;
    int result;

    for (guint i = 0; i < G_N_ELEMENTS(names); i++)
        unlinkat(folder->fd, names[i], 0);
    unlinkat(folder->fd, "sub", AT_REMOVEDIR);
    descriptor_clear(&folder->fd);
    result = g_rmdir(folder->path);
    g_free(folder->path);
    g_free(folder);
    return result;
}

static void
put(Folder *folder, const char *contents, gsize length)
{
    GError *error = NULL;

    assert_true(file_replace_at(folder->fd, "a", contents, length, &error));
    assert_no_error(error);
}

static void
assert_contents(Folder *folder, const char *expected, gsize expected_length)
{
    g_autofree char *contents = NULL;
    gsize length;

    assert_true(file_read_at(folder->fd, "a", 100000, &contents, &length, NULL));
    assert_int_equal(length, expected_length);
    assert_memory_equal(contents, expected, expected_length);
    assert_int_equal(contents[length], '\0');
}

static void
test_replace_and_read(void **state)
{
    g_autofree char *large = g_strnfill(70000, 'x');
    struct stat status;

    put(*state, "one\0two", 7);
    assert_contents(*state, "one\0two", 7);
    put(*state, large, 70000);
    assert_contents(*state, large, 70000);
    put(*state, "", 0);
    assert_contents(*state, "", 0);
    assert_int_equal(fstatat(((Folder *)*state)->fd, "a", &status, 0), 0);
    assert_int_equal(status.st_mode, S_IFREG | 0600);
    assert_int_equal(faccessat(((Folder *)*state)->fd, ".a.new", F_OK, 0), -1);
}

static void
test_replace_overwrites_what_a_crash_left(void **state)
{
    Folder *folder = *state;
    AUTO_FD int fd = openat(folder->fd, ".a.new", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

    assert_int_equal(write(fd, "half of an old one", 18), 18);
    put(folder, "new", 3);
    assert_contents(folder, "new", 3);
}

static void
test_a_reader_keeps_the_old_file(void **state)
{
    Folder *folder = *state;
    AUTO_FD int fd = -1;
    char buffer[8];

    put(folder, "old", 3);
    fd = openat(folder->fd, "a", O_RDONLY | O_CLOEXEC);
    put(folder, "newer", 5);
    assert_int_equal(read(fd, buffer, sizeof(buffer)), 3);
    assert_memory_equal(buffer, "old", 3);
}

static void
test_write_in_place(void **state)
{
    Folder *folder = *state;
    GError *error = NULL;

    put(folder, "longer than what follows", 24);
    assert_true(file_write_at(folder->fd, "a", "short", 5, &error));
    assert_no_error(error);
    assert_contents(folder, "short", 5);
}

static void
test_read_keeps_to_the_limit(void **state)
{
    Folder *folder = *state;
    char *contents = NULL;
    GError *error = NULL;

    put(folder, "12345", 5);
    assert_true(file_read_at(folder->fd, "a", 5, &contents, NULL, &error));
    g_clear_pointer(&contents, g_free);
    assert_false(file_read_at(folder->fd, "a", 4, &contents, NULL, &error));
    assert_null(contents);
    assert_error_cleared(&error, ERRNO_ERROR, EFBIG, "cannot read a: File too large");
}

static void
assert_unreadable(Folder *folder, const char *name, int errnum, const char *text)
{
    char *contents = NULL;
    gsize length = 7;
    GError *error = NULL;

    assert_false(file_read_at(folder->fd, name, 100, &contents, &length, &error));
    assert_null(contents);
    assert_int_equal(length, 7);
    assert_error_cleared(&error, ERRNO_ERROR, errnum, text);
}

static void
test_read_takes_regular_files_only(void **state)
{
    Folder *folder = *state;

    put(folder, "x", 1);
    assert_int_equal(symlinkat("a", folder->fd, "link"), 0);
    assert_int_equal(mkfifoat(folder->fd, "fifo", 0600), 0);
    assert_int_equal(mkdirat(folder->fd, "sub", 0700), 0);
    assert_unreadable(folder, "link", ELOOP, "link is a symbolic link");
    assert_unreadable(folder, "fifo", EINVAL, "fifo is not a regular file");
    assert_unreadable(folder, "sub", EINVAL, "sub is not a regular file");
    assert_unreadable(folder, "gone", ENOENT, "cannot open gone: No such file");
}

static void
test_replace_does_not_follow_a_link(void **state)
{
    Folder *folder = *state;
    GError *error = NULL;

    put(folder, "mine", 4);
    assert_int_equal(symlinkat("a", folder->fd, ".a.new"), 0);
    assert_false(file_replace_at(folder->fd, "a", "evil", 4, &error));
    assert_error_cleared(&error, ERRNO_ERROR, ELOOP, "cannot create .a.new");
    assert_contents(folder, "mine", 4);
}

static void
test_a_replace_that_fails_leaves_nothing(void **state)
{
    Folder *folder = *state;
    GError *error = NULL;

    assert_int_equal(mkdirat(folder->fd, "sub", 0700), 0);
    assert_false(file_replace_at(folder->fd, "sub", "x", 1, &error));
    assert_error_cleared(&error, ERRNO_ERROR, EISDIR, "to sub: Is a directory");
    assert_int_equal(faccessat(folder->fd, ".sub.new", F_OK, 0), -1);
}

static void
test_folder_open(void **state)
{
    Folder *folder = *state;
    g_autofree char *missing = g_build_filename(folder->path, "gone", NULL);
    GError *error = NULL;

    assert_int_equal(folder_open(missing, &error), -1);
    assert_error_cleared(&error, ERRNO_ERROR, ENOENT, missing);
    assert_int_equal(fcntl(folder->fd, F_GETFD), FD_CLOEXEC);
}

static void
test_folder_list(void **state)
{
    Folder *folder = *state;
    g_autoptr(GPtrArray) none = folder_list(folder->fd, "cannot list", NULL), some = NULL;
    guint descriptors;
    GError *error = NULL;
    int fd = -1;

    assert_int_equal(none->len, 0);
    put(folder, "x", 1);
    assert_int_equal(mkdirat(folder->fd, "sub", 0700), 0);
    assert_int_equal(symlinkat("a", folder->fd, "link"), 0);
    some = folder_list(folder->fd, "cannot list", NULL);
    assert_int_equal(some->len, 3);
    assert_string_equal(some->pdata[0], "a");
    assert_string_equal(some->pdata[1], "link");
    assert_string_equal(some->pdata[2], "sub");
    /* What is no folder is an error, and leaves no descriptor. */
    fd = openat(folder->fd, "a", O_RDONLY | O_CLOEXEC);
    descriptors = (guint)dup(fd);
    close((int)descriptors);
    assert_null(folder_list(fd, "cannot list", &error));
    assert_error_cleared(&error, ERRNO_ERROR, ENOTDIR, "cannot list: ");
    assert_int_equal(dup(fd), descriptors);
    close((int)descriptors);
    close(fd);
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_replace_and_read),
        CASE(test_replace_overwrites_what_a_crash_left),
        CASE(test_a_reader_keeps_the_old_file),
        CASE(test_write_in_place),
        CASE(test_read_keeps_to_the_limit),
        CASE(test_read_takes_regular_files_only),
        CASE(test_replace_does_not_follow_a_link),
        CASE(test_a_replace_that_fails_leaves_nothing),
        CASE(test_folder_open),
        CASE(test_folder_list),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
