/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Shared by the files of the Linux implementation, and private to them. */
#pragma once

#include "linux.h"
#include "netlink.h"
#include "queue.h"

typedef struct LinuxKernel {
    Kernel kernel; /* first member: the operations */
    Netlink *netlink;
    Netlink *filtered;    /* whose dumps the kernel filters as asked */
    int sysfs_fd;         /* /sys */
    int dev_fd;           /* /dev */
    int taps_fd;          /* tap-events.c; -1: nothing announces them */
    int ipv6_fd;          /* /proc/sys/net/ipv6/conf, -1 if the kernel has no IPv6 */
    GPtrArray *monitors;  /* of GSource */
    int events_fd;        /* what the first monitor of links reads, borrowed; -1 if there is none */
    int addresses_fd;     /* what the first watch of addresses reads, borrowed, or -1 */
    GArray *addresses;    /* of LinkAddress, as last listed; NULL: may have changed; address.c */
    int routing_fd;       /* what routing_watch() will read; -1: it does */
    GHashTable *recalled; /* name -> LinkInfo from its last event; link-recall.c */
    GHashTable *watches;  /* ifindex -> GSource */
    GHashTable *stations; /* ifindex -> the probes on that link; station.c */
    Queues *queues;
    int announce_fd;          /* announcement.c: sends; -1: not open yet, */
    guint32 announce_mark[4]; /* and how its frames are known again */
    GHashTable *groups;       /* link-delete.c: the groups in use, or NULL, */
    gsize groups_serve;       /* and how many more removals the list is good for */
    /* claim.c; NULL: nobody wants to hear them */
    struct Claims *claims;
} LinuxKernel;

static inline LinuxKernel *
linux_kernel(Kernel *kernel)
{
    return (LinuxKernel *)kernel;
}

/* Each is defined beside the code that needs it; linux.c lists them all. */
extern const Privileges monitor_privileges, sysfs_privileges, ipv6_privileges, tap_privileges,
    routing_privileges, station_privileges, tap_node_privileges, transmit_privileges,
    announcement_privileges, address_privileges, filter_privileges, recall_privileges,
    namespace_privileges, claim_privileges;

/* watch.c. A socket that the main loop reads from now on; the first member of the structure that
 * read() gets. */
typedef struct SocketWatch {
    int fd;
    gboolean (*read)(gpointer watch); /* reads one event; FALSE: there are no more for now */
} SocketWatch;

/* take_watch was allocated with g_malloc() and is taken; it is freed with the kernel. */
void socket_watch_start(LinuxKernel *kernel, gpointer take_watch, const char *name);

/* Lets the socket receive these groups (RTNLGRP_*); FALSE and errno. */
gboolean netlink_join_groups(int fd, const int *groups, gsize n_groups);

/* A socket that receives these groups of NETLINK_ROUTE (RTNLGRP_*), or -1: "WHAT: …". */
int netlink_open_groups(const int *groups, gsize n_groups, const char *what, GError **error);

/* Whether there is something to read, even if it is only the error that events were lost. */
gboolean netlink_has_unread(int fd);

/* Reads one datagram and calls take with each of its messages, if the kernel sent it. Returns 0 or
 * an errno: EAGAIN if there is none, ENOBUFS or EMSGSIZE if something was lost. */
typedef void (*NetlinkTake)(struct nlmsghdr *message, gpointer user_data);
int netlink_read_groups(int fd, NetlinkTake take, gpointer user_data);

/* After a loss, which is reported before what is still queued. */
void netlink_drop_unread(int fd);

/* link-parse.c. Reads an RTM_NEWLINK or RTM_DELLINK of AF_UNSPEC; FALSE for anything else. */
gboolean link_parse(struct nlmsghdr *message, LinkInfo *ret_link);

/* Reads an RTM_NEWLINK of AF_INET6 which says that the host may use IPv6 on the link; FALSE for
 * anything else. Only index and name are set. */
gboolean link_parse_ipv6(struct nlmsghdr *message, LinkInfo *ret_link);

/* link-create.c. The settings that every new link gets before and while it is set up. */
typedef struct LinkSetup {
    const char *name;
    int index; /* 0: the kernel chooses */
    int parent_index;
    guint32 flags;              /* IFF_*, in addition to those for up and without ARP */
    gboolean rises_with_parent; /* cannot go up while the parent is down; the kernel sets it up with
                                   the parent */
    gboolean stays_down;
    gboolean is_hosts; /* ARP and IPv6 stay on: the link is for the host itself */
    const char *alias;
    gboolean (*before_up)(int index, gpointer user_data, GError **error); /* see MacvtapSpec */
    gpointer before_up_data;
} LinkSetup;

