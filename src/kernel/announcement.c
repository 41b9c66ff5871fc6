/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Announcements as QEMU sends them for a guest that has migrated to it: a broadcast RARP frame with
 * the guest's MAC as its source (announce_self_create() in QEMU's net/announce.c). One packet
 * socket for this EtherType receives them from all links. It sees incoming frames, also on the
 * parent of a macvtap, and never what the host or its guests send. Nothing else uses RARP, so it is
 * silent otherwise.
 *
 * We send such frames too, and a switch may send them back: a port that reflects (VEPA), or two
 * ports that it does not know to be one bond. They must not be taken for another host's, so ours
 * have a mark in their padding, which each daemon chooses for itself.
 */
#include "linux-private.h"

#include "error.h"
#include "random.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/capability.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <string.h>
#include <sys/socket.h>

#define FRAME_SIZE 60 /* the shortest that Ethernet has */
#define RARP_SIZE 28  /* of its message, for Ethernet and IPv4; the rest is padding */
#define SEND_BUFFER (8 * 1024 * 1024) /* bytes: for the guests of several parents at once */

/* The socket that listens is opened at start. CAP_NET_RAW: the one that sends, at the first use. */
const Privileges announcement_privileges = {
    .part = "announcements",
    .capabilities = CAPABILITY(CAP_NET_RAW),
    .system_calls =
        SYSTEM_CALLS({"recvfrom"}, {"socket", 1, AF_PACKET}, {"setsockopt"}, {"sendto"}),
};

/* One as QEMU sends it (RFC 903: an Ethernet header and a "request reverse" for IPv4). */
typedef struct Frame {
    struct ethhdr ethernet;
    guint8 fixed[8]; /* hardware type, protocol type, lengths of both, operation */
    MacAddress sender;
    guint8 sender_ip[4];
    MacAddress target;
    guint8 target_ip[4];
    guint8 mark[FRAME_SIZE - sizeof(struct ethhdr) - RARP_SIZE];
} __attribute__((packed)) Frame;
G_STATIC_ASSERT(sizeof(Frame) == FRAME_SIZE);
G_STATIC_ASSERT(sizeof(guint32) * 4 <= sizeof((Frame *)0)->mark);

typedef struct Listener {
    SocketWatch watch;
    const LinuxKernel *kernel;
    AnnouncementHandler handler;
    gpointer user_data;
} Listener;

static gboolean
is_own(const LinuxKernel *kernel, const Frame *frame, gsize length)
{
    return kernel->announce_fd >= 0 && length >= sizeof *frame &&
           memcmp(frame->mark, kernel->announce_mark, sizeof kernel->announce_mark) == 0;
}

/* SocketWatch.read */
static gboolean
read_announcement(gpointer watch)
{
    const Listener *listener = watch;
    struct sockaddr_ll from = {0};
    socklen_t from_size = sizeof from;
    Frame frame;
    MacAddress mac;
    gssize length = RETRY_EINTR(recvfrom(listener->watch.fd, &frame, sizeof frame, MSG_DONTWAIT,
                                         (struct sockaddr *)&from, &from_size));

    if (length < 0)
        return errno != EAGAIN;
    if (length < (gssize)sizeof frame.ethernet || from.sll_pkttype != PACKET_BROADCAST ||
        is_own(listener->kernel, &frame, (gsize)length))
        return TRUE;
    memcpy(&mac, frame.ethernet.h_source, sizeof mac);
    listener->handler(from.sll_ifindex, &mac, listener->user_data);
    return TRUE;
}

/* Receives nothing, as it has no protocol. */
static gboolean
open_sender(LinuxKernel *kernel, GError **error)
{
    const int size = SEND_BUFFER;

    if (kernel->announce_fd >= 0)
        return TRUE;
    kernel->announce_fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (kernel->announce_fd < 0)
        return error_set_errno(error, errno, "cannot announce guests");
    /* Best effort: with a smaller buffer, sending many at once fails with EAGAIN earlier. */
    setsockopt(kernel->announce_fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size);
    for (guint i = 0; i < G_N_ELEMENTS(kernel->announce_mark); i++)
        kernel->announce_mark[i] = random_number();
    return TRUE;
}

gboolean
announcement_watch(Kernel *kernel, AnnouncementHandler handler, gpointer user_data, GError **error)
{
    AUTO_FD int fd =
        socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, (int)htons(ETH_P_RARP));
    Listener *listener;

    if (fd < 0)
        return error_set_errno(error, errno, "cannot listen for announcements of guests");
    /* Now, as there may be no descriptor left when a bond fails over. */
    if (!open_sender(linux_kernel(kernel), error))
        return FALSE;
    listener = g_new0(Listener, 1);
    *listener =
        (Listener){{g_steal_fd(&fd), read_announcement}, linux_kernel(kernel), handler, user_data};
    socket_watch_start(linux_kernel(kernel), listener, "announcements");
    return TRUE;
}

/* ---- our own ---- */

static Frame
make_frame(const LinuxKernel *kernel, const MacAddress *mac)
{
    Frame frame = {
        .ethernet = {.h_proto = htons(ETH_P_RARP)},
        .fixed = {0, 1, 8, 0, sizeof(MacAddress), 4, 0, 3},
        .sender = *mac,
        .target = *mac,
    };

    memset(frame.ethernet.h_dest, 0xff, sizeof frame.ethernet.h_dest);
    memcpy(frame.ethernet.h_source, mac, sizeof *mac);
    memcpy(frame.mark, kernel->announce_mark, sizeof kernel->announce_mark);
    return frame;
}

gboolean
announcement_send(Kernel *base, int index, const MacAddress *macs, guint n, GError **error)
{
    LinuxKernel *kernel = linux_kernel(base);
    const struct sockaddr_ll to = {
        .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_RARP), .sll_ifindex = index};

    g_return_val_if_fail(n <= ANNOUNCEMENTS_MAX, FALSE);
    if (!open_sender(kernel, error))
        return FALSE;
    for (guint i = 0; i < n; i++) {
        const Frame frame = make_frame(kernel, &macs[i]);

        if (RETRY_EINTR(sendto(kernel->announce_fd, &frame, sizeof frame, MSG_DONTWAIT,
                               (const struct sockaddr *)&to, sizeof to)) < 0)
            return error_set_errno(error, errno == ENXIO ? ENODEV : errno,
                                   "cannot announce guests on link %d", index);
    }
    return TRUE;
}
