/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation. Each process connects what it needs, tells by a byte on ready_fd that it is
 * at work, and goes on until it is killed. What the daemon does with it is the daemon's business: a
 * connection that was closed is made anew. Those who only hold something wait for ever then.
 */
#include "hostile-clients.h"

#include "bench.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FIRST_UID = 61000, MANY = 512, SOME = 32, MESSAGE_LIMIT = 65536, TEN_MIB = 10 << 20 };

static const char call_info[] = "{\"method\":\"org.varlink.service.GetInfo\"}";
static const char call_list[] = "{\"method\":\"org.macvtapd.Ports.ListPorts\"}";
static const char call_create[] =
    "{\"method\":\"org.macvtapd.Ports.CreatePort\",\"parameters\":{\"network\":\"lan\"}}";
static const char call_watch[] = "{\"method\":\"org.macvtapd.Ports.WatchPorts\",\"more\":true}";

static int
dial(const char *path)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    g_strlcpy(address.sun_path, path, sizeof address.sun_path);
    while (connect(fd, (struct sockaddr *)&address, sizeof address) < 0) {
        if (errno != EINTR)
            bench_die("a hostile client cannot connect", errno);
    }
    return fd;
}

/* Sends all; FALSE when the daemon has closed the connection. */
static gboolean
put(int fd, const void *data, gsize size)
{
    for (gsize done = 0; done < size;) {
        gssize n = send(fd, (const char *)data + done, size - done, MSG_NOSIGNAL);

        if (n < 0)
            return FALSE;
        done += n;
    }
    return TRUE;
}

/* Reads to the end of a message. */
static gboolean
take(int fd)
{
    char buffer[4096];
    gssize n;

    do
        n = recv(fd, buffer, sizeof buffer, 0);
    while (n > 0 && buffer[n - 1] != '\0');
    return n > 0;
}

static void
say_ready(int ready_fd)
{
    if (write(ready_fd, "", 1) != 1)
        exit(EXIT_FAILURE);
}

static G_NORETURN void
hold(int ready_fd)
{
    say_ready(ready_fd);
    for (;;)
        pause();
}

static int *
dial_many(const char *path, guint n)
{
    int *fds = g_new(int, n);

    for (guint i = 0; i < n; i++)
        fds[i] = dial(path);
    return fds;
}

static void
redial(const char *path, int *fd)
{
    close(*fd);
    *fd = dial(path);
}

/* As many calls at a time as there are connections. */
static void
do_flood(const char *path, int ready_fd)
{
    int *fds = dial_many(path, SOME);

    say_ready(ready_fd);
    for (;;) {
        for (guint i = 0; i < SOME; i++)
            put(fds[i], i % 2 ? call_list : call_info, i % 2 ? sizeof call_list : sizeof call_info);
        for (guint i = 0; i < SOME; i++)
            if (!take(fds[i]))
                redial(path, &fds[i]);
    }
}

/* One connection, always full of calls; what comes back is thrown away. */
static void
do_pipeline(const char *path, int ready_fd)
{
    static char calls[sizeof call_info * 1000], sink[MESSAGE_LIMIT];
    gsize done = 0;
    int fd = dial(path);

    for (guint i = 0; i < 1000; i++)
        memcpy(calls + i * sizeof call_info, call_info, sizeof call_info);
    say_ready(ready_fd);
    for (;;) {
        struct pollfd item = {fd, POLLIN | POLLOUT};
        gssize n;

        poll(&item, 1, -1);
        while (recv(fd, sink, sizeof sink, MSG_DONTWAIT) > 0)
            ;
        n = send(fd, calls + done, sizeof calls - done, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EPIPE) {
            redial(path, &fd);
            done = 0;
        }
        done = n > 0 ? (done + n) % sizeof calls : done;
    }
}

/* Calls without end on many connections, and no reply is ever read. */
static void
do_no_reader(const char *path, int ready_fd)
{
    int *fds = dial_many(path, MANY / 2);

    for (guint i = 0; i < MANY / 2; i++)
        while (send(fds[i], call_info, sizeof call_info, MSG_NOSIGNAL | MSG_DONTWAIT) > 0)
            ;
    hold(ready_fd);
}

static void
do_half(const char *path, int ready_fd)
{
    g_autofree char *half = g_strnfill(60000, ' ');
    int *fds = dial_many(path, MANY);

    for (guint i = 0; i < MANY; i++)
        put(fds[i], half, 60000);
    hold(ready_fd);
}

/* Messages that come byte by byte. */
static void
do_slow_writer(const char *path, int ready_fd)
{
    int *fds = dial_many(path, SOME);

    say_ready(ready_fd);
    for (gsize at = 0;; at = (at + 1) % sizeof call_info) {
        for (guint i = 0; i < SOME; i++)
            if (!put(fds[i], call_info + at, 1))
                redial(path, &fds[i]);
        for (guint i = 0; i < SOME && at + 1 == sizeof call_info; i++)
            if (!take(fds[i]))
                redial(path, &fds[i]);
    }
}

static G_NORETURN void
send_for_ever(const char *path, int ready_fd, const char *data, gsize size)
{
    int fd = dial(path);

    say_ready(ready_fd);
    for (;;)
        if (!put(fd, data, size) || !take(fd))
            redial(path, &fd);
}

