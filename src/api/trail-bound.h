/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Bounds the number of logged refusals, so that users cannot fill the log. Counts
 * in windows of a minute; the clock is the caller's.
 */
#pragma once

#include <glib.h>
#include <sys/types.h>

typedef struct TrailBound TrailBound;

typedef enum TrailVerdict {
    TRAIL_TELL,
    TRAIL_TELL_NO_MORE, /* the first refusal of this user that was left out */
    TRAIL_LEAVE_OUT,
} TrailVerdict;

/* The number of refusals that are logged in a window: for one user, and for all together. */
#define TRAIL_PER_USER 20
#define TRAIL_IN_ALL 400

#define TRAIL_WINDOW (60 * G_USEC_PER_SEC)

/* Stands for all users that come after TRAIL_IN_ALL were logged; not a uid. */
#define TRAIL_OTHERS ((uid_t)-2)

/* Reports how many refusals of a user were left out. */
typedef void (*TrailLeftOut)(uid_t user, guint n, gpointer user_data);

TrailBound *trail_bound_new(void);
void trail_bound_free(TrailBound *bound);

/* A refusal of this user at this time (microseconds). If a window has ended, first reports what was
 * left out in it. */
TrailVerdict trail_bound_ask(TrailBound *bound, uid_t user, gint64 now, TrailLeftOut left_out,
                             gpointer user_data);

/* Ends the window, and reports what was left out in it. */
void trail_bound_end(TrailBound *bound, TrailLeftOut left_out, gpointer user_data);
