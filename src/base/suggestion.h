/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a mistyped word was meant to be. */
#pragma once

#include <glib.h>

/*
 * How many single letters must be changed, left out, added or swapped with the next one to turn a
 * into b, ignoring case. More than G_MAXUINT8 for words of more than 64 bytes, which nobody
 * mistyped.
 */
guint suggestion_distance(const char *a, const char *b);

/*
 * Whether a word of that distance is near enough to word to be suggested: at most 2, and less than
 * half of the word, so that two short words that have nothing in common are not.
 */
gboolean suggestion_is_near(const char *word, guint distance);