/* Just what is allowed, of text. */
static void
do_large(const char *path, int ready_fd)
{
    g_autofree char *text = g_strnfill(MESSAGE_LIMIT - 100, 'x');
    g_autofree char *call = g_strdup_printf(
        "{\"method\":\"org.macvtapd.Ports.OpenPort\",\"parameters\":{\"port\":\"%s\"}}", text);

    send_for_ever(path, ready_fd, call, strlen(call) + 1);
}

/* As many values as a message of 64 KiB can have. */
static void
do_values(const char *path, int ready_fd)
{
    g_autoptr(GString) call = g_string_new("{\"method\":\"a.b\",\"parameters\":{\"a\":[{}");

    while (call->len < MESSAGE_LIMIT - 100)
        g_string_append(call, ",{}");
    g_string_append(call, "]}}");
    send_for_ever(path, ready_fd, call->str, call->len + 1);
}

static void
do_ten_mib(const char *path, int ready_fd)
{
    g_autofree char *text = g_strnfill(TEN_MIB, 'x');

    send_for_ever(path, ready_fd, text, TEN_MIB);
}

/* Comes and goes. */
static void
do_connect(const char *path, int ready_fd)
{
    say_ready(ready_fd);
    for (;;)
        close(dial(path));
}

/* Leaves without waiting for the answer. */
static void
do_vanish(const char *path, int ready_fd)
{
    say_ready(ready_fd);
    for (;;) {
        int fd = dial(path);

        put(fd, call_create, sizeof call_create);
        close(fd);
    }
}

/* As many connections as this user can have. */
static void
do_many(const char *path, int ready_fd)
{
    dial_many(path, MANY);
    hold(ready_fd);
}

static void
do_descriptors(const char *path, int ready_fd)
{
    char control[CMSG_SPACE(253 * sizeof(int))] = {0};
    struct iovec part = {(void *)call_info, sizeof call_info};
    struct msghdr header = {.msg_iov = &part,
                            .msg_iovlen = 1,
                            .msg_control = control,
                            .msg_controllen = sizeof control};
    struct cmsghdr *rights = CMSG_FIRSTHDR(&header);
    int fd = dial(path);

    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(253 * sizeof(int));
    for (guint i = 0; i < 253; i++)
        ((int *)CMSG_DATA(rights))[i] = ready_fd;
    say_ready(ready_fd);
    for (;;) {
        gssize n = sendmsg(fd, &header, MSG_NOSIGNAL);

        /* EPERM: the kernel has refused them for the daemon (Linux 6.16). */
        if ((n < 0 && errno != EPERM) || (n > 0 && !take(fd)))
            redial(path, &fd);
    }
}

static void
do_watch(const char *path, int ready_fd)
{
    int *fds = dial_many(path, MANY);

    for (guint i = 0; i < MANY; i++)
        put(fds[i], call_watch, sizeof call_watch);
    hold(ready_fd);
}

const HostileKind hostile_kinds[] = {
    {"flood", 1, do_flood},
    {"pipeline", 1, do_pipeline},
    {"no-reader", 1, do_no_reader},
    {"half-messages", 1, do_half},
    {"slow-writer", 1, do_slow_writer},
    {"64-kib", 1, do_large},
    {"many-values", 1, do_values},
    {"10-mib", 1, do_ten_mib},
    {"connect", 1, do_connect},
    {"vanish", 1, do_vanish},
    {"many-connections", 5, do_many},
    {"descriptors", 1, do_descriptors},
    {"watchers", 1, do_watch},
    {NULL},
};

struct HostileCrowd {
    GArray *pids;
    int ready[2];
};

static void
start(HostileCrowd *crowd, const HostileKind *kind, uid_t uid, const char *path)
{
    const struct sched_param none = {0};
    pid_t pid = fork();

    if (pid < 0)
        bench_die("fork", errno);
    if (pid > 0) {
        g_array_append_val(crowd->pids, pid);
        return;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    close(crowd->ready[0]);
    if (sched_setscheduler(0, SCHED_OTHER, &none) < 0)
        bench_die("SCHED_OTHER", errno);
    if (setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0)
        bench_die("setresuid", errno);
    kind->body(path, crowd->ready[1]);
}

HostileCrowd *
hostile_crowd_start(const char *name, const char *socket_path)
{
    HostileCrowd *crowd = g_new0(HostileCrowd, 1);
    uid_t uid = FIRST_UID;
    char byte;

    crowd->pids = g_array_new(FALSE, FALSE, sizeof(pid_t));
    if (pipe(crowd->ready) < 0)
        bench_die("pipe", errno);
    for (const HostileKind *kind = hostile_kinds; kind->name; kind++) {
        for (guint i = 0; i < kind->n_processes; i++, uid++)
            if (!name || g_str_equal(name, kind->name))
                start(crowd, kind, uid, socket_path);
    }
    close(crowd->ready[1]);
    for (guint i = 0; i < crowd->pids->len; i++)
        if (read(crowd->ready[0], &byte, 1) != 1)
            bench_die("a hostile client ended early", 0);
    return crowd;
}

void
hostile_crowd_end(HostileCrowd *crowd)
{
    for (guint i = 0; i < crowd->pids->len; i++)
        kill(g_array_index(crowd->pids, pid_t, i), SIGKILL);
    for (guint i = 0; i < crowd->pids->len; i++)
        waitpid(g_array_index(crowd->pids, pid_t, i), NULL, 0);
    close(crowd->ready[0]);
    g_array_unref(crowd->pids);
    g_free(crowd);
}
