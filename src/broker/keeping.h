/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Keeping a port as its network says while whoever holds a descriptor, or the parent, changes it.
 */
#pragma once

#include "broker-private.h"

/*
 * The device's MAC is now mac. Where the network lets the guest choose (Mac=any, passthru assign)
 * the record follows; otherwise the port's is put back. TRUE when the port changed.
 */
gboolean keeping_on_mac(Broker *broker, Port *port, const MacAddress *mac);

/* A link has gone, and with it perhaps what kept a port from having its MAC back. */
void keeping_on_removal(Broker *broker);

/* The device's MTU is now mtu bytes: the kernel lowers it with the parent's. TRUE when the port
 * changed. */
gboolean keeping_on_mtu(Broker *broker, Port *port, guint32 mtu);
