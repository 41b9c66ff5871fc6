/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The guard of a port: what its guest may send ([Guard] of a network's file), the names of that,
 * and why a frame was dropped, for people. Pure: the datapath carries it out.
 *
 * Three layers make up what is in force for a port: its network's settings, in which what is not
 * given is decided by the network's mode and by whether macvtapd can guard at all; over these, what
 * root has given the port itself; guard_resolve() is the one place that knows the rules.
 */
#pragma once

#include "guard-values.h"
#include "ip-address.h"
#include "mac-address.h"

#include <glib.h>

/* The most prefixes that a port can have, of its own and of AllowAddresses= together. */
#define GUARD_PREFIXES_MAX 32

/* Allow=none: so many words that nothing is allowed, where nothing given would let all pass. */
#define GUARD_ALLOW_NONE (1u << 8)
/* All that a datapath knows. */
#define GUARD_ALLOW_ALL ((guint)GUARD_ALLOW_NONE - 1)

/* A network's, or what is in force for a port: then senders is never AUTO, and allow has bits of
 * GuardAllow only. */
typedef struct GuardSettings {
    GuardSenders senders;
    GuardVerdict verdict;
    GuardAddresses addresses;
    guint allow;      /* GuardAllow, and GUARD_ALLOW_NONE; of a network 0: not given */
    GArray *prefixes; /* of IpPrefix, at most GUARD_PREFIXES_MAX; NULL: none */
} GuardSettings;

/* What root gave one port, against its network's. */
typedef struct GuardOwn {
    gboolean is_given; /* any of these; also that all is as its network has it */
    gboolean has_senders, has_verdict, has_addresses, has_allow;
    GuardSettings settings; /* prefixes: the port's own, which join its network's */
} GuardOwn;

void guard_settings_clear(GuardSettings *settings);
void guard_settings_copy(const GuardSettings *settings, GuardSettings *ret_settings);
gboolean guard_settings_equal(const GuardSettings *a, const GuardSettings *b);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(GuardSettings, guard_settings_clear)

/* Where a port is, as far as it matters here. */
typedef struct GuardPlace {
    gboolean is_passthru;
    gboolean has_guest_vlans; /* GuestVLANs=: its guests use tags */
    gboolean can_guard;       /* there is a datapath */
} GuardPlace;

/*
 * What is in force for a port: own (NULL: nothing) over its network's. Without a datapath that is
 * "anything from anybody", unless guard_is_required(). Clear the result. Fails with
 * PORT_ERROR_INVALID_REQUEST if the two have more than GUARD_PREFIXES_MAX prefixes together.
 */
gboolean guard_resolve(const GuardSettings *network, const GuardOwn *own, const GuardPlace *place,
                       GuardSettings *ret_settings, GError **error);

/* Whether the port's own prefixes are of use: without Addresses=listed or dhcp they would look like
 * a guard and be none. PORT_ERROR_INVALID_REQUEST. */
gboolean guard_check_own(const GuardSettings *network, const GuardOwn *own, GError **error);

/* Whether somebody asks for a guard in so many words: where there is no datapath, no port is made
 * then. own may be NULL. */
gboolean guard_is_required(const GuardSettings *network, const GuardOwn *own);

/* Whether a port with these in force is held to anything. */
gboolean guard_is_on(const GuardSettings *settings);

/* As the network's file and the API have them. */
const char *guard_senders_name(GuardSenders senders);
const char *guard_verdict_name(GuardVerdict verdict);
const char *guard_addresses_name(GuardAddresses addresses);

/* The word for bit 1 << i of GuardAllow, and of GUARD_ALLOW_NONE last. */
#define GUARD_ALLOW_COUNT 9
const char *guard_allow_name(guint i);

/* "other-mac": the reason's name in the API; NULL: there is no such reason. */
const char *guard_reason_name(guint reason);

/*
 * What was dropped, for the log: "a frame from MAC 02:00:00:00:00:01; the port has
 * 52:54:00:00:00:02". frame has the first length bytes of an example, which are the guest's: fewer
 * than are needed, and any, are fine. Free with g_free().
 */
char *guard_describe_drop(guint reason, const guint8 *frame, gsize length, const MacAddress *mac);

/* How an address was seen: the datapath's numbers. */
typedef enum GuardSeenHow {
    GUARD_SEEN_ARP = 1,
    GUARD_SEEN_ND,
    GUARD_SEEN_DHCP,
} GuardSeenHow;

/* "arp", "nd", "dhcp"; NULL: there is no such number. */
const char *guard_seen_name(guint how);
