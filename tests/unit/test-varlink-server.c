/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "varlink-test.h"

#include "varlink-error.h"
#include "varlink-server.h"

#include <sys/resource.h>
#include <sys/un.h>

#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83
#endif

static const char description[] = "interface org.example.test\n"
                                  "method Echo(text: ?string) -> (text: ?string)\n"
                                  "# Answered by the test, whenever it likes.\n"
                                  "method Later() -> ()\n"
                                  "method Stream() -> (n: int)\n"
                                  "method Descriptors(count: int) -> ()\n"
                                  "method Forget() -> ()\n"
                                  "method Twice() -> ()\n"
                                  "method FreeServer() -> ()\n"
                                  "# Runs the main loop before and after it answers.\n"
                                  "method RunLoop() -> ()\n";

typedef struct Fixture {
    VarlinkServer *server;
    int client;   /* the far end of the first connection */
    int near;     /* its near end: the server's, not to be closed here */
    guint before; /* descriptors held before all */
    guint held;   /* … with the first connection, its peer's pidfd included */
    VarlinkCall *kept;
    guint calls, gone;
} Fixture;

static void
handle_echo(VarlinkCall *call, gpointer user_data)
{
    ((Fixture *)user_data)->calls++;
    varlink_call_reply(call, json_incref(varlink_call_parameters(call)), NULL);
}

static void
note_gone(VarlinkCall *call, gpointer user_data)
{
    ((Fixture *)user_data)->gone++;
}

static void
handle_later(VarlinkCall *call, gpointer user_data)
{
    Fixture *fixture = user_data;

    fixture->calls++;
    assert_null(fixture->kept);
    fixture->kept = varlink_call_ref(call);
    varlink_call_on_gone(call, note_gone, fixture);
}

static void
handle_descriptors(VarlinkCall *call, gpointer user_data)
{
    json_t *count = json_object_get(varlink_call_parameters(call), "count");

    if (!json_is_integer(count))
        varlink_call_invalid_parameter(call, "count");
    else
        varlink_call_reply(call, NULL, make_descriptors(json_integer_value(count)));
}

static void
handle_forget(VarlinkCall *call, gpointer user_data)
{
}

static void
handle_twice(VarlinkCall *call, gpointer user_data)
{
    varlink_call_reply(call, json_pack("{s:i}", "n", 1), NULL);
    varlink_call_reply(call, json_pack("{s:i}", "n", 2), make_descriptors(2));
}

static void
handle_free_server(VarlinkCall *call, gpointer user_data)
{
    Fixture *fixture = user_data;

    g_clear_pointer(&fixture->server, varlink_server_free);
    varlink_call_reply(call, NULL, make_descriptors(1));
}

static void
handle_run_loop(VarlinkCall *call, gpointer user_data)
{
    Fixture *fixture = user_data;
    guint calls = fixture->calls;

    settle();
    assert_int_equal(fixture->calls, calls);
    varlink_call_reply(call, NULL, NULL);
    settle();
}

static const VarlinkMethod methods[] = {
    {"Echo", handle_echo},
    {"Later", handle_later},
    {"Stream", handle_later, .needs_more = TRUE},
    {"Descriptors", handle_descriptors},
    {"Forget", handle_forget},
    {"Twice", handle_twice},
    {"FreeServer", handle_free_server},
    {"RunLoop", handle_run_loop},
    {NULL},
};

static const VarlinkServiceInfo info = {"Vendor", "Product", "1", "https://example.org/"};

static int
connect_client(Fixture *fixture)
{
    int pair[2];

    make_pair(pair);
    fixture->near = pair[0];
    assert_true(varlink_server_add_connection(fixture->server, pair[0], NULL));
    return pair[1];
}

static void
fixture_init_with(Fixture *fixture, const VarlinkLimits *limits)
{
    *fixture = (Fixture){.before = count_descriptors()};
    fixture->server = varlink_server_new(&info, limits);
    assert_true(varlink_server_add_interface(fixture->server, description, methods, fixture, NULL));
    fixture->client = connect_client(fixture);
    fixture->held = count_descriptors();
}

