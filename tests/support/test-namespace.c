/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test-namespace.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/link/bridge.h>
#include <netlink/route/link/macvlan.h>
#include <netlink/route/link/macvtap.h>
#include <netlink/route/link/veth.h>
#include <netlink/socket.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

typedef struct nl_sock TestSocket;
typedef struct rtnl_link TestLink;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(TestSocket, nl_socket_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(TestLink, rtnl_link_put)

static void
must(gboolean good, const char *what, const char *name, const char *why)
{
    if (good)
        return;
    fprintf(stderr, "test ground: %s %s: %s\n", what, name, why);
    exit(EXIT_FAILURE);
}

static void
must_nl(int result, const char *what, const char *name)
{
    must(result >= 0, what, name, nl_geterror(result));
}

/* A socket for each call: the thread may have changed its network namespace since the last. */
static TestSocket *
connect_route(void)
{
    TestSocket *socket = nl_socket_alloc();

    must(socket != NULL, "netlink", "socket", "out of memory");
    must_nl(nl_connect(socket, NETLINK_ROUTE), "netlink", "socket");
    return socket;
}

const char *
test_namespace_enter(void)
{
    if (geteuid() != 0)
        return "needs root (device nodes cannot be made in a user namespace)";
    if (unshare(CLONE_NEWNET | CLONE_NEWNS) < 0)
        return "needs CAP_SYS_ADMIN for a network and a mount namespace";
    if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("sysfs", "/sys", "sysfs", 0, NULL) < 0)
        return "needs leave to mount a sysfs";
    test_link_set_up("lo", TRUE);
    return NULL;
}

int
test_skip_all(const char *reason)
{
    if (g_strcmp0(g_getenv("MACVTAPD_REQUIRE"), "1") == 0) {
        printf("Bail out! %s\n", reason);
        return EXIT_FAILURE;
    }
    printf("1..0 # SKIP %s\n", reason);
    return EXIT_SUCCESS;
}

static int
open_own_namespace(void)
{
    int fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);

    must(fd >= 0, "open", "/proc/thread-self/ns/net", g_strerror(errno));
    return fd;
}

int
test_namespace_switch(int fd)
{
    int before = open_own_namespace();

    must(setns(fd, CLONE_NEWNET) == 0, "setns", "network", g_strerror(errno));
    return before;
}

int
test_namespace_new(void)
{
    int before = open_own_namespace(), made;

    must(unshare(CLONE_NEWNET) == 0, "unshare", "network", g_strerror(errno));
    made = test_namespace_switch(before);
    close(before);
    return made;
}

void
test_mount_dev(const char *path)
{
    must(mount("tmpfs", path, "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=0755") == 0, "mount", path,
         g_strerror(errno));
}

static void
add_link(TestLink *link, const char *name)
{
    g_autoptr(TestSocket) socket = connect_route();

    rtnl_link_set_name(link, name);
    must_nl(rtnl_link_add(socket, link, NLM_F_CREATE | NLM_F_EXCL), "add link", name);
}

void
test_veth_add(const char *name, const char *peer)
{
    g_autoptr(TestLink) link = rtnl_link_veth_alloc();
    TestLink *other = rtnl_link_veth_get_peer(link);

    rtnl_link_set_name(other, peer);
    rtnl_link_put(other);
    add_link(link, name);
    test_link_set_up(name, TRUE);
    test_link_set_up(peer, TRUE);
}

void
test_bridge_add(const char *name)
{
    g_autoptr(TestLink) link = rtnl_link_bridge_alloc();

    add_link(link, name);
    test_link_set_up(name, TRUE);
}

int
test_macvtap_add(const char *name, const char *parent, int index)
{
    g_autoptr(TestLink) link = rtnl_link_macvtap_alloc();

    rtnl_link_set_link(link, (int)if_nametoindex(parent));
    rtnl_link_macvtap_set_mode(link, rtnl_link_macvtap_str2mode("bridge"));
    if (index)
        rtnl_link_set_ifindex(link, index);
    add_link(link, name);
    return (int)if_nametoindex(name);
}

void
test_macvlan_give(const char *name, const char *parent, int namespace)
{
    g_autoptr(TestLink) link = rtnl_link_macvlan_alloc();

    rtnl_link_set_link(link, (int)if_nametoindex(parent));
    rtnl_link_macvlan_set_mode(link, rtnl_link_macvlan_str2mode("bridge"));
    rtnl_link_set_ns_fd(link, namespace);
    add_link(link, name);
}

static void
change_link(const char *name, TestLink *changes)
{
    g_autoptr(TestSocket) socket = connect_route();
    g_autoptr(TestLink) link = rtnl_link_alloc();

    rtnl_link_set_ifindex(link, (int)if_nametoindex(name));
    must_nl(rtnl_link_change(socket, link, changes, 0), "change link", name);
}

void
test_link_move(const char *name, int namespace)
{
    g_autoptr(TestLink) changes = rtnl_link_alloc();

    rtnl_link_set_ns_fd(changes, namespace);
    change_link(name, changes);
}

void
test_link_set_master(const char *name, const char *master)
{
    g_autoptr(TestSocket) socket = connect_route();
    int index = (int)if_nametoindex(name), result;

    result = master ? rtnl_link_enslave_ifindex(socket, (int)if_nametoindex(master), index)
                    : rtnl_link_release_ifindex(socket, index);
    must_nl(result, "set master of", name);
}

void
test_link_set_up(const char *name, gboolean up)
{
    g_autoptr(TestLink) changes = rtnl_link_alloc();

    if (up)
        rtnl_link_set_flags(changes, IFF_UP);
    else
        rtnl_link_unset_flags(changes, IFF_UP);
    change_link(name, changes);
}

