/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The log: a line each on stderr. Where that is the journal, the journal gets the lines' fields
 * (systemd.journal-fields(7)); where $JOURNAL_STREAM says that the journal reads it in another way,
 * each line begins with its priority (sd-daemon(3)); else a line is plain text.
 */
#pragma once

#include "privileges.h"

#include <glib.h>

extern const Privileges log_privileges;

/* From now on what GLib logs goes there, but for debugging. */
void log_start(void);

/* Why the daemon ends: it goes to the log as an error. */
void log_failure(const char *message);
