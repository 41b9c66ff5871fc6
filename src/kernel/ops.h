/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Everything that macvtapd asks the kernel about links and taps: a table of operations with two
 * implementations, Linux (linux.h) and a fake (fake.h). tests/contract runs the same tests on both.
 * The module knows no policy: an operation does what is documented, or fails with ERRNO_ERROR (the
 * kernel's errno) and leaves nothing behind.
 */
#pragma once

#include "descriptor.h"
#include "ip-address.h"
#include "link-info.h"

#include <glib.h>
#include <sys/types.h>

typedef struct Kernel Kernel;

/* The properties of a macvtap. The strings are borrowed for the duration of the call. */
typedef struct MacvtapSpec {
    const char *name; /* free, valid interface name */
    int index;        /* its ifindex; 0: the kernel chooses */
    int parent_index;
    MacvtapMode mode;
    gboolean nopromisc; /* MACVLAN_FLAG_NOPROMISC: passthru leaves the parent's promiscuity alone */
    gboolean set_mac;   /* FALSE in passthru: the device takes the parent's MAC */
    MacAddress mac;
    guint32 mtu;                    /* bytes; 0: the parent's */
    guint32 tx_queue_length;        /* packets; 0: the kernel's default */
    guint32 broadcast_queue_length; /* packets; 0: the kernel's default */
    const MacAddress *sources;      /* source mode's list, n_sources of them */
    gsize n_sources;
    gboolean all_multicast;
    gboolean down;     /* create it down, until link_set_up() */
    const char *alias; /* ifalias */
    /* NULL, or applies what must be in force before a frame can leave the device: called once with
     * its ifindex while it is down. FALSE and ERRNO_ERROR: the device must not be created. */
    gboolean (*before_up)(int index, gpointer user_data, GError **error);
    gpointer before_up_data;
} MacvtapSpec;

#define MACVTAP_SOURCES_MAX 4096 /* E2BIG above: a netlink attribute ends at 64 KiB */

#define VLAN_ID_MAX 4094

#define ANNOUNCEMENTS_MAX 64 /* in one call of announce() */

/* The properties of a VLAN device (802.1Q, or 802.1ad for the outer of two tags). */
typedef struct VlanSpec {
    const char *name; /* free, valid interface name */
    int index;        /* its ifindex; 0: the kernel chooses */
    int parent_index;
    guint16 id;        /* 1 to VLAN_ID_MAX */
    gboolean is_outer; /* 802.1ad */
    const char *alias; /* ifalias */
} VlanSpec;

/* The properties of a host link: a macvlan in bridge mode by which the host joins the segment. */
typedef struct HostLinkSpec {
    const char *name; /* free, valid interface name */
    int index;        /* its ifindex; 0: the kernel chooses */
    int parent_index;
    MacAddress mac;
    const char *alias; /* ifalias */
    /* As in MacvtapSpec. */
    gboolean (*before_up)(int index, gpointer user_data, GError **error);
    gpointer before_up_data;
} HostLinkSpec;

/* An IP address of a link of the host; one that is still being checked or was refused (IPv6) does
 * not count. */
typedef struct LinkAddress {
    int index;
    IpAddress address;
    guint bits;            /* of the 128, as in IpPrefix: the length of the prefix on the link */
    gboolean is_temporary; /* RFC 8981: it changes by itself */
} LinkAddress;

/* The way from the host to one address on a link: a route to it alone (/32 or /128, table main,
 * protocol KERNEL_ROUTE_PROTOCOL, metric KERNEL_ROUTE_METRIC) and a permanent neighbour entry. */
typedef struct HostPath {
    int index;
    IpAddress address;
    IpAddress source; /* the host's address that it uses then */
    MacAddress mac;
} HostPath;

/* By this number our routes are known from others'; linux/rtnetlink.h and iproute2 have no name for
 * it. The metric is higher than the kernel's own: where another program has a route to the same
 * address alone, that one counts. */
#define KERNEL_ROUTE_PROTOCOL 77
#define KERNEL_ROUTE_METRIC 4096

typedef enum RoutingChangeType {
    ROUTING_ADDRESS,   /* an address of the link came or went */
    ROUTING_PATH_LOST, /* our route, or our neighbour entry on the link, was removed */
    ROUTING_GATEWAY,   /* a route over a next hop on the link came or went */
    ROUTING_NEIGHBOUR, /* the host knows this neighbour by this MAC now; zero: no longer */
    ROUTING_LOST,      /* changes were missed: look at everything; the rest is not set */
} RoutingChangeType;

typedef struct RoutingChange {
    RoutingChangeType type;
    int index;
    IpAddress address; /* PATH_LOST, NEIGHBOUR */
    MacAddress mac;    /* NEIGHBOUR */
} RoutingChange;

typedef void (*RoutingHandler)(const RoutingChange *change, gpointer user_data);

/* A station on the link has this address, says mac; NULL: none has answered. */
typedef void (*StationHandler)(int index, const IpAddress *address, const MacAddress *mac,
                               gpointer user_data);

/* A frame that came in on the link says that mac's station uses or wants this address. */
typedef void (*ClaimHandler)(int index, const IpAddress *address, const MacAddress *mac,
                             gpointer user_data);

/* How long station_probe() waits for an answer, in milliseconds. */
#define STATION_PROBE_TIME 500

/* What to change on a link that we created. Zero: no change. */
typedef struct LinkChange {
    guint32 mtu;             /* bytes */
    guint32 tx_queue_length; /* packets */
    const char *alias;       /* ifalias */
    gboolean all_multicast, no_all_multicast;
    gboolean silence; /* no ARP and no IPv6 on the host's side */
} LinkChange;

/* A link's traffic as the device sees it: received is what its holder gets. */
typedef struct LinkStatistics {
    guint64 rx_packets, tx_packets;
    guint64 rx_bytes, tx_bytes;
    guint64 rx_dropped, tx_dropped;
} LinkStatistics;

typedef enum LinkEventType {
    LINK_EVENT_CHANGED, /* new or changed: link is its present state */
    LINK_EVENT_IPV6, /* the host may use IPv6 on it from now on: only index and name of link are set
                        (the kernel sends this as a separate message) */
    LINK_EVENT_REMOVED, /* only index, name and moved_* of link are set */
    LINK_EVENT_LOST,    /* events were lost (ENOBUFS): check everything again; link is empty */
} LinkEventType;

typedef void (*LinkEventHandler)(LinkEventType type, const LinkInfo *link, gpointer user_data);

/* A loaded BPF program of type SCHED_CLS: its descriptor, borrowed, and its kernel ID. */
typedef struct LinkProgram {
    int fd;
    guint32 id;
} LinkProgram;

/* egress sees what a link sends (for a macvtap: what its guest sends), ingress what it receives. */
typedef struct LinkFilters {
    LinkProgram egress, ingress;
} LinkFilters;

/* How fast a link may send: what exceeds the rate waits in a queue, and is dropped when that is
 * full.
 */
typedef struct LinkPace {
    guint64 rate;  /* bytes per second, of whole frames; 0: no limit */
    guint32 burst; /* bytes that may go at once after a pause; a larger frame is cut, or dropped */
    guint32 queue; /* bytes that may wait */
} LinkPace;

typedef struct LinkPaceCost {
    guint64 dropped; /* frames */
    guint64 delayed; /* how often the next frame had to wait */
} LinkPaceCost;

/* A link's filters were changed; program: the ID of the program in our filter now, 0 if it is gone.
 * index 0: events were lost, look at all links. */
typedef void (*FilterHandler)(int index, guint32 program, gpointer user_data);

typedef void (*TransmitHandler)(int index, gpointer user_data);

/* owners: NULL-terminated; at least one queue of each was closed, see queue_count(). */
typedef void (*QueueHandler)(const char *const *owners, gpointer user_data);

/* index: the link on which the announcement of this MAC came in. */
typedef void (*AnnouncementHandler)(int index, const MacAddress *mac, gpointer user_data);

/* index: the link that has the address, as "192.0.2.1/24" (valid during the call); NULL: it has
 * lost one.
 */
typedef void (*AddressHandler)(int index, const char *address, gpointer user_data);

/* The network namespace with this number has ended; -1: events were lost, see namespace_list(). */
typedef void (*NamespaceHandler)(int number, gpointer user_data);

typedef struct KernelOps {
    /* ENODEV: there is no such link. name: its name or an alternative name. */
    gboolean (*link_by_name)(Kernel *kernel, const char *name, LinkInfo *ret_link, GError **error);
    gboolean (*link_by_index)(Kernel *kernel, int index, LinkInfo *ret_link, GError **error);

    /* Like link_by_name(), but answers from past events where they suffice: only carrier,
     * operational state and promiscuity may be those of the last event, and never a bond's. */
    gboolean (*link_recall)(Kernel *kernel, const char *name, LinkInfo *ret_link, GError **error);

    /* Every link of the namespace, as a GArray of LinkInfo (free with g_array_unref). */
    GArray *(*link_list)(Kernel *kernel, GError **error);

    /*
     * Creates a macvtap with its alias and without an IPv6 address on the host's side, and sets it
     * up. *ret_link is the finished device (in passthru with the parent's MAC). On failure nothing
     * is left. EEXIST: name taken. EBUSY: index taken, or the parent is a bridge port. EINVAL:
     * passthru conflict, or MTU above the parent's. EADDRINUSE: the parent or another macvlan on it
     * that is up has the MAC; for a device that stays down, link_set_up() reports it. ENOPKG: the
     * kernel has no macvtap. On a macvlan, the kernel puts the device beside it, on the link below.
     */
    gboolean (*macvtap_create)(Kernel *kernel, const MacvtapSpec *spec, LinkInfo *ret_link,
                               GError **error);

    /*
     * Creates a VLAN device with its alias, without an IPv6 address or ARP on the host's side, and
     * sets it up; while its parent is down it is down, too. On failure nothing is left. EEXIST:
     * name taken, or the parent already has this VLAN. EBUSY: index taken. ERANGE: invalid VLAN ID.
     * EOPNOTSUPP: the parent cannot have VLANs (lo). ENOPKG: the kernel has no VLAN support.
     */
    gboolean (*vlan_create)(Kernel *kernel, const VlanSpec *spec, LinkInfo *ret_link,
                            GError **error);

    /*
     * Creates a macvlan in bridge mode with its alias, on which the host has no IPv4 address and
     * only a link-local IPv6 address, and sets it up; it takes no router's word. On failure nothing
     * is left. Errors as in macvtap_create(). ENOPKG: the kernel has no macvlan.
     */
    gboolean (*host_link_create)(Kernel *kernel, const HostLinkSpec *spec, LinkInfo *ret_link,
                                 GError **error);

    /* Makes the host answer neighbour solicitations on the link for these IPv6 addresses and no
     * others (proxy NDP), and restores the settings that host_link_create() made. Without IPv6 on
     * the link it does nothing. ENODEV: no such link. */
    gboolean (*host_link_set_proxies)(Kernel *kernel, int index, const IpAddress *addresses,
                                      gsize n_addresses, GError **error);

    /* The addresses of all links, as a GArray of LinkAddress; free with g_array_unref(). */
    GArray *(*address_list)(Kernel *kernel, GError **error);

    /* Like address_list(), but asks the kernel only if an event has come since it was last asked,
     * and always while nobody watches the addresses. The caller does not change the array. */
    GArray *(*address_recall)(Kernel *kernel, GError **error);

    /* Adds paths. EEXIST: the address has such a route already; all others are added anyway. */
    gboolean (*path_add)(Kernel *kernel, const HostPath *paths, gsize n_paths, GError **error);

    /* Removes paths, or what is left of them. */
    gboolean (*path_remove)(Kernel *kernel, const HostPath *paths, gsize n_paths, GError **error);

    /* The paths over this link, as a GArray of HostPath; free with g_array_unref(). If a part of
     * one is missing, its source or its MAC is zero. */
    GArray *(*path_list)(Kernel *kernel, int index, GError **error);

    /* The next hops of routes over this link, as a GArray of IpAddress; free with g_array_unref().
     */
    GArray *(*gateway_list)(Kernel *kernel, int index, GError **error);

    /* The MAC by which the host knows this neighbour on the link; zero: it knows none. */
    gboolean (*neighbour_look)(Kernel *kernel, int index, const IpAddress *address,
                               MacAddress *ret_mac, GError **error);

    /* Calls handler from the thread-default main context for each change from now on. */
    gboolean (*watch_routing)(Kernel *kernel, RoutingHandler handler, gpointer user_data,
                              GError **error);

    /* Asks on the link, from its own MAC and without naming an address of the host, who has this
     * address. Calls handler once, from the thread-default main context, when a station other than
     * the link itself answers or STATION_PROBE_TIME is over. One probe for each address and link.
     * ENODEV: no such link. */
    gboolean (*station_probe)(Kernel *kernel, const LinkInfo *link, const IpAddress *address,
                              StationHandler handler, gpointer user_data, GError **error);

    /* Calls handler from the thread-default main context for what ARP and neighbour discovery say
     * that comes in on any link, at most some hundred times a second: the rest is lost. May be
     * called once per kernel. */
    gboolean (*watch_claims)(Kernel *kernel, ClaimHandler handler, gpointer user_data,
                             GError **error);

    /* Ends all probes on the link (0: on any) without calling their handlers. */
    void (*station_forget)(Kernel *kernel, int index);

    /* Replaces the list of a macvtap in source mode; the new one may be empty. EINVAL: another
     * mode. EOPNOTSUPP: not a macvtap. */
    gboolean (*macvtap_set_sources)(Kernel *kernel, int index, const MacAddress *sources,
                                    gsize n_sources, GError **error);

    /* Changes the mode of a macvtap. EINVAL: to or from passthru. EOPNOTSUPP: not a macvtap. */
    gboolean (*macvtap_set_mode)(Kernel *kernel, int index, MacvtapMode mode, GError **error);

    /* Sets the length of the queue for broadcasts on a macvtap's parent (packets, at least 1); the
     * longest that any macvtap of the parent asks for applies. EOPNOTSUPP: not a macvtap. */
    gboolean (*macvtap_set_broadcast_queue)(Kernel *kernel, int index, guint32 length,
                                            GError **error);

    /* Sets whether a macvtap in passthru mode makes its parent promiscuous; takes effect at once.
     * The device must be up, as the kernel miscounts otherwise. EOPNOTSUPP: not a macvtap. */
    gboolean (*macvtap_set_promisc)(Kernel *kernel, int index, gboolean promisc, GError **error);

    gboolean (*link_statistics)(Kernel *kernel, int index, LinkStatistics *ret_statistics,
                                GError **error);

    /* Whether the link is a Wi-Fi station or access point (one of cfg80211's in sysfs). */
    gboolean (*link_is_wireless)(Kernel *kernel, const LinkInfo *link);

    /* The link's speed in Mbit/s; 0 if it has none now, or does not know it. */
    guint (*link_speed)(Kernel *kernel, const LinkInfo *link);

    /* Sets the device's MAC; in passthru also the parent's. */
    gboolean (*link_set_mac)(Kernel *kernel, int index, const MacAddress *mac, GError **error);

    /* Changes a link. A failure may leave a part of the changes. ENODEV: no such link. EINVAL: a
     * macvtap's MTU above its parent's. */
    gboolean (*link_change)(Kernel *kernel, int index, const LinkChange *change, GError **error);

    /* Sets the link up or down. Up: EADDRINUSE as for macvtap_create(). */
    gboolean (*link_set_up)(Kernel *kernel, int index, gboolean up, GError **error);

    /* Removes links in as few RCU grace periods as possible; a missing link is not an error. *error
     * is the first failure; the other links are removed anyway. */
    gboolean (*link_delete)(Kernel *kernel, const int *indexes, gsize n_indexes, GError **error);

    /* The links of this kind with an alias in the other network namespaces to which links were
     * moved from ours and which we may access: a GArray of LinkInfo, with moved_*, free with
     * g_array_unref(). */
    GArray *(*link_list_moved)(Kernel *kernel, const char *kind, GError **error);

    /* Removes a link that was moved out of our network namespace (see LinkInfo) if it has this
     * alias there; one that is gone, with or without its namespace, is not an error. EACCES: not
     * permitted. */
    gboolean (*link_delete_moved)(Kernel *kernel, int netns, int index, const char *alias,
                                  GError **error);

    /*
     * Opens n_queues queues of the macvtap and appends their descriptors to queues: non-blocking,
     * close-on-exec, TAP | NO_PI | VNET_HDR, MULTI_QUEUE when multi_queue. Each is verified: it is
     * opened through a node with the device's number in sysfs, and TUNGETIFF returns the link's
     * name. They count as owner's (a name of letters and digits) until the last copy of each is
     * closed, in any process. On failure queues is unchanged.
     */
    gboolean (*tap_open)(Kernel *kernel, const LinkInfo *link, const char *owner, guint n_queues,
                         gboolean multi_queue, DescriptorArray *queues, GError **error);

    /*
     * Calls handler from the thread-default main context when queues of tap_open() were closed.
     * Adopts the queues that an earlier daemon of this network namespace opened and that are still
     * open, and removes anything else it left. May be called once per kernel.
     */
    gboolean (*queue_watch)(Kernel *kernel, QueueHandler handler, gpointer user_data,
                            GError **error);

    /* Reports the queues closed so far at once rather than from the main loop, so that for a caller
     * who closed a queue before a request it no longer counts as open. */
    void (*queue_catch_up)(Kernel *kernel);

    /* The number of this owner's open queues. */
    guint (*queue_count)(Kernel *kernel, const char *owner);

    /* The owners with open queues: a GPtrArray of text; free with g_ptr_array_unref(). */
    GPtrArray *(*queue_owners)(Kernel *kernel);

    /* Stops reporting this owner's queues; it may have none. */
    void (*queue_forget)(Kernel *kernel, const char *owner);

    /*
     * Makes sure that /dev/tap<index> is the macvtap's node, and that only root and this user may
     * open it. *ret_made is the device's number if the node had to be created, 0 if it existed
     * (devtmpfs). EBUSY: another file has this path. EPERM: the node was given to another user.
     * EOPNOTSUPP: /dev has no access lists.
     */
    gboolean (*tap_node_ensure)(Kernel *kernel, const LinkInfo *link, uid_t user, guint64 *ret_made,
                                GError **error);

    /* Removes /dev/tap<index> if it is the node of this device number (0: the number of the link,
     * which must exist); any other file stays, which is not an error. A process that holds the node
     * can no longer open it. EPERM: as above; the node stays. */
    gboolean (*tap_node_remove)(Kernel *kernel, const LinkInfo *link, guint64 number,
                                GError **error);

    /*
     * Calls handler once from the thread-default main context when the link has sent a frame;
     * replaces any earlier handler. ENODEV: no such link.
     */
    gboolean (*watch_transmit)(Kernel *kernel, int index, TransmitHandler handler,
                               gpointer user_data, GError **error);

    /* Removes the handler, if there is one. */
    void (*unwatch_transmit)(Kernel *kernel, int index);

    /* Calls handler from the thread-default main context for each announcement of a guest (RARP,
     * broadcast) that comes in on any link from now on, and also for links on top of it whose
     * frames the host gets, as from a macvtap without an open queue; not for those of announce()
     * that a switch sends back. */
    gboolean (*watch_announcements)(Kernel *kernel, AnnouncementHandler handler, gpointer user_data,
                                    GError **error);

    /*
     * Sends such an announcement of each of the n MACs from the link, by way of its active slave if
     * it is a bond. The links on top of it do not see them. n is at most ANNOUNCEMENTS_MAX. At the
     * first failure, the others are not sent. ENODEV: no such link. ENETDOWN: it is down. ENOBUFS
     * or EAGAIN: its queue is full.
     */
    gboolean (*announce)(Kernel *kernel, int index, const MacAddress *macs, guint n,
                         GError **error);

    /* Calls handler from the thread-default main context for each IP address that a link has or
     * gets from now on, possibly more than once for the same one, and when a link loses one. */
    gboolean (*watch_addresses)(Kernel *kernel, AddressHandler handler, gpointer user_data,
                                GError **error);

    /* Puts both programs at a link, in place of those that we had put there before: a frame meets
     * the old one or the new one. ENODEV: no such link. ENOENT: the kernel has no such filters. */
    gboolean (*filters_attach)(Kernel *kernel, int index, const LinkFilters *filters,
                               GError **error);

    /* Whether the filters are attached. ENODEV: no such link. */
    gboolean (*filters_are_attached)(Kernel *kernel, int index, const LinkFilters *filters,
                                     gboolean *ret_attached, GError **error);

    /* Sets the link's pace, or with rate 0 removes it; frames that wait stay when it is changed.
     * ENODEV: no such link. ENOENT: the kernel has no tbf. */
    gboolean (*link_set_pace)(Kernel *kernel, int index, const LinkPace *pace, GError **error);

    /* What link_set_pace() has set, rate 0 if that is gone, and its cost since then. ENODEV: no
     * such link. */
    gboolean (*link_get_pace)(Kernel *kernel, int index, LinkPace *ret_pace, LinkPaceCost *ret_cost,
                              GError **error);

    /* Calls handler from the thread-default main context when others make, replace or take
     * away filters of any link; not when they go with their link. Also when its pace is removed,
     * with program 0. */
    gboolean (*watch_filters)(Kernel *kernel, FilterHandler handler, gpointer user_data,
                              GError **error);

    /* The number that a socket's network namespace has here, and gets if it has none; it keeps it
     * until it ends. socket_fd is borrowed. EAGAIN: ask again. */
    gboolean (*namespace_number)(Kernel *kernel, int socket_fd, int *ret_number, GError **error);

    /* The numbers of all network namespaces that have one here and have not ended: a GArray of int;
     * free with g_array_unref(). */
    GArray *(*namespace_list)(Kernel *kernel, GError **error);

    /* Calls handler from the thread-default main context when a network namespace ends that has a
     * number here. */
    gboolean (*watch_namespaces)(Kernel *kernel, NamespaceHandler handler, gpointer user_data,
                                 GError **error);

    /* Calls handler from the thread-default main context for each link event from now on. */
    gboolean (*monitor)(Kernel *kernel, LinkEventHandler handler, gpointer user_data,
                        GError **error);

    void (*free)(Kernel *kernel);
} KernelOps;

/* The first member of each implementation. */
struct Kernel {
    const KernelOps *ops;
};

static inline void
kernel_free(Kernel *kernel)
{
    if (kernel)
        kernel->ops->free(kernel);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Kernel, kernel_free)
