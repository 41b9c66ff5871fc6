/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A filter on a process's own system calls. A library of its own, as it needs libseccomp. */
#pragma once

#include "privileges.h"

/* What every process with a main loop needs, whatever else it does. */
extern const Privileges loop_privileges, library_privileges, end_privileges;

/*
 * From now on only the system calls of parts (of borrowed const Privileges) work in this process:
 * others fail with EPERM, and those that only an attacker would make end the process. It must
 * have one thread and no_new_privs (capabilities_keep() sets it).
 */
gboolean call_filter_install(GPtrArray *parts, GError **error);

/* Whether a part declares the call with this value of the argument (counted from 1). */
gboolean privileges_has_argument(GPtrArray *parts, const char *system_call, guint argument,
                                 guint64 value);

/* Whether a part needs this system call with any arguments. */
gboolean privileges_is_unconditional(GPtrArray *parts, const char *system_call);

/* Whether the process runs under valgrind, which makes system calls of its own and does not know
 * all of ours: checked as in valgrind's own header. */
#ifdef HAVE_VALGRIND
#include <valgrind/valgrind.h>
#else
#define RUNNING_ON_VALGRIND 0
#endif
