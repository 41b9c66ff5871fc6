/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * A switch sends frames for a guest to the port where it last saw its MAC. After a bond's failover,
 * or when a parent's cable was put into another switch, that is the wrong one, and stays so until
 * the guest sends something: minutes, for a silent guest. Nobody else tells the switch: bonding
 * announces the host's own addresses only. So each guest of the parent is announced, as QEMU does
 * it after a migration and for the same reason on the same schedule: five times, as the switch may
 * not forward yet (announce_times). The frame (announce of ops.h) needs no address of the guest.
 *
 * What starts a schedule: another active slave of a bond, a carrier that came back, and the
 * kernel's own request (IFLA_EVENT). For these the state of each link that is not a port's is kept,
 * from its events and from what was read meanwhile. A carrier may go and come back unseen, when
 * events are lost or the kernel reports both at once: the kernel's count of returns tells. It
 * reports one failover several times; a request during a schedule adds nothing, whereas a change of
 * state starts it again from its beginning.
 *
 * A schedule is of one parent: the bond itself and each VLAN device on it have their own. A round
 * takes turns of the main loop, so that a call waits for few frames: BATCH of them, and more only
 * if other work leaves so few turns that the round would take longer than ROUND_TIME. Then its
 * share of the time stays the same. The first turn of all takes up to FIRST_TURN, as the event
 * itself causes the work that the next one waits for. Whether a port is to be announced is decided
 * when its turn comes. A guest that is on another host (Port.incoming) must not be announced: it
 * would be cut off.
 */
#include "networks-private.h"

#include "error.h"
#include "source.h"

#include <errno.h>

/* In milliseconds from the event: qemu_announce_timer_step() in QEMU's net/announce.c with the
 * values of a migration. */
static const guint announce_times[] = {0, 50, 200, 450, 800};

#define BATCH 8          /* frames, of about 5 microseconds each with a plain NIC */
#define ROUND_TIME 50000 /* in microseconds: then the second is due */
#define FIRST_TURN 25000 /* likewise: with a plain NIC enough for thousands */
G_STATIC_ASSERT(BATCH <= ANNOUNCEMENTS_MAX);

/* What matters of a link's state. */
typedef struct SeenLink {
    gboolean carrier;
    guint32 carrier_ups; /* the highest: an event may be older than what was read before it */
    int active_slave;
} SeenLink;

typedef struct Schedule {
    Announcements *announcements;
    int parent;
    gint64 start;    /* in microseconds, of the monotonic clock */
    guint round;     /* in announce_times; the next, or the one under way, */
    gint64 began;    /* and when that did */
    GArray *waiting; /* of the round under way: ifindexes of ports; NULL: it has not begun */
    guint n_sent;    /* of them */
    guint n_failed;  /* batches of all rounds, */
    GError *failure; /* and why the first */
    GSource *source; /* the next round or batch */
} Schedule;

struct Announcements {
    Networks *networks;
    GHashTable *links;     /* ifindex -> SeenLink */
    GHashTable *schedules; /* ifindex of a parent -> Schedule */
};

static void
schedule_free(gpointer data)
{
    Schedule *schedule = data;

    source_clear(&schedule->source);
    g_clear_pointer(&schedule->waiting, g_array_unref);
    g_clear_error(&schedule->failure);
    g_free(schedule);
}

Announcements *
announcements_new(Networks *networks)
{
    Announcements *announcements = g_new0(Announcements, 1);

    announcements->networks = networks;
    announcements->links = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    announcements->schedules = g_hash_table_new_full(NULL, NULL, NULL, schedule_free);
    return announcements;
}

void
announcements_free(Announcements *announcements)
{
    if (!announcements)
        return;
    g_hash_table_unref(announcements->schedules);
    g_hash_table_unref(announcements->links);
    g_free(announcements);
}

/* ---- a round ---- */

/* A network that was removed or has become unusable leaves its ports as they are. */
static gboolean
wants_announcements(const Networks *networks, const Port *port)
{
    const Network *network = networks_find(networks, port->network);

    return !network || network->problem || network->announce;
}

