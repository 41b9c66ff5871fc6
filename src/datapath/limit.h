/* SPDX-License-Identifier: LGPL-2.1-or-later OR GPL-2.0-only */
/*
 * The arithmetic of a port's limits. Compiles for BPF and natively (tests).
 *
 * An allowance is kept as the time at which all that has passed is paid for. It lies in the past
 * while the guest uses less than its rate, but never by more than the burst. A frame passes if that
 * time has come, and adds what it costs; so one frame may be larger than what is left, or even than
 * the burst, and delays those after it. Otherwise a frame of 64 KiB (GSO), as a guest's TCP sends
 * and gets them, would never pass a small limit.
 */
#pragma once

#include "limit-map.h"

#ifdef __bpf__
#define LIMIT_INLINE static inline __attribute__((always_inline))
#else
#define LIMIT_INLINE static inline
#endif

#define LIMIT_SECOND 1000000000ULL
#define LIMIT_LARGEST (1024 * 1024ULL) /* what no frame costs more than, in bytes */

enum {
    LIMIT_HEADERS =
        66, /* bytes in front of each segment's payload: Ethernet, IPv4, TCP with times */
};

/* What a frame of this length costs on the wire, after it has been cut into so many segments. */
LIMIT_INLINE __u64
limit_cost(__u32 length, __u32 segments)
{
    return length + (segments > 1 ? (__u64)(segments - 1) * LIMIT_HEADERS : 0);
}

/* Returns whether it may pass; then it is paid for. */
LIMIT_INLINE int
limit_take(const struct limit_rate *rate, __u64 *until, __u64 now, __u64 cost)
{
    __u64 full = now > rate->burst_time ? now - rate->burst_time : 0;
    __u64 since = *until > full ? *until : full;

    if (rate->per_second == 0)
        return 1;
    /* Further ahead than any frame has put it: by another rate, before a change. */
    if (since > now && since - now > LIMIT_LARGEST * LIMIT_SECOND / rate->per_second)
        since = now;
    if (since > now)
        return 0;
    *until = since + cost * LIMIT_SECOND / rate->per_second;
    return 1;
}
