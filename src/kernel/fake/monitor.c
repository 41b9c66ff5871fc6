/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fake-private.h"

/* Each monitor has its own queue, which an idle source in its own main context empties. */
typedef struct FakeMonitor {
    LinkEventHandler handler;
    gpointer user_data;
    GMainContext *context;
    GQueue events;   /* of FakeEvent */
    GSource *source; /* NULL: nothing is queued */
} FakeMonitor;

typedef struct FakeEvent {
    LinkEventType type;
    LinkInfo link;
} FakeEvent;

void
fake_monitor_free(gpointer data)
{
    FakeMonitor *monitor = data;

    if (monitor->source) {
        g_source_destroy(monitor->source);
        g_source_unref(monitor->source);
    }
    g_queue_clear_full(&monitor->events, g_free);
    g_main_context_unref(monitor->context);
    g_free(monitor);
}

static gboolean
deliver(gpointer user_data)
{
    FakeMonitor *monitor = user_data;
    FakeEvent *event;

    while ((event = g_queue_pop_head(&monitor->events))) {
        monitor->handler(event->type, &event->link, monitor->user_data);
        g_free(event);
    }
    g_clear_pointer(&monitor->source, g_source_unref);
    return G_SOURCE_REMOVE;
}

void
fake_tell(FakeKernel *kernel, LinkEventType type, const LinkInfo *link)
{
    for (guint i = 0; i < kernel->monitors->len; i++) {
        FakeMonitor *monitor = kernel->monitors->pdata[i];
        FakeEvent event = {type, *link};

        g_queue_push_tail(&monitor->events, g_memdup2(&event, sizeof event));
        if (monitor->source)
            continue;
        monitor->source = g_idle_source_new();
        g_source_set_priority(monitor->source, G_PRIORITY_DEFAULT);
        g_source_set_callback(monitor->source, deliver, monitor, NULL);
        g_source_attach(monitor->source, monitor->context);
    }
}

gboolean
fake_monitor(Kernel *base, LinkEventHandler handler, gpointer user_data, GError **error)
{
    FakeMonitor *monitor;

    if (fake_fails(fake_kernel(base), "monitor", error))
        return FALSE;
    monitor = g_new0(FakeMonitor, 1);
    monitor->handler = handler;
    monitor->user_data = user_data;
    monitor->context = g_main_context_ref_thread_default();
    g_queue_init(&monitor->events);
    g_ptr_array_add(fake_kernel(base)->monitors, monitor);
    return TRUE;
}
