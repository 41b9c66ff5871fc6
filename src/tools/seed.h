/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The folder of a NoCloud disk (cloud-init's datasource), which QEMU shows its guest by vvfat. */
#pragma once

#include <glib.h>

/*
 * Writes network-config into the folder, which is made if need be, and meta-data and user-data if
 * there are none, as cloud-init wants all three; name becomes the instance's. A network-config that
 * is not ours (it lacks our first line) stays, and *ret_kept is TRUE. Fails with G_FILE_ERROR.
 */
gboolean seed_write(const char *folder, const char *name, const char *network_config,
                    gboolean *ret_kept, GError **error);

/*
 * QEMU's arguments for the folder as a disk, read-only, with the label CIDATA, which cloud-init
 * looks for, for the QEMU in command (from its path on). Free with g_strfreev(). Fails
 * with G_OPTION_ERROR.
 */
GStrv seed_arguments(const char *folder, const char *const *command, GError **error);
