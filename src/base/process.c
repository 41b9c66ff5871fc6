/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * A pid may be reused, a pidfd may not. The pidfd is opened first, then /proc is read by pid, and
 * then the pidfd tells whether the process is still alive: if so, its pid was not reused, and the
 * data belongs to it.
 *
 * A pid may also have become a thread's ID, which is not a process: both use the same numbers.
 */
#include "process.h"

#include "descriptor.h"
#include "error.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Reads only the world-readable files of /proc, so no capability is needed. */
const Privileges process_privileges = {
    .part = "processes",
    .system_calls = SYSTEM_CALLS({"pidfd_open"}, {"fcntl", 2, F_DUPFD_CLOEXEC}, {"openat"},
                                 {"read"}, {"poll"}, {"ppoll"}, {"close"}),
};

static gboolean
read_proc(pid_t pid, const char *file, char *buffer, gsize size)
{
    char path[64];
    AUTO_FD int fd = -1;
    gssize n;

    snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
    fd = RETRY_EINTR(open(path, O_RDONLY | O_CLOEXEC));
    if (fd < 0)
        return FALSE;
    n = RETRY_EINTR(read(fd, buffer, size - 1));
    if (n < 0)
        return FALSE;
    buffer[n] = '\0';
    return TRUE;
}

/* The start time is the 22nd field; the second, the command in parentheses, may contain blanks and
 * parentheses. */
static gboolean
read_start_time(pid_t pid, guint64 *ret_start_time)
{
    char buffer[1024];
    const char *field;

    if (!read_proc(pid, "stat", buffer, sizeof(buffer)))
        return FALSE;
    errno = EPROTO;
    field = strrchr(buffer, ')');
    for (int i = 2; field && i < 22; i++)
        field = strchr(field + 1, ' ');
    return field && sscanf(field, " %" G_GUINT64_FORMAT, ret_start_time) == 1;
}

static gboolean
read_uid(pid_t pid, uid_t *ret_uid)
{
    char buffer[2048];
    const char *line;

    if (!read_proc(pid, "status", buffer, sizeof(buffer)))
        return FALSE;
    errno = EPROTO;
    line = strstr(buffer, "\nUid:");
    return line && sscanf(line, "\nUid: %u", ret_uid) == 1;
}

gboolean
process_has_ended(int pidfd)
{
    struct pollfd item = {.fd = pidfd, .events = POLLIN};

    return RETRY_EINTR(poll(&item, 1, 0)) != 0;
}

/* For a process that lives. */
static const char *
hint_for(int errnum)
{
    return errnum == ENOENT || errnum == EPERM || errnum == EACCES
               ? " (/proc hides it: mounted with hidepid=?)"
               : "";
}

/* Whether the data read from the process is valid; if reading it failed, errno says why. */
static gboolean
check_alive(int pidfd, pid_t pid, gboolean read, GError **error)
{
    struct pollfd item = {.fd = pidfd, .events = POLLIN};
    int saved = errno;
    long n = RETRY_EINTR(poll(&item, 1, 0));

    if (n < 0)
        return error_set_errno(error, errno, "cannot tell whether process %d is alive", (int)pid);
    if (n > 0)
        return error_set_errno(error, ESRCH, "process %d", (int)pid);
    return read ||
           error_set_errno(error, saved, "cannot read /proc/%d%s", (int)pid, hint_for(saved));
}

static gboolean
describe(int pidfd, pid_t pid, Process *ret_process, GError **error)
{
    Process process = {.pidfd = pidfd, .pid = pid};

    if (!check_alive(pidfd, pid, read_start_time(pid, &process.start_time), error))
        return FALSE;
    *ret_process = process;
    return TRUE;
}

gboolean
process_read_uid(const Process *process, uid_t *ret_uid, GError **error)
{
    uid_t uid = 0;

    if (!check_alive(process->pidfd, process->pid, read_uid(process->pid, &uid), error))
        return FALSE;
    *ret_uid = uid;
    return TRUE;
}

/* The number of PID namespaces, from that of /proc on, in which the process has a pid; 0: unknown
 * (a kernel without PID namespaces). */
static guint
count_pid_namespaces(pid_t pid)
{
    const gsize size = 64 * 1024; /* thousands of groups may come first */
    g_autofree char *buffer = g_malloc(size);
    const char *field;
    guint count = 0;

    if (!read_proc(pid, "status", buffer, size))
        return 0;
    field = strstr(buffer, "\nNSpid:");
    for (field = field ? field + 1 : ""; (field = strpbrk(field, "\t\n")) && *field == '\t';
         field++)
        count++;
    return count;
}

