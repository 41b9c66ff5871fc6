/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a probe has learnt about a network, and what that means for a guest, in words: pure. */
#pragma once

#include "probe-frames.h"

typedef enum ProbeTruth { PROBE_UNKNOWN, PROBE_NO, PROBE_YES } ProbeTruth;

typedef struct ProbeGateway {
    IpAddress address;  /* all zero: none is known, and the rest is empty */
    const char *origin; /* how it is known: "by Gateway=" */
    gboolean answers;
    MacAddress mac;
    gboolean is_contested; /* other_mac has answered for it, too */
    MacAddress other_mac;
    ProbeTruth host; /* whether it answers the host itself, with the parent's own MAC */
} ProbeGateway;

typedef enum ProbeFamily { PROBE_IPV4, PROBE_IPV6, PROBE_FAMILIES } ProbeFamily;

#define PROBE_OFFERS_MAX 4

typedef struct ProbeFacts {
    /* The port; texts are borrowed. */
    const char *parent, *vlan; /* vlan "": none */
    MacAddress mac;
    guint mtu;            /* bytes */
    gboolean has_carrier; /* the parent has */
    gboolean is_passthru; /* it has the parent's own MAC */
    gboolean is_source;   /* it hears the network's Sources= only */
    gboolean serves_dhcp; /* the port answers its guest's DHCP itself */
    gboolean has_subnet;  /* the network gives addresses */
    gboolean is_limited;  /* the guard lets the port send from no address that is only offered */

    /* What was heard */
    ProbeAnswer offers[PROBE_OFFERS_MAX]; /* of one server each */
    guint n_offers;
    gboolean is_taken; /* a station uses the offered address: taken_by */
    MacAddress taken_by;
    ProbeAnswer router; /* PROBE_NOTHING: no router has advertised itself */
    ProbeGateway gateways[PROBE_FAMILIES];
    guint answers;       /* frames of other stations to the port's MAC that answered it */
    guint group_answers; /* frames to all stations that answered it */
    guint heard;         /* all frames that other machines sent */

    /* The largest packet that was asked and answered, in bytes; 0: none. */
    gsize echo_size;
    gboolean padded_asked, padded_answered; /* an ARP request padded to the MTU */

    double seconds; /* how long it was listened */
} ProbeFacts;

typedef enum ProbeResult {
    PROBE_OK,
    PROBE_NOTE,
    PROBE_UNTOLD, /* another fault hides it */
    PROBE_PROBLEM,
} ProbeResult;

typedef struct ProbeFinding {
    const char *check;
    ProbeResult result;
    char *message;
    char *remedy; /* whom to ask for what; may be NULL */
} ProbeFinding;

/* The findings, in the order of the checks; g_ptr_array_unref() them. */
GPtrArray *probe_report(const ProbeFacts *facts);

/* "ok", "note", "unknown" or "problem". */
const char *probe_result_name(ProbeResult result);

/* probe-ask.c: asks a network, through a port's queue, what a guest there would get. */

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
