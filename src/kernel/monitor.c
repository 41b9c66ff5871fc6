/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "linux-private.h"

#include "error.h"

#include <errno.h>
#include <glib-unix.h>
#include <linux/rtnetlink.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <string.h>
#include <sys/socket.h>

#define RECEIVE_SIZE (32 * 1024)        /* bytes; one event is some 2 KiB */
#define SOCKET_BUFFER (8 * 1024 * 1024) /* bytes; thousands of links that go down at once */
#define QUEUE_MAX 16384                 /* events; more than the buffer holds */
#define DATAGRAMS_PER_WAKE 128          /* then other sources get their turn, */
#define MICROSECONDS_PER_WAKE 2000      /* and after so long, for some changes take much work */

const Privileges monitor_privileges = {
    .part = "link events",
    .system_calls = SYSTEM_CALLS({"recvmsg"}),
};

typedef struct Monitor {
    int fd;
    LinkEventHandler handler;
    gpointer user_data;
    char buffer[RECEIVE_SIZE];
} Monitor;

static void
monitor_free(gpointer data)
{
    Monitor *monitor = data;

    descriptor_clear(&monitor->fd);
    g_free(monitor);
}

/* What is still in the queue is older than what a look at everything finds, and would be taken for
 * news after it. (ENOBUFS comes before it.) */
static void
empty_queue(Monitor *monitor)
{
    struct iovec vector = {monitor->buffer, sizeof monitor->buffer};
    struct msghdr header = {.msg_iov = &vector, .msg_iovlen = 1};

    for (guint i = 0; i < QUEUE_MAX; i++) {
        if (RETRY_EINTR(recvmsg(monitor->fd, &header, MSG_DONTWAIT)) < 0 && errno != ENOBUFS)
            return;
    }
}

static void
say_lost(Monitor *monitor)
{
    LinkInfo nothing = {0};

    empty_queue(monitor);
    monitor->handler(LINK_EVENT_LOST, &nothing, monitor->user_data);
}

static void
say_event(Monitor *monitor, struct nlmsghdr *message)
{
    LinkInfo link, removed = {0};

    if (link_parse_ipv6(message, &link)) {
        monitor->handler(LINK_EVENT_IPV6, &link, monitor->user_data);
        return;
    }
    if (!link_parse(message, &link))
        return;
    if (message->nlmsg_type == RTM_NEWLINK) {
        monitor->handler(LINK_EVENT_CHANGED, &link, monitor->user_data);
        return;
    }
    removed.index = link.index;
    removed.is_moved = link.is_moved;
    removed.moved_netns = link.moved_netns;
    removed.moved_index = link.moved_index;
    memcpy(removed.name, link.name, sizeof removed.name);
    monitor->handler(LINK_EVENT_REMOVED, &removed, monitor->user_data);
}

/* FALSE when the queue is empty. */
static gboolean
read_datagram(Monitor *monitor)
{
    struct sockaddr_nl sender = {0};
    struct iovec vector = {monitor->buffer, sizeof monitor->buffer};
    struct msghdr header = {&sender, sizeof sender, &vector, 1, NULL, 0, 0};
    struct nlmsghdr *message = (struct nlmsghdr *)monitor->buffer;
    int length = (int)RETRY_EINTR(recvmsg(monitor->fd, &header, MSG_DONTWAIT));
    int errnum = length < 0 ? errno : 0;

    if (errnum == EAGAIN)
        return FALSE;
    if (errnum || header.msg_flags & MSG_TRUNC) {
        say_lost(monitor);
        return errnum == 0 || errnum == ENOBUFS;
    }
    if (sender.nl_pid != 0)
        return TRUE;
    for (; nlmsg_ok(message, length); message = nlmsg_next(message, &length))
        say_event(monitor, message);
    return TRUE;
}

static gboolean
on_readable(gint fd, GIOCondition condition, gpointer user_data)
{
    gint64 end = g_get_monotonic_time() + MICROSECONDS_PER_WAKE;

    for (guint i = 0; i < DATAGRAMS_PER_WAKE; i++) {
        if (!read_datagram(user_data) || g_get_monotonic_time() >= end)
            break;
    }
    return G_SOURCE_CONTINUE;
}

/* Writing to disable_ipv6 makes no event in the group of links. */
static int
open_group_socket(GError **error)
{
    AUTO_FD int fd = -1;
    int links = RTNLGRP_LINK, ipv6 = RTNLGRP_IPV6_IFINFO, size = SOCKET_BUFFER;
    struct sockaddr_nl address = {.nl_family = AF_NETLINK};

    fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) < 0 ||
        setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &links, sizeof links) < 0 ||
        setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &ipv6, sizeof ipv6) < 0) {
        error_set_errno(error, errno, "cannot listen to the kernel's link events");
        return -1;
    }
    /* Best effort: a smaller buffer means LINK_EVENT_LOST earlier. */
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) < 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    return g_steal_fd(&fd);
}

gboolean
monitor_start(Kernel *kernel, LinkEventHandler handler, gpointer user_data, GError **error)
{
    Monitor *monitor;
    GSource *source;
    int fd = open_group_socket(error);

    if (fd < 0)
        return FALSE;
    monitor = g_new0(Monitor, 1);
    monitor->fd = fd;
    monitor->handler = handler;
    monitor->user_data = user_data;
    source = g_unix_fd_source_new(fd, G_IO_IN);
    /* It never runs nested; this spares the loop two wake-ups of itself (GLib blocks others). */
    g_source_set_can_recurse(source, TRUE);
    g_source_set_callback(source, G_SOURCE_FUNC(on_readable), monitor, monitor_free);
    g_source_set_name(source, "link events");
    g_source_attach(source, g_main_context_get_thread_default());
    g_ptr_array_add(linux_kernel(kernel)->monitors, source);
    return TRUE;
}
