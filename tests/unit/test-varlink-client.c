/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The service's answers are written before they are read, so that the blocking client never waits.
 */
#include "varlink-test.h"

#include "varlink-client.h"
#include "varlink-message.h"

#include <sys/un.h>
#include <sys/wait.h>

typedef struct Fixture {
    VarlinkClient *client;
    int service;
    guint before;
} Fixture;

static void
fixture_init(Fixture *fixture)
{
    int pair[2];

    fixture->before = count_descriptors();
    make_pair(pair);
    fixture->client = varlink_client_new_from_fd(pair[0]);
    fixture->service = pair[1];
}

static void
fixture_clear(Fixture *fixture)
{
    varlink_client_free(fixture->client);
    descriptor_clear(&fixture->service);
    assert_int_equal(count_descriptors(), fixture->before);
}

static void
send_call(Fixture *fixture, VarlinkCallFlags flags, const char *expected)
{
    g_autoptr(GError) error = NULL;

    if (!varlink_client_send(fixture->client, "a.b.C", json_pack("{s:i}", "x", 1), flags, &error))
        fail_msg("%s", error->message);
    expect_text(fixture->service, expected);
}

#define PLAIN "{\"method\":\"a.b.C\",\"parameters\":{\"x\":1}}"
#define MORE "{\"method\":\"a.b.C\",\"more\":true,\"parameters\":{\"x\":1}}"

static void
expect_failure(Fixture *fixture, VarlinkError code)
{
    g_autoptr(GError) error = NULL;
    VarlinkReply reply;

    assert_false(varlink_client_receive(fixture->client, &reply, &error));
    if (!g_error_matches(error, VARLINK_ERROR, code))
        fail_msg("%s", error->message);
}

static void
expect_send_failure(Fixture *fixture, VarlinkError code)
{
    g_autoptr(GError) error = NULL;

    assert_false(varlink_client_send(fixture->client, "a.b.C", json_object(), 0, &error));
    if (!g_error_matches(error, VARLINK_ERROR, code))
        fail_msg("%s", error->message);
}

static void
test_call(void **state)
{
    g_auto(VarlinkReply) reply = {0};
    Fixture fixture;

    fixture_init(&fixture);
    send_text(fixture.service, "{\"parameters\":{\"y\":2}}");
    /* Answered before it is asked: one round trip without a second thread. */
    assert_true(varlink_client_call(fixture.client, "a.b.C", NULL, &reply, NULL));
    expect_text(fixture.service, "{\"method\":\"a.b.C\"}");
    assert_null(reply.error);
    assert_false(reply.continues);
    assert_int_equal(json_integer_value(json_object_get(reply.parameters, "y")), 2);
    assert_int_equal(reply.descriptors->len, 0);
    fixture_clear(&fixture);
}

static void
test_error_is_a_reply(void **state)
{
    g_auto(VarlinkReply) reply = {0};
    Fixture fixture;

    fixture_init(&fixture);
    send_call(&fixture, VARLINK_CALL_PLAIN, PLAIN);
    send_text(fixture.service, "{\"error\":\"a.b.E\"}");
    assert_true(varlink_client_receive(fixture.client, &reply, NULL));
    assert_string_equal(reply.error, "a.b.E");
    assert_true(json_is_object(reply.parameters));
    send_call(&fixture, VARLINK_CALL_PLAIN, PLAIN);
    fixture_clear(&fixture);
}

static void
test_flags(void **state)
{
    Fixture fixture;

    fixture_init(&fixture);
    send_call(&fixture, VARLINK_CALL_ONEWAY,
              "{\"method\":\"a.b.C\",\"oneway\":true,\"parameters\":{\"x\":1}}");
    expect_failure(&fixture, VARLINK_ERROR_PROTOCOL);
    send_call(&fixture, VARLINK_CALL_UPGRADE,
              "{\"method\":\"a.b.C\",\"upgrade\":true,\"parameters\":{\"x\":1}}");
    fixture_clear(&fixture);
}

static void
test_one_call_in_flight(void **state)
{
    Fixture fixture;

    fixture_init(&fixture);
    send_call(&fixture, VARLINK_CALL_PLAIN, PLAIN);
    expect_send_failure(&fixture, VARLINK_ERROR_BUSY);
    expect_nothing(fixture.service);
    fixture_clear(&fixture);
}

