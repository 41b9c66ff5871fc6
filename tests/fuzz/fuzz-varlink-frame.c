/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Input: one byte that chooses the limit and one that chooses the size of the reads; the rest is
 * the stream. The messages must be those that splitting the stream at its NULs gives, wherever the
 * reads fall, up to the first that is above the limit.
 */
#include "fuzz-target.h"

#include "varlink-frame.h"

#include <string.h>

static void
check(gboolean promise)
{
    if (!promise)
        g_error("the frame broke a promise");
}

/* Takes all messages there are; *at is how far into the stream they reach. FALSE at the end. */
static gboolean
take_messages(VarlinkFrame *frame, const char *stream, gsize *at)
{
    VarlinkFrameMessage message;
    VarlinkFrameState state;

    while ((state = varlink_frame_next(frame, &message)) == VARLINK_FRAME_MESSAGE) {
        check(message.begin == *at && message.end == *at + message.length + 1);
        check(message.length + 1 <= frame->limit);
        check(memcmp(message.text, stream + *at, message.length + 1) == 0);
        check(strlen(message.text) == message.length);
        *at = message.end;
    }
    check(state != VARLINK_FRAME_TOO_LARGE || varlink_frame_pending(frame) >= frame->limit);
    return state == VARLINK_FRAME_NEEDS_MORE;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *stream = (const char *)data + 2;
    VarlinkFrame frame;
    gsize put = 0, at = 0;

    if (size < 2)
        return 0;
    size -= 2;
    varlink_frame_init(&frame, data[0] + 1);
    while (take_messages(&frame, stream, &at) && put < size) {
        gsize room;
        char *to;

        if ((put & 3) == 0)
            varlink_frame_release(&frame);
        to = varlink_frame_reserve(&frame, &room);
        check(room > 0 && varlink_frame_position(&frame) == put);
        room = MIN(MIN(room, size - put), data[1] % 64u + 1u);
        memcpy(to, stream + put, room);
        varlink_frame_commit(&frame, room);
        put += room;
    }
    /* What is left has no NUL, or is above the limit. */
    check(!memchr(stream + at, '\0', MIN(put - at, frame.limit)));
    varlink_frame_clear(&frame);
    return 0;
}
