/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Unpredictable random numbers. GLib's generator is predictable from a few hundred of its numbers.
 */
#pragma once

#include "privileges.h"

#include <glib.h>

extern const Privileges random_privileges;

guint32 random_number(void);

/* At least begin and below end. */
int random_in_range(int begin, int end);