static void
fixture_init(Fixture *fixture)
{
    /* The default context's wake-up descriptor is made on first use. */
    settle();
    fixture_init_with(fixture, NULL);
}

static void
fixture_clear(Fixture *fixture)
{
    varlink_server_free(fixture->server);
    g_clear_pointer(&fixture->kept, varlink_call_unref);
    descriptor_clear(&fixture->client);
    assert_int_equal(count_descriptors(), fixture->before);
}

static void
ask(Fixture *fixture, const char *text)
{
    send_text(fixture->client, text);
    settle();
}

static void
expect_answer(Fixture *fixture, const char *call, const char *reply)
{
    ask(fixture, call);
    expect_text(fixture->client, reply);
}

/* The first of several that are there. */
static void
expect_first_text(Fixture *fixture, const char *text)
{
    char buffer[100];

    assert_int_equal(recv(fixture->client, buffer, strlen(text) + 1, MSG_DONTWAIT),
                     strlen(text) + 1);
    assert_string_equal(buffer, text);
}

static void
expect_dropped(Fixture *fixture)
{
    settle();
    expect_closed(fixture->client);
    assert_int_equal(varlink_server_connection_count(fixture->server), 0);
}

static void
test_plain_call(void **state)
{
    Fixture fixture;

    fixture_init(&fixture);
    expect_answer(&fixture, "{\"method\":\"org.example.test.Echo\"}", "{\"parameters\":{}}");
    expect_answer(&fixture,
                  "{\"method\":\"org.example.test.Echo\",\"parameters\":{\"text\":\"\\u00e4\"}}",
                  "{\"parameters\":{\"text\":\"\xc3\xa4\"}}");
    fixture_clear(&fixture);
}

static void
test_service(void **state)
{
    Fixture fixture;

    fixture_init(&fixture);
    expect_answer(
        &fixture, "{\"method\":\"org.varlink.service.GetInfo\"}",
        "{\"parameters\":{\"vendor\":\"Vendor\",\"product\":\"Product\",\"version\":\"1\","
        "\"url\":\"https://example.org/\","
        "\"interfaces\":[\"org.varlink.service\",\"org.example.test\"]}}");
    expect_answer(
        &fixture,
        "{\"method\":\"org.varlink.service.GetInterfaceDescription\","
        "\"parameters\":{\"interface\":\"org.example.test\"}}",
        "{\"parameters\":{\"description\":\"interface org.example.test\\n"
        "method Echo(text: ?string) -> (text: ?string)\\n"
        "# Answered by the test, whenever it likes.\\n"
        "method Later() -> ()\\nmethod Stream() -> (n: int)\\n"
        "method Descriptors(count: int) -> ()\\nmethod Forget() -> ()\\n"
        "method Twice() -> ()\\nmethod FreeServer() -> ()\\n"
        "# Runs the main loop before and after it answers.\\nmethod RunLoop() -> ()\\n\"}}");
    fixture_clear(&fixture);
}

static const struct {
    const char *call, *error, *parameters;
} refused[] = {
    {"{\"method\":\"Echo\"}", "InvalidParameter", "{\"parameter\":\"method\"}"},
    {"{\"method\":\"org.example.none.Echo\"}", "InterfaceNotFound",
     "{\"interface\":\"org.example.none\"}"},
    {"{\"method\":\"org.example.test.None\"}", "MethodNotFound",
     "{\"method\":\"org.example.test.None\"}"},
    {"{\"method\":\"org.example.test.\"}", "MethodNotFound", "{\"method\":\"org.example.test.\"}"},
    {"{\"method\":\"org.example.test.Echo\",\"upgrade\":true}", "MethodNotImplemented",
     "{\"method\":\"org.example.test.Echo\"}"},
    {"{\"method\":\"org.example.test.Stream\"}", "ExpectedMore", "{}"},
    {"{\"method\":\"org.varlink.service.GetInfo\",\"parameters\":{\"a\":1}}", "InvalidParameter",
     "{\"parameter\":\"a\"}"},
    {"{\"method\":\"org.varlink.service.GetInterfaceDescription\"}", "InvalidParameter",
     "{\"parameter\":\"interface\"}"},
    {"{\"method\":\"org.varlink.service.GetInterfaceDescription\",\"parameters\":{\"interface\":3}"
     "}",
     "InvalidParameter", "{\"parameter\":\"interface\"}"},
    {"{\"method\":\"org.varlink.service.GetInterfaceDescription\","
     "\"parameters\":{\"interface\":\"a.b\"}}",
     "InterfaceNotFound", "{\"interface\":\"a.b\"}"},
};

