/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What macvtap-run puts into a VMM's arguments: pure text. */
#pragma once

#include <glib.h>

/* One port as a VMM gets it. */
typedef struct VmmPort {
    const char *label;          /* what its --network or --port says, for {token:LABEL} */
    gboolean is_port;           /* it is a --port */
    gboolean is_plan;           /* it is not made yet: what is unknown is written in capitals */
    const char *mac;            /* NULL: not known yet */
    const char *interface_name; /* NULL: not known yet */
    const char *model;          /* of QEMU's device; NULL: what suits the machine */
    const char *bus;            /* of QEMU's device; NULL: QEMU's choice */
    guint mtu;                  /* bytes; 0: not known yet */
    gboolean other_mac;         /* the command need not have its MAC */
    GArray *taps;               /* of int: descriptor numbers in the VMM; at least one */
    GArray *vhosts;             /* of int: as many, or none */
} VmmPort;

/* The Ethernet MTU, which a guest assumes unless it is told otherwise (RFC 894). */
#define VMM_DEFAULT_MTU 1500

/* What a command takes from one port. */
typedef struct VmmUse {
    gboolean descriptor, mac; /* {netdev} or {fd…}; {device} or {mac} */
    gboolean mtu;             /* {mtu}, or a {device} with host_mtu= */
} VmmUse;

/*
 * Replaces the tokens in command (NULL-terminated) and returns a new one (g_strfreev): {netdev},
 * {device}, {fd}, {fds} (3:4), {fds,} (3,4), {fd:N} (the Nth queue, from 0), {vhostfd…} likewise,
 * {mac}, {mtu}, {ifname}. {token:LABEL} or {token:N} says which port when there are several (the
 * Nth, from 0), {fd:LABEL:N} which of its queues. Other braces stay as they are. If there is no
 * token and a QEMU stands in the command, -netdev and -device pairs are appended, and if none does
 * it fails. uses[i] tells what port i is used for. Fails (G_OPTION_ERROR) also for a token that
 * fits no port, or several, and for a device that the machine does not have.
 */
GStrv vmm_arguments_expand(const char *const *command, const VmmPort *ports, guint n_ports,
                           VmmUse *uses, GError **error);

/*
 * Whether a VMM with these expanded arguments has each port's descriptor, and its MAC, in whatever
 * spelling: a guest with another one does not hear what is sent to the port. A plan without a MAC
 * passes if there is any. FALSE: *error (G_OPTION_ERROR) says what is missing.
 */
gboolean vmm_arguments_check(const char *const *arguments, const VmmPort *ports, guint n_ports,
                             const VmmUse *uses, GError **error);

/* The command as a shell would take it, words quoted where they must be. Free with g_free(). */
char *vmm_arguments_quote(const char *const *arguments);
