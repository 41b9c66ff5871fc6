/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libmacvtap in somebody else's loop: when its descriptor is readable, and what comes of it. */
#include "client-fixture.h"

#include <dlfcn.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/wait.h>

/* The errno with which the kernel watches no further descriptor; 0: it does. */
static int watch_errnum;

/* The library's, too. The kernel's limit is the whole machine's: a test must not lower it. */
int
epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event)
{
    int (*real)(int, int, int, struct epoll_event *) = NULL;

    *(void **)&real = dlsym(RTLD_NEXT, "epoll_ctl");
    if (operation != EPOLL_CTL_ADD || watch_errnum == 0)
        return real(epoll, operation, fd, event);
    errno = watch_errnum;
    return -1;
}

static void
count_call(MacvtapRequest *request, void *user_data)
{
    ++*(guint *)user_data;
}

static MacvtapRequest *
submit_delete(ClientFixture *fixture, MacvtapCompleted *completed, void *user_data)
{
    MacvtapRequest *request = new_request(MACVTAP_METHOD_DELETE_PORT, "port", "web");

    assert_int_equal(macvtap_client_submit(fixture->client, request, completed, user_data), 0);
    return request;
}

/* The descriptor tells of an answer. */
static void
submit_and_answer(ClientFixture *fixture)
{
    MacvtapRequest *request = submit_delete(fixture, NULL, NULL);

    expect_call(fixture, "DeletePort", "{'port':'web'}");
    assert_false(is_readable(fixture));
    answer(fixture, "{}");
    assert_true(is_readable(fixture));
    assert_int_equal(macvtap_client_dispatch(fixture->client), 0);
    assert_ptr_equal(macvtap_client_next_completed(fixture->client), request);
    macvtap_request_free(request);
}

static void
test_completed_without_callback(void **state)
{
    ClientFixture *fixture = *state;
    MacvtapRequest *request;

    assert_false(is_readable(fixture));
    request = submit_delete(fixture, NULL, NULL);
    expect_call(fixture, "DeletePort", "{'port':'web'}");
    assert_int_equal(macvtap_request_get_result(request), -EINPROGRESS);
    assert_int_equal(macvtap_client_submit(fixture->client, request, NULL, NULL), -EBUSY);
    assert_int_equal(macvtap_client_call(fixture->client, request), -EBUSY);
    assert_int_equal(macvtap_client_dispatch(fixture->client), 0);
    assert_null(macvtap_client_next_completed(fixture->client));
    assert_false(is_readable(fixture));
    answer(fixture, "{}");
    assert_true(is_readable(fixture));
    assert_int_equal(macvtap_client_dispatch(fixture->client), 0);
    assert_true(is_readable(fixture)); /* until it is taken */
    assert_ptr_equal(macvtap_client_next_completed(fixture->client), request);
    assert_int_equal(macvtap_request_get_result(request), 0);
    assert_null(macvtap_client_next_completed(fixture->client));
    assert_false(is_readable(fixture));
    macvtap_request_free(request);
}

/* They are sent one after the other, and each is told. */
static void
test_several_requests(void **state)
{
    ClientFixture *fixture = *state;
    MacvtapRequest *requests[3];
    guint calls = 0;

    for (guint i = 0; i < 3; i++)
        requests[i] = submit_delete(fixture, count_call, &calls);
    for (guint i = 0; i < 3; i++) {
        assert_int_equal(calls, i);
        expect_call(fixture, "DeletePort", "{'port':'web'}");
        expect_nothing(fixture->service);
        answer(fixture, i == 1 ? REFUSAL("PortNotFound", "gone") : "{}");
        assert_true(is_readable(fixture));
        assert_int_equal(macvtap_client_dispatch(fixture->client), 0);
    }
    assert_false(is_readable(fixture));
    assert_int_equal(calls, 3);
    assert_int_equal(macvtap_request_get_result(requests[0]), 0);
    assert_int_equal(macvtap_request_get_result(requests[1]), -ENOENT);
    assert_int_equal(macvtap_request_get_result(requests[2]), 0);
    for (guint i = 0; i < 3; i++)
        macvtap_request_free(requests[i]);
}

