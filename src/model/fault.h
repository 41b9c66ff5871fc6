/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* Something wrong that macvtapd alone can see: a file that it does not use. The texts are the
 * fault's own. */
typedef struct Fault {
    const char *code; /* static; for programs, never changed once given out: "record-set-aside" */
    char *subject;    /* what has it: "record p0123456789ab.damaged" */
    char *message;    /* what is wrong, in one line, without the subject */
    char *remedy;     /* what to do about it */
} Fault;

/* code is static, the other texts are taken. */
Fault *fault_new(const char *code, char *subject, char *message, char *remedy);

/* An empty GPtrArray that owns its Faults. */
GPtrArray *fault_list_new(void);
