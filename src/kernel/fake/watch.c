/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Watches of the fake: links, announcements, addresses, filters, network namespaces, and frames
 * that one link sends.
 * Events are queued for each watcher and delivered from an idle source in its main context, as with
 * a socket.
 */
#include "fake-private.h"

#include "error.h"
#include "source.h"

#include <errno.h>
#include <linux/if.h>
#include <sys/stat.h>

struct FakeWatcher {
    FakeKernel *kernel;
    FakeWatchKind kind;
    union {
        LinkEventHandler on_link;
        AnnouncementHandler on_announcement;
        AddressHandler on_address;
        FilterHandler on_filter;
        NamespaceHandler on_namespace;
        RoutingHandler on_routing;
        TransmitHandler on_transmit;
    };
    gpointer user_data;
    int index; /* FAKE_TRANSMIT: the link */
    GMainContext *context;
    GQueue events;   /* of FakeEvent */
    GSource *source; /* NULL: nothing is queued */
};

void
fake_watcher_free(gpointer data)
{
    FakeWatcher *watcher = data;

    source_clear(&watcher->source);
    g_queue_clear_full(&watcher->events, g_free);
    g_main_context_unref(watcher->context);
    g_free(watcher);
}

static void
watcher_call(const FakeWatcher *watcher, const FakeEvent *event)
{
    switch (watcher->kind) {
    case FAKE_LINKS:
        watcher->on_link(event->type, &event->link, watcher->user_data);
        break;
    case FAKE_ANNOUNCEMENTS:
        watcher->on_announcement(event->link.index, &event->link.mac, watcher->user_data);
        break;
    case FAKE_ADDRESSES:
        watcher->on_address(event->link.index, event->address[0] ? event->address : NULL,
                            watcher->user_data);
        break;
    case FAKE_FILTERS:
        watcher->on_filter(event->link.index, event->program, watcher->user_data);
        break;
    case FAKE_NAMESPACES:
        watcher->on_namespace(event->number, watcher->user_data);
        break;
    case FAKE_ROUTING:
        watcher->on_routing(&event->routing, watcher->user_data);
        break;
    case FAKE_TRANSMIT: /* watcher_deliver() */
        break;
    }
}

static gboolean
watcher_deliver(gpointer user_data)
{
    FakeWatcher *watcher = user_data;
    FakeEvent *event;

    if (watcher->kind == FAKE_TRANSMIT) {
        const FakeWatcher told = *watcher;

        /* Only once: the handler may watch again. */
        g_ptr_array_remove(told.kernel->watchers, watcher);
        told.on_transmit(told.index, told.user_data);
        return G_SOURCE_REMOVE;
    }
    while ((event = g_queue_pop_head(&watcher->events))) {
        watcher_call(watcher, event);
        g_free(event);
    }
    g_clear_pointer(&watcher->source, g_source_unref);
    return G_SOURCE_REMOVE;
}

static void
watcher_tell(FakeWatcher *watcher, const FakeEvent *event)
{
    g_queue_push_tail(&watcher->events, g_memdup2(event, sizeof *event));
    if (watcher->source)
        return;
    watcher->source = g_idle_source_new();
    g_source_set_priority(watcher->source, G_PRIORITY_DEFAULT);
    g_source_set_callback(watcher->source, watcher_deliver, watcher, NULL);
    g_source_attach(watcher->source, watcher->context);
}

static void
tell_all(FakeKernel *kernel, FakeWatchKind kind, const FakeEvent *event)
{
    for (guint i = 0; i < kernel->watchers->len; i++) {
        FakeWatcher *watcher = kernel->watchers->pdata[i];

        if (watcher->kind == kind)
            watcher_tell(watcher, event);
    }
}

static FakeWatcher *
watcher_new(FakeKernel *kernel, FakeWatchKind kind, gpointer user_data)
{
    FakeWatcher *watcher = g_new0(FakeWatcher, 1);

    watcher->kernel = kernel;
    watcher->kind = kind;
    watcher->user_data = user_data;
    watcher->context = g_main_context_ref_thread_default();
    g_queue_init(&watcher->events);
    g_ptr_array_add(kernel->watchers, watcher);
    return watcher;
}

void
fake_tell(FakeKernel *kernel, LinkEventType type, const LinkInfo *link)
{
    tell_all(kernel, FAKE_LINKS, &(FakeEvent){.type = type, .link = *link});
}

