/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A creation under way: create.c, and what it decides by (admission.c, choice.c). */
#pragma once

#include "broker-private.h"
#include "policy.h"

/* How often what was drawn, and is taken, is drawn anew. */
#define CREATION_ATTEMPTS 8

typedef struct Creation {
    Broker *broker;
    const Caller *caller;
    const PortRequest *request;
    Network *network; /* a reference */
    LinkInfo parent, trunk;
    MacAddress wanted_mac; /* that a guest had which is started anew, see admission.c */
    NewPort new;
    Port *port; /* ours until it is committed */
    DescriptorArray *taps, *vhosts;
    GArray *others; /* of LinkInfo, once a generated MAC was found in use by a device that is not
                       ours */
    gboolean check_only; /* nothing is made */
    gboolean is_stuck;   /* the device could not be removed: see hand_over() */
} Creation;

/* admission.c: the network that is asked for, if the caller may use it. PORT_ERROR. */
gboolean creation_find_network(Creation *creation, GError **error);

/* admission.c: has what is in the way and on its way out removed at once, and looks at the limits.
 * PORT_ERROR_LIMIT_REACHED. */
gboolean creation_make_room(Creation *creation, GError **error);

/* choice.c, each PORT_ERROR. The MAC is chosen when the parent is. */
gboolean creation_choose_names(Creation *creation, GError **error);
gboolean creation_choose_mac(Creation *creation, GError **error);
void creation_choose_index(Creation *creation);

/* choice.c: what was drawn and is in the way of the kernel's making the device (cause) is drawn
 * anew. FALSE: nothing was. */
gboolean creation_choose_again(Creation *creation, const GError *cause);

/* choice.c: what a generated MAC derives from. */
MacOrigin creation_mac_origin(const Creation *creation);

/* choice.c: whether a port of the network has the MAC, on whatever parent: those of a pool are one
 * network to the guests. A port that is ending counts if ending_too. */
gboolean creation_network_has_mac(const Creation *creation, const MacAddress *mac,
                                  gboolean ending_too);
