/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * libvirt opens /dev/tap<index> by path. For libvirt to open our device, the path must be our
 * device's node before the port is announced, even if a device in another namespace has the same
 * index. With devtmpfs the kernel has created the node by the time it reports the device, unless
 * another file was already there, which it keeps; elsewhere we create it. The file is opened with
 * O_PATH and compared as in tap.c, and changed only through that descriptor, never by path.
 *
 * The node stays root's, and its access list (acl(5)) names the user who may open it, as logind
 * does for a seat's devices. This needs no CAP_CHOWN, which gives power over every file, and the
 * user cannot pass the device on by changing its mode.
 *
 * The number of a removed device is soon reused, and an O_PATH descriptor survives the unlinking of
 * its name: the node's permissions at that time decide whether it can be opened. So a node is made
 * root's alone again before it is unlinked, as devtmpfs does with the kernel's own nodes. A node
 * that was given to another user (udev, by chown) cannot be changed without CAP_FOWNER, so it is
 * not removed, either: on devtmpfs the kernel takes it back if it is left alone.
 */
#include "linux-private.h"

#include "error.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

/* CAP_MKNOD: where there is no devtmpfs to create the node. */
const Privileges tap_node_privileges = {
    .part = "device nodes",
    .capabilities = CAPABILITY(CAP_MKNOD),
    .system_calls = SYSTEM_CALLS({"openat"}, {"close"}, {"newfstatat"}, {"fstat"}, {"mknodat"},
                                 {"unlinkat"}, {"chmod"}, {"fchmodat"}, {"setxattr"}),
};

#define NODE_NAME_SIZE (sizeof "tap" + 10)

static void
format_name(const LinkInfo *link, char name[NODE_NAME_SIZE])
{
    snprintf(name, NODE_NAME_SIZE, "tap%d", link->index);
}

/* An access list in the kernel's format: the owner and one user may read and write. */
static gboolean
name_user(const char *path, uid_t user)
{
    const guint16 none = 0, both = ACL_READ | ACL_WRITE;
    const guint32 undefined = (guint32)ACL_UNDEFINED_ID;
    const struct {
        struct posix_acl_xattr_header header;
        struct posix_acl_xattr_entry entries[5];
    } list = {
        .header = {GUINT32_TO_LE(POSIX_ACL_XATTR_VERSION)},
        .entries = {{GUINT16_TO_LE(ACL_USER_OBJ), GUINT16_TO_LE(both), undefined},
                    {GUINT16_TO_LE(ACL_USER), GUINT16_TO_LE(both), GUINT32_TO_LE(user)},
                    {GUINT16_TO_LE(ACL_GROUP_OBJ), none, undefined},
                    {GUINT16_TO_LE(ACL_MASK), GUINT16_TO_LE(both), undefined},
                    {GUINT16_TO_LE(ACL_OTHER), none, undefined}},
    };

    return setxattr(path, "system.posix_acl_access", &list, sizeof list, 0) == 0;
}

static gboolean
give_node(int node_fd, uid_t user)
{
    char path[sizeof "/proc/self/fd/" + 10];

    /* Neither call accepts an O_PATH descriptor. */
    snprintf(path, sizeof path, "/proc/self/fd/%d", node_fd);
    /* Mode 0600 reduces an existing access list to the owner's entry in one step. */
    return user == geteuid() ? chmod(path, 0600) == 0 : name_user(path, user);
}

static gboolean
explain_give(int errnum, const char *name, uid_t user, GError **error)
{
    if (errnum == EOPNOTSUPP)
        return error_set_errno(error, errnum,
                               "cannot give /dev/%s to user %u: /dev has no access lists", name,
                               (guint)user);
    return error_set_errno(error, errnum, "cannot give /dev/%s to user %u", name, (guint)user);
}

static gboolean
check_ours(int node_fd, const char *name, GError **error)
{
    struct stat status;

    return !tap_is_given_away(node_fd) || fstat(node_fd, &status) < 0 ||
           error_set_errno(error, EPERM,
                           "/dev/%s is user %u's and cannot be taken back (chown 0:0 /dev/%s)",
                           name, (guint)status.st_uid, name);
}

/* Makes the node root's alone, whatever name or descriptor is used to open it. */
static gboolean
take_back(int node_fd, const char *name, GError **error)
{
    return check_ours(node_fd, name, error) &&
           (give_node(node_fd, geteuid()) ||
            error_set_errno(error, errno, "cannot take /dev/%s back", name));
}

gboolean
tap_make_node(Kernel *base, const LinkInfo *link, uid_t user, guint64 *ret_made, GError **error)
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
    if (node < 0 && errno != ENOENT && errno != ENODEV)
        return error_set_errno(error, errno, "cannot examine /dev/%s", name);
    if (node >= 0 && !check_ours(node, name, error))
        return FALSE;
    if (node < 0) {
        made = mknodat(kernel->dev_fd, name, S_IFCHR | 0600, device) == 0;
        if (!made && errno == EEXIST)
            return error_set_errno(error, EBUSY, "/dev/%s is not %s's node", name, link->name);
        if (!made)
            return error_set_errno(error, errno, "cannot make /dev/%s", name);
        errno = ENODEV;
        node = tap_hold_node(kernel, name, device);
    }
    if (node >= 0 && give_node(node, user)) {
        *ret_made = made ? device : 0;
        return TRUE;
    }
    saved = errno;
    if (made)
        unlinkat(kernel->dev_fd, name, 0);
    return explain_give(saved, name, user, error);
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
    if (node < 0 && errno != ENOENT && errno != ENODEV)
        return error_set_errno(error, errno, "cannot examine /dev/%s", name);
    if (node >= 0 && !take_back(node, name, error))
        return FALSE;
    if (node < 0 || unlinkat(kernel->dev_fd, name, 0) == 0 || errno == ENOENT)
        return TRUE;
    return error_set_errno(error, errno, "cannot remove /dev/%s", name);
}
