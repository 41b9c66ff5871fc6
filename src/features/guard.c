/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * Feature: what a guest may send ([Guard] of its network, and what root has set for the port). A
 * port's guard is decided when the port is created, kept in its record, and follows the network's
 * file and the port's MAC; the datapath's programs enforce it. They are attached before the device
 * is up, after the port's settings are written, so that no frame of the guest passes unchecked.
 * They stay attached when no daemon runs; the next daemon replaces them with its own programs.
 *
 * An administrator can take the programs away (`tc qdisc del`): an event reports that, and they are
 * attached again at once, as often as it happens. A failure is left to a look (look.c).
 *
 * Every port has the programs, as they report which addresses a guest uses. For a port without
 * restrictions it does not matter if attaching them fails.
 *
 * A port without a guard in its record was created before guards existed, or while macvtapd could
 * not guard ports: it stays unguarded, unless its network's file explicitly asks for a guard.
 */
#include "feature.h"

#include "error.h"
#include "port-error.h"

#include <errno.h>
#include <string.h>
#include <time.h>

/* The state: the ifindexes of devices on which everything is as required. */
static GHashTable *
good_of(FeatureHost *host)
{
    return feature_state(host, &feature_guard);
}

static void
note_good(FeatureHost *host, int index, gboolean is_good)
{
    if (is_good)
        g_hash_table_add(good_of(host), GINT_TO_POINTER(index));
    else
        g_hash_table_remove(good_of(host), GINT_TO_POINTER(index));
}

/* The settings of a port without a guard. */
static const GuardSettings nothing = {
    .senders = GUARD_SENDERS_ANY,
    .addresses = GUARD_ADDRESSES_ANY,
    .allow = GUARD_ALLOW_ALL,
};

static const GuardSettings *
guard_of(const Port *port)
{
    return port->has_guard ? &port->guard : &nothing;
}

static gboolean
write_settings(FeatureHost *host, const Port *port, gboolean is_new, GError **error)
{
    const Network *network = host->ops->network(host, port);
    DhcpAnswer answer;
    const DatapathPort settings = {
        .index = port->interface_index,
        .port_id = port->id,
        .link = withheld_link(port),
        .mac = port->mac,
        .guard = guard_of(port),
        .dhcp = network && dhcp_find_answer(network, port, &answer) ? &answer : NULL,
        .keeps_dhcp = !network && !is_new,
        .limits = port->has_limits ? &port->limits : NULL,
    };

    return withheld_follow_port(host, port, error) &&
           host->datapath->ops->set(host->datapath, &settings, is_new, error);
}

gboolean
guard_write_settings(FeatureHost *host, const Port *port, GError **error)
{
    return write_settings(host, port, FALSE, error);
}

static LinkFilters
filters_of(FeatureHost *host)
{
    const DatapathPrograms *programs = host->datapath->ops->programs(host->datapath);

    return (LinkFilters){
        .egress = {programs->egress.fd, programs->egress.id},
        .ingress = {programs->ingress.fd, programs->ingress.id},
    };
}

/* Writes the settings for a new device, or for an existing one. */
static gboolean
put_in_force(FeatureHost *host, const Port *port, gboolean is_new, GError **error)
{
    const LinkFilters filters = filters_of(host);
    Kernel *kernel = host->kernel;
    gboolean is_good = write_settings(host, port, is_new, error) &&
                       kernel->ops->filters_attach(kernel, port->interface_index, &filters, error);

    note_good(host, port->interface_index, is_good);
    return is_good;
}

/* Whether a port must not be without the programs. */
static gboolean
needs_programs(FeatureHost *host, const Port *port)
{
    const Network *network = host->ops->network(host, port);
    DhcpAnswer answer;

    return guard_is_on(guard_of(port)) || port->limits.receive.bits > 0 ||
           port->limits.broadcasts > 0 || (network && dhcp_find_answer(network, port, &answer));
}

/* ---- settings in force ---- */

static gboolean
resolve(FeatureHost *host, const Network *network, const Port *port, const GuardOwn *own,
        GuardSettings *ret_settings, GError **error)
{
    GuardPlace place = network_guard_place(network, host->datapath != NULL);

    place.addresses = port->addresses;
    return guard_resolve(&network->guard, own, &place, ret_settings, error);
}

/* Returns TRUE if the guard changed. Takes ownership of settings. */
static gboolean
take_settings(Port *port, GuardSettings *settings)
{
    gboolean is_news = !port->has_guard || !guard_settings_equal(&port->guard, settings);

    guard_settings_clear(&port->guard);
    port->guard = *settings;
    *settings = (GuardSettings){0};
    port->has_guard = TRUE;
    return is_news;
}

