/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Input: the method's number in a byte, then the JSON that dockerd sends. What is accepted can be
 * used as it is: IDs as names of files, a path, the names of a network and of an interface. */
#include "fuzz-target.h"

#include "docker-request.h"

#include <stdlib.h>
#include <string.h>

static const char *const paths[] = {
    "/Plugin.Activate",
    "/NetworkDriver.GetCapabilities",
    "/NetworkDriver.CreateNetwork",
    "/NetworkDriver.DeleteNetwork",
    "/NetworkDriver.CreateEndpoint",
    "/NetworkDriver.EndpointOperInfo",
    "/NetworkDriver.DeleteEndpoint",
    "/NetworkDriver.Join",
    "/NetworkDriver.Leave",
    "/NetworkDriver.DiscoverNew",
    "/NetworkDriver.AllocateNetwork",
};

static void
check(gboolean promise)
{
    if (!promise)
        g_error("a request of dockerd's broke a promise");
}

static gboolean
has_endpoint(DockerMethod method)
{
    return method == DOCKER_CREATE_ENDPOINT || method == DOCKER_GET_ENDPOINT ||
           method == DOCKER_DELETE_ENDPOINT || method == DOCKER_JOIN || method == DOCKER_LEAVE;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_auto(DockerRequest) request = {0};
    g_autoptr(GError) error = NULL;

    if (size == 0)
        return 0;
    if (!docker_request_read(paths[data[0] % G_N_ELEMENTS(paths)], (const char *)data + 1, size - 1,
                             &request, &error)) {
        check(error && error->domain == DOCKER_ERROR && !request.arguments);
        return 0;
    }
    check(!has_endpoint(request.method) ||
          (docker_id_is_valid(request.network_id) && docker_id_is_valid(request.endpoint_id)));
    check(!request.network_id || !strpbrk(request.network_id, "/."));
    check((request.method == DOCKER_CREATE_NETWORK) == (request.network != NULL));
    check((request.method == DOCKER_JOIN) == (request.sandbox != NULL));
    check(!request.sandbox || request.sandbox[0] == '/');
    check(!request.addresses[1] || request.addresses[0]);
    return 0;
}
