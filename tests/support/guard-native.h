/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The guard's rules, compiled natively: a frame is memory, the clock is the test's. */
#pragma once

#include <glib.h>
#include <string.h>

/* A frame and what lies beside it; borrowed. */
struct Frame {
    const guint8 *bytes;
    gsize length;
    gboolean tagged;       /* its tag lies beside it */
    gboolean unfinished;   /* asks for a checksum from start on, written at start + offset */
    guint32 start, offset; /* of that */
    struct guard_state *state;
};

#include "guard-rules.h"

static guint64 native_clock = 1; /* ns */

static inline int
frame_load(Frame *frame, guint32 offset, void *buffer, guint32 length)
{
    if (offset > frame->length || length > frame->length - offset)
        return -1;
    memcpy(buffer, frame->bytes + offset, length);
    return 0;
}

static inline guint32
frame_length(Frame *frame)
{
    return (guint32)frame->length;
}

static inline int
frame_is_tagged(Frame *frame)
{
    return frame->tagged;
}

static inline int
frame_unfinished(Frame *frame, guint32 *ret_start, guint32 *ret_offset)
{
    *ret_start = frame->start;
    *ret_offset = frame->offset;
    return frame->unfinished;
}

static inline struct guard_state *
frame_state(Frame *frame)
{
    return frame->state;
}

static inline __u64
frame_now(void)
{
    return native_clock;
}

static inline void
state_lock(struct guard_state *state)
{
    g_assert(state->lock == 0);
    state->lock = 1;
}

static inline void
state_unlock(struct guard_state *state)
{
    g_assert(state->lock == 1);
    state->lock = 0;
}

/* What from_guest of guard.bpf.c makes of a frame: GUARD_PASS or the reason, whatever the verdict
 * is to be. */
static inline int
native_from_guest(Frame *frame, const struct guard_settings *settings)
{
    struct guard_claim claim = {0};
    int tell;

    return guard_judge(frame, settings, &claim, &tell);
}

/* What to_guest learns. */
static inline void
native_to_guest(Frame *frame, const struct guard_settings *settings)
{
    struct guard_claim claim = {0};
    guint8 eth[GUARD_ETH];

    if (!guard_is_worth_hearing(frame, eth))
        return;
    guard_hear(frame, settings, eth, &claim);
    if (claim.kind == GUARD_CLAIM_USES)
        guard_see(frame, &claim.address, claim.how);
}
