/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of macvtapctl share: one command each, chosen by a table in macvtapctl.c. */
#pragma once

#include "doctor.h"

#include "arguments.h"
#include "field.h"
#include "macvtap.h"
#include "table.h"

typedef struct Ctl {
    char *socket;
    gboolean json;
} Ctl;

/* A command gets its own arguments, argv[0] being its last word ("list" of "port list"). It returns
 * the exit status: 0, or 1 with *error set; G_OPTION_ERROR errors become 2. */
int ctl_network_list(Ctl *ctl, int argc, char **argv, GError **error);
int ctl_network_show(Ctl *ctl, int argc, char **argv, GError **error);
int ctl_port_list(Ctl *ctl, int argc, char **argv, GError **error);
int ctl_port_show(Ctl *ctl, int argc, char **argv, GError **error);
int ctl_port_create(Ctl *ctl, int argc, char **argv, GError **error);
int ctl_port_set(Ctl *ctl, int argc, char **argv, GError **error);
int ctl_port_delete(Ctl *ctl, int argc, char **argv, GError **error);
int ctl_port_open(Ctl *ctl, int argc, char **argv, GError **error);
int ctl_log(Ctl *ctl, int argc, char **argv, GError **error);
int ctl_monitor(Ctl *ctl, int argc, char **argv, GError **error);
int ctl_reload(Ctl *ctl, int argc, char **argv, GError **error);
int ctl_doctor(Ctl *ctl, int argc, char **argv, GError **error);
int ctl_domain(Ctl *ctl, int argc, char **argv, GError **error);

/* A check of doctor: where libvirt and macvtapctl-domain are, has that look whether libvirt knows
 * the hook. */
void ctl_check_libvirt(Doctor *doctor);

/* Parses options for a command, macvtapctl's own among them; what is left must be min to max
 * arguments (max -1: any number). */
gboolean ctl_parse(Ctl *ctl, const GOptionEntry *entries, int *argc, char ***argv, int min, int max,
                   const char *arguments, GError **error);

/* The same with all that a syntax can say; macvtapctl's own options come to it as the common ones.
 */
gboolean ctl_parse_syntax(Ctl *ctl, ArgumentsSyntax syntax, int *argc, char ***argv,
                          GError **error);
MacvtapClient *ctl_connect(Ctl *ctl, GError **error);

/* What a table has as the port's state: of an active one "link-down" where its device is down, and
 * "no-carrier" where its parent has none. */
const char *ctl_port_state(const MacvtapPort *port);

/* A table with a column for each of the fields that is one. */
Table *ctl_table_new(const Field *fields);

/* Prints {"NAME": [texts…]} of JSON texts, which are freed with the array. */
void ctl_print_json_list(const char *name, GPtrArray *texts);
