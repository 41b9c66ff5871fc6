/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of this module share; nobody else includes it. */
#pragma once

#include "networks.h"
#include "owned-devices.h"

struct Networks {
    Kernel *kernel;
    const PortTable *ports;
    OwnedDevices *devices;
    GHashTable *table;   /* name -> Network */
    GHashTable *parents; /* name of a network -> GArray of NetworkParent, once asked for */
};

/* What a name of Parent= stood for when somebody asked first after the networks had been read. */
typedef struct NetworkParent {
    int index;      /* 0: there was no such link */
    int vlan_lower; /* of a VLAN device: what it lies on, */
    guint16 vlan_id;
    gboolean vlan_is_outer;
} NetworkParent;

/* Of a usable network, in the order of its names; borrowed. */
const GArray *networks_parents(Networks *networks, const Network *network);

/* Whether one of the network's parents has this ifindex. */
gboolean networks_has_parent(Networks *networks, const Network *network, int index);

/* Whether there is any of them. */
gboolean networks_has_any_parent(Networks *networks, const Network *network);

/* parent.c: the first macvlan or macvtap on the parent but the one with this index, with this MAC
 * unless mac is NULL. */
gboolean parent_find_child(Networks *networks, const LinkInfo *parent, int but,
                           const MacAddress *mac, LinkInfo *ret_child);

/* parent.c: whether the parent takes a device in this mode beside the child that it has. */
gboolean parent_check_child(const LinkInfo *parent, const LinkInfo *child, MacvtapMode mode,
                            GError **error);
