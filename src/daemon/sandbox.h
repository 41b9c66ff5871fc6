/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Permanently gives up the privileges that no part of the daemon declares (privileges.h). */
#pragma once

#include "privileges.h"

#include <glib.h>

/* The privileges of each part, as a GPtrArray of borrowed const Privileges. */
GPtrArray *sandbox_list_privileges(void);

/* The capabilities of all parts. */
guint64 sandbox_capabilities(void);

/* The capabilities needed only at startup, until the daemon serves. */
guint64 sandbox_start_capabilities(void);

/* A line for each part, and one more ("start") for what only startup needs: its name, its
 * capabilities and its system calls, with a tab between; an argument that must have a value is
 * written call(NUMBER=VALUE). Free with g_free(). */
char *sandbox_format_privileges(void);

/*
 * From now on files are written only in the state folder, in /dev, in the kernel's settings of IPv6
 * and in the folders of socket_paths (NULL-terminated), where only files are removed. pins: the
 * folder of the datapath's pins, or NULL. A kernel without Landlock is not an error.
 */
gboolean sandbox_confine_writes(const char *state, const char *const *socket_paths,
                                const char *pins, GError **error);
