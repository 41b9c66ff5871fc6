/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The required state of a port's device. */
#pragma once

#include "mac-address.h"
#include "mode.h"

#include <glib.h>

/* The properties of a device. Those of the first group are prescribed and repaired; those of the
 * second others may change, and the port follows. A MAC belongs to either group. */
typedef enum DeviceField {
    DEVICE_MODE = 1 << 0,
    DEVICE_MAC = 1 << 1,
    DEVICE_MTU = 1 << 2,
    DEVICE_SOURCES = 1 << 3,
    DEVICE_MULTICAST = 1 << 4,
    DEVICE_ALIAS = 1 << 5,
    DEVICE_SILENCE = 1 << 6, /* no ARP and no IPv6 on the host's side */
    DEVICE_RECORD = 1 << 7,  /* not a property of the device: the record could not be written */
    DEVICE_QUEUES = 1 << 8,  /* the queue lengths */
    DEVICE_PROMISC = 1 << 9, /* whether it makes its parent promiscuous */

    DEVICE_UP = 1 << 10,
    DEVICE_NAME = 1 << 11,

    DEVICE_GUARD = 1 << 12, /* prescribed: the datapath's programs, with the port's settings */
    DEVICE_PACE = 1 << 13,  /* prescribed: the limit of what its guest sends */
} DeviceField;

typedef struct DeviceState {
    guint fields; /* DeviceField bits: which members are prescribed */
    MacvtapMode mode;
    MacAddress mac;
    guint32 mtu;           /* bytes */
    const GArray *sources; /* of MacAddress, borrowed */
    gboolean all_multicast;
    guint32 tx_queue_length, broadcast_queue_length; /* packets; 0: not prescribed */
    gboolean nopromisc;
} DeviceState;
