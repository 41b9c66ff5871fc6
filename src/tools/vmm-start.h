/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Turns a program that has ports into the VMM that uses them. */
#pragma once

#include "ask.h"
#include "network-option.h"

/* Exit statuses, as in env(1) and the shell: cannot be executed, not found. */
#define VMM_START_NOT_EXECUTABLE 126
#define VMM_START_NOT_FOUND 127

/* The VMM to start, and its ports. */
typedef struct VmmStart {
    const GArray *options; /* of NetworkOption: one for each port */
    const char *const *command;
    GPtrArray *ports;          /* of MacvtapPort, in the same order; its descriptors are stolen */
    const GPtrArray *networks; /* vmm_start_look_up() of them; may be NULL */
    gboolean verbose;          /* print the ports and the executed command on stderr */
} VmmStart;

/* What macvtapd says of the networks, in *ret_networks, for the leases of these ports; NULL: no
 * port has a lease. FALSE: it does not answer. */
gboolean vmm_start_look_up(MacvtapClient *client, const GPtrArray *ports, GPtrArray **ret_networks,
                           GError **error);

/* The path of the program that command names, in *ret_program (g_free() it). Otherwise 126 or 127,
 * and *error says what is wrong. */
int vmm_start_find_program(const char *command, char **ret_program, GError **error);

/*
 * The command as far as it is known before any port is created, with capitals for unknown values.
 * NULL with *error (G_OPTION_ERROR): it would not work with any port. Free with g_strfreev().
 */
GStrv vmm_start_plan(const VmmStart *start, GError **error);

/*
 * Whether the command will work with these ports, some of which have no descriptors, as they are
 * only what CreatePort with checkOnly says (with vhost-net if their policy is "require"); writes
 * the seed. FALSE: *error is what vmm_start_become() would say.
 */
gboolean vmm_start_check(const VmmStart *start, GError **error);

/* Executes program with the ports' descriptors. Returns only when that fails: with failure, 126 or
 * 127, and *error says why. */
int vmm_start_become(const VmmStart *start, const char *program, int failure, GError **error);
