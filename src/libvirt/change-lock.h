/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Keeps the programs of one user apart that read a domain's metadata, add or take away a port, and
 * write it back: libvirt replaces the whole element, so what another has written in between would
 * be lost.
 *
 * The lock is a file in the hook's folder (hook_state_folders()): root's is below /run, another
 * user's below /run/user/UID, so it ends with the machine, and its mode lets nobody else open it: a
 * file in a folder of all users could be held for ever by any of them. Two users who both manage
 * the system's libvirt are not kept apart from each other.
 */
#pragma once

#include <glib.h>

/* Takes the lock in the first of the folders (NULL-terminated) that can be had, and waits for it;
 * closing the descriptor, or the process's end, gives it back. -1 with an error. */
int change_lock_take(const char *const *folders, GError **error);