/* A call that blocks comes after what was submitted, whose callback it leaves to dispatch. */
static void
test_call_behind_a_submitted_request(void **state)
{
    ClientFixture *fixture = *state;
    guint calls = 0;
    MacvtapRequest *request = submit_delete(fixture, count_call, &calls);

    macvtap_client_set_timeout(fixture->client, 0);
    answer(fixture, "{}");
    assert_int_equal(ask(fixture, MACVTAP_METHOD_DELETE_PORT, "port", "b"), -ETIMEDOUT);
    assert_int_equal(macvtap_request_get_result(request), 0);
    assert_int_equal(calls, 0);
    assert_true(is_readable(fixture));
    assert_int_equal(macvtap_client_dispatch(fixture->client), -ENOTCONN);
    assert_int_equal(calls, 1);
    assert_false(is_readable(fixture));
    macvtap_request_free(request);
}

static void
submit_once_more(MacvtapRequest *request, void *user_data)
{
    ClientFixture *fixture = user_data;

    macvtap_request_free(request);
    if (!fixture->request)
        fixture->request = submit_delete(fixture, submit_once_more, fixture);
    else
        fixture->request = NULL;
}

static void
test_callback_submits_and_frees(void **state)
{
    ClientFixture *fixture = *state;

    submit_delete(fixture, submit_once_more, fixture);
    expect_call(fixture, "DeletePort", "{'port':'web'}");
    answer(fixture, "{}");
    assert_int_equal(macvtap_client_dispatch(fixture->client), 0);
    expect_call(fixture, "DeletePort", "{'port':'web'}");
    answer(fixture, "{}");
    assert_int_equal(macvtap_client_dispatch(fixture->client), 0);
    assert_null(fixture->request);
}

/* An answer that comes in pieces wakes the loop for each, and is one. */
static void
test_answer_in_pieces(void **state)
{
    ClientFixture *fixture = *state;
    MacvtapRequest *request = submit_delete(fixture, NULL, NULL);

    send_bytes(fixture->service, "{", 1, NULL);
    assert_true(is_readable(fixture));
    assert_int_equal(macvtap_client_wait(fixture->client, -1), 0);
    assert_false(is_readable(fixture));
    send_bytes(fixture->service, "}", 2, NULL);
    assert_int_equal(macvtap_client_wait(fixture->client, -1), 1);
    assert_ptr_equal(macvtap_client_next_completed(fixture->client), request);
    macvtap_request_free(request);
}

/* The socket takes it in pieces: the descriptor is readable when there is room for the next. */
static void
test_request_in_pieces(void **state)
{
    ClientFixture *fixture = *state;
    g_autofree char *long_name = g_strnfill(4 * 1024 * 1024, 'x');
    g_autofree char *buffer = g_malloc(64 * 1024);
    MacvtapRequest *request = new_request(MACVTAP_METHOD_DELETE_PORT, "port", long_name);
    gsize bytes = 0;

    assert_int_equal(macvtap_client_submit(fixture->client, request, NULL, NULL), 0);
    assert_false(is_readable(fixture));
    for (;;) {
        gssize received = recv(fixture->service, buffer, 64 * 1024, MSG_DONTWAIT);

        if (received > 0) {
            bytes += (gsize)received;
            if (buffer[received - 1] == '\0')
                break;
        } else {
            assert_true(is_readable(fixture));
            assert_int_equal(macvtap_client_dispatch(fixture->client), 0);
        }
    }
    assert_true(bytes > strlen(long_name));
    answer(fixture, REFUSAL("PortNotFound", "no"));
    assert_int_equal(macvtap_client_wait(fixture->client, -1), 1);
    assert_ptr_equal(macvtap_client_next_completed(fixture->client), request);
    macvtap_request_free(request);
}

enum { BURST = 500 };

/* As many events as the socket takes, until there have been so many. */
static void
send_events(ClientFixture *fixture, guint *sent, guint wanted)
{
    g_autofree char *json = g_strdelimit(g_strdup(EVENT("created")), "'", '"');

    while (*sent < wanted &&
           send_bytes(fixture->service, json, strlen(json) + 1, NULL) == (gssize)strlen(json) + 1)
        ++*sent;
}

