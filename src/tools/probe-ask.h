/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Asks a network, through a port's queue, what a guest there would get. */
#pragma once

#include "probe-report.h"

/* Nothing is waited for longer, in milliseconds: for what a server or router says of itself, and
 * in all. */
#define PROBE_LEARN_MS 3600
#define PROBE_ALL_MS 4800

typedef struct ProbeSockets {
    int tap_fd;        /* a queue of the port; non-blocking */
    int host_fd;       /* a packet socket on the parent, or -1: the host is not asked */
    MacAddress host;   /* the parent's MAC */
    GArray *own_macs;  /* of MacAddress: those of this host and its other ports */
    IpAddress address; /* the port's own IPv4 address; all zero: none */
} ProbeSockets;

/* Fills in facts, whose first part (the port) and gateways as far as configured are given. */
void probe_ask(const ProbeSockets *sockets, ProbeFacts *facts);
