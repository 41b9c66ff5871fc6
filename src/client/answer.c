/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* macvtapd's answer to a request, from parsing the reply to the getters. */
#include "client-private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct MacvtapFault {
    const char *code, *subject, *message, *remedy; /* of json */
    json_t *json;
};

struct MacvtapFailure {
    const char *port, *message; /* of json */
    MacvtapRefusal refusal;
    json_t *json;
};

static void
fault_free(gpointer data)
{
    MacvtapFault *fault = data;

    json_decref(fault->json);
    g_free(fault);
}

static void
failure_free(gpointer data)
{
    MacvtapFailure *failure = data;

    json_decref(failure->json);
    g_free(failure);
}

void
client_answer_clear(ClientAnswer *answer)
{
    g_clear_pointer(&answer->error_name, g_free);
    g_clear_pointer(&answer->message, g_free);
    g_clear_pointer(&answer->ports, g_ptr_array_unref);
    g_clear_pointer(&answer->networks, g_ptr_array_unref);
    g_clear_pointer(&answer->faults, g_ptr_array_unref);
    g_clear_pointer(&answer->failures, g_ptr_array_unref);
    g_clear_pointer(&answer->file_changes, json_decref);
    g_clear_pointer(&answer->descriptors, g_array_unref);
    g_clear_pointer(&answer->reasons, json_decref);
    g_clear_pointer(&answer->statistics, free);
    *answer = (ClientAnswer){.result = -EINPROGRESS};
}

void
client_answer_fail(ClientAnswer *answer, int errnum, char *message)
{
    client_answer_clear(answer);
    answer->result = -errnum;
    answer->message = message;
}

static void
answer_wrong(ClientAnswer *answer, const char *what)
{
    client_answer_fail(answer, EPROTO,
                       g_strdup_printf("macvtapd sent a malformed answer: %s", what));
}

static void
answer_refused(ClientAnswer *answer, const VarlinkReply *reply)
{
    const char *message = json_string_value(json_object_get(reply->parameters, "message"));
    const char *field = json_string_value(json_object_get(reply->parameters, "parameter"));
    MacvtapRefusal refusal = client_refusal_parse(reply->error);

    client_answer_fail(answer, client_refusal_errno(refusal),
                       message ? g_strdup(message)
                               : g_strdup_printf("macvtapd refused: %s%s%s", reply->error,
                                                 field ? " " : "", field ? field : ""));
    answer->refusal = refusal;
    answer->error_name = g_strdup(g_str_has_prefix(reply->error, CLIENT_INTERFACE)
                                      ? reply->error + strlen(CLIENT_INTERFACE)
                                      : reply->error);
}

/* Frees one that was not taken. */
static void
port_destroy(gpointer port)
{
    macvtap_port_free(port);
}

static void
network_destroy(gpointer network)
{
    macvtap_network_free(network);
}

/* with_descriptors: it is a grant, which must have valid descriptor indexes. FALSE: *ret_wrong says
 * what is wrong. */
static gboolean
read_port(ClientAnswer *answer, const VarlinkReply *reply, gboolean with_descriptors,
          const char **ret_wrong)
{
    json_t *parameters = reply->parameters;
    MacvtapPort *port = client_port_new(
        json_object_get(parameters, "port"), with_descriptors ? reply->descriptors : NULL,
        json_object_get(parameters, "tapFileDescriptors"),
        json_object_get(parameters, "vhostFileDescriptors"), ret_wrong);

    if (!port)
        return FALSE;
    answer->ports = g_ptr_array_new_with_free_func(port_destroy);
    g_ptr_array_add(answer->ports, port);
    return TRUE;
}

static gboolean
read_ports(ClientAnswer *answer, json_t *list, const char **ret_wrong)
{
    gsize i;
    json_t *element;

    *ret_wrong = "no list of ports";
    if (!json_is_array(list))
        return FALSE;
    answer->ports = g_ptr_array_new_with_free_func(port_destroy);
    json_array_foreach (list, i, element) {
        MacvtapPort *port = client_port_new(element, NULL, NULL, NULL, ret_wrong);

        if (!port)
            return FALSE;
        g_ptr_array_add(answer->ports, port);
    }
    return TRUE;
}

static const char *
text_or_nothing(json_t *object, const char *field)
{
    return json_string_value(json_object_get(object, field)) ?: "";
}

static void
read_faults(ClientAnswer *answer, json_t *list)
{
    gsize i;
    json_t *element;

    answer->faults = g_ptr_array_new_with_free_func(fault_free);
    json_array_foreach (list, i, element) {
        MacvtapFault *fault = g_new(MacvtapFault, 1);

        *fault =
            (MacvtapFault){text_or_nothing(element, "code"), text_or_nothing(element, "subject"),
                           text_or_nothing(element, "message"), text_or_nothing(element, "remedy"),
                           json_incref(element)};
        g_ptr_array_add(answer->faults, fault);
    }
}

