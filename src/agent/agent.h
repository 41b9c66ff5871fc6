/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The process beside a QEMU: serves org.macvtapd.Agent and looks after the guest's ports. */
#pragma once

#include <glib.h>

typedef struct AgentOptions {
    int qmp;                  /* a socket whose other end is, or will be, QEMU's monitor; taken */
    const char *socket;       /* macvtapd's; NULL: the default */
    const char *name;         /* the guest's, from QEMU's -name; NULL: QEMU's process ID */
    const char *const *ports; /* IDs of those that QEMU starts with; NULL-terminated */
} AgentOptions;

/* The interface's text. */
const char *agent_description(void);

/* Runs until QEMU has ended, or SIGTERM comes. ready: called once only QEMU's end can stop the
 * agent. FALSE with *error: it failed before that. */
gboolean agent_run(const AgentOptions *options, void (*ready)(void), GError **error);
