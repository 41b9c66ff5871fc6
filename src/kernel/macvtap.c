/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "linux-private.h"

#include "error.h"

#include <errno.h>
#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>

static const guint32 kernel_modes[] = {
    [MACVTAP_MODE_BRIDGE] = MACVLAN_MODE_BRIDGE,   [MACVTAP_MODE_VEPA] = MACVLAN_MODE_VEPA,
    [MACVTAP_MODE_PRIVATE] = MACVLAN_MODE_PRIVATE, [MACVTAP_MODE_PASSTHRU] = MACVLAN_MODE_PASSTHRU,
    [MACVTAP_MODE_SOURCE] = MACVLAN_MODE_SOURCE,
};
G_STATIC_ASSERT(G_N_ELEMENTS(kernel_modes) == MACVTAP_MODE_COUNT);

/* SET empties the list first, so it can also set an empty list. */
static void
put_sources(NetlinkMessage *message, const MacAddress *sources, gsize n_sources)
{
    struct nlattr *list;

    nla_put_u32(message, IFLA_MACVLAN_MACADDR_MODE, MACVLAN_MACADDR_SET);
    list = nla_nest_start(message, IFLA_MACVLAN_MACADDR_DATA);
    for (gsize i = 0; i < n_sources; i++)
        nla_put(message, IFLA_MACVLAN_MACADDR, sizeof sources[i], &sources[i]);
    nla_nest_end(message, list);
}

static gsize
sources_size(gsize n_sources)
{
    return 64 + n_sources * (gsize)nla_total_size(sizeof(MacAddress));
}

static gboolean
check_sources(gsize n_sources, const char *what, GError **error)
{
    return n_sources <= MACVTAP_SOURCES_MAX ||
           error_set_errno(error, E2BIG, "%s (%" G_GSIZE_FORMAT " sources)", what, n_sources);
}

static void
put_kind(NetlinkMessage *message, const MacvtapSpec *spec)
{
    struct nlattr *info = nla_nest_start(message, IFLA_LINKINFO), *data;

    nla_put_string(message, IFLA_INFO_KIND, "macvtap");
    data = nla_nest_start(message, IFLA_INFO_DATA);
    nla_put_u32(message, IFLA_MACVLAN_MODE, kernel_modes[spec->mode]);
    if (spec->nopromisc)
        nla_put_u16(message, IFLA_MACVLAN_FLAGS, MACVLAN_FLAG_NOPROMISC);
    if (spec->broadcast_queue_length)
        nla_put_u32(message, IFLA_MACVLAN_BC_QUEUE_LEN, spec->broadcast_queue_length);
    if (spec->n_sources)
        put_sources(message, spec->sources, spec->n_sources);
    nla_nest_end(message, data);
    nla_nest_end(message, info);
}

static NetlinkMessage *
create_request(const MacvtapSpec *spec, const LinkSetup *setup)
{
    NetlinkMessage *message = link_create_request(setup, 256 + sources_size(spec->n_sources));

    if (spec->set_mac)
        nla_put(message, IFLA_ADDRESS, sizeof spec->mac.octets, spec->mac.octets);
    if (spec->mtu)
        nla_put_u32(message, IFLA_MTU, spec->mtu);
    if (spec->tx_queue_length)
        nla_put_u32(message, IFLA_TXQLEN, spec->tx_queue_length);
    put_kind(message, spec);
    return message;
}

gboolean
macvtap_make(Kernel *kernel, const MacvtapSpec *spec, LinkInfo *ret_link, GError **error)
{
    const LinkSetup setup = {
        .name = spec->name,
        .index = spec->index,
        .parent_index = spec->parent_index,
        .flags = spec->all_multicast ? IFF_ALLMULTI : 0,
        .stays_down = spec->down,
        .alias = spec->alias,
        .before_up = spec->before_up,
        .before_up_data = spec->before_up_data,
    };
    g_autofree char *what = g_strdup_printf("cannot make macvtap %s", spec->name);
    g_autoptr(NetlinkMessage) request = NULL;

    if (!interface_name_check(spec->name, error) || !check_sources(spec->n_sources, what, error))
        return FALSE;
    request = create_request(spec, &setup);
    return link_create(linux_kernel(kernel), request, &setup, what, ret_link, error);
}

/* A request to be completed with the macvtap attributes that change, which take size bytes. */
static NetlinkMessage *
change_request(int index, gsize size, struct nlattr **ret_info, struct nlattr **ret_data)
{
    NetlinkMessage *request = netlink_link_request(RTM_NEWLINK, 0, index, 64 + size);

    *ret_info = nla_nest_start(request, IFLA_LINKINFO);
    nla_put_string(request, IFLA_INFO_KIND, "macvtap");
    *ret_data = nla_nest_start(request, IFLA_INFO_DATA);
    return request;
}

static gboolean
send_change(Kernel *kernel, NetlinkMessage *request, struct nlattr *info, struct nlattr *data,
            const char *what, GError **error)
{
    nla_nest_end(request, data);
    nla_nest_end(request, info);
    return netlink_ask(linux_kernel(kernel)->netlink, request, NULL, NULL, what, error);
}

gboolean
macvtap_change_sources(Kernel *kernel, int index, const MacAddress *sources, gsize n_sources,
                       GError **error)
{
    g_autofree char *what = g_strdup_printf("cannot set the sources of link %d", index);
    g_autoptr(NetlinkMessage) request = NULL;
    struct nlattr *info, *data;

    if (!check_sources(n_sources, what, error))
        return FALSE;
    if (index <= 0)
        return error_set_errno(error, ENODEV, "%s", what);
    request = change_request(index, sources_size(n_sources), &info, &data);
    put_sources(request, sources, n_sources);
    return send_change(kernel, request, info, data, what, error);
}

/* Sets one attribute of the macvtap's data. */
static gboolean
change_attribute(Kernel *kernel, int index, int attribute, gconstpointer value, int size,
                 const char *what, GError **error)
{
    g_autoptr(NetlinkMessage) request = NULL;
    struct nlattr *info, *data;

    if (index <= 0)
        return error_set_errno(error, ENODEV, "%s", what);
    request = change_request(index, 16, &info, &data);
    nla_put(request, attribute, size, value);
    return send_change(kernel, request, info, data, what, error);
}

gboolean
macvtap_change_mode(Kernel *kernel, int index, MacvtapMode mode, GError **error)
{
    g_autofree char *what =
        g_strdup_printf("cannot set link %d to mode %s", index, macvtap_mode_name(mode));

    return change_attribute(kernel, index, IFLA_MACVLAN_MODE, &kernel_modes[mode],
                            sizeof kernel_modes[mode], what, error);
}

gboolean
macvtap_change_broadcast_queue(Kernel *kernel, int index, guint32 length, GError **error)
{
    g_autofree char *what = g_strdup_printf("cannot set the broadcast queue of link %d", index);

    return change_attribute(kernel, index, IFLA_MACVLAN_BC_QUEUE_LEN, &length, sizeof length, what,
                            error);
}

gboolean
macvtap_change_promisc(Kernel *kernel, int index, gboolean promisc, GError **error)
{
    g_autofree char *what = g_strdup_printf("cannot set the promiscuity of link %d", index);
    const guint16 flags = promisc ? 0 : MACVLAN_FLAG_NOPROMISC;

    return change_attribute(kernel, index, IFLA_MACVLAN_FLAGS, &flags, sizeof flags, what, error);
}
