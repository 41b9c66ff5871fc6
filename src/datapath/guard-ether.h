/* SPDX-License-Identifier: LGPL-2.1-or-later OR GPL-2.0-only */
/* The rules for Ethernet's headers, and for what is neither IP nor ARP: protocols of bridges, LLC,
 * and those that no rule can read. */
#pragma once

#include "guard-check.h"

GUARD_INLINE int
guard_is_tag(__u16 type)
{
    return type == 0x8100 || type == 0x88a8 || type == 0x9100 || type == 0x9200 || type == 0x9300;
}

/* 802.3. SNAP is another way to encode an EtherType, which the other rules do not look at. */
GUARD_INLINE int
guard_judge_llc(Frame *frame, const struct guard_settings *settings, __u32 l3)
{
    __u8 llc[8];
    __u16 type;

    if (frame_load(frame, l3, llc, 3) < 0)
        return GUARD_MALFORMED;
    if (llc[0] == 0x42)
        return guard_allows(settings, GUARD_ALLOW_STP) ? GUARD_PASS : GUARD_STP;
    if (llc[0] == 0xaa || llc[0] == 0xab) {
        if (frame_load(frame, l3, llc, sizeof(llc)) < 0)
            return GUARD_MALFORMED;
        type = guard_get16(llc + 6);
        if (type == GUARD_ETH_ARP || type == GUARD_ETH_RARP)
            return GUARD_ARP_FORM;
        if (guard_is_tag(type))
            return GUARD_VLAN_TAG;
        if (type == GUARD_ETH_IPV4 || type == GUARD_ETH_IPV6)
            return GUARD_OTHER_PROTOCOL;
        if (type == 0x010b) /* PVST+ */
            return guard_allows(settings, GUARD_ALLOW_STP) ? GUARD_PASS : GUARD_STP;
    }
    return guard_allows(settings, GUARD_ALLOW_OTHER) ? GUARD_PASS : GUARD_OTHER_PROTOCOL;
}

/* 01:80:c2:00:00:0X, which bridges do not forward, and :2X, which configures VLANs and groups on
 * bridges. */
GUARD_INLINE int
guard_is_for_bridges(const __u8 *mac)
{
    return mac[0] == 0x01 && mac[1] == 0x80 && mac[2] == 0xc2 && mac[3] == 0 && mac[4] == 0 &&
           ((mac[5] & 0xf0) == 0 || (mac[5] & 0xf0) == 0x20);
}

/* An EtherType without a rule of its own. Where addresses are checked, a protocol that we cannot
 * read does not pass. */
GUARD_INLINE int
guard_judge_other(const struct guard_settings *settings, __u16 type, int for_bridges)
{
    if (type == GUARD_ETH_LLDP)
        return guard_allows(settings, GUARD_ALLOW_LLDP) ? GUARD_PASS : GUARD_LLDP;
    if (type == GUARD_ETH_LACP)
        return guard_allows(settings, GUARD_ALLOW_LACP) ? GUARD_PASS : GUARD_LACP;
    if (guard_allows(settings, GUARD_ALLOW_OTHER))
        return GUARD_PASS;
    if (for_bridges || settings->addresses != GUARD_ADDRESSES_ANY || type == GUARD_ETH_PAUSE ||
        type == GUARD_ETH_8021X || type == GUARD_ETH_MVRP || type == GUARD_ETH_MMRP ||
        type == GUARD_ETH_JUMBO_LLC)
        return GUARD_OTHER_PROTOCOL;
    return GUARD_PASS;
}
