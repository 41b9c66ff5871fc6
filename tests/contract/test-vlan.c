/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "world.h"

#include <errno.h>
#include <linux/if.h>
#include <string.h>

static VlanSpec
vlan_spec(const char *name, guint16 id)
{
    return (VlanSpec){
        .name = name,
        .parent_index = world_link("up0").index,
        .id = id,
        .alias = "macvtapd:vlan",
    };
}

static LinkInfo
create(const VlanSpec *spec)
{
    g_autoptr(GError) error = NULL;
    LinkInfo link;

    if (!world_kernel->ops->vlan_create(world_kernel, spec, &link, &error))
        fail_msg("%s", error->message);
    return link;
}

static void
create_fails(const VlanSpec *spec, int errnum)
{
    g_autoptr(GError) error = NULL;
    guint before = world_link_count();
    LinkInfo link = {.index = -7};

    assert_false(world_kernel->ops->vlan_create(world_kernel, spec, &link, &error));
    assert_errno(&error, errnum);
    assert_int_equal(link.index, -7);
    assert_int_equal(world_link_count(), before);
}

static void
gives_the_finished_device(void **state)
{
    VlanSpec spec = vlan_spec("v100", 100);
    LinkInfo parent = world_link("up0"), link, again;

    link = create(&spec);
    again = world_link("v100");
    assert_links_equal(&link, &again);
    assert_string_equal(link.name, "v100");
    assert_string_equal(link.kind, "vlan");
    assert_string_equal(link.alias, "macvtapd:vlan");
    assert_int_equal(link.vlan_id, 100);
    assert_false(link.vlan_is_outer);
    assert_int_equal(link.lower_index, parent.index);
    assert_memory_equal(&link.mac, &parent.mac, sizeof parent.mac);
    assert_int_equal(link.mtu, 1500);
    assert_true(link.carrier);
    assert_int_equal(link.operational_state, IF_OPER_UP);
    assert_int_equal(link.flags & (IFF_UP | IFF_NOARP | IFF_RUNNING | IFF_LOWER_UP),
                     IFF_UP | IFF_NOARP | IFF_RUNNING | IFF_LOWER_UP);
}

static void
takes_the_chosen_index(void **state)
{
    VlanSpec spec = vlan_spec("v100", 100);

    spec.index = 7654;
    spec.alias = NULL;
    assert_int_equal(create(&spec).index, 7654);
    assert_string_equal(world_link("v100").alias, "");
}

static void
knows_the_outer_tag(void **state)
{
    VlanSpec outer = vlan_spec("v200", 200), inner = vlan_spec("v200.100", 100);
    LinkInfo link;

    outer.is_outer = TRUE;
    link = create(&outer);
    assert_true(link.vlan_is_outer);
    assert_true(world_link("v200").vlan_is_outer);
    inner.parent_index = link.index;
    link = create(&inner);
    assert_int_equal(link.lower_index, inner.parent_index);
    assert_int_equal(link.vlan_id, 100);
    assert_false(link.vlan_is_outer);
    inner = vlan_spec("v200q", 200); /* the same number with the other tag is another VLAN */
    create(&inner);
}

static void
refuses_what_is_taken(void **state)
{
    VlanSpec spec = vlan_spec("v100", 100);
    LinkInfo before, after;

    before = create(&spec);
    create_fails(&spec, EEXIST);
    spec.name = "other"; /* the VLAN is taken */
    spec.alias = "macvtapd:other";
    create_fails(&spec, EEXIST);
    spec.index = 7654;
    create_fails(&spec, EEXIST);
    spec.id = 101;
    spec.index = before.index;
    create_fails(&spec, EBUSY);
    spec.name = "v100"; /* the name is */
    create_fails(&spec, EEXIST);
    spec.index = 7654;
    create_fails(&spec, EEXIST);
    after = world_link("v100");
    assert_links_equal(&before, &after);
}

static void
refuses_bad_input(void **state)
{
    VlanSpec spec = vlan_spec("v100", 0);

    create_fails(&spec, ERANGE);
    spec.id = 4095;
    create_fails(&spec, ERANGE);
    spec.id = 4094;
    spec.parent_index = 7654;
    create_fails(&spec, ENODEV);
    spec.parent_index = 0;
    create_fails(&spec, ENODEV);
    spec.parent_index = world_link("lo").index;
    create_fails(&spec, EOPNOTSUPP);
    spec = vlan_spec("sixteen-letters-", 100);
    create_fails(&spec, EINVAL);
}