static gboolean
read_networks(ClientAnswer *answer, json_t *parameters, const char **ret_wrong)
{
    json_t *list = json_object_get(parameters, "networks"), *element;
    gsize i;

    *ret_wrong = "no list of networks";
    if (!json_is_array(list))
        return FALSE;
    answer->networks = g_ptr_array_new_with_free_func(network_destroy);
    json_array_foreach (list, i, element) {
        MacvtapNetwork *network = client_network_new(element, ret_wrong);

        if (!network)
            return FALSE;
        g_ptr_array_add(answer->networks, network);
    }
    answer->file_changes = json_incref(json_object_get(parameters, "fileChanges"));
    read_faults(answer, json_object_get(parameters, "faults"));
    return TRUE;
}

static gboolean
read_failures(ClientAnswer *answer, json_t *list, const char **ret_wrong)
{
    gsize i;
    json_t *element;

    *ret_wrong = "no list of failures";
    if (!json_is_array(list))
        return FALSE;
    json_array_foreach (list, i, element) {
        const char *port = json_string_value(json_object_get(element, "port"));
        const char *message = json_string_value(json_object_get(element, "message"));
        MacvtapFailure *failure;

        *ret_wrong = "a failure without a port or message";
        if (!port || !message)
            return FALSE;
        failure = g_new(MacvtapFailure, 1);
        *failure =
            (MacvtapFailure){port, message, client_refusal_parse(text_or_nothing(element, "error")),
                             json_incref(element)};
        g_ptr_array_add(answer->failures, failure);
    }
    return TRUE;
}

/* Adds the content of a reply, which may be one of several. */
static gboolean
read_deleted(const MacvtapRequest *request, ClientAnswer *answer, json_t *parameters,
             const char **ret_wrong)
{
    if (json_object_get(request->parameters, "port")) {
        answer->count = 1;
        return TRUE;
    }
    if (!answer->failures)
        answer->failures = g_ptr_array_new_with_free_func(failure_free);
    answer->count += (gsize)json_integer_value(json_object_get(parameters, "deleted"));
    return read_failures(answer, json_object_get(parameters, "failures"), ret_wrong);
}

static gboolean
read_count(ClientAnswer *answer, json_t *value, const char **ret_wrong)
{
    *ret_wrong = "no count";
    answer->count = (gsize)json_integer_value(value);
    return json_is_integer(value);
}

static gboolean
read_capture(ClientAnswer *answer, const VarlinkReply *reply, const char **ret_wrong)
{
    json_t *index = json_object_get(reply->parameters, "captureFileDescriptor");

    if (!read_port(answer, reply, FALSE, ret_wrong))
        return FALSE;
    *ret_wrong = "no descriptor";
    if (!json_is_integer(index) || json_integer_value(index) != 0 || reply->descriptors->len != 1)
        return FALSE;
    answer->descriptors = g_array_ref(reply->descriptors);
    answer->reasons = json_incref(json_object_get(reply->parameters, "reasons"));
    return TRUE;
}

static gboolean
read_answer(const MacvtapRequest *request, ClientAnswer *answer, const VarlinkReply *reply,
            const char **ret_wrong)
{
    json_t *parameters = reply->parameters;

    switch (request->method) {
    case MACVTAP_METHOD_CREATE_PORT:
    case MACVTAP_METHOD_OPEN_PORT:
        return read_port(answer, reply, TRUE, ret_wrong);
    case MACVTAP_METHOD_SET_PORT:
    case MACVTAP_METHOD_GET_PORT:
        return read_port(answer, reply, FALSE, ret_wrong);
    case MACVTAP_METHOD_DELETE_PORT:
        return read_deleted(request, answer, parameters, ret_wrong);
    case MACVTAP_METHOD_LIST_PORTS:
        return read_ports(answer, json_object_get(parameters, "ports"), ret_wrong);
    case MACVTAP_METHOD_LIST_NETWORKS:
        return read_networks(answer, parameters, ret_wrong);
    case MACVTAP_METHOD_END_DOMAIN:
        return read_count(answer, json_object_get(parameters, "ports"), ret_wrong);
    case MACVTAP_METHOD_RELOAD:
        return read_count(answer, json_object_get(parameters, "networks"), ret_wrong);
    case MACVTAP_METHOD_GET_STATISTICS:
        answer->statistics = json_dumps(parameters, JSON_COMPACT);
        return TRUE;
    case MACVTAP_METHOD_CAPTURE_PORT:
        return read_capture(answer, reply, ret_wrong);
    case MACVTAP_METHOD_WATCH_PORTS:
        *ret_wrong = "no events follow";
        return reply->continues;
    }
    return TRUE;
}

