/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * The lock serializes the programs of one user that read a domain's metadata, add or remove a port,
 * and write it back: libvirt replaces the whole element, so another program's change in between
 * would be lost.
 *
 * The lock is a file in the hook's folder (hook_state_folders()): root's is below /run, another
 * user's below /run/user/UID, so a reboot removes it, and its mode keeps others from opening it: in
 * a world-writable folder any user could hold the lock forever. Two users who both manage the
 * system's libvirt are not serialized.
 */
#include "hook-state.h"

#include "descriptor.h"
#include "error.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>

/* The error is about the likeliest folder. */
static int
open_folder(const char *const *folders, const char **ret_folder, GError **error)
{
    int first = 0;

    for (const char *const *folder = folders; *folder; folder++) {
        int fd = hook_state_open(*folder);

        *ret_folder = *folder;
        if (fd >= 0)
            return fd;
        first = first ? first : errno;
    }
    error_set_errno(error, first,
                    "cannot open the folder %s for the lock that serializes changes of domains",
                    folders[0]);
    return -1;
}

int
change_lock_take(const char *const *folders, GError **error)
{
    const char *path = NULL;
    AUTO_FD int folder = open_folder(folders, &path, error);
    AUTO_FD int fd = -1;

    if (folder < 0)
        return -1;
    fd =
        (int)RETRY_EINTR(openat(folder, "change", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (fd >= 0 && RETRY_EINTR(flock(fd, LOCK_EX)) == 0)
        return g_steal_fd(&fd);
    error_set_errno(error, errno,
                    "cannot take the lock %s/change that serializes changes of domains", path);
    return -1;
}
