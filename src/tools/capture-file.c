/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "captured-frame.h"

#include <string.h>

enum {
    BLOCK_SECTION = 0x0a0d0d0a,
    BLOCK_INTERFACE = 1,
    BLOCK_STATISTICS = 5,
    BLOCK_PACKET = 6,

    BYTE_ORDER_MAGIC = 0x1a2b3c4d,
    LINK_ETHERNET = 1,

    OPTION_END = 0,
    OPTION_COMMENT = 1,
    OPTION_SECTION_PROGRAM = 4,
    OPTION_INTERFACE_NAME = 2,
    OPTION_INTERFACE_DESCRIPTION = 3,
    OPTION_INTERFACE_RESOLUTION = 9,
    OPTION_INTERFACE_FILTER = 11,
    OPTION_PACKET_FLAGS = 2,
    OPTION_PACKET_LOST = 4,
    OPTION_STATISTICS_RECEIVED = 4,
    OPTION_STATISTICS_LOST = 5,

    NANOSECONDS = 9, /* 10^-9 s */
    FILTER_IS_TEXT = 0,
    FLAG_INBOUND = 1,
    FLAG_OUTBOUND = 2,
};

static void
add16(GByteArray *file, guint16 number)
{
    g_byte_array_append(file, (const guint8 *)&number, sizeof number);
}

static void
add32(GByteArray *file, guint32 number)
{
    g_byte_array_append(file, (const guint8 *)&number, sizeof number);
}

static void
add64(GByteArray *file, guint64 number)
{
    g_byte_array_append(file, (const guint8 *)&number, sizeof number);
}

static void
add_padded(GByteArray *file, gconstpointer bytes, gsize n)
{
    static const guint8 padding[4] = {0};

    g_byte_array_append(file, bytes, (guint)n);
    g_byte_array_append(file, padding, (guint)(-n & 3));
}

static void
add_option(GByteArray *file, guint16 code, gconstpointer bytes, gsize n)
{
    n = MIN(n, G_MAXUINT16);
    add16(file, code);
    add16(file, (guint16)n);
    add_padded(file, bytes, n);
}

static void
add_text(GByteArray *file, guint16 code, const char *text)
{
    if (text)
        add_option(file, code, text, strlen(text));
}

/* Returns where the block begins, for end_block(). */
static guint
begin_block(GByteArray *file, guint32 type)
{
    guint begin = file->len;

    add32(file, type);
    add32(file, 0); /* the length */
    return begin;
}

static void
end_block(GByteArray *file, guint begin)
{
    guint32 length;

    add32(file, OPTION_END);
    length = file->len - begin + (guint)sizeof length;
    add32(file, length);
    memcpy(file->data + begin + sizeof(guint32), &length, sizeof length);
}

static void
add_time(GByteArray *file, guint64 time)
{
    add32(file, (guint32)(time >> 32));
    add32(file, (guint32)time);
}

void
capture_file_begin(GByteArray *file, const CaptureFileHead *head)
{
    const guint8 resolution = NANOSECONDS;
    g_autofree char *filter =
        head->filter ? g_strdup_printf("%c%s", FILTER_IS_TEXT, head->filter) : NULL;
    guint block = begin_block(file, BLOCK_SECTION);

    add32(file, BYTE_ORDER_MAGIC);
    add16(file, 1); /* version 1.0 */
    add16(file, 0);
    add64(file, G_MAXUINT64); /* of unknown length */
    add_text(file, OPTION_SECTION_PROGRAM, head->program);
    end_block(file, block);

    block = begin_block(file, BLOCK_INTERFACE);
    add16(file, LINK_ETHERNET);
    add16(file, 0);
    add32(file, head->snap_length);
    add_text(file, OPTION_INTERFACE_NAME, head->interface);
    add_text(file, OPTION_INTERFACE_DESCRIPTION, head->description);
    add_option(file, OPTION_INTERFACE_RESOLUTION, &resolution, sizeof resolution);
    if (filter)
        add_option(file, OPTION_INTERFACE_FILTER, filter, strlen(head->filter) + 1);
    end_block(file, block);
}

void
capture_file_add(GByteArray *file, const CaptureRecord *record, guint64 lost, const char *comment)
{
    const CaptureHeader *header = &record->header;
    const guint32 flags = header->type == CAPTURE_TYPE_RECEIVED ? FLAG_INBOUND : FLAG_OUTBOUND;
    guint block = begin_block(file, BLOCK_PACKET);

    add32(file, 0); /* the interface */
    add_time(file, header->time);
    add32(file, header->n_bytes);
    add32(file, header->length);
    add_padded(file, record->bytes, header->n_bytes);
    add_option(file, OPTION_PACKET_FLAGS, &flags, sizeof flags);
    if (lost > 0)
        add_option(file, OPTION_PACKET_LOST, &lost, sizeof lost);
    add_text(file, OPTION_COMMENT, comment);
    end_block(file, block);
}

void
capture_file_end(GByteArray *file, guint64 time, guint64 n_frames, guint64 lost)
{
    const guint64 received = n_frames + lost;
    guint block = begin_block(file, BLOCK_STATISTICS);

    add32(file, 0);
    add_time(file, time);
    add_option(file, OPTION_STATISTICS_RECEIVED, &received, sizeof received);
    add_option(file, OPTION_STATISTICS_LOST, &lost, sizeof lost);
    end_block(file, block);
}
