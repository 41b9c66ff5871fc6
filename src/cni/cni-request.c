/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cni.h"

#include "interface-name.h"

#include <stdarg.h>
#include <string.h>

G_DEFINE_QUARK(macvtapd - cni - error, cni_error)

#define CONTAINER_MAX 40 /* what a port's name has room for, beside the interface's */

static const char *const versions[] = {"0.3.1", "0.4.0", CNI_VERSION_BEFORE, CNI_VERSION, NULL};

static const char *const commands[] = {
    [CNI_ADD] = "ADD", [CNI_DEL] = "DEL",       [CNI_CHECK] = "CHECK",
    [CNI_GC] = "GC",   [CNI_STATUS] = "STATUS", [CNI_VERSION_QUERY] = "VERSION",
};

gboolean
cni_refuse(GError **error, int code, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    g_clear_error(error);
    if (error)
        *error = g_error_new_valist(CNI_ERROR, code, format, arguments);
    va_end(arguments);
    return FALSE;
}

json_t *
cni_versions(void)
{
    json_t *array = json_array();

    for (const char *const *version = versions; *version; version++)
        json_array_append_new(array, json_string(*version));
    return array;
}

void
cni_request_clear(CniRequest *request)
{
    g_clear_pointer(&request->config, json_decref);
    g_clear_pointer(&request->mac, g_free);
    g_clear_pointer(&request->addresses, g_strfreev);
}

static const char *
text_of(json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    return text && text[0] != '\0' ? text : NULL;
}

static gboolean
read_command(const char *word, CniCommand *ret_command, GError **error)
{
    for (guint i = 0; word && i < G_N_ELEMENTS(commands); i++) {
        if (g_str_equal(word, commands[i])) {
            *ret_command = (CniCommand)i;
            return TRUE;
        }
    }
    if (!word)
        return cni_refuse(error, CNI_INVALID_ENVIRONMENT, "CNI_COMMAND is not set");
    return cni_refuse(error, CNI_INVALID_ENVIRONMENT,
                      "CNI_COMMAND must be ADD, DEL, CHECK, GC, STATUS or VERSION");
}

/* As the specification has it: alphanumeric first, then also '_', '.' and '-'. */
static gboolean
is_container(const char *text)
{
    if (!text || !g_ascii_isalnum(text[0]))
        return FALSE;
    return strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") ==
           strlen(text);
}

static gboolean
check_environment(const CniEnvironment *environment, CniCommand command, GError **error)
{
    g_autoptr(GError) cause = NULL;

    if (command == CNI_GC || command == CNI_STATUS || command == CNI_VERSION_QUERY)
        return TRUE;
    if (!is_container(environment->container))
        return cni_refuse(error, CNI_INVALID_ENVIRONMENT,
                          "CNI_CONTAINERID is not a container's ID");
    if (!environment->interface || !interface_name_check_chosen(environment->interface, &cause))
        return cni_refuse(error, CNI_INVALID_ENVIRONMENT, "CNI_IFNAME is not an interface's name");
    return command == CNI_DEL || environment->netns ||
           cni_refuse(error, CNI_INVALID_ENVIRONMENT, "CNI_NETNS is not set");
}

static gboolean
check_version(CniRequest *request, GError **error)
{
    request->version = text_of(request->config, "cniVersion") ?: CNI_VERSION_WHEN_UNSAID;
    if (request->command == CNI_VERSION_QUERY || g_strv_contains(versions, request->version))
        return TRUE;
    return cni_refuse(error, CNI_INCOMPATIBLE_VERSION,
                      "cniVersion %s is not one of 0.3.1, 0.4.0, 1.0.0 and " CNI_VERSION,
                      request->version);
}

