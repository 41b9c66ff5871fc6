/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/*
 * Finds a QEMU's MAC for the network device whose backend starts a helper, from its command line
 * (/proc/PID/cmdline: NUL-separated, length bytes): the mac= of its -device or -nic (macaddr= of
 * -net nic), or QEMU's default, if no other device can have it. which is the helper's network or
 * port argument. NULL with *error (G_OPTION_ERROR), which names --mac=MAC, if the MAC is uncertain:
 * there are several devices, or none, as with QMP's netdev_add; the backend's helper is told
 * another network or port; -set, -global or -readconfig can give another MAC; or an option cannot
 * be read. Free with g_free().
 */
char *qemu_command_line_mac(const char *text, gsize length, const char *which, GError **error);

/* The host_mtu= (bytes) of the -device that has this MAC, or that is the only one; 0 if it has
 * none, or there is no such device. */
guint qemu_command_line_host_mtu(const char *text, gsize length, const char *mac);
