/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A sequence of QMP commands that is undone when one of them fails. */
#pragma once

#include "qmp.h"

typedef struct QmpSteps QmpSteps;

/* error: what failed, after everything was undone that can be; NULL: every command succeeded. */
typedef void (*QmpStepsDone)(const GError *error, gpointer user_data);

/* qmp must stay until the steps are done. */
QmpSteps *qmp_steps_new(Qmp *qmp);

/* Adds a command, as for qmp_call(). */
void qmp_steps_add(QmpSteps *steps, const char *command, json_t *arguments, int fd);

/* Adds the removal of a device (its path in QOM) by the guest: done when it is gone. Fails if the
 * guest refuses, or has not done it in time (milliseconds). */
void qmp_steps_add_unplug(QmpSteps *steps, const char *path, guint deadline);

/* What undoes the last command that was added, and what undoes such a removal's opposite. Both are
 * also carried out if that command itself has failed: QEMU may have carried it out without being
 * able to say so. */
void qmp_steps_undo(QmpSteps *steps, const char *command, json_t *arguments);
void qmp_steps_undo_by_unplug(QmpSteps *steps, const char *path, guint deadline);

/* Starts, and frees the steps after done. */
void qmp_steps_run(QmpSteps *steps, QmpStepsDone done, gpointer user_data);