static void
test_refusals(void **state)
{
    Fixture fixture;

    fixture_init(&fixture);
    for (guint i = 0; i < G_N_ELEMENTS(refused); i++) {
        g_autofree char *reply =
            g_strdup_printf("{\"error\":\"org.varlink.service.%s\",\"parameters\":%s}",
                            refused[i].error, refused[i].parameters);

        expect_answer(&fixture, refused[i].call, reply);
    }
    assert_int_equal(fixture.calls, 0);
    fixture_clear(&fixture);
}

static void
test_protocol_faults_drop_the_connection(void **state)
{
    static const char *const faults[] = {
        "",
        "{}",
        "[]",
        "{\"method\":\"org.example.test.Echo\",\"unknown\":1}",
        "{\"method\":\"org.example.test.Echo\",\"more\":\"yes\"}",
        "{\"method\":\"org.example.test.Echo\",\"more\":true,\"oneway\":true}",
        "{\"method\":\"org.example.test.Echo\",\"parameters\":[]}",
        "{\"method\":\"org.example.test.Echo\"}{\"method\":\"org.example.test.Echo\"}",
    };

    for (guint i = 0; i < G_N_ELEMENTS(faults); i++) {
        Fixture fixture;

        fixture_init(&fixture);
        ask(&fixture, faults[i]);
        expect_dropped(&fixture);
        assert_int_equal(fixture.calls, 0);
        fixture_clear(&fixture);
    }
}

static void
test_byte_by_byte(void **state)
{
    static const char text[] =
        "{\"method\":\"org.example.test.Echo\",\"parameters\":{\"text\":\"x\"}}";
    Fixture fixture;

    fixture_init(&fixture);
    for (gsize i = 0; i < sizeof text; i++) {
        expect_nothing(fixture.client);
        assert_int_equal(send_bytes(fixture.client, text + i, 1, NULL), 1);
        settle();
    }
    expect_text(fixture.client, "{\"parameters\":{\"text\":\"x\"}}");
    fixture_clear(&fixture);
}

static void
test_truncated(void **state)
{
    Fixture fixture;

    fixture_init(&fixture);
    send_bytes(fixture.client, "{\"method\":\"org.example.test.Echo\"}", 34, NULL);
    shutdown(fixture.client, SHUT_WR);
    expect_dropped(&fixture);
    assert_int_equal(fixture.calls, 0);
    fixture_clear(&fixture);
}

static void
test_message_limit(void **state)
{
    const VarlinkLimits limits = {.message_bytes = 100};
    g_autofree char *filling = g_strnfill(100 - 35, ' ');
    g_autofree char *fits = g_strconcat("{\"method\":\"org.example.test.Echo\"}", filling, NULL);
    Fixture fixture;

    settle();
    fixture_init_with(&fixture, &limits);
    assert_int_equal(strlen(fits) + 1, 100);
    expect_answer(&fixture, fits, "{\"parameters\":{}}");
    send_bytes(fixture.client, fits, 99, NULL);
    send_bytes(fixture.client, " ", 2, NULL);
    expect_dropped(&fixture);
    assert_int_equal(fixture.calls, 1);
    fixture_clear(&fixture);
}

