/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "world.h"

#include "fake.h"

#include <linux/if.h>
#include <linux/if_arp.h>
#include <string.h>

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

int
main(void)
{
    return _cmocka_run_group_tests("fake", contract_tests, n_contract_tests, NULL, NULL);
}
