/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The bytes of a /proc/PID/cmdline: a text, or an error. */
#include "fuzz-target.h"

#include "qemu-command-line.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *mac = qemu_command_line_mac((const char *)data, size, "lan", &error);

    g_assert_true((mac == NULL) == (error != NULL));
    g_assert_true(size > 0 || !mac);
    g_assert_cmpuint(qemu_command_line_host_mtu((const char *)data, size, mac), <=, 65535);
    return 0;
}
