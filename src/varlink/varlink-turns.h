/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whose turn it is, when more than one user waits for the service. A pure data structure: no I/O,
 * no clock; the caller says what each turn has cost.
 */
#pragma once

#include <glib.h>

typedef struct VarlinkTurns VarlinkTurns;

/* One user's share. */
typedef struct VarlinkShare VarlinkShare;

VarlinkTurns *varlink_turns_new(void);

/* No share may be held and nothing may wait any more. NULL is fine. */
void varlink_turns_free(VarlinkTurns *turns);

/* The share of this user (any number); it is there as long as somebody holds it. */
VarlinkShare *varlink_turns_hold(VarlinkTurns *turns, guint64 user);
void varlink_turns_release(VarlinkTurns *turns, VarlinkShare *share);

/* How many hold the share of this user. */
guint varlink_turns_holders(const VarlinkTurns *turns, guint64 user);

/* Has item wait, behind the others of its share. Item (its data is the caller's) may wait once. */
void varlink_turns_wait(VarlinkTurns *turns, VarlinkShare *share, GList *item);

/* Has item, which waits, wait no longer. */
void varlink_turns_cancel(VarlinkTurns *turns, VarlinkShare *share, GList *item);

/* Takes the one whose turn it is, or NULL: nobody waits. */
GList *varlink_turns_next(VarlinkTurns *turns);

/* A turn of the share has cost so much; the unit is the caller's. */
void varlink_turns_charge(VarlinkTurns *turns, VarlinkShare *share, guint64 cost);
