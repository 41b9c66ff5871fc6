/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "capture-stream.h"

#include "guard.h"

#include <string.h>

enum { ALIGNMENT = 8 };

const char *
capture_frames_name(CaptureFrames frames)
{
    static const char *const names[CAPTURE_FRAMES_COUNT] = {
        [CAPTURE_FRAMES_PASSED] = "passed",
        [CAPTURE_FRAMES_DROPPED] = "dropped",
        [CAPTURE_FRAMES_ALL] = "all",
    };

    return frames < CAPTURE_FRAMES_COUNT ? names[frames] : NULL;
}

const char *
capture_reason_name(guint reason)
{
    return reason == CAPTURE_BROADCAST_LIMIT ? "broadcast-limit"
           : reason == CAPTURE_RECEIVE_LIMIT ? "receive-limit"
                                             : guard_reason_name(reason);
}

void
capture_stream_append(GByteArray *message, CaptureHeader *header, const guint8 *bytes)
{
    static const guint8 padding[ALIGNMENT] = {0};
    guint32 size = (guint32)sizeof *header + header->n_bytes;
    guint32 n_padding = (ALIGNMENT - size % ALIGNMENT) % ALIGNMENT;

    header->size = size + n_padding;
    g_byte_array_append(message, (const guint8 *)header, sizeof *header);
    g_byte_array_append(message, bytes, header->n_bytes);
    g_byte_array_append(message, padding, n_padding);
}

gboolean
capture_stream_next(const guint8 *message, gsize length, gsize *at, CaptureRecord *ret_record)
{
    gsize left = length - *at;
    CaptureHeader header;

    if (left < sizeof header)
        return FALSE;
    memcpy(&header, message + *at, sizeof header);
    if (header.size > left || header.size < sizeof header || header.size % ALIGNMENT != 0 ||
        header.n_bytes > header.size - sizeof header)
        return FALSE;
    ret_record->header = header;
    ret_record->bytes = message + *at + sizeof header;
    *at += header.size;
    return TRUE;
}
