/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "linux-private.h"

#include "error.h"

#include <errno.h>
#include <glib-unix.h>
#include <netlink/msg.h>
#include <poll.h>
#include <sys/socket.h>

#define READS_PER_WAKE 128         /* then other sources get their turn, */
#define MICROSECONDS_PER_WAKE 2000 /* and after so long, for some news takes much work */

/* Bytes. Dumps use at most 32 KiB; but an attribute may have 64 KiB, as the sources of a macvlan
 * do, and the others of a link take less. */
#define EVENT_SIZE (128 * 1024)

#define UNREAD_MAX 16384 /* events; more than the buffer of any of our sockets holds */

static void
watch_free(gpointer data)
{
    SocketWatch *watch = data;

    descriptor_clear(&watch->fd);
    g_free(watch);
}

static gboolean
on_readable(gint fd, GIOCondition condition, gpointer user_data)
{
    gint64 end = g_get_monotonic_time() + MICROSECONDS_PER_WAKE;
    SocketWatch *watch = user_data;

    for (guint i = 0; i < READS_PER_WAKE; i++) {
        if (!watch->read(watch) || g_get_monotonic_time() >= end)
            break;
    }
    return G_SOURCE_CONTINUE;
}

void
socket_watch_start(LinuxKernel *kernel, gpointer take_watch, const char *name)
{
    SocketWatch *watch = take_watch;
    GSource *source = g_unix_fd_source_new(watch->fd, G_IO_IN);

    /* The callback never recurses. Saying so saves GLib from blocking and unblocking the source,
     * which would wake the loop twice. */
    g_source_set_can_recurse(source, TRUE);
    g_source_set_callback(source, G_SOURCE_FUNC(on_readable), watch, watch_free);
    g_source_set_name(source, name);
    g_source_attach(source, g_main_context_get_thread_default());
    g_ptr_array_add(kernel->monitors, source);
}

gboolean
netlink_join_groups(int fd, const int *groups, gsize n_groups)
{
    for (gsize i = 0; i < n_groups; i++) {
        if (setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &groups[i], sizeof(int)) < 0)
            return FALSE;
    }
    return TRUE;
}

int
netlink_open_groups(const int *groups, gsize n_groups, const char *what, GError **error)
{
    const struct sockaddr_nl address = {.nl_family = AF_NETLINK};
    AUTO_FD int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);

    if (fd >= 0 && bind(fd, (const struct sockaddr *)&address, sizeof address) == 0 &&
        netlink_join_groups(fd, groups, n_groups))
        return g_steal_fd(&fd);
    error_set_errno(error, errno, "%s", what);
    return -1;
}

gboolean
netlink_has_unread(int fd)
{
    struct pollfd item = {.fd = fd, .events = POLLIN};

    return poll(&item, 1, 0) != 0;
}

int
netlink_read_groups(int fd, NetlinkTake take, gpointer user_data)
{
    char buffer[EVENT_SIZE] __attribute__((aligned(NLMSG_ALIGNTO)));
    struct sockaddr_nl sender = {0};
    struct iovec vector = {buffer, sizeof buffer};
    struct msghdr header = {
        .msg_name = &sender, .msg_namelen = sizeof sender, .msg_iov = &vector, .msg_iovlen = 1};
    struct nlmsghdr *message = (struct nlmsghdr *)buffer;
    int length = (int)RETRY_EINTR(recvmsg(fd, &header, MSG_DONTWAIT));

    if (length < 0)
        return errno;
    if (header.msg_flags & MSG_TRUNC)
        return EMSGSIZE;
    if (sender.nl_pid != 0)
        return 0;
    for (; nlmsg_ok(message, length); message = nlmsg_next(message, &length))
        take(message, user_data);
    return 0;
}

static void
drop_message(struct nlmsghdr *message, gpointer user_data)
{
}

void
netlink_drop_unread(int fd)
{
    for (guint i = 0; i < UNREAD_MAX; i++) {
        int errnum = netlink_read_groups(fd, drop_message, NULL);

        if (errnum != 0 && errnum != ENOBUFS && errnum != EMSGSIZE)
            return;
    }
}
