/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The networks that the administrator has defined, and what of the host is theirs: the parents that
 * they name (parent.h), and the devices that are made for them besides ports.
 */
#pragma once

#include "network-change.h"
#include "network.h"
#include "ops.h"
#include "port-table.h"

#include <glib.h>

typedef struct Networks Networks;

/* Without any network. state_fd and kernel are borrowed; the records of devices are below state_fd.
 */
Networks *networks_new(int state_fd, Kernel *kernel, GError **error);
void networks_free(Networks *networks);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Networks, networks_free)

/* These are the ports that there are, borrowed: before any other call. */
void networks_use_ports(Networks *networks, const PortTable *ports);

/* Replaces the networks by this table (name -> Network), which is taken. Returns what is different,
 * a GPtrArray of NetworkChange, owned. */
GPtrArray *networks_replace(Networks *networks, GHashTable *table);

/* The network of this name, or NULL; borrowed. It may be one that cannot be used. */
Network *networks_find(const Networks *networks, const char *name);

/* All of them, borrowed: name -> Network. */
GHashTable *networks_table(const Networks *networks);

/* Whether the port's network has been removed; an ad-hoc one never is. */
gboolean networks_have_removed(const Networks *networks, const Port *port);

/* Adds the keys of the port's network whose values the port does not have. The network's parents
 * are those that it had when it was read. */
void networks_list_outdated(Networks *networks, const Port *port, GStrvBuilder *ret_keys);

/* What the VLAN devices of other networks take away from this one's guests, a line for each; NULL:
 * nothing. Free with g_strfreev(). */
GStrv networks_list_taken_vlans(Networks *networks, const Network *network);

/* After a start: reads the records of devices, and compares them with all links there are (of
 * LinkInfo). ERRNO_ERROR or PORT_ERROR. */
gboolean networks_load_devices(Networks *networks, const GArray *links, GError **error);

/* Removes the devices that no port needs. PORT_ERROR_SYSTEM. */
gboolean networks_sweep_devices(Networks *networks, GError **error);
