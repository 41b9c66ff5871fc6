/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Captures in the broker: what the datapath is told, what readers get, and how captures end. */
#include "broker-fixture.h"

#include "descriptor.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

static const guint8 bytes[100] = {1, 2, 3};

static int
begin(TestBroker *test, uid_t uid, const char *port, CaptureFrames frames, guint snap_length)
{
    const CaptureRequest request = {.port = (char *)port,
                                    .wish = {.frames = frames, .snap_length = snap_length}};
    const Caller caller = test_caller(uid);
    g_autoptr(GError) error = NULL;
    int fd = -1;

    assert_non_null(broker_capture_port(test->broker, &caller, &request, &fd, &error));
    assert_no_error(error);
    return fd;
}

static void
refuse(TestBroker *test, uid_t uid, const char *port, PortError code, const char *text)
{
    const CaptureRequest request = {.port = (char *)port};
    const Caller caller = test_caller(uid);
    g_autoptr(GError) error = NULL;
    int fd = -1;

    assert_null(broker_capture_port(test->broker, &caller, &request, &fd, &error));
    assert_int_equal(fd, -1);
    assert_error_cleared(&error, PORT_ERROR, (int)code, text);
}

static void
pass(TestBroker *test, const Port *port, DatapathFrameKind kind, guint64 lost)
{
    const DatapathFrame frame = {.index = port->interface_index,
                                 .kind = kind,
                                 .has_reason = kind == DATAPATH_FRAME_DROPPED,
                                 .reason = GUARD_OTHER_MAC,
                                 .lost = lost,
                                 .length = 1514,
                                 .bytes = bytes,
                                 .n_bytes = sizeof bytes};

    fake_datapath_pass(test->datapath, &frame);
}

/* Reads a message that must be one record. */
static CaptureHeader
receive(int fd, char *ret_text)
{
    guint8 message[4096];
    ssize_t n = recv(fd, message, sizeof message, MSG_DONTWAIT);
    CaptureRecord record;
    gsize at = 0;

    assert_true(n > 0);
    assert_true(capture_stream_next(message, (gsize)n, &at, &record));
    assert_int_equal(at, n);
    if (ret_text) {
        memcpy(ret_text, record.bytes, record.header.n_bytes);
        ret_text[record.header.n_bytes] = '\0';
    }
    return record.header;
}

static void
expect_nothing(int fd)
{
    char byte;

    assert_int_equal(recv(fd, &byte, 1, MSG_DONTWAIT), -1);
    assert_int_equal(errno, EAGAIN);
}

static void
expect_end(int fd, const char *text)
{
    char why[200];

    assert_int_equal(receive(fd, why).type, CAPTURE_TYPE_END);
    assert_string_equal(why, text);
    assert_int_equal(recv(fd, why, 1, MSG_DONTWAIT), 0);
}

static void
run_loop(void)
{
    while (g_main_context_iteration(g_main_context_get_thread_default(), FALSE))
        continue;
}

static void
readers_get_what_they_asked_for(void **state)
{
    TestBroker *test = *state;
    const Port *port = test_broker_create(test, 0, "lan", "web");
    AUTO_FD int passed = begin(test, 0, "web", CAPTURE_FRAMES_PASSED, 0);
    const DatapathCapture *wanted = fake_datapath_capture(test->datapath, port->interface_index);
    AUTO_FD int dropped = -1;
    CaptureHeader header;

    assert_int_equal(wanted->kinds, DATAPATH_FRAME_SENT | DATAPATH_FRAME_RECEIVED);
    assert_int_equal(wanted->most, CAPTURE_LENGTH_MAX);
    assert_false(wanted->is_paused);
    dropped = begin(test, 0, "web", CAPTURE_FRAMES_DROPPED, 60);
    wanted = fake_datapath_capture(test->datapath, port->interface_index);
    assert_int_equal(wanted->kinds,
                     DATAPATH_FRAME_SENT | DATAPATH_FRAME_RECEIVED | DATAPATH_FRAME_DROPPED);
    pass(test, port, DATAPATH_FRAME_DROPPED, 0);
    header = receive(dropped, NULL);
    assert_int_equal(header.type, CAPTURE_TYPE_DROPPED);
    assert_int_equal(header.reason, GUARD_OTHER_MAC + 1);
    assert_int_equal(header.length, 1514);
    assert_int_equal(header.n_bytes, 60);
    expect_nothing(passed);
    pass(test, port, DATAPATH_FRAME_RECEIVED, 3);
    header = receive(passed, NULL);
    assert_int_equal(header.type, CAPTURE_TYPE_RECEIVED);
    assert_int_equal(header.reason, 0);
    assert_int_equal(header.n_bytes, sizeof bytes);
    assert_int_equal(header.lost, 3);
    expect_nothing(dropped);
}

static void
it_ends_with_its_last_reader(void **state)
{
    TestBroker *test = *state;
    const Port *port = test_broker_create(test, 0, "lan", "web");
    int one = begin(test, 0, "web", CAPTURE_FRAMES_ALL, 0);
    int other = begin(test, 0, "web", CAPTURE_FRAMES_PASSED, 0);

    close(one);
    run_loop();
    assert_int_equal(fake_datapath_capture(test->datapath, port->interface_index)->kinds,
                     DATAPATH_FRAME_SENT | DATAPATH_FRAME_RECEIVED);
    close(other);
    run_loop();
    assert_null(fake_datapath_capture(test->datapath, port->interface_index));
}

