/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Starts macvtap-agent beside a QEMU that is still to be started. */
#pragma once

#include <glib.h>

/* The monitor's ID in QEMU. */
#define AGENT_MONITOR "macvtap-agent"

/* QEMU's further arguments (to be appended to a GPtrArray of char *, which frees them): a monitor
 * on descriptor fd, given as text, and slots for devices that come later, where the machine of this
 * QEMU (command[0] is its path) needs them. */
void agent_start_add_arguments(GPtrArray *arguments, const char *const *command, const char *fd);

/*
 * Starts the agent with none of our descriptors but its end of a new socket pair; returns the other
 * end, which stays open across execve(2), for QEMU. socket: macvtapd's, or NULL; guest_name: QEMU's
 * -name, or NULL; port_ids: NULL-terminated. -1 with *error if the agent cannot work.
 */
int agent_start(const char *socket, const char *guest_name, const char *const *port_ids,
                GError **error);
