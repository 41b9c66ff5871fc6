/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * A request is waiting (not sent yet), then in flight (one at a time: macvtapd answers one call of
 * a connection after the other), then completed. A completed one is handed to its callback by
 * macvtap_client_dispatch(), or kept for macvtap_client_next_completed(), or it is the one that
 * macvtap_client_call() waits for. client_step() does whatever can be done without waiting; the
 * calls that block put a poll() around it.
 *
 * Every failure of the connection ends in client_lose(), the only way from connected to not
 * connected, so every request gets a result; `untold` makes macvtap_client_dispatch() report it
 * once, unless the result of macvtap_client_call() was that loss.
 */
#include "client-private.h"

#include "varlink-message.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

#define DEFAULT_SOCKET "/run/macvtapd/socket"

/* The most events to read ahead; the others wait in the socket, but for a few that a read brought
 * with the last: so reading goes on as soon as all are taken. */
enum { EVENTS_MAX = 1024 };

struct MacvtapClient {
    VarlinkClient *varlink; /* NULL: not connected */
    int timeout;            /* milliseconds; -1: none */
    GQueue waiting;         /* of MacvtapRequest, like those below */
    MacvtapRequest *in_flight;
    gint64 limit;     /* deadline of the request in flight, on the monotonic clock; -1: none */
    GQueue to_call;   /* completed; their callbacks have yet to be called */
    GQueue completed; /* for macvtap_client_next_completed() */
    GQueue events;    /* of MacvtapEvent */
    gboolean watching;
    gboolean is_held; /* client_step() stopped at EVENTS_MAX: there may be replies already read */
    int untold; /* the negative errno of a lost connection that was not reported yet; 0: none */
    char *lost; /* why it was lost */
    ClientPoll poll;
    char *message;
    MacvtapRefusal refusal;
};

MacvtapClient *
macvtap_client_new(void)
{
    MacvtapClient *client = g_new0(MacvtapClient, 1);

    client->timeout = MACVTAP_TIMEOUT_DEFAULT;
    client->limit = -1;
    client->poll = (ClientPoll)CLIENT_POLL_INIT;
    return client;
}

static gboolean
client_has_something(const MacvtapClient *client)
{
    return client->untold || client->to_call.length > 0 || client->completed.length > 0 ||
           client->events.length > 0;
}

static ClientPollState
client_poll_state(const MacvtapClient *client)
{
    return (ClientPollState){
        .connection = client->varlink ? varlink_client_get_fd(client->varlink) : -1,
        .has_unsent = client->varlink && varlink_client_has_unsent(client->varlink),
        .has_something = client_has_something(client),
        .limit = client->limit,
    };
}

/* Sets what the client's getters say about the call that ends; message is copied. */
static int
client_result(MacvtapClient *client, int result, MacvtapRefusal refusal, const char *message)
{
    g_free(client->message);
    client->message = g_strdup(message);
    client->refusal = refusal;
    return result;
}

static int
client_succeed(MacvtapClient *client)
{
    return client_result(client, 0, MACVTAP_REFUSAL_NONE, NULL);
}

static int
client_fail(MacvtapClient *client, int errnum, const char *message)
{
    return client_result(client, -errnum, MACVTAP_REFUSAL_NONE, message);
}

static void
client_complete(MacvtapClient *client, MacvtapRequest *request)
{
    request->client = NULL;
    if (request->is_called)
        return;
    request->client = client; /* until it is handed over */
    g_queue_push_tail(request->completed ? &client->to_call : &client->completed, request);
}

/* The result of macvtap_client_call() reports the loss. message is taken. */
static void
client_complete_lost(MacvtapClient *client, MacvtapRequest *request, int errnum, char *message)
{
    if (request->is_called)
        client->untold = 0;
    client_answer_fail(&request->answer, errnum, message);
    client_complete(client, request);
}

/* The connection is lost; message says why. */
static int
client_lose(MacvtapClient *client, int errnum, const char *message)
{
    MacvtapRequest *request = g_steal_pointer(&client->in_flight);

    client_poll_forget(&client->poll);
    g_clear_pointer(&client->varlink, varlink_client_free);
    client->watching = client->is_held = FALSE;
    client->limit = -1;
    client->untold = -errnum;
    g_free(client->lost);
    client->lost = g_strdup(message);
    if (request)
        client_complete_lost(client, request, errnum, g_strdup(message));
    while ((request = g_queue_pop_head(&client->waiting)))
        client_complete_lost(client, request, ENOTCONN,
                             g_strdup_printf("the request was not sent: %s", message));
    return client_fail(client, errnum, message);
}