static void
it_says_why_it_ends(void **state)
{
    TestBroker *test = *state;
    const Port *port = test_broker_create(test, 0, "lan", "web");
    AUTO_FD int first = begin(test, 0, "web", CAPTURE_FRAMES_PASSED, 0), second = -1;
    int index = port->interface_index;

    delete_port(test, "web");
    expect_end(first, "port web has ended");
    assert_null(fake_datapath_capture(test->datapath, index));
    test_broker_create(test, 0, "lan", "web");
    second = begin(test, 0, "web", CAPTURE_FRAMES_PASSED, 0);
    restart(test);
    expect_end(second, "macvtapd is stopping");
}

/* Fills the reader's socket; returns how many frames it takes. */
static guint
fill(TestBroker *test, const Port *port)
{
    guint n = 0;

    while (!fake_datapath_capture(test->datapath, port->interface_index)->is_paused) {
        pass(test, port, DATAPATH_FRAME_SENT, 0);
        n++;
    }
    return n;
}

static void
a_slow_reader_loses_frames(void **state)
{
    TestBroker *test = *state;
    const Port *port = test_broker_create(test, 0, "lan", "web");
    AUTO_FD int fd = begin(test, 0, "web", CAPTURE_FRAMES_PASSED, 0);
    guint n = fill(test, port);

    pass(test, port, DATAPATH_FRAME_SENT, 10); /* was in the ring */
    while (n-- > 1)                            /* the last one waits for room */
        assert_int_equal(receive(fd, NULL).lost, 0);
    run_loop();
    assert_false(fake_datapath_capture(test->datapath, port->interface_index)->is_paused);
    assert_int_equal(receive(fd, NULL).lost, 0);
    pass(test, port, DATAPATH_FRAME_SENT, 10);
    assert_int_equal(receive(fd, NULL).lost, 11);
}

static void
a_slow_reader_is_told_the_end(void **state)
{
    TestBroker *test = *state;
    const Port *port = test_broker_create(test, 0, "lan", "web");
    AUTO_FD int fd = begin(test, 0, "web", CAPTURE_FRAMES_PASSED, 0);
    guint n = fill(test, port);
    guint8 message[4096];
    CaptureRecord record;
    gsize at = 0;
    ssize_t length;

    delete_port(test, "web");
    while (n-- > 1)
        receive(fd, NULL);
    run_loop();
    length = recv(fd, message, sizeof message, MSG_DONTWAIT);
    assert_true(length > 0);
    assert_true(capture_stream_next(message, (gsize)length, &at, &record)); /* the last frame */
    assert_true(capture_stream_next(message, (gsize)length, &at, &record));
    assert_int_equal(record.header.type, CAPTURE_TYPE_END);
    assert_int_equal(recv(fd, message, 1, MSG_DONTWAIT), 0);
}

/* One that reads holds up nobody, and one that does not neither. */
static void
readers_do_not_wait_for_each_other(void **state)
{
    TestBroker *test = *state;
    const Port *port = test_broker_create(test, 0, "lan", "web");
    AUTO_FD int slow = begin(test, 0, "web", CAPTURE_FRAMES_PASSED, 0);
    AUTO_FD int quick = -1;

    fill(test, port);
    quick = begin(test, 0, "web", CAPTURE_FRAMES_PASSED, 0);
    assert_false(fake_datapath_capture(test->datapath, port->interface_index)->is_paused);
    pass(test, port, DATAPATH_FRAME_SENT, 0);
    assert_int_equal(receive(quick, NULL).type, CAPTURE_TYPE_SENT);
}

static void
who_may(void **state)
{
    TestBroker *test = *state;
    int readers[4];

    test_broker_network(test, "lan")->allow_uids = g_array_new(FALSE, FALSE, sizeof(uid_t));
    for (uid_t uid = 1000; uid < 1006; uid++)
        g_array_append_val(test_broker_network(test, "lan")->allow_uids, uid);
    test_broker_create(test, 1000, "lan", "web");
    test_broker_create(test, 1001, "lan", "db");
    refuse(test, 1001, "web", PORT_ERROR_PORT_NOT_FOUND, "there is no port 'web'");
    for (guint i = 0; i < 4; i++)
        readers[i] = begin(test, 1000, "web", CAPTURE_FRAMES_PASSED, 0);
    refuse(test, 1000, "web", PORT_ERROR_LIMIT_REACHED, "you already have 4 captures");
    close(begin(test, 1001, "db", CAPTURE_FRAMES_PASSED, 0));
    close(begin(test, 0, "web", CAPTURE_FRAMES_PASSED, 0));
    for (guint i = 0; i < 4; i++)
        close(readers[i]);
    close(begin(test, 1000, "web", CAPTURE_FRAMES_PASSED, 0));
}

/* A port without a guard may have no programs, and then there is nothing that copies. */
static void
not_without_programs(void **state)
{
    TestBroker *test = *state;

    test_broker_network(test, "lan")->guard =
        (GuardSettings){.senders = GUARD_SENDERS_ANY, .allow = GUARD_ALLOW_ALL};
    kernel_fake_fail(test->kernel, "filters_attach", 1, ENOENT);
    test_broker_create(test, 0, "lan", "web");
    refuse(test, 0, "web", PORT_ERROR_SYSTEM, "could not be attached to its device");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        BROKER_TEST(readers_get_what_they_asked_for),
        BROKER_TEST(it_ends_with_its_last_reader),
        BROKER_TEST(it_says_why_it_ends),
        BROKER_TEST(a_slow_reader_loses_frames),
        BROKER_TEST(a_slow_reader_is_told_the_end),
        BROKER_TEST(readers_do_not_wait_for_each_other),
        BROKER_TEST(who_may),
        BROKER_TEST(not_without_programs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
