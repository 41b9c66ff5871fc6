/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "linux-private.h"

#include "error.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#define SOCKET_BUFFER (8 * 1024 * 1024) /* bytes; thousands of links that go down at once */

const Privileges monitor_privileges = {
    .part = "link events",
    .system_calls = SYSTEM_CALLS({"recvmsg"}),
};

typedef struct Monitor {
    SocketWatch watch;
    LinkEventHandler handler;
    gpointer user_data;
    LinuxKernel *kernel;
} Monitor;

static void
tell(const Monitor *monitor, LinkEventType type, const LinkInfo *link)
{
    if (monitor->watch.fd == monitor->kernel->events_fd)
        link_recall_update(monitor->kernel, type, link);
    monitor->handler(type, link, monitor->user_data);
}

/* NetlinkTake */
static void
take_event(struct nlmsghdr *message, gpointer user_data)
{
    const Monitor *monitor = user_data;
    LinkInfo link, removed = {0};

    if (link_parse_ipv6(message, &link)) {
        tell(monitor, LINK_EVENT_IPV6, &link);
        return;
    }
    if (!link_parse(message, &link))
        return;
    if (message->nlmsg_type == RTM_NEWLINK) {
        tell(monitor, LINK_EVENT_CHANGED, &link);
        return;
    }
    removed.index = link.index;
    removed.is_moved = link.is_moved;
    removed.moved_netns = link.moved_netns;
    removed.moved_index = link.moved_index;
    memcpy(removed.name, link.name, sizeof removed.name);
    tell(monitor, LINK_EVENT_REMOVED, &removed);
}

/* SocketWatch.read */
static gboolean
read_events(gpointer watch)
{
    const Monitor *monitor = watch;
    int errnum = netlink_read_groups(monitor->watch.fd, take_event, watch);
    const LinkInfo nothing = {0};

    if (errnum == 0 || errnum == EAGAIN)
        return errnum == 0;
    /* The events still queued are older than the full look that follows, and would otherwise be
     * taken for news. */
    netlink_drop_unread(monitor->watch.fd);
    tell(monitor, LINK_EVENT_LOST, &nothing);
    return errnum == EMSGSIZE || errnum == ENOBUFS;
}

gboolean
monitor_start(Kernel *kernel, LinkEventHandler handler, gpointer user_data, GError **error)
{
    /* Writing to disable_ipv6 sends no event to the group of links. */
    static const int groups[] = {RTNLGRP_LINK, RTNLGRP_IPV6_IFINFO}, size = SOCKET_BUFFER;
    int fd = netlink_open_groups(groups, G_N_ELEMENTS(groups),
                                 "cannot listen for the kernel's link events", error);
    Monitor *monitor;

    if (fd < 0)
        return FALSE;
    /* Best effort: a smaller buffer means LINK_EVENT_LOST earlier. */
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) < 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    monitor = g_new0(Monitor, 1);
    *monitor = (Monitor){{fd, read_events}, handler, user_data, linux_kernel(kernel)};
    if (monitor->kernel->events_fd < 0)
        monitor->kernel->events_fd = fd;
    socket_watch_start(linux_kernel(kernel), monitor, "link events");
    return TRUE;
}