gboolean
client_answer_read(MacvtapRequest *request, const VarlinkReply *reply)
{
    ClientAnswer *answer = &request->answer;
    const char *wrong;

    if (reply->error)
        answer_refused(answer, reply);
    else if (!read_answer(request, answer, reply, &wrong))
        answer_wrong(answer, wrong);
    else if (request->names_sent < request->names->len)
        return FALSE;
    else
        answer->result = 0;
    return TRUE;
}

int
macvtap_request_get_result(const MacvtapRequest *request)
{
    return request->answer.result;
}

const char *
macvtap_request_get_message(const MacvtapRequest *request)
{
    return request->answer.message;
}

MacvtapRefusal
macvtap_request_get_refusal(const MacvtapRequest *request)
{
    return request->answer.refusal;
}

const char *
macvtap_request_get_error_name(const MacvtapRequest *request)
{
    return request->answer.error_name;
}

size_t
macvtap_request_get_count(const MacvtapRequest *request)
{
    return request->answer.count;
}

static size_t
count_items(const GPtrArray *array)
{
    return array ? array->len : 0;
}

static gpointer
get_item(const GPtrArray *array, size_t index)
{
    return index < count_items(array) ? array->pdata[index] : NULL;
}

static gpointer
take_item(GPtrArray *array, size_t index)
{
    return index < count_items(array) ? g_steal_pointer(&array->pdata[index]) : NULL;
}

const char *
macvtap_request_get_statistics_json(const MacvtapRequest *request)
{
    return request->answer.statistics;
}

int
macvtap_request_take_capture(MacvtapRequest *request)
{
    int fd =
        request->answer.descriptors ? descriptor_array_steal(request->answer.descriptors, 0) : -1;

    return fd < 0 ? -EBADF : fd;
}

size_t
macvtap_request_get_n_reasons(const MacvtapRequest *request)
{
    return json_array_size(request->answer.reasons);
}

const char *
macvtap_request_get_reason(const MacvtapRequest *request, size_t index)
{
    return json_string_value(json_array_get(request->answer.reasons, index));
}

size_t
macvtap_request_get_n_ports(const MacvtapRequest *request)
{
    return count_items(request->answer.ports);
}

const MacvtapPort *
macvtap_request_get_port(const MacvtapRequest *request, size_t index)
{
    return get_item(request->answer.ports, index);
}

MacvtapPort *
macvtap_request_take_port(MacvtapRequest *request, size_t index)
{
    return take_item(request->answer.ports, index);
}

size_t
macvtap_request_get_n_networks(const MacvtapRequest *request)
{
    return count_items(request->answer.networks);
}

const MacvtapNetwork *
macvtap_request_get_network(const MacvtapRequest *request, size_t index)
{
    return get_item(request->answer.networks, index);
}

MacvtapNetwork *
macvtap_request_take_network(MacvtapRequest *request, size_t index)
{
    return take_item(request->answer.networks, index);
}

size_t
macvtap_request_get_n_file_changes(const MacvtapRequest *request)
{
    return json_array_size(request->answer.file_changes);
}

const char *
macvtap_request_get_file_change(const MacvtapRequest *request, size_t index)
{
    return json_string_value(json_array_get(request->answer.file_changes, index));
}

size_t
macvtap_request_get_n_faults(const MacvtapRequest *request)
{
    return count_items(request->answer.faults);
}

const MacvtapFault *
macvtap_request_get_fault(const MacvtapRequest *request, size_t index)
{
    return get_item(request->answer.faults, index);
}

const char *
macvtap_fault_get_code(const MacvtapFault *fault)
{
    return fault->code;
}

const char *
macvtap_fault_get_subject(const MacvtapFault *fault)
{
    return fault->subject;
}

const char *
macvtap_fault_get_message(const MacvtapFault *fault)
{
    return fault->message;
}

const char *
macvtap_fault_get_remedy(const MacvtapFault *fault)
{
    return fault->remedy;
}

size_t
macvtap_request_get_n_failures(const MacvtapRequest *request)
{
    return count_items(request->answer.failures);
}

const MacvtapFailure *
macvtap_request_get_failure(const MacvtapRequest *request, size_t index)
{
    return get_item(request->answer.failures, index);
}

const char *
macvtap_failure_get_port(const MacvtapFailure *failure)
{
    return failure->port;
}

const char *
macvtap_failure_get_message(const MacvtapFailure *failure)
{
    return failure->message;
}

MacvtapRefusal
macvtap_failure_get_refusal(const MacvtapFailure *failure)
{
    return failure->refusal;
}
