/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A client of QEMU's monitor (QMP) on a connected AF_UNIX stream socket, on the thread-default main
 * context. Commands are sent one after the other, each when the one before it has been answered: a
 * descriptor then belongs to the command that it came with.
 */
#pragma once

#include "qmp-message.h"

#include <sys/types.h>

typedef struct Qmp Qmp;

/* Exactly one of value (borrowed) and error is set. */
typedef void (*QmpDone)(json_t *value, const GError *error, gpointer user_data);

typedef struct QmpHandlers {
    /* QEMU is there and takes commands. */
    void (*ready)(Qmp *qmp, gpointer user_data);

    /* The connection has ended, and every command that was called has failed. error is QMP_ERROR.
     * Called once; the last call of a handler. */
    void (*closed)(Qmp *qmp, const GError *error, gpointer user_data);
} QmpHandlers;

/* Takes fd. greeting: how many milliseconds QEMU may take to greet, and again to become ready; 0:
 * no limit, for one that is still to be started. */
Qmp *qmp_new(int fd, guint greeting, const QmpHandlers *handlers, gpointer user_data);

/* Connects to a monitor's socket first. ERRNO_ERROR. */
Qmp *qmp_connect(const char *path, guint greeting, const QmpHandlers *handlers, gpointer user_data,
                 GError **error);

/* Closes the connection; no callback is called from then on. May be called from each of them. NULL
 * is fine. */
void qmp_free(Qmp *qmp);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Qmp, qmp_free)

/* The process that speaks QMP, by the kernel's word (SCM_CREDENTIALS): known once it has greeted.
 * 0: not visible in this PID namespace. */
pid_t qmp_get_peer_pid(const Qmp *qmp);

/* Why the connection has ended (QMP_ERROR, borrowed); NULL: it has not. */
const GError *qmp_get_failure(const Qmp *qmp);

/* How many milliseconds QEMU may take for a command, unless another time is given. */
#define QMP_DEADLINE 30000

/*
 * Queues a command; before qmp_new()'s QEMU is ready, too. arguments (an object or NULL) and fd (or
 * -1), which QEMU's getfd gets, are taken. done is called from the main loop, never from here, with
 * QEMU's answer, or with QMP_ERROR: REFUSED, CLOSED, or TIMED_OUT deadline milliseconds after the
 * command was sent (0: never), which QEMU may then still carry out.
 */
void qmp_call(Qmp *qmp, const char *command, json_t *arguments, int fd, guint deadline,
              QmpDone done, gpointer user_data);

/* Calls event for each of QEMU's events from now on. data is an object, borrowed. When the
 * connection ends, before anything else is told of that: name and data are NULL. */
typedef void (*QmpEvent)(const char *name, json_t *data, gpointer user_data);
void qmp_listen(Qmp *qmp, QmpEvent event, gpointer user_data);

/* Ends what qmp_listen() began with the same arguments. */
void qmp_unlisten(Qmp *qmp, QmpEvent event, gpointer user_data);
