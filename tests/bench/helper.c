/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* QEMU's side of helper= (net/tap.c, net_bridge_run_helper). */
#include "bench.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int
receive_descriptor(int socket_fd, const char *what)
{
    char byte;
    struct iovec data = {&byte, 1};
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control;
    struct msghdr message = {.msg_iov = &data,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control};
    ssize_t n;
    int fd;

    n = recvmsg(socket_fd, &message, MSG_CMSG_CLOEXEC);
    if (n != 1 || !CMSG_FIRSTHDR(&message))
        bench_die(what, n < 0 ? errno : EPROTO);
    memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof fd);
    return fd;
}

int
helper_attach(char *const *argv, double *ret_us)
{
    char *envp[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL};
    gint64 begin = bench_now();
    int pair[2], fd;
    pid_t pid;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        bench_die("socketpair", errno);
    pid = bench_spawn(argv, envp, (int[]){-1, -1, -1, pair[1]}, 4);
    close(pair[1]);
    fd = receive_descriptor(pair[0], argv[0]);
    bench_wait(pid, argv[0]);
    *ret_us = bench_since(begin);
    close(pair[0]);
    return fd;
}
