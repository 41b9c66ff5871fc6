/* SPDX-License-Identifier: LGPL-2.1-or-later OR GPL-2.0-only */
/*
 * What user space and the BPF programs of the datapath share: the values of their maps. Every map
 * but `events` is keyed by the device's ifindex (__u32). Integers are in the host's order,
 * addresses in the network's, times in ns of CLOCK_BOOTTIME. A change of any struct here raises
 * GUARD_MAP_VERSION: maps are pinned in a folder of that number.
 *
 *   settings   written by user space only, read by the programs          struct guard_settings
 *   counters   written by the programs, read by user space               struct guard_counters
 *   state      addresses seen and learned, written by the programs       struct guard_state
 *   events     a ring buffer: the first drop of a kind at a port, and
 *              an address not seen before                                struct guard_event
 *
 * User space makes all three entries of a port, zeroed but for its settings, and takes them away. A
 * port without settings may send nothing (it is guarded before it is up), and gets everything.
 */
#pragma once

#include "guard-values.h"

#ifdef __bpf__
#include <linux/bpf.h>
#endif
#include <linux/types.h>

enum {
    GUARD_MAP_VERSION = 1,
    GUARD_PORTS = 8192,  /* entries of a map; made on demand (BPF_F_NO_PREALLOC) */
    GUARD_PREFIXES = 32, /* of a port's settings */
    GUARD_SEEN = 16,
    GUARD_LEARNED = 16,
    GUARD_ANNOUNCED = 4, /* prefixes of router advertisements */
    GUARD_ROUTERS = 4,
    GUARD_ASKED = 4,           /* DHCP transactions */
    GUARD_REASONS = 64,        /* room; GUARD_REASON_COUNT of them are in use */
    GUARD_EXAMPLE = 96,        /* bytes of a dropped frame in an event */
    GUARD_EVENTS = 256 * 1024, /* bytes of the ring buffer */
    GUARD_EVENT_SEEN = 255,    /* not a GuardReason */
    GUARD_TOKENS = 16,         /* events of seen addresses at once, and one more a second */
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
    __u16 allow; /* GuardAllow */
    __u32 unused;
    struct guard_prefix prefixes[GUARD_PREFIXES];
};

struct guard_counters {
    __u64 dropped[GUARD_REASONS]; /* with GUARD_VERDICT_COUNT: what would have been */
    __u64 told; /* a bit for each reason: its event was sent. User space may clear it */
};

struct guard_seen {
    struct guard_address address;
    __u64 first, last; /* last 0: the slot is free */
    __u32 how;         /* enum guard_how, of the last time */
    __u32 unused;
};

struct guard_learned {
    struct guard_address address;
    __u64 until;     /* the lease's or prefix's end; 0: the slot is free */
    __u64 since;     /* last lease, or last DAD */
    __u64 used;      /* last frame from it */
    __u32 how;       /* GUARD_HOW_ND or _DHCP */
    __u32 contested; /* another station answered the DAD: not the guest's, whatever it says */
};

/* What a router advertisement has told: its sender, or a prefix in which hosts may autoconfigure.
 */
struct guard_announced {
    struct guard_address address;
    __u64 until; /* 0: the slot is free */
};

struct guard_state {
#ifdef __bpf__
    struct bpf_spin_lock lock;
#else
    __u32 lock; /* the programs' alone; an update from user space leaves it as it is */
#endif
    __u32 tokens;
    __u64 tokens_time;
    struct guard_seen seen[GUARD_SEEN];
    struct guard_learned learned[GUARD_LEARNED];
    struct guard_announced announced[GUARD_ANNOUNCED];
    struct guard_announced routers[GUARD_ROUTERS];
    __u32 asked[GUARD_ASKED]; /* the xids, as the guest sent them; 0: none */
    __u32 asked_next;
    __u32 unused;
};

struct guard_event {
    __u32 ifindex;
    __u32 reason; /* GuardReason, or GUARD_EVENT_SEEN */
    __u64 time;
    __u32 length;                 /* of the whole frame */
    __u32 how;                    /* enum guard_how, of a seen address */
    struct guard_address address; /* the seen one */
    __u8 frame[GUARD_EXAMPLE];    /* the dropped frame's beginning, zeroes after its end */
};
