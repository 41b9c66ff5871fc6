/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* /dev/tap<index>, with or without devtmpfs. */
#include "fake-private.h"

#include "error.h"

#include <errno.h>
#include <string.h>

typedef struct FakeNode {
    guint64 number; /* 0: another file */
    uid_t user;     /* who may open it, besides root */
} FakeNode;

static FakeNode *
find_node(FakeKernel *kernel, int index)
{
    return g_hash_table_lookup(kernel->nodes, GINT_TO_POINTER(index));
}

static FakeNode *
add_node(FakeKernel *kernel, int index, guint64 number)
{
    FakeNode *node = g_new0(FakeNode, 1);

    node->number = number;
    g_hash_table_insert(kernel->nodes, GINT_TO_POINTER(index), node);
    return node;
}

/* Numbered as in Linux: the index may be in use in another namespace. */
void
fake_node_appear(FakeKernel *kernel, FakeLink *link)
{
    if (strcmp(link->info.kind, "macvtap") != 0)
        return;
    link->number = ++kernel->last_number;
    if (!kernel->has_no_devtmpfs && !find_node(kernel, link->info.index))
        add_node(kernel, link->info.index, link->number);
}

void
fake_node_vanish(FakeKernel *kernel, const FakeLink *link)
{
    const FakeNode *node = find_node(kernel, link->info.index);

    if (node && node->number == link->number && !kernel->has_no_devtmpfs)
        g_hash_table_remove(kernel->nodes, GINT_TO_POINTER(link->info.index));
}

gboolean
fake_node_ensure(Kernel *base, const LinkInfo *link, uid_t user, guint64 *ret_made, GError **error)
{
    FakeKernel *kernel = fake_kernel(base);
    const FakeLink *found = fake_find(kernel, link->index);
    FakeNode *node = find_node(kernel, link->index);

    if (fake_fails(kernel, "tap_node_ensure", error))
        return FALSE;
    if (!found || strcmp(found->info.name, link->name) != 0 || found->number == 0)
        return error_set_errno(error, ENODEV, "link %d is not macvtap %s", link->index, link->name);
    if (node && node->number != found->number)
        return error_set_errno(error, EBUSY, "/dev/tap%d is not a node of %s", link->index,
                               link->name);
    *ret_made = node ? 0 : found->number;
    if (!node)
        node = add_node(kernel, link->index, found->number);
    node->user = user;
    return TRUE;
}

gboolean
fake_node_remove(Kernel *base, const LinkInfo *link, guint64 number, GError **error)
{
    FakeKernel *kernel = fake_kernel(base);
    const FakeLink *found = fake_find(kernel, link->index);
    const FakeNode *node = find_node(kernel, link->index);

    if (fake_fails(kernel, "tap_node_remove", error))
        return FALSE;
    if (number == 0 && (!found || strcmp(found->info.name, link->name) != 0 || found->number == 0))
        return error_set_errno(error, ENODEV, "link %d is not macvtap %s", link->index, link->name);
    if (number == 0)
        number = found->number;
    if (node && node->number == number)
        g_hash_table_remove(kernel->nodes, GINT_TO_POINTER(link->index));
    return TRUE;
}

gboolean
kernel_fake_node(Kernel *base, int index, uid_t *ret_user)
{
    const FakeNode *node = find_node(fake_kernel(base), index);

    if (!node)
        return FALSE;
    *ret_user = node->user;
    return TRUE;
}

guint
kernel_fake_node_count(Kernel *kernel)
{
    return g_hash_table_size(fake_kernel(kernel)->nodes);
}

void
kernel_fake_put_node(Kernel *base, int index)
{
    add_node(fake_kernel(base), index, 0);
}

void
kernel_fake_lose_devtmpfs(Kernel *base)
{
    fake_kernel(base)->has_no_devtmpfs = TRUE;
}
