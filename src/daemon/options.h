/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

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
