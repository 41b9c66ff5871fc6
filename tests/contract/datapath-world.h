/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The two implementations of src/datapath/datapath.h, for one body of tests: datapath-world-fake.c
 * and datapath-world-linux.c. */
#pragma once

#include "cmocka-all.h"
#include "datapath.h"

/* Why there can be no such world here; NULL: there is one. Before any other. */
const char *datapath_world_begin(void);

/* With what an earlier one has left in force. */
Datapath *datapath_world_open(void);

/* The datapath's daemon ends. */
void datapath_world_end(Datapath *datapath);

/* As if the programs had dropped a frame of this ifindex, which has an entry. */
void datapath_world_drop(Datapath *datapath, int index, GuardReason reason);

/* The settings that the programs see; FALSE: none. */
gboolean datapath_world_settings(Datapath *datapath, int index,
                                 struct guard_settings *ret_settings);

/* What the programs answer to DHCP; FALSE: nothing. */
gboolean datapath_world_dhcp(Datapath *datapath, int index, struct dhcp_port *ret_port);

/* Whether the programs find the address withheld on this link. */
gboolean datapath_world_withholds(Datapath *datapath, int link, const IpAddress *address);

/* How often the programs were told to check what the port has learned. */
guint datapath_world_rechecks(Datapath *datapath, int index);

/* As if an earlier version had left the maps: without the last members of settings and state, with
 * less room for what is withheld, and without learners. Between two daemons. */
void datapath_world_age(void);

/* As if the port's guest had been seen at that time, and when that was. */
void datapath_world_see(Datapath *datapath, int index, guint64 when);

/* As if the programs had taught the port this address. */
void datapath_world_teach(Datapath *datapath, int index, const IpAddress *address);

/* The port that keeps others from learning the address on this link; 0: none. */
int datapath_world_learner(Datapath *datapath, int link, const IpAddress *address);

/* As if a daemon had been killed while it wrote this port's entry: the settings, which come last,
 * are missing. */
void datapath_world_tear(Datapath *datapath, int index, const char *port_id);

/* How many files are there that make it outlive its daemon; -1: it needs none. */
int datapath_world_pins(void);
