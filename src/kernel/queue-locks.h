/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The files that are locked by open file descriptions, from /proc/locks (proc(5)). */
#pragma once

#include <glib.h>
#include <sys/types.h>

typedef struct FileKey {
    dev_t device; /* of the file system */
    ino_t inode;
} FileKey;

/* A set of FileKey, for g_hash_table_contains(). */
GHashTable *file_keys_new(void);

/* Adds every file with an OFD lock in text, the content of /proc/locks, to keys. Lines of any other
 * form are skipped. */
void locks_parse(const char *text, GHashTable *keys);

/* Adds every file with an OFD lock. A file that stays locked is never missed; one that is unlocked
 * meanwhile may be included. FALSE: /proc/locks cannot be read. */
gboolean locks_read(GHashTable *keys, GError **error);
