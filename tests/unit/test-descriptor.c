/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include "descriptor.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static int
open_one(void)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

    assert_true(fd >= 0);
    return fd;
}

static gboolean
is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

static void
test_clear_closes_once_and_keeps_errno(void **state)
{
    int fd = open_one();
    int number = fd;

    errno = ENOTTY;
    descriptor_clear(&fd);
    assert_int_equal(errno, ENOTTY);
    assert_int_equal(fd, -1);
    assert_false(is_open(number));
    errno = ENOTTY;
    descriptor_clear(&fd);
    assert_int_equal(errno, ENOTTY);
}

static int
leave_scope(gboolean steal)
{
    AUTO_FD int fd = open_one();
    int number = fd;

    if (steal)
        g_steal_fd(&fd);
    return number;
}

static void
test_scope_closes_unless_stolen(void **state)
{
    int number = leave_scope(FALSE);

    assert_false(is_open(number));
    number = leave_scope(TRUE);
    assert_true(is_open(number));
    close(number);
}

static void
test_array_closes_what_it_owns(void **state)
{
    DescriptorArray *array = descriptor_array_new();
    int kept = open_one(), stolen = open_one();

    descriptor_array_take(array, kept);
    descriptor_array_take(array, stolen);
    assert_int_equal(descriptor_array_get(array, 0), kept);
    assert_int_equal(descriptor_array_steal(array, 1), stolen);
    assert_int_equal(descriptor_array_get(array, 1), -1);
    assert_int_equal(array->len, 2);
    g_array_unref(array);
    assert_false(is_open(kept));
    assert_true(is_open(stolen));
    close(stolen);
}

static void
test_array_steal_takes_all_out_open(void **state)
{
    DescriptorArray *array = descriptor_array_new();
    int fd = open_one();
    g_autofree int *data = NULL;
    gsize length;

    descriptor_array_take(array, fd);
    data = (int *)(void *)g_array_steal(array, &length);
    g_array_unref(array);
    assert_int_equal(length, 1);
    assert_int_equal(data[0], fd);
    assert_true(is_open(fd));
    close(fd);
}

/* In a child, as these are cmocka's own. */
static int
fill_with_closed(int first, int last)
{
    struct stat null, status;
    int flags = fcntl(STDERR_FILENO, F_GETFL);

    if (stat("/dev/null", &null) < 0)
        return 1;
    for (int fd = first; fd <= last; fd++)
        close(fd);
    if (!descriptor_fill_standard())
        return 2;
    for (int fd = first; fd <= last; fd++) {
        if (fstat(fd, &status) < 0 || status.st_rdev != null.st_rdev || fcntl(fd, F_GETFD) != 0)
            return 3;
    }
    if (last < STDERR_FILENO && fcntl(STDERR_FILENO, F_GETFL) != flags)
        return 4;
    return 0;
}

static void
test_standard_descriptors_are_filled(void **state)
{
    static const int closed[][2] = {{0, -1}, {0, 0}, {1, 1}, {2, 2}, {0, 1}, {1, 2}, {0, 2}};
    int next = open_one();

    close(next);
    for (gsize i = 0; i < G_N_ELEMENTS(closed); i++) {
        pid_t child = fork();
        int status;

        if (child == 0)
            _exit(fill_with_closed(closed[i][0], closed[i][1]));
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
    }
    assert_true(descriptor_fill_standard());
    assert_false(is_open(next));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clear_closes_once_and_keeps_errno),
        cmocka_unit_test(test_scope_closes_unless_stolen),
        cmocka_unit_test(test_array_closes_what_it_owns),
        cmocka_unit_test(test_array_steal_takes_all_out_open),
        cmocka_unit_test(test_standard_descriptors_are_filled),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
