/* SPDX-License-Identifier: LGPL-2.1-or-later OR GPL-2.0-only */
/*
 * The datapath's BPF programs, for the two tc hooks of a port's device: attached by a tcx link, or
 * as a cls_bpf filter with direct action. guard-rules.h has the rules and guard-hear.h the
 * learning; this file gives them access to frames, acts on their verdicts, and defines the maps
 * (guard-map.h).
 *
 * A frame that passes goes to the next program or filter at the hook (TC_ACT_UNSPEC, which equals
 * TCX_NEXT), so root's own filters stay in force. A dropped frame reaches none of them.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#define GUARD_BPF
#include "capture.h"
#include "dhcp-rules.h"
#include "guard-hear.h"
#include "guard-plain.h"
#include "limit.h"

/* The kernel offers bpf_probe_read_kernel() only to GPL-compatible programs: this file's second
 * licence applies. */
char guard_license[] SEC("license") = "GPL v2";

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, GUARD_PORTS);
    __type(key, __u32);
    __type(value, struct guard_settings);
} settings SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, GUARD_PORTS);
    __type(key, __u32);
    __type(value, struct guard_counters);
} counters SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, GUARD_PORTS);
    __type(key, __u32);
    __type(value, struct guard_state);
} state SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, GUARD_PORTS);
    __type(key, __u32);
    __type(value, struct dhcp_port);
} dhcp SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, GUARD_PORTS);
    __type(key, __u32);
    __type(value, struct limit_settings);
} limits SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, GUARD_PORTS);
    __type(key, __u32);
    __type(value, struct limit_state);
} limited SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, GUARD_WITHHELD);
    __type(key, struct guard_place);
    __type(value, __u32);
} withheld SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, GUARD_LEARNERS);
    __type(key, struct guard_place);
    __type(value, __u32);
} learners SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, GUARD_EVENTS);
} events SEC(".maps");

/* Only the members of the kernel's struct sk_buff that struct __sk_buff lacks; CO-RE relocates
 * them. */
#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct sk_buff {
    unsigned char *head, *data;
    __u16 csum_start, csum_offset;
    __u8 ip_summed : 2;
};
#pragma clang attribute pop

enum { GUARD_CHECKSUM_PARTIAL = 3 }; /* include/linux/skbuff.h */

GUARD_INLINE int
frame_load(Frame *frame, __u32 offset, void *buffer, __u32 length)
{
    return bpf_skb_load_bytes(frame, offset, buffer, length);
}

/* Nearly every frame has them in its linear part, which saves a call. */
GUARD_INLINE int
frame_load_eth(Frame *frame, __u8 *buffer)
{
    const __u8 *data = (const __u8 *)(long)frame->data;

    if (data + GUARD_ETH > (const __u8 *)(long)frame->data_end)
        return frame_load(frame, 0, buffer, GUARD_ETH);
    __builtin_memcpy(buffer, data, GUARD_ETH);
    return 0;
}

GUARD_INLINE int
frame_load_head(Frame *frame, __u8 *buffer)
{
    const __u8 *data = (const __u8 *)(long)frame->data;

    if (data + DHCP_HEAD > (const __u8 *)(long)frame->data_end)
        return frame_load(frame, 0, buffer, DHCP_HEAD);
    __builtin_memcpy(buffer, data, DHCP_HEAD);
    return 0;
}

GUARD_INLINE const struct guard_head *
frame_head(Frame *frame)
{
    const struct guard_head *head = (const struct guard_head *)(long)frame->data;

    return (const __u8 *)(head + 1) > (const __u8 *)(long)frame->data_end ? 0 : head;
}

GUARD_INLINE int
frame_resize(Frame *frame, __u32 length)
{
    return bpf_skb_change_tail(frame, length, 0);
}

GUARD_INLINE int
frame_store(Frame *frame, __u32 offset, const void *bytes, __u32 length)
{
    return bpf_skb_store_bytes(frame, offset, bytes, length, 0);
}

GUARD_INLINE void
frame_before_answer(Frame *frame)
{
    capture_frame(frame, CAPTURE_SENT, 0);
}

GUARD_INLINE __u32
frame_length(Frame *frame)
{
    return frame->len;
}

GUARD_INLINE int
frame_is_tagged(Frame *frame)
{
    return frame->vlan_present != 0;
}

GUARD_INLINE int
frame_unfinished(Frame *frame, __u32 *ret_start, __u32 *ret_offset)
{
    struct sk_buff *skb = (void *)frame;

    if (BPF_CORE_READ_BITFIELD_PROBED(skb, ip_summed) != GUARD_CHECKSUM_PARTIAL)
        return 0;
    *ret_start = BPF_CORE_READ(skb, csum_start) -
                 (__u32)(BPF_CORE_READ(skb, data) - BPF_CORE_READ(skb, head));
    *ret_offset = BPF_CORE_READ(skb, csum_offset);
    return 1;
}

GUARD_INLINE struct guard_state *
frame_state(Frame *frame)
{
    __u32 port = frame->ifindex;

    return bpf_map_lookup_elem(&state, &port);
}

