/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cni.h"

#include "interface-name.h"

#include <stdarg.h>
#include <string.h>
#include <sys/un.h>

G_DEFINE_QUARK(macvtapd - cni - error, cni_error)

#define CONTAINER_MAX 40 /* what a port's name has room for, beside the interface's */
#define QUEUES_MAX 256   /* of the API's CreatePort */
#define SOCKET_MAX (sizeof((struct sockaddr_un *)NULL)->sun_path - 1)

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

/* The member that a path names by its last part ("ipam.type"); NULL also for null. */
static json_t *
member_of(json_t *object, const char *path)
{
    const char *dot = strrchr(path, '.');
    json_t *value = json_object_get(object, dot ? dot + 1 : path);

    return json_is_null(value) ? NULL : value;
}

/* "" counts as not given. */
static gboolean
read_text(json_t *object, const char *path, const char **ret_text, GError **error)
{
    json_t *value = member_of(object, path);

    if (value && !json_is_string(value))
        return cni_refuse(error, CNI_INVALID_CONFIG, "'%s' must be a string", path);
    *ret_text = json_string_length(value) > 0 ? json_string_value(value) : NULL;
    return TRUE;
}

static gboolean
read_object(json_t *object, const char *path, json_t **ret_value, GError **error)
{
    *ret_value = member_of(object, path);
    return !*ret_value || json_is_object(*ret_value) ||
           cni_refuse(error, CNI_INVALID_CONFIG, "'%s' must be an object", path);
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
    if (command == CNI_DEL)
        return TRUE;
    if (!environment->netns || environment->netns[0] == '\0')
        return cni_refuse(error, CNI_INVALID_ENVIRONMENT, "CNI_NETNS is not set");
    return g_utf8_validate(environment->netns, -1, NULL) ||
           cni_refuse(error, CNI_INVALID_ENVIRONMENT, "CNI_NETNS is not UTF-8");
}

static gboolean
check_version(CniRequest *request, GError **error)
{
    if (!read_text(request->config, "cniVersion", &request->version, error))
        return FALSE;
    if (!request->version)
        request->version = CNI_VERSION_WHEN_UNSAID;
    if (request->command == CNI_VERSION_QUERY || g_strv_contains(versions, request->version))
        return TRUE;
    return cni_refuse(error, CNI_INCOMPATIBLE_VERSION,
                      "cniVersion %s is not one of 0.3.1, 0.4.0, 1.0.0 and " CNI_VERSION,
                      request->version);
}

static gboolean
read_ipam(CniRequest *request, GError **error)
{
    json_t *ipam;

    if (!read_object(request->config, "ipam", &ipam, error) ||
        !read_text(ipam, "ipam.type", &request->ipam, error))
        return FALSE;
    if (request->ipam && g_str_equal(request->ipam, "dhcp"))
        return cni_refuse(error, CNI_UNSUPPORTED_FIELD,
                          "%s: the guest speaks DHCP itself, so 'ipam' cannot be 'dhcp'",
                          request->name);
    return !request->ipam || !strchr(request->ipam, '/') ||
           cni_refuse(error, CNI_INVALID_CONFIG, "%s: 'ipam' must name a plugin, not a path",
                      request->name);
}

/* Of macvtapd's own files: a runtime may start the plugin in any folder. */
static gboolean
read_paths(CniRequest *request, GError **error)
{
    json_t *config = request->config;

    if (!read_text(config, "socket", &request->socket, error) ||
        !read_text(config, "dataDir", &request->notes, error))
        return FALSE;
    if (request->socket &&
        (!g_path_is_absolute(request->socket) || strlen(request->socket) > SOCKET_MAX))
        return cni_refuse(error, CNI_INVALID_CONFIG,
                          "%s: 'socket' must be an absolute path of at most %zu bytes",
                          request->name, SOCKET_MAX);
    return !request->notes || g_path_is_absolute(request->notes) ||
           cni_refuse(error, CNI_INVALID_CONFIG, "%s: 'dataDir' must be an absolute path",
                      request->name);
}

static gboolean
read_config(CniRequest *request, GError **error)
{
    json_t *config = request->config;

    if (!read_text(config, "name", &request->name, error) ||
        !read_text(config, "network", &request->network, error))
        return FALSE;
    if (!request->name)
        return cni_refuse(error, CNI_INVALID_CONFIG, "the configuration has no 'name'");
    if (!is_container(request->name))
        return cni_refuse(error, CNI_INVALID_CONFIG,
                          "'name' must be of letters, digits, '_', '.' and '-', and begin with a"
                          " letter or digit");
    if (!request->network)
        return cni_refuse(error, CNI_INVALID_CONFIG,
                          "%s: 'network' must name a network of macvtapd's", request->name);
    return read_paths(request, error) && read_ipam(request, error);
}

static gboolean
check_previous(const CniRequest *request, GError **error)
{
    json_t *previous;

    if (request->command != CNI_ADD && request->command != CNI_CHECK)
        return TRUE;
    if (!read_object(request->config, "prevResult", &previous, error))
        return FALSE;
    return request->command != CNI_ADD || !previous ||
           cni_refuse(error, CNI_INVALID_CONFIG,
                      "%s: macvtapd-cni makes an interface and cannot be chained behind another"
                      " plugin",
                      request->name);
}

/* What is not among them is removed, so a list that cannot be read must not be taken for none. (Go
 * writes null for an empty one.) */
