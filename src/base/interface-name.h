/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* The longest name of a network interface in bytes, without the NUL (IFNAMSIZ - 1). */
#define INTERFACE_NAME_MAX 15

/* The longest alternative name of an interface (ALTIFNAMSIZ - 1). */
#define INTERFACE_ALTNAME_MAX 127

/*
 * Whether name can be a network interface's: 1 to 15 bytes of printable ASCII without space, '/',
 * ':' and '%', and neither "." nor "..". This is stricter than dev_valid_name() in the kernel's
 * net/core/dev.c, which accepts any byte that is not white space: such names break shells and sysfs
 * readers ('%' would be a pattern). On FALSE, *error (code INVAL of ERRNO_ERROR) says what is
 * wrong.
 */
gboolean interface_name_check(const char *name, GError **error);

/* Whether name can refer to an interface: like interface_name_check(), but alternative names may be
 * longer, and only letters, digits, '_', '.', '@' and (not first) '-' are valid. Anything else is a
 * misplaced separator, option or comment; the message points out a '#'. */
gboolean interface_name_check_parent(const char *name, GError **error);

/* Whether a caller may choose name for a device: only letters, digits, '_', '.' and '-', starting
 * with a letter or digit. */
gboolean interface_name_check_chosen(const char *name, GError **error);

/* The names that users may choose begin with one of these, so that users cannot take a name that
 * the host will need ("eth7", "vmbr0"). */
#define INTERFACE_NAME_USERS "'vm' or 'mvt', and not with 'vmbr' or 'vmnet'"
gboolean interface_name_is_users(const char *name);

/* The longest text of a name, and the NUL. */
#define INTERFACE_NAME_TEXT_SIZE (4 * INTERFACE_NAME_MAX + 1)

/* Names of other programs' interfaces are bytes: the kernel accepts all but white space, '/' and
 * ':'. Writes name as text, with each backslash and each byte that is not printable ASCII as
 * "\\xNN", and returns text; a name that passes interface_name_check() and has no backslash is
 * unchanged. */
char *interface_name_format(const char *name, char text[static INTERFACE_NAME_TEXT_SIZE]);

/* The inverse of interface_name_format(); FALSE if the kernel does not accept such a name. An old
 * text from before this format (any bytes, including backslashes) is the name itself. */
gboolean interface_name_parse(const char *text, char ret_name[static INTERFACE_NAME_MAX + 1]);