gboolean
fake_monitor(Kernel *base, LinkEventHandler handler, gpointer user_data, GError **error)
{
    if (fake_fails(fake_kernel(base), "monitor", error))
        return FALSE;
    watcher_new(fake_kernel(base), FAKE_LINKS, user_data)->on_link = handler;
    return TRUE;
}

gboolean
fake_watch_announcements(Kernel *base, AnnouncementHandler handler, gpointer user_data,
                         GError **error)
{
    if (fake_fails(fake_kernel(base), "watch_announcements", error))
        return FALSE;
    watcher_new(fake_kernel(base), FAKE_ANNOUNCEMENTS, user_data)->on_announcement = handler;
    return TRUE;
}

void
kernel_fake_announce(Kernel *base, int index, const MacAddress *mac)
{
    tell_all(fake_kernel(base), FAKE_ANNOUNCEMENTS,
             &(FakeEvent){.link = {.index = index, .mac = *mac}});
}

gboolean
fake_announce(Kernel *base, int index, const MacAddress *macs, guint n, GError **error)
{
    FakeKernel *kernel = fake_kernel(base);
    const FakeLink *link = fake_take(base, "announce", index, "announce guests on", error);

    g_return_val_if_fail(n <= ANNOUNCEMENTS_MAX, FALSE);
    if (!link)
        return FALSE;
    if (!(link->info.flags & IFF_UP))
        return error_set_errno(error, ENETDOWN, "cannot announce guests on link %d", index);
    for (guint i = 0; i < n; i++) {
        const FakeAnnouncement sent = {index, link->info.active_slave_index, macs[i]};

        g_array_append_val(kernel->announced, sent);
    }
    return TRUE;
}

GArray *
kernel_fake_take_announced(Kernel *base)
{
    FakeKernel *kernel = fake_kernel(base);
    GArray *announced = g_steal_pointer(&kernel->announced);

    kernel->announced = g_array_new(FALSE, FALSE, sizeof(FakeAnnouncement));
    return announced;
}

gboolean
fake_watch_addresses(Kernel *base, AddressHandler handler, gpointer user_data, GError **error)
{
    FakeKernel *kernel = fake_kernel(base);
    FakeWatcher *watcher;

    if (fake_fails(kernel, "watch_addresses", error))
        return FALSE;
    watcher = watcher_new(kernel, FAKE_ADDRESSES, user_data);
    watcher->on_address = handler;
    for (guint i = 0; i < kernel->addresses->len; i++)
        watcher_tell(watcher, &g_array_index(kernel->addresses, FakeEvent, i));
    return TRUE;
}

void
kernel_fake_add_address(Kernel *base, int index, const char *text)
{
    FakeKernel *kernel = fake_kernel(base);
    FakeEvent event = {.link.index = index};

    g_return_if_fail(fake_find(kernel, index) != NULL);
    g_strlcpy(event.address, text, sizeof event.address);
    g_array_append_val(kernel->addresses, event);
    tell_all(kernel, FAKE_ADDRESSES, &event);
    fake_tell_routing(kernel, &(RoutingChange){.type = ROUTING_ADDRESS, .index = index});
}

void
kernel_fake_remove_address(Kernel *base, int index, const char *text)
{
    FakeKernel *kernel = fake_kernel(base);

    fake_source_vanish(kernel, text);
    for (guint i = kernel->addresses->len; i-- > 0;) {
        const FakeEvent *event = &g_array_index(kernel->addresses, FakeEvent, i);

        if (event->link.index == index && g_str_equal(event->address, text))
            g_array_remove_index(kernel->addresses, i);
    }
    tell_all(kernel, FAKE_ADDRESSES, &(FakeEvent){.link.index = index});
    fake_tell_routing(kernel, &(RoutingChange){.type = ROUTING_ADDRESS, .index = index});
}

void
fake_tell_routing(FakeKernel *kernel, const RoutingChange *change)
{
    tell_all(kernel, FAKE_ROUTING, &(FakeEvent){.routing = *change});
}

gboolean
fake_watch_routing(Kernel *base, RoutingHandler handler, gpointer user_data, GError **error)
{
    if (fake_fails(fake_kernel(base), "watch_routing", error))
        return FALSE;
    watcher_new(fake_kernel(base), FAKE_ROUTING, user_data)->on_routing = handler;
    return TRUE;
}

void
fake_addresses_vanish(FakeKernel *kernel, int index)
{
    for (guint i = kernel->addresses->len; i-- > 0;) {
        if (g_array_index(kernel->addresses, FakeEvent, i).link.index == index)
            g_array_remove_index(kernel->addresses, i);
    }
}

