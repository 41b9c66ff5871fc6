/* SPDX-License-Identifier: LGPL-2.1-or-later OR GPL-2.0-only */
/* The rules for ARP and RARP. */
#pragma once

#include "guard-check.h"

/* QEMU and macvtapd announce a guest with RARP requests, which contain no IP address. */
GUARD_INLINE int
guard_is_arp_form(const __u8 *arp, int reverse)
{
    __u16 operation = guard_get16(arp + 6);

    if (guard_get16(arp) != 1 || guard_get16(arp + 2) != GUARD_ETH_IPV4 || arp[4] != 6 ||
        arp[5] != 4)
        return 0;
    return reverse ? operation == 3 : operation == 1 || operation == 2;
}

GUARD_PART int
guard_judge_arp(Frame *frame, const struct guard_settings *settings, __u32 l3, __u32 reverse,
                struct guard_claim *claim)
{
    __u8 arp[GUARD_ARP];
    int why;

    if (!settings || !claim || frame_load(frame, l3, arp, sizeof(arp)) < 0)
        return GUARD_MALFORMED;
    if (!guard_is_arp_form(arp, reverse != 0))
        return GUARD_ARP_FORM;
    why = guard_check_mac(settings, arp + 8, GUARD_ARP_MAC);
    if (why == GUARD_PASS)
        why = guard_check_finished(frame);
    if (why != GUARD_PASS)
        return why;
    guard_address_ipv4(&claim->address, arp + 14);
    /* A probe, whose sender has no address yet (RFC 5227). */
    if (guard_is_unspecified(&claim->address) && guard_get16(arp + 6) != 2)
        return GUARD_PASS;
    why = guard_check_address(frame, settings, &claim->address, GUARD_ARP_ADDRESS);
    if (why == GUARD_PASS && !reverse && !guard_is_unspecified(&claim->address)) {
        claim->kind = GUARD_CLAIM_USES;
        claim->how = GUARD_HOW_ARP;
    }
    return why;
}
