/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "caller.h"
#include "datapath.h"

#include <glib.h>

/* options.c: the command line */
typedef struct Options {
    char *config;           /* the folder that has networks.d */
    char *state;            /* the state folder */
    char *socket;           /* where to listen, unless a socket is handed in */
    char *container_socket; /* likewise, for containers; NULL: nowhere */
    gboolean version;
    gboolean privileges; /* show the privileges that the daemon keeps */
} Options;

gboolean options_parse(Options *ret_options, int argc, char **argv, GError **error);
void options_clear(Options *options);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Options, options_clear)

typedef struct Daemon Daemon;

/* datapath_open() for a daemon with these options. It needs capabilities that the rest does not. */
Datapath *daemon_open_datapath(const Options *options, GError **error);

/*
 * Puts the daemon together: folders, real kernel, networks, broker and its reconciliation, API and
 * socket. From then on it runs on the thread-default main context. datapath is taken; NULL: ports
 * are unguarded, and this is why.
 */
Daemon *daemon_new(const Options *options, Datapath *datapath, const GError *unguarded,
                   GError **error);

/* Stops serving; ports with living holders stay for the next daemon. */
void daemon_free(Daemon *daemon);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Daemon, daemon_free)

/* The socket files that the daemon created and removes at its end, NULL-terminated; without passed
 * sockets. */
const char *const *daemon_socket_paths(const Daemon *daemon);

/* The folder of the datapath's pins; NULL if there is none. */
const char *daemon_pins_folder(const Daemon *daemon);

/* Logs that the daemon is serving. */
void daemon_say_started(Daemon *daemon);

/* Reads the files again, for the caller or (NULL) because of a signal. Settings that cannot be read
 * stay as they were, and the error names them. Logs the result and notifies the service manager. */
gboolean daemon_reload(Daemon *daemon, const Caller *caller, guint *ret_networks, GError **error);
