/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A network file's text, and macvtapd.conf's. Beyond not crashing: what is taken is whole and
 * passes the model's checks again, what is refused has a message of one printable line that names
 * file and line.
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
check_message(const GError *error, const char *prefix)
{
    g_assert_error(error, PORT_ERROR, PORT_ERROR_NETWORK_INVALID);
    g_assert_true(g_str_has_prefix(error->message, prefix));
    g_assert_cmpuint(strlen(error->message), <, 400);
    for (const char *c = error->message; *c; c++)
        g_assert_false(g_ascii_iscntrl(*c));
}

/* The same text as the daemon's own settings. */
static void
parse_settings(const char *text, gsize length)
{
    g_auto(DaemonSettings) settings = {0};
    g_autoptr(GError) error = NULL;

    if (!config_parse_daemon("macvtapd.conf", text, length, &settings, &error))
        check_message(error, "macvtapd.conf:");
    else
        g_assert_true(!settings.seed || settings.seed[0]);
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
        check_message(error, "lan.network:");
    parse_settings((const char *)data, size);
    return 0;
}
