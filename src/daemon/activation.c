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

/* The first descriptor that a service manager passes (SD_LISTEN_FDS_START). */
#define FIRST_HANDED_IN 3

#define CONTAINERS_NAME "containers"

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

static gboolean
fail_handed_in(GError **error)
{
    g_set_error_literal(error, ERRNO_ERROR, EINVAL,
                        "the service manager must pass one listening AF_UNIX socket, and "
                        "optionally a second one with the name '" CONTAINERS_NAME
                        "', nothing else");
    return FALSE;
}

/* Any other name is the main socket's: the service manager names that one, too. */
static gboolean
take_one(int fd, const char *name, int *fds, GError **error)
{
    DaemonSocket which = g_strcmp0(name, CONTAINERS_NAME) == 0 ? SOCKET_CONTAINERS : SOCKET_MAIN;

    if (fds[which] >= 0 || !is_listening_unix(fd))
        return fail_handed_in(error);
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    fds[which] = fd;
    return TRUE;
}

static guint64
count_handed_in(void)
{
    const char *pid = g_getenv("LISTEN_PID"), *fds = g_getenv("LISTEN_FDS");
    gboolean for_us = pid && fds && g_ascii_strtoull(pid, NULL, 10) == (guint64)getpid();

    return for_us ? g_ascii_strtoull(fds, NULL, 10) : 0;
}

gboolean
activation_take(int ret_fds[static DAEMON_SOCKETS], GError **error)
{
    guint64 n = count_handed_in();
    g_auto(GStrv) names = g_strsplit(g_getenv("LISTEN_FDNAMES") ?: "", ":", -1);
    guint n_names = g_strv_length(names);
    int fds[DAEMON_SOCKETS] = {-1, -1};

    g_unsetenv("LISTEN_PID");
    g_unsetenv("LISTEN_FDS");
    g_unsetenv("LISTEN_FDNAMES");
    if (n > DAEMON_SOCKETS)
        return fail_handed_in(error);
    for (guint i = 0; i < n; i++) {
        if (!take_one(FIRST_HANDED_IN + (int)i, i < n_names ? names[i] : NULL, fds, error))
            return FALSE;
    }
    if (fds[SOCKET_CONTAINERS] >= 0 && fds[SOCKET_MAIN] < 0)
        return fail_handed_in(error);
    memcpy(ret_fds, fds, sizeof fds);
    return TRUE;
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

/* TRUE if nothing listens on the socket any longer, as only ECONNREFUSED shows. */
static gboolean
check_stale(const struct sockaddr_un *address, GError **error)
{
    const char *path = address->sun_path;
    AUTO_FD int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (probe < 0)
        return error_set_errno(error, errno, "cannot tell whether %s is in use", path);
    if (connect(probe, (const struct sockaddr *)address, sizeof(*address)) == 0 || errno == EAGAIN)
        return error_set_errno(error, EADDRINUSE, "another daemon listens at %s", path);
    if (errno == ECONNREFUSED || errno == ENOENT)
        return TRUE;
    if (errno == EPROTOTYPE)
        return error_set_errno(error, EADDRINUSE, "another program uses the socket %s", path);
    return error_set_errno(error, errno, "cannot tell whether %s is in use", path);
}

/* Removes a socket file whose listener is gone. */
static gboolean
remove_stale(const struct sockaddr_un *address, GError **error)
{
    struct stat status;

    if (lstat(address->sun_path, &status) < 0)
        return errno == ENOENT ||
               error_set_errno(error, errno, "cannot examine %s", address->sun_path);
    if (!S_ISSOCK(status.st_mode))
        return error_set_errno(error, EEXIST, "%s is not a socket", address->sun_path);
    if (!check_stale(address, error))
        return FALSE;
    return unlink(address->sun_path) == 0 || errno == ENOENT ||
           error_set_errno(error, errno, "cannot remove the old socket %s", address->sun_path);
}

int
activation_listen(const char *path, GError **error)
{
    struct sockaddr_un address;
    AUTO_FD int fd = -1;

    if (!set_address(&address, path, error) || !remove_stale(&address, error))
        return -1;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
        chmod(path, 0666) < 0 || listen(fd, SOMAXCONN) < 0) {
        error_set_errno(error, errno, "cannot listen at %s", path);
        return -1;
    }
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
    if (path[0] == '@') /* an abstract name ends where the text ends */
        address.sun_path[0] = '\0';
    length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && RETRY_EINTR(sendto(fd, text, strlen(text), MSG_NOSIGNAL,
                                      (struct sockaddr *)&address, length)) >= 0)
        return TRUE;
    if (errno == ENOENT || errno == ECONNREFUSED) /* nothing listens, so nothing waits */
        return TRUE;
    return error_set_errno(error, errno, "cannot tell the service manager (%s) %s", path, text);
}
