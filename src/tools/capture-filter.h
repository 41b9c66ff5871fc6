/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Filters of pcap-filter(7), by libpcap (meson option capture). */
#pragma once

#include <glib.h>

typedef struct CaptureFilter CaptureFilter;

/* G_OPTION_ERROR: it is no filter, or this build has none. */
CaptureFilter *capture_filter_new(const char *expression, int snap_length, GError **error);
void capture_filter_free(CaptureFilter *filter);

/* n bytes of a frame of this length */
gboolean capture_filter_matches(const CaptureFilter *filter, const guint8 *bytes, guint n,
                                guint length);
