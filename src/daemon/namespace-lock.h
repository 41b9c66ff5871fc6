/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Allows one macvtapd per network namespace: a second one, with another state folder, would take
 * the first one's devices for orphans. The lock is an abstract socket name, which is local to the
 * network namespace (unix(7)) and is released when its holder ends.
 */
#pragma once

#include <glib.h>

/*
 * A listening socket that holds the lock, or -1; varlink_server_turn_away() must accept on it.
 * EBUSY: another macvtapd has it. Any other error: an unprivileged user holds the name, which must
 * not keep the daemon from starting.
 */
int namespace_lock(GError **error);
