/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "record.h"

#include "port-error.h"

#include <jansson.h>
#include <string.h>

#define RECORD_VERSION 1

G_DEFINE_AUTOPTR_CLEANUP_FUNC(json_t, json_decref)

static json_t *
holder_to_json(const Holder *holder)
{
    json_t *object = json_pack("{s:s}", "type", holder_type_name(holder->type));

    if (holder->type == HOLDER_DOMAIN)
        json_object_set_new(object, "domain", json_string(holder->domain));
    if (holder->pid != 0) {
        json_object_set_new(object, "pid", json_integer(holder->pid));
        json_object_set_new(object, "startTime", json_integer((json_int_t)holder->start_time));
    }
    return object;
}

static json_t *
sources_to_json(const GArray *sources)
{
    json_t *array = json_array();
    char text[MAC_ADDRESS_TEXT_SIZE];

    for (guint i = 0; i < sources->len; i++)
        json_array_append_new(
            array, json_string(mac_address_format(&g_array_index(sources, MacAddress, i), text)));
    return array;
}

/* The indexes came later than version 1: a record without them is as good. */
static void
add_optional(json_t *object, const Port *port)
{
    if (port->parent_index != 0)
        json_object_set_new(object, "parentIndex", json_integer(port->parent_index));
    if (port->trunk_index != 0)
        json_object_set_new(object, "trunkIndex", json_integer(port->trunk_index));
    if (port->vlan) {
        json_object_set_new(object, "vlan", json_string(port->vlan));
        json_object_set_new(object, "trunk", json_string(port->trunk));
    }
    if (port->sources)
        json_object_set_new(object, "sources", sources_to_json(port->sources));
    if (port->from_container)
        json_object_set_new(object, "container", json_true());
    if (port->incoming)
        json_object_set_new(object, "incoming", json_integer((json_int_t)port->sent_before));
    if (port->has_node)
        json_object_set_new(object, "deviceNode",
                            json_pack("{s:I, s:I, s:I}", "owner", (json_int_t)port->node_owner,
                                      "group", (json_int_t)port->node_group, "made",
                                      (json_int_t)port->node_made));
}

char *
record_format(const Port *port, gsize *ret_length)
{
    char mac[MAC_ADDRESS_TEXT_SIZE];
    g_autoptr(json_t) object = NULL;
    g_autofree char *text = NULL;
    gsize length;

    object = json_pack(
        "{s:i, s:s, s:s, s:s, s:s, s:s, s:b, s:s, s:i, s:s, s:s, s:I, s:I, s:s, s:o, s:I}",
        "version", RECORD_VERSION, "id", port->id, "name", port->name, "network", port->network,
        "parent", port->parent, "mode", macvtap_mode_name(port->mode), "noPromisc", port->nopromisc,
        "interfaceName", port->interface_name, "interfaceIndex", port->interface_index,
        "macAddress", mac_address_format(&port->mac, mac), "macPolicy",
        mac_policy_name(port->mac_policy), "mtu", (json_int_t)port->mtu, "queues",
        (json_int_t)port->queues, "vhost", vhost_policy_name(port->vhost), "holder",
        holder_to_json(&port->holder), "owner", (json_int_t)port->owner);
    g_assert(object);
    add_optional(object, port);
    text = g_malloc(RECORD_SIZE_MAX);
    length = json_dumpb(object, text, RECORD_SIZE_MAX - 2, JSON_COMPACT);
    g_assert(length <= RECORD_SIZE_MAX - 2); /* the longest fields that the model takes */
    text[length] = '\n';
    text[length + 1] = '\0';
    *ret_length = length + 1;
    return g_steal_pointer(&text);
}

/* The texts and numbers of a record as they stand there, before they are checked. */
typedef struct RawRecord {
    int nopromisc, container;
    const char *id, *name, *network, *parent, *mode, *interface_name, *mac, *mac_policy, *vhost,
        *holder_type, *domain, *trunk, *vlan;
    json_t *sources, *node;
    json_int_t version, interface_index, mtu, queues, owner, pid, start_time;
    json_int_t parent_index, trunk_index; /* 0: not there */
    json_int_t incoming;                  /* -1: it is not */
} RawRecord;

