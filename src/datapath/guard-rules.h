/* SPDX-License-Identifier: LGPL-2.1-or-later OR GPL-2.0-only */
/*
 * The guard's rules: what a guest may send. docs/guard.md describes them row by row. This header
 * has the frame as a whole; the others have a kind of frame each.
 *
 * Theory of operation. guard_judge() looks at one frame that a guest sends. It reads each header
 * once, from the outside in, and stops at the first rule that the frame breaks. Nothing after what
 * it has read can change how a receiver interprets the frame.
 *
 * A frame that ends before a field that a rule needs is dropped.
 *
 * The first bytes of the transport header must be in the first fragment, and no later fragment may
 * overlap them (RFC 1858, 3128, 7112, 7113).
 *
 * A guest can ask the host to finish a checksum, which writes two bytes at an offset of the guest's
 * choice after our check. So it may ask only for the frame's own TCP or UDP checksum, or for one
 * inside a UDP datagram, where no rule reads anything.
 *
 * Where Allow=vlan allows tags, the rules apply to the frame behind them; a frame with a priority
 * tag counts as untagged.
 *
 * The bans (advertisements, DHCP servers, tags, ...) apply if the guard is in use: senders is own,
 * addresses is not any, or something is not allowed. Otherwise every frame passes and is only
 * searched for addresses.
 */
#pragma once

#include "guard-arp.h"
#include "guard-ether.h"
#include "guard-ip.h"

GUARD_INLINE int
guard_judge_type(Frame *frame, const struct guard_settings *settings, __u16 type, __u32 l3,
                 int for_bridges, struct guard_claim *claim)
{
    int why;

    if (type < GUARD_ETH_SMALLEST) {
        why = guard_judge_llc(frame, settings, l3);
        return why == GUARD_PASS ? guard_check_finished(frame) : why;
    }
    if (type == GUARD_ETH_IPV4 && !for_bridges)
        return guard_judge_ipv4(frame, settings, l3, claim);
    if (type == GUARD_ETH_IPV6 && !for_bridges)
        return guard_judge_ipv6(frame, settings, l3, claim);
    if ((type == GUARD_ETH_ARP || type == GUARD_ETH_RARP) && !for_bridges)
        return guard_judge_arp(frame, settings, l3, type == GUARD_ETH_RARP, claim);
    if (type == GUARD_ETH_IPV4 || type == GUARD_ETH_IPV6 || type == GUARD_ETH_ARP)
        return GUARD_OTHER_PROTOCOL;
    why = guard_judge_other(settings, type, for_bridges);
    return why == GUARD_PASS ? guard_check_finished(frame) : why;
}

/* Applies the rules whether or not the guard is in use: GUARD_PASS or a reason; also sets claim. */
GUARD_INLINE int
guard_classify(Frame *frame, const struct guard_settings *settings, struct guard_claim *claim)
{
    __u8 eth[GUARD_ETH], tag[GUARD_TAG];
    int tagged = frame_is_tagged(frame);
    __u32 l3 = GUARD_ETH;
    __u16 type;
    int why;

    if (frame_load_eth(frame, eth) < 0)
        return GUARD_MALFORMED;
    why = guard_check_mac(settings, eth + GUARD_MAC, GUARD_OTHER_MAC);
    if (why != GUARD_PASS)
        return why;
    type = guard_get16(eth + 2 * GUARD_MAC);
    for (int i = 0; i < 2 && guard_is_tag(type); i++) {
        if (frame_load(frame, l3, tag, sizeof(tag)) < 0)
            return GUARD_MALFORMED;
        tagged = 1;
        type = guard_get16(tag + 2);
        l3 += GUARD_TAG;
    }
    if ((tagged && !guard_allows(settings, GUARD_ALLOW_VLAN)) || guard_is_tag(type))
        return GUARD_VLAN_TAG;
    why = guard_judge_type(frame, settings, type, l3, guard_is_for_bridges(eth), claim);
    if (tagged) /* addresses of another LAN */
        claim->kind = GUARD_CLAIM_NOTHING;
    return why;
}

/* Notes the claim of a permitted frame. Returns whether to send an event about a new address. */
GUARD_INLINE int
guard_note(Frame *frame, const struct guard_settings *settings, const struct guard_claim *claim)
{
    if (claim->kind == GUARD_CLAIM_USES)
        return guard_see(frame, &claim->address, claim->how);
    if (claim->kind == GUARD_CLAIM_DAD)
        guard_learn_dad(frame, settings, &claim->address);
    else if (claim->kind == GUARD_CLAIM_ASKS)
        guard_learn_request(frame, settings, claim->offset);
    return 0;
}

/*
 * Judges a frame from the guest. GUARD_PASS or a GuardReason; a frame that passes is noted, and
 * *ret_tell says whether to send an event about the address in claim.
 */
GUARD_INLINE int
guard_judge(Frame *frame, const struct guard_settings *settings, struct guard_claim *claim,
            int *ret_tell)
{
    int why;

    if (settings->addresses == GUARD_ADDRESSES_DHCP)
        guard_recheck(frame, settings);
    why = guard_classify(frame, settings, claim);
    if (!guard_is_on(settings))
        why = GUARD_PASS;
    *ret_tell = why == GUARD_PASS ? guard_note(frame, settings, claim) : 0;
    return why;
}