/* One poll(), one dispatch, one event: and still none is lost, whatever lies where in between. */
static void
test_burst_of_events(void **state)
{
    ClientFixture *fixture = *state;
    guint sent = 0, n = 0;

    start_watch(fixture);
    send_events(fixture, &sent, BURST);
    while (is_readable(fixture)) {
        MacvtapEvent *event;

        assert_int_equal(macvtap_client_dispatch(fixture->client), 0);
        event = macvtap_client_next_event(fixture->client);
        assert_non_null(event);
        assert_int_equal(macvtap_event_get_type(event), MACVTAP_EVENT_CREATED);
        macvtap_event_free(event);
        n++;
        send_events(fixture, &sent, BURST);
    }
    assert_int_equal(n, BURST);
}

/* Who dispatches and takes nothing does not fill its memory: the rest stays with the daemon. */
static void
test_events_that_nobody_takes(void **state)
{
    ClientFixture *fixture = *state;
    guint sent = 0, n = 0;
    MacvtapEvent *event;

    start_watch(fixture);
    for (guint i = 0; i < 100; i++) {
        send_events(fixture, &sent, 100000);
        assert_int_equal(macvtap_client_dispatch(fixture->client), 0);
    }
    assert_true(sent < 10000); /* what is kept, and what the socket holds */
    while (is_readable(fixture)) {
        assert_int_equal(macvtap_client_dispatch(fixture->client), 0);
        while ((event = macvtap_client_next_event(fixture->client))) {
            macvtap_event_free(event);
            n++;
        }
    }
    assert_int_equal(n, sent);
}

/* As many events have left the daemon; those that lie in the socket are read together. */
static void
pass_events(ClientFixture *fixture, guint *sent, guint wanted)
{
    while (*sent < wanted) {
        send_events(fixture, sent, wanted);
        assert_int_equal(macvtap_client_dispatch(fixture->client), 0);
    }
}

static guint
take_events(ClientFixture *fixture)
{
    MacvtapEvent *event;
    guint n = 0;

    while ((event = macvtap_client_next_event(fixture->client))) {
        macvtap_event_free(event);
        n++;
    }
    return n;
}

/* Where the client stops, some events may have been read already, whose arrival wakes nobody. How
 * many depends on where the reads began. */
static void
test_events_beyond_those_read_ahead(void **state)
{
    ClientFixture *fixture = *state;

    for (guint first = 1; first <= 12; first++) {
        guint sent = 0;

        start_watch(fixture);
        pass_events(fixture, &sent, first);
        pass_events(fixture, &sent, 1027);
        assert_int_equal(take_events(fixture), 1027);
        assert_false(is_readable(fixture));
        client_connect_again(fixture);
    }
}

/* The same when the daemon has gone. */
static void
test_loss_behind_too_many_events(void **state)
{
    ClientFixture *fixture = *state;
    guint sent = 0;

    start_watch(fixture);
    pass_events(fixture, &sent, 1030);
    descriptor_clear(&fixture->service);
    assert_int_equal(take_events(fixture), 1030);
    assert_true(is_readable(fixture));
    expect_failure(fixture, macvtap_client_dispatch(fixture->client), ECONNRESET,
                   "macvtapd closed the connection");
    assert_false(is_readable(fixture));
}

/* Events that nobody took do not keep another connection from being read. */
static void
test_requests_beside_too_many_events(void **state)
{
    ClientFixture *fixture = *state;
    MacvtapEvent *event;
    guint sent = 0;

    start_watch(fixture);
    pass_events(fixture, &sent, 1024);
    client_connect_again(fixture);
    macvtap_client_set_timeout(fixture->client, 0);
    answer(fixture, "{'parameters':{'ports':[]}}");
    assert_int_equal(ask(fixture, MACVTAP_METHOD_LIST_PORTS, NULL, NULL), 0);
    expect_call(fixture, "ListPorts", "");
    start_watch(fixture);
    answer(fixture, EVENT("changed"));
    assert_int_equal(macvtap_client_dispatch(fixture->client), 0);
    for (guint i = 0; i < 1024; i++) {
        event = macvtap_client_next_event(fixture->client);
        assert_int_equal(macvtap_event_get_type(event), MACVTAP_EVENT_CREATED);
        macvtap_event_free(event);
    }
    event = macvtap_client_next_event(fixture->client);
    assert_int_equal(macvtap_event_get_type(event), MACVTAP_EVENT_CHANGED);
    macvtap_event_free(event);
}

