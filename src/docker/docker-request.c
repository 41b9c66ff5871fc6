/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "docker-request.h"

#include "interface-name.h"

#include <limits.h>
#include <stdarg.h>
#include <string.h>

#define ID_MAX 128
#define OPTION_MAX 256
#define ADDRESS_MAX 64

#define OPTIONS_GENERIC "com.docker.network.generic"
#define OPTIONS_INTERNAL "com.docker.network.internal"

G_DEFINE_QUARK(macvtapd - docker - error, docker_error)

typedef struct Method {
    const char *path;
    DockerMethod method;
    gboolean has_endpoint;
} Method;

static const Method methods[] = {
    {"/Plugin.Activate", DOCKER_ACTIVATE, FALSE},
    {"/NetworkDriver.GetCapabilities", DOCKER_GET_CAPABILITIES, FALSE},
    {"/NetworkDriver.CreateNetwork", DOCKER_CREATE_NETWORK, FALSE},
    {"/NetworkDriver.DeleteNetwork", DOCKER_DELETE_NETWORK, FALSE},
    {"/NetworkDriver.CreateEndpoint", DOCKER_CREATE_ENDPOINT, TRUE},
    {"/NetworkDriver.EndpointOperInfo", DOCKER_GET_ENDPOINT, TRUE},
    {"/NetworkDriver.DeleteEndpoint", DOCKER_DELETE_ENDPOINT, TRUE},
    {"/NetworkDriver.Join", DOCKER_JOIN, TRUE},
    {"/NetworkDriver.Leave", DOCKER_LEAVE, TRUE},
    {"/NetworkDriver.DiscoverNew", DOCKER_NOTHING, FALSE},
    {"/NetworkDriver.DiscoverDelete", DOCKER_NOTHING, FALSE},
    {"/NetworkDriver.ProgramExternalConnectivity", DOCKER_NOTHING, FALSE},
    {"/NetworkDriver.RevokeExternalConnectivity", DOCKER_NOTHING, FALSE},
};

void
docker_request_clear(DockerRequest *request)
{
    g_clear_pointer(&request->arguments, json_decref);
}

gboolean
docker_id_is_valid(const char *text)
{
    gsize length = text ? strlen(text) : 0;

    return length >= 1 && length <= ID_MAX &&
           strspn(text, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") == length;
}

static const Method *
find_method(const char *path)
{
    for (guint i = 0; i < G_N_ELEMENTS(methods); i++) {
        if (g_str_equal(path, methods[i].path))
            return &methods[i];
    }
    return NULL;
}

/* A member that is absent, null or "" is NULL: Docker's way of saying nothing. */
static gboolean
read_text(json_t *object, const char *name, gsize max, const char **ret_text, GError **error)
{
    json_t *value = json_object_get(object, name);

    if (value && !json_is_null(value) &&
        (!json_is_string(value) || json_string_length(value) > max))
        return docker_refuse(error, "%s must be a string of at most %zu bytes", name, max);
    *ret_text = json_string_length(value) > 0 ? json_string_value(value) : NULL;
    return TRUE;
}

static gboolean
read_id(json_t *object, const char *name, const char **ret_id, GError **error)
{
    return read_text(object, name, ID_MAX, ret_id, error) &&
           (docker_id_is_valid(*ret_id) || docker_refuse(error, "%s is not an ID", name));
}

static gboolean
check_options(json_t *options, GError **error)
{
    const char *name;
    json_t *value;

    json_object_foreach (options, name, value) {
        if (!g_str_equal(name, "network") && !g_str_equal(name, "port"))
            return docker_refuse(error,
                                 "unknown option '%.64s': macvtapd's options are -o network=NAME"
                                 " and -o port=NAME",
                                 name);
    }
    return TRUE;
}

static gboolean
check_port(const char *port, GError **error)
{
    g_autoptr(GError) cause = NULL;

    return !port || interface_name_check_chosen(port, &cause) ||
           docker_refuse(error, "-o port=%s: %s", port, cause->message);
}

static gboolean
read_network(DockerRequest *request, GError **error)
{
    json_t *all = json_object_get(request->arguments, "Options");
    json_t *options = json_object_get(all, OPTIONS_GENERIC);

    if (json_is_true(json_object_get(all, OPTIONS_INTERNAL)))
        return docker_refuse(error, "a network of macvtapd's is the physical network: create it"
                                    " without --internal");
    if (!check_options(options, error) ||
        !read_text(options, "network", OPTION_MAX, &request->network, error) ||
        !read_text(options, "port", OPTION_MAX, &request->port, error) ||
        !check_port(request->port, error))
        return FALSE;
    return request->network ||
           docker_refuse(error, "-o network=NAME must name a network of macvtapd's;"
                                " 'macvtapctl network list' shows them");
}

static gboolean
read_interface(DockerRequest *request, GError **error)
{
    json_t *interface = json_object_get(request->arguments, "Interface");
    const char *ipv4, *ipv6;

    if (interface && !json_is_null(interface) && !json_is_object(interface))
        return docker_refuse(error, "Interface must be an object");
    if (!read_text(interface, "MacAddress", ADDRESS_MAX, &request->mac, error) ||
        !read_text(interface, "Address", ADDRESS_MAX, &ipv4, error) ||
        !read_text(interface, "AddressIPv6", ADDRESS_MAX, &ipv6, error))
        return FALSE;
    request->addresses[0] = ipv4 ?: ipv6;
    request->addresses[1] = ipv4 ? ipv6 : NULL;
    return TRUE;
}

static gboolean
read_sandbox(DockerRequest *request, GError **error)
{
    if (!read_text(request->arguments, "SandboxKey", PATH_MAX - 1, &request->sandbox, error))
        return FALSE;
    return (request->sandbox && g_path_is_absolute(request->sandbox)) ||
           docker_refuse(error, "SandboxKey is not an absolute path");
}

static gboolean
read_arguments(DockerRequest *request, const Method *method, GError **error)
{
    if (request->method == DOCKER_ACTIVATE || request->method == DOCKER_GET_CAPABILITIES ||
        request->method == DOCKER_NOTHING)
        return TRUE;
    if (!read_id(request->arguments, "NetworkID", &request->network_id, error) ||
        (method->has_endpoint &&
         !read_id(request->arguments, "EndpointID", &request->endpoint_id, error)))
        return FALSE;
    if (request->method == DOCKER_CREATE_NETWORK)
        return read_network(request, error);
    if (request->method == DOCKER_CREATE_ENDPOINT)
        return read_interface(request, error);
    return request->method != DOCKER_JOIN || read_sandbox(request, error);
}

gboolean
docker_request_read(const char *path, const char *text, gsize length, DockerRequest *ret_request,
                    GError **error)
{
    const Method *method = find_method(path);
    g_auto(DockerRequest) request = {0};
    json_error_t where;

    if (!method)
        return docker_refuse(error, "macvtapd's driver has no method %.64s", path);
    request.method = method->method;
    request.arguments =
        length == 0 ? json_object() : json_loadb(text, length, JSON_REJECT_DUPLICATES, &where);
    if (!json_is_object(request.arguments))
        return docker_refuse(error, "%s: the request is not a JSON object", path);
    if (!read_arguments(&request, method, error))
        return FALSE;
    *ret_request = request;
    request = (DockerRequest){0};
    return TRUE;
}
