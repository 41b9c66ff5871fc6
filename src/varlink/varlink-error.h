/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

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
