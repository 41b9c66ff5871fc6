/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Input: the command's number in a byte, then a CNI network configuration. What is accepted names a
 * network, and is one of the versions there are. */
#include "fuzz-target.h"

#include "cni.h"

#include <stdlib.h>

static void
check(gboolean promise)
{
    if (!promise)
        g_error("a CNI request broke a promise");
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const commands[] = {"ADD", "DEL", "CHECK", "GC", "STATUS", "VERSION", "add"};
    CniEnvironment environment = {.container = "c0ffee",
                                  .netns = "/run/netns/c0ffee",
                                  .interface = "eth0",
                                  .arguments = "IgnoreUnknown=1;MAC=52:54:00:00:00:01;IP="};
    g_auto(CniRequest) request = {0};
    g_autoptr(GError) error = NULL;

    if (size == 0)
        return 0;
    environment.command = commands[data[0] % G_N_ELEMENTS(commands)];
    if (!cni_request_read(&environment, (const char *)data + 1, size - 1, &request, &error)) {
        check(error && error->domain == CNI_ERROR && error->code > 0);
        return 0;
    }
    check(request.version != NULL);
    check(request.command == CNI_VERSION_QUERY || (request.network && request.name));
    check(request.command != CNI_ADD || (request.mac && request.addresses));
    check(request.queues <= 256);
    return 0;
}