static gboolean
is_announced(const Schedule *schedule, const Port *port)
{
    return port->parent_index == schedule->parent && port->state == PORT_STATE_ACTIVE &&
           port->link_up && !port->is_ending && !port->incoming &&
           wants_announcements(schedule->announcements->networks, port);
}

static void
add_port(Port *port, gpointer user_data)
{
    Schedule *schedule = user_data;

    if (port->parent_index == schedule->parent)
        g_array_append_val(schedule->waiting, port->interface_index);
}

/* The MACs of the next ports whose turn it is; their number. */
static guint
take_batch(Schedule *schedule, MacAddress macs[static BATCH])
{
    const PortTable *ports = schedule->announcements->networks->ports;
    guint n = 0;

    while (n < BATCH && schedule->n_sent < schedule->waiting->len) {
        const Port *port =
            port_table_find_index(ports, g_array_index(schedule->waiting, int, schedule->n_sent++));

        if (port && is_announced(schedule, port))
            macs[n++] = port->mac;
    }
    return n;
}

static void
send_batch(Schedule *schedule)
{
    Kernel *kernel = schedule->announcements->networks->kernel;
    g_autoptr(GError) error = NULL;
    MacAddress macs[BATCH];
    guint n = take_batch(schedule, macs);

    if (n == 0 || kernel->ops->announce(kernel, schedule->parent, macs, n, &error))
        return;
    if (schedule->n_failed++ == 0)
        schedule->failure = g_steal_pointer(&error);
}

/* Whether a round has announced everyone. */
static gboolean
has_sent_all(const Schedule *schedule)
{
    return schedule->n_sent >= schedule->waiting->len;
}

/* Whether a round is behind one that spreads its frames evenly over ROUND_TIME. */
static gboolean
is_late(const Schedule *schedule, gint64 elapsed)
{
    return schedule->n_sent <
           schedule->waiting->len * (guint64)MIN(elapsed, (gint64)ROUND_TIME) / ROUND_TIME;
}

/* Whether this turn sends another batch. */
static gboolean
turn_goes_on(const Schedule *schedule)
{
    gint64 elapsed = g_get_monotonic_time() - schedule->began;

    if (has_sent_all(schedule))
        return FALSE;
    return is_late(schedule, elapsed) || (schedule->round == 0 && elapsed < FIRST_TURN);
}

static void
send_turn(Schedule *schedule)
{
    do
        send_batch(schedule);
    while (turn_goes_on(schedule));
}

/* ---- a schedule ---- */

static gboolean on_turn(gpointer user_data);

static void
wait_for_turn(Schedule *schedule, guint milliseconds)
{
    source_clear(&schedule->source);
    schedule->source = source_add_timeout(milliseconds, on_turn, schedule, "announcements");
}

/* Waits for the next round, however long this one took; FALSE: it was the last. */
static gboolean
wait_for_round(Schedule *schedule)
{
    gint64 wait;

    g_clear_pointer(&schedule->waiting, g_array_unref);
    if (++schedule->round == G_N_ELEMENTS(announce_times))
        return FALSE;
    wait = schedule->start / 1000 + announce_times[schedule->round] - g_get_monotonic_time() / 1000;
    wait_for_turn(schedule, (guint)MAX(wait, 0));
    return TRUE;
}

static void
end_schedule(Schedule *schedule)
{
    if (schedule->n_failed > 0)
        g_warning("%u times guests could not be announced, so their switch may send their frames "
                  "to the wrong port until they send something themselves: %s",
                  schedule->n_failed, schedule->failure->message);
    g_hash_table_remove(schedule->announcements->schedules, GINT_TO_POINTER(schedule->parent));
}

static void
begin_round(Schedule *schedule)
{
    schedule->waiting = g_array_new(FALSE, FALSE, sizeof(int));
    schedule->n_sent = 0;
    schedule->began = g_get_monotonic_time();
    port_table_foreach(schedule->announcements->networks->ports, add_port, schedule);
}

static gboolean
on_turn(gpointer user_data)
{
    Schedule *schedule = user_data;

    if (!schedule->waiting)
        begin_round(schedule);
    send_turn(schedule);
    if (!has_sent_all(schedule))
        wait_for_turn(schedule, 0);
    else if (!wait_for_round(schedule))
        end_schedule(schedule);
    return G_SOURCE_REMOVE;
}

