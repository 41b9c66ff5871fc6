/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "world.h"

#include "fake.h"

#include <linux/if.h>
#include <linux/if_arp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int
world_setup(void **state)
{
    LinkInfo lo = {.name = "lo",
                   .mtu = 65536,
                   .flags = IFF_UP | IFF_LOOPBACK | IFF_RUNNING,
                   .hardware_type = ARPHRD_LOOPBACK};
    LinkInfo up0 = {.name = "up0",
                    .kind = "veth",
                    .mac = {{0x02, 0, 0, 0, 0, 0xaa}},
                    .flags = IFF_UP | IFF_BROADCAST | IFF_MULTICAST | IFF_RUNNING | IFF_LOWER_UP,
                    .operational_state = IF_OPER_UP,
                    .carrier = TRUE};

    world_kernel = kernel_fake_new();
    kernel_fake_add_link(world_kernel, &lo);
    kernel_fake_add_link(world_kernel, &up0);
    return 0;
}

void
world_restart(void)
{
    kernel_fake_end_watchers(world_kernel);
}

int
world_teardown(void **state)
{
    g_clear_pointer(&world_kernel, kernel_free);
    return 0;
}

void
world_set_mac(const char *name, const char *mac)
{
    LinkInfo link = world_link(name);

    assert_true(mac_address_parse(mac, &link.mac));
    kernel_fake_change_link(world_kernel, &link);
}

void
world_add_altname(const char *name, const char *altname)
{
    kernel_fake_add_altname(world_kernel, world_link(name).index, altname);
}

void
world_set_mtu(const char *name, guint mtu)
{
    LinkInfo link = world_link(name);

    link.mtu = mtu;
    kernel_fake_change_link(world_kernel, &link);
}

void
world_set_up(const char *name, gboolean up)
{
    LinkInfo link = world_link(name);

    link.flags = up ? link.flags | IFF_UP : link.flags & ~(guint32)IFF_UP;
    kernel_fake_change_link(world_kernel, &link);
}

void
world_enable_ipv6(const char *name)
{
    kernel_fake_enable_ipv6(world_kernel, world_link(name).index);
}

void
world_make_bridge_port(const char *name)
{
    LinkInfo bridge = {.name = "br0", .kind = "bridge", .flags = IFF_UP};
    LinkInfo link = world_link(name);

    link.master_index = kernel_fake_add_link(world_kernel, &bridge);
    strcpy(link.master_kind, "bridge");
    kernel_fake_change_link(world_kernel, &link);
}

void
world_remove(const char *name)
{
    kernel_fake_remove_link(world_kernel, world_link(name).index);
}

void
world_make_bond(void)
{
    LinkInfo up0 = world_link("up0"), up2 = up0;
    LinkInfo bond = {
        .name = "bond0",
        .kind = "bond",
        .mac = up0.mac,
        .flags = up0.flags,
        .operational_state = IF_OPER_UP,
        .carrier = TRUE,
        .active_slave_index = up0.index,
    };

    up2.index = 0;
    strcpy(up2.name, "up2");
    strcpy(up0.master_kind, "bond");
    strcpy(up2.master_kind, "bond");
    up0.master_index = up2.master_index = kernel_fake_add_link(world_kernel, &bond);
    kernel_fake_change_link(world_kernel, &up0);
    kernel_fake_add_link(world_kernel, &up2);
}

void
world_make_macvlan_of_elsewhere(const char *name)
{
    LinkInfo link = world_link("up0");

    link.index = 0;
    g_strlcpy(link.name, name, sizeof link.name);
    strcpy(link.kind, "macvlan");
    link.mac.octets[5]++;
    link.is_macvlan = TRUE;
    link.mode = MACVTAP_MODE_BRIDGE;
    link.lower_is_elsewhere = TRUE;
    link.lower_netns = 7;
    link.lower_there = 2;
    kernel_fake_add_link(world_kernel, &link);
}

void
world_move_away(const char *name)
{
    kernel_fake_move_link(world_kernel, world_link(name).index);
}

void
world_bring_back(const char *name)
{
    kernel_fake_bring_back(world_kernel, name);
}

gboolean
world_is_away(const char *name)
{
    return kernel_fake_moved_count(world_kernel) > 0;
}