/* Whether a process whose file in /proc could not be read (errnum; 0: it could) is there all the
 * same. One without a folder has ended, or is hidden. */
static gboolean
is_unreadable(pid_t pid, int errnum)
{
    AUTO_FD int pidfd = -1;

    if (errnum != ENOENT)
        return errnum != 0 && errnum != ESRCH;
    pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    return pidfd >= 0 && !process_has_ended(pidfd);
}

/* Which never changes for us. */
static guint
count_own_pid_namespaces(void)
{
    static guint count;

    if (count == 0)
        count = count_pid_namespaces(getpid());
    return count;
}

/* /proc/PID/ns would also tell, but needs CAP_SYS_PTRACE. A visible process is in our namespace or
 * one below it. */
gboolean
process_shares_pids(pid_t pid, gboolean *ret_shares, GError **error)
{
    guint count, own;
    int saved;

    errno = 0;
    count = count_pid_namespaces(pid);
    saved = errno;
    if (count == 0 && is_unreadable(pid, saved))
        return error_set_errno(error, saved, "cannot read /proc/%d/status%s", (int)pid,
                               hint_for(saved));
    errno = 0;
    own = count_own_pid_namespaces();
    saved = errno;
    if (own == 0 && is_unreadable(getpid(), saved))
        return error_set_errno(error, saved, "cannot read /proc/self/status%s", hint_for(saved));
    *ret_shares = own == 0 || count == own;
    return TRUE;
}

/* From pidfd_open(2): older kernels return EINVAL, newer ones ENOENT. */
static gboolean
is_of_thread(int errnum)
{
    return errnum == EINVAL || errnum == ENOENT;
}

gboolean
process_open(pid_t pid, Process *ret_process, GError **error)
{
    AUTO_FD int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);

    if (pidfd < 0 && pid > 0 && is_of_thread(errno))
        return error_set_errno(error, ESRCH, "process %d (it is a thread of another process)",
                               (int)pid);
    if (pidfd < 0)
        return error_set_errno(error, errno, "process %d", (int)pid);
    if (!describe(pidfd, pid, ret_process, error))
        return FALSE;
    pidfd = -1;
    return TRUE;
}

gboolean
process_open_pidfd(int pidfd, pid_t pid, Process *ret_process, GError **error)
{
    AUTO_FD int copy = fcntl(pidfd, F_DUPFD_CLOEXEC, 3);

    if (copy < 0)
        return error_set_errno(error, errno, "cannot duplicate a pidfd");
    if (!describe(copy, pid, ret_process, error))
        return FALSE;
    copy = -1;
    return TRUE;
}

/* The path in systemd's own hierarchy (cgroup v1) or in the unified one (v2), up to the end of the
 * line. Borrowed; NULL if there is none. */
static const char *
find_cgroup(const char *cgroups)
{
    const char *found = strstr(cgroups, ":name=systemd:");

    if (found)
        return found + strlen(":name=systemd:");
    for (found = cgroups; found; found = strchr(found, '\n')) {
        found += *found == '\n';
        if (g_str_has_prefix(found, "0::"))
            return found + strlen("0::");
    }
    return NULL;
}

/* The path leads through slices to the unit; the part below was created by the unit's own
 * processes.
 */
char *
process_unit(const char *cgroups)
{
    const char *path = find_cgroup(cgroups);
    g_autofree char *line = path ? g_strndup(path, strcspn(path, "\n")) : NULL;
    g_auto(GStrv) parts = g_strsplit(line ? line : "", "/", -1);

    for (char **part = parts; *part; part++) {
        if (g_str_has_suffix(*part, ".service") || g_str_has_suffix(*part, ".scope"))
            return g_strdup(*part);
        if (**part && !g_str_has_suffix(*part, ".slice"))
            break;
    }
    return g_strdup("");
}

void
process_describe(pid_t pid, int pidfd, char **ret_command, char **ret_unit)
{
    char command[64] = "", cgroups[4096] = "";

    if (pid > 0 && read_proc(pid, "comm", command, sizeof(command)))
        read_proc(pid, "cgroup", cgroups, sizeof(cgroups));
    if (pidfd >= 0 && process_has_ended(pidfd))
        command[0] = cgroups[0] = '\0';
    *ret_command = g_strdup(g_strchomp(command));
    *ret_unit = process_unit(cgroups);
}
