/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What doctor reads from the machine. root: a prefix of /proc and /lib; "" for the machine itself.
 * */
#pragma once

#include "ip-address.h"

#include <glib.h>
#include <sys/types.h>

typedef enum HostModule {
    HOST_MODULE_WORKS,    /* loaded, or part of the kernel */
    HOST_MODULE_LOADABLE, /* the kernel loads it when it is first needed */
    HOST_MODULE_MISSING,
    HOST_MODULE_UNKNOWN, /* not loaded, and the running kernel's modules are not visible */
} HostModule;

/* name: "macvtap", "8021q" or "vhost_net"; release: uname(2)'s. */
HostModule host_look_module(const char *root, const char *release, const char *name);

typedef struct HostProcess {
    pid_t pid;
    char name[16];    /* proc_pid_comm(5) */
    gboolean is_here; /* in our network namespace, or unknown */
} HostProcess;

/* All processes, of HostProcess; g_array_unref() it. */
GArray *host_list_processes(const char *root);

/* The inodes (guint64) of packet sockets in our network namespace that receive IP or ARP from only
 * this link, like those of DHCP clients; g_array_unref() it. */
GArray *host_list_packet_sockets(const char *root, int index);

/* The process that has the socket with this inode; NULL: none, or not permitted to look. */
const HostProcess *host_find_socket(const char *root, const GArray *processes, guint64 inode);

/* Whether text is a word in the command line of one of these processes (proc_pid_cmdline(5)). */
gboolean host_has_argument(const char *root, const GArray *processes, const char *text);

typedef struct HostAddress {
    char interface[16]; /* IFNAMSIZ */
    char text[46];      /* INET6_ADDRSTRLEN */
    gboolean is_link_local;
} HostAddress;

/* The IP addresses of our network namespace, of HostAddress; g_array_unref() it. */
GArray *host_list_addresses(void);

/* The MACs of all links of our network namespace, of MacAddress, also those of other users' ports;
 * g_array_unref() it. */
GArray *host_list_macs(void);

/* Whether the kernel has lately seen the neighbour with this address answer on the interface
 * (NUD_REACHABLE). A neighbour that is only known does not count: it may have died since. */
gboolean host_neighbour_answers(const char *interface, const IpAddress *address);

/* Whether an IPv4 or IPv6 default route goes out through this interface. */
gboolean host_has_default_route(const char *root, const char *interface);

/* Whether the macvtapd that this process listens for (macvtap_client_get_peer_pid()) runs in our
 * network namespace. */
gboolean host_has_daemon(int peer);