static void
test_more(void **state)
{
    Fixture fixture;

    fixture_init(&fixture);
    send_call(&fixture, VARLINK_CALL_MORE, MORE);
    send_text(fixture.service, "{\"continues\":true}");
    send_text(fixture.service, "{\"continues\":true}");
    send_text(fixture.service, "{}");
    for (int left = 2; left >= 0; left--) {
        g_auto(VarlinkReply) reply = {0};

        assert_true(varlink_client_receive(fixture.client, &reply, NULL));
        assert_int_equal(reply.continues, left > 0);
        if (left > 0)
            expect_send_failure(&fixture, VARLINK_ERROR_BUSY);
    }
    send_call(&fixture, VARLINK_CALL_PLAIN, PLAIN);
    fixture_clear(&fixture);
}

static void
test_descriptors(void **state)
{
    g_autoptr(GArray) descriptors = NULL;
    g_auto(VarlinkReply) reply = {0};
    Fixture fixture;

    fixture_init(&fixture);
    send_call(&fixture, VARLINK_CALL_PLAIN, PLAIN);
    descriptors = make_descriptors(253);
    assert_int_equal(send_bytes(fixture.service, "{}", 3, descriptors), 3);
    assert_true(varlink_client_receive(fixture.client, &reply, NULL));
    assert_int_equal(reply.descriptors->len, 253);
    assert_int_equal(fcntl(descriptor_array_get(reply.descriptors, 252), F_GETFD), FD_CLOEXEC);
    assert_int_equal(count_descriptors(), fixture.before + 2 + 2 * 253);
    varlink_reply_clear(&reply);
    g_clear_pointer(&descriptors, g_array_unref);
    fixture_clear(&fixture);
}

static void
test_faults_of_the_service(void **state)
{
    static const char *const faults[] = {
        "",
        "{",
        "[]",
        "{\"unknown\":1}",
        "{\"error\":1}",
        "{\"continues\":true}",
        "{\"error\":\"a.b\",\"continues\":true}",
    };

    for (guint i = 0; i < G_N_ELEMENTS(faults); i++) {
        g_autoptr(GArray) descriptors = NULL;
        Fixture fixture;

        fixture_init(&fixture);
        send_call(&fixture, VARLINK_CALL_PLAIN, PLAIN);
        descriptors = make_descriptors(1);
        send_bytes(fixture.service, faults[i], strlen(faults[i]) + 1, descriptors);
        g_clear_pointer(&descriptors, g_array_unref);
        expect_failure(&fixture, VARLINK_ERROR_PROTOCOL);
        /* Nobody knows any more where a message begins: nothing can follow. */
        expect_failure(&fixture, VARLINK_ERROR_CLOSED);
        expect_send_failure(&fixture, VARLINK_ERROR_CLOSED);
        /* The descriptor can be taken out of an epoll instance before it is closed. */
        assert_int_equal(fcntl(varlink_client_get_fd(fixture.client), F_GETFD), FD_CLOEXEC);
        g_clear_pointer(&fixture.client, varlink_client_free);
        expect_closed(fixture.service);
        fixture_clear(&fixture);
    }
}

static void
test_reply_to_no_call(void **state)
{
    g_auto(VarlinkReply) reply = {0};
    Fixture fixture;

    fixture_init(&fixture);
    send_call(&fixture, VARLINK_CALL_PLAIN, PLAIN);
    send_text(fixture.service, "{}");
    send_text(fixture.service, "{}");
    assert_true(varlink_client_receive(fixture.client, &reply, NULL));
    expect_send_failure(&fixture, VARLINK_ERROR_PROTOCOL);
    fixture_clear(&fixture);
}

static void
test_service_closes(void **state)
{
    Fixture fixture;

    fixture_init(&fixture);
    send_call(&fixture, VARLINK_CALL_PLAIN, PLAIN);
    send_bytes(fixture.service, "{\"parame", 8, NULL);
    descriptor_clear(&fixture.service);
    expect_failure(&fixture, VARLINK_ERROR_CLOSED);
    fixture_clear(&fixture);

    fixture_init(&fixture);
    descriptor_clear(&fixture.service);
    expect_send_failure(&fixture, VARLINK_ERROR_CLOSED);
    fixture_clear(&fixture);
}