static void
test_watch(void **state)
{
    ClientFixture *fixture = *state;
    MacvtapEvent *event;
    MacvtapPort *port;

    start_watch(fixture);
    assert_false(is_readable(fixture));
    assert_null(macvtap_client_next_event(fixture->client));
    expect_failure(fixture, ask(fixture, MACVTAP_METHOD_DELETE_PORT, "port", "web"), EBUSY,
                   "watches ports");
    answer(fixture, EVENT("deleted"));
    answer(fixture, EVENT("retired"));
    assert_int_equal(macvtap_client_wait(fixture->client, -1), 1);
    event = macvtap_client_next_event(fixture->client);
    assert_int_equal(macvtap_event_get_type(event), MACVTAP_EVENT_DELETED);
    assert_string_equal(macvtap_port_get_name(macvtap_event_get_port(event)), "web");
    port = macvtap_event_take_port(event);
    assert_null(macvtap_event_get_port(event));
    macvtap_event_free(event);
    assert_string_equal(macvtap_port_get_name(port), "web");
    macvtap_port_free(port);
    event = macvtap_client_next_event(fixture->client);
    assert_int_equal(macvtap_event_get_type(event), MACVTAP_EVENT_UNKNOWN);
    assert_string_equal(macvtap_event_get_name(event), "retired");
    macvtap_event_free(event);
}

static void
expect_busy(ClientFixture *fixture)
{
    MacvtapRequest *request = new_request(MACVTAP_METHOD_LIST_PORTS, NULL, NULL);

    expect_failure(fixture, macvtap_client_submit(fixture->client, request, NULL, NULL), EBUSY,
                   "use a second client");
    expect_failure(fixture, macvtap_client_call(fixture->client, request), EBUSY,
                   "use a second client");
    assert_int_equal(macvtap_request_get_result(request), -EINPROGRESS);
    macvtap_request_free(request);
}

/* Whatever came behind a watch would wait for its end, which does not come. */
static void
test_request_behind_a_watch(void **state)
{
    ClientFixture *fixture = *state;
    MacvtapRequest *first = submit_delete(fixture, NULL, NULL);
    MacvtapRequest *watch = new_request(MACVTAP_METHOD_WATCH_PORTS, NULL, NULL);

    assert_int_equal(macvtap_client_submit(fixture->client, watch, NULL, NULL), 0);
    expect_busy(fixture); /* it waits */
    answer(fixture, "{}");
    assert_int_equal(macvtap_client_dispatch(fixture->client), 0);
    assert_ptr_equal(macvtap_client_next_completed(fixture->client), first);
    expect_busy(fixture); /* it was sent */
    answer(fixture, READY);
    assert_int_equal(macvtap_client_dispatch(fixture->client), 0);
    assert_ptr_equal(macvtap_client_next_completed(fixture->client), watch);
    expect_busy(fixture); /* it was answered */
    assert_true(macvtap_client_is_connected(fixture->client));
    macvtap_request_free(first);
    macvtap_request_free(watch);
}

/* It takes other requests again. */
static void
test_watch_that_fails(void **state)
{
    ClientFixture *fixture = *state;
    MacvtapRequest *first = submit_delete(fixture, NULL, NULL);
    MacvtapRequest *watch = new_request(MACVTAP_METHOD_WATCH_PORTS, NULL, NULL);

    assert_int_equal(macvtap_client_submit(fixture->client, watch, NULL, NULL), 0);
    macvtap_request_free(watch);
    answer(fixture, "{}");
    assert_int_equal(macvtap_client_dispatch(fixture->client), 0);
    assert_ptr_equal(macvtap_client_next_completed(fixture->client), first);
    answer(fixture, REFUSAL("LimitReached", "too many watches"));
    assert_int_equal(ask(fixture, MACVTAP_METHOD_WATCH_PORTS, NULL, NULL), -EDQUOT);
    answer(fixture, "{'parameters':{'ports':[]}}");
    assert_int_equal(ask(fixture, MACVTAP_METHOD_LIST_PORTS, NULL, NULL), 0);
    macvtap_request_free(first);
}

