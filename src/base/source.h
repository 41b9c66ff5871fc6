/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sources of the thread-default main context: each is the caller's until source_clear(). */
#pragma once

#include <glib-unix.h>

GSource *source_add_timeout(guint milliseconds, GSourceFunc callback, gpointer user_data,
                            const char *name);

/* When nothing else is ready. */
GSource *source_add_idle(GSourceFunc callback, gpointer user_data, const char *name);

/* When fd can be read (G_IO_IN) or whatever else the condition says. The callback must not run the
 * main loop. */
GSource *source_add_fd(int fd, GIOCondition condition, GUnixFDSourceFunc callback,
                       gpointer user_data, const char *name);

/* Ends *source, if there is one, and makes it NULL. */
void source_clear(GSource **source);