/* An RTM_NEWLINK to be completed with the kind's attributes, which take size bytes. */
NetlinkMessage *link_create_request(const LinkSetup *setup, gsize size);

/* Sends that request and finishes the link. On failure nothing is left. */
gboolean link_create(LinuxKernel *kernel, NetlinkMessage *request, const LinkSetup *setup,
                     const char *what, LinkInfo *ret_link, GError **error);

/* The operation of ops.h. */
gboolean link_change(Kernel *kernel, int index, const LinkChange *change, GError **error);

/* host-link.c. The IPv6 settings of a host link; *ret_has_ipv6: whether there are any. */
gboolean host_link_settle(LinuxKernel *kernel, const char *name, const char *what,
                          gboolean *ret_has_ipv6, GError **error);

/* link-recall.c. Notes an event that was read from events_fd. */
gboolean link_recall(Kernel *kernel, const char *name, LinkInfo *ret_link, GError **error);
void link_recall_update(LinuxKernel *kernel, LinkEventType type, const LinkInfo *link);

/* link.c */
NetlinkMessage *link_get_request(int index, const char *name);
gboolean link_get_by_name(Kernel *kernel, const char *name, LinkInfo *ret_link, GError **error);
gboolean link_get_by_index(Kernel *kernel, int index, LinkInfo *ret_link, GError **error);
GArray *link_get_all(Kernel *kernel, GError **error);
gboolean link_change_up(Kernel *kernel, int index, gboolean up, GError **error);
gboolean link_change_mac(Kernel *kernel, int index, const MacAddress *mac, GError **error);
gboolean link_count(Kernel *kernel, int index, LinkStatistics *ret_statistics, GError **error);
gboolean link_is_wireless(Kernel *kernel, const LinkInfo *link);
guint link_speed(Kernel *kernel, const LinkInfo *link);

/* tap-events.c. A socket for the kernel's announcements of new taps, or -1; the device number that
 * they gave this link's, if it has not been read before. */
int tap_events_open(void);
gboolean tap_events_find(int fd, const LinkInfo *link, dev_t *ret_device);

/* tap.c. The device's number in sysfs; an O_PATH descriptor of /dev/<name> if that is a character
 * device with this number, else -1 and errno: ENOENT, ENODEV for any other file, or the failure of
 * the look-up; whether another user owns the node. */
gboolean tap_read_number(LinuxKernel *kernel, const LinkInfo *link, dev_t *ret_device,
                         GError **error);
int tap_hold_node(LinuxKernel *kernel, const char *name, dev_t device);
gboolean tap_is_given_away(int node_fd);

/* filter.c. A request of this type (RTM_*QDISC, RTM_*TFILTER), with room for attributes; free with
 * nlmsg_free(). */
struct tcmsg;
NetlinkMessage *tc_request(guint16 type, guint16 flags, const struct tcmsg *body);

/* macvtap.c, vlan.c, link-delete.c, tap.c, tap-node.c, transmit.c, announcement.c, address.c,
 * filter.c, namespace.c, send-limit.c, monitor.c: the operations of ops.h */
gboolean macvtap_make(Kernel *kernel, const MacvtapSpec *spec, LinkInfo *ret_link, GError **error);
gboolean macvtap_change_sources(Kernel *kernel, int index, const MacAddress *sources,
                                gsize n_sources, GError **error);
gboolean macvtap_change_mode(Kernel *kernel, int index, MacvtapMode mode, GError **error);
gboolean macvtap_change_broadcast_queue(Kernel *kernel, int index, guint32 length, GError **error);
gboolean macvtap_change_promisc(Kernel *kernel, int index, gboolean promisc, GError **error);
gboolean vlan_make(Kernel *kernel, const VlanSpec *spec, LinkInfo *ret_link, GError **error);
gboolean link_remove(Kernel *kernel, const int *indexes, gsize n_indexes, GError **error);
GArray *link_get_moved(Kernel *kernel, const char *kind, GError **error);
gboolean link_remove_moved(Kernel *kernel, int netns, int index, const char *alias, GError **error);
gboolean tap_open_queues(Kernel *kernel, const LinkInfo *link, const char *owner, guint n_queues,
                         gboolean multi_queue, DescriptorArray *queues, GError **error);
