/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The messages on a capture's descriptor, a SOCK_SEQPACKET socket: each message is a sequence of
 * records, in the host's byte order. org.macvtapd.Ports.varlink describes them for other programs.
 */
#pragma once

#include <glib.h>

/* The most bytes of a frame that can be asked for. */
#define CAPTURE_LENGTH_MAX 65536

/* No message is longer. */
#define CAPTURE_MESSAGE_MAX (192 * 1024)

typedef enum CaptureFrames {
    CAPTURE_FRAMES_PASSED,  /* what the guest sends and receives */
    CAPTURE_FRAMES_DROPPED, /* what the guard drops of it */
    CAPTURE_FRAMES_ALL,
} CaptureFrames;
#define CAPTURE_FRAMES_COUNT (CAPTURE_FRAMES_ALL + 1)

/* Why a frame was dropped: the guard's reasons, and then "broadcast-limit" etc.; NULL: no such
 * reason. There are CAPTURE_REASON_COUNT. */
const char *capture_reason_name(guint reason);

/* "passed" etc., as in the API. */
const char *capture_frames_name(CaptureFrames frames);

/* What a reader wants. */
typedef struct CaptureWish {
    CaptureFrames frames;
    guint snap_length; /* bytes of each frame; 0: CAPTURE_LENGTH_MAX */
} CaptureWish;

typedef enum CaptureType {
    CAPTURE_TYPE_SENT = 1,     /* by the guest, and passed by the guard */
    CAPTURE_TYPE_RECEIVED = 2, /* by the guest */
    CAPTURE_TYPE_DROPPED = 3,  /* to or from the guest, by the guard or a limit */
    CAPTURE_TYPE_END = 4,      /* the last record; the bytes say why, as UTF-8 */
} CaptureType;

/* The header of a record; followed by n_bytes, and padded to a multiple of 8. */
typedef struct CaptureHeader {
    guint32 size;   /* of the whole record, padding included */
    guint16 type;   /* CaptureType; a later version may add others, to be skipped */
    guint16 reason; /* of capture_reason_name(), + 1: why it was dropped, or would have been */
    guint32 length; /* of the whole frame */
    guint32 n_bytes;
    guint64 time; /* ns since 1970 */
    guint64 lost; /* frames so far that the reader was too slow for */
} CaptureHeader;

/* A record as read: header and bytes. */
typedef struct CaptureRecord {
    CaptureHeader header;
    const guint8 *bytes; /* borrowed from the message */
} CaptureRecord;

/* Appends a record; sets header->size. */
void capture_stream_append(GByteArray *message, CaptureHeader *header, const guint8 *bytes);

/* Reads the record at *at and moves *at behind it. FALSE if there is none, or what is left of the
 * message is not one (*at < length). */
gboolean capture_stream_next(const guint8 *message, gsize length, gsize *at,
                             CaptureRecord *ret_record);
