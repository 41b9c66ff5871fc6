/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a port's device must be, and how it is made so (invariant 10). */
#pragma once

#include "link-info.h"
#include "network.h"
#include "ops.h"
#include "port.h"

typedef struct Broker Broker;

/* What a device has. The first group is prescribed and repaired; the second is what others may
 * change, and the port follows. A MAC is of either. */
typedef enum DeviceField {
    DEVICE_MODE = 1 << 0,
    DEVICE_MAC = 1 << 1,
    DEVICE_MTU = 1 << 2,
    DEVICE_SOURCES = 1 << 3,
    DEVICE_MULTICAST = 1 << 4,
    DEVICE_ALIAS = 1 << 5,
    DEVICE_SILENCE = 1 << 6, /* no ARP and no IPv6 of the host's */
    DEVICE_RECORD = 1 << 7,  /* not the device's: the record could not be written */

    DEVICE_UP = 1 << 8,
    DEVICE_NAME = 1 << 9,
} DeviceField;

typedef struct DeviceState {
    guint fields; /* of DeviceField: which of the members are prescribed */
    MacvtapMode mode;
    MacAddress mac;
    guint32 mtu;           /* bytes */
    const GArray *sources; /* of MacAddress, borrowed */
    gboolean all_multicast;
} DeviceState;

/* What the device of this port must be. network: the port's, as it is now, or NULL when there is
 * none any more, or not one of the port's kind. */
void device_want(Broker *broker, const Port *port, const Network *network, DeviceState *ret_state);

/* In which fields (of DeviceField) the device is not as wanted, or not as the port has it. */
guint device_compare(const Port *port, const DeviceState *wanted, const LinkInfo *device);

/* Brings these fields back; *error is the first failure, the others are tried all the same. */
gboolean device_repair(Broker *broker, Port *port, const DeviceState *wanted,
                       const LinkInfo *device, guint fields, GError **error);

/* What is wrong with the first of these fields, without a verb for the port; free with g_free().
 * cause: why it could not be repaired, or NULL: the kernel took the change, and it is still so. */
char *device_describe(const Port *port, const DeviceState *wanted, const LinkInfo *device,
                      guint fields, const GError *cause);

/* Whether link is the port's device: the index alone could be another's. */
gboolean device_is_of(const LinkInfo *link, const Port *port);
