/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "docker-driver.h"

#include "descriptor.h"
#include "error.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <string.h>

/* How often to try again while macvtapd cannot be reached, in milliseconds. */
#define RETRY_TIME 1000

struct DockerDriver {
    char *socket;
    DockerState *state;
    GHashTable *endpoints; /* ID -> DockerEndpoint */
    int mounts_fd;
    guint mounts_watch, retry;
};

static gboolean look_at_all(DockerDriver *driver, GError **error);

static gboolean
on_retry(gpointer data)
{
    DockerDriver *driver = data;

    driver->retry = 0;
    look_at_all(driver, NULL);
    return G_SOURCE_REMOVE;
}

static void
retry_later(DockerDriver *driver)
{
    if (!driver->retry)
        driver->retry = g_timeout_add(RETRY_TIME, on_retry, driver);
}

static DockerPortResult
do_what_is_missing(DockerDriver *driver, DockerEndpoint *endpoint, GError **error)
{
    if (endpoint->is_settled)
        return DOCKER_PORT_DONE;
    return endpoint->sandbox ? docker_port_make(driver->socket, endpoint, error)
                             : docker_port_delete(driver->socket, endpoint, error);
}

/* Logs it once, not at each attempt. */
static void
complain(DockerEndpoint *endpoint, const GError *cause)
{
    g_autofree char *name = docker_port_name(endpoint);

    if (g_strcmp0(endpoint->complaint, cause->message) == 0)
        return;
    g_warning("port %s: %s", name, cause->message);
    g_free(endpoint->complaint);
    endpoint->complaint = g_strdup(cause->message);
}

static gboolean
is_good(DockerPortResult result)
{
    return result == DOCKER_PORT_DONE || result == DOCKER_PORT_WAITS;
}

/* Makes the port of an endpoint that has joined, deletes that of one that has not. May free
 * endpoint. */
static DockerPortResult
settle(DockerDriver *driver, DockerEndpoint *endpoint, GError **error)
{
    g_autoptr(GError) cause = NULL;
    DockerPortResult result = do_what_is_missing(driver, endpoint, &cause);

    endpoint->is_settled = result == DOCKER_PORT_DONE || result == DOCKER_PORT_REFUSED;
    if (result == DOCKER_PORT_LATER)
        retry_later(driver);
    if (cause)
        complain(endpoint, cause);
    if (endpoint->is_deleted && endpoint->is_settled) {
        docker_state_remove_endpoint(driver->state, endpoint->id, NULL);
        g_hash_table_remove(driver->endpoints, endpoint->id);
    }
    if (cause)
        g_propagate_error(error, g_steal_pointer(&cause));
    return result;
}

/* One that is deleted is still to be forgotten. */
static gboolean
is_due(const DockerEndpoint *endpoint)
{
    return !endpoint->is_settled || endpoint->is_deleted;
}

/* FALSE: the time is over, and macvtapd has not answered or was not asked for all of them. */
static gboolean
settle_those(DockerDriver *driver, GList *endpoints, gboolean have_joined, gint64 end,
             GError **error)
{
    for (GList *item = endpoints; item; item = item->next) {
        DockerEndpoint *endpoint = item->data;
        g_autoptr(GError) cause = NULL;

        if (!is_due(endpoint) || (endpoint->sandbox != NULL) != have_joined)
            continue;
        if (g_get_monotonic_time() >= end)
            return docker_refuse(error, "macvtapd is still busy with the ports of other containers:"
                                        " try again");
        if (settle(driver, endpoint, &cause) != DOCKER_PORT_LATER || g_get_monotonic_time() < end)
            continue;
        g_propagate_error(error, g_steal_pointer(&cause));
        return FALSE;
    }
    return TRUE;
}

/* Ports go before others come, which may need their addresses and their room. FALSE: not all are
 * settled in the time of one answer, however many endpoints wait for theirs. */