static void
test_pipelined_calls_are_answered_in_order(void **state)
{
    Fixture fixture;

    fixture_init(&fixture);
    send_text(fixture.client,
              "{\"method\":\"org.example.test.Echo\",\"parameters\":{\"text\":\"1\"}}");
    send_text(fixture.client, "{\"method\":\"org.example.test.Later\"}");
    send_text(fixture.client,
              "{\"method\":\"org.example.test.Echo\",\"parameters\":{\"text\":\"2\"}}");
    settle();
    expect_text(fixture.client, "{\"parameters\":{\"text\":\"1\"}}");
    assert_int_equal(fixture.calls, 2);
    /* Comes while a call is in hand: neither read nor polled until that one is answered. */
    send_text(fixture.client,
              "{\"method\":\"org.example.test.Echo\",\"parameters\":{\"text\":\"3\"}}");
    settle();
    assert_int_equal(fixture.calls, 2);
    varlink_call_reply(fixture.kept, NULL, NULL);
    expect_text(fixture.client, "{\"parameters\":{}}");
    settle();
    assert_int_equal(fixture.calls, 4);
    assert_int_equal(fixture.gone, 0);
    fixture_clear(&fixture);
}

static void
test_nothing_is_read_while_a_call_is_in_hand(void **state)
{
    g_autofree char *filling = g_strnfill(60000, ' ');
    Fixture fixture;
    int queued = 0;

    fixture_init(&fixture);
    ask(&fixture, "{\"method\":\"org.example.test.Later\"}");
    /* The sender's own buffer fills up. */
    while (send_bytes(fixture.client, filling, 60000, NULL) > 0) {
        queued++;
        settle();
        assert_true(queued < 100);
    }
    assert_int_equal(errno, EAGAIN);
    fixture_clear(&fixture);
}

static void
test_oneway_gets_no_reply(void **state)
{
    Fixture fixture;

    fixture_init(&fixture);
    ask(&fixture, "{\"method\":\"org.example.test.Echo\",\"oneway\":true}");
    ask(&fixture, "{\"method\":\"org.example.test.None\",\"oneway\":true}");
    ask(&fixture, "{\"method\":\"org.example.test.Descriptors\",\"oneway\":true,"
                  "\"parameters\":{\"count\":5}}");
    assert_int_equal(fixture.calls, 1);
    assert_int_equal(count_descriptors(), fixture.held);
    expect_nothing(fixture.client);
    expect_answer(&fixture, "{\"method\":\"org.example.test.Echo\"}", "{\"parameters\":{}}");
    fixture_clear(&fixture);
}

static void
test_oneway_calls_count_though_the_caller_has_gone(void **state)
{
    Fixture fixture;

    fixture_init(&fixture);
    send_text(fixture.client, "{\"method\":\"org.example.test.Echo\",\"oneway\":true}");
    send_text(fixture.client, "{\"method\":\"org.example.test.Echo\",\"oneway\":true}");
    descriptor_clear(&fixture.client);
    settle();
    assert_int_equal(fixture.calls, 2);
    assert_int_equal(varlink_server_connection_count(fixture.server), 0);
    fixture_clear(&fixture);
}

static void
test_reply_after_the_caller_shut_down_writing(void **state)
{
    Fixture fixture;

    fixture_init(&fixture);
    send_text(fixture.client, "{\"method\":\"org.example.test.Later\"}");
    shutdown(fixture.client, SHUT_WR);
    settle();
    assert_int_equal(fixture.gone, 0);
    varlink_call_reply(fixture.kept, NULL, NULL);
    settle();
    expect_text(fixture.client, "{\"parameters\":{}}");
    expect_dropped(&fixture);
    fixture_clear(&fixture);

    fixture_init(&fixture);
    send_text(fixture.client, "{\"method\":\"org.example.test.Echo\"}");
    shutdown(fixture.client, SHUT_WR);
    settle();
    expect_text(fixture.client, "{\"parameters\":{}}");
    expect_dropped(&fixture);
    fixture_clear(&fixture);
}

static void
test_stream(void **state)
{
    Fixture fixture;

    fixture_init(&fixture);
    ask(&fixture, "{\"method\":\"org.example.test.Stream\",\"more\":true}");
    assert_true(varlink_call_wants_more(fixture.kept));
    assert_true(varlink_call_reply_more(fixture.kept, json_pack("{s:i}", "n", 1)));
    expect_text(fixture.client, "{\"continues\":true,\"parameters\":{\"n\":1}}");
    assert_true(varlink_call_reply_more(fixture.kept, NULL));
    expect_text(fixture.client, "{\"continues\":true,\"parameters\":{}}");
    varlink_call_reply(fixture.kept, json_pack("{s:i}", "n", 3), NULL);
    expect_text(fixture.client, "{\"parameters\":{\"n\":3}}");
    assert_false(varlink_call_reply_more(fixture.kept, json_pack("{s:i}", "n", 4)));
    expect_answer(&fixture, "{\"method\":\"org.example.test.Echo\"}", "{\"parameters\":{}}");
    assert_int_equal(fixture.gone, 0);
    fixture_clear(&fixture);
}

