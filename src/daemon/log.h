/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The log: lines on stderr. If stderr is the journal, the lines go there with fields
 * (systemd.journal-fields(7)); if $JOURNAL_STREAM says that the journal reads stderr another way,
 * each line starts with its priority (sd-daemon(3)); else it is plain text.
 */
#pragma once

#include "privileges.h"

#include <glib.h>

extern const Privileges log_privileges;

/* Sends GLib's log there from now on, except debug messages. */
void log_start(void);

/* Logs the reason why the daemon ends, as an error. */
void log_failure(const char *message);
