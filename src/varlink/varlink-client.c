/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Without a timeout a call is one sendmsg() and one blocking recvmsg(). With a timeout, or on a
 * non-blocking socket, neither of them blocks: poll() waits.
 */
#include "varlink-client.h"

#include "varlink-message.h"
#include "varlink-transport.h"

#include "error.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

/* The longest message that a service may send: sd-varlink's VARLINK_BUFFER_MAX. */
enum { REPLY_BYTES_MAX = 16 * 1024 * 1024 };

struct VarlinkClient {
    VarlinkTransport transport;
    int timeout;
    gboolean in_flight; /* a reply is due… */
    gboolean more;      /* …and may be followed by others */
    gboolean is_given_up;
};

void
varlink_reply_clear(VarlinkReply *reply)
{
    g_clear_pointer(&reply->error, g_free);
    g_clear_pointer(&reply->parameters, json_decref);
    g_clear_pointer(&reply->descriptors, g_array_unref);
}

/* Sets *ret_length to the address length for connect(). */
static gboolean
fill_address(const char *path, struct sockaddr_un *address, socklen_t *ret_length)
{
    gsize length = strlen(path);
    gboolean is_abstract = path[0] == '@';

    if (length == 0 || length >= sizeof address->sun_path)
        return FALSE;
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(address->sun_path, path, length);
    if (is_abstract)
        address->sun_path[0] = '\0';
    *ret_length = offsetof(struct sockaddr_un, sun_path) + length + (is_abstract ? 0 : 1);
    return TRUE;
}

static gboolean
fail_connect(GError **error, const char *path, int errnum)
{
    g_set_error(error, VARLINK_ERROR, VARLINK_ERROR_CONNECT, "cannot connect to %s: %s", path,
                g_strerror(errnum));
    errno = errnum;
    return FALSE;
}

/* Limits how long connect() waits. */
static gboolean
limit_connect(int fd, int milliseconds)
{
    const struct timeval limit = {milliseconds / 1000, milliseconds % 1000 * 1000};

    if (milliseconds == 0)
        return fcntl(fd, F_SETFL, O_NONBLOCK) == 0;
    return milliseconds < 0 || setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) == 0;
}

/* A signal does not restart the time limit. */
static gboolean
connect_within(int fd, const struct sockaddr_un *address, socklen_t length, int milliseconds)
{
    gint64 end = g_get_monotonic_time() + milliseconds * G_GINT64_CONSTANT(1000);

    while (limit_connect(fd, milliseconds)) {
        if (connect(fd, (const struct sockaddr *)address, length) == 0)
            return TRUE;
        if (errno != EINTR)
            return FALSE;
        if (milliseconds > 0)
            milliseconds = (int)MAX((end - g_get_monotonic_time() + 999) / 1000, 0);
    }
    return FALSE;
}

VarlinkClient *
varlink_client_connect(const char *path, GError **error)
{
    return varlink_client_connect_within(path, -1, error);
}

VarlinkClient *
varlink_client_connect_within(const char *path, int milliseconds, GError **error)
{
    const char *name = g_str_has_prefix(path, "unix:") ? path + strlen("unix:") : path;
    struct sockaddr_un address;
    socklen_t length;
    AUTO_FD int fd = -1;

    if (!fill_address(name, &address, &length)) {
        fail_connect(error, name, *name ? ENAMETOOLONG : ENOENT);
        return NULL;
    }
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || !connect_within(fd, &address, length, milliseconds)) {
        int errnum = errno;

        descriptor_clear(&fd);
        fail_connect(error, name, errnum);
        return NULL;
    }
    return varlink_client_new_from_fd(g_steal_fd(&fd));
}

VarlinkClient *
varlink_client_new_from_fd(int fd)
{
    VarlinkClient *client = g_new0(VarlinkClient, 1);

    varlink_transport_init(&client->transport, fd, REPLY_BYTES_MAX, TRUE);
    client->timeout = -1;
    return client;
}

void
varlink_client_free(VarlinkClient *client)
{
    if (!client)
        return;
    varlink_transport_clear(&client->transport);
    g_free(client);
}

int
varlink_client_get_fd(const VarlinkClient *client)
{
    return client->transport.fd;
}

void
varlink_client_set_timeout(VarlinkClient *client, int milliseconds)
{
    client->timeout = milliseconds;
}

/* Gives up the connection: after a failure the start of the next message is unknown. */
static gboolean
client_give_up(VarlinkClient *client)
{
    client->is_given_up = TRUE;
    client->in_flight = FALSE;
    return FALSE;
}