static gboolean
check_attachments(const CniRequest *request, GError **error)
{
    json_t *attachments = json_object_get(request->config, CNI_VALID_ATTACHMENTS), *attachment;
    gboolean good = json_is_array(attachments) || json_is_null(attachments);
    gsize i;

    json_array_foreach (attachments, i, attachment)
        good = good && json_is_string(json_object_get(attachment, "containerID")) &&
               json_is_string(json_object_get(attachment, "ifname"));
    return good || cni_refuse(error, CNI_INVALID_CONFIG,
                              "%s: '" CNI_VALID_ATTACHMENTS "' must be a list of objects with"
                              " 'containerID' and 'ifname'",
                              request->name);
}

/* The value of "KEY=VALUE" in CNI_ARGS ("K8S_POD_NAME=…;MAC=…"); "" counts as not given. Free with
 * g_free(). */
static gboolean
read_argument(const char *arguments, const char *key, char **ret_value, GError **error)
{
    g_auto(GStrv) words = g_strsplit(arguments ?: "", ";", -1);
    const char *value = "";

    for (char **word = words; *word && value[0] == '\0'; word++) {
        if (g_str_has_prefix(*word, key) && (*word)[strlen(key)] == '=')
            value = *word + strlen(key) + 1;
    }
    if (!g_utf8_validate(value, -1, NULL))
        return cni_refuse(error, CNI_INVALID_ENVIRONMENT, "CNI_ARGS: %s is not UTF-8", key);
    *ret_value = value[0] != '\0' ? g_strdup(value) : NULL;
    return TRUE;
}

/* "ADDRESS/BITS" as Multus has them, or objects with an 'address'. */
static gboolean
read_addresses(json_t *object, const char *path, GStrvBuilder *builder, GError **error)
{
    json_t *array = member_of(object, path), *value;
    gboolean good = !array || json_is_array(array);
    gsize i;

    json_array_foreach (array, i, value) {
        json_t *text = json_is_object(value) ? json_object_get(value, "address") : value;

        if (json_string_length(text) > 0)
            g_strv_builder_add(builder, json_string_value(text));
        else
            good = FALSE;
    }
    return good || cni_refuse(error, CNI_INVALID_CONFIG, "'%s' must be a list of addresses", path);
}

/* Capabilities of the runtime come before the user's arguments, and these before CNI_ARGS. */
static gboolean
read_mac(CniRequest *request, json_t *runtime, json_t *args, const char *arguments, GError **error)
{
    const char *first, *second;
    g_autofree char *last = NULL;

    if (!read_text(runtime, "runtimeConfig.mac", &first, error) ||
        !read_text(args, "args.cni.mac", &second, error) ||
        !read_argument(arguments, "MAC", &last, error))
        return FALSE;
    request->mac = g_strdup(first ?: second ?: last);
    return TRUE;
}

static gboolean
read_ips(CniRequest *request, json_t *runtime, json_t *args, const char *arguments, GError **error)
{
    g_autoptr(GStrvBuilder) first = g_strv_builder_new(), second = g_strv_builder_new();
    g_autofree char *last = NULL;
    gboolean has_first = member_of(runtime, "ips") != NULL;

    if (!read_addresses(runtime, "runtimeConfig.ips", first, error) ||
        !read_addresses(args, "args.cni.ips", second, error) ||
        !read_argument(arguments, "IP", &last, error))
        return FALSE;
    if (last && !member_of(args, "ips"))
        g_strv_builder_add(second, last);
    request->addresses = g_strv_builder_end(has_first ? first : second);
    return TRUE;
}

static gboolean
read_queues(CniRequest *request, GError **error)
{
    json_t *value = member_of(request->config, "queues");
    json_int_t queues = json_integer_value(value);

    if (value && (queues < 1 || queues > QUEUES_MAX))
        return cni_refuse(error, CNI_INVALID_CONFIG,
                          "%s: 'queues' must be a whole number from 1 to %d", request->name,
                          QUEUES_MAX);
    request->queues = (guint)queues;
    return TRUE;
}

/* What the port is to have. */
static gboolean
read_wishes(CniRequest *request, const char *arguments, GError **error)
{
    json_t *runtime, *all, *args;

    return read_object(request->config, "runtimeConfig", &runtime, error) &&
           read_object(request->config, "args", &all, error) &&
           read_object(all, "args.cni", &args, error) &&
           read_mac(request, runtime, args, arguments, error) &&
           read_ips(request, runtime, args, arguments, error) && read_queues(request, error);
}

static gboolean
load_config(CniRequest *request, const char *text, gsize length, GError **error)
{
    json_error_t where;

    request->config = json_loadb(text, length, JSON_REJECT_DUPLICATES, &where);
    if (!request->config)
        return cni_refuse(error, CNI_DECODE,
                          "the configuration on standard input cannot be read: %s", where.text);
    return json_is_object(request->config) ||
           cni_refuse(error, CNI_DECODE,
                      "the configuration on standard input is not a JSON object");
}

gboolean
cni_request_read(const CniEnvironment *environment, const char *text, gsize length,
                 CniRequest *ret_request, GError **error)
{
    g_auto(CniRequest) request = {0};

    if (!read_command(environment->command, &request.command, error) ||
        !check_environment(environment, request.command, error) ||
        !load_config(&request, text, length, error) || !check_version(&request, error))
        return FALSE;
    if (request.command != CNI_VERSION_QUERY &&
        (!read_config(&request, error) || !check_previous(&request, error)))
        return FALSE;
    if (request.command == CNI_ADD && !read_wishes(&request, environment->arguments, error))
        return FALSE;
    if (request.command == CNI_GC && !check_attachments(&request, error))
        return FALSE;
    if (request.command != CNI_VERSION_QUERY) {
        request.container = environment->container;
        request.netns = environment->netns;
        request.interface = environment->interface;
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
