/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An ad-hoc network's text. What is taken passes the model's checks again; a refusal is one
 * printable line. */
#include "fuzz-target.h"

#include "network.h"
#include "port-error.h"

static void
check_taken(Network *network)
{
    g_autoptr(GError) error = NULL;

    g_assert_true(network->adhoc);
    g_assert_nonnull(network->parents[0]);
    g_assert_null(network->parents[1]);
    g_assert_true(!network->vlan || network_vlan_is_valid(network->vlan));
    network_finish(network, FALSE, &error);
    g_assert_no_error(error);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *text = g_strndup((const char *)data, size);
    g_autoptr(GError) error = NULL;
    g_autoptr(Network) network = network_parse_adhoc(text, &error);

    if (network) {
        check_taken(network);
        return 0;
    }
    g_assert_error(error, PORT_ERROR, PORT_ERROR_INVALID_REQUEST);
    for (const char *c = error->message; *c; c++)
        g_assert_false(g_ascii_iscntrl(*c));
    return 0;
}
