/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of the broker share; nobody else includes it. */
#pragma once

#include "broker.h"
#include "device-state.h"
#include "networks.h"
#include "port-features.h"
#include "registry.h"
#include "removals.h"
#include "repair.h"

/* What one daemon and one user other than root may have, whatever the networks allow (invariant 5).
 */
#define PORTS_MAX 8192
#define PORTS_PER_USER_MAX 512

/* What one message can carry: SCM_MAX_FD of the kernel's include/net/scm.h. */
#define GRANT_DESCRIPTORS_MAX 253

struct Broker {
    Kernel *kernel;
    Registry *registry;
    PortTable *ports; /* the registry's */
    Networks *networks;
    FeatureHost host; /* what the features see of all this */
    Repairs *repairs;
    const guint *repair_delays;
    GHashTable *looks_later; /* set of the ids of ports, or NULL; see look.c, */
    GSource *later_source;   /* and when that is */
    char *mac_seed;
    BrokerOpenVhost open_vhost;
    gpointer vhost_data;
    BrokerListChanges list_changes;
    BrokerListFaults list_faults;
    gpointer changes_data;
    GSource *all_timer; /* of the next look at all links after one that failed, or NULL */
    guint n_all_failed; /* in a row */
    Removals *removals;
    GSource *removal_timer;  /* of the next attempt at removals that have failed, or NULL */
    guint n_removals_failed; /* in a row */
    GHashTable *removed; /* set of the ifindexes that we removed, until the kernel's event of it */
    GArray *watches;
    guint last_watch;
};

/* watch.c */
void broker_emit(Broker *broker, PortEvent event, const Port *port);
void broker_emit_end(Broker *broker, const Port *port, const PortEnd *end);

/* events.c */
void broker_on_link_event(LinkEventType type, const LinkInfo *link, gpointer user_data);

/* events.c: looks at the device of every port, and at what is below; anew: also where repairs were
 * given up. */
void broker_look_at_all(Broker *broker);
void look_begin_anew(Broker *broker);

/*
 * look.c: compares a port's device with what it must be and repairs it. An event reports the device
 * or its parent; listed: the kernel's state without an event; a loss means that the device is gone;
 * blocked ports (on this parent; 0: on any) wait for a MAC that another link had.
 */
void look_at(Broker *broker, Port *port);
void look_at_event(Broker *broker, Port *port, const LinkInfo *device);
void look_at_ipv6(Broker *broker, Port *port);
void look_at_listed(Broker *broker, Port *port, const LinkInfo *device);
void look_at_parent_event(Broker *broker, Port *port, const LinkInfo *parent);
void look_at_loss(Broker *broker, Port *port, const LinkInfo *removed); /* or NULL */

/* Says in the port's problem where its device is now, if that is known. */
gboolean look_note_moved(Port *port);
void look_at_blocked(Broker *broker, int parent_index);
/* When the events that the kernel has sent until now have been read, and because of the parent. */
void look_later(Broker *broker, Port *port);
void look_when_due(Port *port, gpointer broker); /* RepairDue */
void look_end(Broker *broker);

/* delete.c: RemovalsExecute, with the Broker. */
void broker_remove_ports(PortRemoval *removals, guint n, gboolean is_last, gpointer user_data);

/* device.c: the port's network as it is defined now, or NULL when there is none any more, or none
 * that can be used. It may be of another mode. */
const Network *broker_network_of(Broker *broker, const Port *port);

/* reload.c: the port takes over what it follows of its network. TRUE when it has changed; its
 * device is yet to be looked at. */
gboolean broker_follow_network(Broker *broker, Port *port);

/* device.c: notes what of its network the port does not have. TRUE when that is another thing. */
gboolean broker_note_network(Broker *broker, Port *port);

/* look.c: writes the port's record anew. A failure is logged, and it is tried again. */
void broker_save(Broker *broker, Port *port);

/* broker.c: the port that text names, by id, name or interface name, of those that the caller may
 * see and that are not ending; PORT_NOT_FOUND. */
Port *broker_find_port(Broker *broker, const Caller *caller, const char *text, GError **error);

/* device.c: what a port's device must be, and how it is made so (invariant 10). */

/* What the device of this port must be. network: the port's, as it is now, or NULL when there is
 * none any more, or not one of the port's kind. */
void device_want(Broker *broker, const Port *port, const Network *network, DeviceState *ret_state);

/* In which fields (of DeviceField) the device is not as wanted, or not as the port has it. */
guint device_compare(const Port *port, const DeviceState *wanted, const LinkInfo *device);

/* Brings these fields back; *error is the first failure, the others are tried all the same. */
gboolean device_repair(Broker *broker, Port *port, const DeviceState *wanted,
                       const LinkInfo *device, guint fields, GError **error);

/* What is wrong with the first of these fields, without a verb for the port; free with g_free().
 * cause: why it could not be repaired, or NULL: the kernel took the change, and it is still so. */
char *device_describe(const Port *port, const DeviceState *wanted, const LinkInfo *device,
                      guint fields, const GError *cause);

/* Whether link is the port's device: the index alone could be another's. */
gboolean device_is_of(const LinkInfo *link, const Port *port);

/* device.c: the port's device as it is now. DEVICE_GONE: there is none, or its index is another's;
 * any other error: nobody can tell. */
gboolean broker_find_device(Broker *broker, const Port *port, LinkInfo *ret_device, GError **error);

/* device.c: where the port's device is in another network namespace, of what *links lists; *links
 * is the caller's, and listed by the first call (NULL before). NULL without an error: it is in
 * none. */
const LinkInfo *broker_find_moved(Broker *broker, const Port *port, GArray **links, GError **error);

/* device.c: takes over where the port's device is now (moved_* of link). TRUE when that is news;
 * the record is the caller's to write. */
gboolean device_note_moved(Port *port, const LinkInfo *link);

/* device.c: removes the port's device where somebody has moved it, if that is known. */
gboolean broker_remove_moved(Broker *broker, const Port *port, GError **error);

/* delete.c: removes the devices of ours that no port needs: networks', and what features have made
 * for several ports. PORT_ERROR_SYSTEM. */
gboolean broker_sweep_devices(Broker *broker, GError **error);

/* events.c: fills what is seen of the port's device and its parent now. */
void broker_observe(Broker *broker, Port *port, const LinkInfo *device, const LinkInfo *parent);

/* events.c: follows a new name of the link if it is the port's parent or trunk. TRUE if the name
 * changed; the caller must write the record. */
gboolean broker_follow_name(Port *port, const LinkInfo *link);

/* open.c: opens queues, and vhost-net as the port's policy says. */
gboolean broker_open_descriptors(Broker *broker, const Port *port, const LinkInfo *link,
                                 guint n_queues, DescriptorArray *taps, GError **error);
gboolean broker_open_vhosts(Broker *broker, VhostPolicy policy, guint n, DescriptorArray *vhosts,
                            GError **error);

/* Whether so many descriptors fit one reply; n_queues are yet to be opened. */
gboolean broker_check_grant(guint n_queues, const DescriptorArray *vhosts, GError **error);
