/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The networks that the administrator defined, with the parents that they name (parent.h) and the
 * devices that exist for them besides ports.
 */
#pragma once

#include "host-link.h"
#include "network-change.h"
#include "network.h"
#include "ops.h"
#include "port-table.h"

#include <glib.h>

typedef struct Networks Networks;

/* Brings what the datapath knows of a port's frames up to date (Port.seen). */
typedef void (*NetworksObserve)(const Port *port, gpointer user_data);

/* Removes the devices that no port needs any longer; called from the main loop, and has to deal
 * with a failure. */
typedef void (*NetworksSweep)(gpointer user_data);

/* Starts without any network. state_fd and kernel are borrowed; the records of devices are in
 * folders of state_fd.
 */
Networks *networks_new(int state_fd, Kernel *kernel, GError **error);
void networks_free(Networks *networks);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Networks, networks_free)

/* Sets the table of ports, which is borrowed; call it before anything else. */
void networks_use_ports(Networks *networks, const PortTable *ports);

/* Before any port is followed: filter may be NULL (host_links_new()). */
gboolean networks_use_host_filter(Networks *networks, HostFilter *filter, NetworksObserve observe,
                                  NetworksSweep sweep, gpointer user_data, GError **error);

/* A port was created or changed; a port is gone; and, after a start or a reload, all ports are to
 * be checked. What networks have made for a port follows (host-link.h). */
void networks_follow_port(Networks *networks, const Port *port);
void networks_forget_port(Networks *networks, const char *port_id);
void networks_follow_all(Networks *networks);

void networks_on_link(Networks *networks, LinkEventType type, const LinkInfo *link);

/* See host_links_list(). */
GPtrArray *networks_list_host_links(const Networks *networks, const Network *network);

/* Whether networks_sweep_devices() has work that does not depend on VLANs. */
gboolean networks_have_idle_devices(const Networks *networks);

/* Replaces the networks by this table (name -> Network), which is taken. Returns the differences, a
 * GPtrArray of NetworkChange, owned. */
GPtrArray *networks_replace(Networks *networks, GHashTable *table);

/* The network with this name, or NULL; borrowed. It may be unusable. */
Network *networks_find(const Networks *networks, const char *name);

/* All of them, borrowed: name -> Network. */
GHashTable *networks_table(const Networks *networks);

/* Whether the port's network has been removed; an ad-hoc one never is. */
gboolean networks_have_removed(const Networks *networks, const Port *port);

/* Adds the keys of the port's network whose values the port has not taken. */
void networks_list_outdated(Networks *networks, const Port *port, GStrvBuilder *ret_keys);

/* The frames that VLAN devices of other networks take away from this one's guests, a line for each;
 * NULL: none. Free with g_strfreev(). */
GStrv networks_list_taken_vlans(Networks *networks, const Network *network);

/* The state of a link that is not a port's, from an event or as it was read: if the ports on it are
 * reached another way than before, their guests are announced to the network (announcements.c). */
void networks_saw_link(Networks *networks, const LinkInfo *link);

/* Whether the state of this link is known; never that of a macvlan. */
gboolean networks_know_link(const Networks *networks, int index);

/* The link with this ifindex was removed. */
void networks_lost_link(Networks *networks, int index);

/* Only these links exist, whose ifindexes are the keys: the removal of others may not have been
 * told. */
void networks_keep_links(Networks *networks, GHashTable *links);

/* After a start: reads the records of devices and compares them with all existing links (of
 * LinkInfo). ERRNO_ERROR or PORT_ERROR. */
gboolean networks_load_devices(Networks *networks, const GArray *links, GError **error);

/* Removes the devices that no port needs. PORT_ERROR_SYSTEM. */
gboolean networks_sweep_devices(Networks *networks, GError **error);
