/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * Hears which stations use which addresses: the senders of ARP frames, of neighbour solicitations
 * and advertisements, and the targets of those that are sent to claim an address. Two packet
 * sockets get what comes in on any link; never what the host or its guests send, and of a macvtap
 * nothing that goes to its queues (see announcement.c). For IPv6 a filter passes only the two
 * messages.
 *
 * Anybody on the wire can send as many frames as the wire takes. So after a full turn nothing is
 * read for a while, and the kernel drops what does not fit into the socket's buffer.
 */
#include "linux-private.h"

#include "error.h"
#include "source.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <string.h>
#include <sys/socket.h>

#define FRAME_MAX 128
#define FRAMES_PER_TURN 64
#define PAUSE 100 /* milliseconds */

const Privileges claim_privileges = {
    .part = "claims",
    .system_calls =
        SYSTEM_CALLS({"socket", 1, AF_PACKET}, {"setsockopt"}, {"bind"}, {"recvfrom"}, {"close"}),
};

typedef struct Claims {
    int fds[2];
    GSource *sources[2];
    GSource *pause; /* NULL: it listens */
    ClaimHandler handler;
    gpointer user_data;
} Claims;

void
claim_free(Claims *claims)
{
    if (!claims)
        return;
    for (guint i = 0; i < G_N_ELEMENTS(claims->fds); i++) {
        source_clear(&claims->sources[i]);
        descriptor_clear(&claims->fds[i]);
    }
    source_clear(&claims->pause);
    g_free(claims);
}

static gboolean
is_unspecified(const guint8 *address, gsize size)
{
    for (gsize i = 0; i < size; i++) {
        if (address[i])
            return FALSE;
    }
    return TRUE;
}

/* The address that the sender of the frame uses or claims; FALSE: none. */
static gboolean
read_claim(const guint8 *frame, gsize length, IpAddress *ret_address)
{
    guint type = length >= ETH_HLEN ? (guint)(frame[12] << 8 | frame[13]) : 0;
    const guint8 *source;

    if (type == ETH_P_ARP && length >= 42) {
        /* A probe names the address as its target (RFC 5227). */
        *ret_address =
            ip_address_from_ipv4(is_unspecified(frame + 28, 4) ? frame + 38 : frame + 28);
        return TRUE;
    }
    if (type != ETH_P_IPV6 || length < ETH_HLEN + 64)
        return FALSE;
    source = frame + ETH_HLEN + 8;
    if (frame[54] == 136 || is_unspecified(source, 16)) /* an advertisement; RFC 4862, 5.4.2 */
        source = frame + 62;
    memcpy(ret_address->bytes, source, sizeof ret_address->bytes);
    return TRUE;
}

/* A frame with the tag of a VLAN that has no device here comes without its tag, as one for another
 * host (__netif_receive_skb_core()). */
static gboolean
is_of_segment(const struct sockaddr_ll *from)
{
    return from->sll_pkttype != PACKET_OUTGOING && from->sll_pkttype != PACKET_OTHERHOST;
}

static gboolean
read_one(const Claims *claims, int fd)
{
    struct sockaddr_ll from = {0};
    socklen_t from_size = sizeof from;
    guint8 frame[FRAME_MAX];
    gssize length = RETRY_EINTR(
        recvfrom(fd, frame, sizeof frame, MSG_DONTWAIT, (struct sockaddr *)&from, &from_size));
    IpAddress address;
    MacAddress mac;

    if (length < 0)
        return errno == ENETDOWN; /* one of the links; the others go on */
    if (!is_of_segment(&from) || !read_claim(frame, (gsize)length, &address))
        return TRUE;
    memcpy(mac.octets, frame + ETH_ALEN, sizeof mac.octets);
    claims->handler(from.sll_ifindex, &address, &mac, claims->user_data);
    return TRUE;
}

static void listen_to_all(Claims *claims);

static gboolean
on_pause_over(gpointer user_data)
{
    Claims *claims = user_data;

    source_clear(&claims->pause);
    listen_to_all(claims);
    return G_SOURCE_REMOVE;
}

static gboolean
on_frames(gint fd, GIOCondition condition, gpointer user_data)
{
    Claims *claims = user_data;
    guint n = 0;

    while (n < FRAMES_PER_TURN && read_one(claims, fd))
        n++;
    if (n < FRAMES_PER_TURN)
        return G_SOURCE_CONTINUE;
    for (guint i = 0; i < G_N_ELEMENTS(claims->fds); i++)
        source_clear(&claims->sources[i]);
    claims->pause = source_add_timeout(PAUSE, on_pause_over, claims, "claims");
    return G_SOURCE_REMOVE;
}

static void
listen_to_all(Claims *claims)
{
    for (guint i = 0; i < G_N_ELEMENTS(claims->fds); i++)
        claims->sources[i] = source_add_fd(claims->fds[i], G_IO_IN, on_frames, claims, "claims");
}

/* The filter is there before the socket gets its first frame. */
static int
open_claims(guint16 type)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 12),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_ARP, 5, 0),
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 20),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_ICMPV6, 0, 4),
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 54),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 135, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 136, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, FRAME_MAX),
        BPF_STMT(BPF_RET | BPF_K, 0),
    };
    const struct sock_fprog filter = {G_N_ELEMENTS(code), code};
    const struct sockaddr_ll any = {.sll_family = AF_PACKET, .sll_protocol = htons(type)};
    AUTO_FD int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter) < 0 ||
        bind(fd, (const struct sockaddr *)&any, sizeof any) < 0)
        return -1;
    return g_steal_fd(&fd);
}

gboolean
claim_watch(Kernel *base, ClaimHandler handler, gpointer user_data, GError **error)
{
    LinuxKernel *kernel = linux_kernel(base);
    AUTO_FD int arp = open_claims(ETH_P_ARP);
    AUTO_FD int ipv6 = arp < 0 ? -1 : open_claims(ETH_P_IPV6);

    if (ipv6 < 0)
        return error_set_errno(error, errno, "cannot hear which addresses stations use");
    kernel->claims = g_new0(Claims, 1);
    *kernel->claims = (Claims){
        .fds = {g_steal_fd(&arp), g_steal_fd(&ipv6)}, .handler = handler, .user_data = user_data};
    listen_to_all(kernel->claims);
    return TRUE;
}
