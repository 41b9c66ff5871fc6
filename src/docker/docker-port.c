/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "docker-driver.h"

#include "ask.h"

#include "descriptor.h"
#include "error.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <sys/vfs.h>
#include <unistd.h>

char *
docker_port_name(const DockerEndpoint *endpoint)
{
    return g_strdup_printf("docker-%.12s", endpoint->id);
}

gboolean
docker_port_check_network(const char *socket, const char *network, GError **error)
{
    g_autoptr(MacvtapClient) client = ask_connect_within(socket, DOCKER_ANSWER_TIME, error);
    g_autoptr(MacvtapNetwork) found = client ? ask_network(client, network, error) : NULL;

    return found != NULL;
}

static MacvtapRequest *
request_for(const DockerEndpoint *endpoint)
{
    MacvtapRequest *create = macvtap_request_new(MACVTAP_METHOD_CREATE_PORT);
    g_autofree char *name = docker_port_name(endpoint);
    g_autofree char *description = g_strdup_printf("Docker network %.12s", endpoint->network_id);

    macvtap_request_set_network(create, endpoint->network);
    macvtap_request_set_name(create, name);
    macvtap_request_set_description(create, description);
    macvtap_request_set_open_descriptors(create, false);
    macvtap_request_set_mac_address(create, endpoint->mac);
    for (guint i = 0; i < G_N_ELEMENTS(endpoint->addresses); i++) {
        if (endpoint->addresses[i])
            macvtap_request_add_address(create, endpoint->addresses[i]);
    }
    return create;
}

gboolean
docker_port_check(const char *socket, const DockerEndpoint *endpoint, char **ret_mac,
                  GError **error)
{
    g_autoptr(MacvtapRequest) create = request_for(endpoint);
    g_autoptr(MacvtapClient) client = ask_connect_within(socket, DOCKER_ANSWER_TIME, error);
    g_autoptr(MacvtapPort) port = NULL;

    macvtap_request_set_holder(create, MACVTAP_HOLDER_NONE); /* there is no namespace yet */
    macvtap_request_set_check_only(create, true);
    port = client ? ask_take_port(client, create, error) : NULL;
    if (!port)
        return FALSE;
    *ret_mac = g_strdup(macvtap_port_get_mac_address(port));
    return TRUE;
}

/* -1 with *error unset: dockerd has not mounted the namespace yet. */
static int
open_namespace(const char *path, GError **error)
{
    AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct statfs status;

    if (fd < 0 && errno != ENOENT)
        error_set_errno(error, errno, "cannot open the network namespace %s", path);
    if (fd < 0 || fstatfs(fd, &status) < 0 || status.f_type != NSFS_MAGIC)
        return -1;
    return g_steal_fd(&fd);
}

/* In the container's network namespace, which the connection then belongs to. */
static MacvtapClient *
connect_from(int there, const char *socket, GError **error)
{
    AUTO_FD int own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    MacvtapClient *client;

    if (own < 0 || setns(there, CLONE_NEWNET) < 0) {
        error_set_errno(error, errno, "cannot enter the container's network namespace");
        return NULL;
    }
    client = ask_connect_within(socket, DOCKER_ANSWER_TIME, error);
    if (setns(own, CLONE_NEWNET) < 0) /* what follows would happen in the wrong one */
        g_error("cannot return from a container's network namespace: %s", g_strerror(errno));
    return client;
}

static DockerPortResult
result_of(const MacvtapClient *client)
{
    return client && macvtap_client_get_refusal(client) ? DOCKER_PORT_REFUSED : DOCKER_PORT_LATER;
}

static DockerPortResult
make_from(MacvtapClient *client, const DockerEndpoint *endpoint, GError **error)
{
    g_autoptr(MacvtapRequest) create = request_for(endpoint);
    g_autofree char *name = docker_port_name(endpoint);
    g_autoptr(GError) cause = NULL;
    g_autoptr(MacvtapPort) port = ask_port(client, name, FALSE, &cause);

    if (port)
        return DOCKER_PORT_DONE;
    if (!macvtap_client_get_refusal(client)) {
        g_propagate_error(error, g_steal_pointer(&cause));
        return DOCKER_PORT_LATER;
    }
    macvtap_request_set_holder_namespace(create, endpoint->port);
    port = ask_take_port(client, create, error);
    return port ? DOCKER_PORT_DONE : result_of(client);
}

DockerPortResult
docker_port_make(const char *socket, const DockerEndpoint *endpoint, GError **error)
{
    g_autoptr(GError) cause = NULL;
    AUTO_FD int there = open_namespace(endpoint->sandbox, &cause);
    g_autoptr(MacvtapClient) client = NULL;

    if (there < 0 && cause) {
        g_propagate_error(error, g_steal_pointer(&cause));
        return DOCKER_PORT_REFUSED;
    }
    if (there < 0)
        return DOCKER_PORT_WAITS;
    client = connect_from(there, socket, error);
    return client ? make_from(client, endpoint, error) : DOCKER_PORT_LATER;
}

DockerPortResult
docker_port_delete(const char *socket, const DockerEndpoint *endpoint, GError **error)
{
    g_autofree char *name = docker_port_name(endpoint);
    g_autoptr(MacvtapClient) client = ask_connect_within(socket, DOCKER_ANSWER_TIME, error);
    g_autoptr(GError) cause = NULL;

    if (!client)
        return DOCKER_PORT_LATER;
    if (ask_delete(client, name, &cause) ||
        macvtap_client_get_refusal(client) == MACVTAP_REFUSAL_PORT_NOT_FOUND)
        return DOCKER_PORT_DONE;
    g_propagate_error(error, g_steal_pointer(&cause));
    return result_of(client);
}