/* A watch has no end: the time limit is for its first answer. */
static void
test_time_limit_of_a_watch(void **state)
{
    ClientFixture *fixture = *state;

    macvtap_client_set_timeout(fixture->client, 0);
    start_watch(fixture);
    assert_int_equal(macvtap_client_wait(fixture->client, 1), 0);
    assert_int_equal(macvtap_client_dispatch(fixture->client), 0);
    client_connect_again(fixture);
    expect_failure(fixture, ask(fixture, MACVTAP_METHOD_WATCH_PORTS, NULL, NULL), ETIMEDOUT,
                   "does not answer");
}

static void
test_wrong_events(void **state)
{
    static const char *const events[] = {
        "{'parameters':{'event':'deleted'},'continues':true}",
        "{'parameters':{'port':" PORT "},'continues':true}",
        "{'error':'org.macvtapd.Ports.Odd'}",
    };
    ClientFixture *fixture = *state;

    for (guint i = 0; i < G_N_ELEMENTS(events); i++) {
        start_watch(fixture);
        answer(fixture, events[i]);
        expect_failure(fixture, macvtap_client_dispatch(fixture->client), EPROTO, "not an event");
        client_connect_again(fixture);
    }
    answer(fixture, "{'parameters':{'event':'ready'}}");
    expect_failure(fixture, ask(fixture, MACVTAP_METHOD_WATCH_PORTS, NULL, NULL), EPROTO,
                   "no events follow");
    answer(fixture, "{'error':'org.varlink.service.MethodNotFound'}");
    expect_failure(fixture, ask(fixture, MACVTAP_METHOD_WATCH_PORTS, NULL, NULL), ENOSYS,
                   "MethodNotFound");
    assert_int_equal(macvtap_client_get_refusal(fixture->client), MACVTAP_REFUSAL_UNKNOWN_METHOD);
}

/* The daemon restarts: what it had said can be taken still, and the loop's descriptor is good for
 * the next connection. */
static void
test_restart_of_the_daemon(void **state)
{
    ClientFixture *fixture = *state;
    int fd = macvtap_client_get_fd(fixture->client);
    MacvtapEvent *event;

    start_watch(fixture);
    answer(fixture, EVENT("created"));
    descriptor_clear(&fixture->service);
    assert_true(is_readable(fixture));
    expect_failure(fixture, macvtap_client_dispatch(fixture->client), ECONNRESET,
                   "macvtapd closed the connection");
    assert_int_equal(macvtap_client_dispatch(fixture->client), -ENOTCONN);
    event = macvtap_client_next_event(fixture->client);
    assert_int_equal(macvtap_event_get_type(event), MACVTAP_EVENT_CREATED);
    macvtap_event_free(event);
    assert_false(is_readable(fixture));
    client_connect_again(fixture);
    assert_int_equal(macvtap_client_get_fd(fixture->client), fd);
    assert_false(is_readable(fixture));
    start_watch(fixture);
    answer(fixture, EVENT("changed"));
    assert_true(is_readable(fixture));
    assert_int_equal(macvtap_client_dispatch(fixture->client), 0);
    event = macvtap_client_next_event(fixture->client);
    assert_int_equal(macvtap_event_get_type(event), MACVTAP_EVENT_CHANGED);
    macvtap_event_free(event);
}

/* A process that has a copy of the client's end of the connection, but not of the daemon's. */
static pid_t
fork_with_connection(ClientFixture *fixture)
{
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(fixture->service);
        for (;;)
            pause();
    }
    return child;
}

/* What macvtapd has closed wakes no loop again, though another process keeps it open. */
static void
test_lost_connection_with_a_copy(void **state)
{
    static const char *const last[] = {"", "{'parameters':{'event':'odd'},'continues':true}", "["};
    ClientFixture *fixture = *state;

    assert_false(is_readable(fixture));
    for (guint i = 0; i < G_N_ELEMENTS(last); i++) {
        pid_t child;
        gboolean stays;

        start_watch(fixture);
        child = fork_with_connection(fixture);
        if (*last[i])
            answer(fixture, last[i]);
        descriptor_clear(&fixture->service);
        expect_failure(fixture, macvtap_client_wait(fixture->client, -1),
                       *last[i] ? EPROTO : ECONNRESET, "macvtapd");
        stays = is_readable(fixture);
        kill(child, SIGKILL);
        assert_int_equal(waitpid(child, NULL, 0), child);
        assert_false(stays);
        client_connect_again(fixture);
    }
}

