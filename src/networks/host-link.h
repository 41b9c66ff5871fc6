/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The host links of [Host] Access=yes: one for each parent that has ports of such networks. */
#pragma once

#include "host-filter.h"
#include "host-link-view.h"
#include "network.h"
#include "ops.h"
#include "owned-devices.h"
#include "port.h"

#include <glib.h>

typedef struct HostLinks HostLinks;

/* Removes the devices that no port needs any longer; called from the main loop. */
typedef void (*HostLinksSweep)(gpointer user_data);

/* Visits the ports on this parent (0: all of them) with host_links_follow_port(). */
typedef void (*HostLinksVisit)(int parent_index, gpointer user_data);

/* All borrowed. filter: NULL if no program can be loaded: then there are no host links. */
HostLinks *host_links_new(Kernel *kernel, OwnedDevices *devices, HostFilter *filter,
                          HostLinksSweep sweep, HostLinksVisit visit, gpointer user_data,
                          GError **error);
void host_links_free(HostLinks *links);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(HostLinks, host_links_free)

/* The port was made, found again, or has changed. network: as it is now; NULL if it was removed or
 * is unusable. */
void host_links_follow_port(HostLinks *links, const Port *port, const Network *network);

/* The port is gone. */
void host_links_forget_port(HostLinks *links, const char *port_id);

/* After a start, when all ports were followed: removes what an earlier daemon left on the links. */
void host_links_settle(HostLinks *links);

/* A link event. */
void host_links_on_link(HostLinks *links, LinkEventType type, const LinkInfo *link);

/* Whether the device is a host link in use. */
gboolean host_links_need(const HostLinks *links, int index);

/* Whether there are any. */
gboolean host_links_are_there(const HostLinks *links);

/* networks_sweep_devices() has done its work. */
void host_links_swept(HostLinks *links);

/* Whether a host link has lost its last port, so that networks_sweep_devices() has work to do. */
gboolean host_links_have_idle(const HostLinks *links);

/* The host links that have ports of this network, as a GPtrArray of HostLinkView, sorted by parent;
 * free with g_ptr_array_unref(). */
GPtrArray *host_links_list(const HostLinks *links, const char *network);

extern const OwnedKind owned_host_link;
