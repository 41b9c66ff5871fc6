/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A request to macvtapd from the main loop, which does not wait. */
#pragma once

#include "macvtap.h"

#include <glib.h>

#define DAEMON_CALL_ERROR (daemon_call_error_quark())
GQuark daemon_call_error_quark(void); /* its code is the MacvtapRefusal */

/* request: as it was answered; freed after the call. error: macvtapd's or the connection's. */
typedef void (*DaemonCallDone)(MacvtapRequest *request, const GError *error, gpointer user_data);

/* Sends the request, which is taken, on a connection of its own. socket: NULL for the default. done
 * is called from the main loop, never from here. */
void daemon_call(const char *socket, MacvtapRequest *request, DaemonCallDone done,
                 gpointer user_data);
