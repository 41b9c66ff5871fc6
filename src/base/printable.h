/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Text of other people's programs, for a terminal. */
#pragma once

#include <glib.h>

/* A copy of the text with '?' for each character that a terminal may act upon, and for each byte
 * that is not UTF-8; free with g_free(). */
char *printable(const char *text);
