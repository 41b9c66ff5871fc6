/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How libmacvtap's connection begins and ends, and what its time limit does. */
#include "client-fixture.h"

#include <signal.h>
#include <sys/time.h>
#include <sys/un.h>

static void
test_version(void **state)
{
    assert_string_equal(macvtap_version(), MACVTAP_VERSION);
    assert_int_equal(macvtap_version_number(), MACVTAP_VERSION_NUMBER);
    assert_true(MACVTAP_VERSION_NUMBER >= MACVTAP_VERSION_ENCODE(0, 9, 0));
    assert_true(MACVTAP_VERSION_ENCODE(1, 0, 0) > MACVTAP_VERSION_ENCODE(0, 99, 999));
}

static void
test_unreachable(void **state)
{
    ClientFixture *fixture = *state;
    g_autofree char *long_path = g_strnfill(200, 'x');
    const struct {
        const char *path;
        int errnum;
    } rows[] = {
        {fixture->folder, ECONNREFUSED},
        {"/nonexistent/socket", ENOENT},
        {long_path, ENAMETOOLONG},
        {fixture->path, ECONNREFUSED},
    };

    descriptor_clear(&fixture->listening);
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        expect_failure(fixture, macvtap_client_connect(fixture->client, rows[i].path),
                       rows[i].errnum, "is it running?");
        assert_int_equal(macvtap_client_get_refusal(fixture->client), MACVTAP_REFUSAL_NONE);
        assert_false(macvtap_client_is_connected(fixture->client));
    }
}

/* The listener's queue is full: nobody accepts the two that are in it. */
static void
test_full_queue(void **state)
{
    ClientFixture *fixture = *state;
    MacvtapClient *others[2] = {macvtap_client_new(), macvtap_client_new()};
    guint descriptors;

    for (guint i = 0; i < G_N_ELEMENTS(others); i++)
        assert_int_equal(macvtap_client_try_connect(others[i], fixture->path), 0);
    assert_int_equal(macvtap_client_try_connect(fixture->client, "/nonexistent"), -ENOENT);
    descriptors = count_descriptors();
    expect_failure(fixture, macvtap_client_try_connect(fixture->client, fixture->path), EAGAIN,
                   "cannot reach macvtapd");
    macvtap_client_set_timeout(fixture->client, 1);
    expect_failure(fixture, macvtap_client_connect(fixture->client, fixture->path), ETIMEDOUT,
                   "cannot reach macvtapd");
    macvtap_client_set_timeout(fixture->client, 0);
    expect_failure(fixture, macvtap_client_connect(fixture->client, fixture->path), EAGAIN,
                   "cannot reach macvtapd");
    assert_int_equal(count_descriptors(), descriptors);
    for (guint i = 0; i < G_N_ELEMENTS(others); i++)
        macvtap_client_free(others[i]);
}

static void
ignore_signal(int number)
{
}

/* Signals do not prolong the time that a connection may take. */
static void
test_full_queue_and_signals(void **state)
{
    const struct itimerval often = {{0, 1000}, {0, 1000}}, off = {0};
    struct sigaction action = {.sa_handler = ignore_signal}, before;
    ClientFixture *fixture = *state;
    MacvtapClient *others[2] = {macvtap_client_new(), macvtap_client_new()};

    for (guint i = 0; i < G_N_ELEMENTS(others); i++)
        assert_int_equal(macvtap_client_try_connect(others[i], fixture->path), 0);
    macvtap_client_set_timeout(fixture->client, 100);
    assert_int_equal(sigaction(SIGALRM, &action, &before), 0);
    assert_int_equal(setitimer(ITIMER_REAL, &often, NULL), 0);
    expect_failure(fixture, macvtap_client_connect(fixture->client, fixture->path), ETIMEDOUT,
                   "cannot reach macvtapd");
    assert_int_equal(setitimer(ITIMER_REAL, &off, NULL), 0);
    assert_int_equal(sigaction(SIGALRM, &before, NULL), 0);
    for (guint i = 0; i < G_N_ELEMENTS(others); i++)
        macvtap_client_free(others[i]);
}

static void
test_socket_of_the_environment(void **state)
{
    ClientFixture *fixture = *state;

    g_setenv("MACVTAPD_SOCKET", fixture->path, TRUE);
    assert_int_equal(macvtap_client_connect(fixture->client, NULL), 0);
    assert_true(macvtap_client_is_connected(fixture->client));
    g_setenv("MACVTAPD_SOCKET", "/nonexistent/socket", TRUE);
    expect_failure(fixture, macvtap_client_connect(fixture->client, NULL), ENOENT,
                   "/nonexistent/socket");
    g_unsetenv("MACVTAPD_SOCKET");
}

static void
test_peer(void **state)
{
    ClientFixture *fixture = *state;
    MacvtapClient *client = macvtap_client_new();

    assert_int_equal(macvtap_client_get_peer_pid(fixture->client), getpid());
    assert_int_equal(macvtap_client_get_peer_pid(client), -ENOTCONN);
    macvtap_client_free(client);
}

