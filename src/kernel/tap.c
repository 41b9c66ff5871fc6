/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * /dev/tap<index> is one name for the whole machine, but indexes repeat across network namespaces:
 * the node of that name may be another guest's device, or anything that somebody put there. What
 * counts is the device number, which sysfs tells for our link in our namespace. The node is taken
 * hold of with O_PATH, which opens no device, and its number is compared; only then the queues are
 * opened, through that very descriptor. If the node is not ours, one with the right number is made
 * under a name of our own, which is gone again before the device is opened. It must lie in /dev:
 * /run is usually mounted nodev. The name is that of the network namespace, in which there is one
 * daemon: so the next one finds what a killed one has left. The same if the node is ours and has
 * been given to somebody: its mode may then keep out a daemon that has no power over other users'
 * files.
 */
#include "linux-private.h"

#include "error.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* CAP_MKNOD: make_node(). */
const Privileges tap_privileges = {
    .part = "queues",
    .capabilities = CAPABILITY(CAP_MKNOD),
    .system_calls =
        SYSTEM_CALLS({"openat"}, {"read"}, {"close"}, {"newfstatat"}, {"fstat"}, {"geteuid"},
                     {"mknodat"}, {"unlinkat"}, {"ioctl", 2, TUNSETIFF}, {"ioctl", 2, TUNGETIFF}),
};

/* Says why sysfs has no such device. */
static gboolean
explain_missing(LinuxKernel *kernel, const LinkInfo *link, const char *path, GError **error)
{
    LinkInfo now;

    if (!link_get_by_index(&kernel->kernel, link->index, &now, error))
        return FALSE;
    if (strcmp(now.name, link->name) != 0 || strcmp(now.kind, "macvtap") != 0)
        return error_set_errno(error, ENODEV, "link %d is not macvtap %s", link->index, link->name);
    return error_set_errno(error, ENXIO, "no %s: sysfs shows another network namespace", path);
}

