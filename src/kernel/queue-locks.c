/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * The kernel writes /proc/locks a page at a time and counts the locks again for each page: when a
 * lock disappears between two pages, a later one moves up and may be skipped. So the file is read
 * until two readings in a row agree, and every file that any reading names counts as locked.
 */
#include "queue-locks.h"

#include "descriptor.h"
#include "error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* On a host whose locks change all the time, the union of this many readings has to suffice. */
#define READINGS_MAX 16
#define PIECE 65536

static guint
file_key_hash(gconstpointer data)
{
    const FileKey *key = data;

    return (guint)key->inode ^ (guint)key->device << 16;
}

static gboolean
file_key_equal(gconstpointer a, gconstpointer b)
{
    const FileKey *p = a, *q = b;

    return p->device == q->device && p->inode == q->inode;
}

GHashTable *
file_keys_new(void)
{
    return g_hash_table_new_full(file_key_hash, file_key_equal, g_free, NULL);
}

/* "12: OFDLCK ADVISORY  WRITE -1 00:05:1234 0 EOF"; one that waits has "->" behind the number. */
static gboolean
parse_line(const char *line, FileKey *ret_key)
{
    unsigned int major_number, minor_number;
    unsigned long long inode;

    if (sscanf(line, "%*u: OFDLCK %*15s %*15s %*d %x:%x:%llu ", &major_number, &minor_number,
               &inode) != 3)
        return FALSE;
    *ret_key = (FileKey){.device = makedev(major_number, minor_number), .inode = (ino_t)inode};
    return TRUE;
}

void
locks_parse(const char *text, GHashTable *keys)
{
    while (*text) {
        FileKey key;

        if (parse_line(text, &key))
            g_hash_table_add(keys, g_memdup2(&key, sizeof key));
        text += strcspn(text, "\n");
        text += *text == '\n';
    }
}

static gboolean
read_all(GString *text)
{
    AUTO_FD int fd = (int)RETRY_EINTR(open("/proc/locks", O_RDONLY | O_CLOEXEC));
    gssize n = -1;

    g_string_truncate(text, 0);
    if (fd < 0)
        return FALSE;
    do {
        gsize before = text->len;

        g_string_set_size(text, before + PIECE);
        n = RETRY_EINTR(read(fd, text->str + before, PIECE));
        g_string_truncate(text, before + (gsize)MAX(n, 0));
    } while (n > 0);
    return n == 0;
}

gboolean
locks_read(GHashTable *keys, GError **error)
{
    g_autoptr(GString) text = g_string_new(NULL), before = g_string_new(NULL);

    for (guint i = 0; i < READINGS_MAX; i++) {
        GString *swap = before;

        before = text;
        text = swap;
        if (!read_all(text))
            return error_set_errno(error, errno, "cannot read /proc/locks");
        locks_parse(text->str, keys);
        if (i > 0 && g_string_equal(text, before))
            return TRUE;
    }
    return TRUE;
}
