/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libvirt's network filters (libvirt.org/formatnwfilter.html) and the guard of a port. libvirt
 * takes a <filterref> for a port's interface and puts its rules where a macvtap's frames never
 * pass. What its own filters promise, the port's guard can keep: a domain that relies on one of
 * them gets its port if that guard is at least as strict, and else is told what is missing.
 */
#pragma once

#include "domain-xml.h"

#include "ask.h"

/* Whether the port's guard keeps what the domain's <filterref> promises; TRUE without one. Fails
 * with DOMAIN_XML_ERROR_PORTS. */
gboolean domain_filter_check(const DomainPort *wanted, const MacvtapPort *port, GError **error);