static gboolean
client_fail(VarlinkClient *client, GError **error, VarlinkError code, const char *what)
{
    g_set_error(error, VARLINK_ERROR, code, "%s", what);
    return client_give_up(client);
}

static int
client_flags(const VarlinkClient *client)
{
    return client->timeout >= 0 ? MSG_DONTWAIT : 0;
}

static gboolean
client_wait(VarlinkClient *client, short events, GError **error)
{
    gint64 deadline = g_get_monotonic_time() + client->timeout * G_GINT64_CONSTANT(1000);
    struct pollfd item = {client->transport.fd, events};
    int left = client->timeout;
    int ready;

    while ((ready = poll(&item, 1, left)) < 0 && errno == EINTR)
        if (client->timeout >= 0)
            left = MAX((deadline - g_get_monotonic_time() + 999) / 1000, 0);
    if (ready < 0) {
        error_set_errno(error, errno, "cannot wait for the service");
        return client_give_up(client);
    }
    if (ready == 0)
        return client_fail(client, error, VARLINK_ERROR_TIMED_OUT, "the service did not answer");
    return TRUE;
}

static gboolean
client_write(VarlinkClient *client, GError **error)
{
    for (;;) {
        switch (varlink_transport_write(&client->transport, client_flags(client), error)) {
        case VARLINK_PROGRESS_DONE:
            return TRUE;
        case VARLINK_PROGRESS_WAIT:
            if (!client_wait(client, POLLOUT, error))
                return FALSE;
            break;
        default:
            return client_give_up(client);
        }
    }
}

/* Reads once, and waits for data if there is none. */
static gboolean
client_read(VarlinkClient *client, GError **error)
{
    for (;;) {
        switch (varlink_transport_read(&client->transport, client_flags(client), error)) {
        case VARLINK_PROGRESS_DONE:
            return TRUE;
        case VARLINK_PROGRESS_WAIT:
            if (!client_wait(client, POLLIN, error))
                return FALSE;
            break;
        case VARLINK_PROGRESS_END:
            return client_fail(client, error, VARLINK_ERROR_CLOSED,
                               "the service closed the connection");
        default:
            return client_give_up(client);
        }
    }
}

static gboolean
client_check_idle(VarlinkClient *client, GError **error)
{
    if (client->is_given_up) {
        g_set_error(error, VARLINK_ERROR, VARLINK_ERROR_CLOSED, "the connection is closed");
        return FALSE;
    }
    if (client->in_flight) {
        g_set_error(error, VARLINK_ERROR, VARLINK_ERROR_BUSY, "a call is already in flight");
        return FALSE;
    }
    if (varlink_frame_pending(&client->transport.frame) > 0)
        return client_fail(client, error, VARLINK_ERROR_PROTOCOL,
                           "the service sent an unexpected reply");
    return TRUE;
}

/* Queues a call; parameters are taken. */
static gboolean
client_queue(VarlinkClient *client, const char *method, json_t *parameters, VarlinkCallFlags flags,
             GError **error)
{
    VarlinkCallMessage call = {
        .method = (char *)method,
        .parameters = parameters,
        .oneway = (flags & VARLINK_CALL_ONEWAY) != 0,
        .more = (flags & VARLINK_CALL_MORE) != 0,
        .upgrade = (flags & VARLINK_CALL_UPGRADE) != 0,
    };
    gboolean idle = client_check_idle(client, error);
    char *text = idle ? varlink_call_message_format(&call) : NULL;

    json_decref(parameters);
    if (!idle)
        return FALSE;
    if (!text) {
        g_set_error(error, VARLINK_ERROR, VARLINK_ERROR_PROTOCOL, "the call is not UTF-8 text");
        return FALSE;
    }
    varlink_transport_queue(&client->transport, text, NULL);
    client->in_flight = !call.oneway;
    client->more = call.more;
    return TRUE;
}

gboolean
varlink_client_send(VarlinkClient *client, const char *method, json_t *parameters,
                    VarlinkCallFlags flags, GError **error)
{
    return client_queue(client, method, parameters, flags, error) && client_write(client, error);
}

gboolean
varlink_client_start(VarlinkClient *client, const char *method, json_t *parameters,
                     VarlinkCallFlags flags, GError **error)
{
    if (!client_queue(client, method, parameters, flags, error))
        return FALSE;
    if (varlink_transport_write(&client->transport, MSG_DONTWAIT, error) == VARLINK_PROGRESS_FAILED)
        return client_give_up(client);
    return TRUE;
}

