/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the sandbox leaves: tried in a child, which cannot get out of it again. */
#include "unit.h"

#include "call-filter.h"
#include "privileges.h"
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { GOOD = 0, BAD = 1, ABSENT = 77 };

typedef int (*Body)(const char *folder);

/* The child's exit status, or minus the signal that ended it. */
static int
run(Body body, const char *folder)
{
    int status;
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        _exit(body(folder));
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static void
expect(Body body, const char *folder, int expected)
{
    int got = run(body, folder);

    if (got == ABSENT)
        skip();
    assert_int_equal(got, expected);
}

static gboolean
fails(long result, int errnum)
{
    return result == -1 && errno == errnum;
}

/* A sanitizer's build has no filter, and a kernel may have none. */
static gboolean
confine_calls(void)
{
    g_autoptr(GPtrArray) parts = sandbox_list_privileges();

    return call_filter_install(parts, NULL) && fails(syscall(SYS_uname, NULL), EPERM);
}

static int
unknown_calls(const char *folder)
{
    if (!confine_calls())
        return ABSENT;
    return fails(symlink("a", "b"), EPERM) && fails(chown(folder, 1, 1), EPERM) &&
                   fails(syscall(SYS_uname, NULL), EPERM) && fails(mkdir("x", 0700), EPERM)
               ? GOOD
               : BAD;
}

static int
arguments(const char *folder)
{
    int pair[2], value = 0;

    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0 || !confine_calls())
        return ABSENT;
    return fails(socket(AF_INET, SOCK_STREAM, 0), EPERM) &&
                   fails(socket(AF_NETLINK, SOCK_RAW, 0), EPERM) &&
                   socket(AF_UNIX, SOCK_STREAM, 0) >= 0 &&
                   fails(ioctl(pair[0], FIONREAD, &value), EPERM) &&
                   fails(syscall(SYS_ioctl, pair[0], (1UL << 32) + FIONREAD, &value), EPERM)
               ? GOOD
               : BAD;
}

static int
starts_a_program(const char *folder)
{
    char *const nothing[] = {NULL};

    if (!confine_calls())
        return ABSENT;
    execve("/bin/true", nothing, nothing);
    return BAD;
}

static int
makes_a_process(const char *folder)
{
    return confine_calls() ? (fork(), BAD) : ABSENT;
}

static int
becomes_another(const char *folder)
{
    return confine_calls() ? (syscall(SYS_setresuid, 1, 1, 1), BAD) : ABSENT;
}

static int
asks_bpf(int command)
{
    union bpf_attr attributes = {0};

    return (int)syscall(SYS_bpf, command, &attributes, sizeof attributes);
}

static int
loads_a_program(const char *folder)
{
    return confine_calls() ? (asks_bpf(BPF_PROG_LOAD), BAD) : ABSENT;
}

static int
makes_a_map(const char *folder)
{
    return confine_calls() ? (asks_bpf(BPF_MAP_CREATE), BAD) : ABSENT;
}

/* Descriptor 0 is no map, and a path at address 0 is none. */
static int
reads_a_map(const char *folder)
{
    if (!confine_calls())
        return ABSENT;
    return asks_bpf(BPF_MAP_LOOKUP_ELEM) < 0 && errno != EPERM && asks_bpf(BPF_OBJ_PIN) < 0 &&
                   errno != EPERM && fails(asks_bpf(1000), EPERM)
               ? GOOD
               : BAD;
}

static int
aborts(const char *folder)
{
    return confine_calls() ? (abort(), BAD) : ABSENT;
}

static void
test_calls(void **state)
{
    g_autoptr(GPtrArray) parts = sandbox_list_privileges();

    expect(unknown_calls, "/", GOOD);
    expect(arguments, "/", GOOD);
    expect(starts_a_program, "/", -SIGSYS);
    expect(makes_a_process, "/", -SIGSYS);
    expect(becomes_another, "/", -SIGSYS);
    expect(loads_a_program, "/", -SIGSYS);
    expect(makes_a_map, "/", -SIGSYS);
    if (privileges_has_argument(parts, "bpf", 1, BPF_MAP_LOOKUP_ELEM)) /* a build with BPF */
        expect(reads_a_map, "/", GOOD);
    expect(aborts, "/", -SIGABRT);
}

