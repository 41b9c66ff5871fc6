/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client-private.h"
#include "port-fields.h"
#include "varlink-error.h"

#include <string.h>

#define INTERFACE "org.macvtapd.Ports."
#define DEFAULT_SOCKET "/run/macvtapd/socket"

/* What one DeletePort names: macvtapd takes messages of 4 KiB and 512 values from any user. */
#define DELETE_NAMES_MAX 256
#define DELETE_BYTES_MAX 3500

G_DEFINE_QUARK(macvtap - error, macvtap_error)

struct MacvtapClient {
    VarlinkClient *varlink;
    char *refusal;
};

MacvtapClient *
macvtap_client_connect(const char *socket_path, GError **error)
{
    g_autoptr(GError) cause = NULL;
    MacvtapClient *client;
    VarlinkClient *varlink;

    if (!socket_path)
        socket_path = g_getenv("MACVTAPD_SOCKET");
    if (!socket_path || !socket_path[0])
        socket_path = DEFAULT_SOCKET;
    varlink = varlink_client_connect(socket_path, &cause);
    if (!varlink) {
        g_set_error(error, MACVTAP_ERROR, MACVTAP_ERROR_UNREACHABLE,
                    "cannot reach macvtapd (is it running?): %s", cause->message);
        return NULL;
    }
    client = g_new0(MacvtapClient, 1);
    client->varlink = varlink;
    return client;
}

void
macvtap_client_free(MacvtapClient *client)
{
    if (!client)
        return;
    varlink_client_free(client->varlink);
    g_free(client->refusal);
    g_free(client);
}

void
macvtap_client_set_timeout(MacvtapClient *client, int milliseconds)
{
    varlink_client_set_timeout(client->varlink, milliseconds);
}

int
macvtap_client_get_fd(const MacvtapClient *client)
{
    return varlink_client_get_fd(client->varlink);
}

const char *
macvtap_client_get_refusal(const MacvtapClient *client)
{
    return client->refusal;
}

/* Turns the varlink module's error into ours. */
static gboolean
fail(GError *cause, GError **error)
{
    gboolean timed_out = g_error_matches(cause, VARLINK_ERROR, VARLINK_ERROR_TIMED_OUT);

    /* It cannot say why to a caller whose connection it does not take. */
    if (g_error_matches(cause, VARLINK_ERROR, VARLINK_ERROR_CLOSED))
        g_set_error(error, MACVTAP_ERROR, MACVTAP_ERROR_PROTOCOL,
                    "macvtapd closed the connection: it has ended, or you have as many connections"
                    " to it open as it allows");
    else
        g_set_error(error, MACVTAP_ERROR,
                    timed_out ? MACVTAP_ERROR_TIMED_OUT : MACVTAP_ERROR_PROTOCOL,
                    timed_out ? "macvtapd does not answer: %s" : "connection to macvtapd: %s",
                    cause->message);
    g_error_free(cause);
    return FALSE;
}

static gboolean
wrong_answer(GError **error, const char *what)
{
    g_set_error(error, MACVTAP_ERROR, MACVTAP_ERROR_PROTOCOL, "macvtapd's answer is wrong: %s",
                what);
    return FALSE;
}

static gboolean
check_refusal(MacvtapClient *client, const VarlinkReply *reply, GError **error)
{
    const char *message = json_string_value(json_object_get(reply->parameters, "message"));
    const char *field = json_string_value(json_object_get(reply->parameters, "parameter"));

    if (!reply->error)
        return TRUE;
    client->refusal =
        g_strdup(g_str_has_prefix(reply->error, INTERFACE) ? reply->error + strlen(INTERFACE)
                                                           : reply->error);
    if (message)
        g_set_error_literal(error, MACVTAP_ERROR, MACVTAP_ERROR_REFUSED, message);
    else
        g_set_error(error, MACVTAP_ERROR, MACVTAP_ERROR_REFUSED, "macvtapd refused: %s%s%s",
                    reply->error, field ? " " : "", field ? field : "");
    return FALSE;
}

