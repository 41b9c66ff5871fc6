/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "docker-driver.h"

#include "descriptor.h"
#include "error.h"

#include <errno.h>
#include <glib-unix.h>
#include <microhttpd.h>
#include <string.h>
#include <sys/socket.h>

/* dockerd opens a few at a time. In another program's event loop libmicrohttpd 0.9.75 stops
 * accepting for good once it has reached this limit. */
#define CONNECTIONS_MAX 512

#define CONTENT_TYPE "application/vnd.docker.plugins.v1.1+json"

struct DockerHttp {
    struct MHD_Daemon *server;
    DockerDriver *driver;
    guint watch;
};

/* Only root can open the socket, but it could have passed it on. */
static gboolean
is_root(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct ucred peer;
    socklen_t size = sizeof(peer);

    return info && getsockopt(info->connect_fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
           peer.uid == 0;
}

/* Takes object. */
static enum MHD_Result
answer_with(struct MHD_Connection *connection, unsigned status, json_t *object)
{
    char *text = json_dumps(object, JSON_COMPACT);
    struct MHD_Response *response =
        MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_FREE);
    enum MHD_Result result;

    json_decref(object);
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, CONTENT_TYPE);
    result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result
refuse_with(struct MHD_Connection *connection, unsigned status, const char *message)
{
    return answer_with(connection, status, json_pack("{s:s}", "Err", message));
}

/* MHD_AccessHandlerCallback: once for the head of a request, then for each part of its body, and
 * with none at its end. */
static enum MHD_Result
on_request(void *data, struct MHD_Connection *connection, const char *path, const char *method,
           const char *version, const char *part, size_t *length, void **request)
{
    DockerHttp *http = data;
    GString *body = *request;

    if (!body) {
        *request = g_string_new(NULL);
        return MHD_YES;
    }
    if (*length > 0) { /* a body that is too long is read to its end before it is refused */
        if (body->len <= DOCKER_BODY_MAX)
            g_string_append_len(body, part, (gssize)*length);
        *length = 0;
        return MHD_YES;
    }
    if (!is_root(connection))
        return refuse_with(connection, MHD_HTTP_FORBIDDEN, "only root may use macvtapd's driver");
    if (!g_str_equal(method, MHD_HTTP_METHOD_POST))
        return refuse_with(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "the method is not POST");
    if (body->len > DOCKER_BODY_MAX)
        return refuse_with(connection, MHD_HTTP_CONTENT_TOO_LARGE, "the request is too long");
    return answer_with(connection, MHD_HTTP_OK,
                       docker_driver_call(http->driver, path, body->str, body->len));
}

/* MHD_RequestCompletedCallback */
static void
on_completed(void *data, struct MHD_Connection *connection, void **request,
             enum MHD_RequestTerminationCode code)
{
    if (*request)
        g_string_free(*request, TRUE);
    *request = NULL;
}

/* GUnixFDSourceFunc; libmicrohttpd asks for another run at once when it has work left. */
static gboolean
on_ready(int fd, GIOCondition condition, gpointer data)
{
    DockerHttp *http = data;
    MHD_UNSIGNED_LONG_LONG timeout;

    do
        MHD_run(http->server);
    while (MHD_get_timeout(http->server, &timeout) == MHD_YES && timeout == 0);
    return G_SOURCE_CONTINUE;
}

DockerHttp *
docker_http_new(int fd, DockerDriver *driver, GError **error)
{
    AUTO_FD int owned = fd;
    g_autoptr(DockerHttp) http = g_new0(DockerHttp, 1);

    http->driver = driver;
    http->server =
        MHD_start_daemon(MHD_USE_EPOLL, 0, NULL, NULL, on_request, http, MHD_OPTION_LISTEN_SOCKET,
                         owned, MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MAX,
                         MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL, MHD_OPTION_END);
    if (!http->server) {
        error_set_errno(error, errno, "cannot serve HTTP");
        return NULL;
    }
    g_steal_fd(&owned);
    http->watch =
        g_unix_fd_add(MHD_get_daemon_info(http->server, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd,
                      G_IO_IN, on_ready, http);
    return g_steal_pointer(&http);
}

void
docker_http_free(DockerHttp *http)
{
    if (!http)
        return;
    g_clear_handle_id(&http->watch, g_source_remove);
    g_clear_pointer(&http->server, MHD_stop_daemon);
    g_free(http);
}
