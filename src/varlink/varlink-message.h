/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Varlink messages between JSON text and typed values (varlink.org/Method-Call). As strict as
 * sd-varlink: an unknown top-level key, a duplicate key anywhere, trailing text and a value of the
 * wrong type are VARLINK_ERROR_PROTOCOL. Parameters may be missing, null or an object. No I/O.
 */
#pragma once

#include <glib.h>
#include <jansson.h>

/* The errors of this module. */
#define VARLINK_ERROR (varlink_error_quark())
GQuark varlink_error_quark(void);

typedef enum VarlinkError {
    VARLINK_ERROR_PROTOCOL,  /* the peer broke the protocol: bad JSON, unknown keys, wrong types */
    VARLINK_ERROR_TOO_LARGE, /* a message above the limit */
    VARLINK_ERROR_CLOSED, /* the peer closed the connection, perhaps in the middle of a message */
    VARLINK_ERROR_TIMED_OUT,
    VARLINK_ERROR_BUSY,    /* a call is already in flight */
    VARLINK_ERROR_CONNECT, /* nothing listens there; the message says why */
} VarlinkError;

/* Clear with varlink_call_message_clear(). */
typedef struct VarlinkCallMessage {
    char *method;       /* as sent; it may be unqualified */
    json_t *parameters; /* always an object */
    gboolean oneway, more, upgrade;
} VarlinkCallMessage;

/* Clear with varlink_reply_message_clear(). */
typedef struct VarlinkReplyMessage {
    char *error;        /* or NULL */
    json_t *parameters; /* always an object */
    gboolean continues; /* excludes error */
} VarlinkReplyMessage;

/* Whether the JSON text has at most this many values. The quick scan may overcount. It is there
 * because a text of 64 KiB can cost megabytes and milliseconds to parse. */
gboolean varlink_message_has_at_most(const char *text, gsize length, guint values);

/* text: one message without its NUL, as a VarlinkFrame returns it. "more" together with "oneway" is
 * an error. */
gboolean varlink_call_message_parse(const char *text, gsize length, VarlinkCallMessage *ret_call,
                                    GError **error);
gboolean varlink_reply_message_parse(const char *text, gsize length, VarlinkReplyMessage *ret_reply,
                                     GError **error);

void varlink_call_message_clear(VarlinkCallMessage *call);
void varlink_reply_message_clear(VarlinkReplyMessage *reply);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(VarlinkCallMessage, varlink_call_message_clear)
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(VarlinkReplyMessage, varlink_reply_message_clear)

/*
 * The text of a message. The terminating NUL is also its frame: strlen() + 1 bytes go on the wire.
 * Free with free(). NULL if parameters cannot be written as JSON (text that is not UTF-8).
 */
char *varlink_call_message_format(const VarlinkCallMessage *call);
char *varlink_reply_message_format(const VarlinkReplyMessage *reply);