gboolean
varlink_client_has_unsent(const VarlinkClient *client)
{
    return client->transport.unsent.length > 0;
}

static gboolean
client_parse(VarlinkClient *client, const VarlinkFrameMessage *text, DescriptorArray *descriptors,
             VarlinkReply *ret_reply, GError **error)
{
    VarlinkReplyMessage message;

    if (!varlink_reply_message_parse(text->text, text->length, &message, error)) {
        g_array_unref(descriptors);
        return client_give_up(client);
    }
    if (message.continues && !client->more) {
        varlink_reply_message_clear(&message);
        g_array_unref(descriptors);
        return client_fail(client, error, VARLINK_ERROR_PROTOCOL,
                           "the service sent several replies to a call that expects one");
    }
    client->in_flight = message.continues;
    *ret_reply = (VarlinkReply){message.error, message.parameters, descriptors, message.continues};
    return TRUE;
}

gboolean
varlink_client_receive(VarlinkClient *client, VarlinkReply *ret_reply, GError **error)
{
    if (client->is_given_up || !client->in_flight) {
        g_set_error(error, VARLINK_ERROR,
                    client->is_given_up ? VARLINK_ERROR_CLOSED : VARLINK_ERROR_PROTOCOL,
                    client->is_given_up ? "the connection is closed" : "no call is in flight");
        return FALSE;
    }
    for (;;) {
        VarlinkFrameMessage text;
        DescriptorArray *descriptors;

        switch (varlink_transport_next(&client->transport, &text, &descriptors, error)) {
        case VARLINK_PROGRESS_DONE:
            return client_parse(client, &text, descriptors, ret_reply, error);
        case VARLINK_PROGRESS_WAIT:
            if (!client_read(client, error))
                return FALSE;
            break;
        default:
            return client_give_up(client);
        }
    }
}

/* One read without waiting; end of file is a failure. */
static VarlinkProgress
client_read_now(VarlinkClient *client, GError **error)
{
    VarlinkProgress progress = varlink_transport_read(&client->transport, MSG_DONTWAIT, error);

    if (progress == VARLINK_PROGRESS_END) {
        client_fail(client, error, VARLINK_ERROR_CLOSED, "the service closed the connection");
        return VARLINK_PROGRESS_FAILED;
    }
    if (progress == VARLINK_PROGRESS_FAILED)
        client_give_up(client);
    return progress;
}

/* The next message, if it was received or can be read now. */
static VarlinkProgress
client_next_now(VarlinkClient *client, VarlinkFrameMessage *ret_text,
                DescriptorArray **ret_descriptors, GError **error)
{
    VarlinkProgress progress;

    while ((progress = varlink_transport_next(&client->transport, ret_text, ret_descriptors,
                                              error)) == VARLINK_PROGRESS_WAIT) {
        progress = client_read_now(client, error);
        if (progress != VARLINK_PROGRESS_DONE)
            return progress;
    }
    if (progress == VARLINK_PROGRESS_FAILED)
        client_give_up(client);
    return progress;
}

VarlinkProgress
varlink_client_step(VarlinkClient *client, VarlinkReply *ret_reply, GError **error)
{
    VarlinkFrameMessage text;
    DescriptorArray *descriptors;
    VarlinkProgress progress;

    if (client->is_given_up) {
        g_set_error(error, VARLINK_ERROR, VARLINK_ERROR_CLOSED, "the connection is closed");
        return VARLINK_PROGRESS_FAILED;
    }
    if (varlink_transport_write(&client->transport, MSG_DONTWAIT, error) ==
        VARLINK_PROGRESS_FAILED) {
        client_give_up(client);
        return VARLINK_PROGRESS_FAILED;
    }
    progress = client_next_now(client, &text, &descriptors, error);
    if (progress != VARLINK_PROGRESS_DONE)
        return progress;
    if (!client->in_flight) {
        g_array_unref(descriptors);
        client_fail(client, error, VARLINK_ERROR_PROTOCOL, "the service sent an unexpected reply");
        return VARLINK_PROGRESS_FAILED;
    }
    return client_parse(client, &text, descriptors, ret_reply, error) ? VARLINK_PROGRESS_DONE
                                                                      : VARLINK_PROGRESS_FAILED;
}

gboolean
varlink_client_call(VarlinkClient *client, const char *method, json_t *parameters,
                    VarlinkReply *ret_reply, GError **error)
{
    return varlink_client_send(client, method, parameters, VARLINK_CALL_PLAIN, error) &&
           varlink_client_receive(client, ret_reply, error);
}