GUARD_INLINE const struct dhcp_port *
frame_dhcp(Frame *frame)
{
    __u32 port = frame->ifindex;

    return bpf_map_lookup_elem(&dhcp, &port);
}

GUARD_INLINE __u64
frame_now(void)
{
    return bpf_ktime_get_boot_ns();
}

GUARD_INLINE void
state_lock(struct guard_state *locked)
{
    bpf_spin_lock(&locked->lock);
}

GUARD_INLINE void
state_unlock(struct guard_state *locked)
{
    bpf_spin_unlock(&locked->lock);
}

GUARD_INLINE __u32
frame_port(Frame *frame)
{
    return frame->ifindex;
}

GUARD_INLINE struct guard_state *
frame_state_of(Frame *frame, __u32 port)
{
    return bpf_map_lookup_elem(&state, &port);
}

GUARD_INLINE int
frame_is_withheld(Frame *frame, const struct guard_place *place)
{
    return bpf_map_lookup_elem(&withheld, place) != 0;
}

GUARD_INLINE __u32 *
frame_learner(Frame *frame, const struct guard_place *place)
{
    return bpf_map_lookup_elem(&learners, place);
}

/* When the map is full, the address is the port's, and another port may learn it, too. */
GUARD_INLINE void
frame_add_learner(Frame *frame, const struct guard_place *place)
{
    __u32 port = frame->ifindex;

    bpf_map_update_elem(&learners, place, &port, BPF_NOEXIST);
}

GUARD_INLINE void
frame_remove_learner(Frame *frame, const struct guard_place *place)
{
    bpf_map_delete_elem(&learners, place);
}

/* NULL: the ring is full. */
GUARD_INLINE struct guard_event *
guard_event_reserve(Frame *frame, __u32 reason)
{
    struct guard_event *event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);

    if (!event)
        return 0;
    __builtin_memset(event, 0, sizeof(*event));
    event->ifindex = frame->ifindex;
    event->reason = reason;
    event->time = bpf_ktime_get_boot_ns();
    event->length = frame->len;
    return event;
}

GUARD_PART int
guard_tell_seen(Frame *frame, const struct guard_address *address, __u32 how)
{
    struct guard_event *event;

    if (!address)
        return 0;
    event = guard_event_reserve(frame, GUARD_EVENT_SEEN);
    if (!event)
        return 0;
    event->address = *address;
    event->how = how;
    bpf_ringbuf_submit(event, 0);
    return 0;
}

/* Sends an event for the first drop with a reason. Returns whether it was sent. */
GUARD_INLINE int
guard_tell_drop(Frame *frame, __u32 reason)
{
    struct guard_event *event = guard_event_reserve(frame, reason);
    __s64 length = frame->len;

    if (!event)
        return 0;
    if (length > GUARD_EXAMPLE)
        length = GUARD_EXAMPLE;
    asm volatile(
        ""
        : "+r"(length)); /* otherwise clang joins the two exits into code that the verifier */
    if (length > 0)      /* of Linux 6.1 rejects */
        bpf_skb_load_bytes(frame, 0, event->frame, length);
    bpf_ringbuf_submit(event, 0);
    return 1;
}

GUARD_PART int
guard_count(Frame *frame, __u32 reason)
{
    __u64 now = bpf_ktime_get_boot_ns(), bit;
    __u32 port = frame->ifindex;
    struct guard_counters *counted = bpf_map_lookup_elem(&counters, &port);

    if (!counted || reason >= GUARD_REASONS)
        return 0;
    asm volatile("" : "+r"(reason)); /* the verifier of Linux 6.1 forgets the bound of a number */
    reason &= 63;                    /* that clang has on the stack */
    bit = 1ULL << reason;
    __sync_fetch_and_add(&counted->dropped[reason], 1);
    counted->last = now;
    if ((counted->told & bit) || (__sync_fetch_and_or(&counted->told, bit) & bit))
        return 0;
    if (!guard_tell_drop(frame, reason)) /* the next drop tries again */
        __sync_fetch_and_and(&counted->told, ~bit);
    return 0;
}

/* Takes what a frame to the guest costs. Returns whether it may pass. */
GUARD_PART int
limit_take_received(Frame *frame, const struct limit_rate *rate)
{
    __u32 port = frame->ifindex;
    struct limit_state *stand;
    __u64 now, cost;
    int passes;

    stand = bpf_map_lookup_elem(&limited, &port);
    if (!stand || !rate)
        return 1;
    now = frame_now();
    cost = limit_cost(frame->len, frame->gso_segs);
    bpf_spin_lock(&stand->lock);
    passes = limit_take(rate, &stand->receive_until, now, cost);
    bpf_spin_unlock(&stand->lock);
    if (passes)
        return 1;
    __sync_fetch_and_add(&stand->received_dropped, 1);
    __sync_fetch_and_add(&stand->received_bytes_dropped, frame->len);
    return 0;
}