static void
test_gone_caller_of_a_stream(void **state)
{
    Fixture fixture;

    fixture_init(&fixture);
    ask(&fixture, "{\"method\":\"org.example.test.Stream\",\"more\":true}");
    descriptor_clear(&fixture.client);
    settle();
    assert_int_equal(fixture.gone, 1);
    assert_int_equal(varlink_server_connection_count(fixture.server), 0);
    assert_false(varlink_call_reply_more(fixture.kept, json_pack("{s:i}", "n", 1)));
    assert_int_equal(varlink_call_peer(fixture.kept)->uid, getuid());
    varlink_call_reply(fixture.kept, NULL, make_descriptors(1));
    assert_int_equal(fixture.gone, 1);
    fixture_clear(&fixture);
}

/* A reply that fails says FALSE at once and calls back later, never within. */
static void
test_gone_is_not_called_within_a_reply(void **state)
{
    Fixture fixture;

    fixture_init(&fixture);
    ask(&fixture, "{\"method\":\"org.example.test.Stream\",\"more\":true}");
    descriptor_clear(&fixture.client);
    assert_false(varlink_call_reply_more(fixture.kept, NULL));
    assert_int_equal(fixture.gone, 0);
    settle();
    assert_int_equal(fixture.gone, 1);
    fixture_clear(&fixture);
}

static void
test_slow_reader_of_a_stream_is_dropped(void **state)
{
    const VarlinkLimits limits = {.unsent_bytes = 10000};
    g_autofree char *text = g_strnfill(1000, 'x');
    Fixture fixture;
    guint sent = 0;

    settle();
    fixture_init_with(&fixture, &limits);
    ask(&fixture, "{\"method\":\"org.example.test.Stream\",\"more\":true}");
    while (varlink_call_reply_more(fixture.kept, json_pack("{s:s}", "text", text))) {
        assert_true(++sent < 10000);
        settle();
    }
    settle();
    assert_int_equal(fixture.gone, 1);
    assert_int_equal(varlink_server_connection_count(fixture.server), 0);
    fixture_clear(&fixture);
}

/* What was asked for comes whole, however slowly it is read; the next call waits for that. */
static void
test_large_reply(void **state)
{
    const VarlinkLimits limits = {.unsent_bytes = 1000};
    g_autofree char *text = g_strnfill(1000000, 'x');
    g_autofree char *buffer = g_malloc(50000);
    gsize total = 0;
    Fixture fixture;

    settle();
    fixture_init_with(&fixture, &limits);
    ask(&fixture, "{\"method\":\"org.example.test.Later\"}");
    varlink_call_reply(fixture.kept, json_pack("{s:s}", "text", text), make_descriptors(1));
    assert_int_equal(count_descriptors(), fixture.held);
    ask(&fixture, "{\"method\":\"org.example.test.Echo\"}");
    assert_int_equal(fixture.calls, 1);
    while (fixture.calls == 1) {
        guint descriptors;
        gssize received = receive_bytes(fixture.client, buffer, 50000, &descriptors);

        assert_true(received > 0);
        assert_int_equal(descriptors, total == 0 ? 1 : 0);
        total += received;
        settle();
    }
    for (gssize received; (received = recv(fixture.client, buffer, 50000, MSG_DONTWAIT)) > 0;)
        total += received;
    assert_int_equal(total, 1000000 + strlen("{'parameters':{'text':''}}") + 1 +
                                strlen("{'parameters':{}}") + 1);
    fixture_clear(&fixture);
}

