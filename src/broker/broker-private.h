/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of the broker room share; nobody else includes it. */
#pragma once

#include "broker.h"
#include "holders.h"
#include "registry.h"
#include "removals.h"
#include "vlans.h"

/* What one daemon and one user other than root may have, whatever the networks allow (invariant 5).
 */
#define PORTS_MAX 8192
#define PORTS_PER_USER_MAX 512

/* What one message can carry: SCM_MAX_FD of the kernel's include/net/scm.h. */
#define GRANT_DESCRIPTORS_MAX 253

struct Broker {
    Kernel *kernel;
    Registry *registry;
    Vlans *vlans;
    Holders *holders;
    GHashTable *networks; /* name -> Network */
    char *mac_seed;
    BrokerOpenVhost open_vhost;
    gpointer vhost_data;
    BrokerListChanges list_changes;
    gpointer changes_data;
    Removals *removals;
    GHashTable *removed; /* set of the ifindexes that we removed, until the kernel's event of it */
    GArray *watches;
    guint last_watch;
};

/* events.c */
void broker_emit(Broker *broker, PortEvent event, const Port *port);
void broker_emit_end(Broker *broker, const Port *port, const PortEnd *end);
void broker_on_link_event(LinkEventType type, const LinkInfo *link, gpointer user_data);
void broker_on_address(int index, const char *address, gpointer user_data);

/* delete.c: a port to be removed, and what became of it. */
typedef struct PortRemoval {
    Port *port; /* in the registry; freed when it is gone */
    PortEnd end;
    gboolean gone;
    GError *error; /* it may have gone all the same */
} PortRemoval;

/* Removes the devices of these ports, then their records. is_last: no others are to follow. */
void broker_remove_ports(Broker *broker, PortRemoval *removals, guint n, gboolean is_last);
void broker_on_holders_ended(const char *const *port_ids, gpointer user_data);

/* The port that text names, by id, name or interface name, of those that the caller may see and
 * that are not ending; PORT_NOT_FOUND. */
Port *broker_find_port(Broker *broker, const Caller *caller, const char *text, GError **error);

/* Whether link is the port's device: the index alone could be another's by now. */
gboolean broker_is_device_of(const LinkInfo *link, const Port *port);

/* delete.c: the port's device as it is now. DEVICE_GONE: there is none, or its index is another's;
 * any other error: nobody can tell. */
gboolean broker_find_device(Broker *broker, const Port *port, LinkInfo *ret_device, GError **error);

/* delete.c: removes the VLAN devices of ours that no port needs. */
gboolean broker_sweep_vlans(Broker *broker, GError **error);

/* sources.c: gives each port in source mode the list that it should have; one port a new list. */
void broker_apply_sources(Broker *broker);
gboolean broker_replace_sources(Broker *broker, Port *port, const GArray *sources, GError **error);

/* holding.c: opens the process that holder names, if it has one, and fills in what names it for
 * good. *process stays as it was when there is none; its pidfd is -1 when the holders know it. */
gboolean broker_open_holder(Broker *broker, const Caller *caller, Holder *holder, Process *process,
                            GError **error);

/* queues.c: begins to watch queues, and takes up those of an earlier daemon. */
gboolean broker_watch_queues(Broker *broker, GError **error);
gboolean broker_has_open_queues(Broker *broker, const Port *port);

/* Fills in how many queues of the port are open. */
void broker_observe_queues(Broker *broker, Port *port);

/* Gives up the queues of what is no port: after a start, once the registry is complete. */
void broker_forget_stray_queues(Broker *broker);

/* nodes.c: /dev/tap<index> of a port that asked for it. Making it fails with ERRNO_ERROR, EBUSY
 * when something else lies there; the port is one under creation. */
gboolean broker_check_node(const Caller *caller, const PortRequest *request, GError **error);
gboolean broker_make_node(Broker *broker, Port *port, const LinkInfo *device, GError **error);

/* After a start, because udev or an administrator may have given the node of an adopted port to others, or removed it. */
gboolean broker_keep_node(Broker *broker, Port *port, const LinkInfo *device, GError **error);

/* Removes what broker_make_node() made. The device is there, or the port is in the tables. The
 * second warns of a failure. */
gboolean broker_delete_node(Broker *broker, const Port *port, GError **error);
void broker_remove_node(Broker *broker, const Port *port);

/* events.c: fills what is seen of the port's device and its parent now. */
void broker_observe(Broker *broker, Port *port, const LinkInfo *device, const LinkInfo *parent);

/* events.c: takes the link's name for the port's parent or trunk, if it is that and has another
 * name by now. TRUE when it did; the record is the caller's to write. */
gboolean broker_follow_name(Port *port, const LinkInfo *link);

/* open.c: opens queues, and vhost-net as the port's policy says. */
gboolean broker_open_descriptors(Broker *broker, const Port *port, const LinkInfo *link,
                                 guint n_queues, DescriptorArray *taps, GError **error);
gboolean broker_open_vhosts(Broker *broker, VhostPolicy policy, guint n, DescriptorArray *vhosts,
                            GError **error);

/* Whether so many descriptors fit one reply; n_queues are yet to be opened. */
gboolean broker_check_grant(guint n_queues, const DescriptorArray *vhosts, GError **error);
