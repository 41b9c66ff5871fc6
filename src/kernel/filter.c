/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * The programs are attached to a link as filters of kind bpf (net/sched/cls_bpf.c) on a clsact
 * qdisc, which has no other cost for the link. A filter with our priority and handle is replaced in
 * one step: a frame meets the old program or the new one. Both are removed with the link, and a
 * network administrator can remove them, which RTNLGRP_TC reports.
 *
 * A tcx link, which `tc` cannot remove (6.6 and later), was tried and is not used: it waits for an
 * RCU grace period with the lock on links (RTNL) held when it is created, and again when the device
 * is removed (tcx_entry_sync() in include/net/tcx.h). Measured on 6.18 with two for each of 200
 * macvtaps: 45 ms to attach to one, and 8.0 s instead of 0.5 s to remove all at once.
 *
 * The first filter of a new clsact costs more than all the rest: mini_qdisc_pair_swap() waits for
 * an expedited RCU grace period. One block of filters that all links share (TCA_EGRESS_BLOCK) does
 * not avoid it, as the wait then comes when the qdisc is created. Measured on 6.18, busy, p10 of
 * 100 in us: qdisc alone 20, with one filter of its own 98, with both 104, with both in shared
 * blocks 106. Shared blocks would only spare flow_indr_dev_setup_offload() its walk through all
 * blocks of the machine, two for each link in every network namespace, which by perf is most of
 * what the guard adds to a port's creation beside 1,000 others; but with them no one could add a
 * filter to a single link, a new daemon would replace the programs of ports whose settings it has
 * not yet written, and one command could remove the filters of all.
 */
#include "linux-private.h"

#include "error.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/netlink.h>
#include <stddef.h>
#include <sys/socket.h>

#define SOCKET_BUFFER (4 * 1024 * 1024) /* bytes */

/* Runs before any filter that an administrator adds without a priority. */
#define PRIORITY 1
#define HANDLE 1

#define CLSACT TC_H_MAKE(TC_H_CLSACT, 0)
#define EGRESS TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS)
#define INGRESS TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS)

const Privileges filter_privileges = {
    .part = "filters",
    .system_calls = SYSTEM_CALLS({"recvmsg"}),
};

NetlinkMessage *
tc_request(guint16 type, guint16 flags, const struct tcmsg *body)
{
    NetlinkMessage *message = nlmsg_alloc_size(NLMSG_LENGTH(sizeof *body) + 256);
    struct nlmsghdr *header = message ? nlmsg_hdr(message) : NULL;

    if (!message)
        g_error("out of memory"); /* aborts, like GLib's own allocations */
    header->nlmsg_type = type;
    header->nlmsg_flags = NLM_F_REQUEST | flags;
    if (nlmsg_append(message, (void *)body, sizeof *body, NLMSG_ALIGNTO) < 0)
        g_assert_not_reached();
    return message;
}

static NetlinkMessage *
qdisc_request(int index)
{
    const struct tcmsg body = {
        .tcm_ifindex = index, .tcm_handle = CLSACT, .tcm_parent = TC_H_CLSACT};
    NetlinkMessage *message = tc_request(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, &body);

    nla_put_string(message, TCA_KIND, "clsact");
    return message;
}

static NetlinkMessage *
filter_request(guint16 type, guint16 flags, int index, guint32 hook)
{
    const struct tcmsg body = {
        .tcm_ifindex = index,
        .tcm_handle = HANDLE,
        .tcm_parent = hook,
        .tcm_info = TC_H_MAKE(PRIORITY << 16, htons(ETH_P_ALL)),
    };
    NetlinkMessage *message = tc_request(type, flags, &body);

    nla_put_string(message, TCA_KIND, "bpf");
    return message;
}

static NetlinkMessage *
attach_request(int index, guint32 hook, const LinkProgram *program)
{
    NetlinkMessage *message =
        filter_request(RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_REPLACE, index, hook);
    struct nlattr *options = nla_nest_start(message, TCA_OPTIONS);

    nla_put_u32(message, TCA_BPF_FD, (guint32)program->fd);
    nla_put_string(message, TCA_BPF_NAME, "macvtapd");
    nla_put_u32(message, TCA_BPF_FLAGS, TCA_BPF_FLAG_ACT_DIRECT);
    nla_nest_end(message, options);
    return message;
}

gboolean
filter_attach(Kernel *base, int index, const LinkFilters *filters, GError **error)
{
    g_autofree char *what = g_strdup_printf("cannot attach filters to link %d", index);
    g_autoptr(NetlinkMessage) qdisc = qdisc_request(index);
    g_autoptr(NetlinkMessage) egress = attach_request(index, EGRESS, &filters->egress);
    g_autoptr(NetlinkMessage) ingress = attach_request(index, INGRESS, &filters->ingress);
    NetlinkMessage *const messages[] = {qdisc, egress, ingress};
    NetlinkResult results[G_N_ELEMENTS(messages)];

    if (index <= 0)
        return error_set_errno(error, ENODEV, "%s", what);
    if (!netlink_talk(linux_kernel(base)->netlink, messages, G_N_ELEMENTS(messages), NULL, NULL,
                      results, error))
        return FALSE;
    if (results[0].errnum == EEXIST)
        results[0].errnum = 0;
    for (guint i = 0; i < G_N_ELEMENTS(messages); i++) {
        if (results[i].errnum)
            return netlink_result_error(&results[i], what, error);
    }
    return TRUE;
}

