/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "addresses.h"
#include "guard.h"
#include "holder.h"
#include "interface-name.h"
#include "mac-address.h"
#include "network.h"

#include <glib.h>
#include <sys/types.h>

/* The longest port name in bytes. Names follow network_name_is_valid(). */
#define PORT_NAME_MAX 64

/* The longest name of a guest in bytes. */
#define GUEST_NAME_MAX 255

/* The longest description of a port in bytes. */
#define PORT_DESCRIPTION_MAX 256

/* An address that the guest was seen to use or claim. */
typedef struct SeenAddress {
    IpAddress address;
    GuardSeenHow how;              /* the last time */
    guint64 first_seen, last_seen; /* in seconds since 1970 */
    guint64 age;                   /* since last_seen, in seconds */
} SeenAddress;

typedef enum PortState {
    PORT_STATE_CREATING, /* only in records: a crash interrupted the creation */
    PORT_STATE_ACTIVE,
    PORT_STATE_PARENT_GONE, /* the parent was removed, and the kernel removed the device with it */
    PORT_STATE_DEVICE_GONE, /* another program removed the device */
} PortState;
#define PORT_STATE_COUNT (PORT_STATE_DEVICE_GONE + 1)

const char *port_state_name(PortState state);

/* One port, as in its record and in the API. */
typedef struct Port {
    char *id;              /* "p" and 12 random hex digits; never reused */
    char *name;            /* the caller's, or the ID */
    char *network;         /* the network's name, or an ad-hoc network's text */
    char *parent;          /* its last known name; the index identifies the link */
    int parent_index;      /* 0: the link was missing, or in another network namespace, at the last
                              check */
    int last_parent_index; /* what parent_index was before that; 0: unknown */
    char *trunk;           /* VLAN=: the interface below the VLAN device parent; else NULL */
    int trunk_index;       /* like parent_index; 0 without trunk */
    char *vlan;            /* VLAN=: "100" or "200.100"; else NULL */
    MacvtapMode mode;
    char *description; /* by its owner; NULL or "": none */
    gboolean nopromisc;
    gboolean parent_stands_in; /* it is a macvlan, for a link that was never in our namespace */
    char interface_name[INTERFACE_NAME_MAX + 1];
    int interface_index; /* in the daemon's network namespace; chosen before the device is created
                          */
    MacAddress mac;
    GArray *addresses;    /* of PortAddress: its leases, and what else was handed in; NULL: none */
    gboolean is_leased;   /* its network had [Addresses] when the port was created, */
    gboolean is_in_range; /* and gave all of them from its Range=: root may go beyond it */
    MacPolicy mac_policy; /* the network's when the port was created */
    guint32 mtu;          /* bytes; the device's */
    guint32 wanted_mtu;   /* the MTU it gets once its parent's allows it; 0: mtu */
    /* The settings that its caller requested in place of the network's; unknown for a port of an
     * earlier daemon. */
    gboolean has_asked;
    guint32 asked_mtu;       /* 0: nothing */
    VhostPolicy asked_vhost; /* auto: nothing */
    guint32 network_mtu;     /* the network's MTU= that wanted_mtu was derived from */
    guint queues;            /* how many may be opened, 1 to 256 */
    VhostPolicy vhost;
    Holder holder;
    uid_t owner;             /* the user who asked for it, */
    gboolean from_container; /* and whether over the container socket */
    GArray *sources; /* of MacAddress: the port's own list in source mode; NULL: its network's */
    gboolean
        has_node; /* /dev/tap<interface_index> exists for a user who opens the device by path: */
    uid_t node_owner;
    gid_t node_group;
    guint64 node_made;   /* the node's device number if macvtapd created it; 0: the kernel did */
    gboolean incoming;   /* the guest is elsewhere (see src/features/migration.c), */
    guint64 sent_before; /* and the device had sent this many frames at that time */
    gboolean follow_carrier; /* the guest's link follows the parent's carrier, by an agent */
    /* What its guest may send. A port created before guards existed has neither: */
    gboolean has_guard;
    GuardSettings guard; /* the settings in force, */
    GuardOwn own_guard;  /* and those that root gave the port, overriding its network's */
    /* How fast its guest may send and receive: likewise. */
    gboolean has_limits; /* there is one */
    Limits limits;
    LimitsOwn own_limits;
    gboolean is_moved; /* the device is in the network namespace that has this number here, */
    int moved_netns, moved_index; /* and has this ifindex there */

    /* The present state; not part of the record. */
    PortState state;
    guint open_queues;  /* queues with open descriptors; libvirt's, opened by path, do not count */
    gboolean is_ending; /* its removal is under way: callers no longer see it */
    gboolean link_up;   /* the device is set up (IFF_UP) */
    gboolean is_new;    /* the events of its creation have not arrived yet */
    gboolean carrier;   /* the device's, which follows its parent's */
    guint told_state;   /* IF_OPER_* + 1 in the last event of the device; 0: no event yet */
    gboolean is_lower_due;  /* a link below the device has come or gone: see src/broker/lower.c; */
    gboolean is_lower_away; /* the parent, or a link down to the trunk, is in another network */
    int lower_netns;        /* namespace: this one of 'ip netns list-id' (negative: no number), */
    guint lower_level;      /* and is this many tags of vlan below the parent */
    int bond_index;         /* the bond that is parent or below it; 0: none */
    char active_slave[INTERFACE_NAME_MAX + 1]; /* of that bond; "": none, or a mode without one */
    guint32 parent_mtu;                        /* bytes; 0: not seen yet */
    gboolean mtu_by_network;                   /* it must change because of the network's MTU=, */
    gboolean is_mtu_told;                      /* and the log has the new value */
    guint mac_changes;   /* how often the guest's MAC was changed and restored */
    char *problem;       /* what is wrong with the device and cannot be repaired; NULL: nothing */
    gboolean is_unsaved; /* the record could not be written */
    gboolean is_by_name; /* the record is an early daemon's, which knew links by their names */
    gboolean all_multicast;   /* the device's IFF_ALLMULTI */
    gboolean network_removed; /* its network was removed */
    GStrv outdated; /* keys of its network whose values the port does not have; NULL: none */
    /* The host has an address on the device. */
    gboolean has_host_address;
    guint guard_losses; /* how often its guard was removed and attached again, */
    guint pace_losses;  /* and the limit of what its guest sends */
    /* From the last look (broker_observe_frames()). */
    GArray *seen; /* of SeenAddress, sorted by seen_addresses_sort(); NULL: nobody is looking */
    gboolean has_dropped; /* its guard counts drops: by GuardReason */
    guint64 dropped[GUARD_REASON_COUNT];
    guint64 drop_age;     /* seconds since the last; 0 also if that is not known */
    gboolean has_limited; /* likewise what its limits have cost: by LimitCost */
    guint64 limited[LIMIT_COST_COUNT];
    guint drop_reason;  /* the last reported example of a dropped frame */
    char *drop_example; /* NULL: no drop is known to this daemon */
} Port;

