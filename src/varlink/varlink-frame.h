/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Varlink framing: each message is text followed by one NUL byte. Bytes in, messages out; no I/O.
 * Use: while varlink_frame_next() gives messages, take them; then varlink_frame_reserve(), put
 * bytes there, varlink_frame_commit(), and again.
 */
#pragma once

#include <glib.h>

/* Set up with varlink_frame_init(); the fields are the frame's own. */
typedef struct VarlinkFrame {
    char *buffer; /* NULL until the first reserve */
    gsize capacity;
    gsize begin;    /* the first byte that no message has taken */
    gsize scanned;  /* no NUL in [begin, scanned) */
    gsize end;      /* behind the last byte received */
    guint64 offset; /* of buffer[0] in the stream */
    gsize limit;    /* of one message, NUL included, and of the buffer */
} VarlinkFrame;

/* text has length bytes and then a NUL; valid until the next reserve, release or clear. begin and
 * end are the message's place in the stream (NUL included), to know whose bytes a read brought. */
typedef struct VarlinkFrameMessage {
    const char *text;
    gsize length;
    guint64 begin, end;
} VarlinkFrameMessage;

typedef enum VarlinkFrameState {
    VARLINK_FRAME_MESSAGE,
    VARLINK_FRAME_NEEDS_MORE,
    VARLINK_FRAME_TOO_LARGE, /* limit bytes and still no NUL; the stream cannot go on */
} VarlinkFrameState;

void varlink_frame_init(VarlinkFrame *frame, gsize message_bytes);
void varlink_frame_clear(VarlinkFrame *frame);

/* Sets *ret_message only for VARLINK_FRAME_MESSAGE. */
VarlinkFrameState varlink_frame_next(VarlinkFrame *frame, VarlinkFrameMessage *ret_message);

/* Whether varlink_frame_next() would give a message. */
gboolean varlink_frame_has_message(const VarlinkFrame *frame);

/* Bytes received and not yet taken by a message. */
gsize varlink_frame_pending(const VarlinkFrame *frame);

/* Whether what came last has filled the room that was there for it. */
gboolean varlink_frame_is_full(const VarlinkFrame *frame);

/* The stream offset of the next byte to come. */
guint64 varlink_frame_position(const VarlinkFrame *frame);

/* Room for *ret_size > 0 bytes. Only after VARLINK_FRAME_NEEDS_MORE. */
char *varlink_frame_reserve(VarlinkFrame *frame, gsize *ret_size);

/* So many bytes were put there. */
void varlink_frame_commit(VarlinkFrame *frame, gsize size);

/* Gives the memory back if nothing is pending. */
void varlink_frame_release(VarlinkFrame *frame);
