/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * The kernel removes links while the caller waits, and a crash of many guests ends thousands of
 * ports at once. So removals are queued, and the main loop removes one batch at a time. There is no
 * fixed delay: a batch gets its turn as soon as nothing else is ready. So everything that arrived
 * during one batch (the kernel takes 20 ms for one port and little more for many) is handled before
 * the next: calls, none of which waits for more than one batch, and further removals, which join
 * it. If calls keep coming, they get a third of the time: a batch gets its turn after half the time
 * that the last batch took.
 *
 * Once it is queued a port is ending, and hidden from callers. It keeps its place in the registry,
 * as its name, MAC and device are still taken; a creation that needs one of these has only that
 * port removed at once (removals_flush_matching()). Ports with waiting callers alternate with those
 * whose holder has ended.
 *
 * A requested removal changes the record to ID.deleting before the caller starts waiting: if the
 * daemon ends meanwhile, the next one finishes the removal. A port whose holder has ended is marked
 * with its batch; the next daemon would find that holder ended, too.
 */
#include "removals.h"

#include "port-error.h"
#include "source.h"

/*
 * The ports in one batch. A batch takes the kernel's grace period, some 20 ms, regardless of its
 * size, and 0.5 ms of processor time for each port, nearly all of it in the kernel with the lock on
 * links (RTNL) held; more if the parent has thousands, as the kernel searches all of them for each.
 * A creation waits for both; other programs' changes of links wait for the processor time only.
 * Measured with tests/bench/storm on a busy machine of two processors: with 64 the slowest of our
 * creations took 0.3 to 1.9 times as long as the slowest of theirs, with 128 0.9 to 3.3 times, with
 * 256 1.4 to 6.7 times, and the total was hardly shorter.
 */
#define BATCH_MAX 64

/* A caller that waits for removals. */
typedef struct Waiter {
    guint n_ports;          /* in all */
    guint n_left;           /* those that still exist */
    GError *error;          /* the first */
    const PortEnder *ender; /* or NULL */
    BrokerRemoved done;
    gpointer user_data;
} Waiter;

/* A port that is ending. */
typedef struct PendingRemoval {
    Port *port;
    gboolean holder_ended; /* or it was never handed out: a failed removal is retried */
    gboolean is_undo;      /* it was never handed out */
    GPtrArray *waiters;    /* of Waiter; NULL: no caller waits */
    GQueue *queue;         /* its queue, */
    GList link;            /* and its element there */
} PendingRemoval;

struct Removals {
    Registry *registry;
    RemovalsExecute execute;
    gpointer execute_data;
    GQueue asked;        /* of PendingRemoval with waiters */
    GQueue ended;        /* of PendingRemoval without */
    GHashTable *pending; /* Port -> its PendingRemoval, owned, while that is in a queue */
    GPtrArray *failed;   /* IDs of ports whose holder has ended but whose removal failed */
    GSource *when_idle;  /* for the next batch, or NULL: when nothing else is ready, */
    GSource *when_due;   /* and when others have had their share */
    gint64 duration;     /* of the last batch, in microseconds */
};

static void
pending_removal_free(gpointer data)
{
    PendingRemoval *pending = data;

    g_clear_pointer(&pending->waiters, g_ptr_array_unref);
    g_free(pending);
}

Removals *
removals_new(Registry *registry, RemovalsExecute execute, gpointer user_data)
{
    Removals *removals = g_new0(Removals, 1);

    removals->registry = registry;
    removals->execute = execute;
    removals->execute_data = user_data;
    g_queue_init(&removals->asked);
    g_queue_init(&removals->ended);
    removals->pending = g_hash_table_new_full(NULL, NULL, NULL, pending_removal_free);
    removals->failed = g_ptr_array_new_with_free_func(g_free);
    return removals;
}

static void
waiter_finish(Waiter *waiter)
{
    waiter->done(waiter->n_ports, waiter->error, waiter->user_data);
    g_clear_error(&waiter->error);
    g_free(waiter);
}

/* The port is gone, or (error) unchanged. */
static void
tell_waiters(const PendingRemoval *pending, const GError *error)
{
    for (guint i = 0; pending->waiters && i < pending->waiters->len; i++) {
        Waiter *waiter = pending->waiters->pdata[i];

        if (error && !waiter->error)
            waiter->error = g_error_copy(error);
        if (--waiter->n_left == 0)
            waiter_finish(waiter);
    }
}

