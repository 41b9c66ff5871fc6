/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "api-request.h"

#include "port-error.h"
#include "port-fields.h"

#include <string.h>

typedef enum ParameterType {
    PARAMETER_STRING,
    PARAMETER_INTEGER,
    PARAMETER_BOOLEAN,
    PARAMETER_ARRAY,
} ParameterType;

/* One of the parameters of a method that are no fields of a port, and where it goes: a
 * ParameterValue at offset. */
typedef struct Parameter {
    const char *name;
    ParameterType type;
    gboolean mandatory;
    gsize offset;
} Parameter;

typedef struct ParameterValue {
    gboolean given;
    const char *text; /* borrowed from the parameters */
    json_int_t number;
    gboolean truth;
    json_t *array; /* borrowed too */
} ParameterValue;

static gboolean
take_value(const Parameter *parameter, json_t *json, ParameterValue *value)
{
    if (!json || json_is_null(json))
        return !parameter->mandatory;
    value->given = TRUE;
    switch (parameter->type) {
    case PARAMETER_STRING:
        value->text = json_string_value(json);
        return json_is_string(json);
    case PARAMETER_INTEGER:
        value->number = json_integer_value(json);
        return json_is_integer(json);
    case PARAMETER_BOOLEAN:
        value->truth = json_is_true(json);
        return json_is_boolean(json);
    case PARAMETER_ARRAY:
        value->array = json;
        return json_is_array(json);
    }
    return FALSE;
}

static gboolean
is_known(const Parameter *fields, const char *name)
{
    for (; fields->name; fields++) {
        if (g_str_equal(fields->name, name))
            return TRUE;
    }
    return FALSE;
}

/* Fills the values of a zeroed struct at base from the object. */
static gboolean
dispatch(json_t *object, const Parameter *fields, gpointer base, const char **ret_field)
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
                        (ParameterValue *)((char *)base + fields->offset))) {
            *ret_field = fields->name;
            return FALSE;
        }
    }
    return TRUE;
}

static gboolean
check_holder(const Holder *holder, GError **error)
{
    gboolean is_domain = holder->type == HOLDER_DOMAIN;

    return ((holder->pid == 0 || is_domain || holder->type == HOLDER_PROCESS) &&
            (holder->domain[0] != '\0') == is_domain) ||
           port_error_set(
               error, PORT_ERROR_INVALID_REQUEST,
               "'pid' is for a process or a domain as the holder, 'domain' is a domain's UUID");
}

gboolean
api_request_create(json_t *parameters, PortRequest *request, const char **ret_field, GError **error)
{
    request->holder.type = HOLDER_DESCRIPTORS;
    return fields_from_json(port_fields, FIELD_USE_REQUEST, parameters, request, ret_field,
                            error) &&
           check_holder(&request->holder, error);
}

typedef struct SimpleValues {
    ParameterValue port, ports, network, queues, statistics, all;
} SimpleValues;

static gboolean
dispatch_simple(json_t *parameters, const Parameter *fields, SimpleRequest *ret_request,
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
        .ports = values.ports.array,
        .all = values.all.truth,
    };
    return TRUE;
}

gboolean
api_request_open(json_t *parameters, SimpleRequest *ret_request, const char **ret_field,
                 GError **error)
{
    static const Parameter fields[] = {
        {"port", PARAMETER_STRING, TRUE, offsetof(SimpleValues, port)},
        {"queues", PARAMETER_INTEGER, FALSE, offsetof(SimpleValues, queues)},
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
    static const Parameter fields[] = {
        {"port", PARAMETER_STRING, TRUE, offsetof(SimpleValues, port)},
        {"statistics", PARAMETER_BOOLEAN, FALSE, offsetof(SimpleValues, statistics)},
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
    static const Parameter fields[] = {
        {"port", PARAMETER_STRING, FALSE, offsetof(SimpleValues, port)},
        {"ports", PARAMETER_ARRAY, FALSE, offsetof(SimpleValues, ports)},
        {"network", PARAMETER_STRING, FALSE, offsetof(SimpleValues, network)},
        {"all", PARAMETER_BOOLEAN, FALSE, offsetof(SimpleValues, all)},
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
    static const Parameter fields[] = {
        {"network", PARAMETER_STRING, FALSE, offsetof(SimpleValues, network)},
        {"statistics", PARAMETER_BOOLEAN, FALSE, offsetof(SimpleValues, statistics)},
        {NULL},
    };

    return dispatch_simple(parameters, fields, ret_request, ret_field);
}

/* "holderPid, sources and linkUp"; free with g_free(). */
static char *
list_settable(void)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    g_autofree char *most = NULL;
    const char *last;

    for (const Field *field = port_fields; field->name; field++) {
        if (field_place(field, FIELD_USE_CHANGE) && !(field->flags & FIELD_MANDATORY))
            g_ptr_array_add(names, (gpointer)field->name);
    }
    last = names->pdata[names->len - 1];
    names->pdata[names->len - 1] = NULL;
    most = g_strjoinv(", ", (char **)names->pdata);
    return g_strdup_printf("%s and %s", most, last);
}

gboolean
api_request_change(json_t *parameters, PortChange *change, const char **ret_field, GError **error)
{
    g_autofree char *settable = NULL;

    if (!fields_from_json(port_fields, FIELD_USE_CHANGE, parameters, change, ret_field, error))
        return FALSE;
    if (fields_any_given(port_fields, FIELD_USE_CHANGE, parameters))
        return TRUE;
    settable = list_settable();
    return port_error_set(error, PORT_ERROR_INVALID_REQUEST,
                          "nothing to change: one of %s must be given", settable);
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

gboolean
api_request_end_domain(json_t *parameters, char ret_domain[UUID_TEXT_SIZE], const char **ret_field,
                       GError **error)
{
    static const Parameter fields[] = {{"domain", PARAMETER_STRING, TRUE, 0}, {NULL}};
    ParameterValue domain = {0};

    return dispatch(parameters, fields, &domain, ret_field) &&
           convert_uuid(domain.text, ret_domain, error);
}

gboolean
api_request_nothing(json_t *parameters, const char **ret_field)
{
    static const Parameter fields[] = {{NULL}};

    return dispatch(parameters, fields, NULL, ret_field);
}
