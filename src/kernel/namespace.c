/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Other network namespaces and their numbers here (net/core/net_namespace.c). A namespace that has
 * a number here reports its end (RTM_DELNSID, to the group RTNLGRP_NSID) once nothing keeps it
 * alive, without a descriptor of it held. A number is never taken back before that end, and its
 * namespace has only the one. Ours are random and high: the kernel itself, "ip netns" and container
 * runtimes give the lowest free ones, and a number that they use again must not be a holder's.
 */
#include "linux-private.h"

#include "descriptor.h"
#include "error.h"
#include "random.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/net_namespace.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <netlink/attr.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#define FIRST_NUMBER (1 << 20)

const Privileges namespace_privileges = {
    .part = "network namespaces",
    .capabilities = CAPABILITY(CAP_NET_ADMIN), /* in the namespace that SIOCGSKNS opens */
    .system_calls = SYSTEM_CALLS({"recvmsg"}, {"ioctl", 2, SIOCGSKNS}, {"close"}),
};

/* -1 if the message has no number. */
static int
read_number(struct nlmsghdr *message, guint16 type)
{
    struct nlattr *number = nlmsg_find_attr(message, sizeof(struct rtgenmsg), NETNSA_NSID);

    if (message->nlmsg_type != type || !number || nla_len(number) < (int)sizeof(gint32))
        return -1;
    return nla_get_s32(number);
}

static void
take_number(guint index, struct nlmsghdr *message, gpointer user_data)
{
    int number = read_number(message, RTM_NEWNSID);

    if (number >= 0)
        g_array_append_val((GArray *)user_data, number);
}

static void
take_only_number(guint index, struct nlmsghdr *message, gpointer user_data)
{
    *(int *)user_data = read_number(message, RTM_NEWNSID);
}

GArray *
namespace_get_all(Kernel *base, GError **error)
{
    /* The kernel ignores everything after the struct rtgenmsg. */
    g_autoptr(NetlinkMessage) request = netlink_link_request(RTM_GETNSID, NLM_F_DUMP, 0, 0);
    g_autoptr(GArray) numbers = g_array_new(FALSE, FALSE, sizeof(int));
    g_autoptr(GError) cause = NULL;

    /* EOPNOTSUPP: a kernel without network namespaces. */
    if (netlink_ask(linux_kernel(base)->netlink, request, take_number, numbers,
                    "cannot list network namespaces", &cause) ||
        error_is_errno(cause, EOPNOTSUPP))
        return g_steal_pointer(&numbers);
    g_propagate_error(error, g_steal_pointer(&cause));
    return NULL;
}

static NetlinkMessage *
number_request(guint16 type, int namespace_fd)
{
    NetlinkMessage *message = nlmsg_alloc_simple(type, NLM_F_REQUEST);
    const struct rtgenmsg body = {.rtgen_family = AF_UNSPEC};

    nlmsg_append(message, (void *)&body, sizeof body, NLMSG_ALIGNTO);
    nla_put_u32(message, NETNSA_FD, (guint32)namespace_fd);
    return message;
}

static gboolean
ask_number(LinuxKernel *kernel, int namespace_fd, int *ret_number, GError **error)
{
    g_autoptr(NetlinkMessage) request = number_request(RTM_GETNSID, namespace_fd);

    return netlink_ask(kernel->netlink, request, take_only_number, ret_number,
                       "cannot look up a network namespace", error);
}

/* A number that another namespace has (EEXIST) is as unlikely as it is harmless: the caller asks
 * which number the namespace has now. */
static gboolean
give_random_number(LinuxKernel *kernel, int namespace_fd, GError **error)
{
    g_autoptr(NetlinkMessage) request = number_request(RTM_NEWNSID, namespace_fd);
    NetlinkResult result;

    nla_put_s32(request, NETNSA_NSID, random_in_range(FIRST_NUMBER, G_MAXINT));
    if (!netlink_talk(kernel->netlink, &request, 1, NULL, NULL, &result, error))
        return FALSE;
    return result.errnum == 0 || result.errnum == EEXIST ||
           netlink_result_error(&result, "cannot number a network namespace", error);
}

gboolean
namespace_give_number(Kernel *base, int socket_fd, int *ret_number, GError **error)
{
    LinuxKernel *kernel = linux_kernel(base);
    AUTO_FD int namespace_fd = ioctl(socket_fd, SIOCGSKNS);
    int number = -1;

    if (namespace_fd < 0)
        return error_set_errno(error, errno, "cannot open the caller's network namespace");
    if (!ask_number(kernel, namespace_fd, &number, error))
        return FALSE;
    if (number < 0 && (!give_random_number(kernel, namespace_fd, error) ||
                       !ask_number(kernel, namespace_fd, &number, error)))
        return FALSE;
    if (number < 0)
        return error_set_errno(error, EAGAIN, "cannot number a network namespace");
    *ret_number = number;
    return TRUE;
}

typedef struct NamespaceWatch {
    SocketWatch watch;
    NamespaceHandler handler;
    gpointer user_data;
} NamespaceWatch;

/* NetlinkTake */
static void
take_end(struct nlmsghdr *message, gpointer user_data)
{
    const NamespaceWatch *watch = user_data;
    int number = read_number(message, RTM_DELNSID);

    if (number >= 0)
        watch->handler(number, watch->user_data);
}

/* SocketWatch.read */
static gboolean
read_ends(gpointer data)
{
    NamespaceWatch *watch = data;
    int errnum = netlink_read_groups(watch->watch.fd, take_end, watch);

    if (errnum == ENOBUFS || errnum == EMSGSIZE) {
        watch->handler(-1, watch->user_data);
        return TRUE;
    }
    return errnum == 0;
}

gboolean
namespace_watch(Kernel *kernel, NamespaceHandler handler, gpointer user_data, GError **error)
{
    static const int groups[] = {RTNLGRP_NSID};
    AUTO_FD int fd = netlink_open_groups(groups, G_N_ELEMENTS(groups),
                                         "cannot listen for the ends of network namespaces", error);
    NamespaceWatch *watch;

    if (fd < 0)
        return FALSE;
    watch = g_new(NamespaceWatch, 1);
    *watch = (NamespaceWatch){{g_steal_fd(&fd), read_ends}, handler, user_data};
    socket_watch_start(linux_kernel(kernel), watch, "network namespaces");
    return TRUE;
}
