/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * /dev/tap<index> is a name for the whole machine, but indexes repeat across network namespaces:
 * the node may be another guest's device, or any other file. What counts is the device number,
 * which sysfs shows for our link in our namespace, and which the kernel has announced there
 * (tap-events.c). So each queue is opened through a node that we create with that number (queue.c),
 * and the queue itself is asked for the name of its link. The nodes must be in /dev, as /run is
 * usually mounted nodev.
 */
#include "linux-private.h"

#include "error.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

const Privileges tap_privileges = {
    .part = "queues",
    .system_calls =
        SYSTEM_CALLS({"openat"}, {"read"}, {"close"}, {"newfstatat"}, {"fstat"}, {"recvfrom"},
                     {"geteuid"}, {"ioctl", 2, TUNSETIFF}, {"ioctl", 2, TUNGETIFF}),
};

/* Explains why sysfs does not have the device. */
static gboolean
explain_missing(LinuxKernel *kernel, const LinkInfo *link, const char *path, GError **error)
{
    LinkInfo now;

    if (!link_get_by_index(&kernel->kernel, link->index, &now, error))
        return FALSE;
    if (strcmp(now.name, link->name) != 0 || strcmp(now.kind, "macvtap") != 0)
        return error_set_errno(error, ENODEV, "link %d is not macvtap %s", link->index, link->name);
    return error_set_errno(error, ENXIO, "%s is missing: sysfs shows another network namespace",
                           path);
}

gboolean
tap_read_number(LinuxKernel *kernel, const LinkInfo *link, dev_t *ret_device, GError **error)
{
    /* The target of class/net/NAME, at two thirds of the cost. */
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
        return error_set_errno(error, EPROTO, "%s in sysfs is not a device number", path);
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
        return error_set_errno(error, ENODEV, "the queue opened for %s belongs to %.*s", link->name,
                               IFNAMSIZ, answer.ifr_name);
    if ((answer.ifr_flags & flags) != flags)
        return error_set_errno(error, ENOTSUP, "the kernel gave %s's queue unexpected flags (0x%x)",
                               link->name, (unsigned int)(guint16)answer.ifr_flags);
    return TRUE;
}

static int
open_queue(LinuxKernel *kernel, const LinkInfo *link, const char *owner, dev_t device,
           gboolean multi_queue, GError **error)
{
    g_autofree char *name = NULL;
    AUTO_FD int fd = queues_open_node(kernel->queues, owner, device, &name, error);

    if (fd < 0)
        return -1;
    if (set_up_queue(fd, link, multi_queue, error) &&
        queues_add(kernel->queues, owner, name, fd, error))
        return g_steal_fd(&fd);
    queues_drop_node(kernel->queues, name);
    return -1;
}

gboolean
tap_open_queues(Kernel *base, const LinkInfo *link, const char *owner, guint n_queues,
                gboolean multi_queue, DescriptorArray *queues, GError **error)
{
    LinuxKernel *kernel = linux_kernel(base);
    guint before = queues->len;
    dev_t device;

    if (!tap_events_find(kernel->taps_fd, link, &device) &&
        !tap_read_number(kernel, link, &device, error))
        return FALSE;
    for (guint i = 0; i < n_queues; i++) {
        int fd = open_queue(kernel, link, owner, device, multi_queue, error);

        if (fd < 0) {
            g_array_set_size(queues, before);
            queues_forget_last(kernel->queues, owner, i);
            return FALSE;
        }
        descriptor_array_take(queues, fd);
    }
    return TRUE;
}

gboolean
tap_watch_queues(Kernel *base, QueueHandler handler, gpointer user_data, GError **error)
{
    return queues_watch(linux_kernel(base)->queues, handler, user_data, error);
}

void
tap_catch_up(Kernel *base)
{
    queues_catch_up(linux_kernel(base)->queues);
}

guint
tap_count_queues(Kernel *base, const char *owner)
{
    return queues_count(linux_kernel(base)->queues, owner);
}

GPtrArray *
tap_list_owners(Kernel *base)
{
    return queues_owners(linux_kernel(base)->queues);
}

void
tap_forget_queues(Kernel *base, const char *owner)
{
    queues_forget(linux_kernel(base)->queues, owner);
}
