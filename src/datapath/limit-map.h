/* SPDX-License-Identifier: LGPL-2.1-or-later OR GPL-2.0-only */
/*
 * What user space and the programs share for a port's limits: two maps keyed by the device's
 * ifindex. Raise GUARD_MAP_VERSION (guard-map.h) with any change here, as their pins have that
 * number, too.
 *
 *   limits    written by user space, for a port that has a limit here    struct limit_settings
 *   limited   where each limit stands, and its cost; user space creates
 *             and removes it with the other                              struct limit_state
 *
 * What a guest sends is not limited in bytes here but by a queueing discipline
 * (src/kernel/send-limit.c): a program can only drop.
 */
#pragma once

#ifdef __bpf__
#include <linux/bpf.h>
#endif
#include <linux/types.h>

/* An allowance that grows all the time up to its burst. */
struct limit_rate {
    __u64 per_second; /* bytes or frames; 0: no limit */
    __u64 burst_time; /* in ns: how long it has grown when it is full */
};

struct limit_settings {
    struct limit_rate receive;    /* bytes for the guest, */
    struct limit_rate broadcasts; /* and broadcast and multicast frames from it */
};

struct limit_state {
#ifdef __bpf__
    struct bpf_spin_lock lock;
#else
    __u32 lock; /* for the programs only; updates from user space leave it unchanged */
#endif
    __u32 unused;
    /* When all that has passed is paid for: in ns of CLOCK_BOOTTIME. */
    __u64 receive_until, broadcasts_until;
    __u64 received_dropped, received_bytes_dropped, broadcasts_dropped;
};
