/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/*
 * The MAC that a QEMU gives its one network device, from its command line (/proc/PID/cmdline:
 * NUL-separated, length bytes): the mac= of its -device or -nic arguments (macaddr= of -net nic),
 * or QEMU's default for the first device. NULL when there are several different ones. Free with
 * g_free().
 */
char *qemu_command_line_mac(const char *text, gsize length);
