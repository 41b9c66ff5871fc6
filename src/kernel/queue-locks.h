/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which files are locked by open file descriptions, as /proc/locks tells it (proc(5)). */
#pragma once

#include <glib.h>
#include <sys/types.h>

typedef struct FileKey {
    dev_t device; /* of the file system */
    ino_t inode;
} FileKey;

/* A set of FileKey, to be asked with g_hash_table_contains(). */
GHashTable *file_keys_new(void);

/* Adds to keys every file with an OFD lock that text, the content of /proc/locks, names. Lines of
 * another form are passed over. */
void locks_parse(const char *text, GHashTable *keys);

/* Adds every file with an OFD lock. One that was locked all the time is never missing; one whose
 * lock goes meanwhile may be there. FALSE: /proc/locks cannot be read. */
gboolean locks_read(GHashTable *keys, GError **error);
