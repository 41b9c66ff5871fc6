/* SPDX-License-Identifier: LGPL-2.1-or-later OR GPL-2.0-only */
/*
 * What the guard knows about a port's guest: the addresses it uses and, with Addresses=dhcp, those
 * it may use. The frames it learns from are read by the rules (sent by the guest) and in
 * guard-hear.h (received).
 *
 * Theory of operation. All state is in fixed slots of the port's own entry, so a guest that floods
 * it harms only itself. Several processors may use an entry at once: it is read and written under
 * its lock, and a time in it may be later than the reader's.
 *
 * Seen addresses are claims, from ARP, ND or a DHCP reply. The least recently seen address is
 * replaced when the slots are full.
 *
 * A learned address is one that the guest may use. It comes from either of two sources. One is a
 * DHCP server's ACK to the guest's MAC that answers a request of the guest (guard-dhcp.h); the
 * permission ends with the lease. The other is the guest's own duplicate address detection (DAD)
 * for an address in a prefix that a router advertises for autoconfiguration; the permission ends
 * with the prefix. If another host answers while the DAD is under way, the slot marks the address
 * as contested: the guest may not use it, and cannot try again for ten minutes. When the slots are
 * full, an address that was not used for an hour is replaced; if there is none, the new address is
 * refused.
 *
 * No port learns an address that user space withholds on its link (the gateway's, the host's,
 * another port's), or that another port of the link has learned and still has. Both are looked up
 * when an address is learned, not when it is used. When user space withholds an address that a port
 * has learned already, it changes the port's settings.recheck: with the next frame from a learned
 * address the port gives up those that are withheld. Two ports that learn the same address at the
 * same moment may both get it.
 *
 * Any link-local address is allowed, except those of the routers that the guest has heard from: a
 * guest with a router's address would become the default route of all its neighbours.
 */
#pragma once

#include "guard-frame.h"

#define GUARD_SECOND 1000000000ULL
#define GUARD_IDLE (3600 * GUARD_SECOND)
#define GUARD_CONTEST (5 * GUARD_SECOND)
#define GUARD_CONTESTED (600 * GUARD_SECOND)
#define GUARD_FOREVER (~0ULL)

/*
 * The slot that a search has found is kept in the map, while its loop runs: the verifier takes a
 * number from a map to be any, but would follow a variable through each way on which the loop may
 * end. So must the compiler, hence volatile.
 */
GUARD_INLINE void
guard_set_found(struct guard_state *state, __u32 number)
{
    *(volatile __u32 *)&state->found = number;
}

GUARD_INLINE __u32
guard_found(const struct guard_state *state)
{
    return *(const volatile __u32 *)&state->found;
}

/* Takes a token for an event; returns whether there was one. Call under the lock. */
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

/* Call under the lock: returns the slot of the address, or the one to replace. */
GUARD_INLINE struct guard_seen *
guard_seen_slot(struct guard_state *state, const struct guard_address *address)
{
    guard_set_found(state, 0);
    for (__u32 i = 0; i < GUARD_SEEN; i++) {
        const struct guard_seen *slot = &state->seen[i];

        if (slot->last != 0 && guard_same_address(&slot->address, address)) {
            guard_set_found(state, i);
            break;
        }
        if (slot->last < state->seen[guard_found(state) % GUARD_SEEN].last)
            guard_set_found(state, i);
    }
    return &state->seen[guard_found(state) % GUARD_SEEN];
}

/* Notes that the guest uses an address. Returns whether to send an event: the address is new, and
 * there is a token. */
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

/* The end of the advertised prefix that contains the address, or 0. */
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

/* Call under the lock: returns the slot of the address, or one to replace; NULL if all are in use.
 * */
GUARD_INLINE struct guard_learned *
guard_learned_slot(struct guard_state *state, const struct guard_address *address, __u64 now)
{
    __u32 found;

    guard_set_found(state, GUARD_LEARNED);
    for (__u32 i = 0; i < GUARD_LEARNED; i++) {
        const struct guard_learned *slot = &state->learned[i];

        if (slot->until > now && guard_same_address(&slot->address, address)) {
            guard_set_found(state, i);
            break;
        }
        if (guard_found(state) == GUARD_LEARNED && guard_makes_room(slot, now))
            guard_set_found(state, i);
    }
    found = guard_found(state);
    return found < GUARD_LEARNED ? &state->learned[found % GUARD_LEARNED] : 0;
}

