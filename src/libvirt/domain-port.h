/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A domain's ports among those of macvtapd (a list of MacvtapPort, ask_ports()).
 * The ports that are returned belong to the list. */
#pragma once

#include "ask.h"
#include "domain-xml.h"

#include <sys/types.h>

/* The port with this device, whoever holds it; NULL: none. */
const MacvtapPort *domain_port_find(const GPtrArray *ports, const char *target);

/* The same, from macvtapd; NULL if there is none, or it is not visible. FALSE: unknown. Free with
 * macvtap_port_free(). */
gboolean domain_port_get(MacvtapClient *client, const char *target, MacvtapPort **ret_port,
                         GError **error);

/* Whether the domain with this UUID holds the port. */
gboolean domain_port_is_held(const MacvtapPort *port, const char *uuid);

/* A port which the domain itself holds, and that wanted cannot be made beside: it has its device's
 * name or its MAC. */
const MacvtapPort *domain_port_find_old(const GPtrArray *ports, const char *uuid,
                                        const DomainPort *wanted);

/* Adds to macvtapd's last refusal the domain whose port conflicts by its device's name or its MAC,
 * as the user knows domains rather than ports. Adds nothing if no other domain (uuid: this one's)
 * has it. proc_folder: "/proc". */
void domain_port_explain(MacvtapClient *client, const char *uuid, const DomainPort *wanted,
                         const char *proc_folder, GError **error);

/* The number of the port's device, as below the folder sysfs ("/sys"); FALSE where it is not shown,
 * as in another network namespace. */
gboolean domain_port_get_device(const MacvtapPort *port, const char *sysfs, dev_t *ret_device);

/* Whether both are valid and the same MAC. */
gboolean domain_port_same_mac(const char *a, const char *b);

/*
 * domain-filter.c: libvirt's network filters (libvirt.org/formatnwfilter.html) and the guard of a
 * port. libvirt accepts a <filterref> for a port's interface, but installs its rules where a
 * macvtap's frames never pass. The port's guard can enforce what libvirt's own filters promise: a
 * domain that uses one of them gets its port if the guard is at least as strict; otherwise the
 * error says what is missing.
 */

/* Checks that the port's guard enforces what the domain's <filterref> promises; TRUE without one.
 * Fails with DOMAIN_XML_ERROR_PORTS. */
gboolean domain_filter_check(const DomainPort *wanted, const MacvtapPort *port, GError **error);
