/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What happens to ports: telling those who watch, and hearing of links that others changed. */
#include "broker-private.h"
#include "keeping.h"
#include "parent.h"

#include <net/if.h>

typedef struct Watch {
    guint number;
    BrokerWatcher watcher;
    gpointer user_data;
} Watch;

guint
broker_watch(Broker *broker, BrokerWatcher watcher, gpointer user_data)
{
    Watch watch = {.number = ++broker->last_watch, .watcher = watcher, .user_data = user_data};

    if (!broker->watches)
        broker->watches = g_array_new(FALSE, FALSE, sizeof(Watch));
    g_array_append_val(broker->watches, watch);
    return watch.number;
}

void
broker_unwatch(Broker *broker, guint number)
{
    for (guint i = 0; broker->watches && i < broker->watches->len; i++) {
        if (g_array_index(broker->watches, Watch, i).number == number) {
            g_array_remove_index(broker->watches, i);
            return;
        }
    }
}

static void
tell_watchers(Broker *broker, PortEvent event, const Port *port, const PortEnd *end)
{
    /* A watcher may end its own watch, or any that comes later, while it is told. */
    for (guint i = 0; broker->watches && i < broker->watches->len;) {
        Watch watch = g_array_index(broker->watches, Watch, i);

        watch.watcher(event, port, end, watch.user_data);
        if (i < broker->watches->len &&
            g_array_index(broker->watches, Watch, i).number == watch.number)
            i++;
    }
}

void
broker_emit(Broker *broker, PortEvent event, const Port *port)
{
    tell_watchers(broker, event, port, NULL);
}

void
broker_emit_end(Broker *broker, const Port *port, const PortEnd *end)
{
    tell_watchers(broker, PORT_EVENT_DELETED, port, end);
}

void
broker_observe(Broker *broker, Port *port, const LinkInfo *device, const LinkInfo *parent)
{
    port->link_up = (device->flags & IFF_UP) != 0;
    port->carrier = device->carrier;
    port->bond_index = parent_bond(broker, parent, port->active_slave, sizeof(port->active_slave));
}

static void
set_state(Broker *broker, Port *port, PortState state)
{
    if (port->state == state)
        return;
    port->state = state;
    port->link_up = FALSE;
    port->carrier = FALSE;
    broker_emit(broker, PORT_EVENT_CHANGED, port);
}

static void
on_device_removed(Broker *broker, Port *port)
{
    LinkInfo parent;

    broker_remove_node(broker, port);
    /* The kernel removes every macvtap together with its parent. */
    if (broker->kernel->ops->link_by_index(broker->kernel, port->parent_index, &parent, NULL))
        set_state(broker, port, PORT_STATE_DEVICE_GONE);
    else
        set_state(broker, port, PORT_STATE_PARENT_GONE);
}

/* An event may be older than what we did ourselves since: so are those of the device's making,
 * which tell that it is down before they tell that it is up. */
static gboolean
notice_up(Broker *broker, Port *port, const LinkInfo *link)
{
    gboolean before = port->link_up, is_new = port->is_new;
    LinkInfo now;

    if (before == ((link->flags & IFF_UP) != 0)) {
        port->is_new = FALSE;
        return FALSE;
    }
    if (is_new || !broker->kernel->ops->link_by_index(broker->kernel, link->index, &now, NULL))
        return FALSE;
    port->link_up = (now.flags & IFF_UP) != 0;
    return port->link_up != before;
}

static void
on_device_changed(Broker *broker, Port *port, const LinkInfo *link)
{
    gboolean changed;

    if (!broker_is_device_of(link, port) || port->state != PORT_STATE_ACTIVE)
        return;
    changed = notice_up(broker, port, link);
    if (port->carrier != link->carrier) {
        port->carrier = link->carrier;
        changed = TRUE;
    }
    changed |= keeping_on_mtu(broker, port, link->mtu);
    changed |= keeping_on_mac(broker, port, &link->mac);
    if (changed)
        broker_emit(broker, PORT_EVENT_CHANGED, port);
}

