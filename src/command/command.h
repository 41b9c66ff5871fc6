/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The command line that macvtapctl and its libvirt part have in common: a table of commands, the
 * options that all of them take, before the command's words, between them or after, and help.
 */
#pragma once

#include "arguments.h"
#include "ask.h"
#include "error.h"
#include "field.h"

typedef struct CommandProgram CommandProgram;

/* The input of a command besides its own arguments. */
typedef struct Ctl {
    const CommandProgram *program;
    const char *help;    /* what the command does, for its --help; borrowed */
    char *socket;        /* --socket: macvtapd's; NULL: the default */
    gboolean json;       /* --json */
    char *uri;           /* --connect: libvirt's; NULL: its default */
    gpointer connection; /* the connection to libvirt, a virConnect, once a command needs it */
} Ctl;

typedef struct Command {
    const char *first, *second; /* second NULL: a command of one word */
    /* argv[0] is the command's last word. Returns the exit status: 0, or another with *error set;
     * errors of G_OPTION_ERROR become 2. */
    int (*run)(Ctl *ctl, int argc, char **argv, GError **error);
    const char *arguments, *help;
    guint64 capabilities;     /* capabilities that it needs, if the user has them */
    gboolean starts_programs; /* capabilities without which it fails, as libvirt's calls would */
    FieldUse options;         /* which fields of a port are its options; 0: none */
} Command;

struct CommandProgram {
    const char
        *group; /* the word after macvtapctl that selects these commands: "domain"; NULL: none */
    const char *summary;
    const char *note; /* below the commands in --help; NULL: none */
    gboolean connects_to_libvirt;
    const Command *commands; /* ends with one without a first word */
    void (*clear)(Ctl *ctl); /* frees the connection; may be NULL */
};

/* A program's whole main(); returns the exit status. */
int command_main(const CommandProgram *program, int argc, char **argv);

/* Parses the options of a command, and those that all commands take. It must leave min to max
 * arguments (max -1: any number). */
gboolean ctl_parse(Ctl *ctl, const GOptionEntry *entries, int *argc, char ***argv, int min, int max,
                   const char *arguments, GError **error);

/* The same with a full syntax; its common options are set here. */
gboolean ctl_parse_syntax(Ctl *ctl, ArgumentsSyntax syntax, int *argc, char ***argv,
                          GError **error);

/* Connects to macvtapd. */
MacvtapClient *ctl_connect(const Ctl *ctl, GError **error);

#define COMMAND_ERROR (command_error_quark())
GQuark command_error_quark(void); /* its code is 0 */

/* Sets a COMMAND_ERROR, which makes the exit status 1; always FALSE. */
#define ctl_fail(error, ...) error_set(error, COMMAND_ERROR, 0, __VA_ARGS__)

/* Prints a note on stderr, which does not affect the exit status. */
void ctl_note(const char *format, ...) G_GNUC_PRINTF(1, 2);
