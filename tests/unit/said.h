/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the code under test has logged, a line each; one test program at a time has it. */
#pragma once

#include <glib.h>

static GString *said;

static void
keep_message(const char *domain, GLogLevelFlags level, const char *text, gpointer user_data)
{
    g_string_append_printf(said, "%s\n", text);
}

static inline void
said_begin(void)
{
    said = g_string_new(NULL);
    g_log_set_default_handler(keep_message, NULL);
}

static inline void
said_end(void)
{
    g_log_set_default_handler(g_log_default_handler, NULL);
    g_string_free(said, TRUE);
}
