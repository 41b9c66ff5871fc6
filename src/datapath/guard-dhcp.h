/* SPDX-License-Identifier: LGPL-2.1-or-later OR GPL-2.0-only */
/*
 * What a port learns from the DHCP messages of its guest and of the servers on the LAN.
 *
 * Theory of operation. Every station of the LAN hears what the guest asks, and can answer it. So an
 * ACK teaches the port an address only if it answers what the guest has asked for last: it has the
 * xid of a REQUEST of the guest, the address that the guest asked for, and the identifier of the
 * server that the guest chose, if the request names one. Each request counts for one ACK. An answer
 * that does not match leaves the request open for the right one. A DISCOVER asks for no address in
 * particular; it counts only if it permits an ACK at once (RFC 4039).
 */
#pragma once

#include "guard-learn.h"

enum {
    GUARD_BOOTP_OPTIONS = 240, /* after the magic cookie */
    GUARD_DHCP_OPTIONS = 48,   /* the most options to read in a message */
    GUARD_BOOTP_MAC = 28,
    GUARD_BOOTP_HEAD = 34, /* up to the end of the client's MAC */

    GUARD_DHCP_DISCOVER = 1,
    GUARD_DHCP_REQUEST = 3,
    GUARD_DHCP_ACK = 5,
};

/* What a DHCP message says, and the offset of its next option. Addresses are in network order. */
struct guard_dhcp {
    __u32 at;
    __u32 kind;
    __u32 seconds; /* lease time */
    __u32 address; /* requested */
    __u32 server;  /* identifier */
    __u32 rapid;   /* it permits an ACK to a DISCOVER */
};

/* Reads an option. Returns whether another may follow. */
GUARD_PART int
guard_read_dhcp_option(Frame *frame, struct guard_dhcp *dhcp)
{
    __u8 option[2], value[4];

    if (!dhcp || frame_load(frame, dhcp->at, option, 1) < 0 || option[0] == 255)
        return 0;
    if (option[0] == 0) {
        dhcp->at++;
        return 1;
    }
    if (frame_load(frame, dhcp->at, option, sizeof(option)) < 0)
        return 0;
    if (option[0] == 53 && frame_load(frame, dhcp->at + 2, value, 1) == 0)
        dhcp->kind = value[0];
    else if (option[0] == 80)
        dhcp->rapid = 1;
    else if (option[1] == 4 && frame_load(frame, dhcp->at + 2, value, sizeof(value)) == 0) {
        if (option[0] == 50)
            __builtin_memcpy(&dhcp->address, value, sizeof(value));
        else if (option[0] == 51)
            dhcp->seconds = guard_get32(value);
        else if (option[0] == 54)
            __builtin_memcpy(&dhcp->server, value, sizeof(value));
    }
    dhcp->at += 2 + option[1];
    return 1;
}

/* Reads the message at `at`, whose head is returned, if it has this operation and the port's MAC.
 * Returns whether it is a DHCP message of that kind. */
GUARD_INLINE int
guard_read_dhcp(Frame *frame, const struct guard_settings *settings, __u32 at, __u8 operation,
                __u8 *ret_head, struct guard_dhcp *ret_dhcp)
{
    __u8 cookie[4];

    if (frame_load(frame, at, ret_head, GUARD_BOOTP_HEAD) < 0 || ret_head[0] != operation ||
        !guard_same_mac(ret_head + GUARD_BOOTP_MAC, settings->mac) ||
        frame_load(frame, at + GUARD_BOOTP_OPTIONS - 4, cookie, sizeof(cookie)) < 0 ||
        guard_get32(cookie) != 0x63825363)
        return 0;
    ret_dhcp->at = at + GUARD_BOOTP_OPTIONS;
    for (int i = 0; i < GUARD_DHCP_OPTIONS; i++) {
        if (!guard_read_dhcp_option(frame, ret_dhcp))
            break;
    }
    return 1;
}

GUARD_INLINE void
guard_note_request(struct guard_state *state, __u32 xid, const struct guard_request *request)
{
    __u32 slot;

    state_lock(state);
    slot = state->asked_next % GUARD_ASKED;
    state->asked[slot] = xid;
    state->requests[slot] = *request;
    state->asked_next++;
    state_unlock(state);
}

/* The guest sends a message to DHCP servers, at `at`. */
GUARD_PART int
guard_learn_request(Frame *frame, const struct guard_settings *settings, __u32 at)
{
    struct guard_state *state = frame_state(frame);
    struct guard_request request = {0};
    struct guard_dhcp dhcp = {0};
    __u8 head[GUARD_BOOTP_HEAD];

    if (!state || !settings || !guard_read_dhcp(frame, settings, at, 1, head, &dhcp))
        return 0;
    if (dhcp.kind == GUARD_DHCP_REQUEST) {
        if (dhcp.address == 0) /* it has the address and asks to keep it */
            __builtin_memcpy(&dhcp.address, head + 12, sizeof(dhcp.address));
        if (dhcp.address == 0)
            return 0;
        request.address = dhcp.address;
        request.server = dhcp.server;
    } else if (dhcp.kind != GUARD_DHCP_DISCOVER || !dhcp.rapid) {
        return 0;
    }
    guard_note_request(state, guard_get32(head + 4), &request);
    return 0;
}

/* Whether the guest has asked for this address with this xid; each request counts once. */
GUARD_INLINE int
guard_was_asked(struct guard_state *state, __u32 xid, __u32 address, __u32 server)
{
    int asked = 0;

    state_lock(state);
    for (int i = 0; i < GUARD_ASKED; i++) {
        const struct guard_request *request = &state->requests[i];

        if (state->asked[i] == xid && (request->address == 0 || request->address == address) &&
            (request->server == 0 || request->server == server)) {
            state->asked[i] = 0;
            asked = xid != 0;
        }
    }
    state_unlock(state);
    return asked;
}