static void
rises_with_its_parent(void **state)
{
    VlanSpec spec = vlan_spec("v100", 100);
    LinkInfo link, again;

    world_set_up("up0", FALSE);
    link = create(&spec);
    assert_int_equal(link.flags & (IFF_UP | IFF_NOARP), IFF_NOARP);
    assert_string_equal(link.alias, "macvtapd:vlan");
    again = world_link("v100");
    assert_links_equal(&link, &again);
    world_set_up("up0", TRUE);
    assert_int_equal(world_link("v100").flags & (IFF_UP | IFF_NOARP), IFF_UP | IFF_NOARP);
    world_set_up("up0", FALSE);
    assert_int_equal(world_link("v100").flags & IFF_UP, 0);
}

static LinkInfo
create_macvtap(const char *name, int parent_index, MacvtapMode mode)
{
    MacvtapSpec spec = world_spec(name, 1);

    spec.parent_index = parent_index;
    spec.mode = mode;
    spec.set_mac = mode != MACVTAP_MODE_PASSTHRU;
    return world_create(&spec);
}

static void
goes_with_its_parent_and_takes_its_macvtaps(void **state)
{
    VlanSpec spec = vlan_spec("v100", 100);
    guint before = world_link_count();
    LinkInfo vlan;

    vlan = create(&spec);
    create_macvtap("vm1", vlan.index, MACVTAP_MODE_BRIDGE);
    assert_true(world_kernel->ops->link_delete(world_kernel, &vlan.index, 1, NULL));
    assert_int_equal(world_link_count(), before);
    vlan = create(&spec);
    create_macvtap("vm1", vlan.index, MACVTAP_MODE_BRIDGE);
    world_remove("up0");
    assert_true(world_link_count() < before);
    assert_false(world_kernel->ops->link_by_name(world_kernel, "vm1", &vlan, NULL));
    assert_false(world_kernel->ops->link_by_name(world_kernel, "v100", &vlan, NULL));
}

static void
passthru_leaves_the_parents_below_as_they_were(void **state)
{
    const MacAddress mac = {{0x52, 0x54, 0, 0, 9, 9}};
    VlanSpec spec = vlan_spec("v100", 100);
    LinkInfo parent = world_link("up0"), vlan, link, now;

    vlan = create(&spec);
    link = create_macvtap("vm1", vlan.index, MACVTAP_MODE_PASSTHRU);
    assert_memory_equal(&link.mac, &parent.mac, sizeof mac);
    assert_int_equal(world_link("v100").promiscuity, 1);
    assert_int_equal(world_link("up0").promiscuity, 1);
    assert_true(world_kernel->ops->link_set_mac(world_kernel, link.index, &mac, NULL));
    now = world_link("v100");
    assert_memory_equal(&now.mac, &mac, sizeof mac);
    now = world_link("up0");
    assert_memory_equal(&now.mac, &parent.mac, sizeof mac);
    assert_true(world_kernel->ops->link_delete(world_kernel, &link.index, 1, NULL));
    now = world_link("v100");
    assert_links_equal(&now, &vlan);
    now = world_link("up0");
    assert_links_equal(&now, &parent);
}

static void
follows_its_parents_mac_until_it_has_one(void **state)
{
    VlanSpec spec = vlan_spec("v100", 100);
    const MacAddress mac = {{0x52, 0x54, 0, 0, 9, 9}};
    LinkInfo vlan, now;

    vlan = create(&spec);
    world_set_mac("up0", "52:54:00:00:08:08");
    now = world_link("v100");
    assert_int_equal(now.mac.octets[4], 8);
    assert_true(world_kernel->ops->link_set_mac(world_kernel, vlan.index, &mac, NULL));
    world_set_mac("up0", "52:54:00:00:07:07");
    now = world_link("v100");
    assert_memory_equal(&now.mac, &mac, sizeof mac);
}

const struct CMUnitTest contract_tests[] = {
    WORLD_TEST(gives_the_finished_device),
    WORLD_TEST(takes_the_chosen_index),
    WORLD_TEST(knows_the_outer_tag),
    WORLD_TEST(refuses_what_is_taken),
    WORLD_TEST(refuses_bad_input),
    WORLD_TEST(rises_with_its_parent),
    WORLD_TEST(goes_with_its_parent_and_takes_its_macvtaps),
    WORLD_TEST(passthru_leaves_the_parents_below_as_they_were),
    WORLD_TEST(follows_its_parents_mac_until_it_has_one),
};
const gsize n_contract_tests = G_N_ELEMENTS(contract_tests);
