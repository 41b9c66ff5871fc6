/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * Feature: how fast a guest may send and receive (SendLimit=, ReceiveLimit= and BroadcastLimit= of
 * its network, and what root has set for the port). Like the guard, limits are decided when the
 * port is created, kept in its record, follow the network's file, and are in force before the
 * device is up and while no daemon runs.
 *
 * What the guest sends waits its turn in a queue of its device (link_set_pace of ops.h). What it
 * receives, and its broadcasts, are counted by the programs that the guard attaches, which drop
 * what is too much (src/datapath/limit.h): nothing could wait in front of a guest, and a queue for
 * broadcasts would delay everything else.
 *
 * An administrator can remove the queue (`tc qdisc del`): an event reports that, and it is set
 * again at once. A failure is left to a look (look.c).
 *
 * An earlier daemon may have been killed between the record of a change and the change. So a
 * device that is adopted gets its queue set or removed, whatever it has.
 */
#include "feature.h"

#include "error.h"
#include "port-error.h"

#include <errno.h>

/* The state: ifindex -> the LinkPace that a device has; of others it is unknown. */
static GHashTable *
paces_of(FeatureHost *host)
{
    return feature_state(host, &feature_limits);
}

/* NULL: unknown. */
static void
note_pace(FeatureHost *host, int index, const LinkPace *pace)
{
    if (pace)
        g_hash_table_insert(paces_of(host), GINT_TO_POINTER(index), g_memdup2(pace, sizeof *pace));
    else
        g_hash_table_remove(paces_of(host), GINT_TO_POINTER(index));
}

#define FRAME_EXTRA 64        /* bytes that a frame may have besides its MTU: tags, headers */
#define QUEUE_MIN (16 * 1024) /* bytes, in addition to a burst */

/* Rate 0: no limit. The queue holds what passes in 100 ms, and a burst, as one frame can be that
 * large. */
static LinkPace
pace_of(const Port *port)
{
    const Rate *send = &port->limits.send;
    LinkPace pace = {0};

    if (!port->has_limits || send->bits == 0)
        return pace;
    pace.rate = send->bits / 8;
    pace.burst = (guint32)MAX(limits_send_burst(send), (guint64)port->mtu + FRAME_EXTRA);
    pace.queue = pace.burst + (guint32)MAX(pace.rate / 10, (guint64)QUEUE_MIN);
    return pace;
}

static gboolean
pace_equal(const LinkPace *a, const LinkPace *b)
{
    return a->rate == b->rate && a->burst == b->burst && a->queue == b->queue;
}

static gboolean
is_in_force(FeatureHost *host, const Port *port)
{
    const LinkPace *present =
        g_hash_table_lookup(paces_of(host), GINT_TO_POINTER(port->interface_index));
    const LinkPace pace = pace_of(port);

    return present && pace_equal(present, &pace);
}

/* Does nothing if it is in force already. is_lost: it may no longer be there. */
static gboolean
put_in_force(FeatureHost *host, const Port *port, gboolean is_lost, GError **error)
{
    const LinkPace pace = pace_of(port);
    Kernel *kernel = host->kernel;

    if (!is_lost && is_in_force(host, port))
        return TRUE;
    note_pace(host, port->interface_index, NULL);
    if (!kernel->ops->link_set_pace(kernel, port->interface_index, &pace, error))
        return FALSE;
    note_pace(host, port->interface_index, &pace);
    return TRUE;
}

/* ---- which limits ---- */

static gboolean
needs_datapath(const Limits *limits)
{
    return limits->receive.bits > 0 || limits->broadcasts > 0;
}

static gboolean
check_possible(FeatureHost *host, const Limits *limits, GError **error)
{
    return host->datapath || !needs_datapath(limits) ||
           port_error_set(error, PORT_ERROR_SYSTEM,
                          "ReceiveLimit= and BroadcastLimit= are not possible on this host: %s",
                          host->unguarded ? host->unguarded
                                          : "macvtapd was started without a datapath");
}

static gboolean
check_own(const Caller *caller, const LimitsOwn *own, GError **error)
{
    return !own->is_given || caller_is_root(caller) ||
           port_error_set(error, PORT_ERROR_ACCESS_DENIED,
                          "only root may give a port its own limits");
}