/* ---- what other ports have ---- */

/* Whether the port with this state has learned the address. */
GUARD_INLINE int
guard_has_learned(struct guard_state *state, const struct guard_address *address, __u64 now)
{
    __u32 found;

    state_lock(state);
    guard_set_found(state, GUARD_LEARNED);
    for (__u32 i = 0; i < GUARD_LEARNED; i++) {
        const struct guard_learned *slot = &state->learned[i];

        if (slot->until > now && !slot->contested && guard_same_address(&slot->address, address)) {
            guard_set_found(state, i);
            break;
        }
    }
    found = guard_found(state);
    state_unlock(state);
    return found < GUARD_LEARNED;
}

/* Whether the port may learn this address: it is neither withheld nor another port's. */
GUARD_PART int
guard_is_free(Frame *frame, const struct guard_settings *settings,
              const struct guard_address *address)
{
    struct guard_place place = {0};
    struct guard_state *other;
    const __u32 *learner;

    if (!settings || !address)
        return 0;
    place.address = *address;
    place.link = settings->link;
    if (frame_is_withheld(frame, &place))
        return 0;
    learner = frame_learner(frame, &place);
    if (!learner || *learner == frame_port(frame))
        return 1;
    other = frame_state_of(frame, *learner);
    return !other || !guard_has_learned(other, address, frame_now());
}

/* The port has learned this address. */
GUARD_PART int
guard_set_learner(Frame *frame, const struct guard_settings *settings,
                  const struct guard_address *address)
{
    struct guard_place place = {0};
    __u32 *learner;

    if (!settings || !address)
        return 0;
    place.address = *address;
    place.link = settings->link;
    learner = frame_learner(frame, &place);
    if (learner)
        *learner = frame_port(frame);
    else
        frame_add_learner(frame, &place);
    return 0;
}

/* The port has this address no longer. */
GUARD_PART int
guard_unset_learner(Frame *frame, const struct guard_settings *settings,
                    const struct guard_address *address)
{
    struct guard_place place = {0};
    const __u32 *learner;

    if (!settings || !address)
        return 0;
    place.address = *address;
    place.link = settings->link;
    learner = frame_learner(frame, &place);
    if (learner && *learner == frame_port(frame))
        frame_remove_learner(frame, &place);
    return 0;
}

/* ---- learned addresses ---- */

/* Gives up a learned address that is withheld or another port's. */
GUARD_PART int
guard_recheck_slot(Frame *frame, const struct guard_settings *settings, __u32 number)
{
    struct guard_state *state = frame_state(frame);
    struct guard_address address;
    struct guard_learned *slot;
    __u64 until;

    if (!state || !settings)
        return 0;
    slot = &state->learned[number % GUARD_LEARNED];
    state_lock(state);
    address = slot->address;
    until = slot->until;
    state_unlock(state);
    if (until <= frame_now())
        return 0;
    if (guard_is_free(frame, settings, &address))
        return guard_set_learner(frame, settings, &address);
    state_lock(state);
    if (guard_same_address(&slot->address, &address))
        slot->until = 0;
    state_unlock(state);
    return guard_unset_learner(frame, settings, &address);
}

/* Before a learned address counts: gives up those that the daemon has withheld meanwhile. It is not
 * part of guard_check_learned(), from which it would take more stack than BPF has. */
GUARD_PART int
guard_recheck(Frame *frame, const struct guard_settings *settings)
{
    struct guard_state *state = frame_state(frame);
    __u32 recheck;

    if (!state || !settings || settings->recheck == state->checked)
        return 0;
    recheck = settings->recheck;
    for (__u32 i = 0; i < GUARD_LEARNED; i++)
        guard_recheck_slot(frame, settings, i);
    state->checked = recheck;
    return 0;
}

/* Checks whether the guest may use this address; guard_recheck() comes first. GUARD_PASS,
 * GUARD_TOO_MANY_ADDRESSES or `reason`. */
