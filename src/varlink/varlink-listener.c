/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation. A listening socket stays readable until its queue is empty, so an accept4()
 * that fails for lack of descriptors would make the main loop spin. Each listener therefore keeps
 * one descriptor in reserve: it is closed, the connection accepted in its place and closed at once,
 * which tells the caller, and the reserve taken again. Should even that fail (ENFILE, ENOMEM),
 * there is no event to wait for, and the socket is left alone for a second.
 */
#include "varlink-listener.h"

#include "descriptor.h"
#include "error.h"

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
    GSource *source;
    gpointer tag;
    int fd, reserve;
    VarlinkAcceptFunc accepted;
    gpointer user_data;
};

typedef struct ListenerSource {
    GSource source;
    VarlinkListener *listener;
} ListenerSource;

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

/* Refuses one connection for lack of descriptors; FALSE if not even that works. */
static gboolean
listener_refuse(VarlinkListener *listener)
{
    int fd;

    if (listener->reserve < 0)
        return FALSE;
    descriptor_clear(&listener->reserve);
    fd = listener_accept(listener);
    descriptor_clear(&fd);
    listener->reserve = take_reserve();
    return listener->reserve >= 0;
}

static void
listener_set_polled(VarlinkListener *listener, gboolean polled)
{
    g_source_modify_unix_fd(listener->source, listener->tag, polled ? G_IO_IN : 0);
    g_source_set_ready_time(listener->source,
                            polled ? -1 : g_get_monotonic_time() + G_USEC_PER_SEC);
}

static gboolean
listener_dispatch(GSource *source, GSourceFunc callback, gpointer user_data)
{
    VarlinkListener *listener = ((ListenerSource *)source)->listener;
    int fd;

    if (g_source_get_ready_time(source) >= 0)
        listener_set_polled(listener, TRUE);
    if (listener->reserve < 0)
        listener->reserve = take_reserve();
    fd = listener_accept(listener);
    if (fd >= 0)
        listener->accepted(fd, listener->user_data);
    else if (errno != EAGAIN && errno != ECONNABORTED && !listener_refuse(listener))
        listener_set_polled(listener, FALSE);
    return G_SOURCE_CONTINUE;
}

/* Accepted sockets inherit these, and what they add would look to a connection like descriptors
 * that nobody asked for. A service manager may have turned them on. */
static void
stop_ancillary_data(int fd)
{
    static const int options[] = {SO_PASSCRED, SO_PASSSEC, SO_PASSPIDFD, SO_PASSRIGHTS};
    const int off = 0;

    for (guint i = 0; i < G_N_ELEMENTS(options); i++)
        (void)setsockopt(fd, SOL_SOCKET, options[i], &off, sizeof off);
}

static GSourceFuncs listener_functions = {.dispatch = listener_dispatch};

VarlinkListener *
varlink_listener_new(int listen_fd, VarlinkAcceptFunc accepted, gpointer user_data, GError **error)
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
    listener->source = g_source_new(&listener_functions, sizeof(ListenerSource));
    ((ListenerSource *)listener->source)->listener = listener;
    /* Not that it does: it saves two writes to the loop's eventfd, as for a connection. */
    g_source_set_can_recurse(listener->source, TRUE);
    listener->tag = g_source_add_unix_fd(listener->source, listener->fd, G_IO_IN);
    g_source_attach(listener->source, g_main_context_get_thread_default());
    return listener;
}

void
varlink_listener_free(VarlinkListener *listener)
{
    if (!listener)
        return;
    g_source_destroy(listener->source);
    g_source_unref(listener->source);
    descriptor_clear(&listener->fd);
    descriptor_clear(&listener->reserve);
    g_free(listener);
}
