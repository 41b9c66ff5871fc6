/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "api-request.h"

#include "field.h"
#include "port-error.h"

/* The parameters of methods that do not use the table of port fields. */
#define IN_SIMPLE(Type, member, ...) .request = FIELD_AT(SimpleRequest, Type, member, __VA_ARGS__)
#define PORT_ROW                                                                                   \
    {                                                                                              \
        "port", FIELD_MANDATORY, IN_SIMPLE(TEXT, port)                                             \
    }
#define NETWORK_ROW                                                                                \
    {                                                                                              \
        "network", 0, IN_SIMPLE(TEXT, network)                                                     \
    }
#define STATISTICS_ROW                                                                             \
    {                                                                                              \
        "statistics", 0, IN_SIMPLE(BOOLEAN, statistics)                                            \
    }

static const Field open_fields[] = {
    PORT_ROW,
    {"queues", 0,
     IN_SIMPLE(UINT, queues, .given = offsetof(SimpleRequest, has_queues), .min = 1,
               .max = NETWORK_QUEUES_MAX)},
    {NULL},
};
static const Field get_fields[] = {PORT_ROW, STATISTICS_ROW, {NULL}};
static const Field list_fields[] = {NETWORK_ROW, STATISTICS_ROW, {NULL}};
static const Field networks_fields[] = {NETWORK_ROW, {NULL}};
static const Field delete_fields[] = {
    {"port", 0, IN_SIMPLE(TEXT, port)},
    {"ports", 0, IN_SIMPLE(STRINGS, ports)},
    NETWORK_ROW,
    {"all", 0, IN_SIMPLE(BOOLEAN, all)},
    {NULL},
};
static const Field end_domain_fields[] = {
    {"domain", FIELD_MANDATORY, .request = {.type = FIELD_UUID}},
    {NULL},
};
#define IN_CAPTURE(Type, member, ...) .request = FIELD_AT(CaptureRequest, Type, member, __VA_ARGS__)
DEFINE_FIELD_WORD(capture_frames_name, CaptureFrames)
static const Field capture_fields[] = {
    {"port", FIELD_MANDATORY, IN_CAPTURE(TEXT, port)},
    {"frames", 0, IN_CAPTURE(ENUM, wish.frames),
     FIELD_WORDS(capture_frames_name, CAPTURE_FRAMES_COUNT)},
    {"snapLength", 0, IN_CAPTURE(UINT, wish.snap_length, .min = 1, .max = CAPTURE_LENGTH_MAX)},
    {NULL},
};
static const Field no_fields[] = {{NULL}};

void
simple_request_clear(SimpleRequest *request)
{
    fields_release(delete_fields, FIELD_USE_REQUEST, request);
}

static gboolean
check_holder(const Holder *holder, GError **error)
{
    return holder_is_whole(holder, TRUE) ||
           port_error_set(
               error, PORT_ERROR_INVALID_REQUEST,
               "'pid' is for a process or a domain as the holder, 'domain' is a domain's UUID,"
               " 'interface' is the port's name in a namespace that holds it");
}

gboolean
api_request_create(json_t *parameters, PortRequest *request, const char **ret_field, GError **error)
{
    request->holder.type = HOLDER_DESCRIPTORS;
    return fields_from_json(port_fields, FIELD_USE_REQUEST, parameters, request, ret_field,
                            error) &&
           check_holder(&request->holder, error) &&
           (!request->replaces || request->check_only ||
            port_error_set(error, PORT_ERROR_INVALID_REQUEST,
                           "'replaces' goes with checkOnly: CreatePort deletes no port"));
}

gboolean
api_request_open(json_t *parameters, SimpleRequest *request, const char **ret_field, GError **error)
{
    return fields_from_json(open_fields, FIELD_USE_REQUEST, parameters, request, ret_field, error);
}

gboolean
api_request_get(json_t *parameters, SimpleRequest *request, const char **ret_field)
{
    return fields_from_json(get_fields, FIELD_USE_REQUEST, parameters, request, ret_field, NULL);
}

gboolean
api_request_list(json_t *parameters, SimpleRequest *request, const char **ret_field)
{
    return fields_from_json(list_fields, FIELD_USE_REQUEST, parameters, request, ret_field, NULL);
}

gboolean
api_request_networks(json_t *parameters, SimpleRequest *request, const char **ret_field)
{
    return fields_from_json(networks_fields, FIELD_USE_REQUEST, parameters, request, ret_field,
                            NULL);
}

gboolean
api_request_delete(json_t *parameters, SimpleRequest *request, const char **ret_field,
                   GError **error)
{
    if (!fields_from_json(delete_fields, FIELD_USE_REQUEST, parameters, request, ret_field, error))
        return FALSE;
    return !!request->port + !!request->ports + !!request->network + request->all == 1 ||
           port_error_set(error, PORT_ERROR_INVALID_REQUEST,
                          "exactly one of port, ports, network and all must be given");
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
                          "nothing to change: at least one of %s must be given", settable);
}

gboolean
api_request_end_domain(json_t *parameters, char ret_domain[UUID_TEXT_SIZE], const char **ret_field,
                       GError **error)
{
    return fields_from_json(end_domain_fields, FIELD_USE_REQUEST, parameters, ret_domain, ret_field,
                            error);
}

gboolean
api_request_nothing(json_t *parameters, const char **ret_field)
{
    return fields_from_json(no_fields, FIELD_USE_REQUEST, parameters, NULL, ret_field, NULL);
}

gboolean
api_request_capture(json_t *parameters, CaptureRequest *request, const char **ret_field,
                    GError **error)
{
    return fields_from_json(capture_fields, FIELD_USE_REQUEST, parameters, request, ret_field,
                            error);
}