static void
take_own(Port *port, const GuardOwn *own)
{
    guard_settings_clear(&port->own_guard.settings);
    port->own_guard = *own;
    guard_settings_copy(&own->settings, &port->own_guard.settings);
}

static gboolean
say_unguarded(FeatureHost *host, const char *who, GError **error)
{
    return port_error_set(error, PORT_ERROR_SYSTEM,
                          "%s asks for a guard, and macvtapd cannot guard ports: %s", who,
                          host->unguarded ? host->unguarded : "it was started without a datapath");
}

static gboolean
check_own(const Caller *caller, const GuardOwn *own, GError **error)
{
    return !own->is_given || caller_is_root(caller) ||
           port_error_set(error, PORT_ERROR_ACCESS_DENIED,
                          "only root may give a port its own guard");
}

static gboolean
guard_check(FeatureHost *host, const NewPort *new, GError **error)
{
    const GuardOwn *own = &new->request->guard;

    return check_own(new->caller, own, error);
}

static gboolean
guard_prepare(FeatureHost *host, NewPort *new, GError **error)
{
    const GuardOwn *own = &new->request->guard;
    const Network *network = new->network;
    g_autofree char *who = g_strdup_printf("network %s", network->name);
    g_auto(GuardSettings) settings = {0};

    if (!guard_check_own(&network->guard, own, error))
        return FALSE;
    if (!host->datapath)
        return !guard_is_required(&network->guard, own) || say_unguarded(host, who, error);
    if (!resolve(host, network, new->port, own, &settings, error))
        return FALSE;
    take_settings(new->port, &settings);
    take_own(new->port, own);
    return TRUE;
}

/* The port has its addresses now, which a guard lists. */
static gboolean
guard_choose(FeatureHost *host, NewPort *new, const LinkInfo *parent, GError **error)
{
    return !new->port->addresses || guard_prepare(host, new, error);
}

/* ---- a device ---- */

static gboolean
guard_before_up(FeatureHost *host, const NewPort *new, int index, GError **error)
{
    const Port *port = new->port;
    g_autoptr(GError) cause = NULL;

    g_assert(index == port->interface_index); /* that the record names */
    if (!host->datapath)
        return TRUE;
    if (put_in_force(host, port, TRUE, &cause) || !needs_programs(host, port))
        return TRUE;
    g_set_error(error, ERRNO_ERROR, EPROTO, "cannot guard the port: %s", cause->message);
    return FALSE;
}

static gboolean
guard_adopt(FeatureHost *host, Port *port, const LinkInfo *device, GError **error)
{
    g_autoptr(GError) cause = NULL;

    return !host->datapath || put_in_force(host, port, FALSE, &cause) ||
           !needs_programs(host, port) ||
           port_error_set(error, PORT_ERROR_SYSTEM, "cannot guard port %s: %s", port->name,
                          cause->message);
}

static void
guard_want(FeatureHost *host, const Port *port, const Network *network, DeviceState *state)
{
    if (host->datapath && needs_programs(host, port))
        state->fields |= DEVICE_GUARD;
}

static guint
guard_compare(FeatureHost *host, const Port *port)
{
    return g_hash_table_contains(good_of(host), GINT_TO_POINTER(port->interface_index))
               ? 0
               : DEVICE_GUARD;
}

static gboolean
guard_repair(FeatureHost *host, Port *port, const DeviceState *wanted, guint fields, GError **error)
{
    return !(fields & DEVICE_GUARD) || put_in_force(host, port, FALSE, error);
}

/* The settings changed with the port or network; if writing them fails, a look finds it. */
static void
follow(FeatureHost *host, Port *port)
{
    g_autoptr(GError) error = NULL;

    if (!host->datapath || write_settings(host, port, FALSE, &error))
        return;
    note_good(host, port->interface_index, FALSE);
    g_warning("port %s: %s", port->name, error->message);
    host->ops->look_later(host, port);
}

static gboolean
guard_follow(FeatureHost *host, Port *port, const LinkInfo *device, gboolean by_parent)
{
    follow(host, port);
    return FALSE;
}

/* Returns TRUE if the guard changed. */
static gboolean
take_network_settings(FeatureHost *host, Port *port, const Network *network)
{
    g_auto(GuardSettings) settings = {0};
    g_autoptr(GError) error = NULL;

    if (!port->has_guard && !guard_is_required(&network->guard, &port->own_guard))
        return FALSE;
    if (!resolve(host, network, port, &port->own_guard, &settings, &error)) {
        g_warning("port %s keeps its present guard: %s", port->name, error->message);
        return FALSE;
    }
    return take_settings(port, &settings);
}