/* A forked process may free the client that it inherited: the descriptor still works here. */
static void
test_freed_in_a_forked_process(void **state)
{
    ClientFixture *fixture = *state;
    MacvtapRequest *request = submit_delete(fixture, NULL, NULL);
    pid_t child;

    assert_false(is_readable(fixture));
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        macvtap_client_free(fixture->client);
        macvtap_request_free(request);
        _exit(0);
    }
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_false(is_readable(fixture));
    answer(fixture, "{}");
    assert_true(is_readable(fixture));
    assert_int_equal(macvtap_client_dispatch(fixture->client), 0);
    assert_ptr_equal(macvtap_client_next_completed(fixture->client), request);
    macvtap_request_free(request);
}

/* The daemon restarts just after it has answered: the call is good, and its loss is told. */
static void
test_connection_lost_behind_an_answer(void **state)
{
    ClientFixture *fixture = *state;

    assert_false(is_readable(fixture));
    answer(fixture, READY);
    shutdown(fixture->service, SHUT_WR);
    assert_int_equal(ask(fixture, MACVTAP_METHOD_WATCH_PORTS, NULL, NULL), 0);
    assert_true(is_readable(fixture));
    expect_failure(fixture, macvtap_client_dispatch(fixture->client), ECONNRESET,
                   "macvtapd closed the connection");
    assert_false(is_readable(fixture));
    assert_int_equal(macvtap_client_dispatch(fixture->client), -ENOTCONN);
}

/* All that is pending has a result, and the loss is told once. */
static void
test_lost_connection(void **state)
{
    ClientFixture *fixture = *state;
    guint calls = 0;
    MacvtapRequest *sent = submit_delete(fixture, NULL, NULL);
    MacvtapRequest *waiting = submit_delete(fixture, count_call, &calls);

    descriptor_clear(&fixture->service);
    assert_true(is_readable(fixture));
    expect_failure(fixture, macvtap_client_dispatch(fixture->client), ECONNRESET,
                   "macvtapd closed the connection");
    assert_ptr_equal(macvtap_client_next_completed(fixture->client), sent);
    assert_int_equal(macvtap_request_get_result(sent), -ECONNRESET);
    assert_int_equal(calls, 1);
    assert_int_equal(macvtap_request_get_result(waiting), -ENOTCONN);
    assert_non_null(strstr(macvtap_request_get_message(waiting), "was not sent"));
    assert_false(is_readable(fixture));
    macvtap_request_free(sent);
    macvtap_request_free(waiting);
}

/* The loss is noticed by submit, and told by dispatch. */
static void
test_connection_lost_while_sending(void **state)
{
    ClientFixture *fixture = *state;
    MacvtapRequest *request;

    descriptor_clear(&fixture->service);
    request = submit_delete(fixture, NULL, NULL);
    assert_true(is_readable(fixture));
    expect_failure(fixture, macvtap_client_dispatch(fixture->client), ECONNRESET,
                   "macvtapd closed the connection");
    assert_ptr_equal(macvtap_client_next_completed(fixture->client), request);
    assert_int_equal(macvtap_request_get_result(request), -ECONNRESET);
    macvtap_request_free(request);
}

static void
connect_twice(MacvtapRequest *request, void *user_data)
{
    ClientFixture *fixture = user_data;

    for (guint i = 0; i < 2; i++)
        assert_int_equal(macvtap_client_connect(fixture->client, fixture->path), 0);
}

/* A descriptor that would never tell of the connection is worse than no connection. */
static void
test_connection_not_watched(void **state)
{
    ClientFixture *fixture = *state;

    assert_false(is_readable(fixture));
    watch_errnum = ENOSPC;
    expect_failure(fixture, macvtap_client_connect(fixture->client, fixture->path), ENOSPC,
                   "fs.epoll.max_user_watches");
    watch_errnum = 0;
    assert_false(macvtap_client_is_connected(fixture->client));
    assert_false(is_readable(fixture)); /* connect has reported it */
    expect_closed(fixture->service);
    expect_failure(fixture, macvtap_client_dispatch(fixture->client), ENOTCONN, "not connected");
    descriptor_clear(&fixture->service);
    fixture->service = accept4(fixture->listening, NULL, NULL, SOCK_CLOEXEC);
    expect_closed(fixture->service);
    client_connect_again(fixture);
    submit_and_answer(fixture);
}

