/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Decides whose turn it is when several users wait for the service. A pure data structure: no I/O,
 * no clock; the caller says what each turn cost.
 */
#pragma once

#include <glib.h>

typedef struct VarlinkTurns VarlinkTurns;

/* One user's share. */
typedef struct VarlinkShare VarlinkShare;

VarlinkTurns *varlink_turns_new(void);

/* All shares must be released and nothing may be waiting. NULL is fine. */
void varlink_turns_free(VarlinkTurns *turns);

/* The share of this user (any number); it exists while someone holds it. */
VarlinkShare *varlink_turns_hold(VarlinkTurns *turns, guint64 user);
void varlink_turns_release(VarlinkTurns *turns, VarlinkShare *share);

/* The number of holders of this user's share. */
guint varlink_turns_holders(const VarlinkTurns *turns, guint64 user);

/* Queues item behind the others of its share. An item, whose data is the caller's, may be queued
 * once. */
void varlink_turns_wait(VarlinkTurns *turns, VarlinkShare *share, GList *item);

/* Removes a waiting item from the queue. */
void varlink_turns_cancel(VarlinkTurns *turns, VarlinkShare *share, GList *item);

/* Removes and returns the item whose turn it is; NULL: nothing waits. */
GList *varlink_turns_next(VarlinkTurns *turns);

/* Adds the cost of a turn to the share, in the caller's unit. */
void varlink_turns_charge(VarlinkTurns *turns, VarlinkShare *share, guint64 cost);
