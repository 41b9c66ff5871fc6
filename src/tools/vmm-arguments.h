/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What macvtap-run puts into a VMM's arguments: pure text. */
#pragma once

#include <glib.h>

/* One port as a VMM gets it. */
typedef struct VmmPort {
    const char *network; /* as in --network, for {token:NET} */
    const char *mac;
    const char *interface_name;
    guint mtu;      /* bytes */
    GArray *taps;   /* of int: descriptor numbers in the VMM; at least one */
    GArray *vhosts; /* of int: as many, or none */
} VmmPort;

/*
 * Replaces the tokens in argv (NULL-terminated) and returns a new one (g_strfreev): {netdev},
 * {device}, {fd}, {fds}, {vhostfd}, {vhostfds}, {mac}, {mtu}, {ifname}, each also as {token:NET} or
 * {token:N} (the Nth --network, from 0). Other braces stay as they are. If there is none and
 * argv[0] is a QEMU, -netdev and -device pairs are appended. Fails (G_OPTION_ERROR) for a token
 * that fits no port, or several.
 */
GStrv vmm_arguments_expand(const char *const *argv, const VmmPort *ports, guint n_ports,
                           GError **error);

/* Whether path is a QEMU system emulator by its name: qemu-system-*, qemu-kvm, kvm. */
gboolean vmm_is_qemu(const char *path);
