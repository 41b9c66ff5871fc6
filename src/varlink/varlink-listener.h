/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Accepts connections on a listening socket; for varlink-server.c. */
#pragma once

#include "varlink-poller.h"

#include <glib.h>

typedef struct VarlinkListener VarlinkListener;

/* Takes a connected socket (close-on-exec), from the main loop. */
typedef void (*VarlinkAcceptFunc)(int fd, gpointer user_data);

/* Takes listen_fd, on failure too. */
VarlinkListener *varlink_listener_new(VarlinkPoller *poller, int listen_fd,
                                      VarlinkAcceptFunc accepted, gpointer user_data,
                                      GError **error);

/* Closes the listening socket. NULL is fine. */
void varlink_listener_free(VarlinkListener *listener);