static void
test_descriptors(void **state)
{
    static const guint counts[] = {0, 1, 253};
    Fixture fixture;

    fixture_init(&fixture);
    for (guint i = 0; i < G_N_ELEMENTS(counts); i++) {
        guint before = count_descriptors(), received;
        char buffer[100] = {0};
        g_autofree char *call = g_strdup_printf(
            "{\"method\":\"org.example.test.Descriptors\",\"parameters\":{\"count\":%u}}",
            counts[i]);

        ask(&fixture, call);
        /* The server holds none of them any more. */
        assert_int_equal(count_descriptors(), before);
        assert_int_equal(receive_bytes(fixture.client, buffer, 1, &received), 1);
        assert_int_equal(received, counts[i]);
        receive_bytes(fixture.client, buffer + 1, sizeof buffer - 1, &received);
        assert_string_equal(buffer, "{\"parameters\":{}}");
    }
    ask(&fixture, "{\"method\":\"org.example.test.Descriptors\",\"parameters\":{\"count\":254}}");
    expect_dropped(&fixture);
    fixture_clear(&fixture);
}

static void
test_descriptors_that_come_are_refused(void **state)
{
    static const char text[] = "{\"method\":\"org.example.test.Echo\"}";
    const int on = 1;
    Fixture fixture;

    fixture_init(&fixture);
    {
        g_autoptr(GArray) descriptors = make_descriptors(3);
        gboolean kernel_refuses =
            setsockopt(fixture.near, SOL_SOCKET, SO_PASSRIGHTS, &on, sizeof on) == 0;

        /* Linux 6.16 refuses for us. Then once more as on an older one. */
        if (kernel_refuses) {
            const int off = 0;

            setsockopt(fixture.near, SOL_SOCKET, SO_PASSRIGHTS, &off, sizeof off);
            assert_int_equal(send_bytes(fixture.client, text, sizeof text, descriptors), -1);
            assert_int_equal(errno, EPERM);
            setsockopt(fixture.near, SOL_SOCKET, SO_PASSRIGHTS, &on, sizeof on);
        }
        assert_int_equal(send_bytes(fixture.client, text, sizeof text, descriptors), sizeof text);
    }
    expect_dropped(&fixture);
    assert_int_equal(fixture.calls, 0);
    fixture_clear(&fixture);
}

/* As it is set without the test's help. */
static void
test_kernel_is_told_to_refuse_descriptors(void **state)
{
    int on = -1;
    socklen_t bytes = sizeof on;
    Fixture fixture;

    fixture_init(&fixture);
    if (getsockopt(fixture.near, SOL_SOCKET, SO_PASSRIGHTS, &on, &bytes) < 0) {
        print_message("skipped: this kernel has no SO_PASSRIGHTS (Linux 6.16)\n");
        fixture_clear(&fixture);
        skip();
    }
    assert_int_equal(on, 0);
    fixture_clear(&fixture);
}

static void
test_peer(void **state)
{
    Fixture fixture;
    const VarlinkPeer *peer;

    fixture_init(&fixture);
    ask(&fixture, "{\"method\":\"org.example.test.Later\"}");
    peer = varlink_call_peer(fixture.kept);
    assert_int_equal(peer->uid, getuid());
    assert_int_equal(peer->gid, getgid());
    assert_int_equal(peer->pid, getpid());
    assert_int_equal(peer->groups->len, getgroups(0, NULL));
    if (peer->pidfd >= 0)
        assert_int_equal(fcntl(peer->pidfd, F_GETFD), FD_CLOEXEC);
    fixture_clear(&fixture);
}

static void
test_forgotten_call_drops_the_connection(void **state)
{
    Fixture fixture;

    fixture_init(&fixture);
    ask(&fixture, "{\"method\":\"org.example.test.Forget\"}");
    expect_dropped(&fixture);
    fixture_clear(&fixture);
}

static void
test_second_answer_is_ignored(void **state)
{
    Fixture fixture;

    fixture_init(&fixture);
    expect_answer(&fixture, "{\"method\":\"org.example.test.Twice\"}",
                  "{\"parameters\":{\"n\":1}}");
    expect_nothing(fixture.client);
    fixture_clear(&fixture);
}

