/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Shared by the files of this module, and private to them. */
#pragma once

#include "host-link.h"
#include "networks.h"
#include "owned-devices.h"

/* announcements.c: announcements of guests to the network */
typedef struct Announcements Announcements;

struct Networks {
    Kernel *kernel;
    const PortTable *ports;
    OwnedDevices *devices;
    Announcements *announcements;
    HostLinks *host_links;
    NetworksObserve observe;
    NetworksSweep sweep;
    gpointer user_data;  /* of both */
    GHashTable *table;   /* name -> Network */
    GHashTable *parents; /* name of a network -> GArray of NetworkParent, filled on demand */
};

/* The link of a name in Parent=, at the first query since a link has changed. */
typedef struct NetworkParent {
    int index;      /* 0: there was none */
    int vlan_lower; /* of a VLAN device: the link below it, */
    guint16 vlan_id;
    gboolean vlan_is_outer;
} NetworkParent;

/* The parents of a usable network, in the order of Parent=; borrowed. */
const GArray *networks_parents(Networks *networks, const Network *network);

/* Whether one of the network's parents has this ifindex. */
gboolean networks_has_parent(Networks *networks, const Network *network, int index);

/* Whether any of them exists. */
gboolean networks_has_any_parent(Networks *networks, const Network *network);

/* parent.c: whether the link is the device of a port that is set aside (port-table.h). */
gboolean parent_is_aside(Networks *networks, const LinkInfo *link);

/* parent.c: the first macvlan or macvtap on the parent other than the one with this index, and
 * those of ports that are set aside; mac (unless NULL) must match. */
gboolean parent_find_child(Networks *networks, const LinkInfo *parent, int but,
                           const MacAddress *mac, LinkInfo *ret_child);

/* parent.c: whether the parent can have a device in this mode beside its present child. */
gboolean parent_check_child(const LinkInfo *parent, const LinkInfo *child, MacvtapMode mode,
                            GError **error);

/* announcements.c */

Announcements *announcements_new(Networks *networks);
void announcements_free(Announcements *announcements);

/* The state of a link that is not a port's: from an event, or as it was read. */
void announcements_saw(Announcements *announcements, const LinkInfo *link);

/* Whether it is known. */
gboolean announcements_know(const Announcements *announcements, int index);

void announcements_lost(Announcements *announcements, int index);
void announcements_keep(Announcements *announcements, GHashTable *links);

/* vlan-device.c: the VLAN devices of VLAN=, created by macvtapd (owned-devices.h), or already there
 */

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
