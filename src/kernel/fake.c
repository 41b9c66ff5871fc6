/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fake-private.h"

#include "error.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_arp.h>
#include <string.h>
#include <unistd.h>

#define QUEUES_MAX 256 /* MAX_TAP_QUEUES of linux/if_tap.h */

typedef struct FakeFailure {
    const char *operation; /* interned */
    guint calls_left;      /* 1: the next call */
    int errnum;
} FakeFailure;

gboolean
fake_fails(FakeKernel *kernel, const char *operation, GError **error)
{
    int errnum = 0;

    for (guint i = kernel->failures->len; i-- > 0;) {
        FakeFailure *failure = &g_array_index(kernel->failures, FakeFailure, i);

        if (strcmp(failure->operation, operation) != 0 || --failure->calls_left > 0)
            continue;
        errnum = failure->errnum;
        g_array_remove_index(kernel->failures, i);
    }
    return errnum != 0 && !error_set_errno(error, errnum, "%s fails on demand", operation);
}

FakeLink *
fake_find(FakeKernel *kernel, int index)
{
    for (guint i = 0; i < kernel->links->len; i++) {
        FakeLink *link = kernel->links->pdata[i];

        if (link->info.index == index)
            return link;
    }
    return NULL;
}

FakeLink *
fake_find_name(FakeKernel *kernel, const char *name)
{
    for (guint i = 0; i < kernel->links->len; i++) {
        FakeLink *link = kernel->links->pdata[i];

        if (strcmp(link->info.name, name) == 0)
            return link;
    }
    return NULL;
}

FakeLink *
fake_add(FakeKernel *kernel, const LinkInfo *info)
{
    FakeLink *link = g_new0(FakeLink, 1);

    link->info = *info;
    if (link->info.index == 0) {
        while (fake_find(kernel, kernel->next_index))
            kernel->next_index++;
        link->info.index = kernel->next_index++;
    }
    g_ptr_array_add(kernel->links, link);
    return link;
}

static FakeLink *
find_child(FakeKernel *kernel, int parent_index)
{
    for (guint i = 0; i < kernel->links->len; i++) {
        FakeLink *link = kernel->links->pdata[i];

        if (link->info.is_macvlan && link->info.lower_index == parent_index)
            return link;
    }
    return NULL;
}

void
fake_remove(FakeKernel *kernel, FakeLink *link)
{
    LinkInfo removed = {.index = link->info.index};
    FakeLink *child;

    while ((child = find_child(kernel, link->info.index)))
        fake_remove(kernel, child);
    memcpy(removed.name, link->info.name, sizeof removed.name);
    if (link->info.is_macvlan)
        fake_macvlan_removed(kernel, link);
    g_ptr_array_remove(kernel->links, link);
    fake_tell(kernel, LINK_EVENT_REMOVED, &removed);
}

static gboolean
give(FakeLink *link, const char *what, LinkInfo *ret_link, GError **error)
{
    if (!link)
        return error_set_errno(error, ENODEV, "cannot look at link %s", what);
    *ret_link = link->info;
    return TRUE;
}

static gboolean
fake_by_name(Kernel *base, const char *name, LinkInfo *ret_link, GError **error)
{
    FakeKernel *kernel = fake_kernel(base);

    return !fake_fails(kernel, "link_by_name", error) &&
           give(fake_find_name(kernel, name), name, ret_link, error);
}

static gboolean
fake_by_index(Kernel *base, int index, LinkInfo *ret_link, GError **error)
{
    FakeKernel *kernel = fake_kernel(base);
    g_autofree char *text = g_strdup_printf("%d", index);

    return !fake_fails(kernel, "link_by_index", error) &&
           give(fake_find(kernel, index), text, ret_link, error);
}

static GArray *
fake_list(Kernel *base, GError **error)
{
    FakeKernel *kernel = fake_kernel(base);
    GArray *links;

    if (fake_fails(kernel, "link_list", error))
        return NULL;
    links = g_array_new(FALSE, FALSE, sizeof(LinkInfo));
    for (guint i = 0; i < kernel->links->len; i++)
        g_array_append_val(links, ((FakeLink *)kernel->links->pdata[i])->info);
    return links;
}

