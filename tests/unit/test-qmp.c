/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The test plays QEMU at the other end of a socket pair. */
#include "unit.h"

#include "qmp.h"

#include "descriptor.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define GREETING "{\"QMP\": {}}\r\n"

typedef struct Fixture {
    Qmp *qmp;
    int qemu;
    guint n_ready, n_closed;
    GError *failure;  /* why it was closed */
    GString *answers; /* "NAME=VALUE " for each command that was answered */
    GString *events;
} Fixture;

static void
on_ready(Qmp *qmp, gpointer user_data)
{
    ((Fixture *)user_data)->n_ready++;
}

static void
on_closed(Qmp *qmp, const GError *error, gpointer user_data)
{
    Fixture *fixture = user_data;

    fixture->n_closed++;
    fixture->failure = g_error_copy(error);
}

static void
setup_with(Fixture *fixture, guint greeting)
{
    const QmpHandlers handlers = {on_ready, on_closed};
    int pair[2];

    *fixture = (Fixture){.answers = g_string_new(NULL), .events = g_string_new(NULL)};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    fixture->qemu = pair[1];
    fixture->qmp = qmp_new(pair[0], greeting, &handlers, fixture);
}

static int
setup(void **state)
{
    Fixture *fixture = g_new(Fixture, 1);

    setup_with(fixture, 0);
    *state = fixture;
    return 0;
}

static int
teardown(void **state)
{
    Fixture *fixture = *state;

    qmp_free(fixture->qmp);
    descriptor_clear(&fixture->qemu);
    g_clear_error(&fixture->failure);
    g_string_free(fixture->answers, TRUE);
    g_string_free(fixture->events, TRUE);
    g_free(fixture);
    return 0;
}

static void
settle(void)
{
    while (g_main_context_iteration(NULL, FALSE))
        continue;
}

static void
say(Fixture *fixture, const char *text)
{
    assert_int_equal(write(fixture->qemu, text, strlen(text)), strlen(text));
    settle();
}

/* What the client has sent by now, and the descriptor that came with it or -1. */
static char *
hear(Fixture *fixture, int *ret_fd)
{
    char bytes[1024] = "";
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec data = {bytes, sizeof(bytes) - 1};
    struct msghdr message = {.msg_iov = &data,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof(control)};

    settle();
    *ret_fd = -1;
    if (recvmsg(fixture->qemu, &message, MSG_DONTWAIT) <= 0)
        return g_strdup("");
    if (message.msg_controllen > 0)
        memcpy(ret_fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(int));
    return g_strdup(bytes);
}

static void
expect(Fixture *fixture, const char *expected)
{
    int fd;
    g_autofree char *heard = hear(fixture, &fd);

    assert_string_equal(heard, expected);
    assert_int_equal(fd, -1);
}

static void
get_ready(Fixture *fixture)
{
    say(fixture, GREETING);
    expect(fixture, "{\"execute\":\"qmp_capabilities\",\"id\":1}\n");
    say(fixture, "{\"return\": {}, \"id\": 1}\n");
    assert_int_equal(fixture->n_ready, 1);
}

static void
on_done(json_t *value, const GError *error, gpointer user_data)
{
    Fixture *fixture = user_data;
    char *text = value ? json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;

    if (error)
        assert_int_equal(error->domain, QMP_ERROR);
    g_string_append_printf(fixture->answers, "%s ", error ? error->message : text);
    free(text);
}

static void
on_event(const char *name, json_t *data, gpointer user_data)
{
    Fixture *fixture = user_data;
    char *text = json_dumps(data, JSON_COMPACT);

    g_string_append_printf(fixture->events, "%s%s ", name, text);
    free(text);
}

static void
call(Fixture *fixture, const char *command)
{
    qmp_call(fixture->qmp, command, NULL, -1, QMP_DEADLINE, on_done, fixture);
}

static void
test_commands_wait_for_the_greeting_and_for_each_other(void **state)
{
    Fixture *fixture = *state;

    call(fixture, "one");
    call(fixture, "two");
    expect(fixture, "");
    get_ready(fixture);
    assert_int_equal(qmp_get_peer_pid(fixture->qmp), getpid());
    expect(fixture, "{\"execute\":\"one\",\"id\":2}\n");
    expect(fixture, "");
    say(fixture, "{\"return\": 1, \"id\": 2}\n");
    expect(fixture, "{\"execute\":\"two\",\"id\":3}\n");
    say(fixture, "{\"id\": 3, \"error\": {\"class\": \"GenericError\", \"desc\": \"no\"}}\n");
    assert_string_equal(fixture->answers->str, "1 no ");
}

