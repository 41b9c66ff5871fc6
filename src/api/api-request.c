/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "api-request.h"

#include "port-error.h"

#include <string.h>

typedef enum FieldType {
    FIELD_STRING,
    FIELD_INTEGER,
    FIELD_BOOLEAN,
    FIELD_OBJECT,
    FIELD_ARRAY,
} FieldType;

/* One field of a method's parameters, and where it goes: a FieldValue at offset. */
typedef struct Field {
    const char *name;
    FieldType type;
    gboolean mandatory;
    gsize offset;
} Field;

typedef struct FieldValue {
    gboolean given;
    const char *text; /* borrowed from the parameters */
    json_int_t number;
    gboolean truth;
    json_t *object; /* or array; borrowed */
} FieldValue;

static gboolean
take_value(const Field *field, json_t *json, FieldValue *value)
{
    if (!json || json_is_null(json))
        return !field->mandatory;
    value->given = TRUE;
    switch (field->type) {
    case FIELD_STRING:
        value->text = json_string_value(json);
        return json_is_string(json);
    case FIELD_INTEGER:
        value->number = json_integer_value(json);
        return json_is_integer(json);
    case FIELD_BOOLEAN:
        value->truth = json_is_true(json);
        return json_is_boolean(json);
    case FIELD_OBJECT:
        value->object = json;
        return json_is_object(json);
    case FIELD_ARRAY:
        value->object = json;
        return json_is_array(json);
    }
    return FALSE;
}

static gboolean
is_known(const Field *fields, const char *name)
{
    for (; fields->name; fields++) {
        if (g_str_equal(fields->name, name))
            return TRUE;
    }
    return FALSE;
}

/* Fills the values of a zeroed struct at base from the object. */
static gboolean
dispatch(json_t *object, const Field *fields, gpointer base, const char **ret_field)
{
    const char *key;
    json_t *value;

    json_object_foreach (object, key, value) {
        if (!is_known(fields, key)) {
            *ret_field = key;
            return FALSE;
        }
    }
    for (; fields->name; fields++) {
        if (!take_value(fields, json_object_get(object, fields->name),
                        (FieldValue *)((char *)base + fields->offset))) {
            *ret_field = fields->name;
            return FALSE;
        }
    }
    return TRUE;
}

typedef struct HolderValues {
    FieldValue type, pid, domain;
} HolderValues;

static const Field holder_fields[] = {
    {"type", FIELD_STRING, TRUE, offsetof(HolderValues, type)},
    {"pid", FIELD_INTEGER, FALSE, offsetof(HolderValues, pid)},
    {"domain", FIELD_STRING, FALSE, offsetof(HolderValues, domain)},
    {NULL},
};

typedef struct CreateValues {
    FieldValue network, name, guest_name, interface_name, mac_address, mtu, queues, vhost, holder,
        open_descriptors, link_up, device_node, incoming, check_only;
} CreateValues;

static const Field create_fields[] = {
    {"network", FIELD_STRING, TRUE, offsetof(CreateValues, network)},
    {"name", FIELD_STRING, FALSE, offsetof(CreateValues, name)},
    {"guestName", FIELD_STRING, FALSE, offsetof(CreateValues, guest_name)},
    {"interfaceName", FIELD_STRING, FALSE, offsetof(CreateValues, interface_name)},
    {"macAddress", FIELD_STRING, FALSE, offsetof(CreateValues, mac_address)},
    {"mtu", FIELD_INTEGER, FALSE, offsetof(CreateValues, mtu)},
    {"queues", FIELD_INTEGER, FALSE, offsetof(CreateValues, queues)},
    {"vhost", FIELD_STRING, FALSE, offsetof(CreateValues, vhost)},
    {"holder", FIELD_OBJECT, FALSE, offsetof(CreateValues, holder)},
    {"openDescriptors", FIELD_BOOLEAN, FALSE, offsetof(CreateValues, open_descriptors)},
    {"linkUp", FIELD_BOOLEAN, FALSE, offsetof(CreateValues, link_up)},
    {"deviceNode", FIELD_OBJECT, FALSE, offsetof(CreateValues, device_node)},
    {"incoming", FIELD_BOOLEAN, FALSE, offsetof(CreateValues, incoming)},
    {"checkOnly", FIELD_BOOLEAN, FALSE, offsetof(CreateValues, check_only)},
    {NULL},
};

