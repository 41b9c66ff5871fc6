/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the driver keeps of Docker's networks and endpoints, a small JSON file for each, named after
 * Docker's ID: dockerd tells the options of a network only when it is created, and the addresses of
 * an endpoint before its container's network namespace, and repeats neither.
 */
#pragma once

#include "docker-request.h"

typedef struct DockerState DockerState;

typedef struct DockerNetwork {
    char *network; /* macvtapd's */
    char *port;    /* the port's name in each container, or NULL */
} DockerNetwork;

typedef struct DockerEndpoint {
    char *id, *network_id; /* Docker's */
    char *network;         /* as in DockerNetwork */
    char *port;            /* the port's name in the container; until Join the network's, or NULL */
    char *mac;
    char *addresses[2];
    char *sandbox;       /* NULL: not joined, so there must be no port */
    gboolean is_deleted; /* kept only until its port is deleted */
    /* Not in the file: */
    gboolean is_settled; /* nothing is left to do for the port */
    char *complaint;     /* what was last logged about it */
} DockerEndpoint;

void docker_network_free(DockerNetwork *network);
void docker_endpoint_free(DockerEndpoint *endpoint);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DockerNetwork, docker_network_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DockerEndpoint, docker_endpoint_free)

/* networks: the folder for networks, which last as long as Docker's; endpoints: the one for
 * endpoints, which last no longer than the machine is up. Both exist. */
DockerState *docker_state_new(const char *networks, const char *endpoints, GError **error);
void docker_state_free(DockerState *state);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DockerState, docker_state_free)

/* NULL, with a message for Docker's user, if there is none or it cannot be read. */
DockerNetwork *docker_state_get_network(DockerState *state, const char *id, GError **error);
gboolean docker_state_put_network(DockerState *state, const char *id, const DockerNetwork *network,
                                  GError **error);
gboolean docker_state_remove_network(DockerState *state, const char *id, GError **error);

/* Of all endpoints; a file that cannot be read is skipped with a warning. Free with
 * g_ptr_array_unref(). */
GPtrArray *docker_state_list_endpoints(DockerState *state, GError **error);
gboolean docker_state_put_endpoint(DockerState *state, const DockerEndpoint *endpoint,
                                   GError **error);
gboolean docker_state_remove_endpoint(DockerState *state, const char *id, GError **error);
