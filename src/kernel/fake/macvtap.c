/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The rules of the kernel's drivers/net/macvlan.c, in the order in which it applies them. */
#include "fake-private.h"

#include "error.h"

#include <errno.h>
#include <linux/if.h>
#include <linux/if_arp.h>
#include <string.h>

/* TUN_READQ_SIZE and MACVLAN_DEFAULT_BC_QUEUE_LEN, in packets. */
#define TX_QUEUE_LENGTH 500
#define MACVLAN_QUEUE_LENGTH 1000
#define BROADCAST_QUEUE_LENGTH 1000

static gboolean
is_up(const FakeLink *link)
{
    return (link->info.flags & IFF_UP) != 0;
}

/* A macvlan whose own parent is in another network namespace: all macvlans without a lower link are
 * treated as siblings. */
static gboolean
lies_on(const FakeLink *link, const FakeLink *parent)
{
    return link->info.is_macvlan &&
           link->info.lower_index == (parent->info.is_macvlan ? 0 : parent->info.index);
}

/* macvlan_addr_busy(): the parent's own MAC, or that of a macvlan on it that is up. */
static gboolean
mac_is_busy(FakeKernel *kernel, const FakeLink *parent, const MacAddress *mac)
{
    if (mac_address_equal(&parent->info.mac, mac))
        return TRUE;
    for (guint i = 0; i < kernel->links->len; i++) {
        const FakeLink *link = kernel->links->pdata[i];

        if (lies_on(link, parent) && is_up(link) && mac_address_equal(&link->info.mac, mac))
            return TRUE;
    }
    return FALSE;
}

/* Passthru shares its parent with nobody. */
static gboolean
modes_conflict(FakeKernel *kernel, const FakeLink *parent, MacvtapMode mode)
{
    for (guint i = 0; i < kernel->links->len; i++) {
        const FakeLink *link = kernel->links->pdata[i];

        if (lies_on(link, parent) &&
            (mode == MACVTAP_MODE_PASSTHRU || link->info.mode == MACVTAP_MODE_PASSTHRU))
            return TRUE;
    }
    return FALSE;
}

static gboolean
mac_is_valid(const MacAddress *mac)
{
    return !mac_address_is_zero(mac) && !mac_address_is_multicast(mac);
}

static int
refuse(FakeKernel *kernel, const MacvtapSpec *spec, const FakeLink *parent)
{
    gboolean passthru = spec->mode == MACVTAP_MODE_PASSTHRU;

    if (fake_find_name(kernel, spec->name))
        return EEXIST;
    if (spec->index && fake_find(kernel, spec->index))
        return EBUSY;
    if (spec->set_mac && !mac_is_valid(&spec->mac))
        return EADDRNOTAVAIL;
    if (!parent)
        return ENODEV;
    if (spec->mtu > parent->info.mtu)
        return EINVAL;
    if (parent->info.hardware_type != ARPHRD_ETHER || parent->info.flags & IFF_LOOPBACK)
        return EINVAL;
    if (parent->info.master_index && strcmp(parent->info.master_kind, "vrf") != 0)
        return EBUSY;
    if (modes_conflict(kernel, parent, spec->mode))
        return EINVAL;
    if (spec->n_sources && spec->mode != MACVTAP_MODE_SOURCE)
        return EINVAL;
    if (spec->set_mac && !passthru && !spec->down && mac_is_busy(kernel, parent, &spec->mac))
        return EADDRINUSE;
    return 0;
}

static MacAddress
random_mac(void)
{
    MacAddress mac;

    for (guint i = 0; i < sizeof mac.octets; i++)
        mac.octets[i] = (guint8)g_random_int();
    mac.octets[0] = (mac.octets[0] & 0xfe) | 0x02;
    return mac;
}

