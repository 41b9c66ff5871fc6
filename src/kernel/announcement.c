/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Announcements as QEMU sends them for a guest that has migrated to it: a broadcast RARP frame with
 * the guest's MAC as its source (announce_self_create() in QEMU's net/announce.c). One packet
 * socket for this EtherType receives them from all links. It sees incoming frames, also on the
 * parent of a macvtap, and never what the host or its guests send. Nothing else uses RARP, so it is
 * silent otherwise.
 */
#include "linux-private.h"

#include "error.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <string.h>
#include <sys/socket.h>

/* Its socket is opened at start. */
const Privileges announcement_privileges = {
    .part = "announcements",
    .system_calls = SYSTEM_CALLS({"recvfrom"}),
};

typedef struct Listener {
    SocketWatch watch;
    AnnouncementHandler handler;
    gpointer user_data;
} Listener;

/* SocketWatch.read */
static gboolean
read_announcement(gpointer watch)
{
    const Listener *listener = watch;
    struct sockaddr_ll from = {0};
    socklen_t from_size = sizeof from;
    struct ethhdr header;
    MacAddress mac;
    gssize length = RETRY_EINTR(recvfrom(listener->watch.fd, &header, sizeof header, MSG_DONTWAIT,
                                         (struct sockaddr *)&from, &from_size));

    if (length < 0)
        return errno != EAGAIN;
    if (length < (gssize)sizeof header || from.sll_pkttype != PACKET_BROADCAST)
        return TRUE;
    memcpy(&mac, header.h_source, sizeof mac);
    listener->handler(from.sll_ifindex, &mac, listener->user_data);
    return TRUE;
}

gboolean
announcement_watch(Kernel *kernel, AnnouncementHandler handler, gpointer user_data, GError **error)
{
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, (int)htons(ETH_P_RARP));
    Listener *listener;

    if (fd < 0)
        return error_set_errno(error, errno, "cannot listen for announcements of guests");
    listener = g_new0(Listener, 1);
    *listener = (Listener){{fd, read_announcement}, handler, user_data};
    socket_watch_start(linux_kernel(kernel), listener, "announcements");
    return TRUE;
}
