/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Shared by the files of the fake, and private to them. */
#pragma once

#include "fake.h"

#define FAKE_NETNS 7 /* where moved links are now */

typedef struct FakeLink {
    LinkInfo info;
    MacAddress
        restored_mac;    /* passthru: the MAC that the parent gets back when this link is removed */
    GArray *sources;     /* of MacAddress, sorted */
    GArray *proxies;     /* of IpAddress: a host link's */
    GPtrArray *altnames; /* of text */
    gboolean mac_is_inherited; /* a VLAN device whose MAC was never set */
    gboolean has_active_slave; /* a bond in a mode that has an active slave */
    gboolean is_wireless;
    gboolean keeps_mac;
    LinkStatistics statistics;
    guint64 number;          /* of a macvtap's device node, else 0 */
    guint32 egress, ingress; /* the programs of its filters; 0: none */
    LinkPace pace;
    LinkPaceCost pace_cost;
} FakeLink;

typedef struct FakeFailure {
    const char *operation; /* interned */
    guint calls_left;      /* counts down to the failure; 1: the next call */
    int errnum;
} FakeFailure;

typedef enum FakeWatchKind {
    FAKE_LINKS,
    FAKE_ANNOUNCEMENTS,
    FAKE_ADDRESSES,
    FAKE_FILTERS,
    FAKE_NAMESPACES,
    FAKE_ROUTING,
    FAKE_TRANSMIT,
} FakeWatchKind;

/* An event for a watcher. */
typedef struct FakeEvent {
    LinkEventType type; /* FAKE_LINKS */
    LinkInfo link;    /* FAKE_LINKS; the other kinds use only index and the announced guest's mac */
    char address[64]; /* FAKE_ADDRESSES */
    guint32 program;  /* FAKE_FILTERS */
    int number;       /* FAKE_NAMESPACES */
    RoutingChange routing; /* FAKE_ROUTING */
} FakeEvent;

/* A network namespace that has a number: each socket has one of its own. */
typedef struct FakeNamespace {
    guint64 inode;
    int number;
} FakeNamespace;

typedef struct FakeWatcher FakeWatcher;

typedef struct FakeKernel {
    Kernel kernel;       /* first member: the operations */
    GPtrArray *links;    /* of FakeLink, in the order of creation */
    GPtrArray *watchers; /* of FakeWatcher */
    GArray *moved;       /* of LinkInfo: links that are in other network namespaces now */
    GArray *failures;    /* of FakeFailure */
    GHashTable *nodes;   /* ifindex -> FakeNode: the file at /dev/tap<index> */
    gboolean has_no_devtmpfs;
    guint mac_calls;
    guint64 last_number;
    GArray *addresses;          /* of FakeEvent */
    GArray *namespaces;         /* of FakeNamespace */
    GArray *announced;          /* of FakeAnnouncement */
    GArray *paths;              /* of HostPath; without a source: its neighbour entry alone */
    GArray *neighbours;         /* of RoutingChange: what the host knows, and gateways */
    GPtrArray *probes;          /* of FakeProbe */
    guint probe_time;           /* ms */
    GPtrArray *queues;          /* of FakeQueue */
    QueueHandler queue_handler; /* NULL: nobody is watching */
    gpointer queue_data;
    ClaimHandler claim_handler; /* NULL: nobody is listening */
    gpointer claim_data;
    int next_index;
    int next_namespace;
} FakeKernel;

static inline FakeKernel *
fake_kernel(Kernel *kernel)
{
    return (FakeKernel *)kernel;
}

/* control.c. Whether the operation must fail now; then *error is set. */
gboolean fake_fails(FakeKernel *kernel, const char *operation, GError **error);

/* fake.c */
FakeLink *fake_find(FakeKernel *kernel, int index);
/* The link that an operation is to change; NULL: the operation must fail now, or there is no such
 * link ("cannot WHAT link INDEX"). */
FakeLink *fake_take(Kernel *base, const char *operation, int index, const char *what,
                    GError **error);
FakeLink *fake_find_name(FakeKernel *kernel, const char *name);
FakeLink *fake_add(FakeKernel *kernel, const LinkInfo *info);
void fake_remove(FakeKernel *kernel, FakeLink *link);
/* Whether link is a macvlan or a VLAN device on that link. */
gboolean fake_is_upper(const FakeLink *link, int lower_index);

/* node.c */
void fake_node_appear(FakeKernel *kernel, FakeLink *link);
void fake_node_vanish(FakeKernel *kernel, const FakeLink *link);
gboolean fake_node_ensure(Kernel *base, const LinkInfo *link, uid_t user, guint64 *ret_made,
                          GError **error);
gboolean fake_node_remove(Kernel *base, const LinkInfo *link, guint64 number, GError **error);

/* queue.c */
gboolean fake_tap_open(Kernel *base, const LinkInfo *link, const char *owner, guint n_queues,
                       gboolean multi_queue, DescriptorArray *queues, GError **error);
gboolean fake_queue_watch(Kernel *base, QueueHandler handler, gpointer user_data, GError **error);
void fake_queue_catch_up(Kernel *base);
guint fake_queue_count(Kernel *base, const char *owner);
GPtrArray *fake_queue_owners(Kernel *base);
void fake_queue_forget(Kernel *base, const char *owner);
void fake_queue_free(gpointer data);
void fake_queues_end_watch(FakeKernel *kernel);