GUARD_PART int
guard_check_learned(Frame *frame, const struct guard_settings *settings,
                    const struct guard_address *address, int reason)
{
    struct guard_state *state = frame_state(frame);
    __u64 now = frame_now();
    struct guard_learned *slot;

    if (!state || !settings || !address)
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

/* Call under the lock. *ret_before: the address that it replaces, or the same one. */
GUARD_INLINE void
guard_learned_fill(struct guard_learned *slot, const struct guard_address *address, __u64 until,
                   __u64 now, __u32 how, struct guard_address *ret_before)
{
    *ret_before = slot->address;
    slot->address = *address;
    slot->until = until;
    slot->since = slot->used = now;
    slot->how = how;
    slot->contested = 0;
}

/* The port has learned an address in place of another, or of the same one. */
GUARD_INLINE void
guard_change_learner(Frame *frame, const struct guard_settings *settings,
                     const struct guard_address *before, const struct guard_address *address)
{
    if (settings->addresses != GUARD_ADDRESSES_DHCP)
        return;
    if (!guard_same_address(before, address))
        guard_unset_learner(frame, settings, before);
    guard_set_learner(frame, settings, address);
}

/* The guest probes for an address: allows the address if the guest may autoconfigure it. */
GUARD_PART int
guard_learn_dad(Frame *frame, const struct guard_settings *settings,
                const struct guard_address *address)
{
    struct guard_state *state = frame_state(frame);
    __u64 now = frame_now(), until;
    struct guard_address before;
    struct guard_learned *slot;
    int is_new = 0;

    if (!state || !settings || !address || !guard_is_free(frame, settings, address))
        return 0;
    state_lock(state);
    until = guard_announced_until(state, address, now);
    slot = guard_learned_slot(state, address, now);
    if (until != 0 && slot) {
        if (slot->until <= now || !guard_same_address(&slot->address, address)) {
            guard_learned_fill(slot, address, until, now, GUARD_HOW_ND, &before);
            is_new = 1;
        } else if (!slot->contested) {
            slot->since = now;
        }
    }
    state_unlock(state);
    if (is_new)
        guard_change_learner(frame, settings, &before, address);
    return 0;
}

/* Another host claims an address. */
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

/* The time that is this many seconds from now. */
GUARD_INLINE __u64
guard_end(__u64 now, __u32 seconds)
{
    return seconds == ~0U ? GUARD_FOREVER : now + seconds * GUARD_SECOND;
}

/* Call under the lock: stores a router's information until the given time, if there is room. */
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

/* A router advertises a /64 for autoconfiguration for this many seconds; 0: it withdraws the
 * prefix. */
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

/* A router advertises itself for this many seconds; 0: it is no longer a default router. */
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

/* Whether this is the address of a router on the LAN. */
GUARD_PART int
guard_is_router(Frame *frame, const struct guard_address *address)
{
    struct guard_state *state = frame_state(frame);
    __u64 now = frame_now();
    int found = 0;

    if (!state || !address)
        return 0;
    state_lock(state);
    for (int i = 0; i < GUARD_ROUTERS; i++)
        found |= state->routers[i].until > now &&
                 guard_same_address(&state->routers[i].address, address);
    state_unlock(state);
    return found;
}

/* A DHCP server gave the guest an address for this many seconds. Returns whether it was learned. */
GUARD_PART int
guard_learn_lease(Frame *frame, const struct guard_settings *settings,
                  const struct guard_address *address, __u32 seconds)
{
    struct guard_state *state = frame_state(frame);
    __u64 now = frame_now(), until = guard_end(now, seconds);
    struct guard_address before;
    struct guard_learned *slot;

    if (!state || !settings || !address)
        return 0;
    if (settings->addresses == GUARD_ADDRESSES_DHCP && !guard_is_free(frame, settings, address))
        return 0;
    state_lock(state);
    slot = guard_learned_slot(state, address, now);
    if (slot)
        guard_learned_fill(slot, address, until, now, GUARD_HOW_DHCP, &before);
    state_unlock(state);
    if (!slot)
        return 0;
    guard_change_learner(frame, settings, &before, address);
    return 1;
}
