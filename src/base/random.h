/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Numbers that nobody can tell from those before. GLib's own, which everybody may see who is given
 * a few hundred of them, tell all that follow.
 */
#pragma once

#include "privileges.h"

#include <glib.h>

extern const Privileges random_privileges;

guint32 random_number(void);

/* At least begin and below end. */
int random_in_range(int begin, int end);