/* A bond has taken another slave into use. */
static void
on_bond_changed(Broker *broker, const LinkInfo *bond)
{
    g_autoptr(GPtrArray) ports = registry_list(broker->registry);
    char active_slave[INTERFACE_NAME_MAX + 1];

    parent_bond(broker, bond, active_slave, sizeof(active_slave));
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

static void
on_parent_changed(Broker *broker, Port *port, const LinkInfo *link)
{
    g_autoptr(GError) error = NULL;
    LinkInfo now;

    /* The name in an event may be older than a port that was made since. */
    if (port->is_ending || !is_renamed(port, link) ||
        !broker->kernel->ops->link_by_index(broker->kernel, link->index, &now, NULL) ||
        !broker_follow_name(port, &now))
        return;
    if (!registry_update(broker->registry, port, &error))
        g_warning("record of port %s: %s", port->name, error->message);
    broker_emit(broker, PORT_EVENT_CHANGED, port);
}

/* In passthru the device takes the parent's new MAC, and no event tells of the device. */
static void
look_at_passthru(Broker *broker, Port *port, int parent_index)
{
    LinkInfo device;

    if (port->mode == MACVTAP_MODE_PASSTHRU && port->parent_index == parent_index &&
        !port->is_ending &&
        broker->kernel->ops->link_by_index(broker->kernel, port->interface_index, &device, NULL))
        on_device_changed(broker, port, &device);
}

/* A link that is no port's device: it may be the parent of many. */
static void
on_other_changed(Broker *broker, const LinkInfo *link)
{
    g_autoptr(GPtrArray) ports = registry_list(broker->registry);

    for (guint i = 0; i < ports->len; i++) {
        on_parent_changed(broker, ports->pdata[i], link);
        look_at_passthru(broker, ports->pdata[i], link->index);
    }
    if (g_str_equal(link->kind, "bond"))
        on_bond_changed(broker, link);
}

/* The links below the port's device: their names, and the bond. */
static void
look_below(Broker *broker, Port *port)
{
    const int indexes[] = {port->parent_index, port->trunk_index};
    LinkInfo link;

    for (guint i = 0; i < G_N_ELEMENTS(indexes); i++) {
        if (indexes[i] != 0 &&
            broker->kernel->ops->link_by_index(broker->kernel, indexes[i], &link, NULL))
            on_parent_changed(broker, port, &link);
    }
    if (port->bond_index != 0 &&
        broker->kernel->ops->link_by_index(broker->kernel, port->bond_index, &link, NULL))
        on_bond_changed(broker, &link);
}

/* Events were lost: look at the device of every port, and at what is below. */
static void
look_at_all(Broker *broker)
{
    g_autoptr(GPtrArray) ports = registry_list(broker->registry);

    for (guint i = 0; i < ports->len; i++) {
        Port *port = ports->pdata[i];
        LinkInfo link;

        if (port->is_ending)
            continue;
        if (!broker->kernel->ops->link_by_index(broker->kernel, port->interface_index, &link,
                                                NULL)) {
            on_device_removed(broker, port);
            continue;
        }
        port->is_new = FALSE;
        on_device_changed(broker, port, &link);
        look_below(broker, port);
    }
}

/* What we remove ourselves makes several events each, and there may be thousands of them beside
 * thousands of ports: none is to cost more than this. */
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

    if (type == LINK_EVENT_LOST) {
        g_hash_table_remove_all(broker->removed);
        look_at_all(broker);
        return;
    }
    if (is_of_removal(broker, type, link->index))
        return;
    port = registry_find_index(broker->registry, link->index);
    if (port && port->is_ending)
        return;
    if (port && type == LINK_EVENT_REMOVED)
        on_device_removed(broker, port);
    else if (port)
        on_device_changed(broker, port, link);
    else if (type == LINK_EVENT_CHANGED)
        on_other_changed(broker, link);
    if (type == LINK_EVENT_REMOVED)
        keeping_on_removal(broker);
}

/* A network manager or a DHCP client of the host has taken the guest's device for one of its own.
 * It is told once: a client goes on trying. */
void
broker_on_address(int index, const char *address, gpointer user_data)
{
    Broker *broker = user_data;
    Port *port = registry_find_index(broker->registry, index);

    if (!port || port->is_ending || port->has_host_address)
        return;
    port->has_host_address = TRUE;
    g_warning("port %s: the host has the address %s on the guest's device %s: a program of the host"
              " has configured it, and must be told to leave it alone (macvtapctl doctor says how)",
              port->name, address, port->interface_name);
}
