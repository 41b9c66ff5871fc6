/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Parses command lines with GOption, and adds two features of getopt_long(3) that it lacks: a short
 * option's value may be attached (-nlan, -fn20), and an option may be given again in a later part
 * of the line, which is parsed by itself.
 */
#pragma once

#include "error.h"

#include <glib.h>

/* Sets an error of wrong usage (G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE); always FALSE. */
#define arguments_refuse(error, ...)                                                               \
    error_set(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, __VA_ARGS__)

/* A copy of argv with the extra room that arguments_parse() needs to split words. The words still
 * belong to argv; g_free() the copy. */
char **arguments_copy(int argc, char **argv);

typedef struct ArgumentsSyntax {
    const GOptionEntry *own, *common; /* NULL: no such options */
    gpointer data;                    /* what the entries' callbacks get */
    const char *arguments;            /* "PORT...", for the usage and the error; NULL: none */
    const char *summary, *description;
    int min, max;              /* how many arguments there must be; max -1: any number */
    gboolean stop_at_argument; /* what follows the first argument is not parsed */
} ArgumentsSyntax;

/* Parses the options in argv, a result of arguments_copy() or a part of one, and leaves argv[0] and
 * the arguments in it. The "--" that ends the options is removed, and nothing after it is treated
 * as an option. --help prints the usage and exits. Fails with G_OPTION_ERROR, or a callback's
 * error.
 */
gboolean arguments_parse(const ArgumentsSyntax *syntax, int *argc, char ***argv, GError **error);

/* The main() of a program whose run() returns the exit status, from an arguments_copy(): shows its
 * error, after name, if any. */
int arguments_main(int argc, char **argv, const char *name,
                   int (*run)(int argc, char **argv, GError **error));

/* For an entry --version, G_OPTION_ARG_CALLBACK without an argument: prints the program's name and
 * version and exits, with status 1 if they cannot be written. */
gboolean arguments_show_version(const char *name, const char *value, gpointer data,
                                GError **error) G_GNUC_NORETURN;
