/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/*
 * A name for a domain's new device that says whose it is: what of the domain's name an interface
 * may have, and a number; a user's (users) begins as macvtapd wants it. Names of two domains may be
 * cut alike, so none is chosen that is taken (a set of char *; NULL: none is) or that an interface
 * of this machine has (interface_index: if_nametoindex()). Free with g_free().
 */
char *target_name_choose(const char *domain, gboolean users, GHashTable *taken,
                         guint (*interface_index)(const char *name));