int
world_socket_of_elsewhere(void)
{
    return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

void
world_close_elsewhere(int socket_fd)
{
    int number;

    assert_true(world_kernel->ops->namespace_number(world_kernel, socket_fd, &number, NULL));
    kernel_fake_end_namespace(world_kernel, number, TRUE);
    close(socket_fd);
}

void
world_set_carrier(const char *name, gboolean carrier)
{
    LinkInfo link = world_link(name);

    link.carrier = carrier;
    link.operational_state = carrier ? IF_OPER_UP : IF_OPER_DOWN;
    link.flags &= ~(guint32)(IFF_RUNNING | IFF_LOWER_UP);
    if (carrier)
        link.flags |= IFF_RUNNING | IFF_LOWER_UP;
    kernel_fake_change_link(world_kernel, &link);
}

void
world_receive(const char *in, const MacAddress *to)
{
    int index = world_link(in).index;
    LinkStatistics statistics;

    assert_true(world_kernel->ops->link_statistics(world_kernel, index, &statistics, NULL));
    statistics.rx_packets++;
    statistics.rx_bytes += 60;
    kernel_fake_set_statistics(world_kernel, index, &statistics);
}

void
world_announce(const MacAddress *mac, gboolean to_all)
{
    if (to_all)
        kernel_fake_announce(world_kernel, world_link("up0").index, mac);
}

void
world_begin_to_hear(void)
{
}

GArray *
world_hear(guint n)
{
    g_autoptr(GArray) sent = kernel_fake_take_announced(world_kernel);
    GArray *macs = g_array_new(FALSE, FALSE, sizeof(MacAddress));

    assert_int_equal(sent->len, n);
    for (guint i = 0; i < n; i++)
        g_array_append_val(macs, g_array_index(sent, FakeAnnouncement, i).mac);
    return macs;
}

void
world_add_address(const char *name, const char *address)
{
    kernel_fake_add_address(world_kernel, world_link(name).index, address);
}

void
world_remove_address(const char *name, const char *address)
{
    kernel_fake_remove_address(world_kernel, world_link(name).index, address);
}

void
world_add_gateway(const char *name, const char *gateway)
{
    kernel_fake_add_gateway(world_kernel, world_link(name).index, gateway);
}

void
world_set_neighbour(const char *name, const char *address, const char *mac)
{
    MacAddress parsed;

    assert_true(mac_address_parse(mac, &parsed));
    kernel_fake_set_neighbour(world_kernel, world_link(name).index, address, &parsed);
}

void
world_remove_route(const char *name, const char *address)
{
    kernel_fake_remove_route(world_kernel, world_link(name).index, address);
}

void
world_answer(const char *address, const MacAddress *mac)
{
    kernel_fake_answer(world_kernel, world_link("up0").index, address, mac);
}

GArray *
world_proxies(const char *name)
{
    return g_array_copy((GArray *)kernel_fake_proxies(world_kernel, world_link(name).index));
}

LinkProgram
world_program(void)
{
    static guint32 last_id;

    return (LinkProgram){.fd = -1, .id = ++last_id};
}

void
world_remove_filters(const char *name)
{
    kernel_fake_remove_filters(world_kernel, world_link(name).index);
}

void
world_remove_pace(const char *name)
{
    kernel_fake_remove_pace(world_kernel, world_link(name).index);
}

void
world_transmit(const char *name)
{
    kernel_fake_transmit(world_kernel, world_link(name).index);
}

gboolean
world_node(int index, uid_t *ret_user)
{
    return kernel_fake_node(world_kernel, index, ret_user);
}

void
world_lose_devtmpfs(void)
{
    kernel_fake_lose_devtmpfs(world_kernel);
}

void
world_put_node(int index)
{
    kernel_fake_put_node(world_kernel, index);
}

GByteArray *
world_sources(const char *name)
{
    const GArray *sources = kernel_fake_sources(world_kernel, world_link(name).index);
    GByteArray *copy = g_byte_array_new();

    if (sources->len)
        g_byte_array_append(copy, (const guint8 *)sources->data,
                            sources->len * (guint)sizeof(MacAddress));
    return copy;
}

int
main(void)
{
    return _cmocka_run_group_tests("fake", contract_tests, n_contract_tests, NULL, NULL);
}
