/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Filters the frames of host links: their programs (host-link.bpf.c), loaded once, and their maps.
 * Attaching the programs is the kernel module's (filters_attach of ops.h). There are two
 * implementations: the one in this module and a fake for tests
 * (tests/support/fixtures/fake-host-filter.h).
 */
#pragma once

#include "ip-address.h"
#include "mac-address.h"

#include <glib.h>

typedef struct HostFilter HostFilter;

/* A loaded program: its descriptor, owned by the filter, and its kernel ID. */
typedef struct HostPrograms {
    int egress_fd, ingress_fd;
    guint32 egress_id, ingress_id;
} HostPrograms;

/* A station that is no port's guest was heard to have an address that a guest claims. */
typedef void (*HostHeardHandler)(int index, const IpAddress *address, const MacAddress *mac,
                                 gpointer user_data);

/* index: a host link's. Failures are ERRNO_ERROR. */
typedef struct HostFilterOps {
    const HostPrograms *(*programs)(HostFilter *filter); /* borrowed; it never changes */

    /* The addresses that the host has there; of more than HOST_LINK_ADDRESSES the first count. */
    gboolean (*set_link)(HostFilter *filter, int index, const IpAddress *addresses, gsize n,
                         GError **error);
    void (*forget_link)(HostFilter *filter, int index);

    /* A port whose guest may speak with the host, from these addresses (HOST_PORT_ADDRESSES at
     * most). */
    gboolean (*set_port)(HostFilter *filter, int index, const MacAddress *mac,
                         const IpAddress *addresses, gsize n, GError **error);
    void (*forget_port)(HostFilter *filter, int index, const MacAddress *mac);

    /* Listens for stations that have this address, from now on once more if one was heard. */
    gboolean (*set_claim)(HostFilter *filter, int index, const IpAddress *address, GError **error);
    void (*forget_claim)(HostFilter *filter, int index, const IpAddress *address);

    /* Calls handler from the thread-default main context. Call it once. */
    gboolean (*watch)(HostFilter *filter, HostHeardHandler handler, gpointer user_data,
                      GError **error);

    void (*free)(HostFilter *filter);
} HostFilterOps;

/* The first member of each implementation. */
struct HostFilter {
    const HostFilterOps *ops;
};

/* Takes the privileges of datapath_open(), which calls it. */
HostFilter *host_filter_open(GError **error);

/* Frees the descriptors only: attached programs stay in force. Accepts NULL. */
static inline void
host_filter_free(HostFilter *filter)
{
    if (filter)
        filter->ops->free(filter);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(HostFilter, host_filter_free)