static gboolean
raw_record_unpack(json_t *object, RawRecord *raw, GError **error)
{
    json_error_t problem;

    memset(raw, 0, sizeof(*raw));
    raw->incoming = -1;
    if (json_unpack_ex(object, &problem, 0, "{s:I}", "version", &raw->version) < 0)
        return port_error_set(error, PORT_ERROR_SYSTEM, "it has no version: %s", problem.text);
    if (raw->version != RECORD_VERSION)
        return port_error_set(error, PORT_ERROR_SYSTEM,
                              "it is of version %" JSON_INTEGER_FORMAT
                              ", and this macvtapd knows version %d",
                              raw->version, RECORD_VERSION);
    if (json_unpack_ex(
            object, &problem, 0,
            "{s:s, s:s, s:s, s:s, s:s, s:b, s:s, s:I, s:s, s:s, s:I, s:I, s:s, s:I, s?s, s?s, s?o,"
            " s?o, s?I, s?I, s?I, s?b, s:{s:s, s?I, s?I, s?s}}",
            "id", &raw->id, "name", &raw->name, "network", &raw->network, "parent", &raw->parent,
            "mode", &raw->mode, "noPromisc", &raw->nopromisc, "interfaceName", &raw->interface_name,
            "interfaceIndex", &raw->interface_index, "macAddress", &raw->mac, "macPolicy",
            &raw->mac_policy, "mtu", &raw->mtu, "queues", &raw->queues, "vhost", &raw->vhost,
            "owner", &raw->owner, "trunk", &raw->trunk, "vlan", &raw->vlan, "sources",
            &raw->sources, "deviceNode", &raw->node, "incoming", &raw->incoming, "parentIndex",
            &raw->parent_index, "trunkIndex", &raw->trunk_index, "container", &raw->container,
            "holder", "type", &raw->holder_type, "pid", &raw->pid, "startTime", &raw->start_time,
            "domain", &raw->domain) < 0)
        return port_error_set(error, PORT_ERROR_SYSTEM, "%s", problem.text);
    return TRUE;
}

static gboolean
network_is_valid(const char *text)
{
    g_autoptr(Network) adhoc = NULL;

    if (network_spec_is_adhoc(text))
        adhoc = network_parse_adhoc(text, NULL);
    return adhoc || network_name_is_valid(text);
}

static gboolean
raw_record_holder(const RawRecord *raw, Holder *ret_holder)
{
    Holder holder = {.type = HOLDER_NONE};

    if (!holder_type_parse(raw->holder_type, &holder.type))
        return FALSE;
    if (holder.type == HOLDER_PROCESS || (holder.type == HOLDER_DOMAIN && raw->pid != 0)) {
        if (raw->pid <= 0 || raw->pid > G_MAXINT || raw->start_time < 0)
            return FALSE;
        holder.pid = (pid_t)raw->pid;
        holder.start_time = (guint64)raw->start_time;
    }
    if (holder.type == HOLDER_DOMAIN) {
        if (!raw->domain || !uuid_is_valid(raw->domain))
            return FALSE;
        for (gsize i = 0; raw->domain[i]; i++)
            holder.domain[i] = g_ascii_tolower(raw->domain[i]);
    }
    *ret_holder = holder;
    return TRUE;
}

static gboolean
raw_record_sources(json_t *array, Port *port)
{
    json_t *element;
    gsize i;

    if (!json_is_array(array) || json_array_size(array) > NETWORK_SOURCES_MAX)
        return FALSE;
    port->sources = g_array_new(FALSE, FALSE, sizeof(MacAddress));
    json_array_foreach (array, i, element) {
        MacAddress mac;

        if (!json_is_string(element) || !mac_address_parse(json_string_value(element), &mac))
            return FALSE;
        g_array_append_val(port->sources, mac);
    }
    return TRUE;
}

static gboolean
raw_record_node(json_t *object, Port *port)
{
    json_int_t owner, group, made;

    if (json_unpack(object, "{s:I, s:I, s:I}", "owner", &owner, "group", &group, "made", &made) < 0)
        return FALSE;
    if (owner < 0 || owner >= G_MAXUINT32 || group < 0 || group >= G_MAXUINT32 || made < 0)
        return FALSE;
    port->has_node = TRUE;
    port->node_owner = (uid_t)owner;
    port->node_group = (gid_t)group;
    port->node_made = (guint64)made;
    return TRUE;
}

