/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client-private.h"
#include "field.h"

#include <errno.h>
#include <string.h>

/* The most that one DeletePort can name: macvtapd accepts messages of 4 KiB and 512 values from any
 * user. */
#define DELETE_NAMES_MAX 256
#define DELETE_BYTES_MAX 3500

/* Text that is not UTF-8 cannot be the name of anything; let macvtapd say so. */
#define NOT_UTF_8 "\xef\xbf\xbd"

MacvtapRequest *
macvtap_request_new(MacvtapMethod method)
{
    MacvtapRequest *request = g_new0(MacvtapRequest, 1);

    request->method = method;
    request->parameters = json_object();
    request->names = g_ptr_array_new_with_free_func(g_free);
    request->answer.result = -EINPROGRESS;
    return request;
}

void
macvtap_request_free(MacvtapRequest *request)
{
    if (!request)
        return;
    if (request->client)
        client_forget_request(request->client, request);
    client_answer_clear(&request->answer);
    json_decref(request->parameters);
    g_ptr_array_unref(request->names);
    g_free(request);
}

static json_t *
text_value(const char *text)
{
    return json_string(text) ?: json_string(NOT_UTF_8);
}

/* Takes ownership of value; NULL removes the field. */
static void
set_value(MacvtapRequest *request, const char *field, json_t *value)
{
    if (value)
        json_object_set_new(request->parameters, field, value);
    else
        json_object_del(request->parameters, field);
}

static void
set_string(MacvtapRequest *request, const char *field, const char *text)
{
    set_value(request, field, text ? text_value(text) : NULL);
}

static void
set_number(MacvtapRequest *request, const char *field, gint64 number)
{
    set_value(request, field, number ? json_integer(number) : NULL);
}

void
macvtap_request_set_network(MacvtapRequest *request, const char *network)
{
    set_string(request, "network", network);
}

void
macvtap_request_set_port(MacvtapRequest *request, const char *port)
{
    set_string(request, "port", port);
}

void
macvtap_request_set_name(MacvtapRequest *request, const char *name)
{
    set_string(request, "name", name);
}

void
macvtap_request_set_description(MacvtapRequest *request, const char *description)
{
    set_string(request, "description", description);
}

void
macvtap_request_set_guest_name(MacvtapRequest *request, const char *guest_name)
{
    set_string(request, "guestName", guest_name);
}

void
macvtap_request_set_interface_name(MacvtapRequest *request, const char *interface_name)
{
    set_string(request, "interfaceName", interface_name);
}

void
macvtap_request_set_mac_address(MacvtapRequest *request, const char *mac_address)
{
    set_string(request, "macAddress", mac_address);
}

void
macvtap_request_set_mtu(MacvtapRequest *request, unsigned bytes)
{
    set_number(request, "mtu", bytes);
}

void
macvtap_request_set_queues(MacvtapRequest *request, unsigned queues)
{
    set_number(request, "queues", queues);
}

void
macvtap_request_set_vhost(MacvtapRequest *request, MacvtapVhost vhost)
{
    set_string(request, "vhost", vhost ? macvtap_vhost_name(vhost) : NULL);
}

void
macvtap_request_set_holder(MacvtapRequest *request, MacvtapHolder holder)
{
    set_value(request, "holder",
              holder ? json_pack("{s:s}", "type", macvtap_holder_name(holder)) : NULL);
}

void
macvtap_request_set_holder_process(MacvtapRequest *request, int pid)
{
    set_value(request, "holder",
              pid ? json_pack("{s:s, s:i}", "type", "process", "pid", pid) : NULL);
}

void
macvtap_request_set_holder_domain(MacvtapRequest *request, const char *uuid)
{
    set_value(request, "holder",
              uuid ? json_pack("{s:s, s:o}", "type", "domain", "domain", text_value(uuid)) : NULL);
}

void
macvtap_request_set_holder_namespace(MacvtapRequest *request, const char *interface)
{
    set_value(
        request, "holder",
        interface ? json_pack("{s:s, s:o}", "type", "namespace", "interface", text_value(interface))
                  : NULL);
}

void
macvtap_request_set_holder_pid(MacvtapRequest *request, int pid)
{
    set_number(request, "holderPid", pid);
}

void
macvtap_request_set_open_descriptors(MacvtapRequest *request, bool open_descriptors)
{
    set_value(request, "openDescriptors", json_boolean(open_descriptors));
}

void
macvtap_request_set_link_up(MacvtapRequest *request, bool link_up)
{
    set_value(request, "linkUp", json_boolean(link_up));
}

void
macvtap_request_set_device_node(MacvtapRequest *request, uint32_t owner, uint32_t group)
{
    set_value(request, "deviceNode",
              json_pack("{s:I, s:I}", "owner", (json_int_t)owner, "group", (json_int_t)group));
}

void
macvtap_request_set_incoming(MacvtapRequest *request, bool incoming)
{
    set_value(request, "incoming", incoming ? json_true() : NULL);
}

void
macvtap_request_set_check_only(MacvtapRequest *request, bool check_only)
{
    set_value(request, "checkOnly", check_only ? json_true() : NULL);
}

