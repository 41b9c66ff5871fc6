/* SPDX-License-Identifier: LGPL-2.1-or-later OR GPL-2.0-only */
/*
 * How the guard's rules read a frame. The rules compile for BPF (guard.bpf.c, GUARD_BPF) and
 * natively (tests), so they touch a frame, its port's state and the clock through these functions
 * only, which either side defines:
 *
 * - frame_load() copies length bytes from offset; negative, if the frame has not that many. The
 *   frame need not lie in one piece, and its length is known only here.
 * - frame_length() is that of the whole frame, in bytes, tags included.
 * - frame_is_tagged(): its outer VLAN tag lies beside it, not in it.
 * - frame_unfinished(): it asks for a checksum from *ret_start (an offset in the frame) on, to be
 *   written *ret_offset bytes after that.
 * - frame_state() is what is known of its port; NULL: nothing can be.
 * - frame_now() is the time in ns of CLOCK_BOOTTIME.
 * - state_lock(), state_unlock()
 *
 * and, when an address is learned, what others have on the frame's link:
 *
 *   frame_port()           the ifindex of its port
 *   frame_state_of()       the state of another port; NULL: it is gone
 *   frame_is_withheld()    no port of the link may learn the address
 *   frame_learner()        the port that has learned it, to be changed; NULL: none
 *   frame_add_learner(), frame_remove_learner()
 */
#pragma once

#include "guard-map.h"

#ifdef GUARD_BPF
typedef struct __sk_buff Frame;
/* The verifier checks a global function once, on its own, however often it is called. */
#define GUARD_PART __attribute__((noinline))
#define GUARD_INLINE static inline __attribute__((always_inline))
#else
typedef struct Frame Frame;
#define GUARD_PART static inline
#define GUARD_INLINE static inline
#endif

GUARD_INLINE int frame_load(Frame *frame, __u32 offset, void *buffer, __u32 length);
GUARD_INLINE int frame_load_eth(Frame *frame, __u8 *buffer);
GUARD_INLINE __u32 frame_length(Frame *frame);
GUARD_INLINE int frame_is_tagged(Frame *frame);
GUARD_INLINE int frame_unfinished(Frame *frame, __u32 *ret_start, __u32 *ret_offset);
GUARD_INLINE struct guard_state *frame_state(Frame *frame);
GUARD_INLINE __u64 frame_now(void);
GUARD_INLINE void state_lock(struct guard_state *state);
GUARD_INLINE void state_unlock(struct guard_state *state);
GUARD_INLINE __u32 frame_port(Frame *frame);
GUARD_INLINE struct guard_state *frame_state_of(Frame *frame, __u32 port);
GUARD_INLINE int frame_is_withheld(Frame *frame, const struct guard_place *place);
GUARD_INLINE __u32 *frame_learner(Frame *frame, const struct guard_place *place);
GUARD_INLINE void frame_add_learner(Frame *frame, const struct guard_place *place);
GUARD_INLINE void frame_remove_learner(Frame *frame, const struct guard_place *place);

enum {
    GUARD_PASS = -1, /* otherwise a GuardReason */
    GUARD_ETH = 14,
    GUARD_MAC = 6,
};

/* What a frame says about its sender, or about the guest that receives it. */
enum guard_claim_kind {
    GUARD_CLAIM_NOTHING,
    GUARD_CLAIM_USES, /* the guest uses this address */
    GUARD_CLAIM_DAD,  /* it asks whether another host does, and will use the address if not */
    GUARD_CLAIM_ASKS, /* there is a DHCP client's message at `offset` */
};

struct guard_claim {
    struct guard_address address;
    __u32 kind; /* enum guard_claim_kind */
    __u32 how;  /* enum guard_how */
    __u32 offset;
    __u32 unused;
};

GUARD_INLINE __u16
guard_get16(const __u8 *at)
{
    return (__u16)(at[0] << 8 | at[1]);
}

GUARD_INLINE __u32
guard_get32(const __u8 *at)
{
    return (__u32)guard_get16(at) << 16 | guard_get16(at + 2);
}

/* Converts to and from network byte order. */
GUARD_INLINE __u64
guard_swap64(__u64 number)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    return __builtin_bswap64(number);
#else
    return number;
#endif
}

GUARD_INLINE int
guard_same_mac(const __u8 *one, const __u8 *other)
{
    __u8 differ = 0;

    for (int i = 0; i < GUARD_MAC; i++)
        differ |= one[i] ^ other[i];
    return differ == 0;
}

GUARD_INLINE void
guard_address_ipv4(struct guard_address *address, const __u8 *bytes)
{
    address->halves[0] = 0;
    address->halves[1] = guard_swap64(0xffff00000000 | guard_get32(bytes));
}

GUARD_INLINE void
guard_address_ipv6(struct guard_address *address, const __u8 *bytes)
{
    address->halves[0] = guard_swap64((__u64)guard_get32(bytes) << 32 | guard_get32(bytes + 4));
    address->halves[1] =
        guard_swap64((__u64)guard_get32(bytes + 8) << 32 | guard_get32(bytes + 12));
}

GUARD_INLINE int
guard_same_address(const struct guard_address *one, const struct guard_address *other)
{
    return one->halves[0] == other->halves[0] && one->halves[1] == other->halves[1];
}

GUARD_INLINE int
guard_is_unspecified(const struct guard_address *address)
{
    return address->halves[0] == 0 &&
           (address->halves[1] == 0 || address->halves[1] == guard_swap64(0xffff00000000));
}

/* ::ffff:0:0/96 stands for an IPv4 address here; no IPv6 packet has such an address. */
GUARD_INLINE int
guard_is_mapped(const struct guard_address *address)
{
    return (address->halves[0] | (guard_swap64(address->halves[1]) >> 32 ^ 0xffff)) == 0;
}

/* fe80::/10 */
GUARD_INLINE int
guard_is_link_local(const struct guard_address *address)
{
    return (address->bytes[0] == 0xfe) & ((address->bytes[1] & 0xc0) == 0x80);
}

GUARD_INLINE int
guard_in_prefix(const struct guard_address *address, const struct guard_prefix *prefix)
{
    __u64 length = prefix->length, rest = ~(~0ULL >> (length & 63));
    __u64 is_long = -((length >> 6 | length >> 7) & 1); /* 64 bits or more; without a branch, as the
                                                           verifier follows each in each prefix */
    __u64 high = rest | is_long;
    __u64 low = (rest & is_long) | -(length >> 7);

    high &= guard_swap64(address->halves[0] ^ prefix->address.halves[0]);
    low &= guard_swap64(address->halves[1] ^ prefix->address.halves[1]);
    return (high | low) == 0;
}
