/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Prints text unchanged. g_print() and g_printerr() convert text to the locale's character set,
 * with '?' for missing characters, and ignore failed writes; but output for other programs (XML,
 * JSON) must be complete and in UTF-8, and a hook runs in libvirt's locale.
 */
#pragma once

#include <glib.h>
#include <jansson.h>

/* From now on g_print() and g_printerr() write their text unchanged and unbuffered. */
void output_start(void);

/* How each program but libvirt's hook begins: with all standard descriptors open, in the user's
 * locale, and output_start(). FALSE: a standard descriptor is missing. */
gboolean output_start_program(void);

/* Whether everything printed on stdout since output_start() has been written; the error is of
 * ERRNO_ERROR and names the first failure. */
gboolean output_finish(GError **error);

/* Prints a line of JSON; json is taken. */
void output_json(json_t *json);

/* Prints {"NAME":[…]} of JSON texts, an array of char * that frees them; it is taken. */
void output_json_list(const char *name, GPtrArray *texts);

/* Prints what a check has found, "ok TEXT" or "PROBLEM TEXT"; returns 1 for a problem, else 0. */
guint output_finding(gboolean good, const char *format, ...) G_GNUC_PRINTF(2, 3);
