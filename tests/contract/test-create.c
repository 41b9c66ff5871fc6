/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "world.h"

#include "error.h"

#include <errno.h>
#include <linux/if.h>
#include <string.h>

#define UP_FLAGS (IFF_UP | IFF_LOWER_UP | IFF_RUNNING)

static void
gives_the_finished_device(void **state)
{
    MacvtapSpec spec = world_spec("vm1", 1);
    LinkInfo link = world_create(&spec), again = world_link("vm1"), by_index;

    assert_links_equal(&link, &again);
    assert_true(world_kernel->ops->link_by_index(world_kernel, link.index, &by_index, NULL));
    assert_links_equal(&link, &by_index);
    assert_string_equal(link.name, "vm1");
    assert_string_equal(link.kind, "macvtap");
    assert_string_equal(link.alias, "macvtapd:test");
    assert_memory_equal(&link.mac, &spec.mac, sizeof link.mac);
    assert_int_equal(link.mtu, 1500);
    assert_int_equal(link.flags & UP_FLAGS, UP_FLAGS);
    assert_true(link.carrier);
    assert_int_equal(link.lower_index, spec.parent_index);
    assert_true(link.is_macvlan);
}

static void
knows_every_mode(void **state)
{
    for (MacvtapMode mode = 0; mode < MACVTAP_MODE_COUNT; mode++) {
        MacvtapSpec spec = world_spec("vm1", 1);
        LinkInfo link;

        spec.mode = mode;
        link = world_create(&spec);
        assert_int_equal(link.mode, mode);
        assert_int_equal(world_link("vm1").mode, mode);
        assert_true(world_kernel->ops->link_delete(world_kernel, &link.index, 1, NULL));
    }
}

static void
takes_the_chosen_index(void **state)
{
    MacvtapSpec spec = world_spec("vm1", 1);

    spec.index = 7654;
    assert_int_equal(world_create(&spec).index, 7654);
}

static void
makes_a_mac_of_its_own(void **state)
{
    MacvtapSpec spec = world_spec("vm1", 1);
    LinkInfo link;

    spec.set_mac = FALSE;
    link = world_create(&spec);
    assert_false(mac_address_is_zero(&link.mac));
    assert_false(mac_address_is_multicast(&link.mac));
}

static void
works_without_an_alias(void **state)
{
    MacvtapSpec spec = world_spec("vm1", 1);

    spec.alias = NULL;
    assert_string_equal(world_create(&spec).alias, "");
}

static void
sets_the_mtu(void **state)
{
    MacvtapSpec spec = world_spec("vm1", 1);

    spec.mtu = 1400;
    assert_int_equal(world_create(&spec).mtu, 1400);
}

static void
refuses_an_mtu_above_the_parents(void **state)
{
    MacvtapSpec spec = world_spec("vm1", 1);

    spec.mtu = 1501;
    world_create_fails(&spec, EINVAL);
}

static void
listens_to_all_multicast(void **state)
{
    MacvtapSpec spec = world_spec("vm1", 1);

    assert_int_equal(world_create(&spec).flags & IFF_ALLMULTI, 0);
    spec = world_spec("vm2", 2);
    spec.all_multicast = TRUE;
    assert_int_equal(world_create(&spec).flags & IFF_ALLMULTI, IFF_ALLMULTI);
    assert_int_equal(world_link("vm2").flags & IFF_ALLMULTI, IFF_ALLMULTI);
}

static void
refuses_a_taken_name(void **state)
{
    MacvtapSpec spec = world_spec("vm1", 1);
    LinkInfo before = world_create(&spec), after;

    spec = world_spec("vm1", 2);
    spec.alias = "macvtapd:other";
    world_create_fails(&spec, EEXIST);
    spec.index = 7654;
    world_create_fails(&spec, EEXIST);
    spec.index = before.index;
    world_create_fails(&spec, EEXIST);
    after = world_link("vm1");
    assert_links_equal(&before, &after);
}

static void
refuses_a_taken_index(void **state)
{
    MacvtapSpec spec = world_spec("vm1", 1);
    LinkInfo before = world_create(&spec), after;

    spec = world_spec("vm2", 2);
    spec.index = before.index;
    spec.alias = "macvtapd:other";
    world_create_fails(&spec, EBUSY);
    after = world_link("vm1");
    assert_links_equal(&before, &after);
}

static void
refuses_a_bad_name(void **state)
{
    MacvtapSpec spec = world_spec("", 1);

    world_create_fails(&spec, EINVAL);
    spec.name = "sixteen-letters-";
    world_create_fails(&spec, EINVAL);
    spec.name = "a/b";
    world_create_fails(&spec, EINVAL);
    spec.name = "vm%d";
    world_create_fails(&spec, EINVAL);
}

static void
refuses_a_bad_parent(void **state)
{
    MacvtapSpec spec = world_spec("vm1", 1);

    spec.parent_index = 7654;
    world_create_fails(&spec, ENODEV);
    spec.parent_index = 0;
    world_create_fails(&spec, ENODEV);
    spec.parent_index = world_link("lo").index;
    world_create_fails(&spec, EINVAL);
}

