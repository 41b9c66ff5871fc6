/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/*
 * A name for a domain's new device that shows its domain: the valid characters of the domain's
 * name, and a number; a user's (users) begins with macvtapd's prefix for users. The names of two
 * domains may be truncated to the same text, so taken names (a set of char *; NULL: none) and those
 * of this machine's interfaces (interface_index: if_nametoindex()) are skipped. Free with g_free().
 */
char *target_name_choose(const char *domain, gboolean users, GHashTable *taken,
                         guint (*interface_index)(const char *name));
