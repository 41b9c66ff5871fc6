/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The broker's view of a port's features: it loops over their table and names none. Each function
 * below calls each feature in the order of the table and stops at the first failure.
 */
#pragma once

#include "caller.h"
#include "capture-stream.h"
#include "datapath.h"
#include "device-state.h"
#include "network.h"
#include "ops.h"
#include "policy.h"
#include "port-error.h"
#include "port-table.h"
#include "privileges.h"
#include "process.h"

#include <glib.h>

/* Terminated by NULL. */
extern const Privileges *const features_privileges[];

typedef struct FeatureHost FeatureHost;

/* Functions of the broker that the features call; none may be NULL. */
typedef struct FeatureHostOps {
    /* Writes the port's record now, for a port in the table or one being created. */
    gboolean (*record)(FeatureHost *host, const Port *port, GError **error);

    /* The same for a port in the table; a failure is logged and retried. */
    void (*save)(FeatureHost *host, Port *port);

    /* Whether a damaged record has this port ID: the port may exist. */
    gboolean (*is_damaged)(FeatureHost *host, const char *id);

    /* The port's network as it is now, possibly with another mode; NULL if it was removed or is
     * unusable. */
    const Network *(*network)(FeatureHost *host, const Port *port);

    /* The network that gives this address to ports on the link with this ifindex; NULL: none does.
     * index 0: any network that gives addresses. */
    const Network *(*giver)(FeatureHost *host, const IpAddress *address, int index);

    /* Checks the port's device now, follows permitted changes and repairs the rest. */
    void (*look)(FeatureHost *host, Port *port);

    /* The same, on behalf of the parent, after all events that the kernel has sent were read. */
    void (*look_later)(FeatureHost *host, Port *port);

    /* Tells watchers and the log that the port's guard has dropped a frame, the first of this kind
     * (GuardReason): the frame's first length bytes. */
    void (*dropped)(FeatureHost *host, Port *port, guint reason, const guint8 *frame, gsize length);

    /* Notifies watchers that the port has changed. */
    void (*emit)(FeatureHost *host, const Port *port);

    /* The holders of these ports (IDs, NULL-terminated) have ended. */
    void (*end_ports)(FeatureHost *host, const char *const *port_ids);
} FeatureHostOps;

/* What the features of one daemon have access to; the broker has one. All but states are borrowed,
 * and are set before features_start(). */
struct FeatureHost {
    const FeatureHostOps *ops;
    Kernel *kernel;
    Datapath *datapath; /* NULL: no port can have a guard, and unguarded says why */
    PortTable *ports;
    const char *unguarded;
    const guint *repair_delays; /* milliseconds before each attempt at what has failed */
    guint n_repair_delays;
    gpointer *states; /* the state of each row of the table */
};

/* A port that is being created. */
typedef struct NewPort {
    const Caller *caller;
    const PortRequest *request;
    const Network *network; /* NULL until it is known, */
    Port *port;             /* and the port as decided so far; both borrowed */
    MacOrigin origin;       /* what its MAC and addresses derive from, set with the network */
    Process holder;         /* its pidfd is -1 unless the holder has a process */
} NewPort;

void new_port_init(NewPort *new, const Caller *caller, const PortRequest *request);
void new_port_clear(NewPort *new);

/* Called when the daemon starts and stops. features_stop() also handles a partial or missing start.
 */
gboolean features_start(FeatureHost *host, GError **error);
void features_stop(FeatureHost *host);

/* Called before and after the records and devices of an earlier daemon are checked. */
gboolean features_load(FeatureHost *host, GError **error);
void features_loaded(FeatureHost *host);

/* Whether the caller may ask for this; called before anything is decided. PORT_ERROR. */
gboolean features_check(FeatureHost *host, const NewPort *new, GError **error);

/* Sets the features' members of new->port and opens resources without outside effects; the network,
 * mode and owner are known. PORT_ERROR. */
gboolean features_prepare(FeatureHost *host, NewPort *new, GError **error);

/* The same, after the parent was chosen. */
gboolean features_choose(FeatureHost *host, NewPort *new, const LinkInfo *parent, GError **error);

/* The device with this ifindex exists and is down: applies what must be in force before any frame
 * can leave it. If the creation fails later, features_detach() is called. ERRNO_ERROR. */
gboolean features_before_up(FeatureHost *host, const NewPort *new, int index, GError **error);

/* The device was just created; the record is ID.creating. ERRNO_ERROR: EBUSY asks for another
 * ifindex. */
