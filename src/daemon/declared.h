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

/* A line for each part, and one more ("start") for what only startup needs: its name, its
 * capabilities and its system calls, with a tab between; an argument that must have a value is
 * written call(NUMBER=VALUE). Free with g_free(). */
char *declared_format(void);