static void
refuses_a_bridge_port(void **state)
{
    MacvtapSpec spec = world_spec("vm1", 1);

    world_make_bridge_port("up0");
    assert_string_equal(world_link("up0").master_kind, "bridge");
    assert_int_equal(world_link("up0").master_index, world_link("br0").index);
    world_create_fails(&spec, EBUSY);
}

static void
refuses_a_duplicate_mac(void **state)
{
    MacvtapSpec spec = world_spec("vm1", 1);

    world_create(&spec);
    spec.name = "vm2";
    world_create_fails(&spec, EADDRINUSE);
    spec.mac = world_link("up0").mac;
    world_create_fails(&spec, EADDRINUSE);
    spec.index = 7654;
    world_create_fails(&spec, EADDRINUSE);
}

static void
refuses_an_impossible_mac(void **state)
{
    MacvtapSpec spec = world_spec("vm1", 1);

    spec.mac.octets[0] = 0x53;
    world_create_fails(&spec, EADDRNOTAVAIL);
    memset(&spec.mac, 0, sizeof spec.mac);
    world_create_fails(&spec, EADDRNOTAVAIL);
}

static void
passthru_takes_the_parents_mac(void **state)
{
    MacvtapSpec spec = world_spec("vm1", 1);
    MacAddress parents = world_link("up0").mac;
    LinkInfo link;

    spec.mode = MACVTAP_MODE_PASSTHRU;
    spec.set_mac = FALSE;
    link = world_create(&spec);
    assert_memory_equal(&link.mac, &parents, sizeof parents);
}

static void
passthru_is_alone(void **state)
{
    MacvtapSpec spec = world_spec("vm1", 1);
    LinkInfo link = world_create(&spec);

    spec = world_spec("vm2", 2);
    spec.mode = MACVTAP_MODE_PASSTHRU;
    spec.set_mac = FALSE;
    world_create_fails(&spec, EINVAL);
    assert_true(world_kernel->ops->link_delete(world_kernel, &link.index, 1, NULL));
    world_create(&spec);
    spec.name = "vm3";
    world_create_fails(&spec, EINVAL);
    spec = world_spec("vm3", 3);
    world_create_fails(&spec, EINVAL);
}

static void
passthru_makes_the_parent_promiscuous(void **state)
{
    MacvtapSpec spec = world_spec("vm1", 1);
    LinkInfo link;

    spec.mode = MACVTAP_MODE_PASSTHRU;
    spec.set_mac = FALSE;
    link = world_create(&spec);
    assert_int_equal(world_link("up0").promiscuity, 1);
    assert_true(world_kernel->ops->link_delete(world_kernel, &link.index, 1, NULL));
    assert_int_equal(world_link("up0").promiscuity, 0);
    spec.nopromisc = TRUE;
    world_create(&spec);
    assert_int_equal(world_link("up0").promiscuity, 0);
}

static void
sources_are_for_source_mode(void **state)
{
    const MacAddress sources[] = {{{0x52, 0x54, 0, 0, 1, 1}}, {{0x52, 0x54, 0, 0, 1, 2}}};
    MacvtapSpec spec = world_spec("vm1", 1);

    spec.sources = sources;
    spec.n_sources = G_N_ELEMENTS(sources);
    world_create_fails(&spec, EINVAL);
    spec.mode = MACVTAP_MODE_SOURCE;
    world_create(&spec);
}

static void
works_on_a_parent_that_is_down(void **state)
{
    MacvtapSpec spec = world_spec("vm1", 1);
    LinkInfo link, again;

    world_set_up("up0", FALSE);
    link = world_create(&spec);
    assert_true(link.flags & IFF_UP);
    assert_false(link.carrier);
    assert_int_equal(link.operational_state, IF_OPER_LOWERLAYERDOWN);
    again = world_link("vm1");
    assert_links_equal(&link, &again);
}

static void
may_stay_down(void **state)
{
    MacvtapSpec spec = world_spec("vm1", 1);
    LinkInfo link, again;

    spec.down = TRUE;
    spec.all_multicast = TRUE;
    link = world_create(&spec);
    again = world_link("vm1");
    assert_links_equal(&link, &again);
    assert_int_equal(link.flags & UP_FLAGS, 0);
    assert_int_equal(link.flags & (IFF_ALLMULTI | IFF_NOARP), IFF_ALLMULTI | IFF_NOARP);
    assert_int_equal(link.operational_state, IF_OPER_DOWN);
    assert_true(link.carrier);
    assert_string_equal(link.alias, "macvtapd:test");
}

/* The kernel looks at the MAC only when a device goes up. */
static void
a_mac_is_free_as_long_as_its_device_is_down(void **state)
{
    MacvtapSpec spec = world_spec("vm1", 1);

    spec.down = TRUE;
    world_create(&spec);
    spec.name = "vm2";
    world_create(&spec);
    spec.name = "vm3";
    spec.down = FALSE;
    world_create(&spec);
    spec.name = "vm4";
    world_create_fails(&spec, EADDRINUSE);
}

