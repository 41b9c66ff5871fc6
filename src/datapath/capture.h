/* SPDX-License-Identifier: LGPL-2.1-or-later OR GPL-2.0-only */
/* Copies frames of captured ports into the ring; see capture-map.h. For the BPF programs only. */
#pragma once

#include "capture-map.h"
#include "guard-frame.h"

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct capture_table);
} capture_table SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, CAPTURE_RING);
} capture_frames SEC(".maps");

/* The sizes of records must be constant for the verifier. Returns whether the frame was copied.
 * Linux 6.1 learns only from a signed comparison, by itself, that the length is not 0. */
#define CAPTURE_COPY(room)                                                                         \
    GUARD_PART int capture_copy_##room(struct __sk_buff *frame, const struct capture_frame *head)  \
    {                                                                                              \
        struct {                                                                                   \
            struct capture_frame head;                                                             \
            __u8 bytes[room];                                                                      \
        } * record;                                                                                \
        int failed = 1;                                                                            \
        __s64 length;                                                                              \
                                                                                                   \
        if (!head)                                                                                 \
            return 0;                                                                              \
        record = bpf_ringbuf_reserve(&capture_frames, sizeof(*record), 0);                         \
        if (!record)                                                                               \
            return 0;                                                                              \
        record->head = *head;                                                                      \
        length = head->copied;                                                                     \
        if (length > (room))                                                                       \
            length = (room);                                                                       \
        asm volatile("" : "+r"(length));                                                           \
        if (length > 0)                                                                            \
            failed = bpf_skb_load_bytes(frame, 0, record->bytes, length) < 0;                      \
        if (failed) {                                                                              \
            bpf_ringbuf_discard(record, 0);                                                        \
            return 0;                                                                              \
        }                                                                                          \
        bpf_ringbuf_submit(record, 0);                                                             \
        return 1;                                                                                  \
    }

CAPTURE_COPY(128)
CAPTURE_COPY(512)
CAPTURE_COPY(2048)
CAPTURE_COPY(9216)
CAPTURE_COPY(65536)

static __attribute__((always_inline)) inline __u32
capture_room(__u32 length)
{
    return length <= 128    ? 128
           : length <= 512  ? 512
           : length <= 2048 ? 2048
           : length <= 9216 ? 9216
                            : 65536;
}

static __attribute__((always_inline)) inline int
capture_copy(struct __sk_buff *frame, const struct capture_frame *head, __u32 room)
{
    switch (room) {
    case 128:
        return capture_copy_128(frame, head);
    case 512:
        return capture_copy_512(frame, head);
    case 2048:
        return capture_copy_2048(frame, head);
    case 9216:
        return capture_copy_9216(frame, head);
    default:
        return capture_copy_65536(frame, head);
    }
}

/* The frame's slot; CAPTURE_SLOTS: none. */
GUARD_PART int
capture_find(struct __sk_buff *frame)
{
    __u32 key = 0, number = 0;
    const struct capture_table *table = bpf_map_lookup_elem(&capture_table, &key);

    while (table && number < CAPTURE_SLOTS && table->slots[number].ifindex != frame->ifindex)
        number++;
    return number;
}

GUARD_INLINE int
capture_into(struct __sk_buff *frame, struct capture_table *table, __u32 number, __u32 kind,
             __u32 reason)
{
    struct capture_slot *slot = &table->slots[number];
    struct capture_frame head = {0};
    __u32 copied, room, size;

    copied = frame->len < slot->most ? frame->len : slot->most;
    room = capture_room(copied);
    size = CAPTURE_RING_HEADER + (__u32)sizeof(head) + room;
    if (slot->is_paused || slot->produced - slot->consumed + size > slot->credit) {
        __sync_fetch_and_add(&slot->lost, 1);
        return 0;
    }
    head.slot = number;
    head.generation = *(volatile __u32 *)&slot->generation;
    if (*(volatile __u32 *)&slot->ifindex != frame->ifindex)
        return 0; /* the slot has just passed to another port */
    head.kind = kind;
    head.reason = reason;
    head.time = bpf_ktime_get_boot_ns();
    head.lost = slot->lost;
    head.length = frame->len;
    head.copied = copied;
    head.has_tag = frame->vlan_present != 0;
    head.tag_protocol = (__u16)frame->vlan_proto;
    head.tag = (__u16)frame->vlan_tci;
    /* Before the record is visible: the daemon may already add it to `consumed` then. */
    __sync_fetch_and_add(&slot->produced, size);
    if (capture_copy(frame, &head, room))
        return 0;
    __sync_fetch_and_add(&slot->produced, -(__u64)size);
    __sync_fetch_and_add(&slot->lost, 1);
    return 0;
}

GUARD_PART int
capture_busy(struct __sk_buff *frame, __u32 kind, __u32 reason)
{
    __u32 key = 0, number = capture_find(frame);
    struct capture_table *table = bpf_map_lookup_elem(&capture_table, &key);

    if (!table || number >= CAPTURE_SLOTS || !(table->slots[number].kinds & kind))
        return 0;
    capture_into(frame, table, number, kind, reason);
    return 0;
}

/* For each frame at a hook, after the verdict on it; reason: as in struct capture_frame. Costs a
 * comparison while nothing is captured. */
GUARD_INLINE void
capture_frame(struct __sk_buff *frame, __u32 kind, __u32 reason)
{
    __u32 key = 0;
    const struct capture_table *table = bpf_map_lookup_elem(&capture_table, &key);

    if (table && table->active != 0)
        capture_busy(frame, kind, reason);
}