static void
test_timeout(void **state)
{
    g_auto(VarlinkReply) reply = {0};
    Fixture fixture;

    fixture_init(&fixture);
    varlink_client_set_timeout(fixture.client, 0);
    send_call(&fixture, VARLINK_CALL_PLAIN, PLAIN);
    send_text(fixture.service, "{}");
    assert_true(varlink_client_receive(fixture.client, &reply, NULL));
    send_call(&fixture, VARLINK_CALL_PLAIN, PLAIN);
    send_bytes(fixture.service, "{", 1, NULL);
    expect_failure(&fixture, VARLINK_ERROR_TIMED_OUT);
    expect_failure(&fixture, VARLINK_ERROR_CLOSED);
    fixture_clear(&fixture);
}

static gpointer
answer_in_time(gpointer data)
{
    int fd = GPOINTER_TO_INT(data);
    char buffer[100];

    while (recv(fd, buffer, sizeof buffer, 0) < 0)
        ;
    send_text(fd, "{\"parameters\":{\"y\":1}}");
    return NULL;
}

/* The client really waits: blocking, by poll() with a timeout, and on a non-blocking socket. */
static void
test_waits_for_the_service(void **state)
{
    for (guint i = 0; i < 3; i++) {
        g_auto(VarlinkReply) reply = {0};
        Fixture fixture;
        GThread *thread;

        fixture_init(&fixture);
        if (i == 1)
            varlink_client_set_timeout(fixture.client, G_MAXINT);
        if (i == 2)
            fcntl(varlink_client_get_fd(fixture.client), F_SETFL, O_NONBLOCK);
        thread = g_thread_new("service", answer_in_time, GINT_TO_POINTER(fixture.service));
        assert_true(varlink_client_call(fixture.client, "a.b.C", NULL, &reply, NULL));
        assert_int_equal(json_integer_value(json_object_get(reply.parameters, "y")), 1);
        g_thread_join(thread);
        fixture_clear(&fixture);
    }
}

static void
expect_connect_error(const char *path, const char *message)
{
    g_autoptr(GError) error = NULL;

    assert_null(varlink_client_connect(path, &error));
    assert_true(g_error_matches(error, VARLINK_ERROR, VARLINK_ERROR_CONNECT));
    assert_string_equal(error->message, message);
}

/* Calls that nobody reads, until no more fits into the socket. */
static void
test_service_does_not_read(void **state)
{
    g_autofree char *filler = g_strnfill(60000, 'x');
    g_autoptr(GError) error = NULL;
    Fixture fixture;

    fixture_init(&fixture);
    varlink_client_set_timeout(fixture.client, 0);
    while (varlink_client_send(fixture.client, "a.b.C", json_pack("{s:s}", "x", filler),
                               VARLINK_CALL_ONEWAY, &error))
        ;
    if (!g_error_matches(error, VARLINK_ERROR, VARLINK_ERROR_TIMED_OUT))
        fail_msg("%s", error->message);
    expect_send_failure(&fixture, VARLINK_ERROR_CLOSED);
    fixture_clear(&fixture);
}

/* Another process writes on and on: more than any socket holds. */
static void
test_reply_without_end(void **state)
{
    static const char filler[65536] = {[0 ... 65535] = 'x'};
    Fixture fixture;
    pid_t service;

    fixture_init(&fixture);
    send_call(&fixture, VARLINK_CALL_PLAIN, PLAIN);
    service = fork();
    assert_true(service >= 0);
    if (service == 0) {
        close(varlink_client_get_fd(fixture.client));
        while (send(fixture.service, filler, sizeof filler, MSG_NOSIGNAL) > 0)
            ;
        _exit(0);
    }
    descriptor_clear(&fixture.service);
    expect_failure(&fixture, VARLINK_ERROR_TOO_LARGE);
    expect_send_failure(&fixture, VARLINK_ERROR_CLOSED);
    g_clear_pointer(&fixture.client, varlink_client_free);
    assert_int_equal(waitpid(service, NULL, 0), service);
    fixture_clear(&fixture);
}

