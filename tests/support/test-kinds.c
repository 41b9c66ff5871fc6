/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test-kinds.h"

#include "test-namespace.h"

#include <linux/if_bonding.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/errno.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <stdio.h>
#include <stdlib.h>

#define PROBE "probe0"

typedef struct nl_sock TestSocket;
typedef struct nl_msg TestMessage;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(TestSocket, nl_socket_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(TestMessage, nlmsg_free)

static void
must_nl(int result, const char *what, const char *name)
{
    if (result >= 0)
        return;
    fprintf(stderr, "test ground: %s %s: %s\n", what, name, nl_geterror(result));
    exit(EXIT_FAILURE);
}

static TestSocket *
connect_route(void)
{
    TestSocket *socket = nl_socket_alloc();

    must_nl(socket ? nl_connect(socket, NETLINK_ROUTE) : -NLE_NOMEM, "netlink", "socket");
    return socket;
}

static TestMessage *
link_message(int type, int flags, const char *name)
{
    struct ifinfomsg header = {.ifi_family = AF_UNSPEC};
    TestMessage *message = nlmsg_alloc_simple(type, flags);

    nlmsg_append(message, &header, sizeof header, NLMSG_ALIGNTO);
    nla_put_string(message, IFLA_IFNAME, name);
    return message;
}

/* 0 or libnl's negative error. */
static int
add_link(TestMessage *message)
{
    g_autoptr(TestSocket) socket = connect_route();
    int result = nl_send_auto(socket, message);

    return result < 0 ? result : nl_wait_for_ack(socket);
}

gboolean
test_has_kind(const char *kind)
{
    g_autoptr(TestMessage) message = link_message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, PROBE);
    struct nlattr *info = nla_nest_start(message, IFLA_LINKINFO);
    int result;

    nla_put_string(message, IFLA_INFO_KIND, kind);
    nla_nest_end(message, info);
    result = add_link(message);
    if (result == 0)
        test_link_delete(PROBE);
    return result != -NLE_OPNOTSUPP;
}

void
test_bond_add(const char *name)
{
    g_autoptr(TestMessage) message = link_message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, name);
    struct nlattr *info = nla_nest_start(message, IFLA_LINKINFO), *data;

    nla_put_string(message, IFLA_INFO_KIND, "bond");
    data = nla_nest_start(message, IFLA_INFO_DATA);
    nla_put_u8(message, IFLA_BOND_MODE, BOND_MODE_ACTIVEBACKUP);
    nla_put_u32(message, IFLA_BOND_MIIMON, 10);
    nla_nest_end(message, data);
    nla_nest_end(message, info);
    must_nl(add_link(message), "add bond", name);
    test_link_set_up(name, TRUE);
}

void
test_bond_enslave(const char *bond, const char *name)
{
    test_link_set_up(name, FALSE);
    test_link_set_master(name, bond);
    test_link_set_up(name, TRUE);
}

/* net/if.h, which declares it, does not go together with linux/if_bonding.h. */
unsigned int if_nametoindex(const char *name);

int
test_vlan_add(const char *name, const char *parent, guint16 id)
{
    g_autoptr(TestMessage) message = link_message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, name);
    struct nlattr *info, *data;

    nla_put_u32(message, IFLA_LINK, if_nametoindex(parent));
    info = nla_nest_start(message, IFLA_LINKINFO);
    nla_put_string(message, IFLA_INFO_KIND, "vlan");
    data = nla_nest_start(message, IFLA_INFO_DATA);
    nla_put_u16(message, IFLA_VLAN_ID, id);
    nla_nest_end(message, data);
    nla_nest_end(message, info);
    must_nl(add_link(message), "add VLAN", name);
    test_link_set_up(name, TRUE);
    return (int)if_nametoindex(name);
}

static int
take_sources(struct nl_msg *message, void *user_data)
{
    static const int path[] = {IFLA_INFO_DATA, IFLA_MACVLAN_MACADDR_DATA};
    struct nlattr *attribute =
        nlmsg_find_attr(nlmsg_hdr(message), sizeof(struct ifinfomsg), IFLA_LINKINFO);
    struct nlattr *source;
    int rest;

    for (guint i = 0; attribute && i < G_N_ELEMENTS(path); i++)
        attribute = nla_find(nla_data(attribute), nla_len(attribute), path[i]);
    if (!attribute)
        return NL_OK;
    nla_for_each_nested(source, attribute, rest)
        g_byte_array_append(user_data, nla_data(source), (guint)nla_len(source));
    return NL_OK;
}

GByteArray *
test_macvtap_sources(const char *name)
{
    g_autoptr(TestSocket) socket = connect_route();
    g_autoptr(TestMessage) message = link_message(RTM_GETLINK, 0, name);
    GByteArray *sources = g_byte_array_new();

    nl_socket_modify_cb(socket, NL_CB_VALID, NL_CB_CUSTOM, take_sources, sources);
    must_nl(nl_send_auto(socket, message), "look at link", name);
    must_nl(nl_recvmsgs_default(socket), "look at link", name);
    return sources;
}
