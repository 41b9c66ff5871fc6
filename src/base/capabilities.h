/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "privileges.h"

/*
 * Permanently gives up every capability except these (CAPABILITY() values ORed; 0: all), also
 * across execve(2). Call it first, before reading any input.
 */
gboolean capabilities_keep(guint64 wanted, GError **error);

/* Whether we may have all of these now. */
gboolean capabilities_are_held(guint64 wanted);