/* Fills what needs a check in port; returns the name of the first field that is wrong, or NULL. */
static const char *
raw_record_check(const RawRecord *raw, Port *port)
{
    if (!port_id_is_valid(raw->id))
        return "id";
    if (!network_name_is_valid(raw->name))
        return "name";
    if (!network_is_valid(raw->network))
        return "network";
    if (!interface_name_check(raw->parent, NULL))
        return "parent";
    if (!interface_name_check(raw->interface_name, NULL))
        return "interfaceName";
    if (raw->interface_index <= 0 || raw->interface_index > G_MAXINT)
        return "interfaceIndex";
    if (!macvtap_mode_parse(raw->mode, &port->mode))
        return "mode";
    if (!mac_address_parse(raw->mac, &port->mac) || mac_address_is_multicast(&port->mac) ||
        mac_address_is_zero(&port->mac))
        return "macAddress";
    if (!mac_policy_parse(raw->mac_policy, &port->mac_policy))
        return "macPolicy";
    if (raw->mtu < 0 || raw->mtu > G_MAXUINT32)
        return "mtu";
    if (raw->queues < 1 || raw->queues > NETWORK_QUEUES_MAX)
        return "queues";
    if (!vhost_policy_parse(raw->vhost, &port->vhost))
        return "vhost";
    if (raw->owner < 0 || raw->owner > G_MAXUINT32)
        return "owner";
    if (!raw_record_holder(raw, &port->holder))
        return "holder";
    if (!raw->vlan != !raw->trunk || (raw->vlan && !network_vlan_is_valid(raw->vlan)))
        return "vlan";
    if (raw->trunk && !interface_name_check(raw->trunk, NULL))
        return "trunk";
    if (raw->sources && !raw_record_sources(raw->sources, port))
        return "sources";
    if (raw->node && !raw_record_node(raw->node, port))
        return "deviceNode";
    if (raw->incoming < -1)
        return "incoming";
    if (raw->parent_index < 0 || raw->parent_index > G_MAXINT)
        return "parentIndex";
    if (raw->trunk_index < 0 || raw->trunk_index > G_MAXINT || (raw->trunk_index && !raw->trunk))
        return "trunkIndex";
    return NULL;
}

Port *
record_parse(const char *text, gsize length, GError **error)
{
    json_error_t problem;
    g_autoptr(json_t) object = json_loadb(text, length, JSON_REJECT_DUPLICATES, &problem);
    g_autoptr(Port) port = port_new();
    const char *wrong;
    RawRecord raw;

    if (!object) {
        port_error_set(error, PORT_ERROR_SYSTEM, "line %d: %s", problem.line, problem.text);
        return NULL;
    }
    if (!raw_record_unpack(object, &raw, error))
        return NULL;
    wrong = raw_record_check(&raw, port);
    if (wrong) {
        port_error_set(error, PORT_ERROR_SYSTEM, "its '%s' has a value that cannot be", wrong);
        return NULL;
    }
    port->id = g_strdup(raw.id);
    port->name = g_strdup(raw.name);
    port->network = g_strdup(raw.network);
    port->parent = g_strdup(raw.parent);
    port->parent_index = (int)raw.parent_index;
    port->trunk = g_strdup(raw.trunk);
    port->trunk_index = (int)raw.trunk_index;
    port->vlan = g_strdup(raw.vlan);
    port->nopromisc = raw.nopromisc;
    g_strlcpy(port->interface_name, raw.interface_name, sizeof(port->interface_name));
    port->interface_index = (int)raw.interface_index;
    port->mtu = (guint32)raw.mtu;
    port->queues = (guint)raw.queues;
    port->owner = (uid_t)raw.owner;
    port->from_container = raw.container;
    port->incoming = raw.incoming >= 0;
    port->sent_before = port->incoming ? (guint64)raw.incoming : 0;
    port->state = PORT_STATE_ACTIVE;
    return g_steal_pointer(&port);
}
