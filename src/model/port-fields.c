/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "field.h"

#include "port-error.h"
#include "port.h"

#include <string.h>

/* A field's place in each structure; further arguments: the rest of its FieldPlace. */
#define IN_PORT(Type, member, ...) .object = FIELD_AT(Port, Type, member, __VA_ARGS__)
#define IN_REQUEST(Type, member, ...) .request = FIELD_AT(PortRequest, Type, member, __VA_ARGS__)
#define IN_CHANGE(Type, member, ...) .change = FIELD_AT(PortChange, Type, member, __VA_ARGS__)

DEFINE_FIELD_WORD(macvtap_mode_name, MacvtapMode)
DEFINE_FIELD_WORD(mac_policy_name, MacPolicy)
DEFINE_FIELD_WORD(vhost_policy_name, VhostPolicy)
DEFINE_FIELD_WORD(port_state_name, PortState)
DEFINE_FIELD_WORD(holder_type_name, HolderType)

DEFINE_FIELD_WORD(guard_senders_name, GuardSenders)
DEFINE_FIELD_WORD(guard_verdict_name, GuardVerdict)
DEFINE_FIELD_WORD(guard_addresses_name, GuardAddresses)

static gboolean
check_id(const char *text, GError **error)
{
    return port_id_is_valid(text);
}

/* policy_check_request() checks the name in a request; the name of a port may also be its ID. */
static gboolean
check_name(const char *text, GError **error)
{
    return network_name_is_valid(text);
}

static gboolean
check_network(const char *text, GError **error)
{
    return network_spec_check(text, NULL);
}

static gboolean
check_vlan(const char *text, GError **error)
{
    return network_vlan_is_valid(text);
}

/* Whether the character would make a terminal or log start a new line or do anything but display
 * it. */
static gboolean
is_control(gunichar character)
{
    GUnicodeType type = g_unichar_type(character);

    return type == G_UNICODE_CONTROL || type == G_UNICODE_LINE_SEPARATOR ||
           type == G_UNICODE_PARAGRAPH_SEPARATOR;
}

static gboolean
check_description(const char *text, GError **error)
{
    gsize length = strlen(text);

    if (length > PORT_DESCRIPTION_MAX)
        return port_error_set(
            error, PORT_ERROR_INVALID_REQUEST,
            "a description must not exceed %d bytes; this one has %" G_GSIZE_FORMAT,
            PORT_DESCRIPTION_MAX, length);
    for (const char *c = text; *c; c = g_utf8_next_char(c)) {
        if (is_control(g_utf8_get_char(c)))
            return port_error_set(error, PORT_ERROR_INVALID_REQUEST,
                                  "a description must be one line without control characters");
    }
    return TRUE;
}

static char *
derive_node_path(gconstpointer structure)
{
    const Port *port = structure;

    return port->has_node ? port_node_path(port) : NULL;
}

static const Field holder_fields[] = {
    {"type", FIELD_RECORD | FIELD_REPLY | FIELD_MANDATORY, IN_PORT(ENUM, holder.type),
     IN_REQUEST(ENUM, holder.type), FIELD_WORDS(holder_type_name, HOLDER_TYPE_COUNT),
     .title = "a holder"},
    {"pid", FIELD_RECORD | FIELD_REPLY | FIELD_OPTIONAL,
     IN_PORT(INT, holder.pid, .min = 1, .max = G_MAXINT),
     IN_REQUEST(INT, holder.pid, .min = 1, .max = G_MAXINT), .title = "a process ID"},
    {"startTime", FIELD_RECORD | FIELD_OPTIONAL, IN_PORT(UINT64, holder.start_time)},
    {"domain", FIELD_RECORD | FIELD_REPLY | FIELD_OPTIONAL, IN_PORT(UUID, holder.domain),
     IN_REQUEST(UUID, holder.domain)},
    {"interface", FIELD_RECORD | FIELD_REPLY | FIELD_OPTIONAL,
     IN_PORT(IFNAME_HERE, holder.interface), IN_REQUEST(IFNAME_HERE, holder.interface)},
    {"number", FIELD_RECORD | FIELD_OPTIONAL,
     IN_PORT(INT, holder.namespace_number, .max = G_MAXINT)},
    {"cookie", FIELD_RECORD | FIELD_OPTIONAL, IN_PORT(UINT64, holder.namespace_cookie)},
    {NULL},
};

