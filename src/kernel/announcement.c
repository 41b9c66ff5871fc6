/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Announcements as QEMU sends them for a guest that it has taken over: a broadcast RARP frame with
 * the guest's MAC as its source (announce_self_create() of QEMU's net/announce.c). One packet
 * socket for this EtherType hears them on all links. It sees what comes in, also on the parent of a
 * macvtap, and never what the host or its guests send; nobody else uses RARP, so it is silent
 * otherwise.
 */
#include "linux-private.h"

#include "error.h"

#include <arpa/inet.h>
#include <errno.h>
#include <glib-unix.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <string.h>
#include <sys/socket.h>

#define FRAMES_PER_WAKE 64 /* then other sources get their turn */

/* Its socket is made at start. */
const Privileges announcement_privileges = {
    .part = "announcements",
    .system_calls = SYSTEM_CALLS({"recvfrom"}),
};

typedef struct Listener {
    int fd;
    AnnouncementHandler handler;
    gpointer user_data;
} Listener;

static void
listener_free(gpointer data)
{
    Listener *listener = data;

    descriptor_clear(&listener->fd);
    g_free(listener);
}

/* FALSE when the queue is empty. */
static gboolean
read_frame(Listener *listener)
{
    struct sockaddr_ll from = {0};
    socklen_t from_size = sizeof from;
    struct ethhdr header;
    MacAddress mac;
    gssize length = RETRY_EINTR(recvfrom(listener->fd, &header, sizeof header, MSG_DONTWAIT,
                                         (struct sockaddr *)&from, &from_size));

    if (length < 0)
        return errno != EAGAIN;
    if (length < (gssize)sizeof header || from.sll_pkttype != PACKET_BROADCAST)
        return TRUE;
    memcpy(&mac, header.h_source, sizeof mac);
    listener->handler(from.sll_ifindex, &mac, listener->user_data);
    return TRUE;
}

static gboolean
on_readable(gint fd, GIOCondition condition, gpointer user_data)
{
    for (guint i = 0; i < FRAMES_PER_WAKE; i++) {
        if (!read_frame(user_data))
            break;
    }
    return G_SOURCE_CONTINUE;
}

gboolean
announcement_watch(Kernel *kernel, AnnouncementHandler handler, gpointer user_data, GError **error)
{
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, (int)htons(ETH_P_RARP));
    Listener *listener;
    GSource *source;

    if (fd < 0)
        return error_set_errno(error, errno, "cannot listen to announcements of guests");
    listener = g_new0(Listener, 1);
    *listener = (Listener){fd, handler, user_data};
    source = g_unix_fd_source_new(fd, G_IO_IN);
    g_source_set_callback(source, G_SOURCE_FUNC(on_readable), listener, listener_free);
    g_source_set_name(source, "announcements");
    g_source_attach(source, g_main_context_get_thread_default());
    g_ptr_array_add(linux_kernel(kernel)->monitors, source);
    return TRUE;
}
