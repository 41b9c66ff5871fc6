/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Events of links that others changed. look.c decides what to do about a port. */
#include "broker-private.h"
#include "parent.h"

#include "error.h"
#include "source.h"

#include <errno.h>
#include <net/if.h>

void
broker_observe(Broker *broker, Port *port, const LinkInfo *device, const LinkInfo *parent)
{
    networks_saw_link(broker->networks, parent);
    port->link_up = (device->flags & IFF_UP) != 0;
    port->carrier = device->carrier;
    port->all_multicast = (device->flags & IFF_ALLMULTI) != 0;
    port->parent_mtu = parent->mtu;
    port->bond_index =
        parent_bond(broker->networks, parent, port->active_slave, sizeof(port->active_slave));
}

/* A bond has switched to another slave. */
static void
on_bond_changed(Broker *broker, const LinkInfo *bond)
{
    g_autoptr(GPtrArray) ports = port_table_list(broker->ports);
    char active_slave[INTERFACE_NAME_MAX + 1];

    parent_bond(broker->networks, bond, active_slave, sizeof(active_slave));
    for (guint i = 0; i < ports->len; i++) {
        Port *port = ports->pdata[i];

        if (port->is_ending || port->bond_index != bond->index ||
            g_str_equal(port->active_slave, active_slave))
            continue;
        g_strlcpy(port->active_slave, active_slave, sizeof(port->active_slave));
        broker_emit(broker, PORT_EVENT_CHANGED, port);
    }
}

static gboolean
has_other_name(int index, const char *name, const LinkInfo *link)
{
    return index == link->index && !g_str_equal(name, link->name);
}

static gboolean
is_renamed(const Port *port, const LinkInfo *link)
{
    return has_other_name(port->parent_index, port->parent, link) ||
           (port->trunk && has_other_name(port->trunk_index, port->trunk, link));
}

gboolean
broker_follow_name(Port *port, const LinkInfo *link)
{
    char **name = port->parent_index == link->index ? &port->parent : &port->trunk;

    if (!is_renamed(port, link))
        return FALSE;
    g_free(*name);
    *name = g_strdup(link->name);
    return TRUE;
}

/* A link below the port has gone, or may have come back or be another. */
static void
look_above(Broker *broker, Port *port)
{
    if (port->is_ending || port->state != PORT_STATE_ACTIVE)
        return;
    port->is_lower_due = TRUE;
    look_at(broker, port);
}

/* A link has the ifindex of one below the port, but another name: only the port's device tells
 * whether it is the same. */
static void
look_at_renamed(Broker *broker, Port *port, const LinkInfo *link)
{
    if (port->state == PORT_STATE_ACTIVE) {
        look_above(broker, port);
    } else if (broker_follow_name(port, link)) {
        broker_save(broker, port);
        broker_emit(broker, PORT_EVENT_CHANGED, port);
    }
}

/* link: the present link below the port's device. */
static void
look_below(Broker *broker, Port *port, const LinkInfo *link)
{
    if (port->is_ending)
        return;
    if (is_renamed(port, link))
        look_at_renamed(broker, port, link);
    if (port->parent_index == link->index && port->state == PORT_STATE_ACTIVE)
        look_at_parent_event(broker, port, link);
}

static void look_at_all(Broker *broker);

static gboolean
on_all_due(gpointer user_data)
{
    Broker *broker = user_data;

    g_clear_pointer(&broker->all_timer, g_source_unref);
    look_at_all(broker);
    return G_SOURCE_REMOVE;
}

/* A look at the links below ports failed, and no further event may come to make up for it. */
static void
look_at_all_again(Broker *broker, const GError *cause)
{
    if (broker->all_timer)
        return;
    if (++broker->n_all_failed >= REPAIR_ATTEMPTS) {
        g_warning("cannot read the state of the ports' parents, which may have changed: %s (tried "
                  "%u times; reload macvtapd to try again)",
                  cause->message, broker->n_all_failed);
        broker->n_all_failed = 0;
        return;
    }
    broker->all_timer = source_add_timeout(broker->repair_delays[broker->n_all_failed], on_all_due,
                                           broker, "look at all");
}

/* Whether the link may have just come into our namespace. A macvlan may only be a stand-in. */
static gboolean
may_be_new(const Broker *broker, const LinkInfo *link)
{
    return link->is_macvlan ? link->lower_is_elsewhere
                            : !networks_know_link(broker->networks, link->index);
}

/* A link that is not a port's device may be the parent of many. The event may be older than a
 * recent port, so the link is read again. */
static void
on_other_changed(Broker *broker, const LinkInfo *link)
{
    g_autoptr(GPtrArray) ports = port_table_list(broker->ports);
    g_autoptr(GError) error = NULL;
    gboolean is_known = FALSE, is_new = may_be_new(broker, link);
    LinkInfo now;

    networks_saw_link(broker->networks, link);
    for (guint i = 0; !error && i < ports->len; i++) {
        Port *port = ports->pdata[i];

        if (is_new && lower_is_missing(port))
            look_above(broker, port);
        if (!lower_has(port, link->index))
            continue;
        if (is_known ||
            broker->kernel->ops->link_by_index(broker->kernel, link->index, &now, &error))
            look_below(broker, port, &now);
        is_known = TRUE;
    }
    if (error && !error_is_errno(error, ENODEV))
        look_at_all_again(broker, error);
    if (g_str_equal(link->kind, "bond"))
        on_bond_changed(broker, link);
}