/* The connection stays, for calls that block. */
static void
test_no_descriptor_to_poll(void **state)
{
    ClientFixture *fixture = *state;

    watch_errnum = ENOMEM;
    expect_failure(fixture, macvtap_client_get_fd(fixture->client), ENOMEM, "cannot create");
    watch_errnum = 0;
    assert_true(macvtap_client_is_connected(fixture->client));
    submit_and_answer(fixture);
}

/* What dispatch says is about the loss that it reports, whatever a callback does meanwhile. */
static void
test_callback_connects_again(void **state)
{
    ClientFixture *fixture = *state;
    MacvtapRequest *request = submit_delete(fixture, connect_twice, fixture);

    assert_int_equal(listen(fixture->listening, 4), 0);
    descriptor_clear(&fixture->service);
    expect_failure(fixture, macvtap_client_dispatch(fixture->client), ECONNRESET,
                   "macvtapd closed the connection");
    assert_true(macvtap_client_is_connected(fixture->client));
    assert_int_equal(macvtap_client_dispatch(fixture->client), 0);
    macvtap_request_free(request);
}

/* Without blocking, the descriptor tells that the time has passed. */
static void
test_time_limit(void **state)
{
    ClientFixture *fixture = *state;
    struct pollfd item = {macvtap_client_get_fd(fixture->client), POLLIN};
    MacvtapRequest *request;

    macvtap_client_set_timeout(fixture->client, 1);
    request = submit_delete(fixture, NULL, NULL);
    assert_int_equal(poll(&item, 1, -1), 1);
    expect_failure(fixture, macvtap_client_dispatch(fixture->client), ETIMEDOUT, "does not answer");
    assert_ptr_equal(macvtap_client_next_completed(fixture->client), request);
    assert_int_equal(macvtap_request_get_result(request), -ETIMEDOUT);
    assert_false(is_readable(fixture));
    expect_call(fixture, "DeletePort", "{'port':'web'}");
    expect_closed(fixture->service);
    macvtap_request_free(request);
}

/* Whether a timer of this process runs, by what the kernel says of them. */
static gboolean
timer_runs(void)
{
    for (int fd = 0; fd < 64; fd++) {
        g_autofree char *path = g_strdup_printf("/proc/self/fdinfo/%d", fd), *text = NULL;
        const char *value;

        if (!g_file_get_contents(path, &text, NULL, NULL) || !(value = strstr(text, "it_value: (")))
            continue;
        if (!g_str_has_prefix(value, "it_value: (0, 0)"))
            return TRUE;
    }
    return FALSE;
}

/* A limit that is over, because the answer came, wakes nobody. */
static void
test_time_limit_that_is_over(void **state)
{
    ClientFixture *fixture = *state;
    MacvtapRequest *request;

    assert_true(macvtap_client_get_fd(fixture->client) >= 0);
    assert_false(timer_runs());
    request = submit_delete(fixture, NULL, NULL);
    assert_true(timer_runs());
    answer(fixture, "{}");
    assert_int_equal(macvtap_client_dispatch(fixture->client), 0);
    assert_false(timer_runs());
    macvtap_request_free(request);
}

static void
test_request_taken_back(void **state)
{
    ClientFixture *fixture = *state;
    MacvtapRequest *sent = submit_delete(fixture, NULL, NULL);
    MacvtapRequest *waiting = submit_delete(fixture, NULL, NULL);

    macvtap_request_free(waiting);
    assert_true(macvtap_client_is_connected(fixture->client));
    macvtap_request_free(sent);
    assert_false(macvtap_client_is_connected(fixture->client));
    assert_true(is_readable(fixture));
    expect_failure(fixture, macvtap_client_dispatch(fixture->client), ECANCELED, "was cancelled");
    assert_null(macvtap_client_next_completed(fixture->client));
    expect_call(fixture, "DeletePort", "{'port':'web'}");
    expect_closed(fixture->service);
}

