/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Shared by host-link.c, host-link-look.c, host-claim.c and host-device.c, and private to them. */
#pragma once

#include "host-link-map.h"
#include "host-link.h"

/* How many messages about the addresses of one port go to the log. */
#define HOST_MESSAGES_MAX 8

/* What to compare with the kernel. */
typedef enum HostLook {
    HOST_LOOK_DEVICE = 1 << 0,    /* the device and its filters */
    HOST_LOOK_ADDRESSES = 1 << 1, /* the host's addresses, and what follows from them */
    HOST_LOOK_GATEWAYS = 1 << 2,
    HOST_LOOK_PATHS = 1 << 3, /* routes and neighbour entries */
    HOST_LOOK_ALL = 15,
} HostLook;

struct HostLinks {
    Kernel *kernel;
    OwnedDevices *devices;
    HostFilter *filter;
    HostLinksSweep sweep;
    HostLinksVisit visit;
    gpointer user_data;
    GHashTable *table;   /* the parent's ifindex -> HostLink, owned */
    GHashTable *of_port; /* port ID -> HostLink */
    GArray *own;         /* of LinkAddress: those of the whole host */
    gboolean is_watching;
    gboolean is_settled;   /* all ports of an earlier daemon were followed */
    gboolean has_idle;     /* a device without ports waits for its removal */
    GSource *sweep_source; /* or NULL */
};

typedef struct HostLink {
    HostLinks *links;
    LinkInfo parent;  /* at the last look */
    char *asked_name; /* Interface= of the network that it was made for, or NULL */
    int index;        /* of the device; 0: there is none */
    char name[INTERFACE_NAME_MAX + 1];
    char *problem;        /* why there is no device, or what is wrong with it; NULL: nothing */
    GArray *addresses;    /* of LinkAddress: the host's on the parent, without link-local ones */
    GArray *gateways;     /* of IpAddress */
    GHashTable *ports;    /* port ID -> HostPort, owned */
    GHashTable *claims;   /* IpAddress -> HostClaim, owned */
    GHashTable *found;    /* IpAddress -> HostPath of an earlier daemon, owned, until settled */
    guint looks;          /* of HostLook: due, */
    guint unfinished;     /* and what failed: for the next look */
    gint64 looked;        /* when the last look was, in µs of g_get_monotonic_time() */
    GSource *look_source; /* or NULL */
} HostLink;

/* What a port's address rests on. */
typedef struct HostPortAddress {
    IpAddress address;
    gboolean is_given; /* leased or listed; otherwise seen */
} HostPortAddress;

typedef struct HostPort {
    char *id, *name;
    Network *network;
    MacAddress mac;
    GArray *addresses; /* of HostPortAddress, HOST_PORT_ADDRESSES at most */
    guint n_told;      /* messages */
} HostPort;

/* An address that at least one port has. */
typedef struct HostClaim {
    IpAddress address;
    GPtrArray *ports;   /* of HostPort, borrowed */
    gboolean is_known;  /* the host's neighbours were looked at, */
    gboolean is_asked;  /* and no station has answered a probe */
    gboolean is_asking; /* the probe is under way */
    MacAddress station; /* of a station other than our ports that has it; zero: none */
    char *conflict;     /* why it has no route; NULL: no conflict */
    HostPath path;      /* in the kernel; index 0: none */
} HostClaim;

/* host-claim.c: what follows from a port's addresses. */
void host_claims_set(HostLink *link, HostPort *port, GArray *addresses);
void host_claims_review(HostLink *link);
void host_claims_on_neighbour(HostLink *link, const RoutingChange *change);
void host_claims_on_heard(HostLink *link, const IpAddress *address, const MacAddress *mac);
void host_claim_free(gpointer claim);

/* Events of neighbours may have been lost: the next review looks at all of them again. */
void host_claims_on_loss(HostLink *link);

/* The parent is up and has its carrier again. */
void host_claims_ask_again(HostLink *link);

/* The parent has another ifindex: the kernel has forgotten the probes and neighbours under the old
 * one. */
void host_claims_on_new_parent(HostLink *link);

/* The prefix of a parent's address that has this one; NULL: none. The address must be one that a
 * station can have. */
const LinkAddress *host_link_find_prefix(const HostLink *link, const IpAddress *address);

/* host-device.c */
gboolean host_device_ensure(HostLink *link, GError **error);
gboolean host_device_repair(HostLink *link, GError **error);
gboolean host_device_set_addresses(HostLink *link, GError **error);
gboolean host_device_attach(HostLinks *links, int index, GError **error);
gboolean host_device_has_filters(HostLink *link);

/* host-link.c. The link of this parent, or with this device; NULL: none. */
HostLink *host_links_find(const HostLinks *links, int parent_index);
HostLink *host_links_find_device(const HostLinks *links, int index);

/* host-link-look.c: compares a link with the kernel and repairs it: a new one, which has no port
 * yet; now; or from the main loop. */
void host_link_look_first(HostLink *link);
void host_link_look(HostLink *link, guint looks);
void host_link_look_later(HostLink *link, guint looks);

/* Listens for what happens to the filters of all links, and for what they hear. */
gboolean host_links_watch_filters(HostLinks *links, GError **error);