static gboolean
look_at_all(DockerDriver *driver, GError **error)
{
    gint64 end = g_get_monotonic_time() + DOCKER_ANSWER_TIME * G_GINT64_CONSTANT(1000);
    g_autoptr(GList) leaving = g_hash_table_get_values(driver->endpoints);
    g_autoptr(GList) joined = NULL;

    if (settle_those(driver, leaving, FALSE, end, error)) {
        joined = g_hash_table_get_values(driver->endpoints);
        if (settle_those(driver, joined, TRUE, end, error))
            return TRUE;
    }
    retry_later(driver);
    return FALSE;
}

/* Something has been mounted: perhaps a container's network namespace. */
static gboolean
on_mounts(int fd, GIOCondition condition, gpointer data)
{
    look_at_all(data, NULL);
    return G_SOURCE_CONTINUE;
}

static gboolean
load_endpoints(DockerDriver *driver, GError **error)
{
    g_autoptr(GPtrArray) endpoints = docker_state_list_endpoints(driver->state, error);

    if (!endpoints)
        return FALSE;
    while (endpoints->len > 0) {
        DockerEndpoint *endpoint = g_ptr_array_steal_index_fast(endpoints, 0);

        g_hash_table_insert(driver->endpoints, endpoint->id, endpoint);
    }
    return TRUE;
}

DockerDriver *
docker_driver_new(const char *socket, DockerState *state, GError **error)
{
    g_autoptr(DockerDriver) driver = g_new0(DockerDriver, 1);

    driver->socket = g_strdup(socket);
    driver->state = state;
    driver->endpoints =
        g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify)docker_endpoint_free);
    driver->mounts_fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
    if (driver->mounts_fd < 0) {
        error_set_errno(error, errno, "cannot open /proc/self/mountinfo");
        return NULL;
    }
    if (!load_endpoints(driver, error))
        return NULL;
    driver->mounts_watch = g_unix_fd_add(driver->mounts_fd, G_IO_PRI | G_IO_ERR, on_mounts, driver);
    driver->retry = g_idle_add(on_retry, driver);
    return g_steal_pointer(&driver);
}

void
docker_driver_free(DockerDriver *driver)
{
    if (!driver)
        return;
    g_clear_handle_id(&driver->mounts_watch, g_source_remove);
    g_clear_handle_id(&driver->retry, g_source_remove);
    descriptor_clear(&driver->mounts_fd);
    g_hash_table_unref(driver->endpoints);
    docker_state_free(driver->state);
    g_free(driver->socket);
    g_free(driver);
}

static gboolean
create_network(DockerDriver *driver, const DockerRequest *request, GError **error)
{
    const DockerNetwork network = {(char *)request->network, (char *)request->port};

    return docker_port_check_network(driver->socket, request->network, error) &&
           docker_state_put_network(driver->state, request->network_id, &network, error);
}

static DockerEndpoint *
make_endpoint(const DockerRequest *request, const DockerNetwork *network)
{
    DockerEndpoint *endpoint = g_new(DockerEndpoint, 1);

    *endpoint = (DockerEndpoint){
        .id = g_strdup(request->endpoint_id),
        .network_id = g_strdup(request->network_id),
        .network = g_strdup(network->network),
        .port = g_strdup(network->port),
        .mac = g_strdup(request->mac),
        .addresses = {g_strdup(request->addresses[0]), g_strdup(request->addresses[1])},
        .is_settled = TRUE, /* it has no port yet */
    };
    return endpoint;
}

/* dockerd wants a MAC from the driver only if its user has not chosen one. A port that is still to
 * be deleted may have the address that dockerd gives out again. */
static gboolean
create_endpoint(DockerDriver *driver, const DockerRequest *request, json_t *answer, GError **error)
{
    g_autoptr(DockerNetwork) network =
        docker_state_get_network(driver->state, request->network_id, error);
    g_autoptr(DockerEndpoint) endpoint = network ? make_endpoint(request, network) : NULL;
    g_autofree char *mac = NULL;

    if (!endpoint || !look_at_all(driver, error) ||
        !docker_port_check(driver->socket, endpoint, &mac, error))
        return FALSE;
    if (!endpoint->mac) {
        endpoint->mac = g_strdup(mac);
        json_object_set_new(answer, "Interface", json_pack("{s:s}", "MacAddress", mac));
    }
    if (!docker_state_put_endpoint(driver->state, endpoint, error))
        return FALSE;
    g_hash_table_replace(driver->endpoints, endpoint->id, endpoint);
    g_steal_pointer(&endpoint);
    return TRUE;
}

