/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table of the privileges that each part of the daemon needs, and their union. */
#pragma once

#include "privileges.h"

#include <glib.h>

/* All parts, as a GPtrArray of borrowed const Privileges. */
GPtrArray *declared_list(void);

/* The capabilities of all parts. */
guint64 declared_capabilities(void);

/* The privileges needed only at startup, until the daemon serves. */
guint64 declared_start_capabilities(void);

/* Whether a part declares the call with this value of the argument (counted from 1). */
gboolean declared_has_argument(GPtrArray *parts, const char *system_call, guint argument,
                               guint64 value);

/* Whether a part needs this system call with any arguments. */
gboolean declared_is_unconditional(GPtrArray *parts, const char *system_call);

/* A line for each part, and one more ("start") for what only startup needs: its name, its
 * capabilities and its system calls, with a tab between; an argument that must have a value is
 * written call(NUMBER=VALUE). Free with g_free(). */
char *declared_format(void);