static void
test_server_freed_by_a_handler(void **state)
{
    Fixture fixture;
    AUTO_FD int other = -1;

    fixture_init(&fixture);
    other = connect_client(&fixture);
    send_text(other, "{\"method\":\"org.example.test.Later\"}");
    settle();
    send_text(fixture.client, "{\"method\":\"org.example.test.FreeServer\"}");
    ask(&fixture, "{\"method\":\"org.example.test.Echo\"}");
    assert_null(fixture.server);
    assert_int_equal(fixture.gone, 1);
    assert_int_equal(fixture.calls, 1);
    expect_closed(fixture.client);
    expect_closed(other);
    descriptor_clear(&other);
    fixture_clear(&fixture);
}

static void
test_handler_that_runs_the_main_loop(void **state)
{
    Fixture fixture;

    fixture_init(&fixture);
    send_text(fixture.client, "{\"method\":\"org.example.test.RunLoop\"}");
    send_text(fixture.client, "{\"method\":\"org.example.test.Echo\"}");
    settle();
    assert_int_equal(fixture.calls, 1);
    expect_first_text(&fixture, "{\"parameters\":{}}");
    expect_text(fixture.client, "{\"parameters\":{}}");
    fixture_clear(&fixture);
}

static void
test_connection_limits(void **state)
{
    static const VarlinkLimits limits[] = {{.connections = 1}, {.connections_per_uid = 1}};

    for (guint i = 0; i < G_N_ELEMENTS(limits); i++) {
        g_autoptr(GError) error = NULL;
        Fixture fixture;
        int pair[2];

        settle();
        fixture_init_with(&fixture, &limits[i]);
        make_pair(pair);
        assert_false(varlink_server_add_connection(fixture.server, pair[0], &error));
        assert_true(g_error_matches(error, VARLINK_ERROR, VARLINK_ERROR_BUSY));
        expect_closed(pair[1]);
        descriptor_clear(&pair[1]);
        /* The place is free again as soon as the one who had it has gone. */
        descriptor_clear(&fixture.client);
        settle();
        fixture.client = connect_client(&fixture);
        expect_answer(&fixture, "{\"method\":\"org.example.test.Echo\"}", "{\"parameters\":{}}");
        fixture_clear(&fixture);
    }
}

/* On an abstract address that the kernel chooses. */
static int
make_listener(struct sockaddr_un *address, socklen_t *length)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    *length = sizeof *address;
    assert_int_equal(bind(fd, (struct sockaddr *)address, sizeof(sa_family_t)), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)address, length), 0);
    assert_int_equal(listen(fd, 10), 0);
    return fd;
}

static int
dial(const struct sockaddr_un *address, socklen_t length)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(connect(fd, (const struct sockaddr *)address, length), 0);
    return fd;
}

static void
test_listening(void **state)
{
    const VarlinkLimits limits = {.connections = 2};
    struct sockaddr_un address;
    socklen_t length;
    Fixture fixture;
    int second, third, listener;
    const int on = 1;

    settle();
    fixture_init_with(&fixture, &limits);
    listener = make_listener(&address, &length);
    /* As a service manager may hand it over. */
    setsockopt(listener, SOL_SOCKET, SO_PASSCRED, &on, sizeof on);
    assert_true(varlink_server_listen(fixture.server, listener, NULL));
    second = dial(&address, length);
    third = dial(&address, length);
    settle();
    assert_int_equal(varlink_server_connection_count(fixture.server), 2);
    expect_closed(third);
    send_text(second, "{\"method\":\"org.example.test.Echo\"}");
    settle();
    expect_text(second, "{\"parameters\":{}}");
    descriptor_clear(&second);
    descriptor_clear(&third);
    fixture_clear(&fixture);
}

static void
test_listening_on_something_else_fails(void **state)
{
    g_autoptr(GError) error = NULL;
    Fixture fixture;
    int pair[2];

    fixture_init(&fixture);
    make_pair(pair);
    assert_false(varlink_server_listen(fixture.server, pair[0], &error));
    assert_non_null(error);
    expect_closed(pair[1]);
    descriptor_clear(&pair[1]);
    fixture_clear(&fixture);
}