typedef struct NodeValues {
    FieldValue owner, group;
} NodeValues;

static const Field node_fields[] = {
    {"owner", FIELD_INTEGER, TRUE, offsetof(NodeValues, owner)},
    {"group", FIELD_INTEGER, TRUE, offsetof(NodeValues, group)},
    {NULL},
};

static gboolean
convert_pid(const FieldValue *value, pid_t *pid, GError **error)
{
    if (value->given && (value->number < 1 || value->number > G_MAXINT))
        return port_error_set(error, PORT_ERROR_INVALID_REQUEST,
                              "%" JSON_INTEGER_FORMAT " is not a process ID", value->number);
    *pid = (pid_t)value->number;
    return TRUE;
}

static gboolean
convert_uuid(const char *text, char uuid[UUID_TEXT_SIZE], GError **error)
{
    if (!uuid_is_valid(text))
        return port_error_set(error, PORT_ERROR_INVALID_REQUEST, "'%s' is not a domain's UUID",
                              text);
    for (gsize i = 0; i < UUID_TEXT_SIZE; i++)
        uuid[i] = g_ascii_tolower(text[i]);
    return TRUE;
}

static gboolean
convert_holder(json_t *object, Holder *holder, const char **ret_field, GError **error)
{
    HolderValues values = {0};

    *holder = (Holder){.type = HOLDER_DESCRIPTORS};
    if (!object)
        return TRUE;
    if (!dispatch(object, holder_fields, &values, ret_field))
        return FALSE;
    if (!holder_type_parse(values.type.text, &holder->type))
        return port_error_set(error, PORT_ERROR_INVALID_REQUEST,
                              "a holder is descriptors, process, domain or none, not '%s'",
                              values.type.text);
    if ((values.pid.given && holder->type != HOLDER_PROCESS && holder->type != HOLDER_DOMAIN) ||
        values.domain.given != (holder->type == HOLDER_DOMAIN))
        return port_error_set(
            error, PORT_ERROR_INVALID_REQUEST,
            "'pid' is for a process or a domain as the holder, 'domain' is a domain's UUID");
    return convert_pid(&values.pid, &holder->pid, error) &&
           (!values.domain.given || convert_uuid(values.domain.text, holder->domain, error));
}

static gboolean
is_id(json_int_t number)
{
    /* The last means "none" to chown(2). */
    return number >= 0 && number < G_MAXUINT32;
}

static gboolean
convert_node(json_t *object, PortRequest *request, const char **ret_field, GError **error)
{
    NodeValues values = {0};

    if (!object)
        return TRUE;
    if (!dispatch(object, node_fields, &values, ret_field))
        return FALSE;
    if (!is_id(values.owner.number) || !is_id(values.group.number))
        return port_error_set(error, PORT_ERROR_INVALID_REQUEST,
                              "a device node's owner and group are a user and a group ID");
    request->has_node = TRUE;
    request->node_owner = (uid_t)values.owner.number;
    request->node_group = (gid_t)values.group.number;
    return TRUE;
}

static gboolean
convert_mac(const FieldValue *value, PortRequest *request, GError **error)
{
    request->has_mac = value->given;
    if (value->given && !mac_address_parse(value->text, &request->mac))
        return port_error_set(error, PORT_ERROR_INVALID_REQUEST,
                              "'%s' is not a MAC address (six pairs of hex digits joined by ':')",
                              value->text);
    return TRUE;
}

static gboolean
convert_numbers(const CreateValues *values, PortRequest *request, GError **error)
{
    if (values->queues.given &&
        (values->queues.number < 1 || values->queues.number > NETWORK_QUEUES_MAX))
        return port_error_set(error, PORT_ERROR_INVALID_REQUEST,
                              "queues must be 1 to %d, not %" JSON_INTEGER_FORMAT,
                              NETWORK_QUEUES_MAX, values->queues.number);
    if (values->mtu.given && (values->mtu.number < 68 || values->mtu.number > 65535))
        return port_error_set(error, PORT_ERROR_INVALID_REQUEST,
                              "an MTU is 68 to 65535 bytes, not %" JSON_INTEGER_FORMAT,
                              values->mtu.number);
    request->has_queues = values->queues.given;
    request->queues = (guint)values->queues.number;
    request->mtu = (guint32)values->mtu.number;
    return TRUE;
}