static LinkInfo
describe(const MacvtapSpec *spec, const char *kind, const FakeLink *parent)
{
    gboolean is_macvtap = strcmp(kind, "macvtap") == 0;
    LinkInfo info = {
        .index = spec->index,
        .mac = spec->set_mac ? spec->mac : random_mac(),
        .mtu = spec->mtu ? spec->mtu : parent->info.mtu,
        .flags = IFF_BROADCAST | IFF_MULTICAST | (is_macvtap ? IFF_NOARP : 0) |
                 (spec->down ? 0 : IFF_UP) | (spec->all_multicast ? IFF_ALLMULTI : 0),
        .hardware_type = ARPHRD_ETHER,
        .lower_index = parent->info.is_macvlan ? 0 : parent->info.index,
        .is_macvlan = TRUE,
        .mode = spec->mode,
        .nopromisc = spec->nopromisc,
        .tx_queue_length = spec->tx_queue_length ? spec->tx_queue_length
                           : is_macvtap          ? TX_QUEUE_LENGTH
                                                 : MACVLAN_QUEUE_LENGTH,
        .host_ipv6 = !is_macvtap,
        .broadcast_queue_length =
            spec->broadcast_queue_length ? spec->broadcast_queue_length : BROADCAST_QUEUE_LENGTH,
    };

    if (parent->info.is_macvlan && parent->info.lower_is_elsewhere) {
        info.lower_is_elsewhere = TRUE;
        info.lower_netns = parent->info.lower_netns;
        info.lower_there = parent->info.lower_there;
    }
    g_strlcpy(info.kind, kind, sizeof info.kind);
    g_strlcpy(info.name, spec->name, sizeof info.name);
    g_strlcpy(info.alias, spec->alias ? spec->alias : "", sizeof info.alias);
    if (spec->mode == MACVTAP_MODE_PASSTHRU)
        info.mac = parent->info.mac;
    fake_follow_carrier(parent, &info);
    return info;
}

static FakeLink *
find_parent(FakeKernel *kernel, int index)
{
    FakeLink *parent = fake_find(kernel, index);

    /* A macvlan created on a macvlan is put on the latter's parent. */
    if (parent && parent->info.is_macvlan && parent->info.lower_index)
        return fake_find(kernel, parent->info.lower_index);
    return parent;
}

static gboolean
wants_promiscuity(const FakeLink *link)
{
    return is_up(link) && link->info.mode == MACVTAP_MODE_PASSTHRU && !link->info.nopromisc;
}

static int
compare_macs(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(MacAddress));
}

/* MACVLAN_MACADDR_SET: a list is a set. */
static void
put_sources(FakeLink *link, const MacAddress *sources, gsize n_sources)
{
    g_array_set_size(link->sources, 0);
    link->info.sources_digest = 0;
    if (n_sources == 0)
        return;
    g_array_append_vals(link->sources, sources, (guint)n_sources);
    g_array_sort(link->sources, compare_macs);
    for (guint i = link->sources->len; i-- > 1;) {
        if (mac_address_equal(&g_array_index(link->sources, MacAddress, i),
                              &g_array_index(link->sources, MacAddress, i - 1)))
            g_array_remove_index(link->sources, i);
    }
    link->info.sources_digest =
        link_sources_digest((const MacAddress *)link->sources->data, link->sources->len);
}

/* The device is down meanwhile; on failure it is removed. */
static gboolean
prepare_up(FakeKernel *kernel, FakeLink *link, const MacvtapSpec *spec, GError **error)
{
    guint32 flags = link->info.flags;

    link->info.flags &= ~(guint32)IFF_UP;
    if (spec->before_up && !spec->before_up(link->info.index, spec->before_up_data, error)) {
        fake_remove(kernel, link);
        return FALSE;
    }
    link->info.flags = flags;
    return TRUE;
}

gboolean
fake_macvlan_create(Kernel *base, const MacvtapSpec *spec, const char *kind, LinkInfo *ret_link,
                    GError **error)
{
    FakeKernel *kernel = fake_kernel(base);
    FakeLink *parent = find_parent(kernel, spec->parent_index), *link;
    LinkInfo info;
    int errnum;

    if (!interface_name_check(spec->name, error))
        return FALSE;
    errnum = spec->n_sources > MACVTAP_SOURCES_MAX ? E2BIG : refuse(kernel, spec, parent);
    if (errnum)
        return error_set_errno(error, errnum, "cannot make %s %s", kind, spec->name);
    info = describe(spec, kind, parent);
    link = fake_add(kernel, &info);
    link->restored_mac = parent->info.mac;
    if (!prepare_up(kernel, link, spec, error))
        return FALSE;
    put_sources(link, spec->sources, spec->n_sources);
    if (wants_promiscuity(link))
        fake_add_promiscuity(kernel, parent, 1);
    fake_tell(kernel, LINK_EVENT_CHANGED, &link->info);
    *ret_link = link->info;
    return TRUE;
}

