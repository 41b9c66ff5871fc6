/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "varlink-test.h"

#include "varlink-message.h"
#include "varlink-transport.h"

typedef struct Fixture {
    VarlinkTransport near;
    int far;
} Fixture;

static void
fixture_init(Fixture *fixture, gboolean takes_descriptors)
{
    int pair[2];

    make_pair(pair);
    fixture->far = pair[1];
    varlink_transport_init(&fixture->near, pair[0], 1000, takes_descriptors);
}

static void
fixture_clear(Fixture *fixture)
{
    varlink_transport_clear(&fixture->near);
    descriptor_clear(&fixture->far);
}

static void
read_some(Fixture *fixture)
{
    assert_int_equal(varlink_transport_read(&fixture->near, MSG_DONTWAIT, NULL),
                     VARLINK_PROGRESS_DONE);
}

static void
expect_next(Fixture *fixture, const char *text, guint descriptor_count)
{
    g_autoptr(GArray) descriptors = NULL;
    VarlinkFrameMessage message;

    assert_int_equal(varlink_transport_next(&fixture->near, &message, &descriptors, NULL),
                     VARLINK_PROGRESS_DONE);
    assert_string_equal(message.text, text);
    assert_int_equal(descriptors->len, descriptor_count);
    for (guint i = 0; i < descriptors->len; i++)
        assert_int_equal(fcntl(descriptor_array_get(descriptors, i), F_GETFD), FD_CLOEXEC);
}

static void
expect_wait(Fixture *fixture)
{
    VarlinkFrameMessage message;

    assert_int_equal(varlink_transport_next(&fixture->near, &message, NULL, NULL),
                     VARLINK_PROGRESS_WAIT);
}

static void
send_with_descriptors(Fixture *fixture, const char *bytes, gsize length, guint count)
{
    g_autoptr(GArray) descriptors = make_descriptors(count);

    assert_int_equal(send_bytes(fixture->far, bytes, length, descriptors), length);
}

static void
test_descriptors_belong_to_the_last_message_of_the_read(void **state)
{
    guint before = count_descriptors();
    Fixture fixture;

    fixture_init(&fixture, TRUE);
    send_text(fixture.far, "plain");
    send_with_descriptors(&fixture, "with", 5, 2);
    send_text(fixture.far, "after");
    read_some(&fixture);
    expect_next(&fixture, "plain", 0);
    expect_next(&fixture, "with", 2);
    expect_wait(&fixture);
    read_some(&fixture);
    expect_next(&fixture, "after", 0);
    fixture_clear(&fixture);
    assert_int_equal(count_descriptors(), before);
}

static void
test_descriptors_of_a_message_in_pieces(void **state)
{
    Fixture fixture;

    fixture_init(&fixture, TRUE);
    send_text(fixture.far, "plain");
    send_with_descriptors(&fixture, "wi", 2, 253);
    read_some(&fixture);
    expect_next(&fixture, "plain", 0);
    expect_wait(&fixture);
    send_bytes(fixture.far, "th\0after", 9, NULL);
    read_some(&fixture);
    expect_next(&fixture, "with", 253);
    expect_next(&fixture, "after", 0);
    fixture_clear(&fixture);
}

static void
expect_failure(Fixture *fixture, VarlinkError code)
{
    g_autoptr(GError) error = NULL;
    VarlinkFrameMessage message;
    VarlinkProgress progress;

    while ((progress = varlink_transport_next(&fixture->near, &message, NULL, &error)) ==
               VARLINK_PROGRESS_DONE ||
           (progress == VARLINK_PROGRESS_WAIT &&
            (progress = varlink_transport_read(&fixture->near, MSG_DONTWAIT, &error)) ==
                VARLINK_PROGRESS_DONE))
        ;
    assert_int_equal(progress, VARLINK_PROGRESS_FAILED);
    assert_true(g_error_matches(error, VARLINK_ERROR, code));
}

static void
test_descriptors_behind_the_first_byte_are_refused(void **state)
{
    guint before = count_descriptors();
    Fixture fixture;

    fixture_init(&fixture, TRUE);
    send_bytes(fixture.far, "wi", 2, NULL);
    read_some(&fixture);
    expect_wait(&fixture);
    send_with_descriptors(&fixture, "th", 3, 1);
    expect_failure(&fixture, VARLINK_ERROR_PROTOCOL);
    fixture_clear(&fixture);

    fixture_init(&fixture, TRUE);
    send_with_descriptors(&fixture, "wi", 2, 1);
    send_with_descriptors(&fixture, "th", 3, 1);
    expect_failure(&fixture, VARLINK_ERROR_PROTOCOL);
    fixture_clear(&fixture);
    assert_int_equal(count_descriptors(), before);
}

static void
test_too_large(void **state)
{
    g_autofree char *text = g_strnfill(1000, 'x');
    Fixture fixture;

    fixture_init(&fixture, TRUE);
    send_bytes(fixture.far, text, 1000, NULL);
    expect_failure(&fixture, VARLINK_ERROR_TOO_LARGE);
    fixture_clear(&fixture);
}

static void
test_end(void **state)
{
    Fixture fixture;

    fixture_init(&fixture, TRUE);
    assert_int_equal(varlink_transport_read(&fixture.near, MSG_DONTWAIT, NULL),
                     VARLINK_PROGRESS_WAIT);
    descriptor_clear(&fixture.far);
    assert_int_equal(varlink_transport_read(&fixture.near, MSG_DONTWAIT, NULL),
                     VARLINK_PROGRESS_END);
    varlink_transport_queue(&fixture.near, strdup("x"), NULL);
    assert_int_equal(varlink_transport_write(&fixture.near, MSG_DONTWAIT, NULL),
                     VARLINK_PROGRESS_FAILED);
    fixture_clear(&fixture);
}