/* chown(2) takes the last user and group ID to mean "none". */
#define ID_MAX (G_MAXUINT32 - 1)

static const Field node_fields[] = {
    {"owner", FIELD_RECORD | FIELD_MANDATORY, IN_PORT(UINT, node_owner, .max = ID_MAX),
     IN_REQUEST(UINT, node_owner, .max = ID_MAX), .title = "a device node's owner"},
    {"group", FIELD_RECORD | FIELD_MANDATORY, IN_PORT(UINT, node_group, .max = ID_MAX),
     IN_REQUEST(UINT, node_group, .max = ID_MAX), .title = "a device node's group"},
    {"made", FIELD_RECORD, IN_PORT(UINT64, node_made)},
    {NULL},
};

/* The place of a device that was moved into another network namespace. */
static const Field moved_fields[] = {
    {"netns", FIELD_RECORD | FIELD_MANDATORY, IN_PORT(INT, moved_netns)},
    {"index", FIELD_RECORD | FIELD_MANDATORY, IN_PORT(INT, moved_index, .min = 1, .max = G_MAXINT)},
    {NULL},
};

/* The settings of its network that the port follows: see Port. */
static const Field asked_fields[] = {
    {"mtu", FIELD_RECORD | FIELD_OPTIONAL, IN_PORT(UINT, asked_mtu)},
    {"vhost", FIELD_RECORD | FIELD_MANDATORY, IN_PORT(ENUM, asked_vhost),
     FIELD_WORDS(vhost_policy_name, VHOST_POLICY_OFF + 1)},
    {"networkMtu", FIELD_RECORD | FIELD_OPTIONAL, IN_PORT(UINT, network_mtu)},
    {NULL},
};

#define EVERYWHERE (FIELD_RECORD | FIELD_REPLY)

/* A part of the guard: the settings in force, and what root requested. */
#define GUARD_PART(Type, member, has_member)                                                       \
    IN_PORT(Type, guard.member),                                                                   \
        IN_REQUEST(Type, guard.settings.member, .given = offsetof(PortRequest, guard.has_member)), \
        IN_CHANGE(Type, guard.settings.member, .given = offsetof(PortChange, guard.has_member))
#define OWN_PART(Type, member, has_member)                                                         \
    IN_PORT(Type, own_guard.settings.member, .given = offsetof(Port, own_guard.has_member))

#define SENDERS FIELD_WORDS(guard_senders_name, GUARD_SENDERS_OWN + 1)
#define VERDICTS FIELD_WORDS(guard_verdict_name, GUARD_VERDICT_COUNT + 1)
#define ADDRESSES FIELD_WORDS(guard_addresses_name, GUARD_ADDRESSES_DHCP + 1)
#define ALLOW .word = guard_allow_name, .n_words = GUARD_ALLOW_COUNT

static const Field guard_fields[] = {
    {"senders", EVERYWHERE, GUARD_PART(ENUM, senders, has_senders), SENDERS, .option = "senders"},
    {"addresses", EVERYWHERE, GUARD_PART(ENUM, addresses, has_addresses), ADDRESSES,
     .option = "addresses"},
    {"allowAddresses", EVERYWHERE | FIELD_OPTIONAL, IN_PORT(PREFIXES, guard.prefixes),
     IN_REQUEST(PREFIXES, guard.settings.prefixes), IN_CHANGE(PREFIXES, guard.settings.prefixes),
     .option = "allow-addresses"},
    {"allow", EVERYWHERE, GUARD_PART(BITS, allow, has_allow), ALLOW, .option = "allow"},
    {"verdict", EVERYWHERE, GUARD_PART(ENUM, verdict, has_verdict), VERDICTS, .option = "verdict"},
    {NULL},
};