/* ---- what starts one ---- */

/* is_news: the state has changed, as against a mere request. */
static void
start_schedule(Announcements *announcements, int parent, gboolean is_news)
{
    Schedule *schedule = g_hash_table_lookup(announcements->schedules, GINT_TO_POINTER(parent));

    if (schedule && !is_news)
        return;
    if (!schedule) {
        schedule = g_new0(Schedule, 1);
        schedule->announcements = announcements;
        schedule->parent = parent;
        g_hash_table_insert(announcements->schedules, GINT_TO_POINTER(parent), schedule);
    }
    g_clear_pointer(&schedule->waiting, g_array_unref);
    schedule->round = 0;
    schedule->start = g_get_monotonic_time();
    /* The first guests do not wait for what else the event causes, a look at each port. */
    on_turn(schedule);
}

/* The parents of ports that are reached by way of a link. */
typedef struct Reached {
    int link;
    GHashTable *parents; /* a set of ifindexes */
} Reached;

static void
add_reached(Port *port, gpointer user_data)
{
    Reached *reached = user_data;

    if (port->parent_index != 0 &&
        (port->parent_index == reached->link || port->bond_index == reached->link))
        g_hash_table_add(reached->parents, GINT_TO_POINTER(port->parent_index));
}

static void
start_on(Announcements *announcements, int link, gboolean is_news)
{
    g_autoptr(GHashTable) parents = g_hash_table_new(NULL, NULL);
    Reached reached = {link, parents};
    GHashTableIter iter;
    gpointer parent;

    port_table_foreach(announcements->networks->ports, add_reached, &reached);
    g_hash_table_iter_init(&iter, parents);
    while (g_hash_table_iter_next(&iter, &parent, NULL))
        start_schedule(announcements, GPOINTER_TO_INT(parent), is_news);
}

static gboolean
has_returned(const SeenLink *before, const LinkInfo *link)
{
    return !before->carrier || (gint32)(link->carrier_ups - before->carrier_ups) > 0;
}

static gboolean
is_reached_again(const SeenLink *before, const LinkInfo *link)
{
    return link->carrier &&
           (has_returned(before, link) ||
            (link->active_slave_index != 0 && link->active_slave_index != before->active_slave));
}

void
announcements_saw(Announcements *announcements, const LinkInfo *link)
{
    SeenLink *seen = g_hash_table_lookup(announcements->links, GINT_TO_POINTER(link->index));
    gboolean is_news = seen && is_reached_again(seen, link);

    if (link->index <= 0 || link->is_macvlan) /* no parent of a port */
        return;
    if (!seen) {
        seen = g_new0(SeenLink, 1);
        seen->carrier_ups = link->carrier_ups;
        g_hash_table_insert(announcements->links, GINT_TO_POINTER(link->index), seen);
    }
    if ((gint32)(link->carrier_ups - seen->carrier_ups) > 0)
        seen->carrier_ups = link->carrier_ups;
    seen->carrier = link->carrier;
    seen->active_slave = link->active_slave_index;
    if (is_news || (link->notifies_peers && link->carrier))
        start_on(announcements, link->index, is_news);
    else if (!link->carrier) /* its return starts the next */
        g_hash_table_remove(announcements->schedules, GINT_TO_POINTER(link->index));
}

gboolean
announcements_know(const Announcements *announcements, int index)
{
    return g_hash_table_contains(announcements->links, GINT_TO_POINTER(index));
}

void
announcements_lost(Announcements *announcements, int index)
{
    g_hash_table_remove(announcements->links, GINT_TO_POINTER(index));
    g_hash_table_remove(announcements->schedules, GINT_TO_POINTER(index));
}

/* GHRFunc */
static gboolean
is_lost(gpointer index, gpointer value, gpointer links)
{
    return !g_hash_table_contains(links, index);
}

void
announcements_keep(Announcements *announcements, GHashTable *links)
{
    g_hash_table_foreach_remove(announcements->links, is_lost, links);
    g_hash_table_foreach_remove(announcements->schedules, is_lost, links);
}