gboolean features_make(FeatureHost *host, NewPort *new, const LinkInfo *device, GError **error);

/* The device is complete and the queues are open; the final record is written next. PORT_ERROR. */
gboolean features_attach(FeatureHost *host, NewPort *new, const LinkInfo *device, GError **error);

/* Queues of an existing port were opened. */
void features_opened(FeatureHost *host, Port *port);

/* After a start: sets *ret_lives to FALSE if the port's holder has ended. */
gboolean features_lives(FeatureHost *host, Port *port, gboolean *ret_lives, GError **error);

/* Adopts a port of an earlier daemon, or one whose device has come back. say is called with the
 * message of each failure; the port stays. */
void features_adopt(FeatureHost *host, Port *port, const LinkInfo *device,
                    void (*say)(const char *message, gpointer user_data), gpointer user_data);

/* Each feature prescribes its part of the device's state. network: the port's, as it is now; NULL
 * if it was removed or does not fit the port. */
void features_want(FeatureHost *host, const Port *port, const Network *network, DeviceState *state);

/* Which fields (of DeviceField) are wrong, among those that a LinkInfo does not include. */
guint features_compare(FeatureHost *host, const Port *port);

/* Follows permitted changes of the device; TRUE if the port has changed. by_parent: the parent was
 * changed, not the device itself. */
gboolean features_follow(FeatureHost *host, Port *port, const LinkInfo *device, gboolean by_parent);

/* The device had wrong values in these fields (of DeviceField). TRUE if that changes the port. */
gboolean features_drift(FeatureHost *host, Port *port, guint fields);

/* Restores the fields that belong to features; all are tried. ERRNO_ERROR: the first failure. */
gboolean features_repair(FeatureHost *host, Port *port, const DeviceState *wanted, guint fields,
                         GError **error);

/* These fields were restored; before: the device's state before. */
void features_repaired(FeatureHost *host, Port *port, const LinkInfo *before, guint fields,
                       gboolean by_parent);

/* The parent has changed or was checked, possibly without a change. TRUE if the port has changed.
 * */
gboolean features_on_parent(FeatureHost *host, Port *port, const LinkInfo *parent);

/* The port's parent was moved into another network namespace (parent_index is 0), or is back from
 * there under another ifindex; before: its last one. */
void features_on_new_parent(FeatureHost *host, Port *port, int before);

/* The networks were read: takes the settings that the port follows from its network, which may have
 * another mode. TRUE if the port has changed and its record must be written. */
gboolean features_on_network(FeatureHost *host, Port *port, const Network *network);

/* A link that is not a port's was removed; NULL: events were lost, so any link may be gone. */
void features_on_removed(FeatureHost *host, const LinkInfo *link);
/* Adds the keys of the port's network whose values the port cannot take because of a feature. */
void features_list_outdated(FeatureHost *host, const Port *port, GStrvBuilder *keys);

/* Updates what the features only learn by looking: the port is about to be shown. */
void features_observe(FeatureHost *host, Port *port);

/* Adds what a feature has found to be wrong, of Fault. */
void features_list_faults(FeatureHost *host, GPtrArray *faults);

/* A change of an existing port: checks it, and makes it. PORT_ERROR. */
gboolean features_check_change(FeatureHost *host, const Caller *caller, const Port *port,
                               const PortChange *change, GError **error);
gboolean features_change(FeatureHost *host, const Caller *caller, Port *port,
                         const PortChange *change, GError **error);

/* Begins a capture and returns the reader's descriptor, from which it reads what capture-stream.h
 * describes. The capture ends when that is closed, and with the port's device. LIMIT_REACHED,
 * SYSTEM. */
gboolean features_capture(FeatureHost *host, const Caller *caller, const Port *port,
                          const CaptureWish *wish, int *ret_fd, GError **error);

/* The device is about to be removed, or others removed it; called in reverse order. On failure the
 * port must stay.
 */
gboolean features_release(FeatureHost *host, const Port *port, GError **error);

/* The same, but a failure is only logged. */
void features_release_or_warn(FeatureHost *host, const Port *port);

/* An orphan (a device with our alias but no record) is about to be removed. */
void features_orphan(FeatureHost *host, const LinkInfo *device);

/* The port is gone, or its creation failed at any step. In reverse order.
 */
void features_detach(FeatureHost *host, const Port *port);

/* Ports were removed, a creation failed, the networks changed, or the daemon has just started:
 * removes what a feature created for several ports and no port needs. */
void features_sweep(FeatureHost *host);
