/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What QEMU's options say about it before it is started: pure text processing. */
#pragma once

#include <glib.h>

/*
 * The value up to the next ',' that is not doubled; *text is moved past it (QEMU's
 * util/qemu-option.c, get_opt_value). Free with g_free().
 */
char *qemu_option_value(const char **text);

/* Whether argument is QEMU's option of this name: "-name" or "--name". */
gboolean qemu_option_is(const char *argument, const char *name);

/* The guest's name in -name NAME[,…] or -name guest=NAME[,…], the last one; NULL if it has none.
 * Free with g_free(). */
char *qemu_options_guest_name(const char *const *command);

/*
 * The -device driver of the network card that suits the machine of this QEMU (command[0] is its
 * path, as qemu-system-ARCH; -machine says which machine): virtio-net on the bus that the machine
 * has. NULL with *error (G_OPTION_ERROR) for a machine that is known to take no such card.
 */
const char *qemu_options_network_device(const char *const *command, GError **error);

/* Whether the machine of this QEMU (as above) has PCI Express, whose own bus takes no device while
 * QEMU runs: it needs root ports for that. */
gboolean qemu_options_need_root_ports(const char *const *command);

/* Whether the machine of this QEMU (as above) is known to make no network device by itself, which
 * would take QEMU's first default MAC. */
gboolean qemu_options_machine_is_bare(const char *const *command);
