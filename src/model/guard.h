/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The guard of a port: what its guest may send ([Guard] of a network's file), the names of the
 * settings, and descriptions of why a frame was dropped. Pure: the datapath enforces it.
 *
 * A port's guard has three layers: defaults, which depend on the network's mode and on whether
 * macvtapd can guard ports at all; its network's settings; and what root has set for the port
 * itself. Only guard_resolve() knows how they combine.
 */
#pragma once

#include "guard-values.h"
#include "ip-address.h"
#include "mac-address.h"

#include <glib.h>

/* The most prefixes that a port can have, its own and those in AllowAddresses= together. */
#define GUARD_PREFIXES_MAX 32

/* Allow=none: explicitly allows nothing; without Allow= the default might allow everything. */
#define GUARD_ALLOW_NONE (1u << 8)
/* Everything that a datapath needs to know. */
#define GUARD_ALLOW_ALL ((guint)GUARD_ALLOW_NONE - 1)

/* The settings of a network, or those in force for a port: then senders is never AUTO, and allow
 * has only bits of GuardAllow. */
typedef struct GuardSettings {
    GuardSenders senders;
    GuardVerdict verdict;
    GuardAddresses addresses;
    guint allow;      /* GuardAllow and GUARD_ALLOW_NONE; in a network, 0: not given */
    GArray *prefixes; /* of IpPrefix, at most GUARD_PREFIXES_MAX; NULL: none */
} GuardSettings;

/* What root has set for one port, in place of its network's settings. */
typedef struct GuardOwn {
    gboolean is_given; /* any of these, including "as in the network" */
    gboolean has_senders, has_verdict, has_addresses, has_allow;
    GuardSettings settings; /* prefixes: the port's own, in addition to its network's */
} GuardOwn;

void guard_settings_clear(GuardSettings *settings);
void guard_settings_copy(const GuardSettings *settings, GuardSettings *ret_settings);
gboolean guard_settings_equal(const GuardSettings *a, const GuardSettings *b);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(GuardSettings, guard_settings_clear)

/* The facts about a port that its guard depends on. */
typedef struct GuardPlace {
    gboolean is_passthru;
    gboolean has_guest_vlans; /* GuestVLANs=: its guests use tags */
    gboolean can_guard;       /* there is a datapath */
    const GArray *addresses;  /* of PortAddress: those that it was given; NULL: none */
} GuardPlace;

/*
 * Combines own (NULL: nothing) with its network's settings. Without a datapath the result restricts
 * nothing, unless guard_is_required(). Clear the result. Fails with PORT_ERROR_INVALID_REQUEST if
 * both together have more than GUARD_PREFIXES_MAX prefixes.
 */
gboolean guard_resolve(const GuardSettings *network, const GuardOwn *own, const GuardPlace *place,
                       GuardSettings *ret_settings, GError **error);

/* Whether the port's own prefixes have an effect: without Addresses=listed or dhcp they would look
 * like a guard without being one. PORT_ERROR_INVALID_REQUEST. */
gboolean guard_check_own(const GuardSettings *network, const GuardOwn *own, GError **error);

/* Whether the settings explicitly ask for a guard: without a datapath the port must then not be
 * created. own may be NULL. */
gboolean guard_is_required(const GuardSettings *network, const GuardOwn *own);

/* Whether these settings restrict a port at all. */
gboolean guard_is_on(const GuardSettings *settings);

/* The words of the settings in the network's file and the API. */
const char *guard_senders_name(GuardSenders senders);
const char *guard_verdict_name(GuardVerdict verdict);
const char *guard_addresses_name(GuardAddresses addresses);

/* The word for bit 1 << i of GuardAllow; the last is the one for GUARD_ALLOW_NONE. */
#define GUARD_ALLOW_COUNT 9
const char *guard_allow_name(guint i);

/* The reason's name in the API, such as "other-mac"; NULL: no such reason. */
const char *guard_reason_name(guint reason);

/*
 * Describes the dropped frame for the log: "a frame from MAC 02:00:00:00:00:01; the port has
 * 52:54:00:00:00:02". frame has its first length bytes, which come from the guest: any content and
 * length is fine. Free with g_free().
 */
char *guard_describe_drop(guint reason, const guint8 *frame, gsize length, const MacAddress *mac);

/* How an address was seen: the datapath's numbers. */
typedef enum GuardSeenHow {
    GUARD_SEEN_ARP = 1,
    GUARD_SEEN_ND,
    GUARD_SEEN_DHCP,
} GuardSeenHow;

/* "arp", "nd" or "dhcp"; NULL: no such number. */
const char *guard_seen_name(guint how);
