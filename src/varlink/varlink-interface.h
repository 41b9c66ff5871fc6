/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A Varlink interface from its text (varlink.org/Interface-Definition). Types are checked, names
 * resolved, but only the members' names and comments are kept. No I/O.
 */
#pragma once

#include <glib.h>

typedef struct VarlinkInterface VarlinkInterface;

typedef enum VarlinkMemberKind {
    VARLINK_MEMBER_TYPE,
    VARLINK_MEMBER_METHOD,
    VARLINK_MEMBER_ERROR,
} VarlinkMemberKind;

/* text: length bytes of UTF-8, -1 for up to its NUL. Fails with VARLINK_ERROR_INTERFACE, the
 * message beginning with "line N: ". */
VarlinkInterface *varlink_interface_parse(const char *text, gssize length, GError **error);
void varlink_interface_free(VarlinkInterface *interface);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VarlinkInterface, varlink_interface_free)

/* "org.example.name" */
const char *varlink_interface_get_name(const VarlinkInterface *interface);

/* name is within the interface: "NetworkNotFound". */
gboolean varlink_interface_has_type(const VarlinkInterface *interface, const char *name);
gboolean varlink_interface_has_method(const VarlinkInterface *interface, const char *name);
gboolean varlink_interface_has_error(const VarlinkInterface *interface, const char *name);

/* The names of one kind in the text's order, ended by NULL. Free with g_free(): the strings are the
 * interface's. */
const char **varlink_interface_list(const VarlinkInterface *interface, VarlinkMemberKind kind);

/* The comment directly above a member, or above the interface itself for a NULL name: its lines
 * without "# ", joined by newlines; "" without one, NULL if there is no such member. */
const char *varlink_interface_get_comment(const VarlinkInterface *interface, const char *name);