/* The port's own settings, which override its network's. */
static const Field own_guard_fields[] = {
    {"senders", EVERYWHERE | FIELD_OPTIONAL, OWN_PART(ENUM, senders, has_senders), SENDERS},
    {"addresses", EVERYWHERE | FIELD_OPTIONAL, OWN_PART(ENUM, addresses, has_addresses), ADDRESSES},
    {"allowAddresses", EVERYWHERE | FIELD_OPTIONAL, IN_PORT(PREFIXES, own_guard.settings.prefixes)},
    {"allow", EVERYWHERE | FIELD_OPTIONAL, OWN_PART(BITS, allow, has_allow), ALLOW},
    {"verdict", EVERYWHERE | FIELD_OPTIONAL, OWN_PART(ENUM, verdict, has_verdict), VERDICTS},
    {NULL},
};

#define LIMITS_PART(Type, member, has_member, ...)                                                 \
    IN_PORT(Type, limits.member, __VA_ARGS__),                                                     \
        IN_REQUEST(Type, limits.limits.member, .given = offsetof(PortRequest, limits.has_member),  \
                   __VA_ARGS__),                                                                   \
        IN_CHANGE(Type, limits.limits.member, .given = offsetof(PortChange, limits.has_member),    \
                  __VA_ARGS__)
#define OWN_LIMITS_PART(Type, member, has_member)                                                  \
    IN_PORT(Type, own_limits.limits.member, .given = offsetof(Port, own_limits.has_member))

static const Field limits_fields[] = {
    {"send", EVERYWHERE | FIELD_OPTIONAL, LIMITS_PART(RATE, send, has_send), .option = "send"},
    {"receive", EVERYWHERE | FIELD_OPTIONAL, LIMITS_PART(RATE, receive, has_receive),
     .option = "receive"},
    {"broadcasts", EVERYWHERE | FIELD_OPTIONAL,
     LIMITS_PART(UINT, broadcasts, has_broadcasts, .max = LIMIT_BROADCASTS_MAX),
     .title = "the limit of broadcasts", .option = "broadcasts"},
    {NULL},
};

static const Field own_limits_fields[] = {
    {"send", EVERYWHERE | FIELD_OPTIONAL, OWN_LIMITS_PART(RATE, send, has_send)},
    {"receive", EVERYWHERE | FIELD_OPTIONAL, OWN_LIMITS_PART(RATE, receive, has_receive)},
    {"broadcasts", EVERYWHERE | FIELD_OPTIONAL, OWN_LIMITS_PART(UINT, broadcasts, has_broadcasts)},
    {NULL},
};

#define IN_SEEN(Type, member) .object = FIELD_AT(SeenAddress, Type, member)

static const Field seen_fields[] = {
    {"address", FIELD_REPLY, IN_SEEN(IP, address)},
    {"how", FIELD_REPLY, IN_SEEN(ENUM, how), .word = guard_seen_name},
    {"firstSeen", FIELD_REPLY, IN_SEEN(UINT64, first_seen)},
    {"lastSeen", FIELD_REPLY, IN_SEEN(UINT64, last_seen)},
    {"age", FIELD_REPLY, IN_SEEN(UINT64, age)},
    {NULL},
};

static const char *const up_and_down[] = {"down", "up"};
static const char *const in_force_or_removed[] = {"", "removed; the port keeps its settings"};
static const char *const followed[] = {"", "the guest's link follows it, by an agent"};
static const char *const elsewhere[] = {"", "on another host (migration)"};

