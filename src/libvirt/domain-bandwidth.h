/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libvirt's <bandwidth> of an interface (libvirt.org/formatdomain.html#quality-of-service) and the
 * limits of a port. libvirt cannot apply it to a port (docs/libvirt.md), but a port's limits can
 * say the same: the attribute limits='…' of the port in the metadata.
 */
#pragma once

#include <glib.h>
#include <libxml/tree.h>

/* The limits that say the same as the element, as for macvtapctl port create --limits; free with
 * g_free(). NULL with *ret_reason (borrowed) if they cannot. */
char *domain_bandwidth_limits(const xmlNode *bandwidth, const char **ret_reason);

/* Whether text is what macvtapctl port create --limits takes; PORT_ERROR_INVALID_REQUEST. */
gboolean domain_limits_check(const char *text, GError **error);