gboolean
tap_read_number(LinuxKernel *kernel, const LinkInfo *link, dev_t *ret_device, GError **error)
{
    /* Where class/net/NAME points to, at two thirds of the cost. */
    char path[sizeof "devices/virtual/net//macvtap/tap/dev" + INTERFACE_NAME_MAX + 11];
    char text[32];
    unsigned int major_number, minor_number;
    AUTO_FD int fd = -1;
    gssize n;

    snprintf(path, sizeof path, "devices/virtual/net/%s/macvtap/tap%d/dev", link->name,
             link->index);
    fd = (int)RETRY_EINTR(openat(kernel->sysfs_fd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    if (fd < 0 && errno == ENOENT)
        return explain_missing(kernel, link, path, error);
    n = fd < 0 ? -1 : RETRY_EINTR(read(fd, text, sizeof text - 1));
    if (n < 0)
        return error_set_errno(error, errno, "cannot read %s in sysfs", path);
    text[n] = '\0';
    if (sscanf(text, "%u:%u", &major_number, &minor_number) != 2)
        return error_set_errno(error, EPROTO, "%s in sysfs is no device number", path);
    *ret_device = makedev(major_number, minor_number);
    return TRUE;
}

int
tap_hold_node(LinuxKernel *kernel, const char *name, dev_t device)
{
    AUTO_FD int fd = -1;
    struct stat status;

    fd = (int)RETRY_EINTR(openat(kernel->dev_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC));
    if (fd < 0 || fstat(fd, &status) < 0)
        return -1;
    if (!S_ISCHR(status.st_mode) || status.st_rdev != device) {
        errno = ENODEV;
        return -1;
    }
    return g_steal_fd(&fd);
}

gboolean
tap_name_own(LinuxKernel *kernel, GError **error)
{
    static const char path[] = "/proc/thread-self/ns/net";
    struct stat status;

    if (stat(path, &status) < 0)
        return error_set_errno(error, errno, "cannot look at %s", path);
    snprintf(kernel->node_name, sizeof kernel->node_name, ".macvtapd-%llu",
             (unsigned long long)status.st_ino);
    return TRUE;
}

void
tap_remove_own(Kernel *base)
{
    LinuxKernel *kernel = linux_kernel(base);

    kernel->node_stays = unlinkat(kernel->dev_fd, kernel->node_name, 0) < 0 && errno != ENOENT;
}

static int
make_node(LinuxKernel *kernel, dev_t device, GError **error)
{
    const char *name = kernel->node_name;
    int fd, saved;

    tap_remove_own(&kernel->kernel);
    if (mknodat(kernel->dev_fd, name, S_IFCHR | 0600, device) < 0) {
        error_set_errno(error, errno, "cannot make a device node in /dev");
        return -1;
    }
    errno = ENODEV;
    fd = tap_hold_node(kernel, name, device);
    saved = errno;
    tap_remove_own(&kernel->kernel);
    if (fd < 0)
        error_set_errno(error, saved, "cannot use a device node of our own in /dev");
    return fd;
}

gboolean
tap_is_given_away(int node_fd)
{
    struct stat status;

    return fstat(node_fd, &status) == 0 && status.st_uid != geteuid();
}

static gboolean
set_up_queue(int fd, const LinkInfo *link, gboolean multi_queue, GError **error)
{
    short flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | (multi_queue ? IFF_MULTI_QUEUE : 0);
    struct ifreq request = {.ifr_flags = flags};
    struct ifreq answer = {0};

    if (RETRY_EINTR(ioctl(fd, TUNSETIFF, &request)) < 0)
        return error_set_errno(error, errno, "cannot set up a queue of %s", link->name);
    if (RETRY_EINTR(ioctl(fd, TUNGETIFF, &answer)) < 0)
        return error_set_errno(error, errno, "cannot verify a queue of %s", link->name);
    if (strncmp(answer.ifr_name, link->name, IFNAMSIZ) != 0)
        return error_set_errno(error, ENODEV, "the queue opened for %s is %.*s's", link->name,
                               IFNAMSIZ, answer.ifr_name);
    if ((answer.ifr_flags & flags) != flags)
        return error_set_errno(error, ENOTSUP, "the kernel gave %s's queue other flags (0x%x)",
                               link->name, (unsigned int)(guint16)answer.ifr_flags);
    return TRUE;
}

static int
open_queue(int node_fd, const LinkInfo *link, gboolean multi_queue, GError **error)
{
    char path[sizeof "/proc/self/fd/" + 10];
    AUTO_FD int fd = -1;

    snprintf(path, sizeof path, "/proc/self/fd/%d", node_fd);
    fd = (int)RETRY_EINTR(open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC));
    if (fd < 0) {
        error_set_errno(error, errno, "cannot open a queue of %s", link->name);
        return -1;
    }
    if (!set_up_queue(fd, link, multi_queue, error))
        return -1;
    return g_steal_fd(&fd);
}

gboolean
tap_open_queues(Kernel *base, const LinkInfo *link, guint n_queues, gboolean multi_queue,
                DescriptorArray *queues, GError **error)
{
    LinuxKernel *kernel = linux_kernel(base);
    char name[sizeof "tap" + 10];
    guint before = queues->len;
    AUTO_FD int node = -1;
    dev_t device;

    if (!tap_read_number(kernel, link, &device, error))
        return FALSE;
    snprintf(name, sizeof name, "tap%d", link->index);
    node = tap_hold_node(kernel, name, device);
    if (node >= 0 && tap_is_given_away(node))
        descriptor_clear(&node);
    if (node < 0)
        node = make_node(kernel, device, error);
    if (node < 0)
        return FALSE;
    for (guint i = 0; i < n_queues; i++) {
        int fd = open_queue(node, link, multi_queue, error);

        if (fd < 0) {
            g_array_set_size(queues, before);
            return FALSE;
        }
        descriptor_array_take(queues, fd);
    }
    return TRUE;
}