/* Returns TRUE if they changed. */
static gboolean
take_limits(Port *port, const Limits *limits)
{
    gboolean is_news = !limits_equal(&port->limits, limits);

    port->limits = *limits;
    port->has_limits = !limits_are_none(limits);
    return is_news;
}

static gboolean
limits_check(FeatureHost *host, const NewPort *new, GError **error)
{
    return check_own(new->caller, &new->request->limits, error);
}

static gboolean
limits_prepare(FeatureHost *host, NewPort *new, GError **error)
{
    const LimitsOwn *own = &new->request->limits;
    const Limits limits = limits_resolve(&new->network->limits, own);

    if (!check_possible(host, &limits, error))
        return FALSE;
    take_limits(new->port, &limits);
    new->port->own_limits = *own;
    return TRUE;
}

/* ---- a device ---- */

static gboolean
limits_before_up(FeatureHost *host, const NewPort *new, int index, GError **error)
{
    const LinkPace none = {0};
    g_autoptr(GError) cause = NULL;

    note_pace(host, index, &none);
    if (put_in_force(host, new->port, FALSE, &cause))
        return TRUE;
    g_set_error(error, ERRNO_ERROR, EPROTO, "cannot limit what the guest sends: %s%s",
                cause->message,
                error_is_errno(cause, ENOENT) ? " (the kernel has no sch_tbf)" : "");
    return FALSE;
}

static gboolean
limits_adopt(FeatureHost *host, Port *port, const LinkInfo *device, GError **error)
{
    g_autoptr(GError) cause = NULL;

    return put_in_force(host, port, TRUE, &cause) ||
           port_error_set(error, PORT_ERROR_SYSTEM, "port %s: %s", port->name, cause->message);
}

static void
limits_want(FeatureHost *host, const Port *port, const Network *network, DeviceState *state)
{
    state->fields |= DEVICE_PACE;
}

static guint
limits_compare(FeatureHost *host, const Port *port)
{
    return is_in_force(host, port) ? 0 : DEVICE_PACE;
}

static gboolean
limits_repair(FeatureHost *host, Port *port, const DeviceState *wanted, guint fields,
              GError **error)
{
    return !(fields & DEVICE_PACE) || put_in_force(host, port, TRUE, error);
}

/* If it fails, a look finds it. */
static void
follow(FeatureHost *host, Port *port)
{
    g_autoptr(GError) error = NULL;

    if (put_in_force(host, port, FALSE, &error) &&
        (!host->datapath || guard_write_settings(host, port, &error)))
        return;
    g_warning("port %s: %s", port->name, error->message);
    host->ops->look_later(host, port);
}

/* The burst depends on the MTU. */
static gboolean
limits_follow(FeatureHost *host, Port *port, const LinkInfo *device, gboolean by_parent)
{
    if (port->has_limits)
        follow(host, port);
    return FALSE;
}

static gboolean
limits_on_network(FeatureHost *host, Port *port, const Network *network)
{
    const Limits limits = limits_resolve(&network->limits, &port->own_limits);
    g_autoptr(GError) error = NULL;

    if (limits_equal(&limits, &port->limits))
        return FALSE;
    if (!check_possible(host, &limits, &error)) {
        g_warning("port %s keeps its present limits: %s", port->name, error->message);
        return FALSE;
    }
    take_limits(port, &limits);
    if (port->state == PORT_STATE_ACTIVE)
        follow(host, port);
    return TRUE;
}

/* ---- what they cost ---- */

static void
limits_observe(FeatureHost *host, Port *port)
{
    Kernel *kernel = host->kernel;
    struct limit_state state = {0};
    LinkPaceCost cost = {0};
    LinkPace pace;

    port->has_limited = port->has_limits && port->state == PORT_STATE_ACTIVE;
    if (!port->has_limited)
        return;
    if (port->limits.send.bits > 0)
        kernel->ops->link_get_pace(kernel, port->interface_index, &pace, &cost, NULL);
    if (host->datapath && needs_datapath(&port->limits))
        host->datapath->ops->read_limits(host->datapath, port->interface_index, &state, NULL);
    port->limited[LIMIT_SENT_DELAYED] = cost.delayed;
    port->limited[LIMIT_SENT_DROPPED] = cost.dropped;
    port->limited[LIMIT_RECEIVED_DROPPED] = state.received_dropped;
    port->limited[LIMIT_RECEIVED_BYTES_DROPPED] = state.received_bytes_dropped;
    port->limited[LIMIT_BROADCASTS_DROPPED] = state.broadcasts_dropped;
}

