/* SPDX-License-Identifier: LGPL-2.1-or-later OR GPL-2.0-only */
/*
 * What user space and the BPF programs share about captures: the values of two maps. They are not
 * pinned: a capture ends with its daemon, and the next daemon's programs have maps of their own.
 *
 *   capture_table    one element, mapped into the daemon's memory           struct capture_table
 *   capture_frames   a ring buffer of copies of frames                      struct capture_frame
 *
 * Theory of operation. A slot of the table belongs to one captured port. The programs copy its
 * frames into the ring, which all slots share, and from which the daemon takes them in order. So
 * that one busy port cannot fill the ring, each slot has a credit in bytes: `produced` (programs)
 * minus `consumed` (daemon) never exceeds it by more than a frame for each CPU. A frame for which
 * there is no credit or no room, or whose slot is paused because its readers are slow, is counted
 * in `lost` and goes its way: a capture never delays or drops a frame of the guest.
 *
 * The counters of a slot never go back, also when it passes to another port. `generation` tells
 * the frames of its ports apart.
 */
#pragma once

#include <linux/types.h>

enum {
    CAPTURE_SLOTS = 16,
    CAPTURE_RING = 1024 * 1024, /* bytes */
    CAPTURE_BYTES = 65536,      /* the most bytes of a frame that are copied */
};

enum capture_kind {
    CAPTURE_SENT = 1 << 0,     /* by the guest, and passed */
    CAPTURE_RECEIVED = 1 << 1, /* by the guest */
    CAPTURE_DROPPED = 1 << 2,  /* to or from the guest, by the guard or a limit */
};

struct capture_slot {
    __u32 ifindex; /* 0: unused */
    __u32 generation;
    __u32 kinds;     /* enum capture_kind */
    __u32 most;      /* bytes to copy of each frame, 1 to CAPTURE_BYTES */
    __u32 is_paused; /* count the frames as lost */
    __u32 unused;
    __u64 credit;   /* bytes in the ring */
    __u64 consumed; /* written by the daemon, like everything above */
    __u64 produced; /* written by the programs */
    __u64 lost;     /* likewise: frames */
};

struct capture_table {
    __u32 active; /* how many slots are in use */
    __u32 unused;
    struct capture_slot slots[CAPTURE_SLOTS];
};

/* Followed by the frame's first bytes, in a record with room for 128, 512, 2048, 9216 or 65536. */
struct capture_frame {
    __u32 slot;
    __u32 generation;
    __u32 kind;   /* enum capture_kind */
    __u32 reason; /* GuardReason or CAPTURE_…_LIMIT + 1: dropped, or would have been; 0: neither */
    __u64 time;   /* ns of CLOCK_BOOTTIME */
    __u64 lost;   /* the slot's counter */
    __u32 length; /* of the whole frame */
    __u32 copied; /* the bytes that follow */
    __u16 has_tag;
    __u16 tag_protocol; /* of the outer VLAN tag beside the frame, in network byte order */
    __u16 tag;
    __u16 unused;
};

#define CAPTURE_RING_HEADER 8 /* bytes that the kernel puts before each record */

/* The bytes of the largest record in the ring. */
#define CAPTURE_RECORD_MAX                                                                         \
    (CAPTURE_RING_HEADER + sizeof(struct capture_frame) + (__u64)CAPTURE_BYTES)