static void
passthru_that_is_down_leaves_the_parent_alone(void **state)
{
    MacvtapSpec spec = world_spec("vm1", 1);

    spec.mode = MACVTAP_MODE_PASSTHRU;
    spec.set_mac = FALSE;
    spec.down = TRUE;
    world_create(&spec);
    assert_int_equal(world_link("up0").promiscuity, 0);
}

static void
on_a_macvtap_is_on_its_parent(void **state)
{
    MacvtapSpec spec = world_spec("vm1", 1);
    LinkInfo first = world_create(&spec);

    spec = world_spec("vm2", 2);
    spec.parent_index = first.index;
    assert_int_equal(world_create(&spec).lower_index, first.lower_index);
}

static void
on_a_macvlan_is_beside_it(void **state)
{
    MacvtapSpec spec = world_spec("vm1", 1);
    LinkInfo link;

    world_make_macvlan_of_elsewhere("mv0");
    spec.parent_index = world_link("mv0").index;
    assert_true(world_link("mv0").is_macvlan);
    assert_int_equal(world_link("mv0").lower_index, 0);
    link = world_create(&spec);
    assert_int_equal(link.lower_index, 0);
    assert_true(link.lower_is_elsewhere);
    assert_int_equal(link.lower_there, world_link("mv0").lower_there);
    assert_true(link.carrier);
    spec = world_spec("vm2", 1);
    spec.parent_index = world_link("mv0").index;
    world_create_fails(&spec, EADDRINUSE);
    spec.mac = world_link("mv0").mac;
    world_create_fails(&spec, EADDRINUSE);
    spec.set_mac = FALSE;
    spec.mode = MACVTAP_MODE_PASSTHRU;
    world_create_fails(&spec, EINVAL);
    world_remove("mv0");
    assert_int_equal(world_link("vm1").index, link.index);
}

typedef struct Preparation {
    guint n_calls;
    LinkInfo link;
    int errnum; /* to fail with; 0: none */
} Preparation;

static gboolean
prepare(int index, gpointer user_data, GError **error)
{
    Preparation *preparation = user_data;

    preparation->n_calls++;
    assert_true(world_kernel->ops->link_by_index(world_kernel, index, &preparation->link, NULL));
    return preparation->errnum == 0 || error_set_errno(error, preparation->errnum, "no");
}

static void
calls_back_before_the_device_is_up(void **state)
{
    Preparation preparation = {0};
    MacvtapSpec spec = world_spec("vm1", 1);
    LinkInfo link;

    spec.before_up = prepare;
    spec.before_up_data = &preparation;
    link = world_create(&spec);
    assert_int_equal(preparation.n_calls, 1);
    assert_int_equal(preparation.link.index, link.index);
    assert_int_equal(preparation.link.flags & IFF_UP, 0);
    assert_int_equal(link.flags & UP_FLAGS, UP_FLAGS);
    preparation.errnum = ENOSPC;
    spec = world_spec("vm2", 2);
    spec.before_up = prepare;
    spec.before_up_data = &preparation;
    world_create_fails(&spec, ENOSPC);
    assert_int_equal(preparation.n_calls, 2);
}

const struct CMUnitTest contract_tests[] = {
    WORLD_TEST(gives_the_finished_device),
    WORLD_TEST(knows_every_mode),
    WORLD_TEST(takes_the_chosen_index),
    WORLD_TEST(makes_a_mac_of_its_own),
    WORLD_TEST(works_without_an_alias),
    WORLD_TEST(sets_the_mtu),
    WORLD_TEST(refuses_an_mtu_above_the_parents),
    WORLD_TEST(listens_to_all_multicast),
    WORLD_TEST(refuses_a_taken_name),
    WORLD_TEST(refuses_a_taken_index),
    WORLD_TEST(refuses_a_bad_name),
    WORLD_TEST(refuses_a_bad_parent),
    WORLD_TEST(refuses_a_bridge_port),
    WORLD_TEST(refuses_a_duplicate_mac),
    WORLD_TEST(refuses_an_impossible_mac),
    WORLD_TEST(passthru_takes_the_parents_mac),
    WORLD_TEST(passthru_is_alone),
    WORLD_TEST(passthru_makes_the_parent_promiscuous),
    WORLD_TEST(sources_are_for_source_mode),
    WORLD_TEST(works_on_a_parent_that_is_down),
    WORLD_TEST(may_stay_down),
    WORLD_TEST(a_mac_is_free_as_long_as_its_device_is_down),
    WORLD_TEST(passthru_that_is_down_leaves_the_parent_alone),
    WORLD_TEST(on_a_macvtap_is_on_its_parent),
    WORLD_TEST(on_a_macvlan_is_beside_it),
    WORLD_TEST(calls_back_before_the_device_is_up),
};
const gsize n_contract_tests = G_N_ELEMENTS(contract_tests);
