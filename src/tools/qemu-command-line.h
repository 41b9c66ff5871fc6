/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/*
 * The MAC that a QEMU gives its one network device, from its command line (/proc/PID/cmdline:
 * NUL-separated, length bytes): the mac= of its -device or -nic (macaddr= of -net nic), or QEMU's
 * default for the first device. NULL with *error (G_OPTION_ERROR) when there are several network
 * devices, as nothing says which of them is meant, or when one cannot be read. Free with g_free().
 */
char *qemu_command_line_mac(const char *text, gsize length, GError **error);
