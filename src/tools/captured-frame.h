/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What `macvtapctl port capture` does with a captured frame. */
#pragma once

#include "capture-stream.h"

#include <glib.h>

/* capture-filter.c: filters of pcap-filter(7), by libpcap (meson option capture) */
typedef struct CaptureFilter CaptureFilter;

/* Fails with G_OPTION_ERROR if it is not a valid filter, or this build has no libpcap. */
CaptureFilter *capture_filter_new(const char *expression, int snap_length, GError **error);
void capture_filter_free(CaptureFilter *filter);

/* n bytes of a frame of this length */
gboolean capture_filter_matches(const CaptureFilter *filter, const guint8 *bytes, guint n,
                                guint length);

/* capture-text.c: a frame as text. Pure: takes the bytes of any guest. */

/* Appends "MAC > MAC ARP who-has 10.0.0.1 tell 10.0.0.2, length 42" and so on: addresses, what the
 * frame is as far as its first n bytes show, and length, that of the whole frame. One line, without
 * a newline, of printable ASCII. */
void capture_text_append(GString *line, const guint8 *bytes, gsize n, guint32 length);

/*
 * capture-file.c: frames as a pcapng file (draft-ietf-opsawg-pcapng). Each call appends its blocks
 * to a buffer. The direction of a frame is in its flags, from the guest's view; why it was dropped
 * is its comment.
 */
typedef struct CaptureFileHead {
    const char *program;     /* that writes the file, with its version */
    const char *interface;   /* the port's */
    const char *description; /* of it */
    const char *filter;      /* or NULL */
    guint32 snap_length;
} CaptureFileHead;

void capture_file_begin(GByteArray *file, const CaptureFileHead *head);

/* lost: frames that are missing between the previous one and this. comment: or NULL. */
void capture_file_add(GByteArray *file, const CaptureRecord *record, guint64 lost,
                      const char *comment);

/* The totals, at time (ns since 1970). */
void capture_file_end(GByteArray *file, guint64 time, guint64 n_frames, guint64 lost);
