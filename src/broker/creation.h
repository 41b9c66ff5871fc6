/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A creation in progress: create.c, and its decisions (admission.c, choice.c). */
#pragma once

#include "broker-private.h"
#include "policy.h"

/* How often a random choice that is taken is repeated. */
#define CREATION_ATTEMPTS 8

typedef struct Creation {
    Broker *broker;
    const Caller *caller;
    const PortRequest *request;
    Network *network; /* a reference */
    LinkInfo parent, trunk;
    MacAddress wanted_mac; /* the old MAC of a restarted guest, see admission.c */
    NewPort new;
    Port *port; /* owned until it is committed */
    DescriptorArray *taps, *vhosts;
    GArray
        *others; /* of LinkInfo, set once a generated MAC was in use by another program's device */
    gboolean check_only; /* nothing is made */
    gboolean is_stuck;   /* the device could not be removed: see hand_over() */
} Creation;

/* admission.c: finds the requested network, if the caller may use it. PORT_ERROR. */
gboolean creation_find_network(Creation *creation, GError **error);

/* create.c: sets the ports aside that the request replaces, until port_table_restore(). */
void creation_set_aside(Creation *creation);

/* admission.c: removes conflicting ports that are ending at once, and checks the limits.
 * PORT_ERROR_LIMIT_REACHED. */
gboolean creation_make_room(Creation *creation, GError **error);

/* choice.c; errors: PORT_ERROR. The MAC is chosen after the parent. */
gboolean creation_choose_names(Creation *creation, GError **error);
gboolean creation_choose_mac(Creation *creation, GError **error);
void creation_choose_index(Creation *creation);

/* choice.c: replaces a random choice that conflicted when the kernel created the device (cause).
 * FALSE: there was none. */
gboolean creation_choose_again(Creation *creation, const GError *cause);

/* choice.c: what a generated MAC derives from. */
MacOrigin creation_mac_origin(const Creation *creation);

/* choice.c: whether a port of the network has the MAC, on any parent: for guests the parents of a
 * pool are one network. A port that is ending counts if ending_too. */
gboolean creation_network_has_mac(const Creation *creation, const MacAddress *mac,
                                  gboolean ending_too);
