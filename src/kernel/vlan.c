/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "linux-private.h"

#include "error.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <netlink/attr.h>

static NetlinkMessage *
create_request(const VlanSpec *spec, const LinkSetup *setup)
{
    NetlinkMessage *message = link_create_request(setup, 64);
    struct nlattr *info = nla_nest_start(message, IFLA_LINKINFO), *data;

    nla_put_string(message, IFLA_INFO_KIND, "vlan");
    data = nla_nest_start(message, IFLA_INFO_DATA);
    nla_put_u16(message, IFLA_VLAN_ID, spec->id);
    nla_put_u16(message, IFLA_VLAN_PROTOCOL, htons(spec->is_outer ? ETH_P_8021AD : ETH_P_8021Q));
    nla_nest_end(message, data);
    nla_nest_end(message, info);
    return message;
}

gboolean
vlan_make(Kernel *kernel, const VlanSpec *spec, LinkInfo *ret_link, GError **error)
{
    const LinkSetup setup = {
        .name = spec->name,
        .index = spec->index,
        .parent_index = spec->parent_index,
        .rises_with_parent = TRUE,
        .alias = spec->alias,
    };
    g_autofree char *what = g_strdup_printf("cannot make VLAN device %s", spec->name);
    g_autoptr(NetlinkMessage) request = NULL;

    if (!interface_name_check(spec->name, error))
        return FALSE;
    /* The kernel accepts 0, which means "no VLAN, only a priority". */
    if (spec->id < 1 || spec->id > VLAN_ID_MAX)
        return error_set_errno(error, ERANGE, "%s (VLAN %u)", what, spec->id);
    request = create_request(spec, &setup);
    return link_create(linux_kernel(kernel), request, &setup, what, ret_link, error);
}
