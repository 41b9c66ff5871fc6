/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation. One turn accepts one connection. Its owner is not known yet, so all new
 * connections together get the share of one user, and a flood of them delays a call no more than
 * one busy user does.
 *
 * An accept4() that fails for lack of descriptors leaves the queue as it is. Each listener
 * therefore keeps one descriptor in reserve: it closes that one, accepts the connection in its
 * place, closes the connection at once, which tells the caller, and reopens the reserve. If even
 * that fails (ENFILE, ENOMEM), there is no event to wait for, and the listener ignores the socket
 * for a second.
 */
#include "varlink-private.h"

#include "bounded-close.h"
#include "descriptor.h"
#include "error.h"
#include "source.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <sys/socket.h>

/* Newer than Debian 12's headers; include/uapi/asm-generic/socket.h */
#ifndef SO_PASSPIDFD
#define SO_PASSPIDFD 76
#endif
#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83
#endif

struct VarlinkListener {
    VarlinkWatch *watch;
    GSource *pause; /* NULL: the socket is not being ignored */
    int fd, reserve;
    VarlinkAcceptFunc accepted;
    gpointer user_data;
};

static int
take_reserve(void)
{
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static int
listener_accept(VarlinkListener *listener)
{
    return RETRY_EINTR(accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC));
}

/* Refuses one connection for lack of descriptors; FALSE if even that fails. *ret_empty: no
 * connection waits, which accept4() reports only once it has a descriptor. */
static gboolean
listener_refuse(VarlinkListener *listener, gboolean *ret_empty)
{
    int fd;

    if (listener->reserve < 0)
        return FALSE;
    descriptor_clear(&listener->reserve);
    fd = listener_accept(listener);
    *ret_empty = fd < 0 && errno == EAGAIN;
    bounded_close(&fd);
    listener->reserve = take_reserve();
    return listener->reserve >= 0;
}

static gboolean
listener_go_on(gpointer user_data)
{
    VarlinkListener *listener = user_data;

    source_clear(&listener->pause);
    varlink_watch_again(listener->watch);
    return G_SOURCE_REMOVE;
}

/* VarlinkWatchFunc */
static void
listener_turn(guint32 events, gpointer user_data)
{
    VarlinkListener *listener = user_data;
    gboolean empty;
    int fd;

    if (listener->pause)
        return;
    if (listener->reserve < 0)
        listener->reserve = take_reserve();
    fd = listener_accept(listener);
    empty = fd < 0 && errno == EAGAIN;
    if (fd < 0 && !empty && errno != ECONNABORTED && !listener_refuse(listener, &empty))
        listener->pause = source_add_timeout(1000, listener_go_on, listener, "full");
    else if (!empty)
        varlink_watch_again(listener->watch);
    if (fd >= 0)
        listener->accepted(fd, listener->user_data);
}

/* Accepted sockets inherit these options, and the control messages they add would look like
 * unexpected descriptors. A service manager may have turned them on. */
static void
stop_ancillary_data(int fd)
{
    static const int options[] = {SO_PASSCRED, SO_PASSSEC, SO_PASSPIDFD, SO_PASSRIGHTS};
    const int off = 0;

    for (guint i = 0; i < G_N_ELEMENTS(options); i++)
        (void)setsockopt(fd, SOL_SOCKET, options[i], &off, sizeof off);
}

VarlinkListener *
varlink_listener_new(VarlinkPoller *poller, int listen_fd, VarlinkAcceptFunc accepted,
                     gpointer user_data, GError **error)
{
    AUTO_FD int fd = listen_fd;
    VarlinkListener *listener;
    int is_listening = 0;
    socklen_t bytes = sizeof is_listening;

    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &is_listening, &bytes) < 0) {
        error_set_errno(error, errno, "cannot use the listening socket");
        return NULL;
    }
    if (!is_listening) {
        error_set_errno(error, EINVAL, "the socket does not listen");
        return NULL;
    }
    if (!g_unix_set_fd_nonblocking(fd, TRUE, error))
        return NULL;
    stop_ancillary_data(fd);
    listener = g_new0(VarlinkListener, 1);
    listener->fd = g_steal_fd(&fd);
    listener->reserve = take_reserve();
    listener->accepted = accepted;
    listener->user_data = user_data;
    listener->watch = varlink_watch_new(poller, listener->fd, VARLINK_POLLER_NOBODY, listener_turn,
                                        listener, error);
    if (!listener->watch)
        g_clear_pointer(&listener, varlink_listener_free);
    return listener;
}

void
varlink_listener_free(VarlinkListener *listener)
{
    if (!listener)
        return;
    source_clear(&listener->pause);
    varlink_watch_free(listener->watch);
    /* Including the connections that were never accepted. */
    bounded_close(&listener->fd);
    descriptor_clear(&listener->reserve);
    g_free(listener);
}