/* Without a descriptor left the caller is sent away, and the loop comes to rest. */
static void
test_out_of_descriptors(void **state)
{
    struct rlimit original, few;
    struct sockaddr_un address;
    socklen_t length;
    Fixture fixture;
    int second, third, probe;

    fixture_init(&fixture);
    assert_true(varlink_server_listen(fixture.server, make_listener(&address, &length), NULL));
    second = dial(&address, length);
    third = dial(&address, length);
    getrlimit(RLIMIT_NOFILE, &original);
    probe = open("/dev/null", O_RDONLY | O_CLOEXEC);
    few = (struct rlimit){probe, original.rlim_max};
    close(probe);
    setrlimit(RLIMIT_NOFILE, &few);
    settle();
    setrlimit(RLIMIT_NOFILE, &original);
    assert_int_equal(varlink_server_connection_count(fixture.server), 1);
    expect_closed(second);
    expect_closed(third);
    descriptor_clear(&second);
    second = dial(&address, length);
    settle();
    assert_int_equal(varlink_server_connection_count(fixture.server), 2);
    descriptor_clear(&second);
    descriptor_clear(&third);
    fixture_clear(&fixture);
}

static void
expect_interface_error(const char *text, const VarlinkMethod *table, const char *message)
{
    g_autoptr(VarlinkServer) server = varlink_server_new(&info, NULL);
    g_autoptr(GError) error = NULL;

    assert_false(varlink_server_add_interface(server, text, table, NULL, &error));
    assert_true(g_error_matches(error, VARLINK_ERROR, VARLINK_ERROR_INTERFACE));
    assert_string_equal(error->message, message);
}

static void
test_interface_and_methods_must_agree(void **state)
{
    static const VarlinkMethod none[] = {{NULL}};
    static const VarlinkMethod echo[] = {{"Echo", handle_echo}, {NULL}};

    expect_interface_error("interface a.b\nmethod Echo() -> ()", none,
                           "interface a.b: nothing handles method Echo");
    expect_interface_error("interface a.b\nerror Echo ()", echo,
                           "interface a.b: its text does not declare method Echo");
    expect_interface_error("interface a.b\nerror echo ()", none,
                           "line 2: a name with a capital letter first expected, not \"echo\"");
    expect_interface_error("interface org.varlink.service", none,
                           "interface org.varlink.service: it is served already");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain_call),
        cmocka_unit_test(test_service),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_protocol_faults_drop_the_connection),
        cmocka_unit_test(test_byte_by_byte),
        cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_message_limit),
        cmocka_unit_test(test_pipelined_calls_are_answered_in_order),
        cmocka_unit_test(test_nothing_is_read_while_a_call_is_in_hand),
        cmocka_unit_test(test_oneway_gets_no_reply),
        cmocka_unit_test(test_oneway_calls_count_though_the_caller_has_gone),
        cmocka_unit_test(test_reply_after_the_caller_shut_down_writing),
        cmocka_unit_test(test_stream),
        cmocka_unit_test(test_gone_caller_of_a_stream),
        cmocka_unit_test(test_gone_is_not_called_within_a_reply),
        cmocka_unit_test(test_slow_reader_of_a_stream_is_dropped),
        cmocka_unit_test(test_large_reply),
        cmocka_unit_test(test_descriptors),
        cmocka_unit_test(test_descriptors_that_come_are_refused),
        cmocka_unit_test(test_kernel_is_told_to_refuse_descriptors),
        cmocka_unit_test(test_peer),
        cmocka_unit_test(test_forgotten_call_drops_the_connection),
        cmocka_unit_test(test_second_answer_is_ignored),
        cmocka_unit_test(test_server_freed_by_a_handler),
        cmocka_unit_test(test_handler_that_runs_the_main_loop),
        cmocka_unit_test(test_connection_limits),
        cmocka_unit_test(test_listening),
        cmocka_unit_test(test_listening_on_something_else_fails),
        cmocka_unit_test(test_out_of_descriptors),
        cmocka_unit_test(test_interface_and_methods_must_agree),
    };

    return cmocka_run_group_tests_name("varlink-server", tests, NULL, NULL);
}