static GHashTable *
index_links(const GArray *links)
{
    GHashTable *table = g_hash_table_new(NULL, NULL);

    for (guint i = 0; i < links->len; i++) {
        const LinkInfo *link = &g_array_index(links, LinkInfo, i);

        g_hash_table_insert(table, GINT_TO_POINTER(link->index), (gpointer)link);
    }
    return table;
}

static const LinkInfo *
find_link(GHashTable *table, int index)
{
    return g_hash_table_lookup(table, GINT_TO_POINTER(index));
}

static void
look_at_links(Broker *broker, Port *port, GHashTable *table)
{
    const LinkInfo *device = find_link(table, port->interface_index), *bond;
    gboolean is_there = device && device_is_of(device, port);
    int below[2];

    /* Others may have the ifindexes of the links that were below it. */
    port->is_lower_due = port->trunk || port->parent_stands_in;
    if (is_there && lower_is_news(port, device))
        look_at(broker, port);
    below[0] = port->parent_index;
    below[1] = port->trunk_index;
    bond = find_link(table, port->bond_index);
    for (guint i = 0; i < G_N_ELEMENTS(below); i++) {
        const LinkInfo *link = find_link(table, below[i]);

        if (link) {
            networks_saw_link(broker->networks, link);
            look_below(broker, port, link);
        }
    }
    if (bond) {
        networks_saw_link(broker->networks, bond);
        on_bond_changed(broker, bond);
    }
    port->is_new = FALSE;
    if (is_there)
        look_at_listed(broker, port, device);
    else
        look_at(broker, port);
}

/* Looks at the device of every port, and at the links below. */
static void
look_at_all(Broker *broker)
{
    g_autoptr(GPtrArray) ports = port_table_list(broker->ports);
    g_autoptr(GError) error = NULL;
    g_autoptr(GArray) links = broker->kernel->ops->link_list(broker->kernel, &error);
    g_autoptr(GHashTable) table = links ? index_links(links) : NULL;
    g_autoptr(GArray) moved = NULL;

    broker->moved = &moved;
    if (table) {
        broker->n_all_failed = 0;
        networks_keep_links(broker->networks, table);
    }
    for (guint i = 0; i < ports->len; i++) {
        Port *port = ports->pdata[i];

        if (port->is_ending)
            continue;
        if (table)
            look_at_links(broker, port, table);
        else
            look_at(broker, port);
    }
    broker->moved = NULL;
    if (error)
        look_at_all_again(broker, error);
}

void
look_begin_anew(Broker *broker)
{
    repairs_begin_anew(broker->repairs);
    look_at_all(broker);
}

/* With a link that is removed the kernel removes the devices on it; not with one that is moved into
 * another network namespace. */
static void
on_other_removed(Broker *broker, const LinkInfo *link)
{
    g_autoptr(GPtrArray) ports = port_table_list(broker->ports);

    networks_lost_link(broker->networks, link->index);
    features_on_removed(&broker->host, link);
    for (guint i = 0; i < ports->len; i++) {
        if (lower_may_have(ports->pdata[i], link))
            look_above(broker, ports->pdata[i]);
    }
}

/* Each of our own removals causes several events, and there may be thousands of them beside
 * thousands of ports: this keeps each of them cheap. */
static gboolean
is_of_removal(Broker *broker, LinkEventType type, int index)
{
    gpointer key = GINT_TO_POINTER(index);

    if (type == LINK_EVENT_REMOVED)
        return g_hash_table_remove(broker->removed, key);
    return g_hash_table_contains(broker->removed, key);
}

void
broker_on_link_event(LinkEventType type, const LinkInfo *link, gpointer user_data)
{
    Broker *broker = user_data;
    Port *port;

    networks_on_link(broker->networks, type, link);
    if (type == LINK_EVENT_LOST) {
        g_hash_table_remove_all(broker->removed);
        features_on_removed(&broker->host, NULL);
        look_at_all(broker);
        look_at_blocked(broker, 0);
        return;
    }
    if (is_of_removal(broker, type, link->index))
        return;
    port = port_table_find_index(broker->ports, link->index);
    if (port && port->is_ending)
        return;
    if (port && type == LINK_EVENT_REMOVED)
        look_at_loss(broker, port, link);
    else if (port && type == LINK_EVENT_IPV6)
        look_at_ipv6(broker, port);
    else if (port)
        look_at_event(broker, port, link);
    else if (type == LINK_EVENT_CHANGED)
        on_other_changed(broker, link);
    else if (type == LINK_EVENT_REMOVED)
        on_other_removed(broker, link);
    if (type == LINK_EVENT_REMOVED)
        look_at_blocked(broker, 0);
}
