/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Opens an existing port, in a container also one that does not exist yet. */
#pragma once

#include "ask.h"

/*
 * ask_open() over the client's connection. A container's program may start before its runtime has
 * had the port made (Docker's driver waits for the namespace), so in a container a missing port is
 * awaited for PORT_WAIT_SECONDS. Whether macvtapd's listener is in a PID namespace that this
 * process cannot see tells a container from the host, where a missing port is refused at once.
 *
 * socket: the client's, NULL for the default. queues: 0 for all.
 */
#define PORT_WAIT_SECONDS 10
MacvtapPort *port_wait_open(MacvtapClient *client, const char *socket, const char *port,
                            guint queues, GError **error);