/* The kernel joins on receiving, except behind a segment that carries descriptors. */
static void
test_descriptors_leave_with_the_first_byte_and_alone(void **state)
{
    guint before = count_descriptors();
    Fixture fixture;
    char buffer[100];
    guint count;

    fixture_init(&fixture, FALSE);
    varlink_transport_queue(&fixture.near, strdup("one"), NULL);
    varlink_transport_queue(&fixture.near, strdup("two"), make_descriptors(3));
    varlink_transport_queue(&fixture.near, strdup("three"), make_descriptors(0));
    assert_int_equal(count_descriptors(), before + 2 + 3);
    assert_int_equal(varlink_transport_write(&fixture.near, MSG_DONTWAIT, NULL),
                     VARLINK_PROGRESS_DONE);
    assert_int_equal(fixture.near.unsent_bytes, 0);
    assert_int_equal(count_descriptors(), before + 2);
    assert_int_equal(receive_bytes(fixture.far, buffer, 4, &count), 4);
    assert_int_equal(count, 0);
    assert_int_equal(receive_bytes(fixture.far, buffer, sizeof buffer, &count), 4);
    assert_int_equal(count, 3);
    assert_int_equal(receive_bytes(fixture.far, buffer, sizeof buffer, &count), 6);
    assert_int_equal(count, 0);
    fixture_clear(&fixture);
}

static void
test_partial_writes(void **state)
{
    g_autofree char *text = g_strnfill(1000000, 'x');
    g_autofree char *buffer = g_malloc(100000);
    guint before = count_descriptors(), count, total = 0;
    gsize bytes = 0;
    Fixture fixture;

    fixture_init(&fixture, FALSE);
    varlink_transport_queue(&fixture.near, strdup(text), make_descriptors(253));
    assert_int_equal(varlink_transport_write(&fixture.near, MSG_DONTWAIT, NULL),
                     VARLINK_PROGRESS_WAIT);
    assert_true(fixture.near.unsent_bytes > 0);
    assert_int_equal(count_descriptors(), before + 2);
    while (bytes < 1000001) {
        gssize received = receive_bytes(fixture.far, buffer, 100000, &count);

        assert_true(received > 0);
        bytes += received;
        total += count;
        varlink_transport_write(&fixture.near, MSG_DONTWAIT, NULL);
    }
    assert_int_equal(total, 253);
    assert_int_equal(fixture.near.unsent_bytes, 0);
    fixture_clear(&fixture);
}

/* What has no room in the socket yet is held here, and counts for more than its bytes. */
static void
test_descriptors_that_wait_are_counted(void **state)
{
    guint before = count_descriptors(), n = 0;
    Fixture fixture;

    fixture_init(&fixture, FALSE);
    do
        varlink_transport_queue(&fixture.near, strdup("full"), NULL);
    while (n++ < 100000 &&
           varlink_transport_write(&fixture.near, MSG_DONTWAIT, NULL) == VARLINK_PROGRESS_DONE);
    assert_int_equal(fixture.near.unsent_bytes, sizeof "full");
    varlink_transport_queue(&fixture.near, strdup("more"), make_descriptors(7));
    assert_int_equal(varlink_transport_write(&fixture.near, MSG_DONTWAIT, NULL),
                     VARLINK_PROGRESS_WAIT);
    assert_int_equal(fixture.near.unsent_bytes,
                     sizeof "full" + sizeof "more" + 7 * VARLINK_DESCRIPTOR_BYTES);
    assert_int_equal(count_descriptors(), before + 2 + 7);
    while (fixture.near.unsent_bytes > 0) {
        char buffer[65536];
        guint count;

        assert_true(receive_bytes(fixture.far, buffer, sizeof buffer, &count) > 0);
        varlink_transport_write(&fixture.near, MSG_DONTWAIT, NULL);
    }
    assert_int_equal(count_descriptors(), before + 2);
    fixture_clear(&fixture);
}

static void
test_more_than_253_descriptors_are_refused(void **state)
{
    guint before = count_descriptors();
    Fixture fixture;

    fixture_init(&fixture, FALSE);
    varlink_transport_queue(&fixture.near, strdup("x"), make_descriptors(254));
    assert_int_equal(varlink_transport_write(&fixture.near, MSG_DONTWAIT, NULL),
                     VARLINK_PROGRESS_FAILED);
    fixture_clear(&fixture);
    assert_int_equal(count_descriptors(), before);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_descriptors_belong_to_the_last_message_of_the_read),
        cmocka_unit_test(test_descriptors_of_a_message_in_pieces),
        cmocka_unit_test(test_descriptors_behind_the_first_byte_are_refused),
        cmocka_unit_test(test_too_large),
        cmocka_unit_test(test_end),
        cmocka_unit_test(test_descriptors_leave_with_the_first_byte_and_alone),
        cmocka_unit_test(test_partial_writes),
        cmocka_unit_test(test_descriptors_that_wait_are_counted),
        cmocka_unit_test(test_more_than_253_descriptors_are_refused),
    };

    return cmocka_run_group_tests_name("varlink-transport", tests, NULL, NULL);
}