static void
test_client_freed_first(void **state)
{
    ClientFixture *fixture = *state;
    guint calls = 0;
    MacvtapRequest *requests[] = {submit_delete(fixture, NULL, NULL),
                                  submit_delete(fixture, count_call, &calls),
                                  submit_delete(fixture, NULL, NULL)};

    answer(fixture, "{}");
    assert_int_equal(macvtap_client_dispatch(fixture->client), 0);
    macvtap_client_free(fixture->client);
    fixture->client = NULL;
    assert_int_equal(macvtap_request_get_result(requests[0]), 0);
    assert_int_equal(macvtap_request_get_result(requests[1]), -ECANCELED);
    assert_int_equal(macvtap_request_get_result(requests[2]), -ECANCELED);
    assert_int_equal(calls, 0);
    for (guint i = 0; i < G_N_ELEMENTS(requests); i++)
        macvtap_request_free(requests[i]);
}

/* An answer that the daemon sends in the one moment is not the next connection's. */
static void
test_connect_again_with_requests(void **state)
{
    ClientFixture *fixture = *state;
    MacvtapRequest *request = submit_delete(fixture, NULL, NULL);

    answer(fixture, "{}");
    client_connect_again(fixture);
    assert_int_equal(macvtap_client_dispatch(fixture->client), 0);
    assert_ptr_equal(macvtap_client_next_completed(fixture->client), request);
    assert_int_equal(macvtap_request_get_result(request), -ENOTCONN);
    macvtap_request_free(request);
}

/* A client whose calls block has its connection and no other descriptor. */
static void
test_no_descriptor_before_it_is_asked_for(void **state)
{
    ClientFixture *fixture = *state;
    guint descriptors = count_descriptors();

    answer(fixture, "{}");
    assert_int_equal(ask(fixture, MACVTAP_METHOD_DELETE_PORT, "port", "web"), 0);
    assert_int_equal(count_descriptors(), descriptors);
    assert_true(macvtap_client_get_fd(fixture->client) >= 0);
    assert_int_equal(count_descriptors(), descriptors + 3);
    macvtap_client_free(fixture->client);
    fixture->client = NULL;
    assert_int_equal(count_descriptors(), descriptors - 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CLIENT_TEST(test_completed_without_callback),
        CLIENT_TEST(test_several_requests),
        CLIENT_TEST(test_call_behind_a_submitted_request),
        CLIENT_TEST(test_callback_submits_and_frees),
        CLIENT_TEST(test_answer_in_pieces),
        CLIENT_TEST(test_request_in_pieces),
        CLIENT_TEST(test_burst_of_events),
        CLIENT_TEST(test_events_that_nobody_takes),
        CLIENT_TEST(test_events_beyond_those_read_ahead),
        CLIENT_TEST(test_loss_behind_too_many_events),
        CLIENT_TEST(test_requests_beside_too_many_events),
        CLIENT_TEST(test_watch),
        CLIENT_TEST(test_request_behind_a_watch),
        CLIENT_TEST(test_watch_that_fails),
        CLIENT_TEST(test_time_limit_of_a_watch),
        CLIENT_TEST(test_wrong_events),
        CLIENT_TEST(test_restart_of_the_daemon),
        CLIENT_TEST(test_lost_connection_with_a_copy),
        CLIENT_TEST(test_freed_in_a_forked_process),
        CLIENT_TEST(test_connection_lost_behind_an_answer),
        CLIENT_TEST(test_lost_connection),
        CLIENT_TEST(test_connection_lost_while_sending),
        CLIENT_TEST(test_callback_connects_again),
        CLIENT_TEST(test_connection_not_watched),
        CLIENT_TEST(test_no_descriptor_to_poll),
        CLIENT_TEST(test_time_limit),
        CLIENT_TEST(test_time_limit_that_is_over),
        CLIENT_TEST(test_request_taken_back),
        CLIENT_TEST(test_client_freed_first),
        CLIENT_TEST(test_connect_again_with_requests),
        CLIENT_TEST(test_no_descriptor_before_it_is_asked_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