/* Calls a method of ours; parameters are taken. */
static gboolean
call(MacvtapClient *client, const char *method, json_t *parameters, VarlinkReply *ret_reply,
     GError **error)
{
    g_autofree char *name = g_strconcat(INTERFACE, method, NULL);
    g_auto(VarlinkReply) reply = {0};
    GError *cause = NULL;

    g_clear_pointer(&client->refusal, g_free);
    if (!varlink_client_call(client->varlink, name, parameters, &reply, &cause))
        return fail(cause, error);
    if (!check_refusal(client, &reply, error))
        return FALSE;
    *ret_reply = reply;
    memset(&reply, 0, sizeof(reply));
    return TRUE;
}

static void
set_text(json_t *object, const char *field, const char *text)
{
    if (text) /* what is not UTF-8 cannot be a name of anything; the daemon will say so */
        json_object_set_new(object, field, json_string(text) ?: json_string("\xef\xbf\xbd"));
}

static gboolean
set_holder(json_t *object, const char *text, GError **error)
{
    guint64 pid;

    if (!text)
        return TRUE;
    if (g_str_equal(text, "none") || g_str_equal(text, "descriptors") ||
        g_str_equal(text, "process")) {
        json_object_set_new(object, "holder", json_pack("{s:s}", "type", text));
    } else if (g_str_has_prefix(text, "pid:") &&
               g_ascii_string_to_unsigned(text + 4, 10, 1, G_MAXINT, &pid, NULL)) {
        json_object_set_new(object, "holder",
                            json_pack("{s:s, s:I}", "type", "process", "pid", (json_int_t)pid));
    } else if (g_str_has_prefix(text, "domain:") && g_utf8_validate(text, -1, NULL)) {
        json_object_set_new(object, "holder",
                            json_pack("{s:s, s:s}", "type", "domain", "domain", text + 7));
    } else {
        g_set_error(error, MACVTAP_ERROR, MACVTAP_ERROR_REFUSED,
                    "a holder is descriptors, process, pid:N, domain:UUID or none, not '%s'", text);
        return FALSE;
    }
    return TRUE;
}

static gboolean
set_field(json_t *object, FieldUse use, const MacvtapField *given, GError **error)
{
    const Field *field = field_find(port_fields, use, given->name);
    g_autoptr(GError) cause = NULL;
    json_t *value;

    if (!field) {
        g_set_error(error, MACVTAP_ERROR, MACVTAP_ERROR_REFUSED, "there is no field '%s'",
                    given->name);
        return FALSE;
    }
    if (g_str_equal(given->name, "holder"))
        return set_holder(object, given->value, error);
    value = field_json_from_text(field, use, given->value, &cause);
    if (!value) {
        g_set_error_literal(error, MACVTAP_ERROR, MACVTAP_ERROR_REFUSED, cause->message);
        return FALSE;
    }
    json_object_set_new(object, given->name, value);
    return TRUE;
}

/* fields may be NULL. */
static gboolean
set_fields(json_t *object, FieldUse use, const MacvtapField *fields, GError **error)
{
    for (; fields && fields->name; fields++) {
        if (!set_field(object, use, fields, error))
            return FALSE;
    }
    return TRUE;
}

static MacvtapPort *
take_port(const VarlinkReply *reply, GError **error)
{
    return macvtap_port_new(json_object_get(reply->parameters, "port"), reply->descriptors,
                            json_object_get(reply->parameters, "tapFileDescriptors"),
                            json_object_get(reply->parameters, "vhostFileDescriptors"), error);
}

/* CreatePort's parameters; NULL with an error. */
static json_t *
format_request(const MacvtapRequest *request, GError **error)
{
    json_t *parameters = json_object();

    set_text(parameters, "network", request->network);
    set_text(parameters, "name", request->name);
    set_text(parameters, "guestName", request->guest_name);
    set_text(parameters, "interfaceName", request->interface_name);
    set_text(parameters, "macAddress", request->mac_address);
    set_text(parameters, "vhost", request->vhost);
    if (request->mtu)
        json_object_set_new(parameters, "mtu", json_integer(request->mtu));
    if (request->queues)
        json_object_set_new(parameters, "queues", json_integer(request->queues));
    if (request->no_descriptors)
        json_object_set_new(parameters, "openDescriptors", json_false());
    if (request->link_down)
        json_object_set_new(parameters, "linkUp", json_false());
    if (request->incoming)
        json_object_set_new(parameters, "incoming", json_true());
    if (request->device_node)
        json_object_set_new(parameters, "deviceNode",
                            json_pack("{s:I, s:I}", "owner", (json_int_t)request->node_owner,
                                      "group", (json_int_t)request->node_group));
    if (set_holder(parameters, request->holder, error) &&
        set_fields(parameters, FIELD_USE_REQUEST, request->fields, error))
        return parameters;
    json_decref(parameters);
    return NULL;
}