/* watch.c. fake_tell() queues the event for everyone who watches links. */
void fake_tell(FakeKernel *kernel, LinkEventType type, const LinkInfo *link);
gboolean fake_monitor(Kernel *base, LinkEventHandler handler, gpointer user_data, GError **error);
gboolean fake_watch_transmit(Kernel *base, int index, TransmitHandler handler, gpointer user_data,
                             GError **error);
void fake_unwatch_transmit(Kernel *base, int index);
gboolean fake_watch_announcements(Kernel *base, AnnouncementHandler handler, gpointer user_data,
                                  GError **error);
gboolean fake_watch_addresses(Kernel *base, AddressHandler handler, gpointer user_data,
                              GError **error);
gboolean fake_announce(Kernel *base, int index, const MacAddress *macs, guint n, GError **error);
void fake_addresses_vanish(FakeKernel *kernel, int index);
void fake_tell_filter(FakeKernel *kernel, int index, guint32 program);
gboolean fake_watch_filters(Kernel *base, FilterHandler handler, gpointer user_data,
                            GError **error);
gboolean fake_namespace_number(Kernel *base, int socket_fd, int *ret_number, GError **error);
GArray *fake_namespace_list(Kernel *base, GError **error);
gboolean fake_watch_namespaces(Kernel *base, NamespaceHandler handler, gpointer user_data,
                               GError **error);
void fake_watcher_free(gpointer data);

/* filter.c */
gboolean fake_filters_attach(Kernel *base, int index, const LinkFilters *filters, GError **error);
gboolean fake_filters_are_attached(Kernel *base, int index, const LinkFilters *filters,
                                   gboolean *ret_attached, GError **error);

gboolean fake_set_pace(Kernel *base, int index, const LinkPace *pace, GError **error);
gboolean fake_get_pace(Kernel *base, int index, LinkPace *ret_pace, LinkPaceCost *ret_cost,
                       GError **error);

/* host.c */
gboolean fake_host_link_create(Kernel *base, const HostLinkSpec *spec, LinkInfo *ret_link,
                               GError **error);
gboolean fake_host_link_set_proxies(Kernel *base, int index, const IpAddress *addresses,
                                    gsize n_addresses, GError **error);
GArray *fake_address_list(Kernel *base, GError **error);
GArray *fake_address_recall(Kernel *base, GError **error);
gboolean fake_path_add(Kernel *base, const HostPath *paths, gsize n_paths, GError **error);
gboolean fake_path_remove(Kernel *base, const HostPath *paths, gsize n_paths, GError **error);
GArray *fake_path_list(Kernel *base, int index, GError **error);
GArray *fake_gateway_list(Kernel *base, int index, GError **error);
gboolean fake_neighbour_look(Kernel *base, int index, const IpAddress *address, MacAddress *ret_mac,
                             GError **error);
gboolean fake_station_probe(Kernel *base, const LinkInfo *link, const IpAddress *address,
                            StationHandler handler, gpointer user_data, GError **error);
void fake_station_forget(Kernel *base, int index);
gboolean fake_watch_claims(Kernel *base, ClaimHandler handler, gpointer user_data, GError **error);
void fake_probe_free(gpointer data);
void fake_source_vanish(FakeKernel *kernel, const char *address);
void fake_routes_vanish(FakeKernel *kernel, int index);

/* watch.c */
void fake_tell_routing(FakeKernel *kernel, const RoutingChange *change);
gboolean fake_watch_routing(Kernel *base, RoutingHandler handler, gpointer user_data,
                            GError **error);

/* stack.c. The effects of a link's change on those above and below it. fake_changed() reports the
 * change and passes it on; fake_put_mac() and fake_add_promiscuity() change the link first. */
void fake_changed(FakeKernel *kernel, FakeLink *link);
void fake_put_mac(FakeKernel *kernel, FakeLink *link, const MacAddress *mac);
void fake_add_promiscuity(FakeKernel *kernel, FakeLink *link, int change);
void fake_count_carrier(LinkInfo *link, gboolean had_carrier);
void fake_follow_carrier(const FakeLink *lower, LinkInfo *upper);
void fake_tell_peers(FakeKernel *kernel, const FakeLink *link);
void fake_slave_changed(FakeKernel *kernel, const FakeLink *slave);
void fake_bond_removed(FakeKernel *kernel, const FakeLink *link);

/* macvtap.c. The rules of the kernel's macvlan.c. */
gboolean fake_macvtap_create(Kernel *base, const MacvtapSpec *spec, LinkInfo *ret_link,
                             GError **error);
gboolean fake_macvlan_create(Kernel *base, const MacvtapSpec *spec, const char *kind,
                             LinkInfo *ret_link, GError **error);
gboolean fake_set_up(Kernel *base, int index, gboolean up, GError **error);
gboolean fake_change(Kernel *base, int index, const LinkChange *change, GError **error);
gboolean fake_set_mac(Kernel *base, int index, const MacAddress *mac, GError **error);
gboolean fake_set_mode(Kernel *base, int index, MacvtapMode mode, GError **error);
gboolean fake_set_broadcast_queue(Kernel *base, int index, guint32 length, GError **error);
gboolean fake_set_promisc(Kernel *base, int index, gboolean promisc, GError **error);
gboolean fake_set_sources(Kernel *base, int index, const MacAddress *sources, gsize n_sources,
                          GError **error);
void fake_macvlan_removed(FakeKernel *kernel, const FakeLink *link);

/* vlan.c. The rules of the kernel's vlan.c and vlan_dev.c. */
gboolean fake_vlan_create(Kernel *base, const VlanSpec *spec, LinkInfo *ret_link, GError **error);
