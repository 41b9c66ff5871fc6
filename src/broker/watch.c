/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The watchers of port events. */
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

static void
tell_watchers(Broker *broker, PortEvent event, const Port *port, const PortEnd *end)
{
    /* A watcher may end its own or any later watch while it is called. */
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

gboolean
broker_may_change(const Caller *caller, const Port *port)
{
    return caller_is_root(caller) || caller_owns(caller, port);
}

gboolean
broker_may_see(const Caller *caller, const Port *port)
{
    return broker_may_change(caller, port) || caller_is_beside(caller, port, NULL);
}
