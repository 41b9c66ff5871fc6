/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Queues are socket pairs: one end is handed out, and the other hangs up when the last copy of that
 * is closed, in any process.
 */
#include "fake-private.h"

#include "error.h"
#include "source.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#define QUEUES_MAX 256 /* MAX_TAP_QUEUES of linux/if_tap.h */

typedef struct FakeQueue {
    FakeKernel *kernel;
    char *owner;
    int fd;
    GSource *source; /* NULL: nobody is watching */
} FakeQueue;

void
fake_queue_free(gpointer data)
{
    FakeQueue *queue = data;

    source_clear(&queue->source);
    descriptor_clear(&queue->fd);
    g_free(queue->owner);
    g_free(queue);
}

static gboolean
on_hangup(gint fd, GIOCondition condition, gpointer user_data)
{
    FakeQueue *queue = user_data;
    FakeKernel *kernel = queue->kernel;
    g_autofree char *owner = g_strdup(queue->owner);
    const char *const owners[] = {owner, NULL};

    g_ptr_array_remove(kernel->queues, queue);
    if (kernel->queue_handler)
        kernel->queue_handler(owners, kernel->queue_data);
    return G_SOURCE_REMOVE;
}

static void
begin_watching(FakeQueue *queue)
{
    queue->source = source_add_fd(queue->fd, G_IO_HUP, on_hangup, queue, "hang-up");
}

static int
open_queue(FakeKernel *kernel, const char *owner)
{
    FakeQueue *queue;
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) < 0)
        return -1;
    queue = g_new0(FakeQueue, 1);
    queue->kernel = kernel;
    queue->owner = g_strdup(owner);
    queue->fd = ends[0];
    if (kernel->queue_handler)
        begin_watching(queue);
    g_ptr_array_add(kernel->queues, queue);
    return ends[1];
}

/* The queues opened last. */
static void
close_last(FakeKernel *kernel, guint n)
{
    g_ptr_array_set_size(kernel->queues, (int)(kernel->queues->len - n));
}

gboolean
fake_tap_open(Kernel *base, const LinkInfo *link, const char *owner, guint n_queues,
              gboolean multi_queue, DescriptorArray *queues, GError **error)
{
    FakeKernel *kernel = fake_kernel(base);
    FakeLink *found = fake_find(kernel, link->index);
    guint before = queues->len;

    if (fake_fails(kernel, "tap_open", error))
        return FALSE;
    if (!found || strcmp(found->info.name, link->name) != 0 ||
        strcmp(found->info.kind, "macvtap") != 0)
        return error_set_errno(error, ENODEV, "link %d is not macvtap %s", link->index, link->name);
    if (n_queues > QUEUES_MAX)
        return error_set_errno(error, EBUSY, "cannot open a queue of %s", link->name);
    for (guint i = 0; i < n_queues; i++) {
        int fd = open_queue(kernel, owner);

        if (fd < 0) {
            error_set_errno(error, errno, "cannot open a queue of %s", link->name);
            close_last(kernel, i);
            g_array_set_size(queues, before);
            return FALSE;
        }
        descriptor_array_take(queues, fd);
    }
    return TRUE;
}

static gboolean
is_closed(const FakeQueue *queue)
{
    struct pollfd waiting = {.fd = queue->fd};

    return poll(&waiting, 1, 0) == 1 && waiting.revents & POLLHUP;
}

gboolean
fake_queue_watch(Kernel *base, QueueHandler handler, gpointer user_data, GError **error)
{
    FakeKernel *kernel = fake_kernel(base);

    if (fake_fails(kernel, "queue_watch", error))
        return FALSE;
    kernel->queue_handler = handler;
    kernel->queue_data = user_data;
    for (guint i = kernel->queues->len; i > 0; i--) {
        FakeQueue *queue = kernel->queues->pdata[i - 1];

        if (is_closed(queue))
            g_ptr_array_remove_index(kernel->queues, i - 1);
        else if (!queue->source)
            begin_watching(queue);
    }
    return TRUE;
}

static FakeQueue *
find_closed(FakeKernel *kernel)
{
    for (guint i = 0; i < kernel->queues->len; i++) {
        if (is_closed(kernel->queues->pdata[i]))
            return kernel->queues->pdata[i];
    }
    return NULL;
}

void
fake_queue_catch_up(Kernel *base)
{
    FakeQueue *queue;

    while (fake_kernel(base)->queue_handler && (queue = find_closed(fake_kernel(base))))
        on_hangup(queue->fd, G_IO_HUP, queue);
}

guint
fake_queue_count(Kernel *base, const char *owner)
{
    const GPtrArray *queues = fake_kernel(base)->queues;
    guint n = 0;

    for (guint i = 0; i < queues->len; i++)
        n += g_str_equal(((const FakeQueue *)queues->pdata[i])->owner, owner);
    return n;
}

GPtrArray *
fake_queue_owners(Kernel *base)
{
    const GPtrArray *queues = fake_kernel(base)->queues;
    GPtrArray *owners = g_ptr_array_new_with_free_func(g_free);

    for (guint i = 0; i < queues->len; i++) {
        const char *owner = ((const FakeQueue *)queues->pdata[i])->owner;

        if (!g_ptr_array_find_with_equal_func(owners, owner, g_str_equal, NULL))
            g_ptr_array_add(owners, g_strdup(owner));
    }
    return owners;
}

void
fake_queue_forget(Kernel *base, const char *owner)
{
    GPtrArray *queues = fake_kernel(base)->queues;

    for (guint i = queues->len; i > 0; i--) {
        if (g_str_equal(((const FakeQueue *)queues->pdata[i - 1])->owner, owner))
            g_ptr_array_remove_index(queues, i - 1);
    }
}

void
fake_queues_end_watch(FakeKernel *kernel)
{
    kernel->queue_handler = NULL;
    for (guint i = 0; i < kernel->queues->len; i++)
        source_clear(&((FakeQueue *)kernel->queues->pdata[i])->source);
}
