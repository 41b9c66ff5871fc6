/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The use cases: create, open, delete, list, watch and reconcile ports. The broker knows the
 * networks, the registry and the kernel, but no wire protocol. Every failure is a PORT_ERROR whose
 * message names the cause, and leaves nothing behind.
 */
#pragma once

#include "caller.h"
#include "capture-stream.h"
#include "datapath.h"
#include "descriptor.h"
#include "network-change.h"
#include "network.h"
#include "ops.h"
#include "port-error.h"
#include "port.h"
#include "privileges.h"

#include <glib.h>

/* Terminated by NULL. */
extern const Privileges *const broker_privileges[];

typedef struct Broker Broker;

/* Opens n vhost-net descriptors (vhost_net_open() for a fixed folder). */
typedef gboolean (*BrokerOpenVhost)(guint n, DescriptorArray *descriptors, gpointer user_data,
                                    GError **error);

/* Lists the changes in the networks' files since they were read (config_list_changes() for a fixed
 * path). */
typedef GStrv (*BrokerListChanges)(GHashTable *networks, gpointer user_data);

/* Adds problems of the administrator's files as Faults (config_list_faults() for a fixed path). */
typedef void (*BrokerListFaults)(GPtrArray *faults, gpointer user_data);

typedef struct BrokerSetup {
    Kernel *kernel;       /* borrowed; must outlive the broker, as must */
    Datapath *datapath;   /* NULL: no port can have a guard, and unguarded says why */
    int state_fd;         /* the state folder; taken */
    const char *mac_seed; /* this machine's seed for generated MACs, copied */
    BrokerOpenVhost open_vhost;
    gpointer vhost_data;
    BrokerListChanges list_changes; /* NULL: unknown */
    BrokerListFaults list_faults;   /* likewise */
    gpointer changes_data;          /* of these two */
    const char *unguarded;          /* borrowed */
    const guint
        *repair_delays; /* REPAIR_ATTEMPTS of them, in milliseconds, borrowed; NULL: the default */
} BrokerSetup;

/* Starts with no network and the registry empty: broker_reload_networks(), then broker_reconcile().
 */
Broker *broker_new(const BrokerSetup *setup, GError **error);

/* Tells the waiting callers, while they are still connected, that their removals will be completed
 * at the next start. Only broker_free() may follow. */
void broker_stop(Broker *broker);

/* Ports stay; see broker_reconcile(). */
void broker_free(Broker *broker);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Broker, broker_free)

/* Sets the seed for generated MACs, which is copied. Existing ports keep their MACs. */
void broker_set_mac_seed(Broker *broker, const char *seed);

/* Replaces the networks by this table (name -> Network), which is taken. Ports follow as far as an
 * existing port can; Port.outdated lists the rest. Returns what has changed: a GPtrArray of
 * NetworkChange, owned. */
GPtrArray *broker_reload_networks(Broker *broker, GHashTable *networks);

/*
 * After a start: reads the records and makes kernel and records agree. Ports with living holders
 * are adopted; everything else that macvtapd made is removed. *ret_messages (GPtrArray of text) is
 * for the log.
 */
gboolean broker_reconcile(Broker *broker, GPtrArray **ret_messages, GError **error);

/* A port and open descriptors of it; clear with port_grant_clear(). */
typedef struct PortGrant {
    const Port *port; /* borrowed until the next call of the broker */
    DescriptorArray *taps;
    DescriptorArray *vhosts;
} PortGrant;

void port_grant_clear(PortGrant *grant);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(PortGrant, port_grant_clear)

gboolean broker_create_port(Broker *broker, const Caller *caller, const PortRequest *request,
                            PortGrant *ret_grant, GError **error);

/* A dry run of broker_create_port(): fails with the same errors, creates nothing, and returns the
 * future port as far as it is decided; free it with port_free(). The ports that it replaces, as far
 * as the caller may delete them, count as deleted. */
Port *broker_check_port(Broker *broker, const Caller *caller, const PortRequest *request,
                        GError **error);

/* Opens n_queues more queues (0: as many as the port has). port: id, name or interface name. */
gboolean broker_open_port(Broker *broker, const Caller *caller, const char *port, guint n_queues,
                          PortGrant *ret_grant, GError **error);

/* What CapturePort asks for; clear with capture_request_clear(). */
typedef struct CaptureRequest {
    char *port; /* id, name or interface name */
    CaptureWish wish;
} CaptureRequest;

void capture_request_clear(CaptureRequest *request);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(CaptureRequest, capture_request_clear)

/* Begins to copy frames of a port, which is returned, borrowed. *ret_fd is the reader's: see
 * capture-stream.h. The capture ends when it is closed, and with the port. */
const Port *broker_capture_port(Broker *broker, const Caller *caller, const CaptureRequest *request,
                                int *ret_fd, GError **error);

/* Identifies who asked for ports to end. Opaque to the broker, which passes it to its watchers
 * (PortEnd). */
typedef struct PortEnder PortEnder;

/* Called when ports were removed: n_ports are gone, or error says why some are not. */
typedef void (*BrokerRemoved)(guint n_ports, const GError *error, gpointer user_data);

/* Begins to remove a port; ender (or NULL) must live until done, which is called once, from the
 * main loop or broker_stop(), but not if this function fails. From now on the port is hidden,
 * except from other callers that delete it: they wait, too. */
gboolean broker_delete_port(Broker *broker, const Caller *caller, const char *port,
                            const PortEnder *ender, BrokerRemoved done, gpointer user_data,
                            GError **error);

/* Begins to remove a port by its ID, because the reply did not reach its caller. Does nothing if
 * the port is gone. */
