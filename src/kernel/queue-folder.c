/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "queue-folder.h"

#include "descriptor.h"
#include "error.h"
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FOLDER_MODE 0700
#define NAME_SIZE 96

struct QueueFolder {
    int dev_fd; /* borrowed */
    char name[32];
    int fd;           /* -1: no folder */
    GPtrArray *stale; /* names of nodes whose removal failed */
};

static gboolean
name_folder(QueueFolder *folder, GError **error)
{
    static const char path[] = "/proc/thread-self/ns/net";
    struct stat status;

    if (stat(path, &status) < 0)
        return error_set_errno(error, errno, "cannot examine %s", path);
    snprintf(folder->name, sizeof folder->name, "macvtapd-%llu", (unsigned long long)status.st_ino);
    return TRUE;
}

QueueFolder *
queue_folder_new(int dev_fd, GError **error)
{
    QueueFolder *folder = g_new0(QueueFolder, 1);

    folder->dev_fd = dev_fd;
    folder->fd = -1;
    folder->stale = g_ptr_array_new_with_free_func(g_free);
    if (name_folder(folder, error))
        return folder;
    queue_folder_free(folder);
    return NULL;
}

void
queue_folder_free(QueueFolder *folder)
{
    if (!folder)
        return;
    g_ptr_array_unref(folder->stale);
    descriptor_clear(&folder->fd);
    g_free(folder);
}

/* Opens the folder if it exists and is macvtapd's; -1 and errno otherwise. */
static int
open_folder(QueueFolder *folder)
{
    AUTO_FD int fd = (int)RETRY_EINTR(
        openat(folder->dev_fd, folder->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    struct stat status;

    if (fd < 0 || fstat(fd, &status) < 0)
        return -1;
    if (status.st_uid != geteuid() || (status.st_mode & 07777) != FOLDER_MODE) {
        errno = EPERM;
        return -1;
    }
    return g_steal_fd(&fd);
}

/* The folder is removed with its last node, or by an administrator. */
static gboolean
has_folder(QueueFolder *folder)
{
    struct stat status;

    if (folder->fd >= 0 && fstat(folder->fd, &status) == 0 && status.st_nlink == 0)
        descriptor_clear(&folder->fd);
    return folder->fd >= 0;
}

static gboolean
ensure_folder(QueueFolder *folder, GError **error)
{
    gboolean is_new;

    if (has_folder(folder))
        return TRUE;
    is_new = mkdirat(folder->dev_fd, folder->name, FOLDER_MODE) == 0;
    if (!is_new && errno != EEXIST)
        return error_set_errno(error, errno, "cannot make the folder /dev/%s", folder->name);
    folder->fd = open_folder(folder);
    if (folder->fd >= 0)
        return TRUE;
    error_set_errno(error, errno, "cannot use the folder /dev/%s", folder->name);
    if (is_new)
        unlinkat(folder->dev_fd, folder->name, AT_REMOVEDIR);
    return FALSE;
}

void
queue_folder_drop(QueueFolder *folder)
{
    if (folder->fd < 0 || folder->stale->len > 0)
        return;
    if (unlinkat(folder->dev_fd, folder->name, AT_REMOVEDIR) == 0)
        descriptor_clear(&folder->fd);
}

void
queue_folder_remove_node(QueueFolder *folder, const char *name)
{
    if (unlinkat(folder->fd, name, 0) < 0 && errno != ENOENT)
        g_ptr_array_add(folder->stale, g_strdup(name));
}

void
queue_folder_clean_up(QueueFolder *folder)
{
    for (guint i = folder->stale->len; i > 0; i--) {
        if (unlinkat(folder->fd, folder->stale->pdata[i - 1], 0) == 0 || errno == ENOENT)
            g_ptr_array_remove_index_fast(folder->stale, i - 1);
    }
}

static char *
make_named_node(QueueFolder *folder, const char *owner, guint first, dev_t device, GError **error)
{
    char name[NAME_SIZE];

    for (guint i = first;; i++) {
        snprintf(name, sizeof name, "%s.%u", owner, i);
        if (mknodat(folder->fd, name, S_IFCHR | 0600, device) == 0)
            return g_strdup(name);
        if (errno != EEXIST) {
            error_set_errno(error, errno, "cannot make a device node in /dev/%s", folder->name);
            return NULL;
        }
    }
}

/* An O_PATH descriptor of the node; -1 and errno. */
static int
hold_node(QueueFolder *folder, const char *name)
{
    return (int)RETRY_EINTR(openat(folder->fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC));
}

/* By its name: nobody but root enters the folder, and what was opened is verified. -1 and errno;
 * ENODEV: it is another device's. */
static int
open_node(QueueFolder *folder, const char *name, dev_t device)
{
    AUTO_FD int fd =
        (int)RETRY_EINTR(openat(folder->fd, name, O_RDWR | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC));
    struct stat status;

    if (fd < 0 || fstat(fd, &status) < 0)
        return -1;
    if (!S_ISCHR(status.st_mode) || status.st_rdev != device) {
        errno = ENODEV;
        return -1;
    }
    return g_steal_fd(&fd);
}

int
queue_folder_open_node(QueueFolder *folder, const char *owner, guint first, dev_t device,
                       char **ret_name, GError **error)
{
    g_autofree char *name = NULL;
    int fd;

    if (!ensure_folder(folder, error))
        return -1;
    name = make_named_node(folder, owner, first, device, error);
    if (!name)
        return -1;
    fd = open_node(folder, name, device);
    if (fd >= 0) {
        *ret_name = g_steal_pointer(&name);
        return fd;
    }
    error_set_errno(error, errno, "cannot open a queue through /dev/%s/%s", folder->name, name);
    queue_folder_remove_node(folder, name);
    return -1;
}

/* OWNER.N */
static char *
owner_of_node(const char *name)
{
    const char *dot = strrchr(name, '.');

    return dot && dot > name ? g_strndup(name, (gsize)(dot - name)) : NULL;
}

/* FALSE and errno: it cannot be examined. */
static gboolean
take_up_node(QueueFolder *folder, const char *name, QueueNodeVisitor visit, gpointer user_data)
{
    AUTO_FD int node = hold_node(folder, name);
    g_autofree char *owner = owner_of_node(name);
    struct stat status;

    if (node < 0 || fstat(node, &status) < 0)
        return FALSE;
    if (!owner || !S_ISCHR(status.st_mode))
        return unlinkat(folder->fd, name, 0) == 0;
    return visit(owner, name, node, user_data);
}

gboolean
queue_folder_take_up(QueueFolder *folder, QueueNodeVisitor visit, gpointer user_data,
                     GError **error)
{
    g_autofree char *what = g_strdup_printf("cannot adopt the queues in /dev/%s", folder->name);
    g_autoptr(GPtrArray) names = NULL;

    folder->fd = open_folder(folder);
    if (folder->fd < 0 && errno == ENOENT)
        return TRUE;
    if (folder->fd < 0)
        return error_set_errno(error, errno, "cannot use the folder /dev/%s", folder->name);
    names = folder_list(folder->fd, what, error);
    for (guint i = 0; names && i < names->len; i++) {
        if (!take_up_node(folder, names->pdata[i], visit, user_data))
            return error_set_errno(error, errno, "%s", what);
    }
    return names != NULL;
}

void
queue_folder_node_path(const QueueFolder *folder, const char *name, char *path, gsize size)
{
    snprintf(path, size, "/proc/self/fd/%d/%s", folder->fd, name);
}
