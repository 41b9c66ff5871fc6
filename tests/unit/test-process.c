/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include "descriptor.h"
#include "error.h"
#include "process.h"
#include "test-broker.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void
expect_refusal(pid_t pid, int errnum)
{
    Process process = {.pidfd = -1};
    g_autoptr(GError) error = NULL;

    assert_false(process_open(pid, &process, &error));
    assert_error_cleared(&error, ERRNO_ERROR, errnum, "process");
    assert_int_equal(process.pidfd, -1);
}

static void
test_self(void **state)
{
    Process process = {.pidfd = -1}, again = {.pidfd = -1};
    g_autoptr(GError) error = NULL;
    uid_t uid = (uid_t)-1;

    process_open(getpid(), &process, &error);
    assert_no_error(error);
    assert_int_equal(process.pid, getpid());
    assert_true(process_read_uid(&process, &uid, NULL));
    assert_int_equal(uid, getuid());
    assert_true(process.start_time > 0);
    assert_true(fcntl(process.pidfd, F_GETFD) & FD_CLOEXEC);
    assert_true(process_open_pidfd(process.pidfd, getpid(), &again, &error));
    assert_int_not_equal(again.pidfd, process.pidfd);
    assert_int_equal(again.start_time, process.start_time);
    descriptor_clear(&process.pidfd);
    descriptor_clear(&again.pidfd);
}

/* What stands in brackets in /proc/PID/stat is the process's own choice. */
static void
test_odd_command_name(void **state)
{
    Process before = {.pidfd = -1}, after = {.pidfd = -1};
    uid_t uid = (uid_t)-1;
    char name[16];

    assert_true(process_open(getpid(), &before, NULL));
    prctl(PR_GET_NAME, name);
    prctl(PR_SET_NAME, "a) S 1 (b\nUid:");
    assert_true(process_open(getpid(), &after, NULL));
    assert_true(process_read_uid(&after, &uid, NULL));
    prctl(PR_SET_NAME, name);
    assert_int_equal(after.start_time, before.start_time);
    assert_int_equal(uid, getuid());
    descriptor_clear(&before.pidfd);
    descriptor_clear(&after.pidfd);
}

static void
test_child(void **state)
{
    TestChild child = test_child_new();
    guint descriptors = test_count_descriptors();
    Process process = {.pidfd = -1};
    siginfo_t info;

    assert_true(process_open(child.pid, &process, NULL));
    assert_int_equal(process.pid, child.pid);
    assert_int_equal(syscall(SYS_pidfd_send_signal, process.pidfd, 0, NULL, 0), 0);
    descriptor_clear(&process.pidfd);
    assert_int_equal(test_count_descriptors(), descriptors);
    test_child_end_as_zombie(&child);
    expect_refusal(child.pid, ESRCH);
    assert_int_equal(waitid(P_PID, child.pid, &info, WEXITED), 0);
    expect_refusal(child.pid, ESRCH);
    assert_int_equal(test_count_descriptors(), descriptors);
}

static void
test_pidfd_of_an_ended_process(void **state)
{
    TestChild child = test_child_new();
    Process process = {.pidfd = -1}, again = {.pidfd = -1};
    g_autoptr(GError) error = NULL;

    assert_true(process_open(child.pid, &process, NULL));
    test_child_end(&child);
    assert_false(process_open_pidfd(process.pidfd, child.pid, &again, &error));
    assert_error_cleared(&error, ERRNO_ERROR, ESRCH, "process");
    /* The pid by now belongs to somebody else: the pidfd decides. */
    assert_false(process_open_pidfd(process.pidfd, getpid(), &again, &error));
    assert_error_cleared(&error, ERRNO_ERROR, ESRCH, "process");
    assert_int_equal(again.pidfd, -1);
    descriptor_clear(&process.pidfd);
}

static void
test_what_is_no_process(void **state)
{
    g_autoptr(GError) error = NULL;
    Process process;

    expect_refusal(0, EINVAL);
    expect_refusal(-1, EINVAL);
    expect_refusal(G_MAXINT, ESRCH);
    assert_false(process_open_pidfd(-1, getpid(), &process, &error));
    assert_error_cleared(&error, ERRNO_ERROR, EBADF, "pidfd");
}

/* Its number was a process's once, perhaps. */
static void
test_thread(void **state)
{
    TestThread thread;

    test_thread_begin(&thread);
    assert_int_not_equal(thread.id, getpid());
    expect_refusal(thread.id, ESRCH);
    test_thread_end(&thread);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_self),
        cmocka_unit_test(test_odd_command_name),
        cmocka_unit_test(test_child),
        cmocka_unit_test(test_pidfd_of_an_ended_process),
        cmocka_unit_test(test_what_is_no_process),
        cmocka_unit_test(test_thread),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
