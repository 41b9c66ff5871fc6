/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "field.h"

#include "interface-name.h"
#include "network.h"

#include <string.h>

#define IN_NETWORK(Type, member, ...) .object = FIELD_AT(Network, Type, member, __VA_ARGS__)
#define KEY(section_name, key_name) .section = section_name, .key = key_name

DEFINE_FIELD_WORD(macvtap_mode_name, MacvtapMode)
DEFINE_FIELD_WORD(mac_policy_name, MacPolicy)
DEFINE_FIELD_WORD(multicast_policy_name, MulticastPolicy)
DEFINE_FIELD_WORD(vhost_policy_name, VhostPolicy)

DEFINE_FIELD_WORD(address_serve_name, AddressServe)

DEFINE_FIELD_WORD(guard_senders_name, GuardSenders)
DEFINE_FIELD_WORD(guard_verdict_name, GuardVerdict)
DEFINE_FIELD_WORD(guard_addresses_name, GuardAddresses)

static gboolean
check_vlan(const char *text, GError **error)
{
    return network_vlan_is_valid(text);
}

/* A domain name as resolv.conf(5) may have it. */
static gboolean
check_search(const char *text, GError **error)
{
    return text[0] != '.' && text[0] != '-' && strlen(text) <= ADDRESS_SEARCH_LENGTH_MAX &&
           !text[strspn(text, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "-_.")] &&
           !strstr(text, "..");
}

static gboolean
check_guest_vlan(const char *text, GError **error)
{
    return vlan_tags_add(text, NULL);
}

/* A part of [Addresses]: a network without it does not have the field. */
#define ADDRESSES(Type, member, ...)                                                               \
    IN_NETWORK(Type, addresses.member, .given = offsetof(Network, addresses.is_given), __VA_ARGS__)

static gboolean
check_interface(const char *text, GError **error)
{
    return interface_name_check(text, NULL);
}

/* The API shows the settings in force, see api_json_network(). */
static const Field guard_fields[] = {
    {"senders", FIELD_REPLY, IN_NETWORK(ENUM, guard.senders),
     FIELD_WORDS(guard_senders_name, GUARD_SENDERS_OWN + 1), KEY("Guard", "Senders"),
     .label = "senders"},
    {"addresses", FIELD_REPLY, IN_NETWORK(ENUM, guard.addresses),
     FIELD_WORDS(guard_addresses_name, GUARD_ADDRESSES_DHCP + 1), KEY("Guard", "Addresses"),
     .label = "addresses"},
    {"allowAddresses", FIELD_REPLY, IN_NETWORK(PREFIXES, guard.prefixes),
     KEY("Guard", "AllowAddresses"), .label = "allowed IPs"},
    {"allow", FIELD_REPLY, IN_NETWORK(BITS, guard.allow), .word = guard_allow_name,
     .n_words = GUARD_ALLOW_COUNT, KEY("Guard", "Allow"), .label = "allows"},
    {"verdict", FIELD_REPLY, IN_NETWORK(ENUM, guard.verdict),
     FIELD_WORDS(guard_verdict_name, GUARD_VERDICT_COUNT + 1), KEY("Guard", "Verdict"),
     .label = "verdict"},
    {NULL},
};

static const Field limits_fields[] = {
    {"send", FIELD_REPLY, IN_NETWORK(RATE, limits.send), KEY("Guard", "SendLimit"),
     .label = "send limit"},
    {"receive", FIELD_REPLY, IN_NETWORK(RATE, limits.receive), KEY("Guard", "ReceiveLimit"),
     .label = "receive limit"},
    {"broadcasts", FIELD_REPLY | FIELD_OPTIONAL,
     IN_NETWORK(UINT, limits.broadcasts, .min = 1, .max = LIMIT_BROADCASTS_MAX),
     KEY("Guard", "BroadcastLimit"), .label = "broadcasts/s"},
    {NULL},
};