MacvtapPort *
macvtap_client_create(MacvtapClient *client, const MacvtapRequest *request, GError **error)
{
    json_t *parameters = format_request(request, error);
    g_auto(VarlinkReply) reply = {0};

    if (!parameters || !call(client, "CreatePort", parameters, &reply, error))
        return NULL;
    return take_port(&reply, error);
}

MacvtapPort *
macvtap_client_check(MacvtapClient *client, const MacvtapRequest *request, GError **error)
{
    json_t *parameters = format_request(request, error);
    g_auto(VarlinkReply) reply = {0};

    if (!parameters)
        return NULL;
    json_object_set_new(parameters, "checkOnly", json_true());
    if (!call(client, "CreatePort", parameters, &reply, error))
        return NULL;
    return take_port(&reply, error);
}

MacvtapPort *
macvtap_client_open(MacvtapClient *client, const char *port, guint queues, GError **error)
{
    json_t *parameters = json_object();
    g_auto(VarlinkReply) reply = {0};

    set_text(parameters, "port", port);
    if (queues)
        json_object_set_new(parameters, "queues", json_integer(queues));
    if (!call(client, "OpenPort", parameters, &reply, error))
        return NULL;
    return take_port(&reply, error);
}

gboolean
macvtap_client_set(MacvtapClient *client, const char *port, const MacvtapField *fields,
                   GError **error)
{
    json_t *parameters = json_object();
    g_auto(VarlinkReply) reply = {0};

    set_text(parameters, "port", port);
    if (!set_fields(parameters, FIELD_USE_CHANGE, fields, error)) {
        json_decref(parameters);
        return FALSE;
    }
    return call(client, "SetPort", parameters, &reply, error);
}

gboolean
macvtap_client_set_sources(MacvtapClient *client, const char *port, const char *const *sources,
                           GError **error)
{
    json_t *parameters = json_object(), *list = json_array();
    g_auto(VarlinkReply) reply = {0};

    set_text(parameters, "port", port);
    for (; *sources; sources++)
        json_array_append_new(list, json_string(*sources) ?: json_string(""));
    json_object_set_new(parameters, "sources", list);
    return call(client, "SetPort", parameters, &reply, error);
}

gboolean
macvtap_client_set_link(MacvtapClient *client, const char *port, gboolean up, GError **error)
{
    json_t *parameters = json_object();
    g_auto(VarlinkReply) reply = {0};

    set_text(parameters, "port", port);
    json_object_set_new(parameters, "linkUp", json_boolean(up));
    return call(client, "SetPort", parameters, &reply, error);
}

gboolean
macvtap_client_set_holder_pid(MacvtapClient *client, const char *port, int pid, GError **error)
{
    json_t *parameters = json_object();
    g_auto(VarlinkReply) reply = {0};

    set_text(parameters, "port", port);
    json_object_set_new(parameters, "holderPid", json_integer(pid));
    return call(client, "SetPort", parameters, &reply, error);
}

gboolean
macvtap_client_end_domain(MacvtapClient *client, const char *uuid, guint *ret_ports, GError **error)
{
    json_t *parameters = json_object(), *ports;
    g_auto(VarlinkReply) reply = {0};

    set_text(parameters, "domain", uuid);
    if (!call(client, "EndDomain", parameters, &reply, error))
        return FALSE;
    ports = json_object_get(reply.parameters, "ports");
    if (!json_is_integer(ports))
        return wrong_answer(error, "no number of ports");
    *ret_ports = (guint)json_integer_value(ports);
    return TRUE;
}

