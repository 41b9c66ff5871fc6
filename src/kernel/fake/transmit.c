/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fake-private.h"

#include "error.h"

#include <errno.h>
#include <linux/if.h>

typedef struct FakeWatch {
    FakeKernel *kernel;
    int index;
    TransmitHandler handler;
    gpointer user_data;
    GMainContext *context;
    GSource *source; /* NULL: nothing was sent yet */
} FakeWatch;

void
fake_watch_free(gpointer data)
{
    FakeWatch *watch = data;

    if (watch->source) {
        g_source_destroy(watch->source);
        g_source_unref(watch->source);
    }
    g_main_context_unref(watch->context);
    g_free(watch);
}

static gboolean
deliver(gpointer user_data)
{
    const FakeWatch watch = *(FakeWatch *)user_data;

    g_hash_table_remove(watch.kernel->watches, GINT_TO_POINTER(watch.index));
    watch.handler(watch.index, watch.user_data);
    return G_SOURCE_REMOVE;
}

gboolean
fake_watch_transmit(Kernel *base, int index, TransmitHandler handler, gpointer user_data,
                    GError **error)
{
    FakeKernel *kernel = fake_kernel(base);
    FakeWatch *watch;

    if (fake_fails(kernel, "watch_transmit", error))
        return FALSE;
    if (!fake_find(kernel, index))
        return error_set_errno(error, ENODEV, "cannot watch what link %d sends", index);
    watch = g_new0(FakeWatch, 1);
    watch->kernel = kernel;
    watch->index = index;
    watch->handler = handler;
    watch->user_data = user_data;
    watch->context = g_main_context_ref_thread_default();
    g_hash_table_insert(kernel->watches, GINT_TO_POINTER(index), watch);
    return TRUE;
}

void
fake_unwatch_transmit(Kernel *base, int index)
{
    g_hash_table_remove(fake_kernel(base)->watches, GINT_TO_POINTER(index));
}

void
kernel_fake_transmit(Kernel *base, int index)
{
    FakeKernel *kernel = fake_kernel(base);
    FakeLink *link = fake_find(kernel, index);
    FakeWatch *watch = g_hash_table_lookup(kernel->watches, GINT_TO_POINTER(index));

    g_return_if_fail(link != NULL);
    if (!(link->info.flags & IFF_UP))
        return;
    link->statistics.tx_packets++;
    if (!watch || watch->source)
        return;
    watch->source = g_idle_source_new();
    g_source_set_priority(watch->source, G_PRIORITY_DEFAULT);
    g_source_set_callback(watch->source, deliver, watch, NULL);
    g_source_attach(watch->source, watch->context);
}

typedef struct FakeAnnouncement {
    int index;
    MacAddress mac;
} FakeAnnouncement;

typedef struct FakeListener {
    AnnouncementHandler handler;
    gpointer user_data;
    GMainContext *context;
    GQueue announcements; /* of FakeAnnouncement */
    GSource *source;      /* NULL: nothing is queued */
} FakeListener;

void
fake_listener_free(gpointer data)
{
    FakeListener *listener = data;

    if (listener->source) {
        g_source_destroy(listener->source);
        g_source_unref(listener->source);
    }
    g_queue_clear_full(&listener->announcements, g_free);
    g_main_context_unref(listener->context);
    g_free(listener);
}

gboolean
fake_watch_announcements(Kernel *base, AnnouncementHandler handler, gpointer user_data,
                         GError **error)
{
    FakeListener *listener;

    if (fake_fails(fake_kernel(base), "watch_announcements", error))
        return FALSE;
    listener = g_new0(FakeListener, 1);
    listener->handler = handler;
    listener->user_data = user_data;
    listener->context = g_main_context_ref_thread_default();
    g_queue_init(&listener->announcements);
    g_ptr_array_add(fake_kernel(base)->listeners, listener);
    return TRUE;
}

static gboolean
deliver_announcements(gpointer user_data)
{
    FakeListener *listener = user_data;
    FakeAnnouncement *announcement;

    while ((announcement = g_queue_pop_head(&listener->announcements))) {
        listener->handler(announcement->index, &announcement->mac, listener->user_data);
        g_free(announcement);
    }
    g_clear_pointer(&listener->source, g_source_unref);
    return G_SOURCE_REMOVE;
}

void
kernel_fake_announce(Kernel *base, int index, const MacAddress *mac)
{
    FakeKernel *kernel = fake_kernel(base);
    const FakeAnnouncement announcement = {index, *mac};

    for (guint i = 0; i < kernel->listeners->len; i++) {
        FakeListener *listener = kernel->listeners->pdata[i];

        g_queue_push_tail(&listener->announcements, g_memdup2(&announcement, sizeof announcement));
        if (listener->source)
            continue;
        listener->source = g_idle_source_new();
        g_source_set_priority(listener->source, G_PRIORITY_DEFAULT);
        g_source_set_callback(listener->source, deliver_announcements, listener, NULL);
        g_source_attach(listener->source, listener->context);
    }
}
