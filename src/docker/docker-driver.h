/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The driver behind dockerd's requests: macvtapd-docker.c has the theory of operation. */
#pragma once

#include "docker-state.h"

typedef struct DockerDriver DockerDriver;

/* socket: macvtapd's, or NULL for the default. Takes state, also on failure. Ports that were still
 * to be made or deleted are looked at again, from the main loop. */
DockerDriver *docker_driver_new(const char *socket, DockerState *state, GError **error);
void docker_driver_free(DockerDriver *driver);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DockerDriver, docker_driver_free)

/* The answer to a request, an object that the caller owns: {"Err": …} if it has failed. */
json_t *docker_driver_call(DockerDriver *driver, const char *path, const char *text, gsize length);

/* docker-http.c: HTTP on a listening AF_UNIX socket, by libmicrohttpd, from GLib's main loop. */
typedef struct DockerHttp DockerHttp;

/* Takes the listening socket fd, also on failure; driver must outlive it. Only root's requests are
 * served. */
DockerHttp *docker_http_new(int fd, DockerDriver *driver, GError **error);
void docker_http_free(DockerHttp *http);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DockerHttp, docker_http_free)

/* docker-port.c: the port of an endpoint, which is what the driver asks of macvtapd. Each call
 * makes a connection of its own; socket: macvtapd's, NULL for the default. */
typedef enum DockerPortResult {
    DOCKER_PORT_DONE,
    DOCKER_PORT_LATER,   /* macvtapd cannot be reached: *error is set */
    DOCKER_PORT_WAITS,   /* for the container's network namespace */
    DOCKER_PORT_REFUSED, /* and will be again: *error is set */
} DockerPortResult;

/* How long macvtapd may take for an answer, in milliseconds: it hangs then, and whatever else
 * dockerd asks meanwhile waits. */
#define DOCKER_ANSWER_TIME 10000

gboolean docker_port_check_network(const char *socket, const char *network, GError **error);

/* Whether the endpoint could have its port now; *ret_mac is the MAC of it. Free with g_free(). */
gboolean docker_port_check(const char *socket, const DockerEndpoint *endpoint, char **ret_mac,
                           GError **error);

/* Makes the port, held by the network namespace at the endpoint's sandbox; DONE if it
 * already exists. */
DockerPortResult docker_port_make(const char *socket, const DockerEndpoint *endpoint,
                                  GError **error);

/* DONE if it is already gone. */
DockerPortResult docker_port_delete(const char *socket, const DockerEndpoint *endpoint,
                                    GError **error);

/* The name of the endpoint's port; free with g_free(). */
char *docker_port_name(const DockerEndpoint *endpoint);
