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

/* From now on only declared system calls work: others fail with EPERM, and those that only an
 * attacker would make end the process. */
gboolean sandbox_confine_calls(GError **error);

/* Whether the process runs under valgrind, which makes system calls of its own and does not know
 * all of ours: checked as in valgrind's own header. */
#ifdef HAVE_VALGRIND
#include <valgrind/valgrind.h>
#else
#define RUNNING_ON_VALGRIND 0
#endif
