/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Captured frames as a pcapng file (draft-ietf-opsawg-pcapng): appends its blocks to a buffer. The
 * direction of a frame is in its flags, from the guest's view; why it was dropped is its comment.
 */
#pragma once

#include "capture-stream.h"

#include <glib.h>

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