/* ---- changes by root to an existing port ---- */

static gboolean
limits_check_change(FeatureHost *host, const Caller *caller, const Port *port,
                    const PortChange *change, GError **error)
{
    const Network *network;
    Limits limits;

    if (!change->limits.is_given)
        return TRUE;
    if (!check_own(caller, &change->limits, error))
        return FALSE;
    network = feature_network(host, port, "its limits have", error);
    if (!network)
        return FALSE;
    limits = limits_resolve(&network->limits, &change->limits);
    return check_possible(host, &limits, error);
}

static gboolean
apply(FeatureHost *host, Port *port, GError **error)
{
    g_autoptr(GError) cause = NULL;

    if (port->state != PORT_STATE_ACTIVE ||
        (put_in_force(host, port, FALSE, &cause) &&
         (!host->datapath || guard_write_settings(host, port, &cause))))
        return TRUE;
    host->ops->look_later(host, port);
    return port_error_set(error, PORT_ERROR_SYSTEM, "port %s: %s", port->name, cause->message);
}

/* Enforce it first: what fails is not in the record either, and a look restores what was before. */
static gboolean
limits_change(FeatureHost *host, const Caller *caller, Port *port, const PortChange *change,
              GError **error)
{
    const Network *network = host->ops->network(host, port);
    const LimitsOwn own_before = port->own_limits;
    const gboolean had_limits = port->has_limits;
    const Limits before = port->limits;
    Limits limits;

    if (!change->limits.is_given)
        return TRUE;
    limits = limits_resolve(&network->limits, &change->limits);
    port->own_limits = change->limits;
    take_limits(port, &limits);
    if (!apply(host, port, error)) {
        port->own_limits = own_before;
        port->limits = before;
        port->has_limits = had_limits;
        return FALSE;
    }
    host->ops->save(host, port);
    return TRUE;
}

/* ---- events ---- */

static void
put_back(FeatureHost *host, Port *port)
{
    g_autoptr(GError) error = NULL;

    if (!put_in_force(host, port, TRUE, &error)) {
        if (error_is_errno(error, ENODEV))
            return; /* it has its own event */
        g_warning("port %s: its limit was removed and cannot be set again: %s", port->name,
                  error->message);
        host->ops->look(host, port);
    } else if (port->pace_losses++ == 0) {
        g_warning(
            "port %s: the limit of what its guest sends was removed (by tc or another program "
            "that root runs) and has been set again; further times are not logged",
            port->name);
    }
}

static void
check_pace(Port *port, gpointer user_data)
{
    FeatureHost *host = user_data;
    Kernel *kernel = host->kernel;
    LinkPaceCost cost;
    LinkPace pace;

    if (port->is_ending || port->state != PORT_STATE_ACTIVE || pace_of(port).rate == 0 ||
        !kernel->ops->link_get_pace(kernel, port->interface_index, &pace, &cost, NULL))
        return;
    if (pace.rate != pace_of(port).rate)
        put_back(host, port);
}

/* FilterHandler */
static void
on_filter(int index, guint32 program, gpointer user_data)
{
    FeatureHost *host = user_data;
    Port *port = index != 0 && program == 0 ? port_table_find_index(host->ports, index) : NULL;

    if (index == 0)
        port_table_foreach(host->ports, check_pace, host);
    else if (port)
        check_pace(port, host);
}

static gboolean
limits_start(FeatureHost *host, gpointer *ret_state, GError **error)
{
    Kernel *kernel = host->kernel;

    *ret_state = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    return kernel->ops->watch_filters(kernel, on_filter, host, error);
}

static void
limits_stop(gpointer state)
{
    if (state)
        g_hash_table_unref(state);
}

static void
limits_detach(FeatureHost *host, const Port *port)
{
    note_pace(host, port->interface_index, NULL);
}

const PortFeature feature_limits = {
    .name = "limits",
    .start = limits_start,
    .stop = limits_stop,
    .check = limits_check,
    .prepare = limits_prepare,
    .before_up = limits_before_up,
    .adopt = limits_adopt,
    .want = limits_want,
    .compare = limits_compare,
    .follow = limits_follow,
    .repair = limits_repair,
    .on_network = limits_on_network,
    .observe = limits_observe,
    .check_change = limits_check_change,
    .change = limits_change,
    .detach = limits_detach,
};