static void
test_a_descriptor_goes_with_its_command(void **state)
{
    Fixture *fixture = *state;
    g_autofree char *heard = NULL;
    int ends[2], got;
    char byte;

    get_ready(fixture);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    qmp_call(fixture->qmp, "getfd", json_pack("{s:s}", "fdname", "tap"), ends[1], QMP_DEADLINE,
             on_done, fixture);
    heard = hear(fixture, &got);
    assert_string_equal(heard,
                        "{\"execute\":\"getfd\",\"id\":2,\"arguments\":{\"fdname\":\"tap\"}}\n");
    assert_int_equal(write(got, "x", 1), 1);
    close(got);
    assert_int_equal(read(ends[0], &byte, 1), 1);
    assert_int_equal(read(ends[0], &byte, 1), 0); /* the client has closed its own */
    close(ends[0]);
}

static void
test_events(void **state)
{
    Fixture *fixture = *state;

    get_ready(fixture);
    qmp_listen(fixture->qmp, on_event, fixture);
    say(fixture, "{\"event\": \"STOP\"}\r\n{\"event\": \"X\", \"data\": {\"a\": 1}}\r\n");
    assert_string_equal(fixture->events->str, "STOP{} X{\"a\":1} ");
    qmp_unlisten(fixture->qmp, on_event, fixture);
    say(fixture, "{\"event\": \"STOP\"}\r\n");
    assert_string_equal(fixture->events->str, "STOP{} X{\"a\":1} ");
}

static void
test_late_answers_are_dropped(void **state)
{
    Fixture *fixture = *state;

    get_ready(fixture);
    qmp_call(fixture->qmp, "slow", NULL, -1, 1, on_done, fixture);
    while (fixture->answers->len == 0)
        g_main_context_iteration(NULL, TRUE);
    assert_string_equal(fixture->answers->str, "QEMU has not answered slow in time ");
    call(fixture, "next");
    settle();
    say(fixture, "{\"return\": \"late\", \"id\": 2}\n{\"return\": \"right\", \"id\": 3}\n");
    assert_string_equal(fixture->answers->str, "QEMU has not answered slow in time \"right\" ");
}

static void
test_the_end_fails_what_is_queued(void **state)
{
    Fixture *fixture = *state;

    get_ready(fixture);
    call(fixture, "one");
    call(fixture, "two");
    settle();
    descriptor_clear(&fixture->qemu);
    settle();
    assert_int_equal(fixture->n_closed, 1);
    assert_error_cleared(&fixture->failure, QMP_ERROR, QMP_ERROR_CLOSED, "has ended");
    call(fixture, "three");
    settle();
    assert_string_equal(fixture->answers->str,
                        "QEMU has ended or closed its monitor QEMU has ended or closed its monitor "
                        "QEMU has ended or closed its monitor ");
}

static void
test_what_is_not_qmp_ends_it(void **state)
{
    Fixture *fixture = *state;

    say(fixture, "220 mail.example.org ESMTP\r\n" GREETING);
    assert_int_equal(fixture->n_closed, 1);
    assert_int_equal(fixture->n_ready, 0);
    assert_error_cleared(&fixture->failure, QMP_ERROR, QMP_ERROR_PROTOCOL, "not a JSON object");
}

/* greeting: what the other end says, and then nothing more. */
static void
expect_time_out(const char *greeting, const char *why)
{
    Fixture fixture;

    setup_with(&fixture, 1);
    assert_int_equal(write(fixture.qemu, greeting, strlen(greeting)), strlen(greeting));
    while (fixture.n_closed == 0)
        g_main_context_iteration(NULL, TRUE);
    assert_error_cleared(&fixture.failure, QMP_ERROR, QMP_ERROR_TIMED_OUT, why);
    qmp_free(fixture.qmp);
    descriptor_clear(&fixture.qemu);
    g_string_free(fixture.answers, TRUE);
    g_string_free(fixture.events, TRUE);
}

static void
test_nobody_greets(void **state)
{
    expect_time_out("", "another program");
}

static void
test_greeted_but_not_ready(void **state)
{
    expect_time_out(GREETING, "has not answered qmp_capabilities in time");
}

static void
on_done_free(json_t *value, const GError *error, gpointer user_data)
{
    Fixture *fixture = user_data;

    on_done(value, error, user_data);
    g_clear_pointer(&fixture->qmp, qmp_free);
}

/* Which leaves the other answers and commands alone. */
static void
test_freed_by_a_callback(void **state)
{
    Fixture *fixture = *state;

    get_ready(fixture);
    qmp_call(fixture->qmp, "one", NULL, -1, QMP_DEADLINE, on_done_free, fixture);
    call(fixture, "two");
    settle();
    say(fixture, "{\"return\": 1, \"id\": 2}\n{\"return\": 2, \"id\": 3}\n");
    assert_string_equal(fixture->answers->str, "1 ");
    assert_int_equal(fixture->n_closed, 0);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_commands_wait_for_the_greeting_and_for_each_other),
        TEST(test_a_descriptor_goes_with_its_command),
        TEST(test_events),
        TEST(test_late_answers_are_dropped),
        TEST(test_the_end_fails_what_is_queued),
        TEST(test_what_is_not_qmp_ends_it),
        TEST(test_nobody_greets),
        TEST(test_greeted_but_not_ready),
        TEST(test_freed_by_a_callback),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
