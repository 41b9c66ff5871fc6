/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A kernel in memory that answers as Linux does (tests/contract holds it to that), and fails on
 * demand. */
#pragma once

#include "ops.h"

Kernel *kernel_fake_new(void);

/* Adds a link as an administrator would; index 0: the next free one. Returns the ifindex. */
int kernel_fake_add_link(Kernel *kernel, const LinkInfo *link);

/* Changes a link behind the daemon's back, with the events that Linux would send. */
void kernel_fake_change_link(Kernel *kernel, const LinkInfo *link);

/* As if an administrator let the host use IPv6 on the link. */
void kernel_fake_enable_ipv6(Kernel *kernel, int index);

/* Gives the link an alternative name, by which it is found as well. */
void kernel_fake_add_altname(Kernel *kernel, int index, const char *altname);

/*
 * Links are stacked as in Linux: macvtaps and VLAN devices follow the link with their lower_index,
 * a link with kind "bond" follows those that have it as their master_index. A bond that once had an
 * active_slave_index chooses later ones itself.
 */

/* Removes a link behind the daemon's back, and all VLAN devices and macvtaps on it. */
void kernel_fake_remove_link(Kernel *kernel, int index);

/* Moves a link into another network namespace, where it keeps its index; what is on it stays here.
 */
void kernel_fake_move_link(Kernel *kernel, int index);

/* Brings it back, down: under the same index if that is free, else under the next free one, which
 * is returned. */
int kernel_fake_bring_back(Kernel *kernel, const char *name);

/* The number of links. */
guint kernel_fake_moved_count(Kernel *kernel);

/* The nth call from now (1: the next) of the operation named as its member in KernelOps fails with
 * errnum. Several may be set. */
void kernel_fake_fail(Kernel *kernel, const char *operation, guint nth, int errnum);

/* Cancels the planned failures. Returns how many had not occurred. */
guint kernel_fake_heal(Kernel *kernel);

/* The number of open queues. Descriptors from tap_open are sockets that stand in for queues. */
guint kernel_fake_link_count(Kernel *kernel);

/* Sets the result of link_statistics; makes link_is_wireless return TRUE for the link. */
void kernel_fake_set_statistics(Kernel *kernel, int index, const LinkStatistics *statistics);
void kernel_fake_set_wireless(Kernel *kernel, int index);

/* From now on the link accepts another MAC without an error but keeps the one that it has, as a
 * bond with fail_over_mac=active does; kernel_fake_change_link() changes it all the same. */
void kernel_fake_keep_mac(Kernel *kernel, int index);

/* The number of calls of link_set_mac that did not fail on demand. */
guint kernel_fake_mac_calls(Kernel *kernel);

/* The link sends a frame, if it is up. */
void kernel_fake_transmit(Kernel *kernel, int index);

/* A guest is announced on the wire of the link; links on top of it do not see the announcement. */
void kernel_fake_announce(Kernel *kernel, int index, const MacAddress *mac);

/* An announcement that was sent. */
typedef struct FakeAnnouncement {
    int index;
    int slave; /* the link's active slave then; 0: none */
    MacAddress mac;
} FakeAnnouncement;

/* Those sent since the last call, in order: a GArray, free with g_array_unref(). */
GArray *kernel_fake_take_announced(Kernel *kernel);

/* The event with which the kernel asks for announcements on the link (NOTIFY PEERS). */
void kernel_fake_notify_peers(Kernel *kernel, int index);

/* As if another program gave the link this address ("192.0.2.1/24"). */
void kernel_fake_add_address(Kernel *kernel, int index, const char *address);

/* The network namespace with this number ends. Not told: the event is lost, as are those at a time
 * when no daemon runs. */
void kernel_fake_end_namespace(Kernel *kernel, int number, gboolean is_told);
void kernel_fake_remove_address(Kernel *kernel, int index, const char *address);

/* The addresses that the host answers for on a host link, of IpAddress; valid until they change. */
const GArray *kernel_fake_proxies(Kernel *kernel, int index);

/* As if an administrator removed the route to this address over the link, added or removed one over
 * a next hop there, or the host had come to know a neighbour (zero MAC: to no longer know it). */
void kernel_fake_remove_route(Kernel *kernel, int index, const char *address);
void kernel_fake_add_gateway(Kernel *kernel, int index, const char *address);
void kernel_fake_remove_gateway(Kernel *kernel, int index, const char *address);
void kernel_fake_set_neighbour(Kernel *kernel, int index, const char *address,
                               const MacAddress *mac);

/* The same, but the event is lost, which is told. */
void kernel_fake_lose_neighbour(Kernel *kernel, int index, const char *address,
                                const MacAddress *mac);

/* A frame of a station on the link says that it uses the address: told at once. */
void kernel_fake_claim(Kernel *kernel, int index, const char *address, const MacAddress *mac);

/* A station answers a probe on the link. hurry: from now on probes without an answer end at once.
 */
void kernel_fake_answer(Kernel *kernel, int index, const char *address, const MacAddress *mac);
void kernel_fake_hurry_probes(Kernel *kernel);

/* As if an administrator removed the link's filters. lose: watchers hear only that events were
 * lost. */
void kernel_fake_remove_filters(Kernel *kernel, int index);
void kernel_fake_lose_filters(Kernel *kernel, int index);

/* As if an administrator removed the link's pace. What was set, rate 0 if it is gone; and what it
 * has cost. */
void kernel_fake_remove_pace(Kernel *kernel, int index);
LinkPace kernel_fake_pace(Kernel *kernel, int index);
void kernel_fake_set_pace_cost(Kernel *kernel, int index, const LinkPaceCost *cost);

/* The programs' IDs (see LinkFilters), 0 if there is none. */
void kernel_fake_filters(Kernel *kernel, int index, guint32 *ret_egress, guint32 *ret_ingress);

/* The owner of /dev/tap<index>; FALSE if there is no such file. */
gboolean kernel_fake_node(Kernel *kernel, int index, uid_t *ret_user);

/* The number of nodes. */
guint kernel_fake_node_count(Kernel *kernel);

/* Creates a file there that is not a node of our links. */
void kernel_fake_put_node(Kernel *kernel, int index);

/* From now on nodes are not created or removed with their links. */
void kernel_fake_lose_devtmpfs(Kernel *kernel);

/* The process that watched this kernel has ended: its handlers are no longer called. */
void kernel_fake_end_watchers(Kernel *kernel);

/* The sources of a macvtap, of MacAddress, sorted; valid until they change. */
const GArray *kernel_fake_sources(Kernel *kernel, int index);
