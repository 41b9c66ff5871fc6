/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The VLAN devices of VLAN=: ours (owned-devices.h), or ones that were there. */
#pragma once

#include "owned-devices.h"

/*
 * The VLAN device for vlan ("100", or "200.100": 802.1ad outer, 802.1Q inner) on trunk: one that is
 * there, whoever made it, or a new one. Fails with ERRNO_ERROR or PORT_ERROR.
 */
gboolean vlan_device_acquire(OwnedDevices *devices, Kernel *kernel, const LinkInfo *trunk,
                             const char *vlan, LinkInfo *ret_device, GError **error);

/*
 * The same without making one. FALSE when there is none, or that cannot be told: *ret_device
 * describes it then as it would be, with ifindex 0.
 */
gboolean vlan_device_find(Kernel *kernel, const LinkInfo *trunk, const char *vlan,
                          LinkInfo *ret_device);
