/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "addresses.h"
#include "guard.h"
#include "mac-address.h"
#include "mode.h"
#include "rate-limits.h"

#include <glib.h>
#include <sys/types.h>

/* Whether vhost-net descriptors go with a port's queues. */
typedef enum VhostPolicy {
    VHOST_POLICY_AUTO, /* when the host has /dev/vhost-net */
    VHOST_POLICY_REQUIRE,
    VHOST_POLICY_OFF,
} VhostPolicy;

/* Where a port's MAC comes from. */
typedef enum MacPolicy {
    MAC_POLICY_GENERATE, /* generated, or the caller's if AllowMacs has it */
    MAC_POLICY_ANY,      /* the caller's, whatever it is; the guest may change it */
    MAC_POLICY_INHERIT,  /* passthru: the parent's */
    MAC_POLICY_ASSIGN,   /* passthru: the parent takes the port's */
} MacPolicy;

typedef enum MulticastPolicy {
    MULTICAST_ALL,
    MULTICAST_FILTER,
} MulticastPolicy;

/* The most queues a macvtap can have: MAX_TAP_QUEUES of the kernel's include/linux/if_tap.h. */
#define NETWORK_QUEUES_MAX 256

/* Linux's ETH_MIN_MTU and ETH_MAX_MTU (include/uapi/linux/if_ether.h). */
#define NETWORK_MTU_MIN 68
#define NETWORK_MTU_MAX 65535

/* The MAC addresses that a network allows by default: QEMU's and libvirt's own block. */
#define NETWORK_DEFAULT_MACS "52:54:00:00:00:00/24"

/* The most entries of a Sources= list, in a record and in a request, too. */
#define NETWORK_SOURCES_MAX 256

/* The longest network name in bytes: it must fit ifalias, file names and messages. */
#define NETWORK_NAME_MAX 64

/* Identifies a version of a file (stat(2)); all zero: there was no file. */
typedef struct NetworkFile {
    guint64 inode, size, seconds, nanoseconds; /* the last three: in bytes, and of its mtime */
} NetworkFile;

/*
 * A network that the administrator defined; immutable and reference-counted (g_atomic_rc_box). An
 * ad-hoc network has its own description as its name, and only root may use it.
 */
typedef struct Network {
    char *name;
    char *problem; /* NULL, or why the network cannot be used (the error in its file); then only
                      name is set */
    gboolean adhoc;
    NetworkFile file;

    /* [Network] */
    GStrv parents; /* at least one; several are a pool */
    char *vlan;    /* NULL, "100", or "200.100" (outer.inner) */
    MacvtapMode mode;
    gboolean nopromisc;
    guint32 mtu;     /* bytes; 0: the parent's */
    GArray *sources; /* of MacAddress: source mode's list */

    /* [Port] */
    guint max_queues; /* 1 to 256 */
    VhostPolicy vhost;
    MacPolicy mac;
    GArray *allow_macs; /* of MacRange; the addresses that a caller may ask for and that are
                           generated */
    MulticastPolicy multicast;
    GStrv guest_vlans; /* "100", "200-210": 802.1Q tags that guests add themselves; may be empty */
    guint32 tx_queue_length;        /* packets; 0: the kernel's 500 */
    guint32 broadcast_queue_length; /* packets; 0: the kernel's 1000 */

    GuardSettings guard; /* [Guard], as in the file: see guard_resolve() */
    Limits limits;       /* likewise; see limits_resolve() */

    AddressSettings addresses; /* [Addresses] */
    gboolean announce;         /* [Guest]: the guests are announced after a failover */

    /* [Guest] */
    gboolean follow_carrier; /* its link follows the parent's carrier, by an agent */

    /* [Host] */
    gboolean host_access; /* the host reaches the guests, and they the host, by a host link */
    char *host_interface; /* the host link's name; NULL: a name derived from the parent's */

    /* [Access]; root may always use it */
    GArray *allow_uids;       /* of uid_t */
    GArray *allow_gids;       /* of gid_t */
    guint max_ports;          /* 0: only the daemon's own limit */
    guint max_ports_per_user; /* likewise */
} Network;

/* A network with all defaults. There is no default mode; the caller must set it. */
Network *network_new(const char *name);

/* A network that cannot be used, with the reason. */
Network *network_new_broken(const char *name, const char *problem);

Network *network_ref(Network *network);
void network_unref(Network *network);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Network, network_unref)

/* Whether name can be a network's: 1 to 64 of letters, digits, '-', '_', '.', not starting with '.'
 * or '-'. */
gboolean network_name_is_valid(const char *name);

/* The message for a name that no network has, of those that the user may use, known (up to NULL):
 * the one that was probably meant, or a few; free with g_free(). */
char *network_unknown_text(const char *name, const char *const *known);

/* Whether text describes an ad-hoc network rather than a defined one: it has a '='. */
gboolean network_spec_is_adhoc(const char *text);

/* Whether text could name a network, a defined or an ad-hoc one; PORT_ERROR_INVALID_REQUEST. */
gboolean network_spec_check(const char *text, GError **error);

/*
 * Parses "parent=eth0,mode=bridge[,vlan=N]" (the mode is mandatory, as the kernel's default, vepa,
 * is surprising). Fails with PORT_ERROR_INVALID_REQUEST, which names an unknown word.
 */
Network *network_parse_adhoc(const char *text, GError **error);

/* Checks combinations of fields (Sources= without source mode, inherit without passthru…) and sets
 * the defaults that depend on other fields (passthru: Mac=inherit). Fails with
 * PORT_ERROR_NETWORK_INVALID; the message starts with the key at fault ("Sources=…") and does not
 * name the network. */
gboolean network_finish(Network *network, gboolean mac_policy_given, GError **error);

/* Resolves [Guard] for a port without settings of its own; can_guard: there is a datapath. Clear
 * the result. */
void network_resolve_guard(const Network *network, gboolean can_guard, GuardSettings *ret_settings);

/* Whether the network would restrict its ports if macvtapd could guard them. */
gboolean network_wants_guard(const Network *network);

/* What guard_resolve() needs to know about the network. */
GuardPlace network_guard_place(const Network *network, gboolean can_guard);

const char *vhost_policy_name(VhostPolicy policy);
const char *mac_policy_name(MacPolicy policy);
const char *multicast_policy_name(MulticastPolicy policy);

/* "N" or "OUTER.INNER", each 1 to 4094. */
gboolean network_vlan_is_valid(const char *text);

/* A set of 802.1Q tags. */
typedef struct VlanTags {
    guint64 bits[64]; /* tag n is bit n % 64 of bits[n / 64] */
} VlanTags;

/* The most tags of GuestVLANs=: each is a VLAN device on the parent. */
#define NETWORK_GUEST_VLANS_MAX 256

/* "N" or "FIRST-LAST", each 1 to 4094: adds them to tags, which may be NULL. */
gboolean vlan_tags_add(const char *text, VlanTags *tags);

gboolean vlan_tags_has(const VlanTags *tags, guint tag);
void vlan_tags_set(VlanTags *tags, guint tag, gboolean on);
guint vlan_tags_count(const VlanTags *tags);
gboolean vlan_tags_are_none(const VlanTags *tags);

/* The tags in the network's GuestVLANs=, which were already checked. */
void network_guest_vlans(const Network *network, VlanTags *ret_tags);
