/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The rules of the kernel's net/8021q/vlan.c, in the order in which it applies them. */
#include "fake-private.h"

#include "error.h"

#include <errno.h>
#include <linux/if.h>
#include <linux/if_arp.h>
#include <string.h>

static gboolean
has_vlan(FakeKernel *kernel, const VlanSpec *spec)
{
    for (guint i = 0; i < kernel->links->len; i++) {
        const FakeLink *link = kernel->links->pdata[i];

        if (strcmp(link->info.kind, "vlan") == 0 && link->info.lower_index == spec->parent_index &&
            link->info.vlan_id == spec->id && !link->info.vlan_is_outer == !spec->is_outer)
            return TRUE;
    }
    return FALSE;
}

static int
refuse(FakeKernel *kernel, const VlanSpec *spec, const FakeLink *parent)
{
    if (spec->id < 1 || spec->id > VLAN_ID_MAX)
        return ERANGE;
    if (fake_find_name(kernel, spec->name))
        return EEXIST;
    if (spec->index && fake_find(kernel, spec->index))
        return EBUSY;
    if (!parent)
        return ENODEV;
    if (parent->info.hardware_type != ARPHRD_ETHER || parent->info.flags & IFF_LOOPBACK)
        return EOPNOTSUPP;
    if (has_vlan(kernel, spec))
        return EEXIST;
    return 0;
}

static LinkInfo
describe(const VlanSpec *spec, const FakeLink *parent)
{
    LinkInfo info = {
        .index = spec->index,
        .kind = "vlan",
        .mac = parent->info.mac,
        .mtu = parent->info.mtu,
        .flags = (parent->info.flags & IFF_UP) | IFF_BROADCAST | IFF_MULTICAST | IFF_NOARP,
        .hardware_type = ARPHRD_ETHER,
        .lower_index = parent->info.index,
        .vlan_id = spec->id,
        .vlan_is_outer = spec->is_outer,
    };

    g_strlcpy(info.name, spec->name, sizeof info.name);
    g_strlcpy(info.alias, spec->alias ? spec->alias : "", sizeof info.alias);
    fake_follow_carrier(parent, &info);
    return info;
}

gboolean
fake_vlan_create(Kernel *base, const VlanSpec *spec, LinkInfo *ret_link, GError **error)
{
    FakeKernel *kernel = fake_kernel(base);
    FakeLink *parent = fake_find(kernel, spec->parent_index), *link;
    LinkInfo info;
    int errnum;

    if (fake_fails(kernel, "vlan_create", error) || !interface_name_check(spec->name, error))
        return FALSE;
    errnum = refuse(kernel, spec, parent);
    if (errnum)
        return error_set_errno(error, errnum, "cannot make VLAN device %s", spec->name);
    info = describe(spec, parent);
    link = fake_add(kernel, &info);
    link->mac_is_inherited = TRUE;
    fake_tell(kernel, LINK_EVENT_CHANGED, &link->info);
    *ret_link = link->info;
    return TRUE;
}
