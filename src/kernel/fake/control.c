/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What tests do to the fake behind the daemon's back. */
#include "fake-private.h"

#include "error.h"

#include <net/if.h>
#include <net/if_arp.h>
#include <string.h>

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

int
kernel_fake_add_link(Kernel *base, const LinkInfo *info)
{
    FakeLink *link = fake_add(fake_kernel(base), info);

    if (link->info.mtu == 0)
        link->info.mtu = 1500;
    if (link->info.hardware_type == 0)
        link->info.hardware_type = ARPHRD_ETHER;
    link->mac_is_inherited = strcmp(link->info.kind, "vlan") == 0;
    fake_tell(fake_kernel(base), LINK_EVENT_CHANGED, &link->info);
    fake_slave_changed(fake_kernel(base), link);
    return link->info.index;
}

void
kernel_fake_change_link(Kernel *base, const LinkInfo *info)
{
    FakeLink *link = fake_find(fake_kernel(base), info->index);
    gboolean had_carrier;

    g_return_if_fail(link != NULL);
    had_carrier = link->info.carrier;
    if (!mac_address_equal(&link->info.mac, &info->mac))
        link->mac_is_inherited = FALSE;
    link->info = *info;
    fake_count_carrier(&link->info, had_carrier);
    fake_changed(fake_kernel(base), link);
}

void
kernel_fake_notify_peers(Kernel *base, int index)
{
    const FakeLink *link = fake_find(fake_kernel(base), index);

    g_return_if_fail(link != NULL);
    fake_tell_peers(fake_kernel(base), link);
}

void
kernel_fake_enable_ipv6(Kernel *base, int index)
{
    FakeLink *link = fake_find(fake_kernel(base), index);
    LinkInfo told = {.index = index};

    g_return_if_fail(link != NULL);
    link->info.host_ipv6 = TRUE;
    memcpy(told.name, link->info.name, sizeof told.name);
    fake_tell(fake_kernel(base), LINK_EVENT_IPV6, &told);
}

void
kernel_fake_add_altname(Kernel *base, int index, const char *altname)
{
    FakeLink *link = fake_find(fake_kernel(base), index);

    g_return_if_fail(link != NULL);
    g_ptr_array_add(link->altnames, g_strdup(altname));
}

void
kernel_fake_remove_link(Kernel *base, int index)
{
    FakeLink *link = fake_find(fake_kernel(base), index);

    g_return_if_fail(link != NULL);
    fake_remove(fake_kernel(base), link);
}

void
kernel_fake_move_link(Kernel *base, int index)
{
    FakeKernel *kernel = fake_kernel(base);
    FakeLink *link = fake_find(kernel, index);

    g_return_if_fail(link != NULL);
    link->info.flags &= ~(guint32)(IFF_UP | IFF_RUNNING);
    fake_changed(kernel, link);
    for (guint i = 0; i < kernel->links->len; i++) {
        FakeLink *upper = kernel->links->pdata[i];

        if (!fake_is_upper(upper, index))
            continue;
        upper->info.lower_index = 0;
        upper->info.lower_is_elsewhere = TRUE;
        upper->info.lower_netns = FAKE_NETNS;
        upper->info.lower_there = index;
    }
    g_array_append_val(kernel->moved, link->info);
    fake_remove(kernel, link);
}

/* The link as it is there, which is no longer among the moved ones. */
static LinkInfo
take_moved(FakeKernel *kernel, const char *name)
{
    for (guint i = 0; i < kernel->moved->len; i++) {
        LinkInfo info = g_array_index(kernel->moved, LinkInfo, i);

        if (strcmp(info.name, name) != 0)
            continue;
        g_array_remove_index(kernel->moved, i);
        return info;
    }
    g_assert_not_reached();
}

int
kernel_fake_bring_back(Kernel *base, const char *name)
{
    FakeKernel *kernel = fake_kernel(base);
    LinkInfo info = take_moved(kernel, name);
    int index = info.index;
    FakeLink *link;

    if (fake_find(kernel, index))
        info.index = 0;
    link = fake_add(kernel, &info);
    for (guint i = 0; i < kernel->links->len; i++) {
        FakeLink *upper = kernel->links->pdata[i];

        if (!upper->info.lower_is_elsewhere || upper->info.lower_there != index)
            continue;
        upper->info.lower_index = link->info.index;
        upper->info.lower_is_elsewhere = FALSE;
        upper->info.lower_netns = upper->info.lower_there = 0;
    }
    fake_tell(kernel, LINK_EVENT_CHANGED, &link->info);
    return link->info.index;
}

guint
kernel_fake_moved_count(Kernel *kernel)
{
    return fake_kernel(kernel)->moved->len;
}

void
kernel_fake_end_watchers(Kernel *base)
{
    FakeKernel *kernel = fake_kernel(base);

    g_ptr_array_set_size(kernel->watchers, 0);
    fake_queues_end_watch(kernel);
}

guint
kernel_fake_heal(Kernel *kernel)
{
    guint n_left = fake_kernel(kernel)->failures->len;

    g_array_set_size(fake_kernel(kernel)->failures, 0);
    return n_left;
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

void
kernel_fake_set_statistics(Kernel *base, int index, const LinkStatistics *statistics)
{
    FakeLink *link = fake_find(fake_kernel(base), index);

    g_return_if_fail(link != NULL);
    link->statistics = *statistics;
}

void
kernel_fake_set_wireless(Kernel *base, int index)
{
    FakeLink *link = fake_find(fake_kernel(base), index);

    g_return_if_fail(link != NULL);
    link->is_wireless = TRUE;
}

void
kernel_fake_keep_mac(Kernel *base, int index)
{
    FakeLink *link = fake_find(fake_kernel(base), index);

    g_return_if_fail(link != NULL);
    link->keeps_mac = TRUE;
}

guint
kernel_fake_mac_calls(Kernel *base)
{
    return fake_kernel(base)->mac_calls;
}

const GArray *
kernel_fake_sources(Kernel *base, int index)
{
    const FakeLink *link = fake_find(fake_kernel(base), index);

    g_return_val_if_fail(link != NULL, NULL);
    return link->sources;
}