static DockerEndpoint *
find_endpoint(DockerDriver *driver, const DockerRequest *request, GError **error)
{
    DockerEndpoint *endpoint = g_hash_table_lookup(driver->endpoints, request->endpoint_id);

    if (!endpoint || endpoint->is_deleted) {
        docker_refuse(error, "macvtapd's driver does not know the endpoint %.12s",
                      request->endpoint_id);
        return NULL;
    }
    return endpoint;
}

static gboolean
is_used(DockerDriver *driver, const char *sandbox, const char *port)
{
    GHashTableIter iterator;
    DockerEndpoint *endpoint;

    g_hash_table_iter_init(&iterator, driver->endpoints);
    while (g_hash_table_iter_next(&iterator, NULL, (gpointer *)&endpoint)) {
        if (g_strcmp0(endpoint->sandbox, sandbox) == 0 && g_strcmp0(endpoint->port, port) == 0)
            return TRUE;
    }
    return FALSE;
}

/* As Docker names a container's interfaces: eth0, eth1, … */
static char *
choose_port(DockerDriver *driver, const char *sandbox)
{
    for (guint i = 0;; i++) {
        g_autofree char *port = g_strdup_printf("eth%u", i);

        if (!is_used(driver, sandbox, port))
            return g_steal_pointer(&port);
    }
}

static gboolean
enter_sandbox(DockerDriver *driver, DockerEndpoint *endpoint, const char *sandbox, GError **error)
{
    if (!endpoint->port)
        endpoint->port = choose_port(driver, sandbox);
    else if (is_used(driver, sandbox, endpoint->port))
        return docker_refuse(error, "the container already has a port %s", endpoint->port);
    g_free(endpoint->sandbox);
    endpoint->sandbox = g_strdup(sandbox);
    endpoint->is_settled = FALSE;
    if (docker_state_put_endpoint(driver->state, endpoint, error) &&
        is_good(settle(driver, endpoint, error)))
        return TRUE;
    g_clear_pointer(&endpoint->sandbox, g_free);
    docker_state_put_endpoint(driver->state, endpoint, NULL);
    return FALSE;
}

/* Joining the same container again is no error: dockerd may not have heard the answer. */
static gboolean
join(DockerDriver *driver, const DockerRequest *request, json_t *answer, GError **error)
{
    DockerEndpoint *endpoint;

    if (!look_at_all(driver, error))
        return FALSE;
    endpoint = find_endpoint(driver, request, error);
    if (!endpoint || (g_strcmp0(endpoint->sandbox, request->sandbox) != 0 &&
                      !enter_sandbox(driver, endpoint, request->sandbox, error)))
        return FALSE;
    /* The container gets no interface, nor a gateway of Docker's own. */
    json_object_set_new(answer, "InterfaceName",
                        json_pack("{s:s, s:s}", "SrcName", "", "DstPrefix", ""));
    json_object_set_new(answer, "DisableGatewayService", json_true());
    return TRUE;
}

static gboolean
note_end(DockerDriver *driver, DockerEndpoint *endpoint, gboolean is_deleted, GError **error)
{
    if (endpoint->sandbox)
        endpoint->is_settled = FALSE;
    g_clear_pointer(&endpoint->sandbox, g_free);
    endpoint->is_deleted = endpoint->is_deleted || is_deleted;
    return docker_state_put_endpoint(driver->state, endpoint, error);
}

/* The port goes now, or as soon as macvtapd can be reached: dockerd would not ask again. What is
 * done now need not be noted. */
static gboolean
end_endpoint(DockerDriver *driver, DockerEndpoint *endpoint, gboolean is_deleted, GError **error)
{
    g_autoptr(GError) cause = NULL;
    gboolean is_noted = note_end(driver, endpoint, is_deleted, &cause);

    if (is_good(settle(driver, endpoint, NULL)) || is_noted)
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&cause));
    return FALSE;
}