const Field port_fields[] = {
    {"name", EVERYWHERE, IN_PORT(TEXT, name, .check = check_name), IN_REQUEST(TEXT, name),
     .label = "port", .column = "NAME", .option = "name", .argument = "NAME",
     .help = "The port's name"},
    {"id", EVERYWHERE, IN_PORT(TEXT, id, .check = check_id), .also = " (%)"},
    {"description", EVERYWHERE | FIELD_OPTIONAL | FIELD_KEPT,
     IN_PORT(TEXT, description, .check = check_description),
     IN_REQUEST(TEXT, description, .check = check_description),
     IN_CHANGE(TEXT, description, .check = check_description), .label = "about",
     .option = "description", .argument = "TEXT", .help = "What the port is for, in one line"},
    {"guestName", 0, IN_REQUEST(TEXT, guest_name)},
    {"network", EVERYWHERE | FIELD_MANDATORY, IN_PORT(TEXT, network, .check = check_network),
     IN_REQUEST(TEXT, network), .label = "network", .column = "NETWORK", .option = "network",
     .argument = "NET", .help = "The network"},
    {"networkRemoved", FIELD_REPLY | FIELD_OPTIONAL, IN_PORT(BOOLEAN, network_removed),
     .truths = in_force_or_removed, .also = " (%)"},
    {"parent", EVERYWHERE, IN_PORT(IFNAME, parent), .label = "parent", .column = "PARENT"},
    {"parentIndex", FIELD_RECORD | FIELD_OPTIONAL, IN_PORT(INT, parent_index)},
    {"lastParentIndex", FIELD_RECORD | FIELD_OPTIONAL, IN_PORT(INT, last_parent_index)},
    {"parentStandsIn", FIELD_RECORD | FIELD_OPTIONAL, IN_PORT(BOOLEAN, parent_stands_in)},
    {"mode", EVERYWHERE, IN_PORT(ENUM, mode), FIELD_WORDS(macvtap_mode_name, MACVTAP_MODE_COUNT),
     .also = ", mode %", .column = "MODE"},
    {"noPromisc", FIELD_RECORD, IN_PORT(BOOLEAN, nopromisc)},
    {"interfaceName", EVERYWHERE, IN_PORT(IFNAME_HERE, interface_name),
     IN_REQUEST(TEXT, interface_name), .label = "interface", .column = "INTERFACE",
     .option = "interface", .argument = "IFNAME", .help = "The device's name"},
    {"interfaceIndex", EVERYWHERE, IN_PORT(INT, interface_index, .min = 1, .max = G_MAXINT),
     .also = " (index %)"},
    {"mtu", EVERYWHERE, IN_PORT(UINT, mtu),
     IN_REQUEST(UINT, mtu, .min = NETWORK_MTU_MIN, .max = NETWORK_MTU_MAX), .also = ", MTU %",
     .title = "the MTU", .option = "mtu", .argument = "BYTES", .help = "The MTU"},
    {"asked", FIELD_RECORD | FIELD_OPTIONAL,
     IN_PORT(GROUP, asked_mtu, .given = offsetof(Port, has_asked)), .members = asked_fields},
    {"wantedMtu", EVERYWHERE | FIELD_OPTIONAL, IN_PORT(UINT, wanted_mtu)},
    {"macAddress", EVERYWHERE, IN_PORT(MAC, mac),
     IN_REQUEST(MAC, mac, .given = offsetof(PortRequest, has_mac)), .label = "MAC", .column = "MAC",
     .option = "mac", .argument = "MAC", .help = "The guest's MAC"},
    {"addresses", EVERYWHERE | FIELD_OPTIONAL, IN_PORT(PORT_ADDRESSES, addresses),
     IN_REQUEST(PORT_ADDRESSES, addresses), .label = "lease", .option = "address", .argument = "IP",
     .help = "The port's IP address; may be given once for each family"},
    {"leased", FIELD_RECORD | FIELD_OPTIONAL, IN_PORT(BOOLEAN, is_leased)},
    {"inRange", FIELD_RECORD | FIELD_OPTIONAL, IN_PORT(BOOLEAN, is_in_range)},
    {"seenAddresses", FIELD_REPLY | FIELD_OPTIONAL, IN_PORT(OBJECTS, seen), .members = seen_fields,
     .label = "address", .column = "ADDRESS"},
    {"macPolicy", FIELD_RECORD, IN_PORT(ENUM, mac_policy),
     FIELD_WORDS(mac_policy_name, MAC_POLICY_ASSIGN + 1)},
    {"queues", EVERYWHERE, IN_PORT(UINT, queues, .min = 1, .max = NETWORK_QUEUES_MAX),
     IN_REQUEST(UINT, queues, .given = offsetof(PortRequest, has_queues), .min = 1,
                .max = NETWORK_QUEUES_MAX),
     .label = "queues", .column = "QUEUES", .option = "queues", .argument = "N",
     .help = "1 to 256"},
    {"vhost", EVERYWHERE, IN_PORT(ENUM, vhost),
     IN_REQUEST(ENUM, vhost, .given = offsetof(PortRequest, has_vhost)),
     FIELD_WORDS(vhost_policy_name, VHOST_POLICY_OFF + 1), .also = ", vhost %", .option = "vhost",
     .argument = "WHEN", .help = "auto, require or off"},
    {"holder", EVERYWHERE, IN_PORT(GROUP, holder), IN_REQUEST(GROUP, holder),
     .members = holder_fields, .label = "holder", .column = "HOLDER", .option = "holder",
     .argument = "none|pid:N|domain:UUID|namespace:NAME",
     .help = "What the port's life is tied to (default none)"},
    {"owner", EVERYWHERE, IN_PORT(UINT, owner), .also = ", owner %"},
    {"holder.pid", FIELD_SHOWN, .label = "process"},
    {"container", FIELD_RECORD | FIELD_OPTIONAL, IN_PORT(BOOLEAN, from_container)},
    {"fromContainer", FIELD_REPLY | FIELD_OPTIONAL, IN_PORT(BOOLEAN, from_container)},
    {"openQueues", FIELD_REPLY, IN_PORT(UINT, open_queues), .label = "open"},
    {"openDescriptors", 0, IN_REQUEST(NEGATED, no_descriptors)},
    {"checkOnly", 0, IN_REQUEST(BOOLEAN, check_only)},
    {"replaces", 0, IN_REQUEST(STRINGS, replaces)},
    {"state", FIELD_REPLY, IN_PORT(ENUM, state), FIELD_WORDS(port_state_name, PORT_STATE_COUNT),
     .label = "state", .column = "STATE"},
    {"problem", FIELD_REPLY | FIELD_OPTIONAL, IN_PORT(TEXT, problem), .label = "problem"},
    {"outdated", FIELD_REPLY | FIELD_OPTIONAL, IN_PORT(STRINGS, outdated), .label = "outdated"},
    {"linkUp", FIELD_REPLY, IN_PORT(BOOLEAN, link_up), IN_REQUEST(NEGATED, link_down),
     IN_CHANGE(BOOLEAN, link_up, .given = offsetof(PortChange, has_link_up)), .label = "link",
     .truths = up_and_down, .option = "link", .argument = "up|down",
     .help = "Whether the device is up (default) or down"},
    {"carrier", FIELD_REPLY, IN_PORT(BOOLEAN, carrier), .label = "carrier"},
    {"followCarrier", EVERYWHERE | FIELD_OPTIONAL, IN_PORT(BOOLEAN, follow_carrier),
     .truths = followed, .also = " (%)"},
    {"incoming", FIELD_REPLY, IN_PORT(BOOLEAN, incoming), IN_REQUEST(BOOLEAN, incoming),
     .label = "guest", .truths = elsewhere, .option = "incoming",
     .help = "The guest is migrating in from another host"},
    /* A record has it if the guest is elsewhere; its value is the number of frames the device had
       sent. */
    {"incoming", FIELD_RECORD | FIELD_OPTIONAL,
     IN_PORT(UINT64, sent_before, .given = offsetof(Port, incoming))},
    {"vlan", EVERYWHERE | FIELD_OPTIONAL, IN_PORT(TEXT, vlan, .check = check_vlan),
     .label = "VLAN"},
    {"trunk", EVERYWHERE | FIELD_OPTIONAL, IN_PORT(IFNAME, trunk), .label = "trunk"},
    {"trunkIndex", FIELD_RECORD | FIELD_OPTIONAL, IN_PORT(INT, trunk_index)},
    {"activeSlave", FIELD_REPLY | FIELD_OPTIONAL, IN_PORT(IFNAME_HERE, active_slave),
     .label = "slave"},
    {"sources", EVERYWHERE | FIELD_OPTIONAL, IN_PORT(MACS, sources), IN_CHANGE(MACS, sources),
     .label = "sources", .option = "sources", .argument = "MAC[,MAC...]",
     .help = "The source addresses that source mode lets through"},
    {"guard", EVERYWHERE | FIELD_OPTIONAL,
     IN_PORT(GROUP, guard, .given = offsetof(Port, has_guard)),
     IN_REQUEST(GROUP, guard, .given = offsetof(PortRequest, guard.is_given)),
     IN_CHANGE(GROUP, guard, .given = offsetof(PortChange, guard.is_given)),
     .members = guard_fields, .nothing = "network", .title = "a guard", .option = "guard",
     .argument = "KEY=VALUE[,...]",
     .help = "A guard for this port alone (root): senders=, addresses=, allow-addresses=, allow=, "
             "verdict=; network: use the network's"},
    {"guard.senders", FIELD_SHOWN, .label = "guard", .also = "senders %"},
    {"guard.addresses", FIELD_SHOWN, .also = ", addresses %"},
    {"guard.allowAddresses", FIELD_SHOWN, .also = " (%)"},
    {"guard.allow", FIELD_SHOWN, .also = ", allows %"},
    {"guard.verdict", FIELD_SHOWN, .also = ", verdict %"},
    {"ownGuard", EVERYWHERE | FIELD_OPTIONAL,
     IN_PORT(GROUP, own_guard, .given = offsetof(Port, own_guard.is_given)),
     .members = own_guard_fields},
    {"limits", EVERYWHERE | FIELD_OPTIONAL,
     IN_PORT(GROUP, limits, .given = offsetof(Port, has_limits)),
     IN_REQUEST(GROUP, limits, .given = offsetof(PortRequest, limits.is_given)),
     IN_CHANGE(GROUP, limits, .given = offsetof(PortChange, limits.is_given)),
     .members = limits_fields, .nothing = "network", .title = "a limit", .option = "limits",
     .argument = "KEY=VALUE[,...]",
     .help = "Limits for this port alone (root): send=, receive= (bits/s, as 100M/64K, or none), "
             "broadcasts= (frames/s); network: use the network's"},
    {"limits.send", FIELD_SHOWN, .label = "send limit"},
    {"limits.receive", FIELD_SHOWN, .label = "receive limit"},
    {"limits.broadcasts", FIELD_SHOWN, .label = "broadcasts/s"},
    {"ownLimits", EVERYWHERE | FIELD_OPTIONAL,
     IN_PORT(GROUP, own_limits, .given = offsetof(Port, own_limits.is_given)),
     .members = own_limits_fields},
    {"limited", FIELD_REPLY | FIELD_OPTIONAL,
     IN_PORT(COUNTS, limited, .given = offsetof(Port, has_limited)), .word = limit_cost_name,
     .n_words = LIMIT_COST_COUNT, .label = "limited"},
    {"dropped", FIELD_REPLY | FIELD_OPTIONAL,
     IN_PORT(COUNTS, dropped, .given = offsetof(Port, has_dropped)), .word = guard_reason_name,
     .n_words = GUARD_REASON_COUNT, .label = "dropped"},
    {"dropExample", FIELD_REPLY | FIELD_OPTIONAL, IN_PORT(TEXT, drop_example), .label = "  last"},
    {"dropAge", FIELD_REPLY | FIELD_OPTIONAL, IN_PORT(UINT64, drop_age), .also = ", % s ago"},
    {"moved", FIELD_RECORD | FIELD_OPTIONAL,
     IN_PORT(GROUP, moved_netns, .given = offsetof(Port, is_moved)), .members = moved_fields},
    {"deviceNode", FIELD_RECORD | FIELD_OPTIONAL,
     IN_PORT(GROUP, node_owner, .given = offsetof(Port, has_node)),
     IN_REQUEST(GROUP, node_owner, .given = offsetof(PortRequest, has_node)),
     .members = node_fields},
    {"deviceNode", FIELD_REPLY | FIELD_OPTIONAL,
     IN_PORT(DERIVED, node_owner, .derive = derive_node_path), .label = "node"},
    {"statistics.receivedPackets", FIELD_SHOWN, .label = "received"},
    {"statistics.sentPackets", FIELD_SHOWN, .label = "sent"},
    {"macChanges", FIELD_REPLY, IN_PORT(UINT, mac_changes), .label = "MAC resets"},
    {"port", FIELD_MANDATORY, IN_CHANGE(TEXT, port)},
    {"holderPid", 0, IN_CHANGE(INT, holder_pid, .min = 1, .max = G_MAXINT),
     .title = "a process ID"},
    {NULL},
};
