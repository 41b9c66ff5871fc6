/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The kernel privileges that a part of the daemon needs while it serves. They are declared beside
 * the code that needs them; src/daemon/sandbox-privileges.c lists them all, and the sandbox leaves
 * nothing else.
 */
#pragma once

#include <glib.h>

typedef struct SystemCall {
    const char *name; /* as in syscalls(2) */
    guint argument;   /* only if the argument with this number, counted from 1, … */
    guint64 value;    /* … has this value; 0: any arguments */
} SystemCall;

typedef struct Privileges {
    const char *part;
    guint64 capabilities;           /* of CAPABILITY() */
    const SystemCall *system_calls; /* ends with one without a name */
} Privileges;

/* The bit of a capability (capabilities(7)). */
#define CAPABILITY(number) (G_GUINT64_CONSTANT(1) << (number))

#define SYSTEM_CALLS(...) ((const SystemCall[]){__VA_ARGS__, {NULL}})

/*
 * capabilities.c: permanently gives up every capability except these (CAPABILITY() values ORed; 0:
 * all), also across execve(2). Call it first, before reading any input.
 */
gboolean capabilities_keep(guint64 wanted, GError **error);

/* Whether the process has all of these now. */
gboolean capabilities_are_held(guint64 wanted);