void
macvtap_request_add_source(MacvtapRequest *request, const char *mac_address)
{
    if (!json_object_get(request->parameters, "sources"))
        macvtap_request_clear_sources(request);
    json_array_append_new(json_object_get(request->parameters, "sources"), text_value(mac_address));
}

void
macvtap_request_clear_sources(MacvtapRequest *request)
{
    set_value(request, "sources", json_array());
}

void
macvtap_request_add_address(MacvtapRequest *request, const char *address)
{
    json_t *addresses = json_object_get(request->parameters, "addresses");

    if (!addresses)
        set_value(request, "addresses", addresses = json_array());
    json_array_append_new(addresses, text_value(address));
}

void
macvtap_request_clear_addresses(MacvtapRequest *request)
{
    set_value(request, "addresses", NULL);
}

void
macvtap_request_add_port(MacvtapRequest *request, const char *port)
{
    g_ptr_array_add(request->names, g_strdup(port));
}

void
macvtap_request_clear_ports(MacvtapRequest *request)
{
    g_ptr_array_set_size(request->names, 0);
}

void
macvtap_request_set_all(MacvtapRequest *request, bool all)
{
    set_value(request, "all", all ? json_true() : NULL);
}

void
macvtap_request_set_domain(MacvtapRequest *request, const char *uuid)
{
    set_string(request, "domain", uuid);
}

void
macvtap_request_set_statistics(MacvtapRequest *request, bool statistics)
{
    set_value(request, "statistics", statistics ? json_true() : NULL);
}

void
macvtap_request_set_frames(MacvtapRequest *request, MacvtapFrames frames)
{
    set_string(request, "frames", frames ? macvtap_frames_name(frames) : NULL);
}

void
macvtap_request_set_snap_length(MacvtapRequest *request, unsigned bytes)
{
    set_number(request, "snapLength", bytes);
}

/* Parses a holder as people write it; NULL with *ret_message. */
static json_t *
holder_from_text(const char *text, char **ret_message)
{
    guint64 pid;

    if (g_str_equal(text, "none") || g_str_equal(text, "descriptors") ||
        g_str_equal(text, "process"))
        return json_pack("{s:s}", "type", text);
    if (g_str_has_prefix(text, "pid:") &&
        g_ascii_string_to_unsigned(text + 4, 10, 1, G_MAXINT, &pid, NULL))
        return json_pack("{s:s, s:I}", "type", "process", "pid", (json_int_t)pid);
    if (g_str_has_prefix(text, "domain:") && g_utf8_validate(text + 7, -1, NULL))
        return json_pack("{s:s, s:s}", "type", "domain", "domain", text + 7);
    if (g_str_has_prefix(text, "namespace:") && g_utf8_validate(text + 10, -1, NULL))
        return json_pack("{s:s, s:s}", "type", "namespace", "interface", text + 10);
    *ret_message = g_strdup_printf(
        "a holder is descriptors, process, pid:N, domain:UUID, namespace:NAME or none, not '%s'",
        text);
    return NULL;
}

static json_t *
field_from_text(const MacvtapRequest *request, const char *name, const char *text,
                char **ret_message)
{
    FieldUse use =
        request->method == MACVTAP_METHOD_SET_PORT ? FIELD_USE_CHANGE : FIELD_USE_REQUEST;
    const Field *field = field_find(port_fields, use, name);
    g_autoptr(GError) cause = NULL;
    json_t *value;

    if (!field) {
        *ret_message = g_strdup_printf("there is no field '%s'", name);
        return NULL;
    }
    if (g_str_equal(name, "holder"))
        return holder_from_text(text, ret_message);
    value = field_json_from_text(field, use, text, &cause);
    if (!value)
        *ret_message = g_strdup(cause->message);
    return value;
}

int
macvtap_request_set_text(MacvtapRequest *request, const char *field, const char *text)
{
    char *message = NULL;
    json_t *value = text ? field_from_text(request, field, text, &message) : NULL;

    client_answer_clear(&request->answer);
    if (message) {
        client_answer_fail(&request->answer, EINVAL, message);
        return -EINVAL;
    }
    set_value(request, field, value);
    return 0;
}

/* As many of the remaining names as fit in one message from any user. */
static json_t *
take_names(MacvtapRequest *request)
{
    json_t *list = json_array();
    gsize bytes = 0;

    while (request->names_sent < request->names->len && json_array_size(list) < DELETE_NAMES_MAX) {
        const char *name = request->names->pdata[request->names_sent];

        bytes += strlen(name) + strlen("\"\",");
        if (bytes > DELETE_BYTES_MAX && json_array_size(list) > 0)
            break;
        json_array_append_new(list, text_value(name));
        request->names_sent++;
    }
    return list;
}

json_t *
client_request_parameters(MacvtapRequest *request)
{
    json_t *parameters;

    if (json_object_size(request->parameters) == 0 && request->names->len == 0)
        return NULL;
    parameters = json_copy(request->parameters);
    if (request->names->len > 0)
        json_object_set_new(parameters, "ports", take_names(request));
    return parameters;
}
