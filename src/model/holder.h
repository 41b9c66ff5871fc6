/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "interface-name.h"

#include <glib.h>
#include <sys/types.h>

/* What a port's life is tied to. */
typedef enum HolderType {
    HOLDER_NONE,    /* lives until deleted */
    HOLDER_PROCESS, /* ends with the process */
    HOLDER_DOMAIN,  /* ends with the libvirt domain, or with its VMM's process once that is known */
    HOLDER_DESCRIPTORS, /* ends when the last descriptor of its queues is closed, in any process */
    HOLDER_NAMESPACE,   /* ends with the network namespace of its caller, as a container's */
} HolderType;
#define HOLDER_TYPE_COUNT (HOLDER_NAMESPACE + 1)

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
    /* namespace: the port's name for callers from there, its number in the daemon's network
     * namespace, and its cookie (see network-namespace.h) */
    char interface[INTERFACE_NAME_MAX + 1];
    int namespace_number;
    guint64 namespace_cookie;
} Holder;

const char *holder_type_name(HolderType type);

/* Whether all members are set that a holder of its type has, and no others. In a request the number
 * and the cookie of a namespace are still missing. */
gboolean holder_is_whole(const Holder *holder, gboolean is_request);

/* Parses "none", "pid:N", "domain:UUID" or "namespace:NAME", as in macvtapctl's options;
 * PORT_ERROR_INVALID_REQUEST. */
gboolean holder_parse(const char *text, Holder *ret_holder, GError **error);

gboolean uuid_is_valid(const char *text);
