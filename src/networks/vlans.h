/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The VLAN devices that macvtapd makes on demand (VLAN=): each has a record in STATE/vlans from
 * before its making until after its removal, and lives while a port needs it.
 */
#pragma once

#include "ops.h"

#include <glib.h>

typedef struct Vlans Vlans;

/* Opens (or makes) the folder "vlans" below state_fd (borrowed). kernel is borrowed. */
Vlans *vlans_new(int state_fd, Kernel *kernel, GError **error);
void vlans_free(Vlans *vlans);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Vlans, vlans_free)

/*
 * Which device is which, its ifindex tells: administrators rename devices.
 *
 * Reads the records and compares them with all links there are (of LinkInfo): what has gone is
 * forgotten, a device of ours without a record is noted for vlans_sweep(). Damaged records are
 * removed: their devices have our alias.
 */
gboolean vlans_load(Vlans *vlans, const GArray *links, GError **error);

/*
 * The VLAN device for vlan ("100", or "200.100": 802.1ad outer, 802.1Q inner) on trunk: one that is
 * there, whoever made it, or a new one. Fails with ERRNO_ERROR or PORT_ERROR.
 */
gboolean vlans_acquire(Vlans *vlans, const LinkInfo *trunk, const char *vlan, LinkInfo *ret_device,
                       GError **error);

/*
 * The same without making one. FALSE when there is none, or that cannot be told: *ret_device
 * describes it then as it would be, with ifindex 0.
 */
gboolean vlans_find(Vlans *vlans, const LinkInfo *trunk, const char *vlan, LinkInfo *ret_device);

/* Tells whether a port needs the link with this ifindex. */
typedef gboolean (*VlanNeeded)(int index, gpointer user_data);

/*
 * Removes each device of ours that no port and no other device of ours needs, upper ones first. One
 * that somebody else's link lies on, or that is a port of a bridge, stays until a later sweep finds
 * it free; the log says so once. Links in other network namespaces are not seen.
 */
gboolean vlans_sweep(Vlans *vlans, VlanNeeded needed, gpointer user_data, GError **error);
