/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "varlink-frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* Puts all of bytes in, as far as there is room at once; returns how much went in. */
static gsize
feed(VarlinkFrame *frame, const char *bytes, gsize length)
{
    gsize room;
    char *to = varlink_frame_reserve(frame, &room);
    gsize part = MIN(room, length);

    assert_true(room > 0);
    memcpy(to, bytes, part);
    varlink_frame_commit(frame, part);
    return part;
}

static void
expect_message(VarlinkFrame *frame, const char *text, guint64 begin)
{
    VarlinkFrameMessage message;

    assert_true(varlink_frame_has_message(frame));
    assert_int_equal(varlink_frame_next(frame, &message), VARLINK_FRAME_MESSAGE);
    assert_string_equal(message.text, text);
    assert_int_equal(message.length, strlen(text));
    assert_int_equal(message.begin, begin);
    assert_int_equal(message.end, begin + strlen(text) + 1);
}

static void
expect_state(VarlinkFrame *frame, VarlinkFrameState state)
{
    VarlinkFrameMessage message;

    assert_false(varlink_frame_has_message(frame));
    assert_int_equal(varlink_frame_next(frame, &message), state);
}

static void
test_several_messages_in_one_read(void **state)
{
    VarlinkFrame frame;

    varlink_frame_init(&frame, 100);
    assert_int_equal(feed(&frame, "one\0\0three\0fo", 13), 13);
    expect_message(&frame, "one", 0);
    expect_message(&frame, "", 4);
    expect_message(&frame, "three", 5);
    expect_state(&frame, VARLINK_FRAME_NEEDS_MORE);
    assert_int_equal(varlink_frame_pending(&frame), 2);
    assert_int_equal(varlink_frame_position(&frame), 13);
    feed(&frame, "ur", 3);
    expect_message(&frame, "four", 11);
    assert_int_equal(varlink_frame_pending(&frame), 0);
    varlink_frame_clear(&frame);
}

static void
test_byte_by_byte_looks_at_each_byte_once(void **state)
{
    static const char text[] = "{\"method\":\"a.b\"}";
    VarlinkFrame frame;

    varlink_frame_init(&frame, 100);
    for (gsize i = 0; i < strlen(text); i++) {
        feed(&frame, text + i, 1);
        expect_state(&frame, VARLINK_FRAME_NEEDS_MORE);
        assert_int_equal(frame.scanned, frame.end);
    }
    feed(&frame, "", 1);
    expect_message(&frame, text, 0);
    varlink_frame_clear(&frame);
}

static void
test_limit_counts_the_nul(void **state)
{
    VarlinkFrame frame;

    varlink_frame_init(&frame, 8);
    assert_int_equal(feed(&frame, "1234567\0x", 9), 8);
    expect_message(&frame, "1234567", 0);
    expect_state(&frame, VARLINK_FRAME_NEEDS_MORE);
    assert_int_equal(feed(&frame, "12345678", 9), 8);
    expect_state(&frame, VARLINK_FRAME_TOO_LARGE);
    expect_state(&frame, VARLINK_FRAME_TOO_LARGE);
    varlink_frame_clear(&frame);
}

static void
test_buffer_grows_to_the_limit_and_no_further(void **state)
{
    g_autofree char *text = g_strnfill(20000, 'x');
    VarlinkFrame frame;
    gsize done = 0;

    varlink_frame_init(&frame, 10000);
    while (done < 10000) {
        expect_state(&frame, VARLINK_FRAME_NEEDS_MORE);
        done += feed(&frame, text, 20000);
    }
    assert_int_equal(done, 10000);
    assert_int_equal(frame.capacity, 10000);
    expect_state(&frame, VARLINK_FRAME_TOO_LARGE);
    varlink_frame_clear(&frame);
}

static void
test_release_keeps_what_is_pending(void **state)
{
    VarlinkFrame frame;

    varlink_frame_init(&frame, 100);
    varlink_frame_release(&frame);
    feed(&frame, "one\0tw", 6);
    expect_message(&frame, "one", 0);
    varlink_frame_release(&frame);
    assert_non_null(frame.buffer);
    feed(&frame, "o", 2);
    expect_message(&frame, "two", 4);
    varlink_frame_release(&frame);
    assert_null(frame.buffer);
    assert_int_equal(varlink_frame_position(&frame), 8);
    feed(&frame, "three", 6);
    expect_message(&frame, "three", 8);
    varlink_frame_clear(&frame);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_several_messages_in_one_read),
        cmocka_unit_test(test_byte_by_byte_looks_at_each_byte_once),
        cmocka_unit_test(test_limit_counts_the_nul),
        cmocka_unit_test(test_buffer_grows_to_the_limit_and_no_further),
        cmocka_unit_test(test_release_keeps_what_is_pending),
    };

    return cmocka_run_group_tests_name("varlink-frame", tests, NULL, NULL);
}
