/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "privileges.h"

/*
 * Gives up, for ever and also by execve(2), every capability but these (CAPABILITY() joined; 0:
 * all), of those that we have. To be called first, before anything is read.
 */
gboolean capabilities_keep(guint64 wanted, GError **error);

/* Whether we may have all of these now. */
gboolean capabilities_are_held(guint64 wanted);
