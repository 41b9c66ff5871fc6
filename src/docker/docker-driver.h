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
