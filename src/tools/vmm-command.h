/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Finds the VMM in a command: pure text processing. */
#pragma once

#include <glib.h>

/* Whether path is a QEMU system emulator by its name: qemu-system-*, qemu-kvm, kvm. */
gboolean vmm_is_qemu(const char *path);

/*
 * The position in command (NULL-terminated) of the QEMU that it starts: first, or after programs
 * that run the command in their arguments (nice, taskset, env, timeout, chrt, numactl, setpriv, ip
 * netns exec…), in any combination. -1: there is no QEMU there. *ret_closer: the program before it
 * that closes descriptors (static: "sudo"), else NULL.
 */
int vmm_command_find_qemu(const char *const *command, const char **ret_closer);