gboolean
fake_macvtap_create(Kernel *base, const MacvtapSpec *spec, LinkInfo *ret_link, GError **error)
{
    return !fake_fails(fake_kernel(base), "macvtap_create", error) &&
           fake_macvlan_create(base, spec, "macvtap", ret_link, error);
}

/* dev_change_flags(), with macvlan_open() or macvlan_stop(). */
static void
change_up(FakeKernel *kernel, FakeLink *link, FakeLink *parent, gboolean up)
{
    gboolean wanted = wants_promiscuity(link);

    link->info.flags = up ? link->info.flags | IFF_UP : link->info.flags & ~(guint32)IFF_UP;
    if (parent)
        fake_follow_carrier(parent, &link->info);
    if (parent && wants_promiscuity(link) != wanted)
        fake_add_promiscuity(kernel, parent, wanted ? -1 : 1);
    fake_changed(kernel, link);
}

static FakeLink *
parent_of(FakeKernel *kernel, const FakeLink *link)
{
    return link->info.is_macvlan ? fake_find(kernel, link->info.lower_index) : NULL;
}

gboolean
fake_set_up(Kernel *base, int index, gboolean up, GError **error)
{
    FakeKernel *kernel = fake_kernel(base);
    const char *what = up ? "set up" : "set down";
    FakeLink *link = fake_take(base, "link_set_up", index, what, error), *parent;

    if (!link)
        return FALSE;
    parent = parent_of(kernel, link);
    if (parent && up && !is_up(link) && link->info.mode != MACVTAP_MODE_PASSTHRU &&
        mac_is_busy(kernel, parent, &link->info.mac))
        return error_set_errno(error, EADDRINUSE, "cannot %s link %d", what, index);
    if (is_up(link) != up)
        change_up(kernel, link, parent, up);
    return TRUE;
}

gboolean
fake_change(Kernel *base, int index, const LinkChange *change, GError **error)
{
    FakeKernel *kernel = fake_kernel(base);
    FakeLink *link = fake_take(base, "link_change", index, "change", error), *parent;

    if (!link)
        return FALSE;
    parent = parent_of(kernel, link);
    if (parent && change->mtu > parent->info.mtu)
        return error_set_errno(error, EINVAL, "cannot change link %d", index);
    if (change->mtu)
        link->info.mtu = change->mtu;
    if (change->tx_queue_length)
        link->info.tx_queue_length = change->tx_queue_length;
    if (change->alias)
        g_strlcpy(link->info.alias, change->alias, sizeof link->info.alias);
    if (change->all_multicast)
        link->info.flags |= IFF_ALLMULTI;
    if (change->no_all_multicast)
        link->info.flags &= ~(guint32)IFF_ALLMULTI;
    if (change->silence) {
        link->info.flags |= IFF_NOARP;
        link->info.host_ipv6 = FALSE;
    }
    fake_changed(kernel, link);
    return TRUE;
}

gboolean
fake_set_mac(Kernel *base, int index, const MacAddress *mac, GError **error)
{
    FakeKernel *kernel = fake_kernel(base);
    FakeLink *link = fake_take(base, "link_set_mac", index, "set the MAC of", error), *parent;
    gboolean passthru;

    if (!link)
        return FALSE;
    parent = parent_of(kernel, link);
    passthru = parent && link->info.mode == MACVTAP_MODE_PASSTHRU;
    if (!mac_is_valid(mac))
        return error_set_errno(error, EADDRNOTAVAIL, "cannot set the MAC of link %d", index);
    if (parent && !passthru && !mac_address_equal(&link->info.mac, mac) &&
        mac_is_busy(kernel, parent, mac))
        return error_set_errno(error, EADDRINUSE, "cannot set the MAC of link %d", index);
    kernel->mac_calls++;
    if (!passthru) {
        fake_put_mac(kernel, link, mac);
        return TRUE;
    }
    if (parent->keeps_mac) {
        fake_tell(kernel, LINK_EVENT_CHANGED, &parent->info);
    } else {
        link->info.mac = *mac;
        fake_put_mac(kernel, parent, mac);
    }
    fake_tell(kernel, LINK_EVENT_CHANGED, &link->info);
    return TRUE;
}

