/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * The kernel reports a link's change while making it, under the lock that also serializes its
 * answers to our queries. So if no event is unread, the last one about a link contains what the
 * kernel would answer, and no query is needed. If an event is unread or lost, the kernel is
 * queried. Two properties are reported late or not at all: the carrier, after up to a second
 * (linkwatch_event()), and the promiscuity count. Whether a bond can have a port depends on its
 * carrier, so bonds are always queried.
 *
 * A queried name is remembered only if it is the link's own, as events about alternative names,
 * which can move from link to link, are not tracked.
 */
#include "linux-private.h"

#include <string.h>

/* More than the parents of any host; at this number all are queried again. */
#define RECALLED_MAX 64

const Privileges recall_privileges = {
    .part = "what is known from events",
    .system_calls = SYSTEM_CALLS({"poll"}, {"ppoll"}),
};

static void
keep(LinuxKernel *kernel, const char *name, const LinkInfo *link)
{
    if (strcmp(link->name, name) != 0 || strcmp(link->kind, "bond") == 0)
        return;
    if (g_hash_table_size(kernel->recalled) >= RECALLED_MAX)
        g_hash_table_remove_all(kernel->recalled);
    g_hash_table_insert(kernel->recalled, g_strdup(name), g_memdup2(link, sizeof *link));
}

gboolean
link_recall(Kernel *base, const char *name, LinkInfo *ret_link, GError **error)
{
    LinuxKernel *kernel = linux_kernel(base);
    const LinkInfo *known = g_hash_table_lookup(kernel->recalled, name);

    if (known && !netlink_has_unread(kernel->events_fd)) {
        *ret_link = *known;
        return TRUE;
    }
    if (!link_get_by_name(base, name, ret_link, error))
        return FALSE;
    if (kernel->events_fd >= 0)
        keep(kernel, name, ret_link);
    return TRUE;
}

static void
keep_event(LinkInfo *known, const LinkInfo *event)
{
    *known = *event;
    known->notifies_peers = FALSE;
}

void
link_recall_update(LinuxKernel *kernel, LinkEventType type, const LinkInfo *link)
{
    GHashTableIter iter;
    gpointer name, known;

    if (type == LINK_EVENT_LOST)
        g_hash_table_remove_all(kernel->recalled);
    g_hash_table_iter_init(&iter, kernel->recalled);
    while (g_hash_table_iter_next(&iter, &name, &known)) {
        if (((const LinkInfo *)known)->index != link->index)
            continue;
        if (type == LINK_EVENT_CHANGED && strcmp(name, link->name) == 0)
            keep_event(known, link);
        else if (type != LINK_EVENT_IPV6)
            g_hash_table_iter_remove(&iter);
    }
}
