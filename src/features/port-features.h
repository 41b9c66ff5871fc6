/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The features of a port, as the broker sees them: it goes through their table and names none. Each
 * call below is made of each feature in the order of the table, up to the first that fails.
 */
#pragma once

#include "caller.h"
#include "datapath.h"
#include "device-state.h"
#include "network.h"
#include "ops.h"
#include "port-table.h"
#include "privileges.h"
#include "process.h"

#include <glib.h>

/* Ends with NULL. */
extern const Privileges *const features_privileges[];

typedef struct FeatureHost FeatureHost;

/* What the features ask of the broker; none may be NULL. */
typedef struct FeatureHostOps {
    /* Writes the port's record now: that of a port in the table, or that of one in the making. */
    gboolean (*record)(FeatureHost *host, const Port *port, GError **error);

    /* The same of a port in the table; a failure is logged, and it is tried again. */
    void (*save)(FeatureHost *host, Port *port);

    /* Whether the record of a port with this id was found damaged: there may be such a port. */
    gboolean (*is_damaged)(FeatureHost *host, const char *id);

    /* The port's network as it is defined now, which may be of another mode; NULL when there is
     * none any more, or it cannot be used. */
    const Network *(*network)(FeatureHost *host, const Port *port);

    /* Looks at the port's device now, follows what others may change and repairs the rest. */
    void (*look)(FeatureHost *host, Port *port);

    /* The same when the events that the kernel has sent until now have been read, and because of
     * the parent. */
    void (*look_later)(FeatureHost *host, Port *port);

    /* Tells watchers and the log that the port's guard has dropped a frame, the first of this kind
     * (GuardReason): the frame's first length bytes. */
    void (*dropped)(FeatureHost *host, Port *port, guint reason, const guint8 *frame, gsize length);

    /* Tells watchers that the port has changed. */
    void (*emit)(FeatureHost *host, const Port *port);

    /* What the lives of these ports (ids, NULL-terminated) are tied to has ended. */
    void (*end_ports)(FeatureHost *host, const char *const *port_ids);
} FeatureHostOps;

/* What the features of one daemon stand on; the broker has one. All but states are borrowed, and
 * are set before features_start(). */
struct FeatureHost {
    const FeatureHostOps *ops;
    Kernel *kernel;
    Datapath *datapath; /* NULL: no port can have a guard, and unguarded says why */
    PortTable *ports;
    const char *unguarded;
    gpointer *states; /* one for each row of the table: its own */
};

/* A port that is being made. */
typedef struct NewPort {
    const Caller *caller;
    const PortRequest *request;
    const Network *network; /* when it is known, */
    Port *port;             /* and what is decided of the port; both borrowed */
    Process holder;         /* pidfd -1 unless the holder has a process */
} NewPort;

void new_port_init(NewPort *new, const Caller *caller, const PortRequest *request);
void new_port_clear(NewPort *new);

/* With the daemon. features_stop() takes what was started in part, or not at all. */
gboolean features_start(FeatureHost *host, GError **error);
void features_stop(FeatureHost *host);

/* Around the look at the records and devices of an earlier daemon. */
gboolean features_load(FeatureHost *host, GError **error);
void features_loaded(FeatureHost *host);

/* Whether the caller may ask for this: before anything is decided. PORT_ERROR. */
gboolean features_check(FeatureHost *host, const NewPort *new, GError **error);

/* Fills in what is the features' of new->port and opens what has no effect outside; the network,
 * the mode and the owner are there. PORT_ERROR. */
gboolean features_prepare(FeatureHost *host, NewPort *new, GError **error);

/* The same, when the parent is chosen. */
gboolean features_choose(FeatureHost *host, NewPort *new, const LinkInfo *parent, GError **error);

/* The device with this ifindex is there and down: what must be in force before a frame can leave
 * it. features_detach() follows when the port is not made. ERRNO_ERROR. */
gboolean features_before_up(FeatureHost *host, const NewPort *new, int index, GError **error);

