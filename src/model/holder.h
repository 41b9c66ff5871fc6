/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <sys/types.h>

/* What a port's life is tied to. */
typedef enum HolderType {
    HOLDER_NONE,    /* lives until deleted */
    HOLDER_PROCESS, /* ends with the process */
    HOLDER_DOMAIN,  /* ends with the libvirt domain, or with its VMM's process once that is known */
    HOLDER_DESCRIPTORS, /* ends when the last descriptor of its queues is closed, in any process */
} HolderType;

/* A UUID's 36 characters and the NUL. */
#define UUID_TEXT_SIZE 37

typedef struct Holder {
    HolderType type;
    pid_t pid; /* process; domain: its VMM's, 0 until it is known */
    /* of that process: field 22 of /proc/PID/stat in clock ticks since boot (proc(5)); together
     * with the pid it identifies a process until the machine is rebooted, so a reused pid is not
     * mistaken for the holder */
    guint64 start_time;
    char domain[UUID_TEXT_SIZE]; /* domain: its UUID, lower case with dashes */
} Holder;

const char *holder_type_name(HolderType type);

/* Parses "none", "pid:N" or "domain:UUID", as in macvtapctl's options; PORT_ERROR_INVALID_REQUEST.
 */
gboolean holder_parse(const char *text, Holder *ret_holder, GError **error);

gboolean uuid_is_valid(const char *text);