void
fake_tell_filter(FakeKernel *kernel, int index, guint32 program)
{
    tell_all(kernel, FAKE_FILTERS, &(FakeEvent){.link.index = index, .program = program});
}

gboolean
fake_watch_filters(Kernel *base, FilterHandler handler, gpointer user_data, GError **error)
{
    if (fake_fails(fake_kernel(base), "watch_filters", error))
        return FALSE;
    watcher_new(fake_kernel(base), FAKE_FILTERS, user_data)->on_filter = handler;
    return TRUE;
}

gboolean
fake_namespace_number(Kernel *base, int socket_fd, int *ret_number, GError **error)
{
    FakeKernel *kernel = fake_kernel(base);
    FakeNamespace new = {.number = kernel->next_namespace};
    struct stat status;

    if (fake_fails(kernel, "namespace_number", error))
        return FALSE;
    if (fstat(socket_fd, &status) < 0)
        return error_set_errno(error, errno, "cannot look up a network namespace");
    for (guint i = 0; i < kernel->namespaces->len; i++) {
        const FakeNamespace *known = &g_array_index(kernel->namespaces, FakeNamespace, i);

        if (known->inode == status.st_ino) {
            *ret_number = known->number;
            return TRUE;
        }
    }
    new.inode = status.st_ino;
    g_array_append_val(kernel->namespaces, new);
    *ret_number = kernel->next_namespace++;
    return TRUE;
}

GArray *
fake_namespace_list(Kernel *base, GError **error)
{
    FakeKernel *kernel = fake_kernel(base);
    GArray *numbers;

    if (fake_fails(kernel, "namespace_list", error))
        return NULL;
    numbers = g_array_new(FALSE, FALSE, sizeof(int));
    for (guint i = 0; i < kernel->namespaces->len; i++)
        g_array_append_val(numbers, g_array_index(kernel->namespaces, FakeNamespace, i).number);
    return numbers;
}

gboolean
fake_watch_namespaces(Kernel *base, NamespaceHandler handler, gpointer user_data, GError **error)
{
    if (fake_fails(fake_kernel(base), "watch_namespaces", error))
        return FALSE;
    watcher_new(fake_kernel(base), FAKE_NAMESPACES, user_data)->on_namespace = handler;
    return TRUE;
}

void
kernel_fake_end_namespace(Kernel *base, int number, gboolean is_told)
{
    FakeKernel *kernel = fake_kernel(base);

    for (guint i = kernel->namespaces->len; i-- > 0;) {
        if (g_array_index(kernel->namespaces, FakeNamespace, i).number == number)
            g_array_remove_index(kernel->namespaces, i);
    }
    tell_all(kernel, FAKE_NAMESPACES, &(FakeEvent){.number = is_told ? number : -1});
}

static FakeWatcher *
find_transmit(FakeKernel *kernel, int index)
{
    for (guint i = 0; i < kernel->watchers->len; i++) {
        FakeWatcher *watcher = kernel->watchers->pdata[i];

        if (watcher->kind == FAKE_TRANSMIT && watcher->index == index)
            return watcher;
    }
    return NULL;
}

void
fake_unwatch_transmit(Kernel *base, int index)
{
    g_ptr_array_remove(fake_kernel(base)->watchers, find_transmit(fake_kernel(base), index));
}

gboolean
fake_watch_transmit(Kernel *base, int index, TransmitHandler handler, gpointer user_data,
                    GError **error)
{
    FakeKernel *kernel = fake_kernel(base);
    FakeWatcher *watcher;

    if (fake_fails(kernel, "watch_transmit", error))
        return FALSE;
    if (!fake_find(kernel, index))
        return error_set_errno(error, ENODEV, "cannot watch what link %d sends", index);
    fake_unwatch_transmit(base, index);
    watcher = watcher_new(kernel, FAKE_TRANSMIT, user_data);
    watcher->on_transmit = handler;
    watcher->index = index;
    return TRUE;
}

void
kernel_fake_transmit(Kernel *base, int index)
{
    FakeKernel *kernel = fake_kernel(base);
    FakeLink *link = fake_find(kernel, index);
    FakeWatcher *watcher = find_transmit(kernel, index);

    g_return_if_fail(link != NULL);
    if (!(link->info.flags & IFF_UP))
        return;
    link->statistics.tx_packets++;
    if (watcher)
        watcher_tell(watcher, &(FakeEvent){.link.index = index});
}
