/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a port answers to its guest's DHCP client (Serve=dhcp), and the options of such an answer
 * as they are on the wire. Pure: the datapath answers.
 */
#pragma once

#include "ip-address.h"

#include <glib.h>

/* Borrowed members; only IPv4 addresses go into an answer. */
typedef struct DhcpAnswer {
    IpAddress address;         /* the port's lease */
    guint bits;                /* the length of its subnet, of 32 */
    const IpAddress *gateway;  /* NULL: none */
    const GArray *dns;         /* of IpAddress; those of IPv6 are left out; NULL: none */
    const char *const *search; /* domains; NULL: none */
    guint32 mtu;               /* bytes */
    guint32 lease_time;        /* seconds; G_MAXUINT32: for ever */
} DhcpAnswer;

/* The most bytes of options that an answer has room for, besides its type, its server identifier,
 * the lease time and the client identifier. */
#define DHCP_ANSWER_OPTIONS_MAX 226

/*
 * The server identifier, to which a client sends when it renews its lease. This is the gateway:
 * every guest knows the way to it, and what is sent there gets no farther than the port. Without a
 * gateway it is an address of the block that RFC 3927 keeps free of autoconfigured hosts, so that
 * it stands in no other station's way; the guest gets a route to it.
 */
IpAddress dhcp_answer_server(const DhcpAnswer *answer);

/* The options from the subnet mask on, without the End option; free with g_byte_array_unref().
 * ERRNO_ERROR EINVAL, in words for users: a search domain is not one, or there is no room. */
GByteArray *dhcp_answer_options(const DhcpAnswer *answer, GError **error);
