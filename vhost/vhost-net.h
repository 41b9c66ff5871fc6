/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vhost-net descriptors: /dev/vhost-net opened once per queue (linux/vhost.h; kernel
 * drivers/vhost/net.c). */
#pragma once

#include "descriptor.h"
#include "privileges.h"

#include <glib.h>

extern const Privileges vhost_net_privileges;

/*
 * Opens dev_fd/vhost-net n times, checks that each answers VHOST_GET_FEATURES, and appends the
 * descriptors to descriptors. Fails with ERRNO_ERROR: ENOENT or ENODEV when the host has no
 * vhost-net. On failure descriptors is unchanged.
 */
gboolean vhost_net_open(int dev_fd, guint n, DescriptorArray *descriptors, GError **error);
