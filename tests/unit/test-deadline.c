/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The end of the hook's time, each in a process of its own that would wait for ever. */
#include "unit.h"

#include "hook-state.h"
#include "hook.h"

#include "descriptor.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define FOR_EVER_MS 3600000

typedef void (*Child)(const char *folder);

/* Runs the function in a child; returns its exit status and what it wrote to stderr. */
static int
run_child(Child function, const char *folder, char **ret_text)
{
    int pipe_fds[2], status;
    char buffer[256] = "";
    ssize_t n;
    pid_t pid;

    assert_int_equal(pipe(pipe_fds), 0);
    pid = fork();
    if (pid == 0) {
        dup2(pipe_fds[1], STDERR_FILENO);
        function(folder);
        for (;;)
            pause();
    }
    close(pipe_fds[1]);
    n = read(pipe_fds[0], buffer, sizeof buffer - 1);
    assert_true(n >= 0);
    close(pipe_fds[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    *ret_text = g_strdup(buffer);
    return WEXITSTATUS(status);
}

static void
run_out(const char *folder)
{
    sigset_t signals;

    /* As a parent may have left it. */
    sigfillset(&signals);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    deadline_start(1, 7, "late\n");
}

static void
run_out_with_mark(const char *folder)
{
    int fd = hook_state_open(folder);

    deadline_start(FOR_EVER_MS, 0, "late\n");
    deadline_set_mark(fd, "x.slow");
    deadline_shorten(1);
}

static void
shorten_not(const char *folder)
{
    deadline_start(50, 1, "late\n");
    deadline_shorten(FOR_EVER_MS);
}

static void
forget_mark(const char *folder)
{
    int fd = hook_state_open(folder);

    deadline_start(FOR_EVER_MS, 0, "late\n");
    deadline_set_mark(fd, "x.slow");
    deadline_set_mark(-1, "x.slow");
    deadline_shorten(1);
}

static void
test_exit(void **state)
{
    g_autofree char *text = NULL, *other = NULL;

    assert_int_equal(run_child(run_out, NULL, &text), 7);
    assert_string_equal(text, "late\n");
    assert_int_equal(run_child(shorten_not, NULL, &other), 1);
}

static void
test_mark(void **state)
{
    g_autofree char *folder = g_dir_make_tmp("macvtapd-test-XXXXXX", NULL);
    g_autofree char *text = NULL, *other = NULL;
    AUTO_FD int fd = hook_state_open(folder);

    assert_int_equal(run_child(forget_mark, folder, &text), 0);
    assert_false(hook_state_has(fd, "x", HOOK_STATE_SLOW));
    assert_int_equal(run_child(run_out_with_mark, folder, &other), 0);
    assert_true(hook_state_has(fd, "x", HOOK_STATE_SLOW));
    hook_state_clear(fd, "x", HOOK_STATE_SLOW);
    assert_int_equal(rmdir(folder), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_exit), cmocka_unit_test(test_mark)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