static gboolean
fake_delete(Kernel *base, const int *indexes, gsize n_indexes, GError **error)
{
    FakeKernel *kernel = fake_kernel(base);
    gboolean good = TRUE;

    if (fake_fails(kernel, "link_delete", error))
        return FALSE;
    for (gsize i = 0; i < n_indexes; i++) {
        FakeLink *link = fake_find(kernel, indexes[i]);

        if (link && link->info.kind[0])
            fake_remove(kernel, link);
        else if (link)
            good = error_set_errno(good ? error : NULL, EOPNOTSUPP, "cannot delete link %d",
                                   indexes[i]);
    }
    return good;
}

static gboolean
fake_tap_open(Kernel *base, const LinkInfo *link, guint n_queues, gboolean multi_queue,
              DescriptorArray *queues, GError **error)
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
        int ends[2];

        if (pipe2(ends, O_NONBLOCK | O_CLOEXEC) < 0) {
            g_array_set_size(queues, before);
            return error_set_errno(error, errno, "cannot open a queue of %s", link->name);
        }
        close(ends[1]);
        descriptor_array_take(queues, ends[0]);
    }
    return TRUE;
}

static void
fake_free(Kernel *base)
{
    FakeKernel *kernel = fake_kernel(base);

    g_ptr_array_unref(kernel->monitors);
    g_ptr_array_unref(kernel->links);
    g_array_unref(kernel->failures);
    g_free(kernel);
}

static const KernelOps fake_ops = {
    .link_by_name = fake_by_name,
    .link_by_index = fake_by_index,
    .link_list = fake_list,
    .macvtap_create = fake_macvtap_create,
    .link_set_mac = fake_set_mac,
    .link_delete = fake_delete,
    .tap_open = fake_tap_open,
    .monitor = fake_monitor,
    .free = fake_free,
};

Kernel *
kernel_fake_new(void)
{
    FakeKernel *kernel = g_new0(FakeKernel, 1);

    kernel->kernel.ops = &fake_ops;
    kernel->links = g_ptr_array_new_with_free_func(g_free);
    kernel->monitors = g_ptr_array_new_with_free_func(fake_monitor_free);
    kernel->failures = g_array_new(FALSE, FALSE, sizeof(FakeFailure));
    kernel->next_index = 1;
    return &kernel->kernel;
}

int
kernel_fake_add_link(Kernel *base, const LinkInfo *info)
{
    FakeLink *link = fake_add(fake_kernel(base), info);

    if (link->info.mtu == 0)
        link->info.mtu = 1500;
    if (link->info.hardware_type == 0)
        link->info.hardware_type = ARPHRD_ETHER;
    fake_tell(fake_kernel(base), LINK_EVENT_CHANGED, &link->info);
    return link->info.index;
}

void
kernel_fake_change_link(Kernel *base, const LinkInfo *info)
{
    FakeLink *link = fake_find(fake_kernel(base), info->index);

    g_return_if_fail(link != NULL);
    link->info = *info;
    fake_tell(fake_kernel(base), LINK_EVENT_CHANGED, &link->info);
    fake_parent_changed(fake_kernel(base), link);
}

void
kernel_fake_remove_link(Kernel *base, int index)
{
    FakeLink *link = fake_find(fake_kernel(base), index);

    g_return_if_fail(link != NULL);
    fake_remove(fake_kernel(base), link);
}

void
kernel_fake_fail(Kernel *base, const char *operation, guint nth, int errnum)
{
    FakeFailure failure = {g_intern_string(operation), nth, errnum};

    g_return_if_fail(nth > 0 && errnum > 0);
    g_array_append_val(fake_kernel(base)->failures, failure);
}

guint
kernel_fake_link_count(Kernel *base)
{
    return fake_kernel(base)->links->len;
}
