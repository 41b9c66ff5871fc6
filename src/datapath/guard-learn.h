/* SPDX-License-Identifier: LGPL-2.1-or-later OR GPL-2.0-only */
/*
 * What the guard knows of a port's guest: the addresses it was seen to use, and with Addresses=dhcp
 * those it may use. The frames it learns from are read in guard-rules.h (sent by the guest) and
 * guard-hear.h (received).
 *
 * Theory of operation. Everything is in fixed slots of the port's own entry, so that a guest which
 * floods can spoil its own entry only. Several processors may be at it at once: it is read and
 * written under its lock, and a time in it may be later than the reader's own.
 *
 * Seen addresses are claims: of ARP, of ND, of a DHCP server's answer. The one not seen for the
 * longest time makes room.
 *
 * A learned address is a right, and comes from two sources. One is a DHCP server's ACK to the
 * guest's MAC with an xid that the guest had asked with; the lease's end is the right's. The other
 * is the guest's own duplicate address detection for an address in a prefix in which a router lets
 * its hosts autoconfigure, until that prefix ends. Should another station answer within the time
 * that such a detection takes, the slot keeps the address as contested: the guest has not got it,
 * and cannot try again for ten minutes. A right that was not used for an hour makes room when there
 * is none; otherwise the address too many is refused.
 *
 * Link-local addresses are anybody's, but those of the routers that the guest was seen to hear: who
 * takes such a one is the default route of all its neighbours.
 */
#pragma once

#include "guard-frame.h"

#define GUARD_SECOND 1000000000ULL
#define GUARD_IDLE (3600 * GUARD_SECOND)
#define GUARD_CONTEST (5 * GUARD_SECOND)
#define GUARD_CONTESTED (600 * GUARD_SECOND)
#define GUARD_FOREVER (~0ULL)

/* Is there a token for an event? Under the lock. */
GUARD_INLINE int
guard_take_token(struct guard_state *state, __u64 now)
{
    __u64 back = now > state->tokens_time ? (now - state->tokens_time) / GUARD_SECOND : 0;

    if (back > 0) {
        state->tokens = back + state->tokens > GUARD_TOKENS ? GUARD_TOKENS : back + state->tokens;
        state->tokens_time = now;
    }
    if (state->tokens == 0)
        return 0;
    state->tokens--;
    return 1;
}

/* Under the lock: the slot of an address, else the one that makes room. */
GUARD_INLINE struct guard_seen *
guard_seen_slot(struct guard_state *state, const struct guard_address *address)
{
    struct guard_seen *oldest = &state->seen[0];

    for (int i = 0; i < GUARD_SEEN; i++) {
        struct guard_seen *slot = &state->seen[i];

        if (slot->last != 0 && guard_same_address(&slot->address, address))
            return slot;
        if (slot->last < oldest->last)
            oldest = slot;
    }
    return oldest;
}

/* Notes that the guest uses an address. Returns whether that is to be told: it is new, and there is
 * a token for an event. */
GUARD_PART int
guard_see(Frame *frame, const struct guard_address *address, __u32 how)
{
    struct guard_state *state = frame_state(frame);
    __u64 now = frame_now();
    struct guard_seen *slot;
    int tell = 0;

    if (!state || !address)
        return 0;
    state_lock(state);
    slot = guard_seen_slot(state, address);
    if (slot->last == 0 || !guard_same_address(&slot->address, address)) {
        slot->address = *address;
        slot->first = now;
        tell = guard_take_token(state, now);
    }
    slot->last = now;
    slot->how = how;
    state_unlock(state);
    return tell;
}

/* The end of the announced prefix that has this address; 0: there is none. */
GUARD_INLINE __u64
guard_announced_until(struct guard_state *state, const struct guard_address *address, __u64 now)
{
    for (int i = 0; i < GUARD_ANNOUNCED; i++) {
        struct guard_announced *slot = &state->announced[i];

        if (slot->until > now && slot->address.halves[0] == address->halves[0])
            return slot->until;
    }
    return 0;
}

GUARD_INLINE int
guard_makes_room(const struct guard_learned *slot, __u64 now)
{
    if (slot->until <= now)
        return 1;
    return slot->how == GUARD_HOW_ND && now >= slot->since + GUARD_IDLE &&
           now >= slot->used + GUARD_IDLE;
}

/* Under the lock: the slot of an address, else one that makes room; NULL: there is none. */
GUARD_INLINE struct guard_learned *
guard_learned_slot(struct guard_state *state, const struct guard_address *address, __u64 now)
{
    struct guard_learned *room = 0;

    for (int i = 0; i < GUARD_LEARNED; i++) {
        struct guard_learned *slot = &state->learned[i];

        if (slot->until > now && guard_same_address(&slot->address, address))
            return slot;
        if (!room && guard_makes_room(slot, now))
            room = slot;
    }
    return room;
}

/* Has the guest been given this address? GUARD_PASS, GUARD_TOO_MANY_ADDRESSES or `reason`. */
GUARD_INLINE int
guard_check_learned(Frame *frame, const struct guard_address *address, int reason)
{
    struct guard_state *state = frame_state(frame);
    __u64 now = frame_now();
    struct guard_learned *slot;

    if (!state)
        return reason;
    state_lock(state);
    slot = guard_learned_slot(state, address, now);
    if (!slot) {
        if (guard_announced_until(state, address, now) != 0)
            reason = GUARD_TOO_MANY_ADDRESSES;
    } else if (slot->until > now && guard_same_address(&slot->address, address) &&
               !slot->contested) {
        slot->used = now;
        reason = GUARD_PASS;
    }
    state_unlock(state);
    return reason;
}

