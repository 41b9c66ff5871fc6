/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* The longest name of a network interface in bytes, without the NUL (IFNAMSIZ - 1). */
#define INTERFACE_NAME_MAX 15

/* The longest alternative name, by which an interface can be found as well (ALTIFNAMSIZ - 1). */
#define INTERFACE_ALTNAME_MAX 127

/*
 * Whether name can be a network interface's: 1 to 15 bytes of printable ASCII without space, '/',
 * ':' and '%', and neither "." nor "..". This is stricter than dev_valid_name() in the kernel's
 * net/core/dev.c, which takes any byte that is not white space: such names break shells and sysfs
 * readers ('%' would be a pattern). On FALSE, *error (code INVAL of ERRNO_ERROR) says what is
 * wrong.
 */
gboolean interface_name_check(const char *name, GError **error);

/* Whether somebody means an interface by name who looks for one: as interface_name_check(), but
 * alternative names may be longer, and only letters, digits, '_', '.', '@' and '-', which is not
 * first. Anything else is a separator, an option or a comment that went astray, and the message
 * says so of a '#'. */
gboolean interface_name_check_parent(const char *name, GError **error);

/* Whether a caller may choose name for a device: only letters, digits, '_', '.' and '-', of which
 * the first is a letter or digit. */
gboolean interface_name_check_chosen(const char *name, GError **error);

/* The names that users may choose begin with one of these, so that none of them takes a name that
 * the host will need ("eth7", "vmbr0"). */
#define INTERFACE_NAME_USERS "'vm' or 'mvt', and not with 'vmbr' or 'vmnet'"
gboolean interface_name_is_users(const char *name);

/* Room for the text of any name, and its NUL. */
#define INTERFACE_NAME_TEXT_SIZE (4 * INTERFACE_NAME_MAX + 1)

/* What others call their interfaces is bytes: the kernel takes all but white space, '/' and ':'.
 * Writes name as text, each byte that is no printable ASCII and each backslash as "\\xNN", and
 * returns text; a name of interface_name_check() without a backslash stays as it is. */
char *interface_name_format(const char *name, char text[static INTERFACE_NAME_TEXT_SIZE]);

/* The name that interface_name_format() made the text of; FALSE if the kernel takes no such name.
 * A text from before there was a format (any bytes, backslashes included) is the name itself. */
gboolean interface_name_parse(const char *text, char ret_name[static INTERFACE_NAME_MAX + 1]);
