/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* A problem that only macvtapd can see: a file that it ignores. The fault owns its texts. */
typedef struct Fault {
    const char
        *code;     /* static; for programs, so it never changes once released: "record-set-aside" */
    char *subject; /* where it is: "record p0123456789ab.damaged" */
    char *message; /* what is wrong, in one line, without the subject */
    char *remedy;  /* what to do about it */
} Fault;

/* Takes the texts except for code, which is static. */
Fault *fault_new(const char *code, char *subject, char *message, char *remedy);

/* An empty GPtrArray that frees its Faults. */
GPtrArray *fault_list_new(void);
