/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What happens to ports: telling those who watch, and hearing of links that others changed. */
#include "broker-private.h"

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

void
broker_emit(Broker *broker, PortEvent event, const Port *port)
{
    /* A watcher may end its own watch, or any that comes later, while it is told. */
    for (guint i = 0; broker->watches && i < broker->watches->len;) {
        Watch watch = g_array_index(broker->watches, Watch, i);

        watch.watcher(event, port, watch.user_data);
        if (i < broker->watches->len &&
            g_array_index(broker->watches, Watch, i).number == watch.number)
            i++;
    }
}

static void
set_state(Broker *broker, Port *port, PortState state)
{
    if (port->state == state)
        return;
    port->state = state;
    broker_emit(broker, PORT_EVENT_CHANGED, port);
}

static void
on_device_removed(Broker *broker, Port *port)
{
    LinkInfo parent;

    /* The kernel removes every macvtap together with its parent. */
    if (broker->kernel->ops->link_by_name(broker->kernel, port->parent, &parent, NULL))
        set_state(broker, port, PORT_STATE_DEVICE_GONE);
    else
        set_state(broker, port, PORT_STATE_PARENT_GONE);
}

/* Events were lost: look for the device of every port. */
static void
look_at_all(Broker *broker)
{
    g_autoptr(GPtrArray) ports = registry_list(broker->registry);

    for (guint i = 0; i < ports->len; i++) {
        Port *port = ports->pdata[i];
        LinkInfo link;

        if (!broker->kernel->ops->link_by_index(broker->kernel, port->interface_index, &link, NULL))
            on_device_removed(broker, port);
    }
}

void
broker_on_link_event(LinkEventType type, const LinkInfo *link, gpointer user_data)
{
    Broker *broker = user_data;
    Port *port;

    if (type == LINK_EVENT_LOST) {
        look_at_all(broker);
    } else if (type == LINK_EVENT_REMOVED) {
        port = registry_find_index(broker->registry, link->index);
        if (port)
            on_device_removed(broker, port);
    }
}
