/* SPDX-License-Identifier: LGPL-2.1-or-later OR GPL-2.0-only */
/* The rules for ICMPv6: neighbour and router discovery, and multicast listeners' queries. */
#pragma once

#include "guard-check.h"

/* The offset of the options in an ND message; 0: it is not an ND message. */
GUARD_INLINE __u32
guard_nd_options(__u8 type)
{
    if (type < 133 || type > 137)
        return 0;
    if (type == 133) /* router solicitation */
        return 8;
    if (type == 134) /* router advertisement */
        return 16;
    return type == 137 /* redirect */ ? 40 : 24; /* neighbour solicitation and advertisement */
}

/* Source and target link-layer addresses (RFC 4861 4.6.1) must be the port's. */
GUARD_INLINE int
guard_check_nd_options(Frame *frame, const struct guard_settings *settings, __u32 at, __u32 end)
{
    __u8 option[8];

    for (int i = 0; i < GUARD_ND_OPTIONS; i++) {
        if (at + sizeof(option) > end)
            return GUARD_PASS;
        if (frame_load(frame, at, option, sizeof(option)) < 0)
            return GUARD_MALFORMED;
        if ((option[0] == 1 || option[0] == 2) && !guard_same_mac(option + 2, settings->mac))
            return GUARD_ND_MAC;
        at += option[1] * 8;
    }
    return GUARD_MALFORMED;
}

GUARD_INLINE int
guard_check_icmpv6_type(const struct guard_settings *settings, __u8 type)
{
    if (guard_allows(settings, GUARD_ALLOW_ROUTER))
        return GUARD_PASS;
    if (type == 134)
        return GUARD_ROUTER_ADVERTISEMENT;
    if (type == 137)
        return GUARD_REDIRECT;
    if (type == 130 || type == 151) /* MLD query; multicast router advertisement (RFC 4286) */
        return GUARD_QUERY;
    return GUARD_PASS;
}

/* What an ND message says about its sender. */
GUARD_INLINE int
guard_judge_nd(Frame *frame, const struct guard_settings *settings,
               const struct guard_transport *transport, __u8 type, struct guard_claim *claim)
{
    struct guard_address target = {0};
    __u8 bytes[16];

    if (type == 135 || type == 136) {
        if (frame_load(frame, transport->at + 8, bytes, sizeof(bytes)) < 0)
            return GUARD_MALFORMED;
        guard_address_ipv6(&target, bytes);
        if (guard_is_mapped(&target))
            return GUARD_ND_ADDRESS;
    }
    if (type == 136) { /* a neighbour's advertisement: the target must be the guest's */
        claim->address = target;
        claim->kind = GUARD_CLAIM_USES;
        return guard_check_address(frame, settings, &claim->address, GUARD_ND_ADDRESS);
    }
    if (!guard_is_unspecified(&claim->address)) {
        claim->kind = GUARD_CLAIM_USES; /* sets claim->address to the source */
    } else if (type == 135) {
        claim->address = target;
        claim->kind = GUARD_CLAIM_DAD;
    }
    return GUARD_PASS;
}

/* claim->address is the packet's source. */
GUARD_PART int
guard_judge_icmpv6(Frame *frame, const struct guard_settings *settings,
                   struct guard_transport *transport, struct guard_claim *claim)
{
    __u8 type;
    __u32 options;
    int why;

    if (!settings || !transport || !claim || frame_load(frame, transport->at, &type, 1) < 0)
        return GUARD_MALFORMED;
    /* Sent without an address: DAD, router solicitations, and MLD reports before DAD (RFC 3590). */
    transport->nameless = type == 133 || type == 135 || type == 131 || type == 132 || type == 143;
    why = guard_check_icmpv6_type(settings, type);
    options = guard_nd_options(type);
    if (why != GUARD_PASS || options == 0)
        return why;
    if (transport->fragmented) /* receivers that follow RFC 6980 ignore it */
        return GUARD_FRAGMENT;
    if (transport->at + options > transport->end)
        return GUARD_MALFORMED;
    if (settings->senders == GUARD_SENDERS_OWN)
        why = guard_check_nd_options(frame, settings, transport->at + options, transport->end);
    if (why != GUARD_PASS)
        return why;
    claim->how = GUARD_HOW_ND;
    return guard_judge_nd(frame, settings, transport, type, claim);
}
