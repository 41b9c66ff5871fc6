/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * A watcher gets all addresses at the start, and again whenever events overflowed the socket; the
 * answers arrive like events, on the same socket.
 *
 * A list of the host's addresses stays good until the next event: the kernel sends one for each
 * change, before it acknowledges the change. So the list is good as long as no event has been read
 * since, and none is waiting. Listing them takes the kernel long: it visits all links, including
 * the guests', which have none.
 */
#include "linux-private.h"

#include "error.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/rtnetlink.h>
#include <netlink/netlink.h>
#include <string.h>
#include <sys/socket.h>

const Privileges address_privileges = {
    .part = "addresses",
    .system_calls = SYSTEM_CALLS({"sendto"}, {"recvmsg"}),
};

typedef struct AddressWatch {
    SocketWatch watch;
    AddressHandler handler;
    gpointer user_data;
    LinuxKernel *kernel;
    gboolean is_answering; /* a dump is in progress, */
    gboolean ask_again;    /* and another one must follow it */
} AddressWatch;

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
    watch->is_answering = RETRY_EINTR(sendto(watch->watch.fd, &request, sizeof request, 0,
                                             (const struct sockaddr *)&kernel, sizeof kernel)) >= 0;
    return watch->is_answering ||
           error_set_errno(error, errno, "cannot request the kernel's addresses");
}

/* FALSE: not an address, or not an IP address. */
static gboolean
format_address(struct nlmsghdr *message, char *text, gsize size)
{
    const struct ifaddrmsg *header = nlmsg_data(message);
    const struct nlattr *address;
    char host[INET6_ADDRSTRLEN];

    if (!nlmsg_valid_hdr(message, sizeof *header))
        return FALSE;
    /* An address with a peer also has a local one. */
    address = nlmsg_find_attr(message, sizeof *header, IFA_LOCAL);
    if (!address)
        address = nlmsg_find_attr(message, sizeof *header, IFA_ADDRESS);
    if (!address || nla_len(address) != (header->ifa_family == AF_INET ? 4 : 16) ||
        !inet_ntop(header->ifa_family, nla_data(address), host, sizeof host))
        return FALSE;
    g_snprintf(text, size, "%s/%u", host, header->ifa_prefixlen);
    return TRUE;
}

static gboolean
parse_address(struct nlmsghdr *message, LinkAddress *ret_address)
{
    const struct ifaddrmsg *header = nlmsg_data(message);
    struct nlattr *a[IFA_MAX + 1];
    LinkAddress address = {0};
    guint32 flags;

    if (message->nlmsg_type != RTM_NEWADDR ||
        nlmsg_parse(message, sizeof *header, a, IFA_MAX, NULL) < 0)
        return FALSE;
    flags = a[IFA_FLAGS] ? nla_get_u32(a[IFA_FLAGS]) : header->ifa_flags;
    if ((!a[IFA_LOCAL] && !a[IFA_ADDRESS]) ||
        !routing_parse_ip(a[IFA_LOCAL] ? a[IFA_LOCAL] : a[IFA_ADDRESS], header->ifa_family,
                          &address.address) ||
        (header->ifa_family == AF_INET6 && flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED) &&
         !(flags & IFA_F_OPTIMISTIC)))
        return FALSE;
    address.index = (int)header->ifa_index;
    address.bits = header->ifa_prefixlen + (header->ifa_family == AF_INET ? 96 : 0);
    address.is_temporary = header->ifa_family == AF_INET6 && flags & IFA_F_TEMPORARY;
    *ret_address = address;
    return TRUE;
}

/* NetlinkReply */
static void
list_address(guint number, struct nlmsghdr *message, gpointer list)
{
    LinkAddress address;

    if (parse_address(message, &address))
        g_array_append_val((GArray *)list, address);
}

GArray *
address_get_all(Kernel *kernel, GError **error)
{
    struct ifaddrmsg header = {.ifa_family = AF_UNSPEC};
    g_autoptr(NetlinkMessage) request = nlmsg_alloc_simple(RTM_GETADDR, NLM_F_REQUEST | NLM_F_DUMP);
    g_autoptr(GArray) list = g_array_new(FALSE, FALSE, sizeof(LinkAddress));

    nlmsg_append(request, &header, sizeof header, NLMSG_ALIGNTO);
    if (!netlink_ask(linux_kernel(kernel)->netlink, request, list_address, list,
                     "cannot list the host's addresses", error))
        return NULL;
    return g_steal_pointer(&list);
}

GArray *
address_recall(Kernel *base, GError **error)
{
    LinuxKernel *kernel = linux_kernel(base);
    GArray *list;

    if (kernel->addresses && !netlink_has_unread(kernel->addresses_fd))
        return g_array_ref(kernel->addresses);
    g_clear_pointer(&kernel->addresses, g_array_unref);
    list = address_get_all(base, error);
    if (list && kernel->addresses_fd >= 0)
        kernel->addresses = g_array_ref(list);
    return list;
}

static void
forget_addresses(const AddressWatch *watch)
{
    if (watch->watch.fd == watch->kernel->addresses_fd)
        g_clear_pointer(&watch->kernel->addresses, g_array_unref);
}

/* NetlinkTake */
static void
take_address(struct nlmsghdr *message, gpointer user_data)
{
    AddressWatch *watch = user_data;
    const struct ifaddrmsg *header = nlmsg_data(message);
    char text[INET6_ADDRSTRLEN + sizeof "/128"];

    switch (message->nlmsg_type) {
    case RTM_NEWADDR:
        forget_addresses(watch);
        if (format_address(message, text, sizeof text))
            watch->handler((int)header->ifa_index, text, watch->user_data);
        return;
    case RTM_DELADDR:
        forget_addresses(watch);
        if (nlmsg_valid_hdr(message, sizeof *header))
            watch->handler((int)header->ifa_index, NULL, watch->user_data);
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

/* SocketWatch.read */
static gboolean
read_addresses(gpointer data)
{
    AddressWatch *watch = data;
    int errnum = netlink_read_groups(watch->watch.fd, take_address, watch);

    if (errnum != ENOBUFS && errnum != EMSGSIZE)
        return errnum == 0;
    forget_addresses(watch);
    return ask_for_all(watch, NULL);
}

gboolean
address_watch(Kernel *kernel, AddressHandler handler, gpointer user_data, GError **error)
{
    static const int groups[] = {RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR};
    AUTO_FD int fd = netlink_open_groups(groups, G_N_ELEMENTS(groups),
                                         "cannot listen to the kernel's address events", error);
    g_autofree AddressWatch *watch = g_new0(AddressWatch, 1);

    if (fd < 0)
        return FALSE;
    *watch = (AddressWatch){{fd, read_addresses}, handler, user_data,
                            linux_kernel(kernel), FALSE,   FALSE};
    if (!ask_for_all(watch, error))
        return FALSE;
    if (watch->kernel->addresses_fd < 0)
        watch->kernel->addresses_fd = fd;
    g_steal_fd(&fd);
    socket_watch_start(linux_kernel(kernel), g_steal_pointer(&watch), "addresses");
    return TRUE;
}
