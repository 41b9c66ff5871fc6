/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * QEMU's monitor protocol (QMP, docs/interop/qmp-spec.txt in QEMU) between bytes and typed
 * messages. It works on memory and does no I/O. What QEMU sends is not trusted: a guest that has
 * taken over QEMU writes it.
 */
#pragma once

#include <glib.h>
#include <jansson.h>

/* One message of QEMU: bytes, and values in its JSON. */
#define QMP_MESSAGE_MAX (1024 * 1024)
#define QMP_VALUES_MAX 65536

#define QMP_ERROR (qmp_error_quark())
GQuark qmp_error_quark(void);

typedef enum QmpError {
    QMP_ERROR_REFUSED,   /* QEMU's answer to a command is an error; the message is QEMU's */
    QMP_ERROR_PROTOCOL,  /* the other end does not speak QMP */
    QMP_ERROR_CLOSED,    /* the connection has ended */
    QMP_ERROR_TIMED_OUT, /* no answer in time */
} QmpError;

typedef enum QmpMessageType {
    QMP_MESSAGE_GREETING,
    QMP_MESSAGE_RETURN,
    QMP_MESSAGE_ERROR,
    QMP_MESSAGE_EVENT,
} QmpMessageType;

/* Clear with qmp_message_clear(). */
typedef struct QmpMessage {
    QmpMessageType type;
    json_t *value; /* what a command returned, an event's data (an object), or NULL */
    char *name;    /* the event's, or the error's class; else NULL */
    char *text;    /* the error's description; else NULL */
    guint64 id;    /* of the command that this answers */
    gboolean has_id;
} QmpMessage;

/* line: one message without its newline. Fails with QMP_ERROR_PROTOCOL. */
gboolean qmp_message_parse(const char *line, gsize length, QmpMessage *ret_message, GError **error);
void qmp_message_clear(QmpMessage *message);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(QmpMessage, qmp_message_clear)

/* A command as a line with its newline; arguments (an object or NULL) are borrowed. NULL if they
 * cannot be written as JSON. Free with g_free(). */
char *qmp_command_format(const char *command, json_t *arguments, guint64 id);

/* Cuts a stream of bytes into lines. Set up with qmp_lines_new(). */
typedef struct QmpLines QmpLines;

/* limit: bytes in one line, and so in the buffer. */
QmpLines *qmp_lines_new(gsize limit);
void qmp_lines_free(QmpLines *lines);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(QmpLines, qmp_lines_free)

/* Adds bytes after all lines were taken. Fails with QMP_ERROR_PROTOCOL if a line is too long: the
 * stream is unusable then. */
gboolean qmp_lines_add(QmpLines *lines, const char *bytes, gsize length, GError **error);

/* The next whole line without its end (LF or CR LF), valid until the next call. FALSE: add more. */
gboolean qmp_lines_next(QmpLines *lines, const char **ret_line, gsize *ret_length);
