/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libvirt's network filters (libvirt.org/formatnwfilter.html) and the guard of a port. libvirt
 * accepts a <filterref> for a port's interface, but installs its rules where a macvtap's frames
 * never pass. The port's guard can enforce what libvirt's own filters promise: a domain that uses
 * one of them gets its port if the guard is at least as strict; otherwise the error says what is
 * missing.
 */
#pragma once

#include "domain-xml.h"

#include "ask.h"

/* Checks that the port's guard enforces what the domain's <filterref> promises; TRUE without one.
 * Fails with DOMAIN_XML_ERROR_PORTS. */
gboolean domain_filter_check(const DomainPort *wanted, const MacvtapPort *port, GError **error);