static int
client_lose_by(MacvtapClient *client, const GError *cause)
{
    g_autofree char *message = g_strconcat("connection to macvtapd: ", cause->message, NULL);

    if (g_error_matches(cause, VARLINK_ERROR, VARLINK_ERROR_CLOSED))
        /* macvtapd cannot give a reason to a caller whose connection it refuses. */
        return client_lose(client, ECONNRESET,
                           "macvtapd closed the connection: it has stopped, or you have too many "
                           "connections to it open");
    return client_lose(client, cause->domain == VARLINK_ERROR ? EPROTO : EIO, message);
}

/* Makes the polled descriptor signal the client's state: 0, or a negative errno if that lost the
 * connection, because nothing would tell the caller of its input. */
static int
client_update_poll(MacvtapClient *client)
{
    ClientPollState state = client_poll_state(client);
    g_autofree char *message = NULL;
    int errnum;

    if (client_poll_update(&client->poll, &state))
        return 0;
    errnum = errno;
    message = g_strdup_printf("cannot poll the connection to macvtapd: %s",
                              errnum == ENOSPC ? "your user's limit on epoll watches is reached "
                                                 "(fs.epoll.max_user_watches)"
                                               : g_strerror(errnum));
    client_lose(client, errnum, message);
    state = client_poll_state(client);
    client_poll_update(&client->poll, &state);
    return -errnum;
}

void
client_forget_request(MacvtapClient *client, MacvtapRequest *request)
{
    if (request == client->in_flight) /* it is among the completed ones then */
        client_lose(client, ECANCELED, "a request that was already sent was cancelled");
    g_queue_remove(&client->waiting, request);
    g_queue_remove(&client->to_call, request);
    g_queue_remove(&client->completed, request);
    request->client = NULL;
    client_update_poll(client);
}

static void
client_abandon(MacvtapRequest *request)
{
    request->client = NULL;
    if (request->answer.result == -EINPROGRESS)
        client_answer_fail(&request->answer, ECANCELED, g_strdup("the client was freed"));
}

void
macvtap_client_free(MacvtapClient *client)
{
    if (!client)
        return;
    if (client->in_flight)
        client_abandon(client->in_flight);
    g_queue_clear_full(&client->waiting, (GDestroyNotify)client_abandon);
    g_queue_clear_full(&client->to_call, (GDestroyNotify)client_abandon);
    g_queue_clear_full(&client->completed, (GDestroyNotify)client_abandon);
    g_queue_clear_full(&client->events, (GDestroyNotify)macvtap_event_free);
    client_poll_clear(&client->poll);
    varlink_client_free(client->varlink);
    g_free(client->lost);
    g_free(client->message);
    g_free(client);
}

void
macvtap_client_set_timeout(MacvtapClient *client, int milliseconds)
{
    client->timeout = milliseconds;
}

static int
client_connect(MacvtapClient *client, const char *path, int timeout)
{
    g_autoptr(GError) cause = NULL;
    g_autofree char *message = NULL;
    int r, errnum;

    if (client->varlink)
        client_lose(client, ENOTCONN, "the client is reconnecting");
    client->untold = 0;
    if (!path)
        path = secure_getenv("MACVTAPD_SOCKET");
    client->varlink =
        varlink_client_connect_within(path && path[0] ? path : DEFAULT_SOCKET, timeout, &cause);
    errnum = errno;
    r = client_update_poll(client);
    if (r < 0) {
        client->untold = 0; /* this call reports it */
        client_update_poll(client);
        return r;
    }
    if (client->varlink)
        return client_succeed(client);
    message = g_strdup_printf("cannot reach macvtapd (is it running?): %s", cause->message);
    return client_fail(client, errnum == EAGAIN && timeout > 0 ? ETIMEDOUT : errnum, message);
}

int
macvtap_client_connect(MacvtapClient *client, const char *socket_path)
{
    return client_connect(client, socket_path, client->timeout);
}

int
macvtap_client_try_connect(MacvtapClient *client, const char *socket_path)
{
    return client_connect(client, socket_path, 0);
}

