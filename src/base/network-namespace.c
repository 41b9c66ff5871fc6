/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "network-namespace.h"

#include "descriptor.h"

#include <sys/socket.h>

/* include/uapi/asm-generic/socket.h of Linux 5.14 */
#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

guint64
network_namespace_cookie(int socket_fd)
{
    guint64 cookie = 0;
    socklen_t size = sizeof cookie;

    return getsockopt(socket_fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &size) == 0 ? cookie : 0;
}

guint64
network_namespace_own_cookie(void)
{
    AUTO_FD int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    return fd < 0 ? 0 : network_namespace_cookie(fd);
}
