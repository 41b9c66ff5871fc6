/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "ops.h"
#include "privileges.h"

/* Terminated by NULL. */
extern const Privileges *const linux_privileges[];

/*
 * The running kernel, in the caller's network namespace (libnl-route-3 over NETLINK_ROUTE).
 * sysfs_fd and dev_fd are /sys and /dev opened as folders; they are taken.
 */
Kernel *kernel_linux_new(int sysfs_fd, int dev_fd, GError **error);