bool
macvtap_client_is_connected(const MacvtapClient *client)
{
    return client->varlink != NULL;
}

int
macvtap_client_get_peer_pid(const MacvtapClient *client)
{
    struct ucred peer = {0};
    socklen_t size = sizeof peer;

    if (!client->varlink)
        return -ENOTCONN;
    if (getsockopt(varlink_client_get_fd(client->varlink), SOL_SOCKET, SO_PEERCRED, &peer, &size) <
        0)
        return -errno;
    return peer.pid;
}

const char *
macvtap_client_get_message(const MacvtapClient *client)
{
    return client->message;
}

MacvtapRefusal
macvtap_client_get_refusal(const MacvtapClient *client)
{
    return client->refusal;
}

/* Sends the request in flight, or the next part of it. */
static int
client_send(MacvtapClient *client)
{
    MacvtapRequest *request = client->in_flight;
    VarlinkCallFlags flags =
        request->method == MACVTAP_METHOD_WATCH_PORTS ? VARLINK_CALL_MORE : VARLINK_CALL_PLAIN;
    g_autoptr(GError) cause = NULL;

    if (varlink_client_start(client->varlink, client_method_name(request->method),
                             client_request_parameters(request), flags, &cause))
        return 0;
    return client_lose_by(client, cause);
}

static int
client_send_next(MacvtapClient *client)
{
    if (client->in_flight)
        return 0;
    client->in_flight = g_queue_pop_head(&client->waiting);
    if (!client->in_flight)
        return 0;
    client->limit = client->timeout < 0
                        ? -1
                        : g_get_monotonic_time() + client->timeout * G_GINT64_CONSTANT(1000);
    return client_send(client);
}

static int
client_take_event(MacvtapClient *client, const VarlinkReply *reply)
{
    MacvtapEvent *event = reply->error ? NULL : client_event_new(reply);

    if (!event)
        return client_lose(client, EPROTO, "macvtapd sent a malformed answer: not an event");
    g_queue_push_tail(&client->events, event);
    return reply->continues ? 0
                            : client_lose(client, ECONNRESET, "macvtapd no longer sends events");
}

static int
client_take_answer(MacvtapClient *client, const VarlinkReply *reply)
{
    MacvtapRequest *request = client->in_flight;

    if (!client_answer_read(request, reply))
        return client_send(client);
    client->in_flight = NULL;
    client->limit = -1;
    client->watching = request->method == MACVTAP_METHOD_WATCH_PORTS && reply->continues;
    client_complete(client, request);
    return 0;
}

/* Reads one reply if there is one: 1, 0 if there is none, or a negative errno. */
static int
client_take_reply(MacvtapClient *client)
{
    g_auto(VarlinkReply) reply = {0};
    g_autoptr(GError) cause = NULL;
    int r;

    switch (varlink_client_step(client->varlink, &reply, &cause)) {
    case VARLINK_PROGRESS_DONE:
        r = client->watching ? client_take_event(client, &reply)
                             : client_take_answer(client, &reply);
        return r < 0 ? r : 1;
    case VARLINK_PROGRESS_WAIT:
        return 0;
    default:
        return client_lose_by(client, cause);
    }
}

/* Events of an earlier connection do not count against one that brings none. */
static gboolean
client_is_full(const MacvtapClient *client)
{
    return client->watching && client->events.length >= EVENTS_MAX;
}

/* Does what can be done without waiting; a negative errno if that lost the connection. */
static int
client_step(MacvtapClient *client)
{
    int r = 1;

    while (r > 0 && !client_is_full(client)) {
        r = client_send_next(client);
        if (r == 0)
            r = client_take_reply(client);
    }
    client->is_held = r > 0;
    if (r >= 0 && client->limit >= 0 && client->limit <= g_get_monotonic_time())
        r = client_lose(client, ETIMEDOUT, "macvtapd does not answer");
    return MIN(r, 0);
}

/* Waits for the connection: 0, or a negative errno. milliseconds: see poll(). */
static int
client_await(MacvtapClient *client, int milliseconds)
{
    struct pollfd item = {varlink_client_get_fd(client->varlink), POLLIN};
    gint64 left;

    if (varlink_client_has_unsent(client->varlink))
        item.events |= POLLOUT;
    if (client->limit >= 0) {
        left = MAX((client->limit - g_get_monotonic_time() + 999) / 1000, 0);
        milliseconds = milliseconds < 0 ? (int)left : (int)MIN(left, milliseconds);
    }
    return poll(&item, 1, milliseconds) < 0 ? -errno : 0;
}

