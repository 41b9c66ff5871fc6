/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "world.h"

#include <errno.h>
#include <linux/if.h>
#include <string.h>

static const MacAddress mac = {{0x52, 0x54, 0, 0, 9, 9}};

/* The last that the monitor said of each, */
static LinkInfo bond, macvtap;
static gboolean notifies_peers; /* and whether the bond's peers were to be told */

static void
note(LinkEventType type, const LinkInfo *link, gpointer user_data)
{
    if (type == LINK_EVENT_IPV6)
        return;
    assert_int_equal(type, LINK_EVENT_CHANGED);
    if (strcmp(link->name, "bond0") == 0) {
        bond = *link;
        notifies_peers |= link->notifies_peers && link->active_slave_index != 0;
    } else if (strcmp(link->name, "vm1") == 0) {
        macvtap = *link;
    }
}

static void
watch(void)
{
    bond = macvtap = (LinkInfo){0};
    notifies_peers = FALSE;
    assert_true(world_kernel->ops->monitor(world_kernel, note, NULL, NULL));
}

static LinkInfo
create_macvtap(int parent_index, MacvtapMode mode)
{
    MacvtapSpec spec = world_spec("vm1", 1);

    spec.parent_index = parent_index;
    spec.mode = mode;
    spec.set_mac = mode != MACVTAP_MODE_PASSTHRU;
    return world_create(&spec);
}

static void
assert_mac(const char *name, const MacAddress *expected)
{
    LinkInfo link = world_link(name);

    assert_memory_equal(&link.mac, expected, sizeof link.mac);
}

static void
shows_its_slaves(void **state)
{
    LinkInfo link, slave;

    world_make_bond();
    link = world_link("bond0");
    slave = world_link("up0");
    assert_string_equal(link.kind, "bond");
    assert_true(link.carrier);
    assert_int_equal(link.active_slave_index, slave.index);
    assert_int_equal(slave.master_index, link.index);
    assert_string_equal(slave.master_kind, "bond");
    assert_int_equal(world_link("up2").master_index, link.index);
}

static void
tells_of_a_failover(void **state)
{
    int first, second;

    world_make_bond();
    first = world_link("up0").index;
    second = world_link("up2").index;
    create_macvtap(world_link("bond0").index, MACVTAP_MODE_BRIDGE);
    watch();
    world_set_carrier("up0", FALSE);
    while (bond.active_slave_index != second || !notifies_peers)
        g_main_context_iteration(NULL, TRUE);
    assert_true(bond.carrier);
    assert_false(world_link("bond0").notifies_peers);
    assert_true(world_link("vm1").carrier);
    world_set_carrier("up0", TRUE);
    world_set_carrier("up2", FALSE);
    while (bond.active_slave_index != first)
        g_main_context_iteration(NULL, TRUE);
}

static void
tells_of_the_last_slaves_loss(void **state)
{
    world_make_bond();
    create_macvtap(world_link("bond0").index, MACVTAP_MODE_BRIDGE);
    watch();
    world_set_carrier("up0", FALSE);
    world_set_carrier("up2", FALSE);
    while (bond.index == 0 || bond.carrier || macvtap.index == 0 || macvtap.carrier)
        g_main_context_iteration(NULL, TRUE);
    assert_int_equal(bond.active_slave_index, 0);
    assert_true(macvtap.flags & IFF_UP);
    world_set_carrier("up2", TRUE);
    while (!bond.carrier || !macvtap.carrier)
        g_main_context_iteration(NULL, TRUE);
    assert_int_equal(bond.active_slave_index, world_link("up2").index);
}

static void
loses_slaves(void **state)
{
    world_make_bond();
    watch();
    world_remove("bond0");
    assert_int_equal(world_link("up0").master_index, 0);
    assert_string_equal(world_link("up0").master_kind, "");
}

static void
a_slave_is_no_parent(void **state)
{
    MacvtapSpec spec = world_spec("vm1", 1);

    world_make_bond();
    world_create_fails(&spec, EBUSY);
}

static void
passthru_sets_and_restores_the_slaves_macs(void **state)
{
    LinkInfo parent, up0, up2, link, now;

    world_make_bond();
    parent = world_link("bond0");
    up0 = world_link("up0");
    up2 = world_link("up2");
    link = create_macvtap(parent.index, MACVTAP_MODE_PASSTHRU);
    assert_mac("vm1", &parent.mac);
    assert_true(world_kernel->ops->link_set_mac(world_kernel, link.index, &mac, NULL));
    assert_mac("bond0", &mac);
    assert_mac("up0", &mac);
    assert_mac("up2", &mac);
    assert_true(world_kernel->ops->link_delete(world_kernel, &link.index, 1, NULL));
    now = world_link("bond0");
    assert_links_equal(&now, &parent);
    now = world_link("up0");
    assert_links_equal(&now, &up0);
    now = world_link("up2");
    assert_links_equal(&now, &up2);
}

static void
passthru_on_a_vlan_leaves_the_slaves_macs(void **state)
{
    VlanSpec spec = {.name = "v100", .id = 100};
    LinkInfo parent, vlan, link, now;

    world_make_bond();
    parent = world_link("bond0");
    spec.parent_index = parent.index;
    assert_true(world_kernel->ops->vlan_create(world_kernel, &spec, &vlan, NULL));
    link = create_macvtap(vlan.index, MACVTAP_MODE_PASSTHRU);
    assert_true(world_kernel->ops->link_set_mac(world_kernel, link.index, &mac, NULL));
    assert_mac("v100", &mac);
    assert_mac("bond0", &parent.mac);
    assert_mac("up0", &parent.mac);
    assert_mac("up2", &parent.mac);
    assert_true(world_kernel->ops->link_delete(world_kernel, &link.index, 1, NULL));
    now = world_link("v100");
    assert_links_equal(&now, &vlan);
    now = world_link("bond0");
    assert_links_equal(&now, &parent);
}

const struct CMUnitTest contract_tests[] = {
    WORLD_TEST(shows_its_slaves),
    WORLD_TEST(tells_of_a_failover),
    WORLD_TEST(tells_of_the_last_slaves_loss),
    WORLD_TEST(loses_slaves),
    WORLD_TEST(a_slave_is_no_parent),
    WORLD_TEST(passthru_sets_and_restores_the_slaves_macs),
    WORLD_TEST(passthru_on_a_vlan_leaves_the_slaves_macs),
};
const gsize n_contract_tests = G_N_ELEMENTS(contract_tests);
