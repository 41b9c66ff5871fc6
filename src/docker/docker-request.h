/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What dockerd asks of a network driver, by libnetwork's remote driver API
 * (moby/moby, libnetwork/docs/remote.md): the method in the request's path, its arguments as a JSON
 * object. Reading them takes memory and does no I/O.
 */
#pragma once

#include "error.h"

#include <glib.h>
#include <jansson.h>

/* The longest body of a request, in bytes. */
#define DOCKER_BODY_MAX ((gsize)256 * 1024)

#define DOCKER_ERROR (docker_error_quark())
GQuark docker_error_quark(void); /* its code is 0 */

/* Sets *error to this message and returns FALSE. */
#define docker_refuse(error, ...) error_set(error, DOCKER_ERROR, 0, __VA_ARGS__)

typedef enum DockerMethod {
    DOCKER_ACTIVATE,
    DOCKER_GET_CAPABILITIES,
    DOCKER_CREATE_NETWORK,
    DOCKER_DELETE_NETWORK,
    DOCKER_CREATE_ENDPOINT,
    DOCKER_GET_ENDPOINT, /* EndpointOperInfo */
    DOCKER_DELETE_ENDPOINT,
    DOCKER_JOIN,
    DOCKER_LEAVE,
    DOCKER_NOTHING, /* what dockerd tells every driver and this one ignores */
} DockerMethod;

typedef struct DockerRequest {
    DockerMethod method;
    json_t *arguments;        /* the whole object; what follows is in it, or NULL */
    const char *network_id;   /* Docker's own; of letters and digits, as endpoint_id */
    const char *endpoint_id;  /* likewise */
    const char *network;      /* CreateNetwork: macvtapd's network (-o network=) */
    const char *port;         /* CreateNetwork: the port's name in the container (-o port=) */
    const char *mac;          /* CreateEndpoint: what Docker's user has asked for */
    const char *addresses[2]; /* CreateEndpoint: "ADDRESS/BITS"; the first one may be IPv6 */
    const char *sandbox;      /* Join: where the container's network namespace will be mounted */
} DockerRequest;

void docker_request_clear(DockerRequest *request);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(DockerRequest, docker_request_clear)

/* path: "/NetworkDriver.Join"; text: length bytes, which may be none. Clear *ret_request on
 * success. DOCKER_ERROR. */
gboolean docker_request_read(const char *path, const char *text, gsize length,
                             DockerRequest *ret_request, GError **error);

/* Whether text can be one of Docker's IDs; it can then be a file's name, too. */
gboolean docker_id_is_valid(const char *text);
