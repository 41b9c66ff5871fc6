/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation: start-time fair queuing. Each share has a tag, the total cost of its turns;
 * the waiting share with the lowest tag is next. So a user with five hundred connections gets no
 * more than a user with one, and a user with long turns gets fewer of them. A share that starts
 * waiting again gets at least the tag of the last turn given: idle time earns no credit. So a user
 * who asks for little waits for one turn of another user, the running one, and hardly more.
 */
#include "varlink-turns.h"

struct VarlinkShare {
    guint64 user;
    guint holders;
    guint64 tag;
    GQueue waiting; /* the caller's items */
};

struct VarlinkTurns {
    GHashTable *shares; /* user -> VarlinkShare */
    GPtrArray *waiting; /* the shares with waiting items */
    guint64 last_tag;   /* the tag of the share that had the last turn, at that time */
};

static void
share_free(gpointer data)
{
    VarlinkShare *share = data;

    g_assert(g_queue_is_empty(&share->waiting));
    g_free(share);
}

VarlinkTurns *
varlink_turns_new(void)
{
    VarlinkTurns *turns = g_new0(VarlinkTurns, 1);

    turns->shares = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, share_free);
    turns->waiting = g_ptr_array_new();
    return turns;
}

void
varlink_turns_free(VarlinkTurns *turns)
{
    if (!turns)
        return;
    g_hash_table_unref(turns->shares);
    g_ptr_array_unref(turns->waiting);
    g_free(turns);
}

VarlinkShare *
varlink_turns_hold(VarlinkTurns *turns, guint64 user)
{
    VarlinkShare *share = g_hash_table_lookup(turns->shares, &user);

    if (!share) {
        share = g_new0(VarlinkShare, 1);
        share->user = user;
        share->tag = turns->last_tag;
        g_queue_init(&share->waiting);
        g_hash_table_insert(turns->shares, &share->user, share);
    }
    share->holders++;
    return share;
}

void
varlink_turns_release(VarlinkTurns *turns, VarlinkShare *share)
{
    if (--share->holders == 0)
        g_hash_table_remove(turns->shares, &share->user);
}

guint
varlink_turns_holders(const VarlinkTurns *turns, guint64 user)
{
    const VarlinkShare *share = g_hash_table_lookup(turns->shares, &user);

    return share ? share->holders : 0;
}

void
varlink_turns_wait(VarlinkTurns *turns, VarlinkShare *share, GList *item)
{
    if (g_queue_is_empty(&share->waiting)) {
        share->tag = MAX(share->tag, turns->last_tag);
        g_ptr_array_add(turns->waiting, share);
    }
    g_queue_push_tail_link(&share->waiting, item);
}

void
varlink_turns_cancel(VarlinkTurns *turns, VarlinkShare *share, GList *item)
{
    g_queue_unlink(&share->waiting, item);
    if (g_queue_is_empty(&share->waiting))
        g_ptr_array_remove_fast(turns->waiting, share);
}

GList *
varlink_turns_next(VarlinkTurns *turns)
{
    VarlinkShare *next = NULL;
    GList *item;

    for (guint i = 0; i < turns->waiting->len; i++) {
        VarlinkShare *share = turns->waiting->pdata[i];

        if (!next || share->tag < next->tag)
            next = share;
    }
    if (!next)
        return NULL;
    turns->last_tag = next->tag;
    item = g_queue_peek_head_link(&next->waiting);
    varlink_turns_cancel(turns, next, item);
    return item;
}

void
varlink_turns_charge(VarlinkTurns *turns, VarlinkShare *share, guint64 cost)
{
    share->tag += cost;
}
