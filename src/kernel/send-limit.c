/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * A link's pace is a token bucket (net/sched/sch_tbf.c) as its root qdisc. What a guest writes to a
 * queue of its macvtap goes through it (dev_queue_xmit()), after the filters of filter.c and before
 * the parent, also to other guests of that parent. A frame that is larger than the bucket (GSO) is
 * cut, so TCP is delayed and not starved. The alternative, a departure time in each frame with fq,
 * was not taken: fq does not cut frames, so at 10 Mbit/s each of 64 KiB keeps the line for 52 ms,
 * and not every kernel has it.
 *
 * macvtapd recognizes its qdisc by the handle. A root qdisc with any other is another program's.
 */
#include "linux-private.h"

#include "error.h"

#include <errno.h>
#include <linux/gen_stats.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/netlink.h>

#define HANDLE TC_H_MAKE(0x4d56 << 16, 0) /* 4d56: in tc's words */
#define KIND "tbf"

static NetlinkMessage *
pace_request(guint16 type, guint16 flags, int index, guint32 handle)
{
    const struct tcmsg body = {.tcm_ifindex = index, .tcm_handle = handle, .tcm_parent = TC_H_ROOT};

    return tc_request(type, flags, &body);
}

/* Changes our qdisc if there is one, and replaces any other. */
static NetlinkMessage *
set_request(int index, const LinkPace *pace)
{
    const struct tc_tbf_qopt options = {
        .rate = {.rate = (guint32)MIN(pace->rate, (guint64)G_MAXUINT32),
                 .linklayer = TC_LINKLAYER_ETHERNET},
        .limit = pace->queue,
    };
    NetlinkMessage *message =
        pace_request(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_REPLACE, index, HANDLE);
    struct nlattr *nested;

    nla_put_string(message, TCA_KIND, KIND);
    nested = nla_nest_start(message, TCA_OPTIONS);
    nla_put(message, TCA_TBF_PARMS, sizeof options, &options);
    nla_put_u32(message, TCA_TBF_BURST, pace->burst);
    if (pace->rate > G_MAXUINT32)
        nla_put_u64(message, TCA_TBF_RATE64, pace->rate);
    nla_nest_end(message, nested);
    return message;
}

/* No qdisc of this kind, or no qdiscs at all in this kernel: nothing to remove. */
static gboolean
remove_pace(LinuxKernel *kernel, int index, const char *what, GError **error)
{
    g_autoptr(NetlinkMessage) message = pace_request(RTM_DELQDISC, 0, index, HANDLE);
    NetlinkMessage *const messages[] = {message};
    NetlinkResult result;

    if (!netlink_talk(kernel->netlink, messages, 1, NULL, NULL, &result, error))
        return FALSE;
    return result.errnum == 0 || result.errnum == ENOENT || result.errnum == EINVAL ||
           result.errnum == EOPNOTSUPP || netlink_result_error(&result, what, error);
}

gboolean
pace_set(Kernel *base, int index, const LinkPace *pace, GError **error)
{
    g_autofree char *what = g_strdup_printf("cannot set the pace of link %d", index);
    g_autoptr(NetlinkMessage) message = NULL;

    if (index <= 0)
        return error_set_errno(error, ENODEV, "%s", what);
    if (pace->rate == 0)
        return remove_pace(linux_kernel(base), index, what, error);
    message = set_request(index, pace);
    return netlink_ask(linux_kernel(base)->netlink, message, NULL, NULL, what, error);
}

typedef struct Reading {
    LinkPace pace;
    LinkPaceCost cost;
} Reading;

static void
read_options(Reading *reading, const struct nlattr *options)
{
    const struct nlattr *parameters = nla_find(nla_data(options), nla_len(options), TCA_TBF_PARMS);
    const struct nlattr *rate = nla_find(nla_data(options), nla_len(options), TCA_TBF_RATE64);
    const struct tc_tbf_qopt *values = parameters ? nla_data(parameters) : NULL;

    if (!values || nla_len(parameters) < (int)sizeof *values)
        return;
    reading->pace.rate = rate ? nla_get_u64(rate) : values->rate.rate;
    reading->pace.queue = values->limit;
}

static void
read_statistics(Reading *reading, const struct nlattr *statistics)
{
    const struct nlattr *queue =
        nla_find(nla_data(statistics), nla_len(statistics), TCA_STATS_QUEUE);
    const struct gnet_stats_queue *values = queue ? nla_data(queue) : NULL;

    if (!values || nla_len(queue) < (int)sizeof *values)
        return;
    reading->cost = (LinkPaceCost){.dropped = values->drops, .delayed = values->overlimits};
}

/* NetlinkReply */
static void
take_pace(guint index, struct nlmsghdr *message, gpointer user_data)
{
    const struct tcmsg *body = nlmsg_data(message);
    struct nlattr *kind, *options, *statistics;

    if (message->nlmsg_type != RTM_NEWQDISC || !nlmsg_valid_hdr(message, sizeof *body) ||
        body->tcm_handle != HANDLE || body->tcm_parent != TC_H_ROOT)
        return;
    kind = nlmsg_find_attr(message, sizeof *body, TCA_KIND);
    options = nlmsg_find_attr(message, sizeof *body, TCA_OPTIONS);
    statistics = nlmsg_find_attr(message, sizeof *body, TCA_STATS2);
    if (!kind || !options || nla_strcmp(kind, KIND) != 0)
        return;
    read_options(user_data, options);
    if (statistics)
        read_statistics(user_data, statistics);
}

gboolean
pace_get(Kernel *base, int index, LinkPace *ret_pace, LinkPaceCost *ret_cost, GError **error)
{
    g_autofree char *what = g_strdup_printf("cannot read the pace of link %d", index);
    /* Without NLM_F_ECHO the answer goes to the listeners of RTNLGRP_TC only. */
    g_autoptr(NetlinkMessage) message = pace_request(RTM_GETQDISC, NLM_F_ECHO, index, 0);
    NetlinkMessage *const messages[] = {message};
    NetlinkResult result;
    Reading reading = {0};

    if (index <= 0)
        return error_set_errno(error, ENODEV, "%s", what);
    if (!netlink_talk(linux_kernel(base)->netlink, messages, 1, take_pace, &reading, &result,
                      error))
        return FALSE;
    if (result.errnum && result.errnum != ENOENT)
        return netlink_result_error(&result, what, error);
    *ret_pace = reading.pace;
    *ret_cost = reading.cost;
    return TRUE;
}
