/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The messages of a capture, and the pcapng file that is made of them. */
#include "unit.h"

#include "captured-frame.h"

static const guint8 bytes[] = {1, 2, 3, 4, 5};

static CaptureHeader
header_of(CaptureType type, guint32 n)
{
    return (CaptureHeader){.type = (guint16)type, .length = 1514, .n_bytes = n, .time = 5};
}

static void
records_come_back(void **state)
{
    g_autoptr(GByteArray) message = g_byte_array_new();
    CaptureHeader header;
    CaptureRecord record;
    gsize at = 0;

    for (guint32 n = 0; n <= sizeof bytes; n++) {
        header = header_of(CAPTURE_TYPE_SENT, n);
        header.lost = n;
        capture_stream_append(message, &header, bytes);
    }
    for (guint32 n = 0; n <= sizeof bytes; n++) {
        assert_int_equal(message->len % 8, 0);
        assert_true(capture_stream_next(message->data, message->len, &at, &record));
        assert_int_equal(record.header.type, CAPTURE_TYPE_SENT);
        assert_int_equal(record.header.length, 1514);
        assert_int_equal(record.header.lost, n);
        assert_int_equal(record.header.n_bytes, n);
        assert_memory_equal(record.bytes, bytes, n);
    }
    assert_false(capture_stream_next(message->data, message->len, &at, &record));
    assert_int_equal(at, message->len);
}

static void
what_is_no_record_is_refused(void **state)
{
    g_autoptr(GByteArray) message = g_byte_array_new();
    CaptureHeader header = header_of(CAPTURE_TYPE_END, sizeof bytes), wrong;
    CaptureRecord record;
    gsize at = 0;

    capture_stream_append(message, &header, bytes);
    for (gsize length = 0; length < message->len; length++)
        assert_false(capture_stream_next(message->data, length, &at, &record));
    for (guint32 size = 0; size < 2 * message->len; size++) {
        wrong = header;
        wrong.size = size;
        memcpy(message->data, &wrong, sizeof wrong);
        assert_int_equal(capture_stream_next(message->data, message->len, &at, &record),
                         size == header.size);
        at = 0;
    }
    wrong = header;
    wrong.n_bytes = wrong.size - (guint32)sizeof wrong + 1;
    memcpy(message->data, &wrong, sizeof wrong);
    assert_false(capture_stream_next(message->data, message->len, &at, &record));
}

/* Checks the block at *at and moves behind it; returns its type. */
static guint32
next_block(const GByteArray *file, gsize *at, gsize *ret_begin)
{
    guint32 type, length, again;

    assert_true(*at + 12 <= file->len);
    memcpy(&type, file->data + *at, 4);
    memcpy(&length, file->data + *at + 4, 4);
    assert_true(length % 4 == 0 && *at + length <= file->len);
    memcpy(&again, file->data + *at + length - 4, 4);
    assert_int_equal(again, length);
    *ret_begin = *at;
    *at += length;
    return type;
}

/* Whether the bytes lie in the file between these offsets. */
static gboolean
has(const GByteArray *file, gsize begin, gsize end, gconstpointer what, gsize n)
{
    return memmem(file->data + begin, end - begin, what, n) != NULL;
}

static void
a_file_has_what_was_captured(void **state)
{
    const CaptureFileHead head = {"macvtapctl 1", "vm0", "port web", "arp", 65536};
    g_autoptr(GByteArray) file = g_byte_array_new();
    CaptureRecord record = {.header = header_of(CAPTURE_TYPE_RECEIVED, sizeof bytes),
                            .bytes = bytes};
    const guint8 inbound[] = {2, 0, 4, 0, 1, 0, 0, 0}, outbound[] = {2, 0, 4, 0, 2, 0, 0, 0};
    const guint8 lost[] = {4, 0, 8, 0, 7, 0, 0, 0, 0, 0, 0, 0};
    const guint8 time[] = {0, 0, 0, 0, 5, 0, 0, 0, 5, 0, 0, 0, 0xea, 5, 0, 0, 1, 2, 3, 4, 5};
    gsize at = 0, begin;

    capture_file_begin(file, &head);
    capture_file_add(file, &record, 0, NULL);
    record.header.type = CAPTURE_TYPE_DROPPED;
    capture_file_add(file, &record, 7, "dropped");
    capture_file_end(file, 9, 2, 7);

    assert_int_equal(next_block(file, &at, &begin), 0x0a0d0d0a);
    assert_true(has(file, begin, at, head.program, strlen(head.program)));
    assert_int_equal(next_block(file, &at, &begin), 1);
    assert_true(has(file, begin, at, "\2\0\3\0vm0", 7));
    assert_true(has(file, begin, at, "\3\0\10\0port web", 12));
    assert_true(has(file, begin, at, "\13\0\4\0\0arp", 8));
    assert_true(has(file, begin, at, "\11\0\1\0\11", 5));
    assert_int_equal(next_block(file, &at, &begin), 6);
    assert_true(has(file, begin, at, time, sizeof time));
    assert_true(has(file, begin, at, inbound, sizeof inbound));
    assert_false(has(file, begin, at, lost, sizeof lost));
    assert_int_equal(next_block(file, &at, &begin), 6);
    assert_true(has(file, begin, at, outbound, sizeof outbound));
    assert_true(has(file, begin, at, lost, sizeof lost));
    assert_true(has(file, begin, at, "\1\0\7\0dropped", 11));
    assert_int_equal(next_block(file, &at, &begin), 5);
    assert_true(has(file, begin, at, "\4\0\10\0\11", 5)); /* received: 9 */
    assert_true(has(file, begin, at, "\5\0\10\0\7", 5));
    assert_int_equal(at, file->len);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_come_back),
        cmocka_unit_test(what_is_no_record_is_refused),
        cmocka_unit_test(a_file_has_what_was_captured),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