void broker_undo_grant(Broker *broker, const char *id);

/* Changes a port (its sources: root only) and returns it, borrowed. Changes made before a failure
 * stay. */
const Port *broker_change_port(Broker *broker, const Caller *caller, const PortChange *change,
                               GError **error);

/* Begins to remove the ports that the domain with this UUID (in lower case) holds, of the caller's
 * ports (root: also of others', unless a process holds them). done is called as for
 * broker_delete_port(); at once if there are none. */
void broker_end_domain(Broker *broker, const Caller *caller, const char *domain,
                       const PortEnder *ender, BrokerRemoved done, gpointer user_data);

/* The port's traffic; FALSE if the device is gone. */
gboolean broker_statistics(Broker *broker, const Port *port, LinkStatistics *ret_statistics);

/* Reads what the datapath knows about the port's frames (Port.seen, Port.dropped), before it is
 * shown. */
void broker_observe_frames(Broker *broker, const Port *port);

/* Why no port can have a guard; NULL: ports can. Borrowed. */
const char *broker_unguarded(const Broker *broker);

/* The ports that the caller may see, of one network or all (NULL), as a GPtrArray of borrowed const
 * Port. */
GPtrArray *broker_list_ports(Broker *broker, const Caller *caller, const char *network);

/* The port, borrowed, that text names by id, name or interface name, or by its name in the caller's
 * network namespace, if that holds it; PORT_NOT_FOUND if the caller may not see it. */
const Port *broker_get_port(Broker *broker, const Caller *caller, const char *text, GError **error);

/* Whether a network has this name, or a port of a removed network; NETWORK_NOT_FOUND.
 */
gboolean broker_check_network(Broker *broker, const Caller *caller, const char *name,
                              GError **error);

/* FALSE and NETWORK_NOT_FOUND, with the name that the caller may have meant. */
gboolean broker_refuse_network(Broker *broker, const Caller *caller, const char *name,
                               GError **error);

/* The networks that the caller may use, and those of ports that its network namespace holds, sorted
 * by name, as a GPtrArray of borrowed const Network. */
GPtrArray *broker_list_networks(Broker *broker, const Caller *caller);

/* The changes in the networks' files since they were read, a line for each, for root; NULL: none.
 * Free with g_strfreev(). */
GStrv broker_list_file_changes(Broker *broker, const Caller *caller);

/* Problems of macvtapd's and the administrator's files, for root; a GPtrArray of Fault, which may
 * be empty. */
GPtrArray *broker_list_faults(Broker *broker, const Caller *caller);

/* The parents of a usable network that cannot be used now, and why, a line for each; NULL: none. A
 * parent that is fully used by its own ports (passthru) is not among them. Free with g_strfreev().
 */
GStrv broker_parent_problems(Broker *broker, const Network *network);

/* The frames that VLAN devices of other networks take away from this one's guests, a line for each;
 * NULL: none. Free with g_strfreev(). */
GStrv broker_taken_vlans(Broker *broker, const Network *network);

/* A parent of a network, as it is now. */
typedef struct ParentState {
    char name[INTERFACE_NAME_MAX + 1]; /* as in Parent= */
    gboolean exists;                   /* else nothing else is set */
    gboolean carrier;
    guint32 mtu;  /* bytes */
    guint speed;  /* Mbit/s; 0: unknown */
    guint n_macs; /* that it has: its own, and those of macvtaps and macvlans on it and its VLANs */
} ParentState;

/* The parents of a usable network, as a GArray of ParentState; free with g_array_unref(). */
GArray *broker_list_parents(Broker *broker, const Network *network);

/* How many addresses of a network's pool ports of the network have. */
guint broker_count_leases(Broker *broker, const Network *network, AddressFamily family);

/* The host links that serve the network's ports: a GPtrArray of HostLinkView, owned. */
GPtrArray *broker_list_host_links(Broker *broker, const Network *network);

/* The number of the network's ports, or of all ports (NULL). */
guint broker_count_ports(Broker *broker, const char *network);

/* The number of ports that count against the caller's limits. */
guint broker_count_own_ports(Broker *broker, const Caller *caller);

typedef enum PortEvent {
    PORT_EVENT_CREATED,
    PORT_EVENT_CHANGED,
    PORT_EVENT_DELETED,
    PORT_EVENT_DROPPED, /* its guard has dropped a frame: Port.drop_reason, Port.drop_example */
} PortEvent;
#define PORT_EVENT_COUNT (PORT_EVENT_DROPPED + 1)

/* Why a port has ended. */
typedef enum PortEndReason {
    PORT_END_ASKED,      /* by broker_delete_port() or broker_end_domain() */
    PORT_END_HOLDER,     /* its holder has ended */
    PORT_END_LOST_GRANT, /* by broker_undo_grant() */
} PortEndReason;

typedef struct PortEnd {
    PortEndReason reason;
    const PortEnder *ender; /* ASKED: the one who asked first; otherwise NULL */
} PortEnd;

/* end: for PORT_EVENT_DELETED; else NULL. */
typedef void (*BrokerWatcher)(PortEvent event, const Port *port, const PortEnd *end,
                              gpointer user_data);

/* Calls watcher for every event of every port; returns a number for broker_unwatch(). */
guint broker_watch(Broker *broker, BrokerWatcher watcher, gpointer user_data);
void broker_unwatch(Broker *broker, guint number);

/* Whether the caller may change and delete the port: root, and its owner. */
gboolean broker_may_change(const Caller *caller, const Port *port);

/* Whether the caller may see it: besides, everybody in the network namespace that holds it. */
gboolean broker_may_see(const Caller *caller, const Port *port);
