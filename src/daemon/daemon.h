/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "caller.h"
#include "datapath.h"
#include "options.h"

#include <glib.h>

typedef struct Daemon Daemon;

/* datapath_open() for a daemon with these options. It takes capabilities that the rest does not. */
Datapath *daemon_open_datapath(const Options *options, GError **error);

/*
 * Puts the daemon together: folders, real kernel, networks, broker and its reconciliation, API and
 * socket. It works on the thread-default main context from then on. *error says what could not be
 * had. datapath is taken; NULL: ports are unguarded, and this is why.
 */
Daemon *daemon_new(const Options *options, Datapath *datapath, const GError *unguarded,
                   GError **error);

/* Stops listening; ports of living holders stay for the next daemon. */
void daemon_free(Daemon *daemon);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Daemon, daemon_free)

/* The socket files that were made and go with the daemon, NULL-terminated; none of those that were
 * handed in. */
const char *const *daemon_socket_paths(const Daemon *daemon);

/* Where the datapath's pins are; NULL: there is none. */
const char *daemon_pins_folder(const Daemon *daemon);

/* Tells the log that the daemon serves from now on. */
void daemon_say_started(Daemon *daemon);

/* Reads the files again, for the caller or, NULL, because of a signal; what cannot be read stays as
 * it was, and the error names it. The log and the service manager are told what happens. */
gboolean daemon_reload(Daemon *daemon, const Caller *caller, guint *ret_networks, GError **error);
