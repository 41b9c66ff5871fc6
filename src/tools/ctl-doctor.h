/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of doctor share. */
#pragma once

#include "macvtapctl.h"

/* Prints what was found; returns the number of problems, 0 or 1. */
guint doctor_report(gboolean good, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* ctl-doctor-host.c: whether the kernel has what ports and these networks (of MacvtapNetwork) need;
 * what programs of the host do to the devices of these ports (of MacvtapPort). How many problems.
 */
guint doctor_check_kernel(const GPtrArray *networks);
guint doctor_check_host(const GPtrArray *ports);