/* Like fake_take(), but for macvtaps only. */
static FakeLink *
take_macvtap(Kernel *base, const char *operation, int index, const char *what, GError **error)
{
    FakeLink *link = fake_take(base, operation, index, what, error);

    if (!link || strcmp(link->info.kind, "macvtap") == 0)
        return link;
    error_set_errno(error, EOPNOTSUPP, "cannot %s link %d", what, index);
    return NULL;
}

gboolean
fake_set_sources(Kernel *base, int index, const MacAddress *sources, gsize n_sources,
                 GError **error)
{
    FakeLink *link = take_macvtap(base, "macvtap_set_sources", index, "set the sources of", error);
    int errnum = n_sources > MACVTAP_SOURCES_MAX ? E2BIG : 0;

    if (!link)
        return FALSE;
    if (link->info.mode != MACVTAP_MODE_SOURCE)
        errnum = EINVAL;
    if (errnum)
        return error_set_errno(error, errnum, "cannot set the sources of link %d", index);
    put_sources(link, sources, n_sources);
    fake_tell(fake_kernel(base), LINK_EVENT_CHANGED, &link->info);
    return TRUE;
}

gboolean
fake_set_mode(Kernel *base, int index, MacvtapMode mode, GError **error)
{
    FakeLink *link = take_macvtap(base, "macvtap_set_mode", index, "set the mode of", error);

    if (!link)
        return FALSE;
    if ((link->info.mode == MACVTAP_MODE_PASSTHRU) != (mode == MACVTAP_MODE_PASSTHRU))
        return error_set_errno(error, EINVAL, "cannot set link %d to mode %s", index,
                               macvtap_mode_name(mode));
    if (mode != MACVTAP_MODE_SOURCE)
        put_sources(link, NULL, 0);
    link->info.mode = mode;
    fake_tell(fake_kernel(base), LINK_EVENT_CHANGED, &link->info);
    return TRUE;
}

gboolean
fake_set_broadcast_queue(Kernel *base, int index, guint32 length, GError **error)
{
    FakeLink *link = take_macvtap(base, "macvtap_set_broadcast_queue", index,
                                  "set the broadcast queue of", error);

    if (!link)
        return FALSE;
    link->info.broadcast_queue_length = length;
    fake_tell(fake_kernel(base), LINK_EVENT_CHANGED, &link->info);
    return TRUE;
}

gboolean
fake_set_promisc(Kernel *base, int index, gboolean promisc, GError **error)
{
    FakeLink *link =
        take_macvtap(base, "macvtap_set_promisc", index, "set the promiscuity of", error);
    FakeLink *parent;
    gboolean wanted;

    if (!link)
        return FALSE;
    parent = parent_of(fake_kernel(base), link);
    wanted = wants_promiscuity(link);
    link->info.nopromisc = !promisc;
    if (parent && wants_promiscuity(link) != wanted)
        fake_add_promiscuity(fake_kernel(base), parent, wanted ? -1 : 1);
    fake_tell(fake_kernel(base), LINK_EVENT_CHANGED, &link->info);
    return TRUE;
}

void
fake_macvlan_removed(FakeKernel *kernel, const FakeLink *link)
{
    FakeLink *parent = fake_find(kernel, link->info.lower_index);

    if (!parent || link->info.mode != MACVTAP_MODE_PASSTHRU)
        return;
    if (wants_promiscuity(link))
        fake_add_promiscuity(kernel, parent, -1);
    if (!mac_address_equal(&parent->info.mac, &link->restored_mac))
        fake_put_mac(kernel, parent, &link->restored_mac);
}
