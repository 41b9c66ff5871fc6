/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One macvtapd for each network namespace: a second one, with a state folder of its own, would take
 * the first one's devices for orphans. The lock is a name in the namespace of abstract sockets,
 * which is the network namespace's (unix(7)) and ends with whoever has it.
 */
#pragma once

#include <glib.h>

/*
 * A listening socket that holds the lock, or -1; varlink_server_turn_away() must accept on it.
 * EBUSY: another macvtapd has it. Any other error: it cannot be had, because a user who is not root
 * sits on the name; that must keep no daemon from starting.
 */
int namespace_lock(GError **error);
