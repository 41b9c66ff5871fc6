/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The kernel is asked for all addresses at the start, and again whenever it had more to tell than
 * the socket could hold; the answers come like the events, on the same socket.
 */
#include "linux-private.h"

#include "error.h"

#include <arpa/inet.h>
#include <errno.h>
#include <glib-unix.h>
#include <linux/rtnetlink.h>
#include <netlink/netlink.h>
#include <string.h>
#include <sys/socket.h>

#define RECEIVE_SIZE (32 * 1024) /* bytes; what the kernel's dumps use at most */
#define DATAGRAMS_PER_WAKE 64    /* then other sources get their turn */

const Privileges address_privileges = {
    .part = "addresses",
    .system_calls = SYSTEM_CALLS({"sendto"}, {"recvmsg"}),
};

typedef struct AddressWatch {
    int fd;
    AddressHandler handler;
    gpointer user_data;
    gboolean is_answering; /* the kernel has not told all yet, */
    gboolean ask_again;    /* and is to be asked again then */
    char buffer[RECEIVE_SIZE];
} AddressWatch;

static void
watch_free(gpointer data)
{
    AddressWatch *watch = data;

    descriptor_clear(&watch->fd);
    g_free(watch);
}

static gboolean
ask_for_all(AddressWatch *watch, GError **error)
{
    const struct {
        struct nlmsghdr header;
        struct ifaddrmsg body;
    } request = {
        .header = {.nlmsg_len = sizeof request,
                   .nlmsg_type = RTM_GETADDR,
                   .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
        .body = {.ifa_family = AF_UNSPEC},
    };
    const struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};

    watch->ask_again = watch->is_answering;
    if (watch->is_answering)
        return TRUE;
    watch->is_answering = RETRY_EINTR(sendto(watch->fd, &request, sizeof request, 0,
                                             (const struct sockaddr *)&kernel, sizeof kernel)) >= 0;
    return watch->is_answering ||
           error_set_errno(error, errno, "cannot ask the kernel for addresses");
}

/* FALSE: it is no address, or not one of IP. */
static gboolean
format_address(struct nlmsghdr *message, char *text, gsize size)
{
    const struct ifaddrmsg *header = nlmsg_data(message);
    const struct nlattr *address;
    char host[INET6_ADDRSTRLEN];

    if (!nlmsg_valid_hdr(message, sizeof *header))
        return FALSE;
    /* With a peer's address there is a local one besides. */
    address = nlmsg_find_attr(message, sizeof *header, IFA_LOCAL);
    if (!address)
        address = nlmsg_find_attr(message, sizeof *header, IFA_ADDRESS);
    if (!address || nla_len(address) != (header->ifa_family == AF_INET ? 4 : 16) ||
        !inet_ntop(header->ifa_family, nla_data(address), host, sizeof host))
        return FALSE;
    g_snprintf(text, size, "%s/%u", host, header->ifa_prefixlen);
    return TRUE;
}

static void
take_message(AddressWatch *watch, struct nlmsghdr *message)
{
    const struct ifaddrmsg *header = nlmsg_data(message);
    char text[INET6_ADDRSTRLEN + sizeof "/128"];

    switch (message->nlmsg_type) {
    case RTM_NEWADDR:
        if (format_address(message, text, sizeof text))
            watch->handler((int)header->ifa_index, text, watch->user_data);
        return;
    case NLMSG_DONE:
    case NLMSG_ERROR:
        watch->is_answering = FALSE;
        if (watch->ask_again)
            ask_for_all(watch, NULL);
        return;
    default:
        return;
    }
}

/* FALSE when the queue is empty. */
static gboolean
read_datagram(AddressWatch *watch)
{
    struct sockaddr_nl sender = {0};
    struct iovec vector = {watch->buffer, sizeof watch->buffer};
    struct msghdr header = {&sender, sizeof sender, &vector, 1, NULL, 0, 0};
    struct nlmsghdr *message = (struct nlmsghdr *)watch->buffer;
    int length = (int)RETRY_EINTR(recvmsg(watch->fd, &header, MSG_DONTWAIT));

    if (length < 0 && errno == ENOBUFS)
        return ask_for_all(watch, NULL);
    if (length < 0)
        return FALSE;
    if (sender.nl_pid != 0)
        return TRUE;
    for (; nlmsg_ok(message, length); message = nlmsg_next(message, &length))
        take_message(watch, message);
    return TRUE;
}

static gboolean
on_readable(gint fd, GIOCondition condition, gpointer user_data)
{
    for (guint i = 0; i < DATAGRAMS_PER_WAKE; i++) {
        if (!read_datagram(user_data))
            break;
    }
    return G_SOURCE_CONTINUE;
}

static int
open_group_socket(GError **error)
{
    static const int groups[] = {RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR};
    const struct sockaddr_nl address = {.nl_family = AF_NETLINK};
    AUTO_FD int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
    gboolean good = fd >= 0 && bind(fd, (const struct sockaddr *)&address, sizeof address) == 0;

    for (guint i = 0; good && i < G_N_ELEMENTS(groups); i++)
        good = setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &groups[i], sizeof(int)) == 0;
    if (good)
        return g_steal_fd(&fd);
    error_set_errno(error, errno, "cannot listen to the kernel's address events");
    return -1;
}

gboolean
address_watch(Kernel *kernel, AddressHandler handler, gpointer user_data, GError **error)
{
    int fd = open_group_socket(error);
    AddressWatch *watch;
    GSource *source;

    if (fd < 0)
        return FALSE;
    watch = g_new0(AddressWatch, 1);
    watch->fd = fd;
    watch->handler = handler;
    watch->user_data = user_data;
    if (!ask_for_all(watch, error)) {
        watch_free(watch);
        return FALSE;
    }
    source = g_unix_fd_source_new(fd, G_IO_IN);
    g_source_set_callback(source, G_SOURCE_FUNC(on_readable), watch, watch_free);
    g_source_set_name(source, "addresses");
    g_source_attach(source, g_main_context_get_thread_default());
    g_ptr_array_add(linux_kernel(kernel)->monitors, source);
    return TRUE;
}
