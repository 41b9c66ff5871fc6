/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "file.h"

#include "descriptor.h"
#include "error.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const Privileges file_privileges = {
    .part = "files",
    .system_calls = SYSTEM_CALLS({"openat"}, {"read"}, {"write"}, {"close"}, {"newfstatat"},
                                 {"fstat"}, {"renameat"}, {"renameat2"}, {"unlinkat"}),
};

static gboolean
read_fully(int fd, gsize max_bytes, GString *contents, int *ret_errno)
{
    char buffer[4096];

    for (;;) {
        gssize n = RETRY_EINTR(read(fd, buffer, sizeof(buffer)));

        if (n < 0) {
            *ret_errno = errno;
            return FALSE;
        }
        if (n == 0)
            return TRUE;
        if (contents->len + (gsize)n > max_bytes) {
            *ret_errno = EFBIG;
            return FALSE;
        }
        g_string_append_len(contents, buffer, n);
    }
}

/* An error whose message is clearer without the errno's text. */
static gboolean
refuse(GError **error, int errnum, const char *name, const char *what)
{
    g_set_error(error, ERRNO_ERROR, errnum, "%s %s", name, what);
    return FALSE;
}

gboolean
file_read_at(int folder_fd, const char *name, gsize max_bytes, char **ret_contents,
             gsize *ret_length, GError **error)
{
    g_autoptr(GString) contents = NULL;
    AUTO_FD int fd = -1;
    struct stat status;
    int errnum = 0;

    /* O_NONBLOCK: do not block on a FIFO. */
    fd = RETRY_EINTR(openat(folder_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
    if (fd < 0 && errno == ELOOP)
        return refuse(error, ELOOP, name, "is a symbolic link");
    if (fd < 0 || fstat(fd, &status) < 0)
        return error_set_errno(error, errno, "cannot open %s", name);
    if (!S_ISREG(status.st_mode))
        return refuse(error, EINVAL, name, "is not a regular file");
    contents = g_string_new(NULL);
    if (!read_fully(fd, max_bytes, contents, &errnum))
        return error_set_errno(error, errnum, "cannot read %s", name);
    if (ret_length)
        *ret_length = contents->len;
    *ret_contents = g_string_free(g_steal_pointer(&contents), FALSE);
    return TRUE;
}

gboolean
file_error_is_lasting(const GError *error)
{
    static const int lasting[] = {ELOOP, EINVAL, EFBIG, EISDIR, ENXIO, ENOENT, EACCES, EPERM};

    for (guint i = 0; i < G_N_ELEMENTS(lasting); i++) {
        if (error_is_errno(error, lasting[i]))
            return TRUE;
    }
    return FALSE;
}

static gboolean
write_fully(int fd, const char *contents, gsize length)
{
    while (length > 0) {
        gssize n = RETRY_EINTR(write(fd, contents, length));

        if (n < 0)
            return FALSE;
        contents += n;
        length -= (gsize)n;
    }
    return TRUE;
}

gboolean
file_write_at(int folder_fd, const char *name, const char *contents, gsize length, GError **error)
{
    AUTO_FD int fd = -1;
    int errnum;

    fd = RETRY_EINTR(
        openat(folder_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (fd < 0)
        return error_set_errno(error, errno, "cannot create %s", name);
    if (write_fully(fd, contents, length))
        return TRUE;
    errnum = errno;
    unlinkat(folder_fd, name, 0);
    return error_set_errno(error, errnum, "cannot write %s", name);
}

#define TEMPORARY_SUFFIX ".new"

gboolean
file_is_temporary(const char *name)
{
    return name[0] == '.' && g_str_has_suffix(name, TEMPORARY_SUFFIX);
}

gboolean
file_replace_at(int folder_fd, const char *name, const char *contents, gsize length, GError **error)
{
    g_autofree char *temporary = g_strdup_printf(".%s" TEMPORARY_SUFFIX, name);
    int errnum;

    if (!file_write_at(folder_fd, temporary, contents, length, error))
        return FALSE;
    if (renameat(folder_fd, temporary, folder_fd, name) == 0)
        return TRUE;
    errnum = errno;
    unlinkat(folder_fd, temporary, 0);
    return error_set_errno(error, errnum, "cannot rename %s to %s", temporary, name);
}

int
folder_open(const char *path, GError **error)
{
    int fd = RETRY_EINTR(open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));

    if (fd < 0)
        error_set_errno(error, errno, "cannot open folder %s", path);
    return fd;
}

static gint
compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

GPtrArray *
folder_list(int folder_fd, const char *what, GError **error)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    int fd = RETRY_EINTR(openat(folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    DIR *folder = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *entry;
    int errnum;

    if (!folder) {
        error_set_errno(error, errno, "%s", what);
        descriptor_clear(&fd);
        return NULL;
    }
    while (errno = 0, (entry = readdir(folder))) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            g_ptr_array_add(names, g_strdup(entry->d_name));
    }
    errnum = errno;
    closedir(folder);
    if (errnum != 0) {
        error_set_errno(error, errnum, "%s", what);
        return NULL;
    }
    g_ptr_array_sort(names, compare_names);
    return g_steal_pointer(&names);
}