/* Under the lock. */
GUARD_INLINE void
guard_learned_fill(struct guard_learned *slot, const struct guard_address *address, __u64 until,
                   __u64 now, __u32 how)
{
    slot->address = *address;
    slot->until = until;
    slot->since = slot->used = now;
    slot->how = how;
    slot->contested = 0;
}

/* The guest asks whether somebody else has an address: it may have it, if it may autoconfigure it.
 */
GUARD_PART int
guard_learn_dad(Frame *frame, const struct guard_address *address)
{
    struct guard_state *state = frame_state(frame);
    __u64 now = frame_now(), until;
    struct guard_learned *slot;

    if (!state || !address)
        return 0;
    state_lock(state);
    until = guard_announced_until(state, address, now);
    slot = guard_learned_slot(state, address, now);
    if (until != 0 && slot) {
        if (slot->until <= now || !guard_same_address(&slot->address, address))
            guard_learned_fill(slot, address, until, now, GUARD_HOW_ND);
        else if (!slot->contested)
            slot->since = now;
    }
    state_unlock(state);
    return 0;
}

/* Another station says that it has an address. */
GUARD_PART int
guard_learn_contest(Frame *frame, const struct guard_address *address)
{
    struct guard_state *state = frame_state(frame);
    __u64 now = frame_now();

    if (!state || !address)
        return 0;
    state_lock(state);
    for (int i = 0; i < GUARD_LEARNED; i++) {
        struct guard_learned *slot = &state->learned[i];

        if (slot->until > now && slot->how == GUARD_HOW_ND &&
            guard_same_address(&slot->address, address) && now < slot->since + GUARD_CONTEST) {
            slot->contested = 1;
            slot->until = now + GUARD_CONTESTED;
        }
    }
    state_unlock(state);
    return 0;
}

/* When what is to hold for so many seconds ends. */
GUARD_INLINE __u64
guard_end(__u64 now, __u32 seconds)
{
    return seconds == ~0U ? GUARD_FOREVER : now + seconds * GUARD_SECOND;
}

/* Under the lock: what a router has told holds until then, if there is room. */
GUARD_INLINE void
guard_announce(struct guard_announced *slots, int count, const struct guard_address *address,
               __u64 now, __u64 until)
{
    struct guard_announced *room = 0;

    for (int i = 0; i < count; i++) {
        struct guard_announced *slot = &slots[i];

        if (slot->until > now && guard_same_address(&slot->address, address)) {
            slot->until = until;
            return;
        }
        if (!room && slot->until <= now)
            room = slot;
    }
    if (room) {
        room->address = *address;
        room->until = until;
    }
}

/* A router lets its hosts autoconfigure in a /64 for so many seconds; 0: no more. */
GUARD_PART int
guard_learn_prefix(Frame *frame, const struct guard_address *prefix, __u32 seconds)
{
    struct guard_state *state = frame_state(frame);
    __u64 now = frame_now(), until = guard_end(now, seconds);

    if (!state || !prefix)
        return 0;
    state_lock(state);
    guard_announce(state->announced, GUARD_ANNOUNCED, prefix, now, until);
    for (int i = 0; i < GUARD_LEARNED; i++) {
        struct guard_learned *learned = &state->learned[i];

        if (learned->until > now && learned->how == GUARD_HOW_ND && !learned->contested &&
            learned->address.halves[0] == prefix->halves[0])
            learned->until = until;
    }
    state_unlock(state);
    return 0;
}

/* A router exists for this many seconds; 0: it is no longer a default router. */
GUARD_PART int
guard_learn_router(Frame *frame, const struct guard_address *router, __u32 seconds)
{
    struct guard_state *state = frame_state(frame);
    __u64 now = frame_now();

    if (!state || !router)
        return 0;
    state_lock(state);
    guard_announce(state->routers, GUARD_ROUTERS, router, now, guard_end(now, seconds));
    state_unlock(state);
    return 0;
}

/* Is this the address of a router on the LAN? */
GUARD_INLINE int
guard_is_router(Frame *frame, const struct guard_address *address)
{
    struct guard_state *state = frame_state(frame);
    __u64 now = frame_now();
    int found = 0;

    if (!state)
        return 0;
    state_lock(state);
    for (int i = 0; i < GUARD_ROUTERS; i++)
        found |= state->routers[i].until > now &&
                 guard_same_address(&state->routers[i].address, address);
    state_unlock(state);
    return found;
}

/* The guest asks a DHCP server. */
GUARD_INLINE void
guard_learn_asked(struct guard_state *state, __u32 xid)
{
    state_lock(state);
    state->asked[state->asked_next % GUARD_ASKED] = xid;
    state->asked_next++;
    state_unlock(state);
}

/* Did the guest ask with this xid? Once only. */
GUARD_INLINE int
guard_was_asked(struct guard_state *state, __u32 xid)
{
    int asked = 0;

    state_lock(state);
    for (int i = 0; i < GUARD_ASKED; i++)
        if (state->asked[i] == xid) {
            state->asked[i] = 0;
            asked = xid != 0;
        }
    state_unlock(state);
    return asked;
}

/* A DHCP server has given the guest an address for so many seconds. */
GUARD_PART int
guard_learn_lease(Frame *frame, const struct guard_address *address, __u32 seconds)
{
    struct guard_state *state = frame_state(frame);
    __u64 now = frame_now(), until = guard_end(now, seconds);
    struct guard_learned *slot;

    if (!state || !address)
        return 0;
    state_lock(state);
    slot = guard_learned_slot(state, address, now);
    if (slot)
        guard_learned_fill(slot, address, until, now, GUARD_HOW_DHCP);
    state_unlock(state);
    return 0;
}
