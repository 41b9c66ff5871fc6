/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Puts ports into a VMM's arguments: pure text processing. */
#pragma once

#include <glib.h>

typedef struct HandOver HandOver; /* hand-over.h */

/* One port as a VMM gets it. */
typedef struct VmmPort {
    const char *label;          /* its name in --network or --port, for {token:LABEL} */
    gboolean is_port;           /* it is a --port */
    gboolean is_plan;           /* not created yet: it may have any number of descriptors */
    const char *mac;            /* NULL: not known yet */
    const char *interface_name; /* NULL: not known yet */
    const char *model;          /* the model for QEMU's -device; NULL: one that suits the machine */
    const char *bus;            /* the bus for QEMU's -device; NULL: QEMU's choice */
    guint mtu;                  /* bytes; 0: not known yet */
    gboolean other_mac;         /* the command need not have its MAC */
    const HandOver *hand_over;  /* its leases; NULL: not known yet */
    GArray *taps;               /* of int: descriptor numbers in the VMM (-1: not known yet, and
                                 * written in capitals); at least one */
    GArray *vhosts;             /* of int: as many, or none */
} VmmPort;

/* The Ethernet MTU, which a guest assumes unless it is told otherwise (RFC 894). */
#define VMM_DEFAULT_MTU 1500

/* The values of one port that a command uses. */
typedef struct VmmUse {
    gboolean descriptor, mac; /* {netdev} or {fd…}; {device} or {mac} */
    gboolean mtu;             /* {mtu}, or a {device} with host_mtu= */
} VmmUse;

/*
 * Replaces the tokens in command (NULL-terminated) and returns a new one (g_strfreev): {netdev},
 * {device}, {fd}, {fds} (3:4), {fds,} (3,4), {fd:N} (the Nth queue, from 0), {vhostfd…} likewise,
 * {mac}, {mtu}, {ifname}, and of its leases {address}, {prefix}, {gateway}, {dns} and {ip=}
 * (hand-over.h). {token:LABEL} or {token:N} selects one of several ports (the Nth, from
 * 0), {fd:LABEL:N} one of its queues. Other braces stay as they are. If there is no token
 * besides those of leases, -netdev and -device pairs are appended to the QEMU in the command;
 * without a QEMU it fails. uses[i] tells what port i is used for. Also fails (G_OPTION_ERROR) for a
 * token that matches no port, or several, and for a device that the machine does not have.
 */
GStrv vmm_arguments_expand(const char *const *command, const VmmPort *ports, guint n_ports,
                           VmmUse *uses, GError **error);

/*
 * Checks that a VMM with these expanded arguments has each port's descriptor and its MAC, in any
 * notation: a guest with another MAC does not receive the frames sent to the port. A port whose MAC
 * is still unknown passes with any MAC. FALSE: *error (G_OPTION_ERROR) says what is missing.
 */
gboolean vmm_arguments_check(const char *const *arguments, const VmmPort *ports, guint n_ports,
                             const VmmUse *uses, GError **error);

/* The command as shell input, with words quoted where necessary. Free with g_free(). */
char *vmm_arguments_quote(const char *const *arguments);

/* vmm-command.c: finds the VMM in a command. Pure text processing. */

/* Whether path is a QEMU system emulator by its name: qemu-system-*, qemu-kvm, kvm. */
gboolean vmm_is_qemu(const char *path);

/*
 * The position in command (NULL-terminated) of the QEMU that it starts: first, or after programs
 * that run the command in their arguments (nice, taskset, env, timeout, chrt, numactl, setpriv, ip
 * netns exec…), in any combination. -1 if there is no QEMU there. *ret_closer: the program before
 * it that closes descriptors (static: "sudo"), else NULL.
 */
int vmm_command_find_qemu(const char *const *command, const char **ret_closer);
