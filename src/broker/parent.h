/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The parent of a port to be: choosing and checking it, and saying in words what the kernel
 * refused. */
#pragma once

#include "broker-private.h"

/* Looks up the parent of the network that a new port shall have and checks that it can carry one.
 */
gboolean parent_choose(Broker *broker, const Network *network, LinkInfo *ret_parent,
                       GError **error);

/* Whether a port of ours on the parent, or the parent itself, has this MAC. */
gboolean parent_has_mac(Broker *broker, const LinkInfo *parent, const MacAddress *mac);

/* Refuses a MAC that is taken, by name of who has it (PORT_ERROR_MAC_CONFLICT). */
gboolean parent_check_mac(Broker *broker, const LinkInfo *parent, const MacAddress *mac,
                          GError **error);

/* Turns the kernel's error for the creation of port into a PORT_ERROR in the user's words; cause is
 * freed. */
void parent_explain(Broker *broker, const LinkInfo *parent, const Port *port, GError *cause,
                    GError **error);
