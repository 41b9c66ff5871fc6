/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The VLAN devices of VLAN=: created by macvtapd (owned-devices.h), or already there. */
#pragma once

#include "owned-devices.h"

/*
 * The VLAN device for vlan ("100", or "200.100": 802.1ad outer, 802.1Q inner) on trunk: an existing
 * one, whoever created it, or a new one. Fails with ERRNO_ERROR or PORT_ERROR.
 */
gboolean vlan_device_acquire(OwnedDevices *devices, Kernel *kernel, const LinkInfo *trunk,
                             const char *vlan, LinkInfo *ret_device, GError **error);

/*
 * The same without creating one. FALSE if it does not exist, or if that is unknown: *ret_device
 * then describes the future device, with ifindex 0.
 */
gboolean vlan_device_find(Kernel *kernel, const LinkInfo *trunk, const char *vlan,
                          LinkInfo *ret_device);
