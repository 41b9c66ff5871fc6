/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Links that libnl 3.7 cannot make or read whole. Ends the program when it fails, as
 * test-namespace.h does. */
#pragma once

#include <glib.h>

/* Whether the kernel has links of this kind ("bond", "vlan"), perhaps in a module. */
gboolean test_has_kind(const char *kind);

/* A bond, up, in mode active-backup; it looks at its slaves' carrier every 10 ms. */
void test_bond_add(const char *name);

/* The link becomes the bond's slave, and is up after it. */
void test_bond_enslave(const char *bond, const char *name);

/* A VLAN device (802.1Q) as ip-link(8) makes it, up; returns its index. */
int test_vlan_add(const char *name, const char *parent, guint16 id);

/* IFLA_MACVLAN_MACADDR_DATA of the macvtap: a GByteArray of six octets each, in the kernel's order.
 */
GByteArray *test_macvtap_sources(const char *name);