gboolean
macvtap_client_reload(MacvtapClient *client, guint *ret_networks, GError **error)
{
    g_auto(VarlinkReply) reply = {0};
    json_t *networks;

    if (!call(client, "Reload", NULL, &reply, error))
        return FALSE;
    networks = json_object_get(reply.parameters, "networks");
    if (!json_is_integer(networks))
        return wrong_answer(error, "no number of networks");
    *ret_networks = (guint)json_integer_value(networks);
    return TRUE;
}

gboolean
macvtap_client_delete(MacvtapClient *client, const char *port, GError **error)
{
    json_t *parameters = json_object();
    g_auto(VarlinkReply) reply = {0};

    set_text(parameters, "port", port);
    return call(client, "DeletePort", parameters, &reply, error);
}

/* Calls DeletePort for several; parameters are taken. */
static gboolean
delete_several(MacvtapClient *client, json_t *parameters, MacvtapDeleteFailed failed,
               gpointer user_data, GError **error)
{
    g_auto(VarlinkReply) reply = {0};
    json_t *failures, *element;
    gsize i;

    if (!call(client, "DeletePort", parameters, &reply, error))
        return FALSE;
    failures = json_object_get(reply.parameters, "failures");
    if (!json_is_array(failures))
        return wrong_answer(error, "no list of failures");
    json_array_foreach (failures, i, element) {
        const char *port = json_string_value(json_object_get(element, "port"));
        const char *message = json_string_value(json_object_get(element, "message"));

        if (!port || !message)
            return wrong_answer(error, "a failure without port or message");
        failed(port, message, user_data);
    }
    return TRUE;
}

/* As many of the names as one message of any user's may hold; *ports goes on behind them. */
static json_t *
take_names(const char *const **ports)
{
    json_t *list = json_array();
    gsize bytes = 0;

    for (; **ports && json_array_size(list) < DELETE_NAMES_MAX; (*ports)++) {
        bytes += strlen(**ports) + strlen("\"\",");
        if (bytes > DELETE_BYTES_MAX && json_array_size(list) > 0)
            break;
        json_array_append_new(list, json_string(**ports) ?: json_string("\xef\xbf\xbd"));
    }
    return list;
}

gboolean
macvtap_client_delete_ports(MacvtapClient *client, const char *const *ports,
                            MacvtapDeleteFailed failed, gpointer user_data, GError **error)
{
    while (*ports) {
        json_t *parameters = json_pack("{s:o}", "ports", take_names(&ports));

        if (!delete_several(client, parameters, failed, user_data, error))
            return FALSE;
    }
    return TRUE;
}

gboolean
macvtap_client_delete_network(MacvtapClient *client, const char *network,
                              MacvtapDeleteFailed failed, gpointer user_data, GError **error)
{
    json_t *parameters = json_object();

    set_text(parameters, "network", network);
    if (!network)
        json_object_set_new(parameters, "all", json_true());
    return delete_several(client, parameters, failed, user_data, error);
}

MacvtapPort *
macvtap_client_get_port(MacvtapClient *client, const char *port, gboolean statistics,
                        GError **error)
{
    json_t *parameters = json_object();
    g_auto(VarlinkReply) reply = {0};

    set_text(parameters, "port", port);
    if (statistics)
        json_object_set_new(parameters, "statistics", json_true());
    if (!call(client, "GetPort", parameters, &reply, error))
        return NULL;
    return macvtap_port_new(json_object_get(reply.parameters, "port"), NULL, NULL, NULL, error);
}

static void
free_port(gpointer port)
{
    macvtap_port_free(port);
}

GPtrArray *
macvtap_client_list_ports(MacvtapClient *client, const char *network, GError **error)
{
    return macvtap_client_list_ports_full(client, network, FALSE, error);
}

