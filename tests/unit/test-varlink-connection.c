/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A server's connections: their peers, descriptors and ends. */
#include "varlink-fixture.h"

#include "varlink-message.h"

#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/un.h>

#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83
#endif

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

typedef struct Told {
    guint lost, freed;
} Told;

static void
note_lost(gpointer user_data)
{
    Told *told = user_data;

    told->lost++;
    assert_int_equal(told->freed, 0);
}

static void
note_freed(gpointer user_data)
{
    ((Told *)user_data)->freed++;
}

/* Answers the kept call with so many bytes. */
static void
answer_kept(Fixture *fixture, gsize bytes, Told *told)
{
    g_autofree char *text = g_strnfill(bytes, 'x');

    assert_non_null(fixture->kept);
    varlink_call_reply_or(fixture->kept, json_pack("{s:s}", "text", text), NULL, note_lost, told,
                          note_freed);
    g_clear_pointer(&fixture->kept, varlink_call_unref);
    settle();
}

/* What lies in the peer's socket has left; of a caller that has gone it cannot, nor can the rest of
 * a long reply. */
static void
test_lost_reply(void **state)
{
    static const struct {
        const char *call;
        gsize bytes;
        gboolean goes_before, reads;
        guint lost;
    } rows[] = {
        {"{\"method\":\"org.example.test.Later\"}", 100, FALSE, FALSE, 0},
        {"{\"method\":\"org.example.test.Later\"}", 100, TRUE, FALSE, 1},
        {"{\"method\":\"org.example.test.Later\"}", 1000000, FALSE, FALSE, 1},
        {"{\"method\":\"org.example.test.Later\"}", 1000000, FALSE, TRUE, 0},
        {"{\"method\":\"org.example.test.Later\",\"oneway\":true}", 100, TRUE, FALSE, 0},
    };

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        Fixture fixture;
        Told told = {0};
        gsize read = 0;
        char bytes[4096];
        gssize n;

        fixture_init(&fixture);
        ask(&fixture, rows[i].call);
        if (rows[i].goes_before)
            descriptor_clear(&fixture.client);
        answer_kept(&fixture, rows[i].bytes, &told);
        while (rows[i].reads && read < rows[i].bytes) {
            assert_int_equal(told.freed, 0);
            n = recv(fixture.client, bytes, sizeof bytes, MSG_DONTWAIT);
            assert_true(n > 0);
            read += (gsize)n;
            settle();
            if (told.freed)
                break;
        }
        descriptor_clear(&fixture.client);
        settle();
        assert_int_equal(told.lost, rows[i].lost);
        assert_int_equal(told.freed, 1);
        fixture_clear(&fixture);
        assert_int_equal(told.lost, rows[i].lost);
        assert_int_equal(told.freed, 1);
    }
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

/* A TCP socket with bytes for a peer that does not read, whose end waits an hour for it. */
static int
make_lingering(DescriptorArray *peers)
{
    const struct linger hour = {.l_onoff = 1, .l_linger = 3600};
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    AUTO_FD int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    static char data[65536];

    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &length), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    descriptor_array_take(peers, accept4(listener, NULL, NULL, SOCK_CLOEXEC));
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &hour, sizeof hour), 0);
    while (send(fd, data, sizeof data, MSG_DONTWAIT) > 0)
        ;
    assert_int_equal(errno, EAGAIN);
    return fd;
}

/* Whoever drops the last descriptor of such a file waits for its end, and that is the server: it
 * would not come back within an hour, whether it reads past them or closes what they lie in. */
static void
test_descriptors_whose_end_takes_long(void **state)
{
    static const char text[] = "{\"method\":\"org.example.test.Echo\"}";
    const int on = 1;

    for (guint behind = 0; behind < 2; behind++) {
        g_autoptr(GArray) descriptors = descriptor_array_new(), peers = descriptor_array_new();
        g_autofree char *large = g_strnfill(100000, ' ');
        Fixture fixture;

        fixture_init(&fixture);
        setsockopt(fixture.near, SOL_SOCKET, SO_PASSRIGHTS, &on, sizeof on);
        for (guint i = 0; i < 3; i++)
            descriptor_array_take(descriptors, make_lingering(peers));
        /* Behind a message that is too large: what follows is never read. */
        if (behind)
            assert_true(send(fixture.client, large, 100000, MSG_DONTWAIT) > 0);
        assert_int_equal(send_bytes(fixture.client, text, sizeof text, descriptors), sizeof text);
        g_array_set_size(descriptors, 0);
        expect_dropped(&fixture);
        g_array_set_size(peers, 0);
        fixture_clear(&fixture);
    }
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

/* On an abstract address that the kernel chooses. */
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
    assert_true(varlink_server_listen(fixture.server, listener, VARLINK_ROOT_IS_ROOT, NULL));
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

/* Root and our own user of such a socket are a user by themselves, with what any user may have. */
static void
test_where_nobody_is_root(void **state)
{
    const VarlinkLimits limits = {.connections_per_uid = 1, .message_bytes_of_others = 100};
    g_autofree char *blanks = g_strnfill(100, ' ');
    g_autofree char *long_text =
        g_strdup_printf("{\"method\":\"org.example.test.Echo\"%s}", blanks);
    struct sockaddr_un address;
    socklen_t length;
    Fixture fixture;
    int first, second;

    settle();
    fixture_init_with(&fixture, &limits);
    assert_true(varlink_server_listen(fixture.server, make_listener(&address, &length),
                                      VARLINK_NOBODY_IS_ROOT, NULL));
    first = dial(&address, length);
    settle();
    second = dial(&address, length);
    settle();
    assert_int_equal(varlink_server_connection_count(fixture.server), 2);
    expect_closed(second);
    send_text(first, "{\"method\":\"org.example.test.Later\"}");
    settle();
    assert_true(varlink_call_peer(fixture.kept)->rootless);
    assert_int_equal(varlink_call_peer(fixture.kept)->uid, getuid());
    varlink_call_reply(fixture.kept, NULL, NULL);
    settle();
    expect_text(first, "{\"parameters\":{}}");
    send_text(first, long_text);
    settle();
    expect_closed(first);
    descriptor_clear(&first);
    descriptor_clear(&second);
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
    assert_false(varlink_server_listen(fixture.server, pair[0], VARLINK_ROOT_IS_ROOT, &error));
    assert_non_null(error);
    expect_closed(pair[1]);
    descriptor_clear(&pair[1]);
    fixture_clear(&fixture);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_is_read_while_a_call_is_in_hand),
        cmocka_unit_test(test_reply_after_the_caller_shut_down_writing),
        cmocka_unit_test(test_gone_caller_of_a_stream),
        cmocka_unit_test(test_gone_is_not_called_within_a_reply),
        cmocka_unit_test(test_slow_reader_of_a_stream_is_dropped),
        cmocka_unit_test(test_large_reply),
        cmocka_unit_test(test_lost_reply),
        cmocka_unit_test(test_descriptors),
        cmocka_unit_test(test_descriptors_that_come_are_refused),
        cmocka_unit_test(test_descriptors_whose_end_takes_long),
        cmocka_unit_test(test_kernel_is_told_to_refuse_descriptors),
        cmocka_unit_test(test_peer),
        cmocka_unit_test(test_listening),
        cmocka_unit_test(test_where_nobody_is_root),
        cmocka_unit_test(test_listening_on_something_else_fails),
    };

    return cmocka_run_group_tests_name("varlink-connection", tests, NULL, NULL);
}
