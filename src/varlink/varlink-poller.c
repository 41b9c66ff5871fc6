/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation. All sockets share one GSource and one epoll set, so the main loop's work
 * between two turns does not grow with the number of connections, as it would with one GSource
 * each. The set is edge-triggered, so a socket that waits for its turn is not reported again and
 * again.
 *
 * A socket with work waits for a turn. One iteration of the main loop gives one turn, so that
 * kernel messages and exited holders are handled in between, and charges the time it took to the
 * socket's user. The loop does not sleep while anyone waits.
 */
#include "varlink-private.h"

#include "varlink-turns.h"

#include "descriptor.h"
#include "error.h"

#include <errno.h>
#include <sys/epoll.h>

#define EVENTS_PER_PASS 256

struct VarlinkPoller {
    int epoll_fd;
    GSource *source;
    gpointer tag;
    VarlinkTurns *turns;
    guint n_waiting;
    gboolean in_turn, freed; /* freed during a turn; the memory goes when the turn ends */
};

struct VarlinkWatch {
    VarlinkPoller *poller;
    guint64 user;
    VarlinkShare *share;
    GList item; /* its data is the watch */
    gboolean waiting;
    int fd;
    guint32 events; /* not reported yet */
    gboolean output;
    VarlinkWatchFunc turn;
    gpointer user_data;
};

typedef struct PollerSource {
    GSource source;
    VarlinkPoller *poller;
} PollerSource;

void
varlink_watch_again(VarlinkWatch *watch)
{
    if (watch->waiting)
        return;
    watch->waiting = TRUE;
    watch->poller->n_waiting++;
    varlink_turns_wait(watch->poller->turns, watch->share, &watch->item);
}

static void
poller_collect(VarlinkPoller *poller)
{
    struct epoll_event events[EVENTS_PER_PASS];
    int n = epoll_wait(poller->epoll_fd, events, EVENTS_PER_PASS, 0);

    for (int i = 0; i < n; i++) {
        VarlinkWatch *watch = events[i].data.ptr;

        watch->events |= events[i].events;
        varlink_watch_again(watch);
    }
}

static void
poller_finish(VarlinkPoller *poller)
{
    varlink_turns_free(poller->turns);
    descriptor_clear(&poller->epoll_fd);
    g_source_destroy(poller->source);
    g_source_unref(poller->source);
    g_free(poller);
}

static void
poller_give_turn(VarlinkPoller *poller)
{
    GList *item = varlink_turns_next(poller->turns);
    gboolean nested = poller->in_turn; /* a handler runs the main loop */
    gint64 begin = g_get_monotonic_time();
    VarlinkWatch *watch;
    VarlinkShare *share;
    guint32 events;

    if (!item)
        return;
    watch = item->data;
    share = watch->share;
    events = watch->events;
    watch->events = 0;
    watch->waiting = FALSE;
    poller->n_waiting--;
    poller->in_turn = TRUE;
    /* The callback may free the watch, which may hold the last reference. */
    varlink_turns_hold(poller->turns, watch->user);
    watch->turn(events, watch->user_data);
    varlink_turns_charge(poller->turns, share, (guint64)(g_get_monotonic_time() - begin) + 1);
    varlink_turns_release(poller->turns, share);
    poller->in_turn = nested;
    if (poller->freed && !nested)
        poller_finish(poller);
}

static gboolean
poller_prepare(GSource *source, int *timeout)
{
    *timeout = -1;
    return ((PollerSource *)source)->poller->n_waiting > 0;
}

static gboolean
poller_check(GSource *source)
{
    VarlinkPoller *poller = ((PollerSource *)source)->poller;

    return poller->n_waiting > 0 || g_source_query_unix_fd(source, poller->tag) != 0;
}

static gboolean
poller_dispatch(GSource *source, GSourceFunc callback, gpointer user_data)
{
    VarlinkPoller *poller = ((PollerSource *)source)->poller;

    if (g_source_query_unix_fd(source, poller->tag) != 0)
        poller_collect(poller);
    poller_give_turn(poller);
    return G_SOURCE_CONTINUE;
}

static GSourceFuncs poller_functions = {
    .prepare = poller_prepare,
    .check = poller_check,
    .dispatch = poller_dispatch,
};

VarlinkPoller *
varlink_poller_new(GError **error)
{
    AUTO_FD int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    VarlinkPoller *poller;

    if (epoll_fd < 0) {
        error_set_errno(error, errno, "cannot wait for connections");
        return NULL;
    }
    poller = g_new0(VarlinkPoller, 1);
    poller->epoll_fd = g_steal_fd(&epoll_fd);
    poller->turns = varlink_turns_new();
    poller->source = g_source_new(&poller_functions, sizeof(PollerSource));
    ((PollerSource *)poller->source)->poller = poller;
    /* Handlers may run the main loop. It also saves two writes to the loop's eventfd per iteration:
     * GLib removes a non-recursive source from the poll set while it is dispatched. */
    g_source_set_can_recurse(poller->source, TRUE);
    poller->tag = g_source_add_unix_fd(poller->source, poller->epoll_fd, G_IO_IN);
    g_source_attach(poller->source, g_main_context_get_thread_default());
    return poller;
}

void
varlink_poller_free(VarlinkPoller *poller)
{
    if (!poller)
        return;
    poller->freed = TRUE;
    if (!poller->in_turn)
        poller_finish(poller);
}

guint
varlink_poller_count(const VarlinkPoller *poller, guint64 user)
{
    return varlink_turns_holders(poller->turns, user);
}

static gboolean
watch_control(VarlinkWatch *watch, int operation)
{
    struct epoll_event event = {
        .events = EPOLLET | EPOLLIN | EPOLLRDHUP | (watch->output ? EPOLLOUT : 0),
        .data.ptr = watch,
    };

    return epoll_ctl(watch->poller->epoll_fd, operation, watch->fd, &event) == 0;
}

VarlinkWatch *
varlink_watch_new(VarlinkPoller *poller, int fd, guint64 user, VarlinkWatchFunc turn,
                  gpointer user_data, GError **error)
{
    VarlinkWatch *watch = g_new0(VarlinkWatch, 1);

    watch->poller = poller;
    watch->fd = fd;
    watch->user = user;
    watch->turn = turn;
    watch->user_data = user_data;
    watch->item.data = watch;
    if (!watch_control(watch, EPOLL_CTL_ADD)) {
        error_set_errno(error, errno, "cannot wait for a connection");
        g_free(watch);
        return NULL;
    }
    watch->share = varlink_turns_hold(poller->turns, user);
    return watch;
}

void
varlink_watch_free(VarlinkWatch *watch)
{
    if (!watch)
        return;
    if (watch->waiting) {
        varlink_turns_cancel(watch->poller->turns, watch->share, &watch->item);
        watch->poller->n_waiting--;
    }
    watch_control(watch, EPOLL_CTL_DEL);
    varlink_turns_release(watch->poller->turns, watch->share);
    g_free(watch);
}

void
varlink_watch_set_output(VarlinkWatch *watch, gboolean output)
{
    if (watch->output == output)
        return;
    watch->output = output;
    watch_control(watch, EPOLL_CTL_MOD);
}
