/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Serializes the programs of one user that read a domain's metadata, add or remove a port, and
 * write it back: libvirt replaces the whole element, so another program's change in between would
 * be lost.
 *
 * The lock is a file in the hook's folder (hook_state_folders()): root's is below /run, another
 * user's below /run/user/UID, so a reboot removes it, and its mode keeps others from opening it: in
 * a world-writable folder any user could hold the lock forever. Two users who both manage the
 * system's libvirt are not serialized.
 */
#pragma once

#include <glib.h>

/* Waits for the lock in the first usable folder (NULL-terminated list) and takes it; closing the
 * descriptor, or the end of the process, releases it. -1 with an error. */
int change_lock_take(const char *const *folders, GError **error);
