/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * Part of a port's life: its open queues, in whatever process they are. The kernel room reports
 * each that is closed, and knows after a restart which are still open. A port whose holder is its
 * descriptors ends with the last of them: the VMM may have become a daemon, have handed them to
 * another process, or have unplugged the NIC. For the other holders it is only a number to show.
 */
#include "broker-private.h"

static guint
count_open(Broker *broker, const Port *port)
{
    return broker->kernel->ops->queue_count(broker->kernel, port->id);
}

void
broker_observe_queues(Broker *broker, Port *port)
{
    port->open_queues = count_open(broker, port);
}

/* TRUE when it was the last queue of a port that ends with it. */
static gboolean
on_closed(Broker *broker, Port *port)
{
    broker_observe_queues(broker, port);
    if (port->holder.type == HOLDER_DESCRIPTORS && port->open_queues == 0)
        return TRUE;
    broker_emit(broker, PORT_EVENT_CHANGED, port);
    return FALSE;
}

static void
on_queues_closed(const char *const *owners, gpointer user_data)
{
    Broker *broker = user_data;
    g_autoptr(GPtrArray) ended = g_ptr_array_new();

    for (; *owners; owners++) {
        Port *port = registry_find(broker->registry, *owners);

        if (port && !port->is_ending && on_closed(broker, port))
            g_ptr_array_add(ended, port->id);
    }
    g_ptr_array_add(ended, NULL);
    broker_on_holders_ended((const char *const *)ended->pdata, broker);
}

gboolean
broker_watch_queues(Broker *broker, GError **error)
{
    return broker->kernel->ops->queue_watch(broker->kernel, on_queues_closed, broker, error);
}

gboolean
broker_has_open_queues(Broker *broker, const Port *port)
{
    return count_open(broker, port) > 0;
}

void
broker_forget_stray_queues(Broker *broker)
{
    g_autoptr(GPtrArray) owners = broker->kernel->ops->queue_owners(broker->kernel);

    for (guint i = 0; i < owners->len; i++) {
        const char *id = owners->pdata[i];

        if (!registry_find(broker->registry, id) && !registry_has_damaged(broker->registry, id))
            broker->kernel->ops->queue_forget(broker->kernel, id);
    }
}