/* A service that dies with a call unread resets the connection. */
static void
test_service_dies(void **state)
{
    Fixture fixture;

    fixture_init(&fixture);
    assert_true(varlink_client_send(fixture.client, "a.b.C", NULL, 0, NULL));
    descriptor_clear(&fixture.service);
    expect_failure(&fixture, VARLINK_ERROR_CLOSED);
    expect_send_failure(&fixture, VARLINK_ERROR_CLOSED);
    fixture_clear(&fixture);
}

static void
test_call_that_is_no_text(void **state)
{
    g_autoptr(GError) error = NULL;
    Fixture fixture;

    fixture_init(&fixture);
    assert_false(varlink_client_send(
        fixture.client, "a.b.C", json_pack("{s:o}", "x", json_string_nocheck("\xff")), 0, &error));
    assert_true(g_error_matches(error, VARLINK_ERROR, VARLINK_ERROR_PROTOCOL));
    /* Nothing was sent: the connection is as good as before. */
    send_call(&fixture, 0, PLAIN);
    fixture_clear(&fixture);
    varlink_client_free(NULL);
}

static void
test_connect_errors(void **state)
{
    g_autofree char *name = g_strnfill(108, 'x');
    g_autofree char *message = g_strdup_printf("cannot connect to %s: File name too long", name);
    guint before = count_descriptors();

    expect_connect_error("/nonexistent/socket",
                         "cannot connect to /nonexistent/socket: No such file or directory");
    expect_connect_error("unix:/nonexistent/socket",
                         "cannot connect to /nonexistent/socket: No such file or directory");
    expect_connect_error("@macvtapd/test/nobody",
                         "cannot connect to @macvtapd/test/nobody: Connection refused");
    expect_connect_error("", "cannot connect to : No such file or directory");
    expect_connect_error(name, message);
    assert_int_equal(count_descriptors(), before);
}

static void
test_connect(void **state)
{
    g_autofree char *folder = g_dir_make_tmp("varlink-client-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(folder, "socket", NULL);
    g_autofree char *address = g_strconcat("unix:", path, NULL);
    AUTO_FD int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    g_autoptr(VarlinkClient) client = NULL;

    g_strlcpy(name.sun_path, path, sizeof name.sun_path);
    assert_int_equal(bind(listener, (struct sockaddr *)&name, sizeof name), 0);
    assert_int_equal(listen(listener, 5), 0);
    client = varlink_client_connect(path, NULL);
    assert_non_null(client);
    g_clear_pointer(&client, varlink_client_free);
    client = varlink_client_connect(address, NULL);
    assert_non_null(client);
    assert_int_equal(fcntl(varlink_client_get_fd(client), F_GETFD), FD_CLOEXEC);
    unlink(path);
    rmdir(folder);
}

static void
test_connect_abstract(void **state)
{
    AUTO_FD int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    socklen_t length = sizeof name;
    g_autoptr(VarlinkClient) client = NULL;
    g_autofree char *path = NULL;

    /* The kernel chooses the name. */
    assert_int_equal(bind(listener, (struct sockaddr *)&name, sizeof(sa_family_t)), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&name, &length), 0);
    assert_int_equal(listen(listener, 5), 0);
    path = g_strdup_printf("unix:@%.*s", (int)(length - offsetof(struct sockaddr_un, sun_path) - 1),
                           name.sun_path + 1);
    client = varlink_client_connect(path, NULL);
    assert_non_null(client);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_call),
        cmocka_unit_test(test_error_is_a_reply),
        cmocka_unit_test(test_flags),
        cmocka_unit_test(test_one_call_in_flight),
        cmocka_unit_test(test_more),
        cmocka_unit_test(test_descriptors),
        cmocka_unit_test(test_faults_of_the_service),
        cmocka_unit_test(test_reply_to_no_call),
        cmocka_unit_test(test_service_closes),
        cmocka_unit_test(test_timeout),
        cmocka_unit_test(test_waits_for_the_service),
        cmocka_unit_test(test_service_does_not_read),
        cmocka_unit_test(test_reply_without_end),
        cmocka_unit_test(test_service_dies),
        cmocka_unit_test(test_call_that_is_no_text),
        cmocka_unit_test(test_connect_errors),
        cmocka_unit_test(test_connect),
        cmocka_unit_test(test_connect_abstract),
    };

    return cmocka_run_group_tests_name("varlink-client", tests, NULL, NULL);
}
