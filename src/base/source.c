/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "source.h"

static GSource *
source_start(GSource *source, GSourceFunc callback, gpointer user_data, const char *name)
{
    g_source_set_callback(source, callback, user_data, NULL);
    g_source_set_name(source, name);
    g_source_attach(source, g_main_context_get_thread_default());
    return source;
}

GSource *
source_add_timeout(guint milliseconds, GSourceFunc callback, gpointer user_data, const char *name)
{
    return source_start(g_timeout_source_new(milliseconds), callback, user_data, name);
}

GSource *
source_add_idle(GSourceFunc callback, gpointer user_data, const char *name)
{
    return source_start(g_idle_source_new(), callback, user_data, name);
}

GSource *
source_add_fd(int fd, GIOCondition condition, GUnixFDSourceFunc callback, gpointer user_data,
              const char *name)
{
    GSource *source = g_unix_fd_source_new(fd, condition);

    /* As it never runs nested, this spares the loop two wake-ups of itself: GLib blocks others. */
    g_source_set_can_recurse(source, TRUE);
    return source_start(source, G_SOURCE_FUNC(callback), user_data, name);
}

void
source_clear(GSource **source)
{
    if (!*source)
        return;
    g_source_destroy(*source);
    g_clear_pointer(source, g_source_unref);
}