GPtrArray *
macvtap_client_list_ports_full(MacvtapClient *client, const char *network, gboolean statistics,
                               GError **error)
{
    g_autoptr(GPtrArray) ports = g_ptr_array_new_with_free_func(free_port);
    json_t *parameters = json_object(), *element;
    g_auto(VarlinkReply) reply = {0};
    gsize i;

    set_text(parameters, "network", network);
    if (statistics)
        json_object_set_new(parameters, "statistics", json_true());
    if (!call(client, "ListPorts", parameters, &reply, error))
        return NULL;
    if (!json_is_array(json_object_get(reply.parameters, "ports"))) {
        wrong_answer(error, "no list of ports");
        return NULL;
    }
    json_array_foreach (json_object_get(reply.parameters, "ports"), i, element) {
        MacvtapPort *port = macvtap_port_new(element, NULL, NULL, NULL, error);

        if (!port)
            return NULL;
        g_ptr_array_add(ports, port);
    }
    return g_steal_pointer(&ports);
}

static void
free_network(gpointer network)
{
    macvtap_network_free(network);
}

GPtrArray *
macvtap_client_list_networks(MacvtapClient *client, GError **error)
{
    g_autoptr(GPtrArray) networks = g_ptr_array_new_with_free_func(free_network);
    g_auto(VarlinkReply) reply = {0};
    json_t *element;
    gsize i;

    if (!call(client, "ListNetworks", NULL, &reply, error))
        return NULL;
    if (!json_is_array(json_object_get(reply.parameters, "networks"))) {
        wrong_answer(error, "no list of networks");
        return NULL;
    }
    json_array_foreach (json_object_get(reply.parameters, "networks"), i, element) {
        MacvtapNetwork *network = macvtap_network_new(element, error);

        if (!network)
            return NULL;
        g_ptr_array_add(networks, network);
    }
    return g_steal_pointer(&networks);
}

char **
macvtap_client_list_file_changes(MacvtapClient *client, GError **error)
{
    g_auto(VarlinkReply) reply = {0};

    if (!call(client, "ListNetworks", NULL, &reply, error))
        return NULL;
    return client_json_lines(json_object_get(reply.parameters, "fileChanges"));
}

static void
free_fault(gpointer data)
{
    MacvtapFault *fault = data;

    g_free(fault->code);
    g_free(fault->subject);
    g_free(fault->message);
    g_free(fault->remedy);
    g_free(fault);
}

GPtrArray *
macvtap_client_list_faults(MacvtapClient *client, GError **error)
{
    g_autoptr(GPtrArray) faults = g_ptr_array_new_with_free_func(free_fault);
    g_auto(VarlinkReply) reply = {0};
    json_t *element;
    gsize i;

    if (!call(client, "ListNetworks", NULL, &reply, error))
        return NULL;
    json_array_foreach (json_object_get(reply.parameters, "faults"), i, element) {
        MacvtapFault *fault = g_new0(MacvtapFault, 1);

        fault->code = client_json_field(element, "code");
        fault->subject = client_json_field(element, "subject");
        fault->message = client_json_field(element, "message");
        fault->remedy = client_json_field(element, "remedy");
        g_ptr_array_add(faults, fault);
    }
    return g_steal_pointer(&faults);
}

static gboolean
receive_event(MacvtapClient *client, VarlinkReply *ret_reply, GError **error)
{
    GError *cause = NULL;

    if (!varlink_client_receive(client->varlink, ret_reply, &cause))
        return fail(cause, error);
    return check_refusal(client, ret_reply, error);
}

gboolean
macvtap_client_watch(MacvtapClient *client, GError **error)
{
    g_auto(VarlinkReply) reply = {0};
    GError *cause = NULL;

    g_clear_pointer(&client->refusal, g_free);
    if (!varlink_client_send(client->varlink, INTERFACE "WatchPorts", NULL, VARLINK_CALL_MORE,
                             &cause))
        return fail(cause, error);
    return receive_event(client, &reply, error);
}

gboolean
macvtap_client_next_event(MacvtapClient *client, const char **ret_event, MacvtapPort **ret_port,
                          GError **error)
{
    g_auto(VarlinkReply) reply = {0};
    const char *event;
    MacvtapPort *port;

    if (!receive_event(client, &reply, error))
        return FALSE;
    event = json_string_value(json_object_get(reply.parameters, "event"));
    if (!event)
        return wrong_answer(error, "no event");
    port = macvtap_port_new(json_object_get(reply.parameters, "port"), NULL, NULL, NULL, error);
    if (!port)
        return FALSE;
    *ret_event = g_intern_string(event);
    *ret_port = port;
    return TRUE;
}
