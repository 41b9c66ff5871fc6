/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a part of the daemon needs of the kernel once it serves. Each declares it beside the code
 * that needs it; src/daemon/privileges.c has them all, and the sandbox leaves nothing else.
 */
#pragma once

#include <glib.h>

typedef struct SystemCall {
    const char *name; /* as in syscalls(2) */
    guint argument;   /* only if the argument of this number, counted from 1, … */
    guint64 value;    /* … is this; 0: whatever the arguments are */
} SystemCall;

typedef struct Privileges {
    const char *part;
    guint64 capabilities;           /* of CAPABILITY() */
    const SystemCall *system_calls; /* ends with one that has no name */
} Privileges;

/* The bit of one of capabilities(7). */
#define CAPABILITY(number) (G_GUINT64_CONSTANT(1) << (number))

#define SYSTEM_CALLS(...) ((const SystemCall[]){__VA_ARGS__, {NULL}})
