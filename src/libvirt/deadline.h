/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A time limit for the hook, even if it is blocked. One per process.
 */
#pragma once

#include <glib.h>

/* From now on the process has this many milliseconds; when they have passed it writes message (a
 * line, kept by reference) to stderr and exits with status. */
void deadline_start(guint milliseconds, int status, const char *message);

/* Leaves at most this much of the remaining time. */
void deadline_shorten(guint milliseconds);

/* The file (a name in folder; both are kept by reference) to create when the time is over. */
void deadline_set_mark(int folder, const char *name);
