/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Shared by the files of the broker, and private to them. */
#pragma once

#include "broker.h"
#include "device-state.h"
#include "networks.h"
#include "port-features.h"
#include "registry.h"
#include "removals.h"
#include "repair.h"

/* Limits of the daemon and of each user other than root, in addition to the networks' own.
 */
#define PORTS_MAX 8192
#define PORTS_PER_USER_MAX 512

/* The most descriptors in one message: SCM_MAX_FD in the kernel's include/net/scm.h. */
#define GRANT_DESCRIPTORS_MAX 253

struct Broker {
    Kernel *kernel;
    Registry *registry;
    PortTable *ports; /* the registry's */
    Networks *networks;
    FeatureHost host; /* the features' view of the broker */
    Repairs *repairs;
    const guint *repair_delays;
    GHashTable *looks_later; /* set of port IDs, or NULL; see look.c, */
    GSource *later_source;   /* and when that is */
    char *mac_seed;
    BrokerOpenVhost open_vhost;
    gpointer vhost_data;
    BrokerListChanges list_changes;
    BrokerListFaults list_faults;
    gpointer changes_data;
    GSource *all_timer; /* for the next look at all links after a failed one, or NULL */
    guint n_all_failed; /* in a row */
    GArray **moved;     /* during a look at all ports: see broker_find_moved(); else NULL */
    Removals *removals;
    GSource *removal_timer;  /* for the next attempt at failed removals, or NULL */
    guint n_removals_failed; /* in a row */
    GSource *sweep_timer;    /* for the next attempt at a failed sweep, or NULL */
    guint n_sweeps_failed;   /* in a row */
    GHashTable
        *removed; /* set of the ifindexes that we removed, until the kernel's event arrives */
    GArray *watches;
    guint last_watch;
    gboolean is_reconciled; /* the table has all ports, so what none of them needs may go */
};

/* watch.c */
void broker_emit(Broker *broker, PortEvent event, const Port *port);
void broker_emit_end(Broker *broker, const Port *port, const PortEnd *end);

/* events.c */
void broker_on_link_event(LinkEventType type, const LinkInfo *link, gpointer user_data);

/* events.c: looks at every device and at the links below, also if its repair was given up. */
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

/*
 * lower.c: the links below a port's device. lower_follow() has the port follow what the kernel says
 * of its device, if that is news or a link below it is away; *ret_changed: the port has changed.
 * ERRNO_ERROR: they could not be read.
 */
gboolean lower_follow(Broker *broker, Port *port, const LinkInfo *device, gboolean *ret_changed,
                      GError **error);

/* lower.c: whether the device shows another parent than the port has, or may. */
gboolean lower_is_news(const Port *port, const LinkInfo *device);

/* lower.c: whether the parent, or a link below it, is not here. */
gboolean lower_is_missing(const Port *port);

/* lower.c: whether the link with this ifindex is the port's parent or trunk. */
gboolean lower_has(const Port *port, int index);

/* lower.c: whether this link was the port's parent or trunk, or may have been the VLAN device
 * between them, whose ifindex the port does not keep. */
gboolean lower_may_have(const Port *port, const LinkInfo *removed);

/* lower.c: that a link below the port is in another network namespace; NULL: it is not. Free with
 * g_free(). */
char *lower_describe(const Port *port);

/* Notes in the port's problem where its device is now, if that is known. */
gboolean look_note_moved(Port *port);
void look_at_blocked(Broker *broker, int parent_index);
/* After all events that the kernel has sent were read, on behalf of the parent. */
void look_later(Broker *broker, Port *port);
void look_when_due(Port *port, gpointer broker); /* RepairDue */
void look_end(Broker *broker);

/* delete.c: RemovalsExecute, with the Broker. */
void broker_remove_ports(PortRemoval *removals, guint n, gboolean is_last, gpointer user_data);

/* device.c: the network's present definition, or NULL if it was removed or is unusable. It may have
 * another mode. */
const Network *broker_network_of(Broker *broker, const Port *port);