/* The program in an RTM_NEWTFILTER of our filter; 0: another filter. */
static guint32
program_of(struct nlmsghdr *message)
{
    const struct tcmsg *body = nlmsg_data(message);
    struct nlattr *kind, *options, *id;

    if (message->nlmsg_type != RTM_NEWTFILTER || !nlmsg_valid_hdr(message, sizeof *body) ||
        body->tcm_handle != HANDLE || TC_H_MAJ(body->tcm_info) >> 16 != PRIORITY)
        return 0;
    kind = nlmsg_find_attr(message, sizeof *body, TCA_KIND);
    options = nlmsg_find_attr(message, sizeof *body, TCA_OPTIONS);
    if (!kind || !options || nla_strcmp(kind, "bpf") != 0)
        return 0;
    id = nla_find(nla_data(options), nla_len(options), TCA_BPF_ID);
    return id && nla_len(id) >= (int)sizeof(guint32) ? nla_get_u32(id) : 0;
}

static void
take_program(guint index, struct nlmsghdr *message, gpointer user_data)
{
    ((guint32 *)user_data)[index] = program_of(message);
}

gboolean
filter_is_attached(Kernel *base, int index, const LinkFilters *filters, gboolean *ret_attached,
                   GError **error)
{
    g_autofree char *what = g_strdup_printf("cannot look at the filters of link %d", index);
    g_autoptr(NetlinkMessage) egress = filter_request(RTM_GETTFILTER, 0, index, EGRESS);
    g_autoptr(NetlinkMessage) ingress = filter_request(RTM_GETTFILTER, 0, index, INGRESS);
    NetlinkMessage *const messages[] = {egress, ingress};
    NetlinkResult results[G_N_ELEMENTS(messages)];
    guint32 ids[G_N_ELEMENTS(messages)] = {0};

    if (index <= 0)
        return error_set_errno(error, ENODEV, "%s", what);
    if (!netlink_talk(linux_kernel(base)->netlink, messages, G_N_ELEMENTS(messages), take_program,
                      ids, results, error))
        return FALSE;
    if (results[0].errnum == ENODEV)
        return netlink_result_error(&results[0], what, error);
    *ret_attached = ids[0] == filters->egress.id && ids[1] == filters->ingress.id;
    return TRUE;
}

/* ---- changes by others ---- */

typedef struct FilterWatch {
    SocketWatch watch;
    FilterHandler handler;
    gpointer user_data;
} FilterWatch;

/* NetlinkTake */
static void
take_filter(struct nlmsghdr *message, gpointer user_data)
{
    const FilterWatch *watch = user_data;
    const struct tcmsg *body = nlmsg_data(message);

    switch (message->nlmsg_type) {
    case RTM_DELQDISC:
    case RTM_DELTFILTER:
    case RTM_NEWTFILTER:
        if (nlmsg_valid_hdr(message, sizeof *body))
            watch->handler(body->tcm_ifindex, program_of(message), watch->user_data);
        return;
    default:
        return;
    }
}

/* SocketWatch.read */
static gboolean
read_filters(gpointer data)
{
    FilterWatch *watch = data;
    int errnum = netlink_read_groups(watch->watch.fd, take_filter, watch);

    if (errnum != ENOBUFS && errnum != EMSGSIZE)
        return errnum == 0;
    watch->handler(0, 0, watch->user_data);
    return TRUE;
}

/* Keeps our own changes from waking the daemon, and the events that nobody reads: there are five
 * for each port. Words are in the host's byte order, which a socket filter reads as the network's.
 */
static void
leave_out_ours(LinuxKernel *kernel, int fd)
{
    const guint32 ours = htonl(netlink_port(kernel->netlink));
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct nlmsghdr, nlmsg_pid)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ours, 4, 0),
        BPF_STMT(BPF_LD | BPF_H | BPF_ABS, offsetof(struct nlmsghdr, nlmsg_type)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(RTM_DELQDISC), 3, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(RTM_DELTFILTER), 2, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(RTM_NEWTFILTER), 1, 0),
        BPF_STMT(BPF_RET | BPF_K, 0),
        BPF_STMT(BPF_RET | BPF_K, G_MAXUINT32),
    };
    const struct sock_fprog program = {G_N_ELEMENTS(code), code};

    /* Without it the handlers have more to do, and come to the same. */
    setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program);
}

gboolean
filter_watch(Kernel *kernel, FilterHandler handler, gpointer user_data, GError **error)
{
    static const int group = RTNLGRP_TC;
    int size = SOCKET_BUFFER;
    int fd = netlink_open_groups(&group, 1, "cannot listen to the kernel's filter events", error);
    FilterWatch *watch;

    if (fd < 0)
        return FALSE;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
    leave_out_ours(linux_kernel(kernel), fd);
    watch = g_new0(FilterWatch, 1);
    *watch = (FilterWatch){{fd, read_filters}, handler, user_data};
    socket_watch_start(linux_kernel(kernel), watch, "filters");
    return TRUE;
}
