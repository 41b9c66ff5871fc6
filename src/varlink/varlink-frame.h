/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Varlink framing: each message is text followed by one NUL byte. Bytes in, messages out; no I/O.
 * Use: take messages while varlink_frame_next() returns them; then call varlink_frame_reserve(),
 * fill the space, call varlink_frame_commit(), and repeat.
 */
#pragma once

#include <glib.h>

/* Set up with varlink_frame_init(); the fields are private. */
typedef struct VarlinkFrame {
    char *buffer; /* NULL before the first reserve */
    gsize capacity;
    gsize begin;    /* the first byte after the last message */
    gsize scanned;  /* no NUL in [begin, scanned) */
    gsize end;      /* behind the last byte received */
    guint64 offset; /* of buffer[0] in the stream */
    gsize limit;    /* for one message, including its NUL, and for the buffer */
} VarlinkFrame;

/* text has length bytes and then a NUL; it is valid until the next reserve, release or clear. begin
 * and end are the message's offsets in the stream (NUL included); they tell which message the bytes
 * of a read belong to. */
typedef struct VarlinkFrameMessage {
    const char *text;
    gsize length;
    guint64 begin, end;
} VarlinkFrameMessage;

typedef enum VarlinkFrameState {
    VARLINK_FRAME_MESSAGE,
    VARLINK_FRAME_NEEDS_MORE,
    VARLINK_FRAME_TOO_LARGE, /* limit bytes without a NUL; the stream is unusable */
} VarlinkFrameState;

void varlink_frame_init(VarlinkFrame *frame, gsize message_bytes);
void varlink_frame_clear(VarlinkFrame *frame);

/* Sets *ret_message only for VARLINK_FRAME_MESSAGE. */
VarlinkFrameState varlink_frame_next(VarlinkFrame *frame, VarlinkFrameMessage *ret_message);

/* Whether varlink_frame_next() would return a message. */
gboolean varlink_frame_has_message(const VarlinkFrame *frame);

/* The number of bytes received that belong to no message yet. */
gsize varlink_frame_pending(const VarlinkFrame *frame);

/* Whether the last read filled all the space it was given. */
gboolean varlink_frame_is_full(const VarlinkFrame *frame);

/* The stream offset of the next byte. */
guint64 varlink_frame_position(const VarlinkFrame *frame);

/* Returns space for *ret_size > 0 bytes. Call only after VARLINK_FRAME_NEEDS_MORE. */
char *varlink_frame_reserve(VarlinkFrame *frame, gsize *ret_size);

/* Commits the number of bytes written there. */
void varlink_frame_commit(VarlinkFrame *frame, gsize size);

/* Frees the memory if nothing is pending. */
void varlink_frame_release(VarlinkFrame *frame);