/* What the port answers to DHCP may have changed, too. */
static gboolean
guard_on_network(FeatureHost *host, Port *port, const Network *network)
{
    gboolean is_news = host->datapath && take_network_settings(host, port, network);

    if (host->datapath && port->state == PORT_STATE_ACTIVE)
        follow(host, port);
    return is_news;
}

/* ---- counters and seen addresses ---- */

#define NANOSECONDS G_GUINT64_CONSTANT(1000000000)

static guint64
seconds_of(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (guint64)now.tv_sec;
}

/* NULL: none. */
static GArray *
list_seen(const struct guard_state *state)
{
    GArray *list = g_array_new(FALSE, FALSE, sizeof(SeenAddress));
    guint64 now = seconds_of(CLOCK_BOOTTIME), boot = seconds_of(CLOCK_REALTIME) - now;

    for (guint i = 0; i < GUARD_SEEN; i++) {
        const struct guard_seen *seen = &state->seen[i];
        SeenAddress address = {
            .how = (GuardSeenHow)seen->how,
            .first_seen = boot + seen->first / NANOSECONDS,
            .last_seen = boot + seen->last / NANOSECONDS,
            .age = now - MIN(now, seen->last / NANOSECONDS),
        };

        if (seen->last == 0 || !guard_seen_name(seen->how))
            continue;
        memcpy(&address.address, &seen->address, sizeof address.address);
        g_array_append_val(list, address);
    }
    seen_addresses_sort(list);
    if (list->len == 0)
        g_clear_pointer(&list, g_array_unref);
    return list;
}

/* of CLOCK_BOOTTIME */
static guint64
seconds_ago(guint64 nanoseconds)
{
    guint64 now = seconds_of(CLOCK_BOOTTIME);

    return now - MIN(now, nanoseconds / NANOSECONDS);
}

static void
guard_observe(FeatureHost *host, Port *port)
{
    Datapath *datapath = host->datapath;
    struct guard_counters counters;
    struct guard_state state;

    if (!datapath || !datapath->ops->read(datapath, port->interface_index, &counters, &state, NULL))
        return;
    port->has_dropped = port->has_guard;
    for (guint i = 0; i < GUARD_REASON_COUNT; i++)
        port->dropped[i] = counters.dropped[i];
    port->drop_age = counters.last ? seconds_ago(counters.last) : 0;
    g_clear_pointer(&port->seen, g_array_unref);
    port->seen = list_seen(&state);
}

/* ---- changes by root to an existing port ---- */

static gboolean
guard_check_change(FeatureHost *host, const Caller *caller, const Port *port,
                   const PortChange *change, GError **error)
{
    const Network *network;
    g_autofree char *who = g_strdup_printf("port %s", port->name);
    g_auto(GuardSettings) settings = {0};

    if (!change->guard.is_given)
        return TRUE;
    if (!check_own(caller, &change->guard, error))
        return FALSE;
    network = feature_network(host, port, "its guard has", error);
    if (!network)
        return FALSE;
    if (!host->datapath)
        return say_unguarded(host, who, error);
    return guard_check_own(&network->guard, &change->guard, error) &&
           resolve(host, network, port, &change->guard, &settings, error);
}

/* What write_settings() has written of a change that failed is undone by a look. */
static void
restore(FeatureHost *host, Port *port, GuardOwn *own, GuardSettings *settings, gboolean has_guard)
{
    take_own(port, own);
    take_settings(port, settings);
    port->has_guard = has_guard;
    host->ops->look_later(host, port);
}

/* Enforce it first: if the record falls behind, the next start corrects it. */
static gboolean
guard_change(FeatureHost *host, const Caller *caller, Port *port, const PortChange *change,
             GError **error)
{
    const Network *network = host->ops->network(host, port);
    g_auto(GuardSettings) settings = {0}, before = {0}, own_settings = {0};
    GuardOwn own_before = port->own_guard;
    const gboolean had_guard = port->has_guard;
    g_autoptr(GError) cause = NULL;

    if (!change->guard.is_given)
        return TRUE;
    if (!resolve(host, network, port, &change->guard, &settings, error))
        return FALSE;
    guard_settings_copy(&port->guard, &before);
    guard_settings_copy(&port->own_guard.settings, &own_settings);
    own_before.settings = own_settings;
    take_own(port, &change->guard);
    take_settings(port, &settings);
    if (port->state == PORT_STATE_ACTIVE && !write_settings(host, port, FALSE, &cause)) {
        restore(host, port, &own_before, &before, had_guard);
        return port_error_set(error, PORT_ERROR_SYSTEM, "port %s: %s", port->name, cause->message);
    }
    host->ops->save(host, port);
    return TRUE;
}

/* ---- events ---- */

