/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The effects of a link's change on others, as in the kernel's macvlan_device_event(),
 * vlan_device_event(), bond_slave_netdev_event() and bond_set_mac_address(). Here a bond does not
 * pass its promiscuity on to its slaves.
 */
#include "fake-private.h"

#include <linux/if.h>
#include <string.h>

static gboolean
is_kind(const FakeLink *link, const char *kind)
{
    return strcmp(link->info.kind, kind) == 0;
}

/* netif_carrier_on() */
void
fake_count_carrier(LinkInfo *link, gboolean had_carrier)
{
    if (link->carrier && !had_carrier)
        link->carrier_ups++;
}

/* netif_stacked_transfer_operstate() */
void
fake_follow_carrier(const FakeLink *lower, LinkInfo *upper)
{
    upper->carrier = lower->info.carrier && lower->info.flags & IFF_UP;
    upper->operational_state = upper->carrier ? IF_OPER_UP : IF_OPER_LOWERLAYERDOWN;
    if (!(upper->flags & IFF_UP))
        upper->operational_state = IF_OPER_DOWN;
    upper->flags &= ~(guint32)(IFF_RUNNING | IFF_LOWER_UP);
    if (upper->carrier && upper->flags & IFF_UP)
        upper->flags |= IFF_RUNNING | IFF_LOWER_UP;
}

/* A VLAN device goes up and down with its parent, and has the parent's MAC until its own is set. */
static void
vlan_follow(const FakeLink *lower, FakeLink *upper)
{
    upper->info.flags &= ~(guint32)IFF_UP;
    upper->info.flags |= lower->info.flags & IFF_UP;
    if (upper->mac_is_inherited)
        upper->info.mac = lower->info.mac;
}

static void
upper_follow(FakeKernel *kernel, const FakeLink *lower, FakeLink *upper)
{
    LinkInfo before = upper->info;

    if (is_kind(upper, "vlan"))
        vlan_follow(lower, upper);
    else if (upper->info.mode == MACVTAP_MODE_PASSTHRU &&
             !mac_address_equal(&upper->info.mac, &lower->info.mac))
        /* No message reports that. */
        before.mac = upper->info.mac = upper->restored_mac = lower->info.mac;
    fake_follow_carrier(lower, &upper->info);
    fake_count_carrier(&upper->info, before.carrier);
    upper->info.mtu = MIN(upper->info.mtu, lower->info.mtu);
    if (memcmp(&before, &upper->info, sizeof before) != 0)
        fake_changed(kernel, upper);
}

static gboolean
is_slave(const FakeLink *link, const FakeLink *bond)
{
    return is_kind(bond, "bond") && link->info.master_index == bond->info.index;
}

void
fake_changed(FakeKernel *kernel, FakeLink *link)
{
    fake_tell(kernel, LINK_EVENT_CHANGED, &link->info);
    if (link->info.active_slave_index)
        link->has_active_slave = TRUE;
    for (guint i = 0; i < kernel->links->len; i++) {
        FakeLink *other = kernel->links->pdata[i];

        if (fake_is_upper(other, link->info.index)) {
            upper_follow(kernel, link, other);
        } else if (is_slave(other, link) && !mac_address_equal(&other->info.mac, &link->info.mac)) {
            other->info.mac = link->info.mac;
            fake_changed(kernel, other);
        }
    }
    fake_slave_changed(kernel, link);
}

void
fake_put_mac(FakeKernel *kernel, FakeLink *link, const MacAddress *mac)
{
    link->info.mac = *mac;
    link->mac_is_inherited = FALSE;
    fake_changed(kernel, link);
}

void
fake_add_promiscuity(FakeKernel *kernel, FakeLink *link, int change)
{
    FakeLink *lower = is_kind(link, "vlan") ? fake_find(kernel, link->info.lower_index) : NULL;

    link->info.promiscuity += (guint32)change;
    fake_tell(kernel, LINK_EVENT_CHANGED, &link->info);
    if (lower)
        fake_add_promiscuity(kernel, lower, change);
}

static gboolean
is_usable(const FakeLink *slave)
{
    return slave->info.flags & IFF_UP && slave->info.carrier;
}

/* The event with which the kernel reports that the link's peers must learn again where it is;
 * also for the VLAN devices and macvlans on it. */
void
fake_tell_peers(FakeKernel *kernel, const FakeLink *link)
{
    LinkInfo told = link->info;

    told.notifies_peers = TRUE;
    fake_tell(kernel, LINK_EVENT_CHANGED, &told);
    for (guint i = 0; i < kernel->links->len; i++) {
        if (fake_is_upper(kernel->links->pdata[i], link->info.index))
            fake_tell_peers(kernel, kernel->links->pdata[i]);
    }
}

/* The active slave stays active while it can. */
static FakeLink *
choose_slave(FakeKernel *kernel, const FakeLink *bond)
{
    FakeLink *active = fake_find(kernel, bond->info.active_slave_index);

    if (active && is_slave(active, bond) && is_usable(active))
        return active;
    for (guint i = 0; i < kernel->links->len; i++) {
        FakeLink *link = kernel->links->pdata[i];

        if (is_slave(link, bond) && is_usable(link))
            return link;
    }
    return NULL;
}

static void
bond_follow(FakeKernel *kernel, FakeLink *bond)
{
    LinkInfo before = bond->info;
    FakeLink *slave;

    bond->has_active_slave = bond->has_active_slave || bond->info.active_slave_index;
    slave = choose_slave(kernel, bond);
    if (bond->has_active_slave)
        bond->info.active_slave_index = slave ? slave->info.index : 0;
    bond->info.carrier = slave != NULL;
    fake_count_carrier(&bond->info, before.carrier);
    bond->info.operational_state = slave ? IF_OPER_UP : IF_OPER_DOWN;
    bond->info.flags &= ~(guint32)(IFF_RUNNING | IFF_LOWER_UP);
    if (slave)
        bond->info.flags |= IFF_RUNNING | IFF_LOWER_UP;
    if (memcmp(&before, &bond->info, sizeof before) != 0)
        fake_changed(kernel, bond);
    if (slave && bond->info.active_slave_index != before.active_slave_index)
        fake_tell_peers(kernel, bond);
}

void
fake_slave_changed(FakeKernel *kernel, const FakeLink *slave)
{
    FakeLink *bond = slave->info.master_index ? fake_find(kernel, slave->info.master_index) : NULL;

    if (bond && is_kind(bond, "bond"))
        bond_follow(kernel, bond);
}

/* A bond releases its slaves; a slave that is removed leaves its bond. */
void
fake_bond_removed(FakeKernel *kernel, const FakeLink *removed)
{
    for (guint i = 0; i < kernel->links->len; i++) {
        FakeLink *link = kernel->links->pdata[i];

        if (link->info.master_index != removed->info.index)
            continue;
        link->info.master_index = 0;
        memset(link->info.master_kind, 0, sizeof link->info.master_kind);
        fake_changed(kernel, link);
    }
    fake_slave_changed(kernel, removed);
}
