/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * The filter (seccomp(2), by libseccomp) passes the calls that the parts declare. An unknown call
 * fails with EPERM and is reported in the kernel's log, as an updated library may try a new call
 * and manage without it; in a build with the option strict_filter it ends the program instead, so
 * that tests notice. A call that starts a program, traces a process, loads code into the kernel
 * or changes our identity is an attack and ends the process: ports stay, and the service manager
 * starts a new daemon. The filter is installed after start-up, so calls that only start-up needs
 * are not in it. It is for the thread that installs it, which must be the only one.
 *
 * The sanitizers and valgrind make system calls of their own: a build with sanitizers has no
 * filter, and under valgrind it is not installed. A coverage build writes its results at exit.
 */
#include "call-filter.h"

#include "error.h"

#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <sys/socket.h>

/* GLib's main loop, the signals (signalfd), and messages to the service manager. */
const Privileges loop_privileges = {
    .part = "loop",
    .system_calls = SYSTEM_CALLS({"poll"}, {"ppoll"}, {"read"}, {"write"}, {"socket", 1, AF_UNIX},
                                 {"sendto"}, {"close"}),
};

/* The C library: malloc() and threads' locks, and the clock, where the vDSO has none (some virtual
 * machines). */
const Privileges library_privileges = {
    .part = "memory and time",
    .system_calls = SYSTEM_CALLS({"brk"}, {"mmap"}, {"munmap"}, {"mremap"}, {"madvise"}, {"futex"},
                                 {"clock_gettime"}, {"gettimeofday"}, {"getrandom"}),
};

/* Exit: normal, with a socket file removed, or by abort(); and resuming after SIGSTOP. */
const Privileges end_privileges = {
    .part = "end",
    .system_calls =
        SYSTEM_CALLS({"unlink"}, {"unlinkat"}, {"exit_group"}, {"rt_sigprocmask"}, {"rt_sigaction"},
                     {"rt_sigreturn"}, {"getpid"}, {"gettid"}, {"tgkill"}, {"restart_syscall"}),
};

static const char *const deadly[] = {
    /* programs and threads */
    "execve", "execveat", "fork", "vfork", "clone", "clone3",
    /* other processes */
    "ptrace", "process_vm_readv", "process_vm_writev", "pidfd_getfd", "pidfd_send_signal", "kill",
    "kcmp",
    /* the kernel */
    "perf_event_open", "userfaultfd", "io_uring_setup", "init_module", "finit_module",
    "delete_module", "kexec_load", "kexec_file_load", "reboot", "iopl", "ioperm",
    /* mounts and file systems */
    "mount", "umount2", "move_mount", "fsopen", "fsmount", "open_tree", "mount_setattr",
    "pivot_root", "chroot", "open_by_handle_at", "swapon", "swapoff",
    /* identity */
    "unshare", "setns", "setuid", "setgid", "setreuid", "setregid", "setresuid", "setresgid",
    "setfsuid", "setfsgid", "setgroups", "capset", "personality", "add_key", "request_key",
    "keyctl"};

static const SystemCall extra[] = {
#ifdef SANDBOX_WITH_COVERAGE
    {"openat"},
    {"mkdir"},
    {"access"},
    {"lseek"},
    {"read"},
    {"write"},
    {"newfstatat"},
    {"fcntl", 2, F_SETLKW},
    {"fcntl", 2, F_GETFL},
    {"ftruncate"},
    {"close"},
#endif
    {NULL}};

#ifdef SANDBOX_WITH_STRICT_FILTER
#define OTHERWISE SCMP_ACT_TRAP
#else
#define OTHERWISE SCMP_ACT_ERRNO(EPERM)
#endif

gboolean
privileges_has_argument(GPtrArray *parts, const char *system_call, guint argument, guint64 value)
{
    for (guint i = 0; i < parts->len; i++) {
        const Privileges *part = parts->pdata[i];

        for (const SystemCall *call = part->system_calls; call->name; call++) {
            if (call->argument == argument && call->value == value &&
                g_str_equal(call->name, system_call))
                return TRUE;
        }
    }
    return FALSE;
}

gboolean
privileges_is_unconditional(GPtrArray *parts, const char *system_call)
{
    for (guint i = 0; i < parts->len; i++) {
        const Privileges *part = parts->pdata[i];

        for (const SystemCall *call = part->system_calls; call->name; call++) {
            if (call->argument == 0 && g_str_equal(call->name, system_call))
                return TRUE;
        }
    }
    return FALSE;
}

typedef void *Filter; /* scmp_filter_ctx */

static int
allow(Filter filter, GPtrArray *parts, const SystemCall *call)
{
    const int number = seccomp_syscall_resolve_name(call->name);
    int r;

    if (number == __NR_SCMP_ERROR) /* newer than libseccomp: unknown here, so not needed */
        return 0;
    if (call->argument == 0)
        r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, number, 0);
    else if (privileges_is_unconditional(parts, call->name))
        return 0;
    else
        r = seccomp_rule_add(
            filter, SCMP_ACT_ALLOW, number, 1,
            /* the kernel uses only 32 bits of such an argument */
            SCMP_CMP(call->argument - 1, SCMP_CMP_MASKED_EQ, 0xffffffff, call->value));
    return r == -EEXIST ? 0 : r;
}

/* Only a few commands of bpf(2) are needed. Some of the others load programs and create maps:
 * trying that is an attack. */
#define BPF_COMMANDS 64 /* more than exist */

static int
forbid_bpf(Filter filter, GPtrArray *parts)
{
    const int number = seccomp_syscall_resolve_name("bpf");
    int r = 0;

    for (guint command = 0; r == 0 && command < BPF_COMMANDS; command++) {
        if (!privileges_has_argument(parts, "bpf", 1, command))
            r = seccomp_rule_add(filter, SCMP_ACT_KILL_PROCESS, number, 1,
                                 SCMP_CMP(0, SCMP_CMP_MASKED_EQ, 0xffffffff, command));
    }
    return r;
}

static int
fill(Filter filter, GPtrArray *parts)
{
    int r = 0;

    for (guint i = 0; r == 0 && i < parts->len; i++) {
        const Privileges *part = parts->pdata[i];

        for (const SystemCall *call = part->system_calls; r == 0 && call->name; call++)
            r = allow(filter, parts, call);
    }
    for (const SystemCall *call = extra; r == 0 && call->name; call++)
        r = allow(filter, parts, call);
    for (guint i = 0; r == 0 && i < G_N_ELEMENTS(deadly); i++) {
        const int number = seccomp_syscall_resolve_name(deadly[i]);

        if (number != __NR_SCMP_ERROR)
            r = seccomp_rule_add(filter, SCMP_ACT_KILL_PROCESS, number, 0);
    }
    return r == 0 ? forbid_bpf(filter, parts) : r;
}

gboolean
call_filter_install(GPtrArray *parts, GError **error)
{
    Filter filter;
    int r;

#ifdef SANDBOX_WITHOUT_FILTER
    return TRUE;
#endif
    if (RUNNING_ON_VALGRIND)
        return TRUE;
    filter = seccomp_init(OTHERWISE);
    if (!filter)
        return error_set_errno(error, ENOMEM, "cannot limit system calls");
    seccomp_attr_set(filter, SCMP_FLTATR_CTL_NNP, 0); /* it is already installed */
    seccomp_attr_set(filter, SCMP_FLTATR_CTL_LOG, 1);
    r = fill(filter, parts);
    if (r == 0)
        r = seccomp_load(filter);
    seccomp_release(filter);
    return r == 0 || error_set_errno(error, -r, "cannot limit system calls");
}
