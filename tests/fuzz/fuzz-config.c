/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A network file's text. Beyond not crashing: what is taken is whole and passes the model's checks
 * again, what is refused has a message of one printable line that names file and line.
 */
#include "fuzz-target.h"

#include "config.h"
#include "port-error.h"

#include <string.h>

static gboolean
fuzz_user(const char *name, uid_t *ret_uid)
{
    *ret_uid = 1000;
    return g_str_equal(name, "alice");
}

static gboolean
fuzz_group(const char *name, gid_t *ret_gid)
{
    *ret_gid = 36;
    return g_str_equal(name, "kvm");
}

static void
check_taken(Network *network)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(network->problem);
    g_assert_nonnull(network->parents[0]);
    g_assert_cmpuint(network->max_queues, >=, 1);
    g_assert_cmpuint(network->max_queues, <=, NETWORK_QUEUES_MAX);
    g_assert_cmpuint(network->allow_macs->len, >=, 1);
    network_finish(network, TRUE, &error);
    g_assert_no_error(error);
}

static void
check_message(const GError *error)
{
    g_assert_error(error, PORT_ERROR, PORT_ERROR_NETWORK_INVALID);
    g_assert_true(g_str_has_prefix(error->message, "lan.network:"));
    g_assert_cmpuint(strlen(error->message), <, 400);
    for (const char *c = error->message; *c; c++)
        g_assert_false(g_ascii_iscntrl(*c));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const ConfigLookup lookup = {.user = fuzz_user, .group = fuzz_group};
    g_autoptr(GError) error = NULL;
    g_autoptr(Network) network =
        config_parse_network("lan", "lan.network", (const char *)data, size, &lookup, &error);

    if (network)
        check_taken(network);
    else
        check_message(error);
    return 0;
}
