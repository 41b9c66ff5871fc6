/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The least that an administrator's own program can do: one RTM_NEWLINK that also sets the link up
 * (no IPv6 switched off, no alias, no record, nothing verified), open, TUNSETIFF. No library stands
 * in between.
 */
#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct Request {
    struct nlmsghdr header;
    struct ifinfomsg link;
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

int
bare_attach(int index, double *ret_us)
{
    static unsigned int parent;
    int fd;
    gint64 begin;

    if (parent == 0)
        parent = if_nametoindex(BENCH_PARENT);
    begin = bench_now();
    make_link(index, parent);
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
