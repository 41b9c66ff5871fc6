/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation (look.c compares and repairs; this is when, how often, and the end)
 *
 * A repair without effect is retried on a schedule with an end; during and after it the port's
 * problem says what is wrong, and the end is logged once. After that only news causes a new
 * attempt, with a new schedule: another state of the device or its parent than at the end, or the
 * removal of a link, which may have been the obstacle. The events of our own attempts are no news.
 *
 * A repair that had an effect and is undone by others is repeated every time (otherwise a guest
 * could exhaust the attempts), but more and more slowly, down to PACE_MAX. The pace is reset when a
 * repair has lasted as long as the schedule's last wait, and when the required state itself
 * changes.
 */
#include "repair.h"

#include "source.h"

const guint repair_default_delays[REPAIR_ATTEMPTS] = {0, 100, 500, 2000, 10000};

#define PACE_MAX 2 /* of the schedule: the wait of a repair that others undo all the time */

typedef enum RepairState {
    REPAIR_NEW,
    REPAIR_WAITS, /* waiting for its next attempt */
    REPAIR_LASTS, /* it had an effect, which must last to count */
    REPAIR_GAVE_UP,
} RepairState;

/* For a port whose device was wrong or could not be read. */
typedef struct Repair {
    Repairs *repairs;
    Port *port;
    RepairState state;
    guint n_failed; /* attempts in a row */
    guint n_undone; /* attempts with an effect, in a row */
    guint fields;   /* of DeviceField: the wrong fields after the last attempt */
    gboolean by_parent;
    DeviceState wanted;      /* then, and */
    LinkInfo device, parent; /* as they were after the last attempt */
    GSource *timer;
} Repair;

struct Repairs {
    GHashTable *table; /* Port -> Repair */
    const guint *delays;
    RepairDue due;
    gpointer user_data;
};

static void
repair_free(gpointer data)
{
    source_clear(&((Repair *)data)->timer);
    g_free(data);
}

Repairs *
repairs_new(const guint *delays, RepairDue due, gpointer user_data)
{
    Repairs *repairs = g_new0(Repairs, 1);

    repairs->table = g_hash_table_new_full(NULL, NULL, NULL, repair_free);
    repairs->delays = delays;
    repairs->due = due;
    repairs->user_data = user_data;
    return repairs;
}

void
repairs_free(Repairs *repairs)
{
    if (!repairs)
        return;
    g_hash_table_unref(repairs->table);
    g_free(repairs);
}

static gboolean
on_timer(gpointer user_data)
{
    Repair *repair = user_data;
    Repairs *repairs = repair->repairs;

    source_clear(&repair->timer);
    if (repair->state == REPAIR_LASTS)
        repairs_forget(repairs, repair->port);
    else
        repairs->due(repair->port, repairs->user_data);
    return G_SOURCE_REMOVE;
}

static void
wait_as(Repair *repair, RepairState state, guint step)
{
    source_clear(&repair->timer);
    repair->state = state;
    repair->timer = source_add_timeout(repair->repairs->delays[step], on_timer, repair, "repair");
}

static Repair *
find_repair(Repairs *repairs, const Port *port)
{
    return g_hash_table_lookup(repairs->table, port);
}

static Repair *
ensure_repair(Repairs *repairs, Port *port)
{
    Repair *repair = find_repair(repairs, port);

    if (repair)
        return repair;
    repair = g_new0(Repair, 1);
    repair->repairs = repairs;
    repair->port = port;
    g_hash_table_insert(repairs->table, port, repair);
    return repair;
}

void
repairs_forget(Repairs *repairs, const Port *port)
{
    g_hash_table_remove(repairs->table, port);
}

gboolean
repairs_has(Repairs *repairs, const Port *port)
{
    return find_repair(repairs, port) != NULL;
}

gboolean
repairs_waits(Repairs *repairs, const Port *port)
{
    const Repair *repair = find_repair(repairs, port);

    return repair && repair->state == REPAIR_WAITS && repair->timer;
}

gboolean
repairs_is_by_parent(Repairs *repairs, const Port *port)
{
    const Repair *repair = find_repair(repairs, port);

    return repair && repair->by_parent;
}

/* The properties of a link that we, a guest or an administrator can change. */
static gboolean
looks_the_same(const LinkInfo *a, const LinkInfo *b)
{
    return a->index == b->index && mac_address_equal(&a->mac, &b->mac) && a->mtu == b->mtu &&
           a->flags == b->flags && a->mode == b->mode && a->nopromisc == b->nopromisc &&
           a->tx_queue_length == b->tx_queue_length &&
           a->broadcast_queue_length == b->broadcast_queue_length &&
           g_str_equal(a->alias, b->alias) && g_str_equal(a->name, b->name) &&
           a->sources_digest == b->sources_digest && a->host_ipv6 == b->host_ipv6 &&
           a->carrier == b->carrier && a->active_slave_index == b->active_slave_index;
}

/* Without the sources, which are not stored. */
static gboolean
wants_the_same(const DeviceState *a, const DeviceState *b)
{
    return a->fields == b->fields && a->mode == b->mode && mac_address_equal(&a->mac, &b->mac) &&
           a->mtu == b->mtu && a->all_multicast == b->all_multicast &&
           a->tx_queue_length == b->tx_queue_length &&
           a->broadcast_queue_length == b->broadcast_queue_length && a->nopromisc == b->nopromisc;
}

