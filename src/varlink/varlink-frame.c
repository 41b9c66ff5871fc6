/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation. The buffer holds [begin, end), the bytes that belong to no message yet. It
 * doubles up to the message limit, so a peer that sends nothing costs nothing and one that sends
 * little costs little. `scanned` remembers how far the search for NUL has come: a message that
 * arrives byte by byte is scanned once, not once per read.
 */
#include "varlink-frame.h"

#include <string.h>

/* Holds most messages. From 1 KiB on, malloc tidies up after all small blocks freed before. */
enum { FIRST_CAPACITY = 1000 };

void
varlink_frame_init(VarlinkFrame *frame, gsize message_bytes)
{
    *frame = (VarlinkFrame){.limit = MAX(message_bytes, 1)};
}

void
varlink_frame_clear(VarlinkFrame *frame)
{
    g_free(frame->buffer);
    varlink_frame_init(frame, frame->limit);
}

gsize
varlink_frame_pending(const VarlinkFrame *frame)
{
    return frame->end - frame->begin;
}

gboolean
varlink_frame_is_full(const VarlinkFrame *frame)
{
    return frame->end == frame->capacity;
}

guint64
varlink_frame_position(const VarlinkFrame *frame)
{
    return frame->offset + frame->end;
}

static const char *
frame_find_nul(const VarlinkFrame *frame)
{
    if (frame->scanned == frame->end)
        return NULL;
    return memchr(frame->buffer + frame->scanned, '\0', frame->end - frame->scanned);
}

gboolean
varlink_frame_has_message(const VarlinkFrame *frame)
{
    return frame_find_nul(frame) != NULL;
}

VarlinkFrameState
varlink_frame_next(VarlinkFrame *frame, VarlinkFrameMessage *ret_message)
{
    const char *nul = frame_find_nul(frame);

    if (!nul) {
        frame->scanned = frame->end;
        return varlink_frame_pending(frame) >= frame->limit ? VARLINK_FRAME_TOO_LARGE
                                                            : VARLINK_FRAME_NEEDS_MORE;
    }
    ret_message->text = frame->buffer + frame->begin;
    ret_message->length = nul - ret_message->text;
    ret_message->begin = frame->offset + frame->begin;
    frame->begin += ret_message->length + 1;
    frame->scanned = frame->begin;
    ret_message->end = frame->offset + frame->begin;
    return VARLINK_FRAME_MESSAGE;
}

static void
frame_move_to_front(VarlinkFrame *frame)
{
    if (frame->begin == 0)
        return;
    memmove(frame->buffer, frame->buffer + frame->begin, varlink_frame_pending(frame));
    frame->offset += frame->begin;
    frame->scanned -= frame->begin;
    frame->end -= frame->begin;
    frame->begin = 0;
}

char *
varlink_frame_reserve(VarlinkFrame *frame, gsize *ret_size)
{
    g_return_val_if_fail(varlink_frame_pending(frame) < frame->limit, NULL);

    frame_move_to_front(frame);
    if (frame->end == frame->capacity) {
        gsize wanted = frame->capacity > frame->limit / 2 ? frame->limit : frame->capacity * 2;

        frame->capacity = MIN(MAX(wanted, FIRST_CAPACITY), frame->limit);
        frame->buffer = g_realloc(frame->buffer, frame->capacity);
    }
    *ret_size = frame->capacity - frame->end;
    return frame->buffer + frame->end;
}

void
varlink_frame_commit(VarlinkFrame *frame, gsize size)
{
    g_return_if_fail(size <= frame->capacity - frame->end);
    frame->end += size;
}

void
varlink_frame_release(VarlinkFrame *frame)
{
    if (varlink_frame_pending(frame) > 0)
        return;
    frame->offset += frame->end;
    frame->begin = frame->scanned = frame->end = frame->capacity = 0;
    g_clear_pointer(&frame->buffer, g_free);
}
