/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Small files below a folder that is given as a descriptor, so that tests can replace /sys, /proc
 * and the state folder. All errors are ERRNO_ERROR.
 */
#pragma once

#include "privileges.h"

#include <glib.h>

extern const Privileges file_privileges;

/*
 * Reads the whole of folder_fd/name into *ret_contents, NUL-terminated (free with g_free), and its
 * length in bytes into *ret_length (which may be NULL). Fails with EFBIG for a file longer than
 * max_bytes, EINVAL for anything but a regular file, and ELOOP for a symbolic link at the end of
 * name.
 */
gboolean file_read_at(int folder_fd, const char *name, gsize max_bytes, char **ret_contents,
                      gsize *ret_length, GError **error);

/*
 * Whether an error of file_read_at() is about the file (not a regular file, no permission, too
 * large) rather than temporary (out of descriptors or memory, a disk error).
 */
gboolean file_error_is_lasting(const GError *error);

/*
 * Replaces folder_fd/name by a file of mode 0600 with these contents: a reader sees either the old
 * file or the complete new one. The new file is first written as ".NAME.new" in the same folder; a
 * leftover from a crash is overwritten, and file_is_temporary() recognizes its name.
 */
gboolean file_replace_at(int folder_fd, const char *name, const char *contents, gsize length,
                         GError **error);

gboolean file_is_temporary(const char *name);

/*
 * Writes folder_fd/name with mode 0600 in place: a crash may leave a partial file. An existing file
 * is overwritten; on failure name is removed.
 */
gboolean file_write_at(int folder_fd, const char *name, const char *contents, gsize length,
                       GError **error);

/* Opens path as a folder (O_PATH is not used: the result can be read). -1 on failure. */
int folder_open(const char *path, GError **error);

/* The names of the folder's entries, sorted: a GPtrArray of text, owned. NULL on failure, with
 * *error "WHAT: …". */
GPtrArray *folder_list(int folder_fd, const char *what, GError **error);