/* A watch is the last request of its connection. */
static gboolean
client_is_watcher(MacvtapClient *client)
{
    const MacvtapRequest *last = g_queue_peek_tail(&client->waiting) ?: client->in_flight;

    return client->watching || (last && last->method == MACVTAP_METHOD_WATCH_PORTS);
}

/* Checks whether a request can be accepted; forgets its previous answer. */
static int
client_check_request(MacvtapClient *client, MacvtapRequest *request)
{
    if (request->client)
        return client_fail(client, EBUSY, "the request is already pending");
    if (!client->varlink)
        return client_fail(client, ENOTCONN, "the client is not connected");
    if (client_is_watcher(client))
        return client_fail(client, EBUSY,
                           "this client watches ports and accepts no other request: use a second "
                           "client");
    if (!client_method_name(request->method))
        return client_fail(client, EINVAL, "there is no such method");
    client_answer_clear(&request->answer);
    request->names_sent = 0;
    return 0;
}

int
macvtap_client_submit(MacvtapClient *client, MacvtapRequest *request, MacvtapCompleted *completed,
                      void *user_data)
{
    int r = client_check_request(client, request);

    if (r < 0)
        return r;
    request->client = client;
    request->is_called = FALSE;
    request->completed = completed;
    request->user_data = user_data;
    g_queue_push_tail(&client->waiting, request);
    client_send_next(client);
    client_update_poll(client);
    return client_succeed(client);
}

int
macvtap_client_call(MacvtapClient *client, MacvtapRequest *request)
{
    int r = client_check_request(client, request);

    if (r < 0)
        return r;
    request->client = client;
    request->is_called = TRUE;
    g_queue_push_tail(&client->waiting, request);
    r = client_send_next(client);
    while (r >= 0 && request->client) {
        r = client_await(client, -1);
        r = r < 0 && r != -EINTR ? client_lose(client, -r, "cannot wait for macvtapd")
                                 : client_step(client);
    }
    client_update_poll(client);
    return client_result(client, request->answer.result, request->answer.refusal,
                         request->answer.message);
}

int
macvtap_client_get_fd(MacvtapClient *client)
{
    const ClientPollState state = client_poll_state(client);
    int fd = client_poll_open(&client->poll, &state);

    if (fd < 0)
        return client_fail(client, errno, "cannot create a descriptor to poll");
    client_update_poll(client);
    return fd;
}

static void
client_call_back(MacvtapClient *client)
{
    MacvtapRequest *request;

    while ((request = g_queue_pop_head(&client->to_call))) {
        request->client = NULL;
        request->completed(request, request->user_data);
    }
}

int
macvtap_client_dispatch(MacvtapClient *client)
{
    g_autofree char *lost = NULL; /* a callback may lose the next connection */
    int r;

    if (client->varlink)
        client_step(client);
    else if (!client->untold)
        client_lose(client, ENOTCONN, "the client is not connected");
    r = client->untold;
    client->untold = 0;
    lost = g_steal_pointer(&client->lost);
    client_call_back(client);
    client_update_poll(client);
    return client_result(client, r, MACVTAP_REFUSAL_NONE, r < 0 ? lost : NULL);
}

MacvtapRequest *
macvtap_client_next_completed(MacvtapClient *client)
{
    MacvtapRequest *request = g_queue_pop_head(&client->completed);

    if (request)
        request->client = NULL;
    client_update_poll(client);
    return request;
}

MacvtapEvent *
macvtap_client_next_event(MacvtapClient *client)
{
    MacvtapEvent *event = g_queue_pop_head(&client->events);

    if (client->is_held && client->events.length == 0)
        client_step(client);
    client_update_poll(client);
    return event;
}

int
macvtap_client_wait(MacvtapClient *client, int milliseconds)
{
    int r = 0;

    if (client->varlink && !client_has_something(client))
        r = client_await(client, milliseconds);
    if (r < 0)
        return client_fail(client, -r, "waiting for macvtapd was interrupted");
    r = macvtap_client_dispatch(client);
    return r < 0 ? r : client_has_something(client);
}
