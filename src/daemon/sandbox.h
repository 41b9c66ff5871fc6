/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Permanently gives up the privileges that no part of the daemon declares (declared.h). */
#pragma once

#include <glib.h>

/*
 * From now on files are written only in the state folder, in /dev, in the kernel's settings of IPv6
 * and in the folders of socket_paths (NULL-terminated), where only files are removed. pins: the
 * folder of the datapath's pins, or NULL. A kernel without Landlock is not an error.
 */
gboolean sandbox_confine_writes(const char *state, const char *const *socket_paths,
                                const char *pins, GError **error);
