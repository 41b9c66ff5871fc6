/* SPDX-License-Identifier: LGPL-2.1-or-later OR GPL-2.0-only */
/*
 * What a port answers to its guest's DHCP client: the value of the map `dhcp`, keyed by the
 * device's ifindex (__u32), written by user space only. A port without an entry answers nothing.
 *
 * User space writes the answers as whole frames; the program only fills in what differs from one
 * question to the next, so that it needs no loop over options to make one. datapath-dhcp.c makes
 * them, dhcp-rules.h sends them.
 */
#pragma once

#include <linux/types.h>

enum {
    DHCP_BOOTP = 42,                   /* the message in a frame: after Ethernet, IPv4 and UDP */
    DHCP_COOKIE = DHCP_BOOTP + 236,    /* the four bytes before the options */
    DHCP_OPTIONS_AT = DHCP_COOKIE + 4, /* the first option is the message's type */
    DHCP_FRAME = 14 + 576, /* every client accepts an IP packet of 576 bytes (RFC 2131, 2) */
    DHCP_FRAME_ROOM = (DHCP_FRAME + 7) & ~7,
    DHCP_ID_MAX = 64, /* bytes of a client identifier; a longer one is not sent back */
};

/* The frames that are ready to be sent. */
enum dhcp_template {
    DHCP_GRANT, /* OFFER and ACK */
    DHCP_TELL,  /* ACK to an INFORM: no lease */
    DHCP_NAK,
    DHCP_TEMPLATES,
};

struct dhcp_frame {
    __u32 end; /* the offset of the End option, where a client identifier goes */
    __u32 unused;
    /* To the guest's MAC, and to no IPv4 address yet: its checksums are not filled in. */
    __u8 bytes[DHCP_FRAME_ROOM];
};

/* Addresses are in network byte order. */
struct dhcp_port {
    __u8 mac[6];        /* the guest's */
    __u8 server_mac[6]; /* from which the answers come */
    __u32 address;      /* the guest's lease */
    __u32 server;       /* the server identifier */
    __u32 answers_arp;  /* for the server identifier, which no station of the LAN has */
    /* Sums of 16-bit words, not folded, without the destination address: of the answers' IPv4
     * header, and of UDP's pseudo header. */
    __u32 ip_sum, udp_sum;
    __u32 unused;
    struct dhcp_frame frames[DHCP_TEMPLATES];
};
