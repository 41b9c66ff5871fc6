/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "trail-bound.h"

typedef struct BoundUser {
    guint told, left_out;
} BoundUser;

struct TrailBound {
    gint64 begin; /* of the window */
    guint told;   /* all users' refusals in it */
    GHashTable
        *users; /* uid -> BoundUser of the window; no more than TRAIL_IN_ALL and the others */
};

TrailBound *
trail_bound_new(void)
{
    TrailBound *bound = g_new0(TrailBound, 1);

    bound->begin = G_MININT64;
    bound->users = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    return bound;
}

void
trail_bound_free(TrailBound *bound)
{
    if (!bound)
        return;
    g_hash_table_unref(bound->users);
    g_free(bound);
}

void
trail_bound_end(TrailBound *bound, TrailLeftOut left_out, gpointer user_data)
{
    GHashTableIter iter;
    gpointer uid, value;

    g_hash_table_iter_init(&iter, bound->users);
    while (g_hash_table_iter_next(&iter, &uid, &value)) {
        const BoundUser *user = value;

        if (user->left_out > 0)
            left_out(GPOINTER_TO_UINT(uid), user->left_out, user_data);
    }
    g_hash_table_remove_all(bound->users);
    bound->told = 0;
}

/* A user with a line of their own is listed; all others are counted together once no lines are
 * left. */
static BoundUser *
find_user(TrailBound *bound, uid_t uid)
{
    BoundUser *user = g_hash_table_lookup(bound->users, GUINT_TO_POINTER(uid));

    if (user)
        return user;
    if (bound->told >= TRAIL_IN_ALL && uid != TRAIL_OTHERS)
        return find_user(bound, TRAIL_OTHERS);
    user = g_new0(BoundUser, 1);
    g_hash_table_insert(bound->users, GUINT_TO_POINTER(uid), user);
    return user;
}

TrailVerdict
trail_bound_ask(TrailBound *bound, uid_t uid, gint64 now, TrailLeftOut left_out, gpointer user_data)
{
    BoundUser *user;

    if (bound->begin == G_MININT64 || now - bound->begin >= TRAIL_WINDOW) {
        trail_bound_end(bound, left_out, user_data);
        bound->begin = now;
    }
    user = find_user(bound, uid);
    if (user->told < TRAIL_PER_USER && bound->told < TRAIL_IN_ALL) {
        user->told++;
        bound->told++;
        return TRAIL_TELL;
    }
    return user->left_out++ == 0 ? TRAIL_TELL_NO_MORE : TRAIL_LEAVE_OUT;
}
