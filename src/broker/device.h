/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a port's device must be, and how it is made so (invariant 10). */
#pragma once

#include "device-state.h"
#include "link-info.h"
#include "network.h"
#include "ops.h"
#include "port.h"

typedef struct Broker Broker;

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