static gboolean
can_write(const char *folder, const char *name)
{
    g_autofree char *path = g_build_filename(folder, name, NULL);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    if (fd < 0)
        return FALSE;
    close(fd);
    return TRUE;
}

/* A pin is made by mknod(2)'s check, not opened to be written. */
static gboolean
makes_and_removes(const char *pins)
{
    g_autofree char *pin = g_build_filename(pins, "pin", NULL);

    return mknod(pin, S_IFREG | 0600, 0) == 0 && fails(open(pin, O_WRONLY | O_CLOEXEC), EACCES) &&
           unlink(pin) == 0 && rmdir(pins) == 0;
}

static int
writes(const char *folder)
{
    g_autofree char *state = g_build_filename(folder, "state", NULL);
    g_autofree char *socket_path = g_build_filename(folder, "run", "socket", NULL);
    g_autofree char *run_folder = g_build_filename(folder, "run", NULL);
    g_autofree char *other = g_build_filename(folder, "other", NULL);
    g_autofree char *moved = g_build_filename(state, "moved", NULL);
    g_autofree char *pins = g_build_filename(folder, "pins", NULL);
    const char *const socket_paths[] = {socket_path, NULL};

    if (!sandbox_confine_writes(state, socket_paths, pins, NULL))
        return BAD;
    if (can_write(folder, "probe"))
        return ABSENT; /* no Landlock */
    return can_write(state, "record") && fails(mkdir(moved, 0700), EACCES) &&
                   rename(other, moved) < 0 && fails(unlink(other), EACCES) &&
                   access(other, R_OK) == 0 && !can_write(run_folder, "new") &&
                   makes_and_removes(pins) && unlink(socket_path) == 0 &&
                   !can_write("/proc/self", "comm") && open("/dev/null", O_RDWR) >= 0
               ? GOOD
               : BAD;
}

static void
test_writes(void **state)
{
    g_autofree char *folder = g_dir_make_tmp("test-sandbox-XXXXXX", NULL);
    g_autofree char *script = g_strdup_printf(
        "cd %s && mkdir state run pins && echo a >other && echo b >run/socket", folder);
    g_autofree char *cleaner = g_strdup_printf("rm -r %s", folder);
    int got;

    assert_int_equal(system(script), 0);
    got = run(writes, folder);
    assert_int_equal(system(cleaner), 0);
    if (got == ABSENT)
        skip();
    assert_int_equal(got, GOOD);
}

static int
capabilities(const char *folder)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2], before[2];
    guint64 wanted = sandbox_capabilities();

    if (syscall(SYS_capget, &header, before) < 0 || !capabilities_keep(wanted, NULL) ||
        syscall(SYS_capget, &header, data) < 0)
        return BAD;
    for (guint i = 0; i < 2; i++) {
        if (data[i].permitted != (before[i].permitted & (guint32)(wanted >> (32 * i))) ||
            data[i].effective != data[i].permitted || data[i].inheritable != 0)
            return BAD;
    }
    if ((before[0].effective & (1U << CAP_SETPCAP)) &&
        (prctl(PR_CAPBSET_READ, CAP_SYS_ADMIN) != 0 || prctl(PR_CAPBSET_READ, CAP_MKNOD) != 1))
        return BAD;
    return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 && capabilities_keep(wanted, NULL) ? GOOD
                                                                                          : BAD;
}

static void
test_capabilities(void **state)
{
    expect(capabilities, "/", GOOD);
}

static void
test_declared(void **state)
{
    g_autofree char *text = sandbox_format_privileges();
    g_autoptr(GPtrArray) parts = sandbox_list_privileges();

    assert_non_null(strstr(text, "links\tCAP_NET_ADMIN\tsendmsg recvmsg\n"));
    assert_non_null(strstr(text, "socket(1=17)"));
    assert_non_null(strstr(text, "\nstart\t"));
    assert_true(privileges_has_argument(parts, "socket", 1, AF_PACKET));
    assert_false(privileges_has_argument(parts, "socket", 1, AF_INET));
    assert_false(privileges_has_argument(parts, "bpf", 1, BPF_PROG_LOAD));
    assert_true(privileges_is_unconditional(parts, "openat"));
    assert_false(privileges_is_unconditional(parts, "socket"));
    assert_false(privileges_is_unconditional(parts, "execve"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_calls),
        cmocka_unit_test(test_writes),
        cmocka_unit_test(test_capabilities),
        cmocka_unit_test(test_declared),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
