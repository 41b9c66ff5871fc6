/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The frames by which `network probe` asks a network what a guest would get from it, and what the
 * frames that it hears say: pure functions on memory. A frame is an answer only if it has what the
 * question chose at random, or names the address that was asked for; anything else on the network
 * is PROBE_NOTHING.
 */
#pragma once

#include "ip-address.h"
#include "mac-address.h"

/* The largest frame: an Ethernet header and the largest MTU. */
#define PROBE_FRAME_MAX (14 + 65535)

/* The smallest packet of an echo: IPv6, ICMPv6 and the token. */
#define PROBE_ECHO_MIN 56

/* The asking port, and what identifies the answers to its questions. */
typedef struct ProbeStation {
    MacAddress mac;
    guint32 transaction; /* DHCP's xid */
    guint16 echo;        /* the identifier in ICMP */
    guint8 token[8];     /* the first bytes of an echo's data */
} ProbeStation;

/*
 * Each writes a whole Ethernet frame and returns its length in bytes. size is the length of the
 * packet in it, as an MTU counts: what is beyond the message is padding.
 */

/* A request for target's MAC. sender NULL: no address yet, an ARP probe (RFC 5227), of which nobody
 * takes notice. size 0: no padding. */
gsize probe_write_arp(const ProbeStation *station, const IpAddress *sender, const IpAddress *target,
                      gsize size, guint8 frame[static PROBE_FRAME_MAX]);

/* A DHCPDISCOVER (RFC 2131); broadcast: the answer shall be broadcast. */
gsize probe_write_discover(const ProbeStation *station, gboolean broadcast,
                           guint8 frame[static PROBE_FRAME_MAX]);

/* Router and neighbour solicitation (RFC 4861) from the link-local address that derives from the
 * MAC. */
gsize probe_write_router_question(const ProbeStation *station,
                                  guint8 frame[static PROBE_FRAME_MAX]);
gsize probe_write_neighbour_question(const ProbeStation *station, const IpAddress *target,
                                     guint8 frame[static PROBE_FRAME_MAX]);

/* An echo request of size bytes, at least PROBE_ECHO_MIN, that must not be fragmented. Both
 * addresses are of one family; source NULL: the link-local address (IPv6). */
gsize probe_write_echo(const ProbeStation *station, const IpAddress *source,
                       const IpAddress *destination, const MacAddress *destination_mac, gsize size,
                       guint8 frame[static PROBE_FRAME_MAX]);

typedef enum ProbeKind {
    PROBE_NOTHING,   /* no answer */
    PROBE_ARP,       /* an ARP reply */
    PROBE_NEIGHBOUR, /* a neighbour advertisement */
    PROBE_OFFER,     /* a DHCPOFFER */
    PROBE_ROUTER,    /* a router advertisement */
    PROBE_ECHO,      /* an echo reply */
} ProbeKind;

/* Addresses that are absent are all zero. */
typedef struct ProbeAnswer {
    ProbeKind kind;
    MacAddress from;    /* the frame's sender */
    gboolean is_for_us; /* it was sent to the station's MAC, not to a group */
    IpAddress address;  /* of the neighbour, DHCP server, router, or who answers the echo */
    MacAddress mac;     /* ARP, NEIGHBOUR: the address's; ROUTER: the frame's sender */
    IpAddress offered;  /* OFFER: the address for the guest; ROUTER: a prefix for its addresses */
    guint bits;         /* OFFER, ROUTER: the length of its prefix; 0: not given */
    IpAddress gateway;  /* OFFER */
    guint32 seconds;    /* OFFER: the lease's; ROUTER: as a default router, 0: it is none */
    guint mtu;          /* OFFER, ROUTER: what it tells a guest; 0: nothing */
    gsize size;         /* ECHO: bytes of the packet */
} ProbeAnswer;

/* What a frame says to the station. FALSE: it is too short for Ethernet. */
gboolean probe_read(const ProbeStation *station, const guint8 *frame, gsize length,
                    ProbeAnswer *ret_answer);

/* Whether an address of a ProbeAnswer is given. */
gboolean probe_has_address(const IpAddress *address);

/* The link-local address of a MAC (RFC 4291, appendix A). */
IpAddress probe_link_local(const MacAddress *mac);
