/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "activation.h"

#include "descriptor.h"
#include "error.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define NAME "org.macvtapd.lock"

static socklen_t
set_name(struct sockaddr_un *address)
{
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(address->sun_path + 1, NAME, strlen(NAME));
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(NAME));
}

/* Explains why the name is taken: the kernel knows the listener's credentials. A macvtapd accepts
 * connections, so the queue cannot be filled before us; a listener that does not accept is not
 * macvtapd, even if it takes this long to find out. */
#define PATIENCE_S 2

static void
explain(const struct sockaddr_un *address, socklen_t length, GError **error)
{
    AUTO_FD int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const struct timeval patience = {.tv_sec = PATIENCE_S};
    struct ucred peer = {.uid = (uid_t)-1};
    socklen_t size = sizeof peer;

    if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience) == 0 &&
        RETRY_EINTR(connect(fd, (const struct sockaddr *)address, length)) == 0 &&
        getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.uid == geteuid())
        g_set_error(error, ERRNO_ERROR, EBUSY,
                    "another macvtapd (process %d) runs in this network namespace", (int)peer.pid);
    else
        g_set_error(error, ERRNO_ERROR, EADDRINUSE,
                    "another program holds the socket name @" NAME
                    ": a second macvtapd in this network namespace would not be noticed");
}

int
namespace_lock(GError **error)
{
    AUTO_FD int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_un address;
    socklen_t length = set_name(&address);

    if (fd >= 0 && bind(fd, (struct sockaddr *)&address, length) == 0 && listen(fd, SOMAXCONN) == 0)
        return g_steal_fd(&fd);
    if (fd >= 0 && errno == EADDRINUSE)
        explain(&address, length, error);
    else
        error_set_errno(error, errno, "cannot hold the socket name @" NAME);
    return -1;
}
