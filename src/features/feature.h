/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A feature of a port: a file, NAME.c, and a row in the table of port-features.c. FeatureHost has
 * everything it may know about the daemon. Private to this module.
 */
#pragma once

#include "dhcp-options.h"
#include "port-features.h"

/* port-features.h documents each member under the function with the same name; each may be NULL. */
typedef struct PortFeature {
    const char *name;

    /* feature_state() returns *ret_state from then on; it may be NULL. */
    gboolean (*start)(FeatureHost *host, gpointer *ret_state, GError **error);
    void (*stop)(gpointer state);
    gboolean (*load)(FeatureHost *host, GError **error);
    void (*loaded)(FeatureHost *host);

    gboolean (*check)(FeatureHost *host, const NewPort *new, GError **error);
    gboolean (*prepare)(FeatureHost *host, NewPort *new, GError **error);
    gboolean (*choose)(FeatureHost *host, NewPort *new, const LinkInfo *parent, GError **error);
    gboolean (*before_up)(FeatureHost *host, const NewPort *new, int index, GError **error);
    gboolean (*make)(FeatureHost *host, NewPort *new, const LinkInfo *device, GError **error);
    gboolean (*attach)(FeatureHost *host, NewPort *new, const LinkInfo *device, GError **error);
    void (*opened)(FeatureHost *host, Port *port);

    gboolean (*lives)(FeatureHost *host, Port *port, gboolean *ret_lives, GError **error);
    /* An error's message goes to the log. */
    gboolean (*adopt)(FeatureHost *host, Port *port, const LinkInfo *device, GError **error);

    void (*want)(FeatureHost *host, const Port *port, const Network *network, DeviceState *state);
    guint (*compare)(FeatureHost *host, const Port *port);
    gboolean (*follow)(FeatureHost *host, Port *port, const LinkInfo *device, gboolean by_parent);
    gboolean (*drift)(FeatureHost *host, Port *port, guint fields);
    gboolean (*repair)(FeatureHost *host, Port *port, const DeviceState *wanted, guint fields,
                       GError **error);
    void (*repaired)(FeatureHost *host, Port *port, const LinkInfo *before, guint fields,
                     gboolean by_parent);
    gboolean (*on_parent)(FeatureHost *host, Port *port, const LinkInfo *parent);
    void (*on_new_parent)(FeatureHost *host, Port *port, int before);
    gboolean (*on_network)(FeatureHost *host, Port *port, const Network *network);
    void (*on_removed)(FeatureHost *host, const LinkInfo *link);

    /* The key of its network whose value the port cannot take because of the feature; or NULL. */
    const char *(*outdated)(FeatureHost *host, const Port *port);

    void (*observe)(FeatureHost *host, Port *port);
    void (*list_faults)(FeatureHost *host, GPtrArray *faults);

    gboolean (*check_change)(FeatureHost *host, const Caller *caller, const Port *port,
                             const PortChange *change, GError **error);
    gboolean (*change)(FeatureHost *host, const Caller *caller, Port *port,
                       const PortChange *change, GError **error);

    gboolean (*capture)(FeatureHost *host, const Caller *caller, const Port *port,
                        const CaptureWish *wish, int *ret_fd, GError **error);

    gboolean (*release)(FeatureHost *host, const Port *port, GError **error);
    void (*orphan)(FeatureHost *host, const LinkInfo *device);
    void (*detach)(FeatureHost *host, const Port *port);
    void (*sweep)(FeatureHost *host);
} PortFeature;

extern const PortFeature feature_lifetime;
extern const PortFeature feature_namespace;
extern const PortFeature feature_node;
extern const PortFeature feature_sources;
extern const PortFeature feature_mac;
extern const PortFeature feature_mtu;
extern const PortFeature feature_promiscuity;
extern const PortFeature feature_queue_lengths;
extern const PortFeature feature_migration;
extern const PortFeature feature_host_address;
extern const PortFeature feature_guest_vlans;
extern const PortFeature feature_lease;
extern const PortFeature feature_guest_link;
extern const PortFeature feature_captures;
extern const PortFeature feature_withheld;
extern const PortFeature feature_guard;
extern const PortFeature feature_dhcp;
extern const PortFeature feature_limits;

extern const Privileges captures_privileges;

/* guard.c: writes the port's guard and limits for the programs at its device. ERRNO_ERROR. */
gboolean guard_write_settings(FeatureHost *host, const Port *port, GError **error);

/* dhcp.c: what the port answers to DHCP: FALSE if nothing, because its network does not have it do
 * so or it has no IPv4 address. The answer borrows from both. */
gboolean dhcp_find_answer(const Network *network, const Port *port, DhcpAnswer *ret_answer);

/* withheld.c: withholds from guests what concerns this port; before its settings are written.
 * ERRNO_ERROR. */
gboolean withheld_follow_port(FeatureHost *host, const Port *port, GError **error);

/* The link under whose ifindex the datapath has what the port may not learn, and what it has
 * learned: its parent, or while that is not here, the last that it had. 0: unknown. */
int withheld_link(const Port *port);

/* An address of this link came or went. */
void withheld_on_address(FeatureHost *host, int index);

/* The port's network, which a change needs. thing: of the port, what the change is about ("its
 * guard has"). NULL with a PORT_ERROR: it was removed, or cannot be used. */
const Network *feature_network(FeatureHost *host, const Port *port, const char *thing,
                               GError **error);

/* The state that the feature's start() returned. */
gpointer feature_state(FeatureHost *host, const PortFeature *feature);
