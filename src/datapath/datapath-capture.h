/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The daemon's side of captures (capture-map.h). Used by datapath.c alone. */
#pragma once

#include "datapath.h"

typedef struct DatapathCaptures DatapathCaptures;

/* The maps capture_table and capture_frames; borrowed. */
DatapathCaptures *datapath_captures_new(int table_fd, int ring_fd, GError **error);
void datapath_captures_free(DatapathCaptures *captures);

/* As the functions of DatapathOps. */
gboolean datapath_captures_watch(DatapathCaptures *captures, const DatapathFrameHandler *handler,
                                 gpointer user_data, GError **error);
gboolean datapath_captures_set(DatapathCaptures *captures, const DatapathCapture *wanted,
                               GError **error);
guint64 datapath_captures_lost(DatapathCaptures *captures, int index);