static void
test_not_connected(void **state)
{
    MacvtapClient *client = macvtap_client_new();
    MacvtapRequest *request = new_request(MACVTAP_METHOD_DELETE_PORT, "port", "web");

    assert_null(macvtap_client_get_message(client));
    assert_int_equal(macvtap_client_call(client, request), -ENOTCONN);
    assert_string_equal(macvtap_client_get_message(client), "the client is not connected");
    assert_int_equal(macvtap_client_submit(client, request, NULL, NULL), -ENOTCONN);
    assert_int_equal(macvtap_client_dispatch(client), -ENOTCONN);
    assert_int_equal(macvtap_client_wait(client, -1), -ENOTCONN);
    macvtap_request_free(request);
    macvtap_client_free(client);
}

/* Nobody answers. 0 never waits, 1 waits and gives up. */
static void
test_time_limit(void **state)
{
    ClientFixture *fixture = *state;

    for (int limit = 0; limit <= 1; limit++) {
        macvtap_client_set_timeout(fixture->client, limit);
        expect_failure(fixture, ask(fixture, MACVTAP_METHOD_DELETE_PORT, "port", "web"), ETIMEDOUT,
                       "does not answer");
        assert_int_equal(macvtap_request_get_result(fixture->request), -ETIMEDOUT);
        /* The daemon sees that nobody waits for its answer. */
        expect_call(fixture, "DeletePort", "{'port':'web'}");
        expect_closed(fixture->service);
        expect_failure(fixture, ask(fixture, MACVTAP_METHOD_DELETE_PORT, "port", "web"), ENOTCONN,
                       "not connected");
        assert_int_equal(macvtap_client_dispatch(fixture->client), -ENOTCONN);
        client_connect_again(fixture);
        answer(fixture, "{}");
        assert_int_equal(ask(fixture, MACVTAP_METHOD_DELETE_PORT, "port", "web"), 0);
        expect_call(fixture, "DeletePort", "{'port':'web'}");
    }
}

/* An answer that is there counts, however little time there was. */
static void
test_time_limit_and_an_answer(void **state)
{
    ClientFixture *fixture = *state;

    macvtap_client_set_timeout(fixture->client, 0);
    answer(fixture, "{}");
    assert_int_equal(ask(fixture, MACVTAP_METHOD_DELETE_PORT, "port", "web"), 0);
    assert_int_equal(macvtap_client_wait(fixture->client, 0), 0);
}

/* A request that no socket takes at once. */
static void
test_time_limit_of_sending(void **state)
{
    ClientFixture *fixture = *state;
    g_autofree char *long_name = g_strnfill(8 * 1024 * 1024, 'x');

    macvtap_client_set_timeout(fixture->client, 1);
    expect_failure(fixture, ask(fixture, MACVTAP_METHOD_DELETE_PORT, "port", long_name), ETIMEDOUT,
                   "does not answer");
}

static void
test_broken_protocol(void **state)
{
    static const char *const replies[] = {"{", "[]", "{'parameters':[]}", "{'x':1}",
                                          "{'continues':true}"};
    ClientFixture *fixture = *state;

    for (guint i = 0; i < G_N_ELEMENTS(replies); i++) {
        answer(fixture, replies[i]);
        expect_failure(fixture, ask(fixture, MACVTAP_METHOD_DELETE_PORT, "port", "web"), EPROTO,
                       "connection to macvtapd");
        assert_false(macvtap_client_is_connected(fixture->client));
        client_connect_again(fixture);
    }
    answer(fixture, "{}");
    expect_failure(fixture, macvtap_client_dispatch(fixture->client), EPROTO, "unexpected reply");
}

static void
test_closed_connection(void **state)
{
    ClientFixture *fixture = *state;

    send_bytes(fixture->service, "{\"par", 6, NULL);
    descriptor_clear(&fixture->service);
    expect_failure(fixture, ask(fixture, MACVTAP_METHOD_DELETE_PORT, "port", "web"), ECONNRESET,
                   "macvtapd closed the connection");
    assert_int_equal(macvtap_request_get_refusal(fixture->request), MACVTAP_REFUSAL_NONE);
}

static void
test_nothing_to_free(void **state)
{
    macvtap_client_free(NULL);
    macvtap_request_free(NULL);
    macvtap_port_free(NULL);
    macvtap_network_free(NULL);
    macvtap_event_free(NULL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_version),
        CLIENT_TEST(test_unreachable),
        CLIENT_TEST(test_full_queue),
        CLIENT_TEST(test_full_queue_and_signals),
        CLIENT_TEST(test_socket_of_the_environment),
        CLIENT_TEST(test_peer),
        cmocka_unit_test(test_not_connected),
        CLIENT_TEST(test_time_limit),
        CLIENT_TEST(test_time_limit_and_an_answer),
        CLIENT_TEST(test_time_limit_of_sending),
        CLIENT_TEST(test_broken_protocol),
        CLIENT_TEST(test_closed_connection),
        cmocka_unit_test(test_nothing_to_free),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
