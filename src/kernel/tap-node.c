/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * libvirt opens /dev/tap<index> by that path. So that it opens our device, the path must be our
 * device's node before anybody hears of the port, whoever else has an index like ours in another
 * namespace. With devtmpfs the kernel has made the node by the time it tells us of the device,
 * unless another lay there, which it leaves; elsewhere we make it. What lies there is taken hold of
 * and compared as in tap.c, and owner and mode are changed through that descriptor, never by path.
 * The owner is root while the mode changes: so nobody but root and the owner has the device at any
 * time, and it takes no power over other users' files (CAP_FOWNER), should udev have given it away.
 */
#include "linux-private.h"

#include "error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define NODE_NAME_SIZE (sizeof "tap" + 10)

static void
format_name(const LinkInfo *link, char name[NODE_NAME_SIZE])
{
    snprintf(name, NODE_NAME_SIZE, "tap%d", link->index);
}

static gboolean
give_node(int node_fd, uid_t owner, gid_t group)
{
    char path[sizeof "/proc/self/fd/" + 10];

    /* fchmod() takes no O_PATH descriptor. */
    snprintf(path, sizeof path, "/proc/self/fd/%d", node_fd);
    return fchownat(node_fd, "", 0, 0, AT_EMPTY_PATH) == 0 && chmod(path, 0600) == 0 &&
           fchownat(node_fd, "", owner, group, AT_EMPTY_PATH) == 0;
}

gboolean
tap_make_node(Kernel *base, const LinkInfo *link, uid_t owner, gid_t group, guint64 *ret_made,
              GError **error)
{
    LinuxKernel *kernel = linux_kernel(base);
    char name[NODE_NAME_SIZE];
    AUTO_FD int node = -1;
    gboolean made = FALSE;
    dev_t device;
    int saved;

    format_name(link, name);
    if (!tap_read_number(kernel, link, &device, error))
        return FALSE;
    node = tap_hold_node(kernel, name, device);
    if (node < 0) {
        made = mknodat(kernel->dev_fd, name, S_IFCHR | 0600, device) == 0;
        if (!made && errno == EEXIST)
            return error_set_errno(error, EBUSY, "/dev/%s is no node of %s", name, link->name);
        if (!made)
            return error_set_errno(error, errno, "cannot make /dev/%s", name);
        errno = ENODEV;
        node = tap_hold_node(kernel, name, device);
    }
    if (node >= 0 && give_node(node, owner, group)) {
        *ret_made = made ? device : 0;
        return TRUE;
    }
    saved = errno;
    if (made)
        unlinkat(kernel->dev_fd, name, 0);
    return error_set_errno(error, saved, "cannot give /dev/%s to user %u", name, (guint)owner);
}

gboolean
tap_remove_node(Kernel *base, const LinkInfo *link, guint64 number, GError **error)
{
    LinuxKernel *kernel = linux_kernel(base);
    char name[NODE_NAME_SIZE];
    AUTO_FD int node = -1;
    dev_t device = number;

    format_name(link, name);
    if (number == 0 && !tap_read_number(kernel, link, &device, error))
        return FALSE;
    node = tap_hold_node(kernel, name, device);
    if (node < 0 || unlinkat(kernel->dev_fd, name, 0) == 0 || errno == ENOENT)
        return TRUE;
    return error_set_errno(error, errno, "cannot remove /dev/%s", name);
}
