/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * The kernel tells of a change to a link while it makes it, under the lock that also orders the
 * answers to our questions. So when no event is unread, the last one about a link says what the
 * kernel would answer, and there is no need to ask. With an event unread, or lost, the kernel is
 * asked. Two things are told late or not at all: the carrier, after up to a second
 * (linkwatch_event()), and how many want the link promiscuous. On a bond's carrier hangs whether it
 * takes a port, so bonds are always asked for.
 *
 * A name that was asked for is kept only if it is the link's own: of alternative names that move
 * from link to link the events would have to be read as well.
 */
#include "linux-private.h"

#include <poll.h>
#include <string.h>

/* More than a host has parents; then all are queried again. */
#define RECALLED_MAX 64

const Privileges recall_privileges = {
    .part = "links known from events",
    .system_calls = SYSTEM_CALLS({"poll"}, {"ppoll"}),
};

/* Also where events were lost: then there is an error to be read. */
static gboolean
has_unread(const LinuxKernel *kernel)
{
    struct pollfd item = {.fd = kernel->events_fd, .events = POLLIN};

    return poll(&item, 1, 0) != 0;
}

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

    if (known && !has_unread(kernel)) {
        *ret_link = *known;
        return TRUE;
    }
    if (!link_get_by_name(base, name, ret_link, error))
        return FALSE;
    if (kernel->events_fd >= 0)
        keep(kernel, name, ret_link);
    return TRUE;
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
            *(LinkInfo *)known = *link;
        else if (type != LINK_EVENT_IPV6)
            g_hash_table_iter_remove(&iter);
    }
}