/* Sorts a GArray of SeenAddress for people: IPv4, then IPv6, then link-local addresses; within each
 * group the most recently used comes first. */
void seen_addresses_sort(GArray *seen);

Port *port_new(void);
Port *port_copy(const Port *port);
void port_free(Port *port);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Port, port_free)

/* Stores a copy of problem, or NULL. TRUE: it changed. */
gboolean port_set_problem(Port *port, const char *problem);

/* The account whose limits a port counts against: its owner's. A container's root has limits like
 * any other user, separate from the host's root: (uid_t)-1, which no user has. */
uid_t port_account_of(uid_t owner, gboolean from_container);
uid_t port_account(const Port *port);

/* The path of the port's device node; free with g_free(). */
char *port_node_path(const Port *port);

/* Whether text looks like an ID; only such a text may become a record's file name. */
gboolean port_id_is_valid(const char *text);

/* The text for the device's ifalias: "macvtapd:ID". Free with g_free(). */
char *port_alias(const Port *port);

/* The ID in such an alias (borrowed from it), or NULL if the alias is not macvtapd's. Also NULL for
 * "macvtapd:" followed by anything but an ID, as others can set aliases, too. */
const char *port_alias_id(const char *alias);

/* A caller's request. Zero and NULL mean "not given"; the request owns its strings. */
typedef struct PortRequest {
    char *network;
    char *name;
    char *
        guest_name; /* the guest's own name (QEMU's -name): the name of a port that is given none */
    char *interface_name;
    char *description;
    gboolean has_mac;
    MacAddress mac;
    GArray *addresses; /* of PortAddress; NULL: what the network chooses */
    guint32 mtu;
    gboolean has_queues;
    guint queues;
    gboolean has_vhost;
    VhostPolicy vhost;
    Holder holder;           /* process with pid 0: the caller itself */
    gboolean no_descriptors; /* make the device only */
    gboolean link_down;      /* leave the device down */
    gboolean incoming;       /* the guest will migrate in */
    gboolean has_node;       /* see Port */
    uid_t node_owner;
    gid_t node_group;
    GuardOwn guard;
    LimitsOwn limits;
    gboolean check_only; /* create nothing: see broker_check_port(), */
    GStrv replaces;      /* as if these ports (each by ID, name or interface name) did not exist */
} PortRequest;

void port_request_clear(PortRequest *request);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(PortRequest, port_request_clear)

/* A change of a port. */
typedef struct PortChange {
    char *port;       /* its ID, name or interface name; the change owns it */
    pid_t holder_pid; /* the process of the domain that holds it; 0: no change */
    GArray *sources;  /* of MacAddress: its own list in source mode; NULL: no change */
    gboolean has_link_up;
    gboolean link_up;
    char *description; /* "": none; NULL: no change */
    GuardOwn guard;    /* replaces all of the port's own settings; not is_given: no change */
    LimitsOwn limits;  /* likewise */
} PortChange;

void port_change_clear(PortChange *change);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(PortChange, port_change_clear)
