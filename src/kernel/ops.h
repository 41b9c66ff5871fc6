/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Everything that macvtapd asks of the kernel about links and taps: one table of operations with
 * two implementations, the Linux one (linux.h) and a fake (fake.h). tests/contract runs one body on
 * both. The module knows no policy: it does one thing as told, or fails with ERRNO_ERROR (the
 * kernel's errno) and leaves nothing behind.
 */
#pragma once

#include "descriptor.h"
#include "link-info.h"

#include <glib.h>
#include <sys/types.h>

typedef struct Kernel Kernel;

/* What a macvtap is made of. The strings are borrowed for the time of the call. */
typedef struct MacvtapSpec {
    const char *name; /* free, valid interface name */
    int index;        /* the ifindex it gets; 0: the kernel chooses */
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
    gboolean down;     /* the device stays down until link_set_up() */
    const char *alias; /* ifalias */
    /* NULL, or what must be in force before a frame can leave the device: called once with its
     * ifindex while it is down. FALSE and ERRNO_ERROR: the device is not to be. */
    gboolean (*before_up)(int index, gpointer user_data, GError **error);
    gpointer before_up_data;
} MacvtapSpec;

#define MACVTAP_SOURCES_MAX 4096 /* E2BIG above: a netlink attribute ends at 64 KiB */

#define VLAN_ID_MAX 4094

/* What a VLAN device is made of (802.1Q, or 802.1ad for the outer tag of two). */
typedef struct VlanSpec {
    const char *name; /* free, valid interface name */
    int index;        /* the ifindex it gets; 0: the kernel chooses */
    int parent_index;
    guint16 id;        /* 1 to VLAN_ID_MAX */
    gboolean is_outer; /* 802.1ad */
    const char *alias; /* ifalias */
} VlanSpec;

/* What is to change of a link that we have made. Zero: it stays as it is. */
typedef struct LinkChange {
    guint32 mtu;             /* bytes */
    guint32 tx_queue_length; /* packets */
    const char *alias;       /* ifalias */
    gboolean all_multicast, no_all_multicast;
    gboolean silence; /* no ARP and no IPv6 of the host's on it */
} LinkChange;

/* What went over a link, from the device's side: received is what its holder gets. */
typedef struct LinkStatistics {
    guint64 rx_packets, tx_packets;
    guint64 rx_bytes, tx_bytes;
    guint64 rx_dropped, tx_dropped;
} LinkStatistics;

typedef enum LinkEventType {
    LINK_EVENT_CHANGED, /* new or changed: link is what it is now */
    LINK_EVENT_IPV6, /* the host may speak IPv6 on it from now on: of link only index and name are
                        set (the kernel tells of it by a message of its own) */
    LINK_EVENT_REMOVED, /* of link only index, name and moved_* are set */
    LINK_EVENT_LOST,    /* events were lost (ENOBUFS): look at everything again; link is empty */
} LinkEventType;

typedef void (*LinkEventHandler)(LinkEventType type, const LinkInfo *link, gpointer user_data);

/* A loaded BPF program of type SCHED_CLS: a descriptor of it, borrowed, and the kernel's ID of it.
 */
typedef struct LinkProgram {
    int fd;
    guint32 id;
} LinkProgram;

/* egress sees what a link sends (of a macvtap: what its guest sends), ingress what it gets. */
typedef struct LinkFilters {
    LinkProgram egress, ingress;
} LinkFilters;

/* Something was done to a link's filters; program: ours is there now with the program of this ID,
 * else 0. index 0: events were lost, look at all links. */
typedef void (*FilterHandler)(int index, guint32 program, gpointer user_data);

typedef void (*TransmitHandler)(int index, gpointer user_data);

/* owners: NULL-terminated; of each at least one queue has been closed, see queue_count(). */
typedef void (*QueueHandler)(const char *const *owners, gpointer user_data);

/* index: the link that the announcement of this MAC came in on. */
typedef void (*AnnouncementHandler)(int index, const MacAddress *mac, gpointer user_data);

/* index: the link that has the address, as "192.0.2.1/24" (the callee's for the time of the call).
 */
typedef void (*AddressHandler)(int index, const char *address, gpointer user_data);

typedef struct KernelOps {
    /* ENODEV when there is no such link. name: its own, or an alternative one. */
    gboolean (*link_by_name)(Kernel *kernel, const char *name, LinkInfo *ret_link, GError **error);
    gboolean (*link_by_index)(Kernel *kernel, int index, LinkInfo *ret_link, GError **error);

    /* As link_by_name(), but it need not ask where the kernel's events have told all: only carrier,
     * operational state and promiscuity may be those of the last event, and never a bond's. */
    gboolean (*link_recall)(Kernel *kernel, const char *name, LinkInfo *ret_link, GError **error);

    /* Every link of the namespace, as a GArray of LinkInfo (free with g_array_unref). */
    GArray *(*link_list)(Kernel *kernel, GError **error);

    /*
     * Makes a macvtap with its alias, without any IPv6 address of its own on the host's side, and
     * sets it up. *ret_link is the finished device (in passthru with the parent's MAC). On failure
     * nothing is left. EEXIST: name taken. EBUSY: index taken, or the parent is a bridge port.
     * EINVAL: passthru conflict, or MTU above the parent's. EADDRINUSE: another macvlan of the
     * parent that is up, or the parent, has the MAC; of a device that stays down link_set_up()
     * says so. ENOPKG: the kernel has no macvtap. On a macvlan the device is beside that, on the
     * link below.
     */
    gboolean (*macvtap_create)(Kernel *kernel, const MacvtapSpec *spec, LinkInfo *ret_link,
                               GError **error);

    /*
     * Makes a VLAN device with its alias, without any IPv6 address or ARP of the host's, and sets
     * it up; on a parent that is down it is down until the parent goes up. On failure nothing is
     * left. EEXIST: name taken, or the parent has this VLAN already. EBUSY: index taken. ERANGE:
     * no such VLAN id. EOPNOTSUPP: the parent takes no VLANs (lo). ENOPKG: the kernel has none.
     */
    gboolean (*vlan_create)(Kernel *kernel, const VlanSpec *spec, LinkInfo *ret_link,
                            GError **error);

    /* Replaces the list of a macvtap in source mode, by an empty one too. EINVAL: another mode.
     * EOPNOTSUPP: no macvtap. */
    gboolean (*macvtap_set_sources)(Kernel *kernel, int index, const MacAddress *sources,
                                    gsize n_sources, GError **error);

    /* Changes the mode of a macvtap. EINVAL: to passthru, or from it. EOPNOTSUPP: no macvtap. */
    gboolean (*macvtap_set_mode)(Kernel *kernel, int index, MacvtapMode mode, GError **error);

    /* How many broadcasts may wait on a macvtap's parent for all that are on it (packets, at least
     * 1): the longest that any of them asks for counts. EOPNOTSUPP: no macvtap. */
    gboolean (*macvtap_set_broadcast_queue)(Kernel *kernel, int index, guint32 length,
                                            GError **error);

    /* Whether a macvtap in passthru mode makes its parent promiscuous; at once. The kernel
     * miscounts when the device is down: it must be up. EOPNOTSUPP: no macvtap. */
    gboolean (*macvtap_set_promisc)(Kernel *kernel, int index, gboolean promisc, GError **error);

    gboolean (*link_statistics)(Kernel *kernel, int index, LinkStatistics *ret_statistics,
                                GError **error);

    /* Whether the link is a Wi-Fi station or access point (cfg80211's, as sysfs shows it). */
    gboolean (*link_is_wireless)(Kernel *kernel, const LinkInfo *link);

    /* Sets the device's MAC; in passthru the parent's with it. */
    gboolean (*link_set_mac)(Kernel *kernel, int index, const MacAddress *mac, GError **error);

    /* Changes a link, all of it or, on failure, perhaps a part. ENODEV: no such link. EINVAL: a
     * macvtap's MTU above its parent's. */
    gboolean (*link_change)(Kernel *kernel, int index, const LinkChange *change, GError **error);

    /* Sets the link up or down. Up: EADDRINUSE as for macvtap_create(). */
    gboolean (*link_set_up)(Kernel *kernel, int index, gboolean up, GError **error);

    /* Removes links in as few RCU grace periods as it can; one that is already gone is no error.
     * *error is the first failure, the others are removed all the same. */
    gboolean (*link_delete)(Kernel *kernel, const int *indexes, gsize n_indexes, GError **error);

    /* The links of this kind that have an alias and are in other network namespaces, of those that
     * links were moved to from ours and that we may look into: a GArray of LinkInfo, with moved_*,
     * free with g_array_unref(). */
    GArray *(*link_list_moved)(Kernel *kernel, const char *kind, GError **error);

    /* Removes a link that was moved out of our network namespace (see LinkInfo) if it has this
     * alias there; one that has gone, with its namespace or without, is no error. EACCES: we may
     * not. */
    gboolean (*link_delete_moved)(Kernel *kernel, int netns, int index, const char *alias,
                                  GError **error);

    /*
     * Opens n_queues queues of the macvtap and appends their descriptors to queues: non-blocking,
     * close-on-exec, TAP | NO_PI | VNET_HDR, MULTI_QUEUE when multi_queue. Each is verified
     * (invariant 2): the number of the node that it is opened through is the device's in sysfs, and
     * TUNGETIFF gives the link's name. They count as owner's (a name of letters and digits) until
     * the last copy of each is closed, in whatever process. On failure queues is as it was.
     */
    gboolean (*tap_open)(Kernel *kernel, const LinkInfo *link, const char *owner, guint n_queues,
                         gboolean multi_queue, DescriptorArray *queues, GError **error);

    /*
     * Calls handler from the thread-default main context when queues of tap_open() have been
     * closed. Takes up those that an earlier daemon of this network namespace has opened and that
     * are still open, and removes what it has left otherwise. Once for each kernel.
     */
    gboolean (*queue_watch)(Kernel *kernel, QueueHandler handler, gpointer user_data,
                            GError **error);

    /* Reports what has been closed so far at once instead of from the main loop, so that a caller
     * who closed a queue before asking is not judged as if it were still open. */
    void (*queue_catch_up)(Kernel *kernel);

    /* How many queues of this owner are open. */
    guint (*queue_count)(Kernel *kernel, const char *owner);

    /* Who has open queues: a GPtrArray of text, owned; free with g_ptr_array_unref(). */
    GPtrArray *(*queue_owners)(Kernel *kernel);

    /* Nothing is reported of this owner's queues any more; there may be none. */
    void (*queue_forget)(Kernel *kernel, const char *owner);

    /*
     * Makes sure that /dev/tap<index> is the macvtap's node, and that nobody but root and this user
     * may open it. *ret_made is the device's number if the node had to be made, 0 if it was there
     * (devtmpfs). EBUSY: something else lies there. EPERM: somebody has given the node to another
     * user. EOPNOTSUPP: /dev has no access lists.
     */
    gboolean (*tap_node_ensure)(Kernel *kernel, const LinkInfo *link, uid_t user, guint64 *ret_made,
                                GError **error);

    /* Removes /dev/tap<index> if it is the node of this device number (0: the link's own, which
     * must be there then); anything else stays, and is no error. Who holds on to the node cannot
     * open it any more. EPERM: as above; it stays. */
    gboolean (*tap_node_remove)(Kernel *kernel, const LinkInfo *link, guint64 number,
                                GError **error);

    /*
     * Calls handler from the thread-default main context when the link has sent a frame, once, and
     * in place of any handler before. ENODEV: no such link.
     */
    gboolean (*watch_transmit)(Kernel *kernel, int index, TransmitHandler handler,
                               gpointer user_data, GError **error);

    /* The handler is not called any more; there need not be one. */
    void (*unwatch_transmit)(Kernel *kernel, int index);

    /* Calls handler from the thread-default main context for each announcement of a guest (RARP,
     * broadcast) that comes in on any link from now on; also for those links on top of that link
     * which give the host what they get, as a macvtap does while no queue of it is open. */
    gboolean (*watch_announcements)(Kernel *kernel, AnnouncementHandler handler, gpointer user_data,
                                    GError **error);

    /* Calls handler from the thread-default main context for each IP address that a link has or
     * gets from now on; for one that it has, more than once at times. */
    gboolean (*watch_addresses)(Kernel *kernel, AddressHandler handler, gpointer user_data,
                                GError **error);

    /* Puts both programs at a link, in place of those that we had put there before: a frame meets
     * the old one or the new one. ENODEV: no such link. ENOENT: the kernel has no such filters. */
    gboolean (*filters_attach)(Kernel *kernel, int index, const LinkFilters *filters,
                               GError **error);

    /* Whether they are there. ENODEV: no such link. */
    gboolean (*filters_are_attached)(Kernel *kernel, int index, const LinkFilters *filters,
                                     gboolean *ret_attached, GError **error);

    /* Calls handler from the thread-default main context when filters of any link are made,
     * replaced or taken away, by us too; not when they go with their link. */
    gboolean (*watch_filters)(Kernel *kernel, FilterHandler handler, gpointer user_data,
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