void
test_link_set_mtu(const char *name, guint mtu)
{
    g_autoptr(TestLink) changes = rtnl_link_alloc();

    rtnl_link_set_mtu(changes, mtu);
    change_link(name, changes);
}

void
test_link_set_group(const char *name, guint group)
{
    g_autoptr(TestLink) changes = rtnl_link_alloc();

    rtnl_link_set_group(changes, group);
    change_link(name, changes);
}

void
test_link_set_mac(const char *name, const char *mac)
{
    g_autoptr(TestLink) changes = rtnl_link_alloc();
    struct nl_addr *address;

    must_nl(nl_addr_parse(mac, AF_LLC, &address), "parse MAC", mac);
    rtnl_link_set_addr(changes, address);
    nl_addr_put(address);
    change_link(name, changes);
}

void
test_link_set_name(const char *name, const char *new_name)
{
    g_autoptr(TestLink) changes = rtnl_link_alloc();

    rtnl_link_set_name(changes, new_name);
    change_link(name, changes);
}

/* libnl 3.7 knows no alternative names. */
void
test_link_add_altname(const char *name, const char *altname)
{
    const char *command[] = {"ip", "link",    "property", "add", "dev",
                             name, "altname", altname,    NULL};
    g_autoptr(GError) error = NULL;
    int status = -1;

    if (g_spawn_sync(NULL, (char **)command, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL,
                     &status, &error))
        g_spawn_check_wait_status(status, &error);
    must(!error, "give the alternative name", altname, error ? error->message : "");
}

void
test_link_delete(const char *name)
{
    g_autoptr(TestSocket) socket = connect_route();
    g_autoptr(TestLink) link = rtnl_link_alloc();

    rtnl_link_set_ifindex(link, (int)if_nametoindex(name));
    must_nl(rtnl_link_delete(socket, link), "delete link", name);
}

guint
test_link_group(const char *name)
{
    g_autoptr(TestSocket) socket = connect_route();
    g_autoptr(TestLink) link = NULL;

    must_nl(rtnl_link_get_kernel(socket, 0, name, &link), "look at link", name);
    return rtnl_link_get_group(link);
}

char *
test_link_show(const char *name)
{
    const char *command[] = {"ip", "-details", "link", "show", "dev", name, NULL};
    char *output = NULL;
    int status = -1;

    g_spawn_sync(NULL, (char **)command, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, &output, NULL,
                 &status, NULL);
    must(status == 0, "ip link show", name, "failed");
    return output;
}

void
test_address_add(const char *name, const char *address)
{
    g_autoptr(TestSocket) socket = connect_route();
    struct rtnl_addr *added = rtnl_addr_alloc();
    struct nl_addr *local;

    must_nl(nl_addr_parse(address, AF_UNSPEC, &local), "parse address", address);
    rtnl_addr_set_ifindex(added, (int)if_nametoindex(name));
    rtnl_addr_set_local(added, local);
    must_nl(rtnl_addr_add(socket, added, 0), "add address", address);
    nl_addr_put(local);
    rtnl_addr_put(added);
}

guint
test_link_address_count(int index, int family)
{
    g_autoptr(TestSocket) socket = connect_route();
    struct nl_cache *cache;
    guint count = 0;

    must_nl(rtnl_addr_alloc_cache(socket, &cache), "list", "addresses");
    for (struct nl_object *o = nl_cache_get_first(cache); o; o = nl_cache_get_next(o)) {
        struct rtnl_addr *address = (struct rtnl_addr *)o;

        count += rtnl_addr_get_ifindex(address) == index && rtnl_addr_get_family(address) == family;
    }
    nl_cache_free(cache);
    return count;
}

/* Not by libnl: its cache keeps one of the routes that differ only in their link. */
guint
test_ipv6_route_count(const char *name)
{
    const char *path = "/proc/thread-self/net/ipv6_route";
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;
    guint count = 0;

    must(g_file_get_contents(path, &text, NULL, NULL), "read", path, "failed");
    lines = g_strsplit(text, "\n", -1);
    for (guint i = 0; lines[i]; i++) {
        const char *device = strrchr(lines[i], ' ');

        count += device && strcmp(device + 1, name) == 0;
    }
    return count;
}

static int
open_monitor(int group)
{
    struct sockaddr_nl address = {.nl_family = AF_NETLINK};
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

    must(fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
             setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) == 0,
         "open", "monitor", g_strerror(errno));
    return fd;
}

int
test_address_monitor_open(void)
{
    return open_monitor(RTNLGRP_IPV6_IFADDR);
}

int
test_link_monitor_open(void)
{
    return open_monitor(RTNLGRP_LINK);
}

guint
test_removed_group(int monitor, int index)
{
    g_autofree char *buffer = g_malloc(32768);

    for (;;) {
        struct nlmsghdr *message = (struct nlmsghdr *)buffer;
        const struct ifinfomsg *header = nlmsg_data(message);
        gssize length = recv(monitor, buffer, 32768, 0);
        struct nlattr *group;

        must(length > 0, "read", "monitor", g_strerror(errno));
        if (message->nlmsg_type != RTM_DELLINK || header->ifi_index != index)
            continue;
        group = nlmsg_find_attr(message, sizeof *header, IFLA_GROUP);
        return group ? nla_get_u32(group) : 0;
    }
}

void
test_write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);

    must(fd >= 0 && write(fd, text, strlen(text)) == (gssize)strlen(text), "write", path,
         g_strerror(errno));
    close(fd);
}
