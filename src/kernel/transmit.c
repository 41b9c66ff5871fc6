/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * A packet socket on a link sees the first frame that the link sends: the kernel gives it a copy of
 * each outgoing frame (dev_queue_xmit_nit()), including those that a guest writes to a queue. A
 * filter passes only outgoing frames, and one byte of each, so that received frames wake nothing.
 * The socket gets frames only once it is bound, after the filter is set. It costs the link a copy
 * of each frame, so it is closed after the first.
 */
#include "linux-private.h"

#include "error.h"

#include <arpa/inet.h>
#include <errno.h>
#include <glib-unix.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <sys/socket.h>

/* CAP_NET_RAW: open_socket() of AF_PACKET. */
const Privileges transmit_privileges = {
    .part = "first frame of a guest",
    .capabilities = CAPABILITY(CAP_NET_RAW),
    .system_calls =
        SYSTEM_CALLS({"socket", 1, AF_PACKET}, {"setsockopt"}, {"bind"}, {"recvfrom"}, {"close"}),
};

typedef struct Watch {
    LinuxKernel *kernel;
    int index;
    int fd;
    TransmitHandler handler;
    gpointer user_data;
} Watch;

static void
watch_free(gpointer data)
{
    Watch *watch = data;

    descriptor_clear(&watch->fd);
    g_free(watch);
}

static gboolean
on_ready(gint fd, GIOCondition condition, gpointer user_data)
{
    const Watch watch = *(Watch *)user_data;
    char byte;

    /* An error means that the link went down, which is not the end: it may go up again. */
    if (RETRY_EINTR(recv(fd, &byte, 1, MSG_DONTWAIT)) < 0)
        return G_SOURCE_CONTINUE;
    g_hash_table_remove(watch.kernel->watches, GINT_TO_POINTER(watch.index));
    watch.handler(watch.index, watch.user_data);
    return G_SOURCE_REMOVE;
}

static int
open_socket(int index, GError **error)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, (guint32)SKF_AD_OFF + SKF_AD_PKTTYPE),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PACKET_OUTGOING, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, 1),
        BPF_STMT(BPF_RET | BPF_K, 0),
    };
    const struct sock_fprog filter = {G_N_ELEMENTS(code), code};
    const struct sockaddr_ll address = {
        .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = index};
    AUTO_FD int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter) < 0 ||
        bind(fd, (const struct sockaddr *)&address, sizeof address) < 0) {
        error_set_errno(error, errno, "cannot watch link %d for frames it sends", index);
        return -1;
    }
    return g_steal_fd(&fd);
}

gboolean
transmit_watch(Kernel *base, int index, TransmitHandler handler, gpointer user_data, GError **error)
{
    LinuxKernel *kernel = linux_kernel(base);
    Watch *watch;
    GSource *source;
    int fd;

    if (index <= 0) /* the socket would take it as "every link" */
        return error_set_errno(error, ENODEV, "cannot watch link %d for frames it sends", index);
    fd = open_socket(index, error);
    if (fd < 0)
        return FALSE;
    watch = g_new0(Watch, 1);
    *watch = (Watch){kernel, index, fd, handler, user_data};
    source = g_unix_fd_source_new(fd, G_IO_IN);
    g_source_set_callback(source, G_SOURCE_FUNC(on_ready), watch, watch_free);
    g_source_set_name(source, "first frame");
    g_source_attach(source, g_main_context_get_thread_default());
    g_hash_table_insert(kernel->watches, GINT_TO_POINTER(index), source);
    return TRUE;
}

void
transmit_unwatch(Kernel *kernel, int index)
{
    g_hash_table_remove(linux_kernel(kernel)->watches, GINT_TO_POINTER(index));
}
