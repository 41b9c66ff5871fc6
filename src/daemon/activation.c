/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "activation.h"

#include "descriptor.h"
#include "error.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* The first descriptor that a service manager hands in (SD_LISTEN_FDS_START). */
#define FIRST_HANDED_IN 3

static gboolean
is_listening_unix(int fd)
{
    struct sockaddr_un address;
    socklen_t length = sizeof(address), size = sizeof(int);
    int listening = 0;

    return getsockname(fd, (struct sockaddr *)&address, &length) == 0 &&
           address.sun_family == AF_UNIX &&
           getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) == 0 && listening;
}

/* The socket handed in, -1 when there is none, -2 with *error. */
static int
take_handed_in(GError **error)
{
    const char *pid = g_getenv("LISTEN_PID"), *fds = g_getenv("LISTEN_FDS");
    gboolean for_us = pid && fds && g_ascii_strtoull(pid, NULL, 10) == (guint64)getpid();
    guint64 n = for_us ? g_ascii_strtoull(fds, NULL, 10) : 0;

    g_unsetenv("LISTEN_PID");
    g_unsetenv("LISTEN_FDS");
    g_unsetenv("LISTEN_FDNAMES");
    if (n == 0)
        return -1;
    if (n != 1 || !is_listening_unix(FIRST_HANDED_IN)) {
        g_set_error_literal(error, ERRNO_ERROR, EINVAL,
                            "one listening AF_UNIX socket must be handed in, nothing else");
        return -2;
    }
    fcntl(FIRST_HANDED_IN, F_SETFD, FD_CLOEXEC);
    return FIRST_HANDED_IN;
}

static gboolean
set_address(struct sockaddr_un *address, const char *path, GError **error)
{
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(address->sun_path))
        return error_set_errno(error, ENAMETOOLONG, "socket %s", path);
    strcpy(address->sun_path, path);
    return TRUE;
}

/* Removes a socket file whose listener is gone. */
static gboolean
remove_stale(const struct sockaddr_un *address, GError **error)
{
    AUTO_FD int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct stat status;

    if (lstat(address->sun_path, &status) < 0)
        return errno == ENOENT ||
               error_set_errno(error, errno, "cannot look at %s", address->sun_path);
    if (!S_ISSOCK(status.st_mode))
        return error_set_errno(error, EEXIST, "%s is not a socket", address->sun_path);
    if (connect(probe, (const struct sockaddr *)address, sizeof(*address)) == 0 || errno == EAGAIN)
        return error_set_errno(error, EADDRINUSE, "another daemon listens at %s",
                               address->sun_path);
    return unlink(address->sun_path) == 0 || errno == ENOENT ||
           error_set_errno(error, errno, "cannot remove the old socket %s", address->sun_path);
}

int
activation_listen(const char *path, gboolean *ret_owned, GError **error)
{
    int handed_in = take_handed_in(error);
    struct sockaddr_un address;
    AUTO_FD int fd = -1;

    if (handed_in == -2)
        return -1;
    if (handed_in >= 0) {
        *ret_owned = FALSE;
        return handed_in;
    }
    if (!set_address(&address, path, error) || !remove_stale(&address, error))
        return -1;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
        chmod(path, 0666) < 0 || listen(fd, SOMAXCONN) < 0) {
        error_set_errno(error, errno, "cannot listen at %s", path);
        return -1;
    }
    *ret_owned = TRUE;
    return g_steal_fd(&fd);
}

gboolean
activation_notify(const char *text, GError **error)
{
    const char *path = g_getenv("NOTIFY_SOCKET");
    AUTO_FD int fd = -1;
    struct sockaddr_un address;
    socklen_t length;

    if (!path || !path[0])
        return TRUE;
    if (!set_address(&address, path, error))
        return FALSE;
    if (path[0] == '@') /* an abstract name, as long as it is written */
        address.sun_path[0] = '\0';
    length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && RETRY_EINTR(sendto(fd, text, strlen(text), MSG_NOSIGNAL,
                                      (struct sockaddr *)&address, length)) >= 0)
        return TRUE;
    if (errno == ENOENT || errno == ECONNREFUSED) /* nobody is there, so nobody waits */
        return TRUE;
    return error_set_errno(error, errno, "cannot tell the service manager (%s) %s", path, text);
}
