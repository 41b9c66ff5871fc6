/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Shared by the files of this module, and private to them. */
#pragma once

#include "host-link.h"
#include "networks.h"
#include "owned-devices.h"

struct Networks {
    Kernel *kernel;
    const PortTable *ports;
    OwnedDevices *devices;
    struct Announcements *announcements;
    HostLinks *host_links;
    NetworksObserve observe;
    gpointer observe_data;
    GHashTable *table;   /* name -> Network */
    GHashTable *parents; /* name of a network -> GArray of NetworkParent, filled on demand */
};

/* The link of a name in Parent=, at the first query after the networks were read. */
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

/* parent.c: the first macvlan or macvtap on the parent other than the one with this index; mac
 * (unless NULL) must match. */
gboolean parent_find_child(Networks *networks, const LinkInfo *parent, int but,
                           const MacAddress *mac, LinkInfo *ret_child);

/* parent.c: whether the parent can have a device in this mode beside its present child. */
gboolean parent_check_child(const LinkInfo *parent, const LinkInfo *child, MacvtapMode mode,
                            GError **error);
