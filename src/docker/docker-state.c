/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "docker-state.h"

#include "descriptor.h"
#include "error.h"
#include "file.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define FILE_MAX (64 * 1024) /* bytes */

struct DockerState {
    int networks_fd, endpoints_fd;
};

void
docker_network_free(DockerNetwork *network)
{
    if (!network)
        return;
    g_free(network->network);
    g_free(network->port);
    g_free(network);
}

void
docker_endpoint_free(DockerEndpoint *endpoint)
{
    if (!endpoint)
        return;
    g_free(endpoint->id);
    g_free(endpoint->network_id);
    g_free(endpoint->network);
    g_free(endpoint->port);
    g_free(endpoint->mac);
    g_free(endpoint->addresses[0]);
    g_free(endpoint->addresses[1]);
    g_free(endpoint->sandbox);
    g_free(endpoint->complaint);
    g_free(endpoint);
}

DockerState *
docker_state_new(const char *networks, const char *endpoints, GError **error)
{
    g_autoptr(DockerState) state = g_new(DockerState, 1);

    *state = (DockerState){-1, -1};
    state->networks_fd = folder_open(networks, error);
    if (state->networks_fd < 0)
        return NULL;
    state->endpoints_fd = folder_open(endpoints, error);
    return state->endpoints_fd >= 0 ? g_steal_pointer(&state) : NULL;
}

void
docker_state_free(DockerState *state)
{
    if (!state)
        return;
    descriptor_clear(&state->networks_fd);
    descriptor_clear(&state->endpoints_fd);
    g_free(state);
}

/* Members are strings or absent, but for "deleted". */
static gboolean
is_whole(json_t *object, const char *const *needed)
{
    const char *name;
    json_t *value;

    json_object_foreach (object, name, value) {
        if (!json_is_string(value) && !json_is_boolean(value))
            return FALSE;
    }
    while (*needed && json_is_string(json_object_get(object, *needed)))
        needed++;
    return json_is_object(object) && !*needed;
}

static json_t *
read_object(int folder_fd, const char *id, const char *const *needed, GError **error)
{
    g_autofree char *text = NULL;
    gsize length;
    json_t *object;

    if (!file_read_at(folder_fd, id, FILE_MAX, &text, &length, error))
        return NULL;
    object = json_loadb(text, length, JSON_REJECT_DUPLICATES, NULL);
    if (is_whole(object, needed))
        return object;
    json_decref(object);
    docker_refuse(error, "the file is damaged");
    return NULL;
}

/* Takes object. */
static gboolean
write_object(int folder_fd, const char *id, json_t *object, GError **error)
{
    char *text = json_dumps(object, JSON_COMPACT);
    gboolean good = file_replace_at(folder_fd, id, text, strlen(text), error);

    free(text);
    json_decref(object);
    return good;
}

static gboolean
remove_file(int folder_fd, const char *id, GError **error)
{
    return unlinkat(folder_fd, id, 0) == 0 || errno == ENOENT ||
           error_set_errno(error, errno, "cannot remove what the driver keeps of %s", id);
}

static char *
copy_text(json_t *object, const char *name)
{
    return g_strdup(json_string_value(json_object_get(object, name)));
}

DockerNetwork *
docker_state_get_network(DockerState *state, const char *id, GError **error)
{
    g_autoptr(GError) cause = NULL;
    const char *const needed[] = {"network", NULL};
    json_t *object = read_object(state->networks_fd, id, needed, &cause);
    DockerNetwork *network;

    if (!object) {
        docker_refuse(error,
                      "macvtapd's driver does not know the options of Docker's network %.12s (%s):"
                      " remove the network and create it again",
                      id, cause->message);
        return NULL;
    }
    network = g_new(DockerNetwork, 1);
    *network = (DockerNetwork){copy_text(object, "network"), copy_text(object, "port")};
    json_decref(object);
    return network;
}

gboolean
docker_state_put_network(DockerState *state, const char *id, const DockerNetwork *network,
                         GError **error)
{
    json_t *object = json_pack("{s:s, s:s*}", "network", network->network, "port", network->port);

    return write_object(state->networks_fd, id, object, error);
}

gboolean
docker_state_remove_network(DockerState *state, const char *id, GError **error)
{
    return remove_file(state->networks_fd, id, error);
}

static DockerEndpoint *
read_endpoint(DockerState *state, const char *id, GError **error)
{
    const char *const needed[] = {"networkId", "network", NULL};
    json_t *object = read_object(state->endpoints_fd, id, needed, error);
    DockerEndpoint *endpoint;

    if (!object)
        return NULL;
    endpoint = g_new(DockerEndpoint, 1);
    *endpoint = (DockerEndpoint){
        .id = g_strdup(id),
        .network_id = copy_text(object, "networkId"),
        .network = copy_text(object, "network"),
        .port = copy_text(object, "port"),
        .mac = copy_text(object, "mac"),
        .addresses = {copy_text(object, "address"), copy_text(object, "secondAddress")},
        .sandbox = copy_text(object, "sandbox"),
        .is_deleted = json_is_true(json_object_get(object, "deleted")),
    };
    json_decref(object);
    return endpoint;
}

GPtrArray *
docker_state_list_endpoints(DockerState *state, GError **error)
{
    g_autoptr(GPtrArray) names = folder_list(state->endpoints_fd, "Docker's endpoints", error);
    GPtrArray *endpoints;

    if (!names)
        return NULL;
    endpoints = g_ptr_array_new_with_free_func((GDestroyNotify)docker_endpoint_free);
    for (guint i = 0; i < names->len; i++) {
        const char *id = names->pdata[i];
        g_autoptr(GError) cause = NULL;
        DockerEndpoint *endpoint = NULL;

        if (!docker_id_is_valid(id)) /* an unfinished file */
            continue;
        endpoint = read_endpoint(state, id, &cause);
        if (endpoint)
            g_ptr_array_add(endpoints, endpoint);
        else
            g_warning("Docker's endpoint %.12s: %s", id, cause->message);
    }
    return endpoints;
}

gboolean
docker_state_put_endpoint(DockerState *state, const DockerEndpoint *endpoint, GError **error)
{
    json_t *object = json_pack("{s:s*, s:s*, s:s*, s:s*, s:s*, s:s*, s:s*, s:b}", "networkId",
                               endpoint->network_id, "network", endpoint->network, "port",
                               endpoint->port, "mac", endpoint->mac, "address",
                               endpoint->addresses[0], "secondAddress", endpoint->addresses[1],
                               "sandbox", endpoint->sandbox, "deleted", endpoint->is_deleted);

    return write_object(state->endpoints_fd, endpoint->id, object, error);
}

gboolean
docker_state_remove_endpoint(DockerState *state, const char *id, GError **error)
{
    return remove_file(state->endpoints_fd, id, error);
}
