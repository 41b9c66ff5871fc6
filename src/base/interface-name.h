/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* The longest name of a network interface in bytes, without the NUL (IFNAMSIZ - 1). */
#define INTERFACE_NAME_MAX 15

/*
 * Whether name can be a network interface's: 1 to 15 bytes of printable ASCII without space, '/',
 * ':' and '%', and neither "." nor "..". This is stricter than dev_valid_name() in the kernel's
 * net/core/dev.c, which takes any byte that is not white space: such names break shells and sysfs
 * readers ('%' would be a pattern). On FALSE, *error (code INVAL of ERRNO_ERROR) says what is
 * wrong.
 */
gboolean interface_name_check(const char *name, GError **error);
