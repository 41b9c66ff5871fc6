/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fake-private.h"

#include "error.h"

#include <errno.h>

gboolean
fake_filters_attach(Kernel *base, int index, const LinkFilters *filters, GError **error)
{
    FakeLink *link = fake_take(base, "filters_attach", index, "attach filters to", error);

    if (!link)
        return FALSE;
    link->egress = filters->egress.id;
    link->ingress = filters->ingress.id;
    return TRUE;
}

gboolean
fake_filters_are_attached(Kernel *base, int index, const LinkFilters *filters,
                          gboolean *ret_attached, GError **error)
{
    const FakeLink *link =
        fake_take(base, "filters_are_attached", index, "look at the filters of", error);

    if (!link)
        return FALSE;
    *ret_attached = link->egress == filters->egress.id && link->ingress == filters->ingress.id;
    return TRUE;
}

static void
remove_filters(FakeKernel *kernel, int index)
{
    FakeLink *link = fake_find(kernel, index);

    link->egress = link->ingress = 0;
}

void
kernel_fake_remove_filters(Kernel *base, int index)
{
    remove_filters(fake_kernel(base), index);
    fake_tell_filter(fake_kernel(base), index, 0);
}

void
kernel_fake_lose_filters(Kernel *base, int index)
{
    remove_filters(fake_kernel(base), index);
    fake_tell_filter(fake_kernel(base), 0, 0);
}

void
kernel_fake_filters(Kernel *base, int index, guint32 *ret_egress, guint32 *ret_ingress)
{
    const FakeLink *link = fake_find(fake_kernel(base), index);

    *ret_egress = link ? link->egress : 0;
    *ret_ingress = link ? link->ingress : 0;
}

/* ---- the pace ---- */

gboolean
fake_set_pace(Kernel *base, int index, const LinkPace *pace, GError **error)
{
    FakeLink *link = fake_take(base, "link_set_pace", index, "set the pace of", error);

    if (!link)
        return FALSE;
    if (pace->rate == 0 || link->pace.rate == 0)
        link->pace_cost = (LinkPaceCost){0};
    link->pace = *pace;
    return TRUE;
}

gboolean
fake_get_pace(Kernel *base, int index, LinkPace *ret_pace, LinkPaceCost *ret_cost, GError **error)
{
    const FakeLink *link = fake_take(base, "link_get_pace", index, "read the pace of", error);

    if (!link)
        return FALSE;
    /* As in Linux, the burst cannot be read. */
    *ret_pace = (LinkPace){.rate = link->pace.rate, .queue = link->pace.queue};
    *ret_cost = link->pace_cost;
    return TRUE;
}

void
kernel_fake_remove_pace(Kernel *base, int index)
{
    FakeLink *link = fake_find(fake_kernel(base), index);

    link->pace = (LinkPace){0};
    link->pace_cost = (LinkPaceCost){0};
    fake_tell_filter(fake_kernel(base), index, 0);
}

LinkPace
kernel_fake_pace(Kernel *base, int index)
{
    const FakeLink *link = fake_find(fake_kernel(base), index);

    return link ? link->pace : (LinkPace){0};
}

void
kernel_fake_set_pace_cost(Kernel *base, int index, const LinkPaceCost *cost)
{
    fake_find(fake_kernel(base), index)->pace_cost = *cost;
}
