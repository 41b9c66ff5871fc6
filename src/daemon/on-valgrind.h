/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whether the process runs under valgrind, which makes system calls of its own and knows not all of
 * ours: RUNNING_ON_VALGRIND, as its own header has it. */
#pragma once

#ifdef HAVE_VALGRIND
#include <valgrind/valgrind.h>
#else
#define RUNNING_ON_VALGRIND 0
#endif