static gboolean
check_config(CniRequest *request, GError **error)
{
    json_t *config = request->config;

    request->name = text_of(config, "name");
    request->network = text_of(config, "network");
    request->socket = text_of(config, "socket");
    request->ipam = text_of(json_object_get(config, "ipam"), "type");
    request->notes = text_of(config, "dataDir");
    if (!request->name || !is_container(request->name))
        return cni_refuse(error, CNI_INVALID_CONFIG, "the configuration has no 'name'");
    if (!request->network)
        return cni_refuse(error, CNI_INVALID_CONFIG,
                          "%s: 'network' must name a network of macvtapd's", request->name);
    if (request->ipam && g_str_equal(request->ipam, "dhcp"))
        return cni_refuse(error, CNI_UNSUPPORTED_FIELD,
                          "%s: the guest speaks DHCP itself, so 'ipam' cannot be 'dhcp'",
                          request->name);
    if (request->ipam && strchr(request->ipam, '/'))
        return cni_refuse(error, CNI_INVALID_CONFIG, "%s: 'ipam' must name a plugin, not a path",
                          request->name);
    return request->command != CNI_ADD || !json_object_get(config, "prevResult") ||
           cni_refuse(error, CNI_INVALID_CONFIG,
                      "%s: macvtapd-cni makes an interface and cannot be chained behind another"
                      " plugin",
                      request->name);
}

/* The value of "KEY=VALUE" in CNI_ARGS ("K8S_POD_NAME=…;MAC=…"). Free with g_free(). */
static char *
argument_of(const char *arguments, const char *key)
{
    g_auto(GStrv) words = g_strsplit(arguments ?: "", ";", -1);

    for (char **word = words; *word; word++) {
        if (g_str_has_prefix(*word, key) && (*word)[strlen(key)] == '=')
            return g_strdup(*word + strlen(key) + 1);
    }
    return NULL;
}

/* "ADDRESS/BITS" as Multus has them, or objects with an 'address'. */
static void
add_addresses(GStrvBuilder *builder, json_t *array)
{
    gsize i;
    json_t *value;

    json_array_foreach (array, i, value) {
        const char *text = json_string_value(value) ?: text_of(value, "address");

        if (text)
            g_strv_builder_add(builder, text);
    }
}

/* Capabilities of the runtime come before the user's arguments, and these before CNI_ARGS. */
static void
read_wishes(CniRequest *request, const char *arguments)
{
    json_t *runtime = json_object_get(request->config, "runtimeConfig");
    json_t *args = json_object_get(json_object_get(request->config, "args"), "cni");
    g_autoptr(GStrvBuilder) addresses = g_strv_builder_new();
    g_autofree char *mac = argument_of(arguments, "MAC"), *ip = argument_of(arguments, "IP");
    json_t *ips = json_object_get(runtime, "ips") ?: json_object_get(args, "ips");

    request->mac = g_strdup(text_of(runtime, "mac") ?: text_of(args, "mac") ?: mac);
    add_addresses(addresses, ips);
    if (!ips && ip && ip[0] != '\0')
        g_strv_builder_add(addresses, ip);
    request->addresses = g_strv_builder_end(addresses);
}

gboolean
cni_request_read(const CniEnvironment *environment, const char *text, gsize length,
                 CniRequest *ret_request, GError **error)
{
    g_auto(CniRequest) request = {0};
    json_error_t where;

    if (!read_command(environment->command, &request.command, error) ||
        !check_environment(environment, request.command, error))
        return FALSE;
    request.config = json_loadb(text, length, JSON_REJECT_DUPLICATES, &where);
    if (!json_is_object(request.config))
        return cni_refuse(error, CNI_DECODE,
                          "the configuration on standard input is no JSON"
                          " object");
    if (!check_version(&request, error))
        return FALSE;
    if (request.command != CNI_VERSION_QUERY) {
        if (!check_config(&request, error))
            return FALSE;
        request.container = environment->container;
        request.netns = environment->netns;
        request.interface = environment->interface;
        read_wishes(&request, environment->arguments);
    }
    *ret_request = request;
    request = (CniRequest){0};
    return TRUE;
}

char *
cni_port_name(const char *container, const char *interface)
{
    g_autofree char *digest = NULL;

    if (strlen(container) <= CONTAINER_MAX)
        return g_strdup_printf("%s-%s", container, interface);
    digest = g_compute_checksum_for_string(G_CHECKSUM_SHA256, container, -1);
    return g_strdup_printf("%.23s.%.16s-%s", container, digest, interface);
}

char *
cni_description(const CniRequest *request)
{
    return g_strdup_printf("CNI %s", request->name);
}
