/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A captured frame as text. Pure: takes the bytes of any guest. */
#pragma once

#include <glib.h>

/* Appends "MAC > MAC ARP who-has 10.0.0.1 tell 10.0.0.2, length 42" and so on: addresses, what the
 * frame is as far as its first n bytes show, and length, that of the whole frame. One line, without
 * a newline, of printable ASCII. */
void capture_text_append(GString *line, const guint8 *bytes, gsize n, guint32 length);