gboolean tap_watch_queues(Kernel *kernel, QueueHandler handler, gpointer user_data, GError **error);
void tap_catch_up(Kernel *kernel);
guint tap_count_queues(Kernel *kernel, const char *owner);
GPtrArray *tap_list_owners(Kernel *kernel);
void tap_forget_queues(Kernel *kernel, const char *owner);
gboolean tap_make_node(Kernel *kernel, const LinkInfo *link, uid_t user, guint64 *ret_made,
                       GError **error);
gboolean tap_remove_node(Kernel *kernel, const LinkInfo *link, guint64 number, GError **error);
gboolean transmit_watch(Kernel *kernel, int index, TransmitHandler handler, gpointer user_data,
                        GError **error);
void transmit_unwatch(Kernel *kernel, int index);
gboolean announcement_watch(Kernel *kernel, AnnouncementHandler handler, gpointer user_data,
                            GError **error);
gboolean announcement_send(Kernel *kernel, int index, const MacAddress *macs, guint n,
                           GError **error);
gboolean address_watch(Kernel *kernel, AddressHandler handler, gpointer user_data, GError **error);
gboolean filter_attach(Kernel *kernel, int index, const LinkFilters *filters, GError **error);
gboolean filter_is_attached(Kernel *kernel, int index, const LinkFilters *filters,
                            gboolean *ret_attached, GError **error);
gboolean pace_set(Kernel *kernel, int index, const LinkPace *pace, GError **error);
gboolean pace_get(Kernel *kernel, int index, LinkPace *ret_pace, LinkPaceCost *ret_cost,
                  GError **error);
gboolean filter_watch(Kernel *kernel, FilterHandler handler, gpointer user_data, GError **error);
GArray *namespace_get_all(Kernel *kernel, GError **error);
gboolean namespace_give_number(Kernel *kernel, int socket_fd, int *ret_number, GError **error);
gboolean namespace_watch(Kernel *kernel, NamespaceHandler handler, gpointer user_data,
                         GError **error);
gboolean monitor_start(Kernel *kernel, LinkEventHandler handler, gpointer user_data,
                       GError **error);

/* host-link.c, host-path.c, routing.c, station.c */
gboolean host_link_make(Kernel *kernel, const HostLinkSpec *spec, LinkInfo *ret_link,
                        GError **error);
gboolean host_link_set_proxies(Kernel *kernel, int index, const IpAddress *addresses,
                               gsize n_addresses, GError **error);
GArray *address_get_all(Kernel *kernel, GError **error);
GArray *address_recall(Kernel *kernel, GError **error);
gboolean host_path_add(Kernel *kernel, const HostPath *paths, gsize n_paths, GError **error);
gboolean host_path_remove(Kernel *kernel, const HostPath *paths, gsize n_paths, GError **error);
GArray *host_path_list(Kernel *kernel, int index, GError **error);
GArray *gateway_list(Kernel *kernel, int index, GError **error);
gboolean neighbour_look(Kernel *kernel, int index, const IpAddress *address, MacAddress *ret_mac,
                        GError **error);
gboolean routing_watch(Kernel *kernel, RoutingHandler handler, gpointer user_data, GError **error);
gboolean station_probe(Kernel *kernel, const LinkInfo *link, const IpAddress *address,
                       StationHandler handler, gpointer user_data, GError **error);
void station_forget(Kernel *kernel, int index);
void station_free(gpointer data);

/* claim.c */
gboolean claim_watch(Kernel *kernel, ClaimHandler handler, gpointer user_data, GError **error);
void claim_free(struct Claims *claims);

/* routing.c. An IP address in a message, of this family; FALSE: it has another length. */
gboolean routing_parse_ip(const struct nlattr *attribute, int family, IpAddress *ret_address);

/* The bytes of an address in a message, and how many; its family. */
const guint8 *routing_ip_bytes(const IpAddress *address, int *ret_length);
int routing_family(const IpAddress *address);

/* The MAC and address in an RTM_NEWNEIGH or RTM_DELNEIGH; the MAC is zero if the neighbour does not
 * answer. FALSE for a proxy entry, or no IP neighbour. */
gboolean routing_parse_neighbour(struct nlmsghdr *message, RoutingChange *ret_change);

/* Calls visit for each next hop in an RTM_NEWROUTE or RTM_DELROUTE. */
void routing_each_gateway(struct nlmsghdr *message,
                          void (*visit)(int index, const IpAddress *gateway, gpointer user_data),
                          gpointer user_data);