static void
unschedule(Removals *removals)
{
    source_clear(&removals->when_idle);
    source_clear(&removals->when_due);
}

void
removals_stop(Removals *removals)
{
    g_autoptr(GError) error = NULL;
    GHashTableIter iter;
    gpointer pending;

    unschedule(removals);
    port_error_set(&error, PORT_ERROR_SYSTEM,
                   "macvtapd is shutting down; the removal will be completed at the next start");
    g_hash_table_iter_init(&iter, removals->pending);
    while (g_hash_table_iter_next(&iter, NULL, &pending)) {
        tell_waiters(pending, error);
        g_clear_pointer(&((PendingRemoval *)pending)->waiters, g_ptr_array_unref);
    }
}

void
removals_free(Removals *removals)
{
    if (!removals)
        return;
    removals_stop(removals);
    g_hash_table_unref(removals->pending);
    g_ptr_array_unref(removals->failed);
    g_free(removals);
}

static void
queue_up(GQueue *queue, PendingRemoval *pending)
{
    pending->queue = queue;
    g_queue_push_tail_link(queue, &pending->link);
}

/* The port is unchanged; the caller owns its PendingRemoval now. */
static PendingRemoval *
take_out(Removals *removals, PendingRemoval *pending)
{
    g_queue_unlink(pending->queue, &pending->link);
    g_hash_table_steal(removals->pending, pending->port);
    return pending;
}

static void
settle(Removals *removals, const PortRemoval *removal, PendingRemoval *pending)
{
    if (!removal->gone) {
        /* Callers never see a port whose creation failed. */
        pending->port->is_ending = pending->port->state == PORT_STATE_CREATING;
        if (pending->holder_ended)
            g_ptr_array_add(removals->failed, g_strdup(pending->port->id));
    }
    tell_waiters(pending, removal->error);
    pending_removal_free(pending);
}

static void
warn_of_failure(GPtrArray *batch, const PortRemoval *each)
{
    for (guint i = 0; i < batch->len; i++) {
        if (!each[i].error || !((const PendingRemoval *)batch->pdata[i])->holder_ended)
            continue;
        g_warning("failed to remove ports of exited holders, will retry: %s",
                  each[i].error->message);
        return;
    }
}

static PortEnd
end_of(const PendingRemoval *pending)
{
    const Waiter *first = pending->waiters ? pending->waiters->pdata[0] : NULL;

    return (PortEnd){.reason = pending->is_undo ? PORT_END_LOST_GRANT
                               : first          ? PORT_END_ASKED
                                                : PORT_END_HOLDER,
                     .ender = first ? first->ender : NULL};
}

/* Removes these (of PendingRemoval, taken out); TRUE if any is gone. */
static gboolean
remove_batch(Removals *removals, GPtrArray *batch)
{
    g_autofree PortRemoval *each = g_new0(PortRemoval, batch->len);
    gboolean is_last = g_hash_table_size(removals->pending) == 0, any = FALSE;

    for (guint i = 0; i < batch->len; i++) {
        each[i].port = ((const PendingRemoval *)batch->pdata[i])->port;
        each[i].end = end_of(batch->pdata[i]);
    }
    removals->execute(each, batch->len, is_last, removals->execute_data);
    warn_of_failure(batch, each);
    for (guint i = 0; i < batch->len; i++) {
        any |= each[i].gone;
        settle(removals, &each[i], batch->pdata[i]);
        g_clear_error(&each[i].error);
    }
    return any;
}

static void
take_next(Removals *removals, GQueue *queue, GPtrArray *batch)
{
    PendingRemoval *pending = g_queue_peek_head(queue);

    if (pending && batch->len < BATCH_MAX)
        g_ptr_array_add(batch, take_out(removals, pending));
}

static void schedule(Removals *removals);

static gboolean
on_turn(gpointer user_data)
{
    Removals *removals = user_data;
    g_autoptr(GPtrArray) batch = g_ptr_array_sized_new(BATCH_MAX);
    gint64 begin = g_get_monotonic_time();

    unschedule(removals);
    while (batch->len < BATCH_MAX && g_hash_table_size(removals->pending) > 0) {
        take_next(removals, &removals->asked, batch);
        take_next(removals, &removals->ended, batch);
    }
    if (batch->len > 0)
        remove_batch(removals, batch);
    removals->duration = g_get_monotonic_time() - begin;
    schedule(removals);
    return G_SOURCE_REMOVE;
}