gboolean
api_request_create(json_t *parameters, PortRequest *request, const char **ret_field, GError **error)
{
    CreateValues values = {0};

    if (!dispatch(parameters, create_fields, &values, ret_field) ||
        !convert_holder(values.holder.object, &request->holder, ret_field, error) ||
        !convert_node(values.device_node.object, request, ret_field, error) ||
        !convert_mac(&values.mac_address, request, error) ||
        !convert_numbers(&values, request, error))
        return FALSE;
    request->has_vhost = values.vhost.given;
    if (values.vhost.given && !vhost_policy_parse(values.vhost.text, &request->vhost))
        return port_error_set(error, PORT_ERROR_INVALID_REQUEST,
                              "vhost is auto, require or off, not '%s'", values.vhost.text);
    request->network = g_strdup(values.network.text);
    request->name = g_strdup(values.name.text);
    request->guest_name = g_strdup(values.guest_name.text);
    request->interface_name = g_strdup(values.interface_name.text);
    request->no_descriptors = values.open_descriptors.given && !values.open_descriptors.truth;
    request->link_down = values.link_up.given && !values.link_up.truth;
    request->incoming = values.incoming.truth;
    request->check_only = values.check_only.truth;
    return TRUE;
}

typedef struct SimpleValues {
    FieldValue port, ports, network, queues, statistics, all;
} SimpleValues;

static gboolean
dispatch_simple(json_t *parameters, const Field *fields, SimpleRequest *ret_request,
                const char **ret_field)
{
    SimpleValues values = {0};

    if (!dispatch(parameters, fields, &values, ret_field))
        return FALSE;
    *ret_request = (SimpleRequest){
        .port = values.port.text,
        .network = values.network.text,
        .queues = values.queues.number,
        .has_queues = values.queues.given,
        .statistics = values.statistics.truth,
        .ports = values.ports.object,
        .all = values.all.truth,
    };
    return TRUE;
}

gboolean
api_request_open(json_t *parameters, SimpleRequest *ret_request, const char **ret_field,
                 GError **error)
{
    static const Field fields[] = {
        {"port", FIELD_STRING, TRUE, offsetof(SimpleValues, port)},
        {"queues", FIELD_INTEGER, FALSE, offsetof(SimpleValues, queues)},
        {NULL},
    };
    SimpleRequest request;

    if (!dispatch_simple(parameters, fields, &request, ret_field))
        return FALSE;
    if (request.has_queues && (request.queues < 1 || request.queues > NETWORK_QUEUES_MAX))
        return port_error_set(error, PORT_ERROR_INVALID_REQUEST,
                              "queues must be 1 to %d, not %" JSON_INTEGER_FORMAT,
                              NETWORK_QUEUES_MAX, request.queues);
    *ret_request = request;
    return TRUE;
}

gboolean
api_request_get(json_t *parameters, SimpleRequest *ret_request, const char **ret_field)
{
    static const Field fields[] = {
        {"port", FIELD_STRING, TRUE, offsetof(SimpleValues, port)},
        {"statistics", FIELD_BOOLEAN, FALSE, offsetof(SimpleValues, statistics)},
        {NULL},
    };

    return dispatch_simple(parameters, fields, ret_request, ret_field);
}

static gboolean
holds_strings(json_t *array)
{
    json_t *element;
    gsize i;

    json_array_foreach (array, i, element) {
        if (!json_is_string(element))
            return FALSE;
    }
    return TRUE;
}

