/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The parent of a new port: chooses and checks it, and explains the kernel's refusals. */
#pragma once

#include "networks.h"

/*
 * Chooses the parent of a new port from the network's: first by carrier, then by the fewest ports;
 * in passthru a free one. With VLAN= *ret_parent is the VLAN device, created if necessary
 * (networks_sweep_devices() removes it if the port's creation fails), and *ret_trunk the chosen
 * interface below it; otherwise they are the same.
 */
gboolean parent_choose(Networks *networks, const Network *network, LinkInfo *ret_parent,
                       LinkInfo *ret_trunk, GError **error);

/* The same without creating anything: a VLAN device that would be created is described with ifindex
 * 0.
 */
gboolean parent_choose_only(Networks *networks, const Network *network, LinkInfo *ret_parent,
                            LinkInfo *ret_trunk, GError **error);

/* The errno with which the kernel would refuse to create the port, as far as can be known; 0: none.
 * See parent_explain(). */
int parent_foresee(Networks *networks, const LinkInfo *parent, const Port *port);

/*
 * The ifindex of the bond that is parent or below it, or 0; writes the name of its active slave, or
 * "", to active_slave of size bytes.
 */
int parent_bond(Networks *networks, const LinkInfo *parent, char *active_slave, gsize size);

/* Whether one of macvtapd's ports on the parent, or the parent itself, has this MAC. */
gboolean parent_has_mac(Networks *networks, const LinkInfo *parent, const MacAddress *mac);

/* Whether any macvlan or macvtap on the parent has it. */
gboolean parent_has_child(Networks *networks, const LinkInfo *parent, const MacAddress *mac);

/* Refuses a MAC that is taken and names its owner (PORT_ERROR_MAC_CONFLICT). */
gboolean parent_check_mac(Networks *networks, const LinkInfo *parent, const MacAddress *mac,
                          GError **error);

/* Converts the kernel's error from creating the port or setting it up into a PORT_ERROR in the
 * user's terms; cause is freed. */
void parent_explain(Networks *networks, const LinkInfo *parent, const Port *port, GError *cause,
                    GError **error);

/* The link with this name, as in Parent=, usable or not. FALSE if there is none. */
gboolean parent_look_up(Networks *networks, const char *name, LinkInfo *ret_link);

/* The parents of a usable network that cannot be used now, and why, a line for each; NULL: none. A
 * parent that is fully used by its own ports (passthru) is not among them. Free with g_strfreev().
 */
GStrv parent_problems(Networks *networks, const Network *network);