/* Attach again what was removed; if that fails, a look retries it. */
static void
put_back(FeatureHost *host, Port *port)
{
    g_autoptr(GError) error = NULL;

    if (!put_in_force(host, port, FALSE, &error)) {
        if (error_is_errno(error, ENODEV))
            return; /* it has its own event */
        g_warning("port %s: its guard was removed and cannot be attached again: %s", port->name,
                  error->message);
        host->ops->look(host, port);
    } else if (port->guard_losses++ == 0) {
        g_warning("port %s: its guard was removed (by tc or another program that root runs) and "
                  "has been attached again; further times are not logged",
                  port->name);
    }
}

static void
check_filters(FeatureHost *host, Port *port)
{
    const LinkFilters filters = filters_of(host);
    Kernel *kernel = host->kernel;
    gboolean attached = FALSE;

    if (port->is_ending || port->state != PORT_STATE_ACTIVE)
        return;
    if (!kernel->ops->filters_are_attached(kernel, port->interface_index, &filters, &attached,
                                           NULL) ||
        !attached)
        put_back(host, port);
}

static void
check_filters_of(Port *port, gpointer user_data)
{
    check_filters(user_data, port);
}

/* FilterHandler */
static void
on_filter(int index, guint32 program, gpointer user_data)
{
    FeatureHost *host = user_data;
    const DatapathPrograms *programs = host->datapath->ops->programs(host->datapath);
    Port *port;

    if (index == 0) {
        port_table_foreach(host->ports, check_filters_of, host);
        return;
    }
    if (program != 0 && (program == programs->egress.id || program == programs->ingress.id))
        return;
    port = port_table_find_index(host->ports, index);
    if (port)
        check_filters(host, port);
}

/* DatapathEventHandler */
static void
on_event(const struct guard_event *event, gpointer user_data)
{
    FeatureHost *host = user_data;
    Port *port = port_table_find_index(host->ports, (int)event->ifindex);

    if (!port || port->is_ending)
        return;
    if (event->reason < GUARD_REASON_COUNT) {
        host->ops->dropped(host, port, event->reason, event->frame,
                           MIN(event->length, sizeof event->frame));
    } else if (event->reason == GUARD_EVENT_SEEN) {
        guard_observe(host, port);
        host->ops->emit(host, port);
    }
}

/* ---- from start to end ---- */

static gboolean
guard_start(FeatureHost *host, gpointer *ret_state, GError **error)
{
    Kernel *kernel = host->kernel;
    Datapath *datapath = host->datapath;

    *ret_state = g_hash_table_new(NULL, NULL);
    return !datapath || (kernel->ops->watch_filters(kernel, on_filter, host, error) &&
                         datapath->ops->watch(datapath, on_event, host, error));
}

static void
guard_stop(gpointer state)
{
    if (state)
        g_hash_table_unref(state);
}

/* A device whose record was set aside as damaged stays, and its guest keeps running. */
static gboolean
is_of_damaged_record(FeatureHost *host, int index)
{
    Kernel *kernel = host->kernel;
    const char *id = NULL;
    LinkInfo link;

    if (kernel->ops->link_by_index(kernel, index, &link, NULL))
        id = port_alias_id(link.alias);
    return id && host->ops->is_damaged(host, id);
}

/* DatapathIsWanted */
static gboolean
is_of_a_port(int index, gpointer user_data)
{
    FeatureHost *host = user_data;

    return port_table_find_index(host->ports, index) || is_of_damaged_record(host, index);
}

static void
guard_loaded(FeatureHost *host)
{
    if (host->datapath)
        host->datapath->ops->sweep(host->datapath, is_of_a_port, host);
}

/* An entry without a port belongs to a device with a damaged record. */
static void
guard_on_removed(FeatureHost *host, const LinkInfo *link)
{
    if (link && host->datapath)
        host->datapath->ops->forget(host->datapath, link->index, "");
    else
        guard_loaded(host);
}

static void
guard_detach(FeatureHost *host, const Port *port)
{
    if (!host->datapath)
        return;
    note_good(host, port->interface_index, FALSE);
    host->datapath->ops->forget(host->datapath, port->interface_index, port->id);
}

const PortFeature feature_guard = {
    .name = "guard",
    .start = guard_start,
    .stop = guard_stop,
    .loaded = guard_loaded,
    .check = guard_check,
    .prepare = guard_prepare,
    .choose = guard_choose,
    .before_up = guard_before_up,
    .adopt = guard_adopt,
    .want = guard_want,
    .compare = guard_compare,
    .follow = guard_follow,
    .repair = guard_repair,
    .on_network = guard_on_network,
    .on_removed = guard_on_removed,
    .observe = guard_observe,
    .check_change = guard_check_change,
    .change = guard_change,
    .detach = guard_detach,
};
