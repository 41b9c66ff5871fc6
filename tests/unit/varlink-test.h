/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the Varlink module's tests share. Sockets of one process answer at once: no test waits. */
#pragma once

#include "descriptor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* How many descriptors this process holds. */
static inline guint
count_descriptors(void)
{
    GDir *folder = g_dir_open("/proc/self/fd", 0, NULL);
    guint count = 0;

    assert_non_null(folder);
    while (g_dir_read_name(folder))
        count++;
    g_dir_close(folder);
    return count;
}

/* So many new descriptors of /dev/null. */
static inline DescriptorArray *
make_descriptors(guint count)
{
    DescriptorArray *descriptors = descriptor_array_new();

    for (guint i = 0; i < count; i++)
        descriptor_array_take(descriptors, open("/dev/null", O_RDONLY | O_CLOEXEC));
    return descriptors;
}

static inline void
make_pair(int ret_pair[2])
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ret_pair), 0);
}

/* Sends bytes, with descriptors (or NULL, still the caller's); -1 and errno on failure. */
static inline gssize
send_bytes(int fd, const char *bytes, gsize length, const DescriptorArray *descriptors)
{
    struct iovec part = {(char *)bytes, length};
    struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(253 * sizeof(int))] = {0};

    if (descriptors) {
        struct cmsghdr *rights = (struct cmsghdr *)control;

        header.msg_control = control;
        header.msg_controllen = CMSG_SPACE(descriptors->len * sizeof(int));
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(descriptors->len * sizeof(int));
        memcpy(CMSG_DATA(rights), descriptors->data, descriptors->len * sizeof(int));
    }
    return sendmsg(fd, &header, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* Sends text and its NUL. */
static inline void
send_text(int fd, const char *text)
{
    gssize length = strlen(text) + 1;

    assert_int_equal(send_bytes(fd, text, length, NULL), length);
}

/* One receive without waiting: how many bytes (0: end, -1: none there), how many descriptors
 * (closed). */
static inline gssize
receive_bytes(int fd, char *buffer, gsize size, guint *ret_descriptors)
{
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(253 * sizeof(int))];
    struct iovec part = {buffer, size};
    struct msghdr header = {.msg_iov = &part,
                            .msg_iovlen = 1,
                            .msg_control = control,
                            .msg_controllen = sizeof control};
    gssize received = recvmsg(fd, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    struct cmsghdr *rights = received > 0 ? CMSG_FIRSTHDR(&header) : NULL;

    *ret_descriptors = rights ? (rights->cmsg_len - CMSG_LEN(0)) / sizeof(int) : 0;
    for (guint i = 0; i < *ret_descriptors; i++)
        close(((int *)CMSG_DATA(rights))[i]);
    return received;
}

/* All that is there now must be exactly text and its NUL. */
static inline void
expect_text(int fd, const char *text)
{
    char buffer[4096] = {0};
    guint descriptors;
    gssize received = receive_bytes(fd, buffer, sizeof buffer, &descriptors);

    if (received < 0)
        fail_msg("nothing came instead of %s", text);
    assert_string_equal(buffer, text);
    assert_int_equal(received, strlen(text) + 1);
    assert_int_equal(descriptors, 0);
}

static inline void
expect_nothing(int fd)
{
    char byte;

    assert_int_equal(recv(fd, &byte, 1, MSG_DONTWAIT), -1);
}

/* ECONNRESET: the peer closed with something of ours unread. */
static inline void
expect_closed(int fd)
{
    char byte;
    gssize received = recv(fd, &byte, 1, MSG_DONTWAIT);

    assert_true(received == 0 || (received < 0 && errno == ECONNRESET));
}

/* Runs the main loop until it has nothing to do. */
static inline void
settle(void)
{
    while (g_main_context_iteration(NULL, FALSE))
        ;
}
