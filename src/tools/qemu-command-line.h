/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/*
 * The MAC that a QEMU gives the network device whose backend is the one on its command line
 * (/proc/PID/cmdline: NUL-separated, length bytes) that starts a helper: the mac= of its -device or
 * -nic (macaddr= of -net nic), or QEMU's default, if nothing else can have taken that. which: the
 * network or port that the helper was told. NULL with *error (G_OPTION_ERROR), which names
 * --mac=MAC, when the MAC is not sure: there are several devices, or none, as with QMP's
 * netdev_add; the backend's helper is told another network or port; -set, -global or -readconfig
 * can give another MAC; or an option cannot be read. Free with g_free().
 */
char *qemu_command_line_mac(const char *text, gsize length, const char *which, GError **error);

/* The host_mtu= (bytes) of the -device that has this MAC, or that is the only one; 0: it has none,
 * or there is no such device. */
guint qemu_command_line_host_mtu(const char *text, gsize length, const char *mac);
