/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The port of an endpoint: what the driver asks of macvtapd. Each call makes a connection of its
 * own; socket: macvtapd's, NULL for the default. */
#pragma once

#include "docker-state.h"

typedef enum DockerPortResult {
    DOCKER_PORT_DONE,
    DOCKER_PORT_LATER,   /* macvtapd cannot be reached: *error is set */
    DOCKER_PORT_WAITS,   /* for the container's network namespace */
    DOCKER_PORT_REFUSED, /* for good: *error is set */
} DockerPortResult;

gboolean docker_port_check_network(const char *socket, const char *network, GError **error);

/* Whether the endpoint could have its port now; *ret_mac is the MAC of it. Free with g_free(). */
gboolean docker_port_check(const char *socket, const DockerEndpoint *endpoint, char **ret_mac,
                           GError **error);

/* Makes the port, held by the network namespace at the endpoint's sandbox; DONE if it is there. */
DockerPortResult docker_port_make(const char *socket, const DockerEndpoint *endpoint,
                                  GError **error);

/* DONE if it is not there. */
DockerPortResult docker_port_delete(const char *socket, const DockerEndpoint *endpoint,
                                    GError **error);

/* The name of the endpoint's port; free with g_free(). */
char *docker_port_name(const DockerEndpoint *endpoint);
