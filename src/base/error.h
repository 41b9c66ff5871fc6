/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * GErrors that carry an errno. The domain is ERRNO_ERROR and the code is the errno itself, so that
 * callers can distinguish EBUSY from EINVAL, while the message is for people.
 */
#pragma once

#include <glib.h>

#define ERRNO_ERROR (errno_error_quark())
GQuark errno_error_quark(void);

/* g_set_error(), but returns FALSE, so that `return error_set(…)` reads well. */
gboolean error_set(GError **error, GQuark domain, int code, const char *format, ...)
    G_GNUC_PRINTF(4, 5);

/*
 * Sets *error to "<format…>: <text of errnum>". errnum is positive (an errno value). Always returns
 * FALSE. errno is left unchanged.
 */
gboolean error_set_errno(GError **error, int errnum, const char *format, ...) G_GNUC_PRINTF(3, 4);

/* Whether error is of the domain ERRNO_ERROR and carries errnum. error may be NULL. */
gboolean error_is_errno(const GError *error, int errnum);

/* For work that continues after a failure but reports the first one: *failure becomes error (taken,
 * or NULL) unless it is already set. failure must not be NULL. */
void error_keep_first(GError **failure, GError *error);

/*
 * Repeats the expression while it fails with EINTR, and yields its value (like glibc's
 * TEMP_FAILURE_RETRY, which clang and musl do not always have).
 */
#define RETRY_EINTR(statement)                                                                     \
    ({                                                                                             \
        long retry_result_;                                                                        \
        do                                                                                         \
            retry_result_ = (long)(statement);                                                     \
        while (retry_result_ == -1 && errno == EINTR);                                             \
        retry_result_;                                                                             \
    })
