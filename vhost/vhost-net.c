/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vhost-net.h"

#include "error.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/vhost.h>
#include <sys/ioctl.h>

const Privileges vhost_net_privileges = {
    .part = "vhost-net",
    .system_calls = SYSTEM_CALLS({"openat"}, {"ioctl", 2, VHOST_GET_FEATURES}, {"close"}),
};

static int
open_one(int dev_fd, GError **error)
{
    AUTO_FD int fd = -1;
    guint64 features = 0;

    fd = RETRY_EINTR(openat(dev_fd, "vhost-net", O_RDWR | O_CLOEXEC | O_NOFOLLOW));
    if (fd < 0) {
        error_set_errno(error, errno, "cannot open /dev/vhost-net");
        return -1;
    }
    if (ioctl(fd, VHOST_GET_FEATURES, &features) < 0) {
        error_set_errno(error, errno, "/dev/vhost-net does not answer VHOST_GET_FEATURES");
        return -1;
    }
    return g_steal_fd(&fd);
}

gboolean
vhost_net_open(int dev_fd, guint n, DescriptorArray *descriptors, GError **error)
{
    guint before = descriptors->len;

    for (guint i = 0; i < n; i++) {
        int fd = open_one(dev_fd, error);

        if (fd < 0) {
            g_array_set_size(descriptors, before);
            return FALSE;
        }
        descriptor_array_take(descriptors, fd);
    }
    return TRUE;
}