/* reload.c: applies the network's changes that the port can follow. TRUE if it changed; its device
 * must then be looked at. */
gboolean broker_follow_network(Broker *broker, Port *port);

/* device.c: lists the network's keys whose values the port does not have. TRUE if the list changed.
 * */
gboolean broker_note_network(Broker *broker, Port *port);

/* look.c: rewrites the port's record. A failure is logged and retried. */
void broker_save(Broker *broker, Port *port);

/* broker.c: the port with this ID, name or interface name, if the caller may change it and it is
 * not ending; PORT_NOT_FOUND. */
Port *broker_find_port(Broker *broker, const Caller *caller, const char *text, GError **error);

/* broker.c: a port that the caller's network namespace holds, by its name there; or NULL. */
Port *broker_find_beside(Broker *broker, const Caller *caller, const char *interface);

/* device.c: the required state of a port's device, and how it is restored. */

/* The required state of this port's device. network: the port's, as it is now; NULL if it was
 * removed or does not fit the port. */
void device_want(Broker *broker, const Port *port, const Network *network, DeviceState *ret_state);

/* Which fields (of DeviceField) of the device differ from what is wanted, or from the port. */
guint device_compare(const Port *port, const DeviceState *wanted, const LinkInfo *device);

/* Restores these fields; *error is the first failure, but the others are tried too. */
gboolean device_repair(Broker *broker, Port *port, const DeviceState *wanted,
                       const LinkInfo *device, guint fields, GError **error);

/* Describes what is wrong with the first of these fields; free with g_free(). cause: why it could
 * not be repaired; NULL: the kernel accepted the change, but it had no effect. */
char *device_describe(const Port *port, const DeviceState *wanted, const LinkInfo *device,
                      guint fields, const GError *cause);

/* Whether link is the port's device: the index alone could be another's. */
gboolean device_is_of(const LinkInfo *link, const Port *port);

/* device.c: the port's device as it is now. DEVICE_GONE: it does not exist, or its index belongs to
 * another link; any other error: unknown. */
gboolean broker_find_device(Broker *broker, const Port *port, LinkInfo *ret_device, GError **error);

/* device.c: finds the port's device among *links, those in other network namespaces; the first call
 * lists them (NULL before), and the caller frees them. NULL without an error: not found. */
const LinkInfo *broker_find_moved(Broker *broker, const Port *port, GArray **links, GError **error);

/* device.c: stores where the port's device is now (moved_* of link). TRUE if that changed; the
 * caller must write the record. */
gboolean device_note_moved(Port *port, const LinkInfo *link);

/* device.c: removes the port's device in the namespace that it was moved to, if known. */
gboolean broker_remove_moved(Broker *broker, const Port *port, GError **error);

/* delete.c: removes our devices that no port needs: those of networks, and those that features
 * share between ports. PORT_ERROR_SYSTEM. */
gboolean broker_sweep_devices(Broker *broker, GError **error);

/* delete.c: the same, for no caller: a failure is logged, and tried again on the schedule of
 * repairs; after its end, with the next port that is removed. Of type NetworksSweep. */
void broker_sweep_leftovers(gpointer broker);

/* events.c: fills in the visible state of the port's device and its parent. */
void broker_observe(Broker *broker, Port *port, const LinkInfo *device, const LinkInfo *parent);

/* events.c: follows a new name of the link if it is the port's parent or trunk. TRUE if the name
 * changed; the caller must write the record. */
gboolean broker_follow_name(Port *port, const LinkInfo *link);

/* open.c: opens queues, and vhost-net as the port's policy says. */
gboolean broker_open_descriptors(Broker *broker, const Port *port, const LinkInfo *link,
                                 guint n_queues, DescriptorArray *taps, GError **error);
gboolean broker_open_vhosts(Broker *broker, VhostPolicy policy, guint n, DescriptorArray *vhosts,
                            GError **error);

/* Whether this many descriptors fit in one reply, before n_queues are opened. */
gboolean broker_check_grant(guint n_queues, const DescriptorArray *vhosts, GError **error);
