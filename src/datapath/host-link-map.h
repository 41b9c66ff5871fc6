/* SPDX-License-Identifier: LGPL-2.1-or-later OR GPL-2.0-only */
/*
 * What user space and the programs of host links (host-link.bpf.c) share. All addresses are in
 * network byte order, ifindexes those of host links.
 *
 *   host_links    the host's own addresses on the parent, by ifindex      struct host_link
 *   host_ports    the ports that the host reaches, by ifindex and MAC     struct host_port
 *   host_claims   the addresses that guests claim, by ifindex             struct host_claim
 *   host_events   a ring buffer: a station outside the ports has a
 *                 claimed address                                         struct host_heard
 *
 * User space writes all of them, and the programs set `heard`. They are not pinned: a new daemon
 * fills maps of its own, and then replaces the programs, which have kept the old ones until then.
 */
#pragma once

#include <linux/types.h>

enum {
    HOST_LINKS = 1024,
    HOST_PORTS = 8192,
    HOST_CLAIMS = 65536,
    HOST_LINK_ADDRESSES = 32, /* of the host, on one parent */
    HOST_PORT_ADDRESSES = 8,  /* of a port, to which the host has a route */
    HOST_EVENTS = 64 * 1024,  /* size of the ring buffer in bytes */
};

/* IPv4 is ::ffff:a.b.c.d. */
struct host_address {
    union {
        __u8 bytes[16];
        __u64 halves[2];
    };
};

struct host_link {
    __u32 n;
    __u32 unused;
    struct host_address addresses[HOST_LINK_ADDRESSES];
};

struct host_port_key {
    __u32 ifindex;
    __u8 mac[6];
    __u8 unused[2];
};

struct host_port {
    __u32 n;
    __u32 unused;
    struct host_address addresses[HOST_PORT_ADDRESSES];
};

struct host_claim_key {
    struct host_address address;
    __u32 ifindex;
    __u32 unused;
};

struct host_claim {
    __u32 heard; /* the event was sent */
    __u32 unused;
};

struct host_heard {
    struct host_address address;
    __u32 ifindex;
    __u8 mac[6]; /* the station's */
    __u8 unused[6];
};
