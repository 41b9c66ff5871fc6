/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The least that an administrator's own program can do: one RTM_NEWLINK that also sets the link up
 * (no IPv6 switched off, no alias, no record, nothing verified), open, TUNSETIFF; and the same with
 * a program, which does nothing, on each of the link's two hooks (a clsact qdisc and two filters).
 * No library stands in between.
 */
#include "bench.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

typedef struct Request {
    struct nlmsghdr header;
    union {
        struct ifinfomsg link;
        struct tcmsg filter;
    };
    char attributes[256];
} Request;

static struct rtattr *
put(Request *request, unsigned short type, const void *data, gsize length)
{
    struct rtattr *attribute =
        (struct rtattr *)((char *)request + NLMSG_ALIGN(request->header.nlmsg_len));

    attribute->rta_type = type;
    attribute->rta_len = (unsigned short)RTA_LENGTH(length);
    if (length)
        memcpy(RTA_DATA(attribute), data, length);
    request->header.nlmsg_len =
        (guint32)(NLMSG_ALIGN(request->header.nlmsg_len) + RTA_ALIGN(attribute->rta_len));
    return attribute;
}

static void
nest_end(Request *request, struct rtattr *nest)
{
    nest->rta_len = (unsigned short)((char *)request + request->header.nlmsg_len - (char *)nest);
}

static void
talk(Request *request, const char *what)
{
    static int fd = -1;
    struct {
        struct nlmsghdr header;
        struct nlmsgerr error;
        char rest[1024];
    } answer;

    if (fd < 0)
        fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    request->header.nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
    if (send(fd, request, request->header.nlmsg_len, 0) < 0 ||
        recv(fd, &answer, sizeof answer, 0) < 0)
        bench_die(what, errno);
    if (answer.header.nlmsg_type != NLMSG_ERROR || answer.error.error != 0)
        bench_die(what, -answer.error.error);
}

static void
make_link(int index, unsigned int parent)
{
    const guint8 mac[] = {
        0x52,         0x54, (guint8)(index >> 24), (guint8)(index >> 16), (guint8)(index >> 8),
        (guint8)index};
    const guint32 group = BENCH_GROUP, mode = MACVLAN_MODE_BRIDGE;
    struct rtattr *info, *data;
    Request request = {.header = {.nlmsg_len = NLMSG_LENGTH(sizeof(struct ifinfomsg)),
                                  .nlmsg_type = RTM_NEWLINK,
                                  .nlmsg_flags = NLM_F_CREATE | NLM_F_EXCL},
                       .link = {.ifi_index = index, .ifi_flags = IFF_UP, .ifi_change = IFF_UP}};
    char name[IFNAMSIZ];

    snprintf(name, sizeof name, "f%d", index);
    put(&request, IFLA_IFNAME, name, strlen(name) + 1);
    put(&request, IFLA_LINK, &parent, sizeof parent);
    put(&request, IFLA_ADDRESS, mac, sizeof mac);
    put(&request, IFLA_GROUP, &group, sizeof group);
    info = put(&request, IFLA_LINKINFO, NULL, 0);
    put(&request, IFLA_INFO_KIND, "macvtap", strlen("macvtap"));
    data = put(&request, IFLA_INFO_DATA, NULL, 0);
    put(&request, IFLA_MACVLAN_MODE, &mode, sizeof mode);
    nest_end(&request, data);
    nest_end(&request, info);
    talk(&request, "RTM_NEWLINK");
}

static int
open_queue(int index)
{
    struct ifreq queue = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
    char path[32];
    int fd;

    snprintf(path, sizeof path, "/dev/tap%d", index);
    fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        bench_die(path, errno);
    if (ioctl(fd, TUNSETIFF, &queue) < 0)
        bench_die("TUNSETIFF", errno);
    return fd;
}

static int
load_program(void)
{
    const struct bpf_insn code[] = {
        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = TC_ACT_UNSPEC},
        {.code = BPF_JMP | BPF_EXIT},
    };
    union bpf_attr load = {
        .prog_type = BPF_PROG_TYPE_SCHED_CLS,
        .insns = (guint64)(gsize)code,
        .insn_cnt = G_N_ELEMENTS(code),
        .license = (guint64)(gsize) "GPL",
    };
    int fd = (int)syscall(SYS_bpf, BPF_PROG_LOAD, &load, sizeof load);

    if (fd < 0)
        bench_die("BPF_PROG_LOAD", errno);
    return fd;
}

static Request
filter_request(guint16 type, int index, guint32 handle, guint32 parent, const char *kind)
{
    Request request = {
        .header = {.nlmsg_len = NLMSG_LENGTH(sizeof(struct tcmsg)),
                   .nlmsg_type = type,
                   .nlmsg_flags = NLM_F_CREATE | NLM_F_EXCL},
        .filter = {.tcm_ifindex = index, .tcm_handle = handle, .tcm_parent = parent}};

    put(&request, TCA_KIND, kind, strlen(kind) + 1);
    return request;
}

static void
make_hooks(int index)
{
    Request request =
        filter_request(RTM_NEWQDISC, index, TC_H_MAKE(TC_H_CLSACT, 0), TC_H_CLSACT, "clsact");

    talk(&request, "RTM_NEWQDISC");
}

static void
attach_program(int index, guint32 hook, int program)
{
    const guint32 flags = TCA_BPF_FLAG_ACT_DIRECT;
    Request request = filter_request(RTM_NEWTFILTER, index, 1, TC_H_MAKE(TC_H_CLSACT, hook), "bpf");
    struct rtattr *options;

    request.filter.tcm_info = TC_H_MAKE(1U << 16, htons(ETH_P_ALL));
    options = put(&request, TCA_OPTIONS, NULL, 0);
    put(&request, TCA_BPF_FD, &program, sizeof program);
    put(&request, TCA_BPF_NAME, "bare", sizeof "bare");
    put(&request, TCA_BPF_FLAGS, &flags, sizeof flags);
    nest_end(&request, options);
    talk(&request, "RTM_NEWTFILTER");
}

static void
attach_programs(int index)
{
    static int program = -1;

    if (program < 0)
        program = load_program();
    make_hooks(index);
    attach_program(index, TC_H_MIN_EGRESS, program);
    attach_program(index, TC_H_MIN_INGRESS, program);
}

int
bare_attach(int index, gboolean has_programs, double *ret_us)
{
    static unsigned int parent;
    int fd;
    gint64 begin;

    if (parent == 0)
        parent = if_nametoindex(BENCH_PARENT);
    begin = bench_now();
    make_link(index, parent);
    if (has_programs)
        attach_programs(index);
    fd = open_queue(index);
    *ret_us = bench_since(begin);
    return fd;
}

void
bare_delete(int index)
{
    Request request = {
        .header = {.nlmsg_len = NLMSG_LENGTH(sizeof(struct ifinfomsg)), .nlmsg_type = RTM_DELLINK},
        .link = {.ifi_index = index}};

    talk(&request, "RTM_DELLINK");
}

void
bare_delete_group(void)
{
    const guint32 group = BENCH_GROUP;
    Request request = {
        .header = {.nlmsg_len = NLMSG_LENGTH(sizeof(struct ifinfomsg)), .nlmsg_type = RTM_DELLINK}};

    put(&request, IFLA_GROUP, &group, sizeof group);
    talk(&request, "RTM_DELLINK of a group");
}