static gboolean
dispatch(GSource *source, GSourceFunc callback, gpointer user_data)
{
    return callback(user_data);
}

static GSource *
add_source(Removals *removals, gint priority, gint64 ready_time)
{
    static GSourceFuncs functions = {.dispatch = dispatch};
    GSource *source = g_source_new(&functions, sizeof(GSource));

    g_source_set_priority(source, priority);
    g_source_set_ready_time(source, ready_time);
    g_source_set_name(source, "removals");
    g_source_set_callback(source, on_turn, removals, NULL);
    g_source_attach(source, g_main_context_get_thread_default());
    return source;
}

static void
schedule(Removals *removals)
{
    if (removals->when_idle || g_hash_table_size(removals->pending) == 0)
        return;
    removals->when_idle = add_source(removals, G_PRIORITY_DEFAULT_IDLE, 0);
    removals->when_due =
        add_source(removals, G_PRIORITY_DEFAULT, g_get_monotonic_time() + removals->duration / 2);
}

static PendingRemoval *
queue_removal(Removals *removals, Port *port)
{
    PendingRemoval *pending = g_hash_table_lookup(removals->pending, port);

    if (pending)
        return pending;
    pending = g_new0(PendingRemoval, 1);
    pending->port = port;
    pending->link.data = pending;
    port->is_ending = TRUE;
    g_hash_table_insert(removals->pending, port, pending);
    queue_up(&removals->ended, pending);
    return pending;
}

static void
wait_for(Removals *removals, PendingRemoval *pending, Waiter *waiter)
{
    if (!pending->waiters) {
        pending->waiters = g_ptr_array_new();
        g_queue_unlink(pending->queue, &pending->link);
        queue_up(&removals->asked, pending);
        /* A record that cannot be marked cannot be removed either, which is reported then. */
        registry_retire(removals->registry, pending->port, NULL);
    }
    g_ptr_array_add(pending->waiters, waiter);
}

void
removals_begin(Removals *removals, GPtrArray *ports, const PortEnder *ender, BrokerRemoved done,
               gpointer user_data)
{
    Waiter *waiter = g_new0(Waiter, 1);

    waiter->n_ports = waiter->n_left = ports->len;
    waiter->ender = ender;
    waiter->done = done;
    waiter->user_data = user_data;
    if (ports->len == 0) {
        waiter_finish(waiter);
        return;
    }
    for (guint i = 0; i < ports->len; i++)
        wait_for(removals, queue_removal(removals, ports->pdata[i]), waiter);
    schedule(removals);
}

void
removals_begin_ended(Removals *removals, const char *const *port_ids)
{
    for (; *port_ids; port_ids++) {
        Port *port = port_table_find(registry_ports(removals->registry), *port_ids);

        if (port)
            queue_removal(removals, port)->holder_ended = TRUE;
    }
    schedule(removals);
}

void
removals_begin_undo(Removals *removals, Port *port)
{
    PendingRemoval *pending = queue_removal(removals, port);

    pending->holder_ended = pending->is_undo = TRUE;
    registry_retire(removals->registry, port, NULL);
    schedule(removals);
}

void
removals_retry(Removals *removals)
{
    g_autoptr(GPtrArray) failed = removals->failed;

    removals->failed = g_ptr_array_new_with_free_func(g_free);
    g_ptr_array_add(failed, NULL);
    removals_begin_ended(removals, (const char *const *)failed->pdata);
}

gboolean
removals_pending(const Removals *removals)
{
    return g_hash_table_size(removals->pending) > 0;
}

static void
take_matches(Removals *removals, GQueue *queue, RemovalsMatch match, gpointer user_data,
             GPtrArray *batch)
{
    for (GList *link = queue->head, *next; link && batch->len < BATCH_MAX; link = next) {
        PendingRemoval *pending = link->data;

        next = link->next;
        if (match(pending->port, user_data))
            g_ptr_array_add(batch, take_out(removals, pending));
    }
}

gboolean
removals_flush_matching(Removals *removals, RemovalsMatch match, gpointer user_data)
{
    g_autoptr(GPtrArray) batch = g_ptr_array_new();

    take_matches(removals, &removals->asked, match, user_data, batch);
    take_matches(removals, &removals->ended, match, user_data, batch);
    return batch->len > 0 && remove_batch(removals, batch);
}