gboolean
api_request_delete(json_t *parameters, SimpleRequest *ret_request, const char **ret_field,
                   GError **error)
{
    static const Field fields[] = {
        {"port", FIELD_STRING, FALSE, offsetof(SimpleValues, port)},
        {"ports", FIELD_ARRAY, FALSE, offsetof(SimpleValues, ports)},
        {"network", FIELD_STRING, FALSE, offsetof(SimpleValues, network)},
        {"all", FIELD_BOOLEAN, FALSE, offsetof(SimpleValues, all)},
        {NULL},
    };

    if (!dispatch_simple(parameters, fields, ret_request, ret_field))
        return FALSE;
    if (!holds_strings(ret_request->ports)) {
        *ret_field = "ports";
        return FALSE;
    }
    return !!ret_request->port + !!ret_request->ports + !!ret_request->network + ret_request->all ==
               1 ||
           port_error_set(error, PORT_ERROR_INVALID_REQUEST,
                          "which ports? One of port, ports, network and all must be given");
}

gboolean
api_request_list(json_t *parameters, SimpleRequest *ret_request, const char **ret_field)
{
    static const Field fields[] = {
        {"network", FIELD_STRING, FALSE, offsetof(SimpleValues, network)},
        {"statistics", FIELD_BOOLEAN, FALSE, offsetof(SimpleValues, statistics)},
        {NULL},
    };

    return dispatch_simple(parameters, fields, ret_request, ret_field);
}

static gboolean
convert_macs(json_t *array, GArray **ret_macs, GError **error)
{
    g_autoptr(GArray) macs = g_array_new(FALSE, FALSE, sizeof(MacAddress));
    json_t *element;
    gsize i;

    if (json_array_size(array) > NETWORK_SOURCES_MAX)
        return port_error_set(error, PORT_ERROR_INVALID_REQUEST,
                              "a list of sources has at most %d entries", NETWORK_SOURCES_MAX);
    json_array_foreach (array, i, element) {
        const char *text = json_string_value(element);
        MacAddress mac;

        if (!text || !mac_address_parse(text, &mac) || mac_address_is_multicast(&mac) ||
            mac_address_is_zero(&mac))
            return port_error_set(error, PORT_ERROR_INVALID_REQUEST,
                                  "'%s' is not a unicast MAC address", text ? text : "(no text)");
        g_array_append_val(macs, mac);
    }
    *ret_macs = g_steal_pointer(&macs);
    return TRUE;
}

typedef struct ChangeValues {
    FieldValue port, holder_pid, sources, link_up;
} ChangeValues;

static const Field change_fields[] = {
    {"port", FIELD_STRING, TRUE, offsetof(ChangeValues, port)},
    {"holderPid", FIELD_INTEGER, FALSE, offsetof(ChangeValues, holder_pid)},
    {"sources", FIELD_ARRAY, FALSE, offsetof(ChangeValues, sources)},
    {"linkUp", FIELD_BOOLEAN, FALSE, offsetof(ChangeValues, link_up)},
    {NULL},
};

gboolean
api_request_change(json_t *parameters, PortChange *change, const char **ret_field, GError **error)
{
    ChangeValues values = {0};

    if (!dispatch(parameters, change_fields, &values, ret_field))
        return FALSE;
    if (!values.holder_pid.given && !values.sources.given && !values.link_up.given)
        return port_error_set(error, PORT_ERROR_INVALID_REQUEST,
                              "nothing to change: one of holderPid, sources and linkUp must be"
                              " given");
    if (!convert_pid(&values.holder_pid, &change->holder_pid, error) ||
        (values.sources.given && !convert_macs(values.sources.object, &change->sources, error)))
        return FALSE;
    change->port = g_strdup(values.port.text);
    change->has_link_up = values.link_up.given;
    change->link_up = values.link_up.truth;
    return TRUE;
}

gboolean
api_request_end_domain(json_t *parameters, char ret_domain[UUID_TEXT_SIZE], const char **ret_field,
                       GError **error)
{
    static const Field fields[] = {{"domain", FIELD_STRING, TRUE, 0}, {NULL}};
    FieldValue domain = {0};

    return dispatch(parameters, fields, &domain, ret_field) &&
           convert_uuid(domain.text, ret_domain, error);
}

gboolean
api_request_nothing(json_t *parameters, const char **ret_field)
{
    static const Field fields[] = {{NULL}};

    return dispatch(parameters, fields, NULL, ret_field);
}
