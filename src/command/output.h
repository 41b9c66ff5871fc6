/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a program prints, as it is. g_print() and g_printerr() recode text to the locale's character
 * set, with '?' for what it lacks, and tell nobody of a write that failed; what other programs read
 * (XML, JSON) must come whole and in UTF-8, and a hook runs in whatever locale libvirt has.
 */
#pragma once

#include <glib.h>

/* From now on g_print() and g_printerr() write their text unchanged, and at once. */
void output_start(void);

/* Whether all that was printed on stdout since output_start() was written; the error is of
 * ERRNO_ERROR and names the first failure. */
gboolean output_finish(GError **error);