/* MTU: Linux's ETH_MIN_MTU and ETH_MAX_MTU. */
const Field network_fields[] = {
    {"name", FIELD_REPLY, IN_NETWORK(TEXT, name), .label = "network", .column = "NAME"},
    {"problem", FIELD_SHOWN, .label = "problem"},
    {"mode", FIELD_REPLY, IN_NETWORK(ENUM, mode),
     FIELD_WORDS(macvtap_mode_name, MACVTAP_MODE_COUNT), KEY("Network", "Mode"), .label = "mode",
     .column = "MODE"},
    {"parents", FIELD_REPLY, IN_NETWORK(STRINGS, parents), KEY("Network", "Parent"),
     .label = "parent", .column = "PARENT"},
    {"parentLinks", FIELD_SHOWN, .label = "  link"},
    {"parentProblems", FIELD_SHOWN, .label = "  unusable"},
    {"takenVlans", FIELD_SHOWN, .label = "  not heard"},
    {"vlan", FIELD_REPLY | FIELD_OPTIONAL, IN_NETWORK(TEXT, vlan, .check = check_vlan),
     KEY("Network", "VLAN"), .expected = "N or OUTER.INNER, each 1 to 4094", .label = "VLAN",
     .column = "VLAN"},
    {"noPromisc", FIELD_REPLY, IN_NETWORK(BOOLEAN, nopromisc), KEY("Network", "NoPromisc")},
    {"mtu", FIELD_REPLY | FIELD_OPTIONAL,
     IN_NETWORK(UINT, mtu, .min = NETWORK_MTU_MIN, .max = NETWORK_MTU_MAX), KEY("Network", "MTU"),
     .label = "MTU"},
    {"sources", FIELD_REPLY, IN_NETWORK(MACS, sources), KEY("Network", "Sources"),
     .expected = "a MAC address (example: 52:54:00:12:34:56)", .label = "sources"},
    {"macPolicy", FIELD_REPLY, IN_NETWORK(ENUM, mac),
     FIELD_WORDS(mac_policy_name, MAC_POLICY_ASSIGN + 1), KEY("Port", "Mac"), .label = "MAC"},
    {"allowMacs", FIELD_REPLY, IN_NETWORK(RANGES, allow_macs), KEY("Port", "AllowMacs"),
     .expected = "a unicast MAC address or a range of them (example: 52:54:00:00:00:00/24, with no "
                 "bits set after the 24th)",
     .label = "allowed MACs"},
    {"multicast", FIELD_REPLY, IN_NETWORK(ENUM, multicast),
     FIELD_WORDS(multicast_policy_name, MULTICAST_FILTER + 1), KEY("Port", "Multicast"),
     .label = "multicast"},
    {"guestVlans", FIELD_REPLY, IN_NETWORK(STRINGS, guest_vlans, .check = check_guest_vlan),
     KEY("Port", "GuestVLANs"), .expected = "N or FIRST-LAST, each 1 to 4094",
     .label = "guest VLANs"},
    {"maxQueues", FIELD_REPLY, IN_NETWORK(UINT, max_queues, .min = 1, .max = NETWORK_QUEUES_MAX),
     KEY("Port", "MaxQueues"), .label = "max queues"},
    {"vhost", FIELD_REPLY, IN_NETWORK(ENUM, vhost),
     FIELD_WORDS(vhost_policy_name, VHOST_POLICY_OFF + 1), KEY("Port", "Vhost"), .label = "vhost"},
    {"txQueueLength", FIELD_REPLY | FIELD_OPTIONAL,
     IN_NETWORK(UINT, tx_queue_length, .min = 1, .max = 1000000), KEY("Port", "TxQueueLength"),
     .label = "ring"},
    {"broadcastQueueLength", FIELD_REPLY | FIELD_OPTIONAL,
     IN_NETWORK(UINT, broadcast_queue_length, .min = 1, .max = 1000000),
     KEY("Port", "BroadcastQueueLength"), .label = "broadcasts"},
    {"guard", FIELD_REPLY, IN_NETWORK(GROUP, guard), .members = guard_fields},
    {"followCarrier", FIELD_REPLY | FIELD_OPTIONAL, IN_NETWORK(BOOLEAN, follow_carrier),
     KEY("Guest", "FollowCarrier"), .label = "link follows"},
    {"unguarded", FIELD_SHOWN, .label = "unguarded"},
    {"subnets", FIELD_REPLY, ADDRESSES(PREFIXES, subnets), KEY("Addresses", "Subnet"),
     .label = "subnet"},
    {"ranges", FIELD_REPLY, ADDRESSES(IP_RANGES, ranges), KEY("Addresses", "Range"),
     .label = "range"},
    {"reserved", FIELD_REPLY, ADDRESSES(IP_RANGES, reserved), KEY("Addresses", "Reserve"),
     .label = "reserved"},
    {"pools", FIELD_SHOWN, .label = "  leases"},
    {"gateways", FIELD_REPLY, ADDRESSES(IPS, gateways), KEY("Addresses", "Gateway"),
     .expected = "an IP address", .label = "gateway"},
    {"dns", FIELD_REPLY, ADDRESSES(IPS, dns), KEY("Addresses", "DNS"), .expected = "an IP address",
     .label = "DNS"},
    {"search", FIELD_REPLY, ADDRESSES(STRINGS, search, .check = check_search),
     KEY("Addresses", "Search"), .expected = "a domain name", .label = "search"},
    {"serve", FIELD_REPLY, ADDRESSES(ENUM, serve),
     FIELD_WORDS(address_serve_name, ADDRESS_SERVE_COUNT), KEY("Addresses", "Serve"),
     .label = "serve"},
    {"leaseTime", FIELD_REPLY,
     ADDRESSES(SECONDS, lease_time, .min = ADDRESS_LEASE_TIME_MIN,
               .max = ADDRESS_LEASE_TIME_INFINITE),
     KEY("Addresses", "LeaseTime"),
     .expected = "a time of at least 1min (examples: 90s, 30min, 12h, 7d, infinity)"},
    {"limits", FIELD_REPLY, IN_NETWORK(GROUP, limits), .members = limits_fields},
    {"announce", FIELD_REPLY, IN_NETWORK(BOOLEAN, announce), KEY("Guest", "Announce"),
     .label = "announced"},
    {"hostAccess", FIELD_REPLY, IN_NETWORK(BOOLEAN, host_access), KEY("Host", "Access"),
     .label = "host access"},
    {"hostInterface", FIELD_REPLY | FIELD_OPTIONAL,
     IN_NETWORK(TEXT, host_interface, .check = check_interface), KEY("Host", "Interface"),
     .expected = "the name of a network interface, at most 15 characters"},
    {"hostLinks", FIELD_SHOWN, .label = "host link"},
    {"allowUsers", 0, IN_NETWORK(USERS, allow_uids), KEY("Access", "AllowUsers"),
     .expected = "a user of this system, by name or uid"},
    {"allowGroups", 0, IN_NETWORK(GROUPS, allow_gids), KEY("Access", "AllowGroups"),
     .expected = "a group of this system, by name or gid"},
    {"maxPorts", FIELD_REPLY | FIELD_OPTIONAL,
     IN_NETWORK(UINT, max_ports, .min = 1, .max = G_MAXUINT32), KEY("Access", "MaxPorts"),
     .label = "max ports"},
    {"maxPortsPerUser", FIELD_REPLY | FIELD_OPTIONAL,
     IN_NETWORK(UINT, max_ports_per_user, .min = 1, .max = G_MAXUINT32),
     KEY("Access", "MaxPortsPerUser"), .label = "  per user"},
    {"ports", FIELD_SHOWN, .label = "ports", .column = "PORTS"},
    {"problem", FIELD_SHOWN, .column = "PROBLEM"},
    {NULL},
};
