/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * When the kernel makes a macvtap it announces the tap's device number, too: to whoever listens in
 * the link's network namespace and to nobody else (kobject_uevent_net_broadcast()), before it
 * answers RTM_NEWLINK. Reading that is much cheaper than looking the number up in sysfs, where each
 * part of the path is new to the kernel's caches. An event serves a link's first queue; after that
 * it has been read, and sysfs has the number for the others. So nothing depends on events, and some
 * may get lost.
 *
 * Events of new taps, which a socket filter selects, stay in the socket until somebody wants a
 * number. Names and indexes can be used again: the last event that fits belongs to the link that
 * is there now.
 */
#include "linux-private.h"

#include "descriptor.h"
#include "error.h"

#include <errno.h>
#include <linux/filter.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>

#define KERNEL_GROUP 1  /* udev sends to another */
#define EVENT_SIZE 8192 /* bytes; the kernel's have at most 2,048 and twice a path */

#define EVENTS_MAX 4096 /* more than a socket holds */

#define PREFIX "add@/devices/virtual/net/"
#define AT_NAME (sizeof PREFIX - 1)

#define WORD(a, b, c, d) ((guint32)(a) << 24 | (guint32)(b) << 16 | (guint32)(c) << 8 | (d))

/* Passes "add@/devices/virtual/net/NAME/mac…". A load beyond the end of an event rejects it. */
static gboolean
select_events(int fd)
{
    enum { REJECT = 2 + 2 * INTERFACE_NAME_MAX, ACCEPT, LENGTH };
    struct sock_filter code[LENGTH] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, WORD('a', 'd', 'd', '@'), 0, REJECT - 2),
        [REJECT] = BPF_STMT(BPF_RET | BPF_K, 0),
        [ACCEPT] = BPF_STMT(BPF_RET | BPF_K, G_MAXUINT32),
    };
    const struct sock_fprog program = {LENGTH, code};

    for (guint length = 1; length <= INTERFACE_NAME_MAX; length++) {
        struct sock_filter *at = &code[2 * length];
        const struct sock_filter load = BPF_STMT(BPF_LD | BPF_W | BPF_ABS, AT_NAME + length);
        const struct sock_filter jump =
            BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, WORD('/', 'm', 'a', 'c'),
                     (guint8)(ACCEPT - 2 * length - 2), 0);

        at[0] = load;
        at[1] = jump;
    }
    return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) == 0;
}

int
tap_events_open(void)
{
    const struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = KERNEL_GROUP};
    AUTO_FD int fd =
        socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT);

    if (fd < 0 || !select_events(fd) ||
        bind(fd, (const struct sockaddr *)&address, sizeof address) < 0)
        return -1;
    return g_steal_fd(&fd);
}

/* text: "ACTION@PATH", then "KEY=VALUE", each with a NUL at its end. */
static gboolean
parse_number(const char *text, const char *end, dev_t *ret_device)
{
    unsigned long major_number = 0, minor_number = 0;
    gboolean has_major = FALSE, has_minor = FALSE;

    for (; text < end; text += strlen(text) + 1) {
        if (g_str_has_prefix(text, "MAJOR=")) {
            major_number = strtoul(text + strlen("MAJOR="), NULL, 10);
            has_major = TRUE;
        } else if (g_str_has_prefix(text, "MINOR=")) {
            minor_number = strtoul(text + strlen("MINOR="), NULL, 10);
            has_minor = TRUE;
        }
    }
    if (has_major && has_minor)
        *ret_device = makedev((unsigned int)major_number, (unsigned int)minor_number);
    return has_major && has_minor;
}

gboolean
tap_events_find(int fd, const LinkInfo *link, dev_t *ret_device)
{
    char wanted[sizeof PREFIX "/macvtap/tap" + INTERFACE_NAME_MAX + 11], event[EVENT_SIZE + 1];
    struct sockaddr_nl sender;
    gboolean is_found = FALSE, is_lost = FALSE;

    snprintf(wanted, sizeof wanted, PREFIX "%s/macvtap/tap%d", link->name, link->index);
    for (guint i = 0; i < EVENTS_MAX; i++) {
        socklen_t size = sizeof sender;
        gssize n = RETRY_EINTR(
            recvfrom(fd, event, EVENT_SIZE, MSG_DONTWAIT, (struct sockaddr *)&sender, &size));

        if (n < 0 && errno == ENOBUFS) {
            is_lost = TRUE; /* maybe the last one; those before it are still to be read */
            continue;
        }
        if (n < 0)
            return is_found && !is_lost;
        event[n] = '\0';
        if (sender.nl_pid == 0 && strcmp(event, wanted) == 0)
            is_found = parse_number(event, event + n, ret_device);
    }
    return FALSE;
}