/* ReceiveLimit=. Returns whether the frame may pass. */
GUARD_INLINE int
limit_receive(Frame *frame)
{
    __u32 port = frame->ifindex;
    const struct limit_settings *asked = bpf_map_lookup_elem(&limits, &port);

    return !asked || asked->receive.per_second == 0 || limit_take_received(frame, &asked->receive);
}

/* BroadcastLimit=, of a frame to several. Returns whether it may pass. */
GUARD_PART int
limit_broadcast(Frame *frame)
{
    __u32 port = frame->ifindex;
    const struct limit_settings *asked = bpf_map_lookup_elem(&limits, &port);
    struct limit_state *stand;
    __u64 now;
    int passes;

    if (!asked || asked->broadcasts.per_second == 0)
        return 1;
    stand = bpf_map_lookup_elem(&limited, &port);
    if (!stand)
        return 1;
    now = frame_now();
    bpf_spin_lock(&stand->lock);
    passes = limit_take(&asked->broadcasts, &stand->broadcasts_until, now, 1);
    bpf_spin_unlock(&stand->lock);
    if (!passes)
        __sync_fetch_and_add(&stand->broadcasts_dropped, 1);
    return passes;
}

GUARD_INLINE int
is_for_several(Frame *frame)
{
    __u8 eth[GUARD_ETH];

    return frame_load_eth(frame, eth) == 0 && (eth[0] & 1);
}

/* What dhcp_from_guest() said of a frame, whatever the verdict: with Verdict=count, too, no DHCP
 * message leaves a port that answers them. */
GUARD_INLINE int
finish_dhcp(Frame *frame, int why)
{
    if (why == DHCP_ANSWERED) {
        frame->mark = DHCP_MARK;
        return bpf_redirect(frame->ifindex, BPF_F_INGRESS);
    }
    if (why == DHCP_SWALLOWED) {
        capture_frame(frame, CAPTURE_SENT, 0);
        return TC_ACT_SHOT;
    }
    guard_count(frame, why);
    capture_frame(frame, CAPTURE_DROPPED, why - GUARD_PASS);
    return TC_ACT_SHOT;
}

SEC("tc")
int
from_guest(struct __sk_buff *frame)
{
    __u32 port = frame->ifindex;
    const struct guard_settings *asked = bpf_map_lookup_elem(&settings, &port);
    struct guard_claim claim = {0};
    int why, tell, passes;

    if (!asked) /* a port is not up before it has settings */
        return TC_ACT_SHOT;
    if (guard_is_plain(frame, asked)) {
        capture_frame(frame, CAPTURE_SENT, 0);
        return TC_ACT_UNSPEC;
    }
    why = asked->answers_dhcp ? dhcp_from_guest(frame) : GUARD_PASS;
    if (why != GUARD_PASS)
        return finish_dhcp(frame, why);
    why = guard_judge(frame, asked, &claim, &tell);
    if (tell)
        guard_tell_seen(frame, &claim.address, claim.how);
    if (why != GUARD_PASS)
        guard_count(frame, why);
    passes = why == GUARD_PASS || asked->verdict == GUARD_VERDICT_COUNT;
    if (passes && is_for_several(frame) && !limit_broadcast(frame)) {
        capture_frame(frame, CAPTURE_DROPPED, CAPTURE_BROADCAST_LIMIT - GUARD_PASS);
        return TC_ACT_SHOT;
    }
    capture_frame(frame, passes ? CAPTURE_SENT : CAPTURE_DROPPED, why - GUARD_PASS);
    return passes ? TC_ACT_UNSPEC : TC_ACT_SHOT;
}

SEC("tc")
int
to_guest(struct __sk_buff *frame)
{
    __u32 port = frame->ifindex;
    const struct guard_settings *asked;
    struct guard_claim claim = {0};
    __u8 eth[GUARD_ETH];
    int why, is_plain;

    if (frame->mark == DHCP_MARK) {
        frame->mark = 0;
        capture_frame(frame, CAPTURE_RECEIVED, 0);
        return TC_ACT_UNSPEC;
    }
    is_plain = guard_is_plain_to_guest(frame);
    why = is_plain ? GUARD_PASS : dhcp_to_guest(frame);
    if (why != GUARD_PASS) {
        guard_count(frame, why);
        capture_frame(frame, CAPTURE_DROPPED, why - GUARD_PASS);
        return TC_ACT_SHOT;
    }
    if (!limit_receive(frame)) {
        capture_frame(frame, CAPTURE_DROPPED, CAPTURE_RECEIVE_LIMIT - GUARD_PASS);
        return TC_ACT_SHOT;
    }
    capture_frame(frame, CAPTURE_RECEIVED, 0);
    if (is_plain || !guard_is_worth_hearing(frame, eth))
        return TC_ACT_UNSPEC;
    asked = bpf_map_lookup_elem(&settings, &port);
    if (!asked)
        return TC_ACT_UNSPEC;
    guard_hear(frame, asked, eth, &claim);
    if (claim.kind == GUARD_CLAIM_USES && guard_see(frame, &claim.address, claim.how))
        guard_tell_seen(frame, &claim.address, claim.how);
    return TC_ACT_UNSPEC;
}
