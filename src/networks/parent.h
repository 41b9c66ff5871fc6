/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The parent of a port to be: choosing and checking it, and saying in words what the kernel
 * refused. */
#pragma once

#include "networks.h"

/*
 * Chooses the parent of a new port from the network's: with carrier before without, then the one
 * with the fewest ports; in passthru a free one. With VLAN= *ret_parent is the VLAN device, made if
 * need be (networks_sweep_devices() removes it when no port comes of it), and *ret_trunk the chosen
 * interface below it; else they are the same.
 */
gboolean parent_choose(Networks *networks, const Network *network, LinkInfo *ret_parent,
                       LinkInfo *ret_trunk, GError **error);

/* The same without making anything: a VLAN device that would be made is described, with ifindex 0.
 */
gboolean parent_choose_only(Networks *networks, const Network *network, LinkInfo *ret_parent,
                            LinkInfo *ret_trunk, GError **error);

/* The errno with which the kernel would refuse to make the port, as far as can be seen; 0: none.
 * See parent_explain(). */
int parent_foresee(Networks *networks, const LinkInfo *parent, const Port *port);

/*
 * The ifindex of the bond that parent is or lies on, 0 when there is none; the name of its active
 * slave, or "", goes into active_slave of size bytes.
 */
int parent_bond(Networks *networks, const LinkInfo *parent, char *active_slave, gsize size);

/* Whether a port of ours on the parent, or the parent itself, has this MAC. */
gboolean parent_has_mac(Networks *networks, const LinkInfo *parent, const MacAddress *mac);

/* Whether any macvlan or macvtap on the parent has it, whosoever that is. */
gboolean parent_has_child(Networks *networks, const LinkInfo *parent, const MacAddress *mac);

/* Refuses a MAC that is taken, by name of who has it (PORT_ERROR_MAC_CONFLICT). */
gboolean parent_check_mac(Networks *networks, const LinkInfo *parent, const MacAddress *mac,
                          GError **error);

/* Turns the kernel's error for the creation of port, or for setting it up, into a PORT_ERROR in the
 * user's words; cause is freed. */
void parent_explain(Networks *networks, const LinkInfo *parent, const Port *port, GError *cause,
                    GError **error);

/* The link that this name, as in Parent=, stands for, usable or not. FALSE: there is none. */
gboolean parent_look_up(Networks *networks, const char *name, LinkInfo *ret_link);

/* Which of a usable network's parents cannot be used now, and why, a line for each; NULL: none. One
 * that its ports have taken up (passthru) is in use, not unusable. Free with g_strfreev(). */
GStrv parent_problems(Networks *networks, const Network *network);
