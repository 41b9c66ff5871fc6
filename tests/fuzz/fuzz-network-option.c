/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A --network of macvtap-run, and a --port. */
#include "fuzz-target.h"

#include "network-option.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *text = g_strndup((const char *)data, size);
    g_autoptr(GError) error = NULL, port_error = NULL;
    NetworkOption option;

    if (network_option_parse(text, &option, &error)) {
        g_assert_true(option.network && option.network[0]);
        g_assert_cmpuint(option.queues, <=, 256);
        g_assert_true(option.mtu == 0 || (option.mtu >= 68 && option.mtu <= 65535));
    } else {
        g_assert_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE);
    }
    network_option_clear(&option);
    if (port_option_parse(text, &option, &port_error))
        g_assert_true(option.port[0] && !option.network && option.queues <= 256);
    else
        g_assert_error(port_error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE);
    network_option_clear(&option);
    return 0;
}
