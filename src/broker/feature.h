/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The features of a port. Each has a file of its own, feature-NAME.c, and one row in the table of
 * feature.c; create.c, delete.c, reconcile.c, events.c, change.c and look.c go through the table
 * and name none. What a feature may know of the broker stands at the end of this header.
 */
#pragma once

#include "caller.h"
#include "descriptor.h"
#include "device.h"
#include "network.h"
#include "ops.h"
#include "port.h"
#include "process.h"
#include "registry.h"

#include <glib.h>

typedef struct Broker Broker;

/* A port that is being made. */
typedef struct NewPort {
    const Caller *caller;
    const PortRequest *request;
    const Network *network;
    Port *port;
    Process holder; /* pidfd -1 unless the holder has a process */
} NewPort;

/*
 * Each member may be NULL. The order of the rows is the order of the calls; release and detach go
 * backwards.
 */
typedef struct PortFeature {
    const char *name;

    /* With the daemon. *ret_state is what feature_state() returns from then on. */
    gboolean (*start)(Broker *broker, gpointer *ret_state, GError **error);
    void (*stop)(gpointer state);

    /* Around the look at the records and devices of an earlier daemon. */
    gboolean (*load)(Broker *broker, GError **error);
    void (*loaded)(Broker *broker);

    /* Whether the caller may ask for this: before anything is decided. PORT_ERROR. */
    gboolean (*check)(Broker *broker, const NewPort *new, GError **error);

    /* Fills in its part of new->port and opens what has no effect outside; mode and holder are
     * there. PORT_ERROR. */
    gboolean (*prepare)(Broker *broker, NewPort *new, GError **error);

    /* The device has just been made; the record is ID.creating. ERRNO_ERROR: EBUSY asks for another
     * ifindex. */
    gboolean (*make)(Broker *broker, NewPort *new, const LinkInfo *device, GError **error);

    /* The device is whole and the queues are open: what follows is the final record. PORT_ERROR. */
    gboolean (*attach)(Broker *broker, NewPort *new, const LinkInfo *device, GError **error);

    /* After a start: *ret_lives becomes FALSE when what the port's life is tied to has ended. */
    gboolean (*lives)(Broker *broker, Port *port, gboolean *ret_lives, GError **error);

    /* Takes up a port of an earlier daemon, or one whose device has come back. The message of an
     * error is for the log, and the port stays. */
    gboolean (*adopt)(Broker *broker, Port *port, const LinkInfo *device, GError **error);

    /* Prescribes its part of what the port's device must be; see device_want(). */
    void (*want)(Broker *broker, const Port *port, const Network *network, DeviceState *state);

    /* Takes over what others may change of the device; TRUE when the port has changed. by_parent:
     * the parent was changed, not the device itself. */
    gboolean (*follow)(Broker *broker, Port *port, const LinkInfo *device, gboolean by_parent);

    /* The device has got something that it must not have in these fields (of DeviceField). TRUE
     * when the port has changed by that. */
    gboolean (*drift)(Broker *broker, Port *port, guint fields);

    /* Brings back those of the fields that are the feature's own. ERRNO_ERROR. */
    gboolean (*repair)(Broker *broker, Port *port, const DeviceState *wanted, guint fields,
                       GError **error);

    /* These fields are as they must be again; before: what the device was. */
    void (*repaired)(Broker *broker, Port *port, const LinkInfo *before, guint fields,
                     gboolean by_parent);

    /* The parent has changed, or was looked at; it may not be news. TRUE when the port has changed.
     */
    gboolean (*on_parent)(Broker *broker, Port *port, const LinkInfo *parent);

    /* What is to change of a living port: whether it may be, and the change. PORT_ERROR. */
    gboolean (*check_change)(Broker *broker, const Caller *caller, const Port *port,
                             const PortChange *change, GError **error);
    gboolean (*change)(Broker *broker, const Caller *caller, Port *port, const PortChange *change,
                       GError **error);

    /* The device is about to go, or others have removed it. On failure the port must stay. */
    gboolean (*release)(Broker *broker, const Port *port, GError **error);

    /* An orphan, a device with our alias and without a record, is about to be removed. */
    void (*orphan)(Broker *broker, const LinkInfo *device);

    /* The port has gone, or its creation has failed; of the latter anything may be missing. */
    void (*detach)(Broker *broker, const Port *port);
} PortFeature;

extern const PortFeature feature_lifetime, feature_node, feature_sources, feature_mac, feature_mtu,
    feature_migration, feature_host_address;

/* feature.c: each goes through the table, up to the first that fails. */
gboolean features_start(Broker *broker, gpointer *states, GError **error);
void features_stop(gpointer *states);
gboolean features_load(Broker *broker, GError **error);
void features_loaded(Broker *broker);
gboolean features_check(Broker *broker, const NewPort *new, GError **error);
gboolean features_prepare(Broker *broker, NewPort *new, GError **error);
gboolean features_make(Broker *broker, NewPort *new, const LinkInfo *device, GError **error);
gboolean features_attach(Broker *broker, NewPort *new, const LinkInfo *device, GError **error);
gboolean features_lives(Broker *broker, Port *port, gboolean *ret_lives, GError **error);
void features_want(Broker *broker, const Port *port, const Network *network, DeviceState *state);
gboolean features_follow(Broker *broker, Port *port, const LinkInfo *device, gboolean by_parent);
gboolean features_drift(Broker *broker, Port *port, guint fields);
gboolean features_repair(Broker *broker, Port *port, const DeviceState *wanted, guint fields,
                         GError **error);
void features_repaired(Broker *broker, Port *port, const LinkInfo *before, guint fields,
                       gboolean by_parent);
gboolean features_on_parent(Broker *broker, Port *port, const LinkInfo *parent);
gboolean features_check_change(Broker *broker, const Caller *caller, const Port *port,
                               const PortChange *change, GError **error);
gboolean features_change(Broker *broker, const Caller *caller, Port *port, const PortChange *change,
                         GError **error);
gboolean features_release(Broker *broker, const Port *port, GError **error);
void features_orphan(Broker *broker, const LinkInfo *device);
void features_detach(Broker *broker, const Port *port);

/* Calls say with the message of each that fails. */
void features_adopt(Broker *broker, Port *port, const LinkInfo *device,
                    void (*say)(const char *message, gpointer user_data), gpointer user_data);

/* features_release(), and a warning where it fails. */
void features_release_or_warn(Broker *broker, const Port *port);

guint features_count(void);
guint feature_number(const PortFeature *feature);

/* ---- What features see of the broker ---- */

Kernel *feature_kernel(Broker *broker);
Registry *feature_registry(Broker *broker);
PortTable *feature_ports(Broker *broker);
gpointer feature_state(Broker *broker, const PortFeature *feature);

/* The port's network as it is defined now, or NULL. */
const Network *feature_network(Broker *broker, const Port *port);

/* Tells watchers that the port has changed. */
void feature_emit(Broker *broker, const Port *port);

/* Writes the port's record anew. A failure is logged, and it is tried again. */
void feature_save(Broker *broker, Port *port);

/* Looks at the port's device now, follows what others may change and repairs the rest. _later: when
 * the events that the kernel has sent until now have been read, and because of the parent. */
void feature_look(Broker *broker, Port *port);
void feature_look_later(Broker *broker, Port *port);

/* What the lives of these ports (ids, NULL-terminated) are tied to has ended. */
void feature_end_ports(Broker *broker, const char *const *port_ids);
