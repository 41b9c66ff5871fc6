/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a round trip between two processes takes by itself, whatever the service does. */
#include "bench.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* About what a ListPorts of no ports takes each way. */
enum { ECHO_BYTES = 64 };

struct Echo {
    pid_t pid;
    int fd;
};

static G_NORETURN void
answer(int fd)
{
    char data[ECHO_BYTES];

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    while (recv(fd, data, sizeof data, MSG_WAITALL) == sizeof data)
        if (send(fd, data, sizeof data, MSG_NOSIGNAL) != sizeof data)
            break;
    _exit(EXIT_SUCCESS);
}

Echo *
echo_start(void)
{
    Echo *echo = g_new(Echo, 1);
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        bench_die("socketpair", errno);
    echo->fd = pair[0];
    echo->pid = fork();
    if (echo->pid < 0)
        bench_die("fork", errno);
    if (echo->pid == 0) {
        close(pair[0]);
        answer(pair[1]);
    }
    close(pair[1]);
    return echo;
}

double
echo_time(Echo *echo)
{
    char data[ECHO_BYTES] = {0};
    gint64 begin = bench_now();

    if (send(echo->fd, data, sizeof data, MSG_NOSIGNAL) != sizeof data ||
        recv(echo->fd, data, sizeof data, MSG_WAITALL) != sizeof data)
        bench_die("the process that echoes", errno);
    return bench_since(begin);
}

void
echo_free(Echo *echo)
{
    close(echo->fd);
    bench_wait(echo->pid, "the process that echoes");
    g_free(echo);
}
