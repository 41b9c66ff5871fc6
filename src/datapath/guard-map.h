/* SPDX-License-Identifier: LGPL-2.1-or-later OR GPL-2.0-only */
/*
 * What user space and the BPF programs of the datapath share: the values of their maps. Every map
 * but `events` is keyed by the device's ifindex (__u32). Integers are in host byte order, addresses
 * in network byte order, times in ns of CLOCK_BOOTTIME. Maps are pinned under a name with
 * GUARD_MAP_VERSION. Members may be added at the end of a struct, where 0 must mean what was
 * before, and a map may get more entries: a pinned map with shorter values or fewer entries is
 * copied into the new one. Raise the version with any other change.
 *
 *   settings   written by user space only, read by the programs          struct guard_settings
 *   counters   written by the programs, read by user space               struct guard_counters
 *   state      addresses seen and learned, written by the programs       struct guard_state
 *   dhcp       what the port answers to its guest (dhcp-map.h)   struct dhcp_port
 *   withheld   addresses that no port of a link may learn: the host's,
 *              gateways', other ports'; keyed by struct guard_place,
 *              written by user space only                                __u32
 *   learners   which port has learned an address, keyed by struct
 *              guard_place, written by the programs, and by user space
 *              when a port's link changes: the port's ifindex            __u32
 *   events     a ring buffer: the first drop of a kind at a port, and
 *              an address not seen before                                struct guard_event
 *
 * An entry of `learners` is only a pointer: it holds as long as that port's state has the address.
 *
 * User space creates a port's three entries, zeroed except for the settings, and removes them. A
 * port without settings may send nothing (it is guarded before it is up) and receives everything.
 */
#pragma once

#include "guard-values.h"

#ifdef __bpf__
#include <linux/bpf.h>
#endif
#include <linux/types.h>

enum {
    GUARD_MAP_VERSION = 1,
    GUARD_PORTS = 8192,  /* entries in a map; allocated on demand (BPF_F_NO_PREALLOC) */
    GUARD_PREFIXES = 32, /* in a port's settings */
    GUARD_SEEN = 16,
    GUARD_LEARNED = 16,
    GUARD_ANNOUNCED = 4, /* prefixes from router advertisements */
    GUARD_ROUTERS = 4,
    GUARD_ASKED = 4,           /* DHCP transactions */
    GUARD_WITHHELD = 131072,   /* entries in `withheld`: 16 for each port; allocated on demand */
    GUARD_LEARNERS = 131072,   /* and in `learners`, so that no guest can take another's room */
    GUARD_REASONS = 63,        /* array size; the first GUARD_REASON_COUNT are in use */
    GUARD_EXAMPLE = 96,        /* bytes of a dropped frame in an event */
    GUARD_EVENTS = 256 * 1024, /* size of the ring buffer in bytes */
    GUARD_EVENT_SEEN = 255,    /* not a GuardReason */
    GUARD_TOKENS = 16,         /* burst of events about seen addresses; one more each second */
};

/* How an address was seen or learned. */
enum guard_how {
    GUARD_HOW_ARP = 1,
    GUARD_HOW_ND = 2,
    GUARD_HOW_DHCP = 3,
};

/* IPv4 is ::ffff:a.b.c.d. */
struct guard_address {
    union {
        __u8 bytes[16];
        __u64 halves[2];
    };
};

struct guard_prefix {
    struct guard_address address;
    __u8 length; /* in bits of the 128 */
    __u8 unused[7];
};

struct guard_settings {
    __u8 mac[6];
    __u8 senders;   /* GuardSenders, never AUTO */
    __u8 verdict;   /* GuardVerdict */
    __u8 addresses; /* GuardAddresses */
    __u8 n_prefixes;
    __u16 allow;        /* GuardAllow */
    __u32 answers_dhcp; /* 0: the port has no entry in `dhcp`, which saves each frame the look-up */
    struct guard_prefix prefixes[GUARD_PREFIXES];
    __u32 link;    /* the ifindex of its parent; while that is not here, the last one */
    __u32 recheck; /* whenever it changes, the port gives up learned addresses that are withheld */
};

/* An address on the link that ports have as their parent. */
struct guard_place {
    struct guard_address address;
    __u32 link; /* ifindex */
    __u32 unused;
};

struct guard_counters {
    __u64 dropped[GUARD_REASONS]; /* with GUARD_VERDICT_COUNT: what would have been dropped */
    __u64 last; /* when, for whatever reason; 0: never, or by programs that did not note it */
    __u64 told; /* bit i: the event for reason i was sent; user space may clear it */
};

struct guard_seen {
    struct guard_address address;
    __u64 first, last; /* last_seen 0: the slot is free */
    __u32 how;         /* enum guard_how, of the last sighting */
    __u32 unused;
};

struct guard_learned {
    struct guard_address address;
    __u64 until;     /* the end of the lease or prefix; 0: the slot is free */
    __u64 since;     /* last lease, or last DAD */
    __u64 used;      /* last frame from it */
    __u32 how;       /* GUARD_HOW_ND or _DHCP */
    __u32 contested; /* another host answered the DAD: the guest may not use it */
};

/* From a router advertisement: the router, or a prefix for autoconfiguration. */
struct guard_announced {
    struct guard_address address;
    __u64 until; /* 0: the slot is free */
};

/* What a guest has asked a DHCP server for: in network byte order, 0: it did not say. */
struct guard_request {
    __u32 address;
    __u32 server; /* identifier */
};

struct guard_state {
#ifdef __bpf__
    struct bpf_spin_lock lock;
#else
    __u32 lock; /* for the programs only; updates from user space leave it unchanged */
#endif
    __u32 tokens;
    __u64 tokens_time;
    struct guard_seen seen[GUARD_SEEN];
    struct guard_learned learned[GUARD_LEARNED];
    struct guard_announced announced[GUARD_ANNOUNCED];
    struct guard_announced routers[GUARD_ROUTERS];
    __u32 asked[GUARD_ASKED]; /* the xids, as the guest sent them; 0: unused */
    __u32 asked_next;
    __u32 found; /* the result of a search, under the lock (guard-learn.h) */
    struct guard_request requests[GUARD_ASKED]; /* with the xid of the same number in asked */
    __u32 checked; /* settings.recheck at the last check of the learned addresses */
    __u32 unused;
};

struct guard_event {
    __u32 ifindex;
    __u32 reason; /* GuardReason, or GUARD_EVENT_SEEN */
    __u64 time;
    __u32 length;                 /* of the whole frame */
    __u32 how;                    /* enum guard_how, of a seen address */
    struct guard_address address; /* the address seen */
    __u8 frame[GUARD_EXAMPLE];    /* the first bytes of the dropped frame, padded with zeroes */
};