/* Its file is gone or was damaged, and it may have a port, whose name follows from its ID. */
static DockerEndpoint *
add_forgotten(DockerDriver *driver, const DockerRequest *request)
{
    DockerEndpoint *endpoint = g_new(DockerEndpoint, 1);

    *endpoint = (DockerEndpoint){
        .id = g_strdup(request->endpoint_id),
        .network_id = g_strdup(request->network_id),
        .network = g_strdup(""),
        .is_deleted = TRUE,
    };
    g_hash_table_insert(driver->endpoints, endpoint->id, endpoint);
    return endpoint;
}

static gboolean
leave(DockerDriver *driver, const DockerRequest *request, gboolean is_deleted, GError **error)
{
    DockerEndpoint *endpoint = g_hash_table_lookup(driver->endpoints, request->endpoint_id);

    return end_endpoint(driver, endpoint ?: add_forgotten(driver, request), is_deleted, error);
}

static gboolean
is_on_network(gpointer id, gpointer endpoint, gpointer network_id)
{
    return g_strcmp0(((const DockerEndpoint *)endpoint)->network_id, network_id) == 0;
}

/* Also its endpoints, together: a dockerd that crashed has not deleted them. */
static gboolean
delete_network(DockerDriver *driver, const DockerRequest *request, GError **error)
{
    g_autoptr(GError) cause = NULL;
    GHashTableIter iterator;
    gpointer endpoint;

    g_hash_table_iter_init(&iterator, driver->endpoints);
    while (g_hash_table_iter_next(&iterator, NULL, &endpoint)) {
        if (is_on_network(NULL, endpoint, (gpointer)request->network_id))
            note_end(driver, endpoint, TRUE, cause ? NULL : &cause);
    }
    look_at_all(driver, NULL);
    if (!cause ||
        !g_hash_table_find(driver->endpoints, is_on_network, (gpointer)request->network_id))
        return docker_state_remove_network(driver->state, request->network_id, error);
    g_propagate_error(error, g_steal_pointer(&cause));
    return FALSE;
}

static gboolean
get_endpoint(DockerDriver *driver, const DockerRequest *request, json_t *answer, GError **error)
{
    const DockerEndpoint *endpoint = find_endpoint(driver, request, error);
    g_autofree char *name = endpoint ? docker_port_name(endpoint) : NULL;

    if (!endpoint)
        return FALSE;
    json_object_set_new(answer, "Value", json_pack("{s:s}", "macvtapd.port", name));
    return TRUE;
}

static gboolean
serve(DockerDriver *driver, const DockerRequest *request, json_t *answer, GError **error)
{
    switch (request->method) {
    case DOCKER_ACTIVATE:
        json_object_set_new(answer, "Implements", json_pack("[s]", "NetworkDriver"));
        return TRUE;
    case DOCKER_GET_CAPABILITIES:
        json_object_set_new(answer, "Scope", json_string("local"));
        return TRUE;
    case DOCKER_CREATE_NETWORK:
        return create_network(driver, request, error);
    case DOCKER_DELETE_NETWORK:
        return delete_network(driver, request, error);
    case DOCKER_CREATE_ENDPOINT:
        return create_endpoint(driver, request, answer, error);
    case DOCKER_GET_ENDPOINT:
        return get_endpoint(driver, request, answer, error);
    case DOCKER_DELETE_ENDPOINT:
        return leave(driver, request, TRUE, error);
    case DOCKER_JOIN:
        return join(driver, request, answer, error);
    case DOCKER_LEAVE:
        return leave(driver, request, FALSE, error);
    case DOCKER_NOTHING:
        return TRUE;
    }
    return FALSE;
}

json_t *
docker_driver_call(DockerDriver *driver, const char *path, const char *text, gsize length)
{
    g_auto(DockerRequest) request = {0};
    g_autoptr(GError) error = NULL;
    g_autofree char *message = NULL;
    json_t *answer = json_object();

    if (docker_request_read(path, text, length, &request, &error) &&
        serve(driver, &request, answer, &error))
        return answer;
    json_object_clear(answer);
    message = g_utf8_make_valid(error->message, -1); /* it may quote bytes of the request */
    json_object_set_new(answer, "Err", json_string(message));
    return answer;
}