/* The device has just been made; the record is ID.creating. ERRNO_ERROR: EBUSY asks for another
 * ifindex. */
gboolean features_make(FeatureHost *host, NewPort *new, const LinkInfo *device, GError **error);

/* The device is whole and the queues are open: what follows is the final record. PORT_ERROR. */
gboolean features_attach(FeatureHost *host, NewPort *new, const LinkInfo *device, GError **error);

/* Queues of a port that was made before have been opened. */
void features_opened(FeatureHost *host, Port *port);

/* After a start: *ret_lives becomes FALSE when what the port's life is tied to has ended. */
gboolean features_lives(FeatureHost *host, Port *port, gboolean *ret_lives, GError **error);

/* Takes up a port of an earlier daemon, or one whose device has come back. say is called with the
 * message of each that fails, and the port stays. */
void features_adopt(FeatureHost *host, Port *port, const LinkInfo *device,
                    void (*say)(const char *message, gpointer user_data), gpointer user_data);

/* Each prescribes its part of what the port's device must be. network: the port's, as it is now, or
 * NULL when there is none any more, or not one of the port's kind. */
void features_want(FeatureHost *host, const Port *port, const Network *network, DeviceState *state);

/* Which fields (of DeviceField) are not as they must be of what a LinkInfo does not tell. */
guint features_compare(FeatureHost *host, const Port *port);

/* Takes over what others may change of the device; TRUE when the port has changed. by_parent: the
 * parent was changed, not the device itself. */
gboolean features_follow(FeatureHost *host, Port *port, const LinkInfo *device, gboolean by_parent);

/* The device has got something that it must not have in these fields (of DeviceField). TRUE when
 * the port has changed by that. */
gboolean features_drift(FeatureHost *host, Port *port, guint fields);

/* Brings back those of the fields that are the features' own; all are tried. ERRNO_ERROR, the first
 * failure. */
gboolean features_repair(FeatureHost *host, Port *port, const DeviceState *wanted, guint fields,
                         GError **error);

/* These fields are as they must be again; before: what the device was. */
void features_repaired(FeatureHost *host, Port *port, const LinkInfo *before, guint fields,
                       gboolean by_parent);

/* The parent has changed, or was looked at; it may not be news. TRUE when the port has changed. */
gboolean features_on_parent(FeatureHost *host, Port *port, const LinkInfo *parent);

/* The networks have been read: takes over what the port follows of its own, which may be of another
 * mode. TRUE when the port has changed, and its record is to be written. */
gboolean features_on_network(FeatureHost *host, Port *port, const Network *network);

/* A link that is no port's has gone; NULL: events were lost, and any may have. */
void features_on_removed(FeatureHost *host, const LinkInfo *link);
/* Adds the keys of the port's network whose values the port does not have because of a feature. */
void features_list_outdated(FeatureHost *host, const Port *port, GStrvBuilder *keys);

/* Takes over what the features can only know by looking: the port is about to be shown. */
void features_observe(FeatureHost *host, Port *port);

/* What is to change of a living port: whether it may be, and the change. PORT_ERROR. */
gboolean features_check_change(FeatureHost *host, const Caller *caller, const Port *port,
                               const PortChange *change, GError **error);
gboolean features_change(FeatureHost *host, const Caller *caller, Port *port,
                         const PortChange *change, GError **error);

/* The device is about to go, or others have removed it; backwards. On failure the port must stay.
 */
gboolean features_release(FeatureHost *host, const Port *port, GError **error);

/* The same, and a warning where it fails. */
void features_release_or_warn(FeatureHost *host, const Port *port);

/* An orphan, a device with our alias and without a record, is about to be removed. */
void features_orphan(FeatureHost *host, const LinkInfo *device);

/* The port has gone, or its creation has failed; of the latter anything may be missing. Backwards.
 */
void features_detach(FeatureHost *host, const Port *port);

/* Ports have gone or were not made, the networks have changed, or the daemon has just started: what
 * a feature has made for several ports and none needs goes. */
void features_sweep(FeatureHost *host);