RepairTurn
repairs_ask(Repairs *repairs, Port *port, const DeviceState *wanted, const LinkInfo *device,
            gboolean by_parent)
{
    Repair *repair = ensure_repair(repairs, port);

    if (!wants_the_same(wanted, &repair->wanted)) {
        /* The port itself has changed: earlier attempts do not count. */
        source_clear(&repair->timer);
        repair->state = REPAIR_NEW;
        repair->n_undone = 0;
    }
    if (repair->state == REPAIR_WAITS ||
        (repair->state == REPAIR_GAVE_UP && looks_the_same(device, &repair->device)))
        return REPAIR_NO_NEWS;
    repair->by_parent = by_parent;
    if (repair->state == REPAIR_LASTS) {
        repair->n_undone++;
        wait_as(repair, REPAIR_WAITS, MIN(repair->n_undone, PACE_MAX));
        return REPAIR_LATER;
    }
    repair->n_failed = 0;
    return REPAIR_NOW;
}

void
repairs_attempted(Repairs *repairs, Port *port, const DeviceState *wanted, const LinkInfo *device,
                  guint fields)
{
    Repair *repair = ensure_repair(repairs, port);

    repair->wanted = *wanted;
    repair->wanted.sources = NULL;
    repair->device = *device;
    repair->fields = fields;
}

void
repairs_done(Repairs *repairs, Port *port)
{
    Repair *repair = ensure_repair(repairs, port);

    repair->n_failed = 0;
    repair->by_parent = FALSE;
    wait_as(repair, REPAIR_LASTS, REPAIR_ATTEMPTS - 1);
}

gboolean
repairs_failed(Repairs *repairs, Port *port, const LinkInfo *parent, const char *problem,
               gboolean is_error)
{
    Repair *repair = ensure_repair(repairs, port);
    g_autofree char *final = NULL;

    repair->n_failed++;
    repair->parent = *parent;
    if (repair->n_failed < REPAIR_ATTEMPTS) {
        wait_as(repair, REPAIR_WAITS, repair->n_failed);
        return (is_error || repair->n_failed > 1) && port_set_problem(port, problem);
    }
    source_clear(&repair->timer);
    repair->state = REPAIR_GAVE_UP;
    final = g_strdup_printf("%s (tried %u times; will retry when its device or parent changes)",
                            problem, repair->n_failed);
    g_warning("port %s: %s", port->name, final);
    return port_set_problem(port, final);
}

gboolean
repairs_look_failed(Repairs *repairs, Port *port, const LinkInfo *parent, const char *problem)
{
    Repair *repair = ensure_repair(repairs, port);

    if (repair->state == REPAIR_GAVE_UP)
        repair->n_failed = 0;
    repair->fields = 0;
    return repairs_failed(repairs, port, parent, problem, TRUE);
}

void
repairs_found_good(Repairs *repairs, const Port *port)
{
    const Repair *repair = find_repair(repairs, port);

    if (repair && repair->state != REPAIR_LASTS)
        repairs_forget(repairs, port);
}

void
repairs_saw_good(Repairs *repairs, const Port *port)
{
    Repair *repair = find_repair(repairs, port);

    if (!repair || repair->state != REPAIR_WAITS || repair->n_failed == 0)
        return;
    /* It was undone before we checked. */
    repair->n_failed = 0;
    wait_as(repair, REPAIR_LASTS, REPAIR_ATTEMPTS - 1);
}

gboolean
repairs_saw_parent(Repairs *repairs, const Port *port, const LinkInfo *parent)
{
    Repair *repair = find_repair(repairs, port);

    if (!repair || repair->state != REPAIR_GAVE_UP || looks_the_same(parent, &repair->parent))
        return FALSE;
    repair->n_failed = 0;
    return TRUE;
}

static void
begin_anew(gpointer key, gpointer value, gpointer user_data)
{
    Repair *repair = value;

    if (repair->state == REPAIR_GAVE_UP)
        repair->state = REPAIR_NEW;
}

void
repairs_begin_anew(Repairs *repairs)
{
    g_hash_table_foreach(repairs->table, begin_anew, NULL);
}

/* A passthru device does not share its parent. */
static gboolean
is_blocked(const Repair *repair)
{
    return repair->fields & DEVICE_MAC && repair->n_failed > 0 &&
           repair->port->mode != MACVTAP_MODE_PASSTHRU;
}

GPtrArray *
repairs_list_blocked(Repairs *repairs, int parent_index)
{
    GPtrArray *blocked = g_ptr_array_new();
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init(&iter, repairs->table);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        const Repair *repair = value;

        if (is_blocked(repair) && (parent_index == 0 || repair->port->parent_index == parent_index))
            g_ptr_array_add(blocked, repair->port);
    }
    return blocked;
}

gboolean
repairs_unblock(Repairs *repairs, const Port *port)
{
    Repair *repair = find_repair(repairs, port);

    if (!repair || !is_blocked(repair))
        return FALSE;
    repair->n_failed = 0;
    source_clear(&repair->timer);
    return TRUE;
}
