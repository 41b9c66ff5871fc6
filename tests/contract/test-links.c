/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "world.h"

#include <errno.h>
#include <linux/if.h>
#include <stdio.h>
#include <string.h>

static gboolean
delete_links(const int *indexes, gsize n_indexes, GError **error)
{
    return world_kernel->ops->link_delete(world_kernel, indexes, n_indexes, error);
}

static void
an_unknown_link_is_enodev(void **state)
{
    const char *const names[] = {"vm1", "", "a-name-of-more-than-fifteen"};
    const int indexes[] = {7654, 0, -1};
    g_autoptr(GError) error = NULL;
    LinkInfo link = {.index = -7};

    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        assert_false(world_kernel->ops->link_by_name(world_kernel, names[i], &link, &error));
        assert_errno(&error, ENODEV);
        assert_false(world_kernel->ops->link_by_index(world_kernel, indexes[i], &link, &error));
        assert_errno(&error, ENODEV);
    }
    assert_int_equal(link.index, -7);
}

/* 127 bytes: ALTIFNAMSIZ has room for the NUL as well. */
static void
a_link_is_found_by_its_alternative_names(void **state)
{
    g_autofree char *longest = g_strnfill(127, 'n'), *longer = g_strnfill(128, 'n');
    const char *const names[] = {"alt0", "sixteen-letters-", longest};
    g_autoptr(GError) error = NULL;
    LinkInfo link;

    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        world_add_altname("up0", names[i]);
        assert_true(world_kernel->ops->link_by_name(world_kernel, names[i], &link, &error));
        assert_string_equal(link.name, "up0");
    }
    assert_false(world_kernel->ops->link_by_name(world_kernel, longer, &link, &error));
    assert_errno(&error, ENODEV);
    assert_false(world_kernel->ops->link_by_name(world_kernel, "sixteen-letters", &link, &error));
    assert_errno(&error, ENODEV);
}

static void
the_list_has_every_link(void **state)
{
    MacvtapSpec spec = world_spec("vm1", 1);
    LinkInfo made = world_create(&spec);
    GArray *links = world_kernel->ops->link_list(world_kernel, NULL);
    guint found = 0;

    for (guint i = 0; i < links->len; i++) {
        const LinkInfo *link = &g_array_index(links, LinkInfo, i);

        if (link->index == made.index)
            assert_links_equal(link, &made);
        found += link->index == made.index || strcmp(link->name, "lo") == 0 ||
                 strcmp(link->name, "up0") == 0;
    }
    assert_int_equal(found, 3);
    g_array_unref(links);
}

static void
sets_a_mac(void **state)
{
    const MacAddress mac = {{0x52, 0x54, 0, 0, 9, 9}};
    MacvtapSpec spec = world_spec("vm1", 1);
    LinkInfo link = world_create(&spec), parent = world_link("up0"), now;

    assert_true(world_kernel->ops->link_set_mac(world_kernel, link.index, &mac, NULL));
    now = world_link("vm1");
    assert_memory_equal(&now.mac, &mac, sizeof mac);
    now = world_link("up0");
    assert_memory_equal(&now.mac, &parent.mac, sizeof mac);
}

static void
set_mac_fails(int index, const MacAddress *mac, int errnum)
{
    g_autoptr(GError) error = NULL;

    assert_false(world_kernel->ops->link_set_mac(world_kernel, index, mac, &error));
    assert_errno(&error, errnum);
}

static void
refuses_a_bad_mac(void **state)
{
    const MacAddress multicast = {{0x53, 0x54, 0, 0, 9, 9}}, zero = {{0}};
    MacvtapSpec spec1 = world_spec("vm1", 1), spec2 = world_spec("vm2", 2);
    LinkInfo link = world_create(&spec1), parent = world_link("up0"), after;

    world_create(&spec2);
    set_mac_fails(7654, &spec1.mac, ENODEV);
    set_mac_fails(0, &spec1.mac, ENODEV);
    set_mac_fails(link.index, &multicast, EADDRNOTAVAIL);
    set_mac_fails(link.index, &zero, EADDRNOTAVAIL);
    set_mac_fails(link.index, &spec2.mac, EADDRINUSE);
    set_mac_fails(link.index, &parent.mac, EADDRINUSE);
    after = world_link("vm1");
    assert_links_equal(&link, &after);
    assert_true(world_kernel->ops->link_set_mac(world_kernel, link.index, &spec1.mac, NULL));
}

static void
set_up_link(const char *name, gboolean up)
{
    g_autoptr(GError) error = NULL;

    if (!world_kernel->ops->link_set_up(world_kernel, world_link(name).index, up, &error))
        fail_msg("%s", error->message);
}

static void
set_up_fails(int index, int errnum)
{
    g_autoptr(GError) error = NULL;

    assert_false(world_kernel->ops->link_set_up(world_kernel, index, TRUE, &error));
    assert_errno(&error, errnum);
}

static void
counts_carriers(void **state)
{
    guint32 before = world_link("up0").carrier_ups;

    for (guint i = 1; i <= 2; i++) {
        world_set_carrier("up0", FALSE);
        assert_int_equal(world_link("up0").carrier_ups, before + i - 1);
        world_set_carrier("up0", TRUE);
        assert_int_equal(world_link("up0").carrier_ups, before + i);
    }
}

static void
sets_links_up_and_down(void **state)
{
    MacvtapSpec spec = world_spec("vm1", 1);
    LinkInfo made = world_create(&spec), now;

    for (guint i = 0; i < 2; i++) {
        set_up_link("vm1", FALSE);
        now = world_link("vm1");
        assert_int_equal(now.flags & (IFF_UP | IFF_LOWER_UP | IFF_RUNNING), 0);
        assert_int_equal(now.operational_state, IF_OPER_DOWN);
        assert_true(now.carrier);
    }
    for (guint i = 0; i < 2; i++) {
        set_up_link("vm1", TRUE);
        now = world_link("vm1");
        assert_links_equal(&now, &made);
    }
}

static void
a_link_that_cannot_go_up(void **state)
{
    MacvtapSpec spec = world_spec("vm1", 1);
    int down;

    spec.down = TRUE;
    down = world_create(&spec).index;
    spec.name = "vm2";
    spec.down = FALSE;
    world_create(&spec);
    set_up_fails(down, EADDRINUSE);
    assert_int_equal(world_link("vm1").flags & IFF_UP, 0);
    set_up_link("vm2", FALSE);
    set_up_link("vm1", TRUE);
    set_up_fails(world_link("vm2").index, EADDRINUSE);
    set_up_fails(7654, ENODEV);
    set_up_fails(0, ENODEV);
    set_up_fails(-1, ENODEV);
}

static void
passthru_wants_its_parent_only_while_it_is_up(void **state)
{
    MacvtapSpec spec = world_spec("vm1", 1);
    LinkInfo link;

    spec.mode = MACVTAP_MODE_PASSTHRU;
    spec.set_mac = FALSE;
    link = world_create(&spec);
    set_up_link("vm1", FALSE);
    assert_int_equal(world_link("up0").promiscuity, 0);
    set_up_link("vm1", TRUE);
    assert_int_equal(world_link("up0").promiscuity, 1);
    set_up_link("vm1", FALSE);
    assert_true(delete_links(&link.index, 1, NULL));
    assert_int_equal(world_link("up0").promiscuity, 0);
}

static void
passthru_sets_and_restores_the_parents_mac(void **state)
{
    const MacAddress mac = {{0x52, 0x54, 0, 0, 9, 9}};
    MacvtapSpec spec = world_spec("vm1", 1);
    LinkInfo parent = world_link("up0"), link, now;

    spec.mode = MACVTAP_MODE_PASSTHRU;
    spec.set_mac = FALSE;
    link = world_create(&spec);
    assert_true(world_kernel->ops->link_set_mac(world_kernel, link.index, &mac, NULL));
    now = world_link("up0");
    assert_memory_equal(&now.mac, &mac, sizeof mac);
    now = world_link("vm1");
    assert_memory_equal(&now.mac, &mac, sizeof mac);
    assert_true(delete_links(&link.index, 1, NULL));
    now = world_link("up0");
    assert_memory_equal(&now.mac, &parent.mac, sizeof mac);
}

static void
passthru_follows_the_parents_mac(void **state)
{
    MacvtapSpec spec = world_spec("vm1", 1);
    LinkInfo link, now;
    MacAddress mac;

    spec.mode = MACVTAP_MODE_PASSTHRU;
    spec.set_mac = FALSE;
    link = world_create(&spec);
    assert_true(mac_address_parse("52:54:00:00:09:09", &mac));
    world_set_mac("up0", "52:54:00:00:09:09");
    now = world_link("vm1");
    assert_memory_equal(&now.mac, &mac, sizeof mac);
    assert_true(delete_links(&link.index, 1, NULL));
    now = world_link("up0");
    assert_memory_equal(&now.mac, &mac, sizeof mac);
}

static void
the_mtu_follows_a_lower_parent(void **state)
{
    MacvtapSpec spec = world_spec("vm1", 1);

    world_create(&spec);
    world_set_mtu("up0", 1400);
    assert_int_equal(world_link("vm1").mtu, 1400);
    world_set_mtu("up0", 1500);
    assert_int_equal(world_link("vm1").mtu, 1400);
}

static void
deletes_one(void **state)
{
    MacvtapSpec spec = world_spec("vm1", 1);
    guint before = world_link_count();
    LinkInfo link = world_create(&spec);

    assert_true(delete_links(&link.index, 1, NULL));
    assert_int_equal(world_link_count(), before);
    assert_true(delete_links(&link.index, 1, NULL)); /* gone already */
}

static void
deletes_none(void **state)
{
    const int never[] = {0, -1, 7654};
    guint before = world_link_count();

    assert_true(delete_links(NULL, 0, NULL));
    for (guint i = 0; i < G_N_ELEMENTS(never); i++)
        assert_true(delete_links(&never[i], 1, NULL));
    assert_true(delete_links(never, G_N_ELEMENTS(never), NULL));
    assert_int_equal(world_link_count(), before);
}

static void
deletes_many_and_no_other(void **state)
{
    int indexes[202];
    guint before;
    LinkInfo other, after;
    MacvtapSpec spec = world_spec("other", 0xff);

    other = world_create(&spec);
    before = world_link_count();
    for (guint i = 0; i < 200; i++) {
        char name[16];

        snprintf(name, sizeof name, "vm%u", i);
        spec = world_spec(name, (guint8)i);
        indexes[i] = world_create(&spec).index;
    }
    indexes[200] = indexes[0];
    indexes[201] = 765432;
    assert_int_equal(world_link_count(), before + 200);
    assert_true(delete_links(indexes, G_N_ELEMENTS(indexes), NULL));
    assert_int_equal(world_link_count(), before);
    after = world_link("other");
    assert_links_equal(&other, &after);
}

static void
deletes_the_rest_when_one_cannot_be(void **state)
{
    MacvtapSpec spec1 = world_spec("vm1", 1), spec2 = world_spec("vm2", 2);
    guint before = world_link_count();
    int indexes[3] = {world_create(&spec1).index, world_link("lo").index,
                      world_create(&spec2).index};
    g_autoptr(GError) error = NULL;

    assert_false(delete_links(indexes, G_N_ELEMENTS(indexes), &error));
    assert_errno(&error, EOPNOTSUPP);
    assert_int_equal(world_link_count(), before);
    assert_false(delete_links(&indexes[1], 1, &error));
    assert_errno(&error, EOPNOTSUPP);
}

static void
a_parent_takes_its_macvtaps_along(void **state)
{
    MacvtapSpec spec = world_spec("vm1", 1);
    LinkInfo link = world_create(&spec);
    g_autoptr(GError) error = NULL;

    world_remove("up0");
    assert_false(world_kernel->ops->link_by_index(world_kernel, link.index, &link, &error));
    assert_errno(&error, ENODEV);
    assert_true(delete_links(&link.index, 1, NULL));
}

static void
counts_what_comes_in(void **state)
{
    MacvtapSpec spec = world_spec("vm1", 1);
    LinkInfo link = world_create(&spec);
    LinkStatistics before, after;

    assert_true(world_kernel->ops->link_statistics(world_kernel, link.index, &before, NULL));
    for (guint i = 0; i < 3; i++)
        world_receive("vm1", &spec.mac);
    assert_true(world_kernel->ops->link_statistics(world_kernel, link.index, &after, NULL));
    assert_int_equal(after.rx_packets - before.rx_packets, 3);
    assert_int_equal(after.rx_bytes - before.rx_bytes, 3 * 60);
    assert_int_equal(after.tx_packets, before.tx_packets);
}

static void
counts_only_on_links(void **state)
{
    const int never[] = {0, -1, 7654};
    LinkStatistics statistics = {.rx_packets = 7};

    for (guint i = 0; i < G_N_ELEMENTS(never); i++) {
        g_autoptr(GError) error = NULL;

        assert_false(
            world_kernel->ops->link_statistics(world_kernel, never[i], &statistics, &error));
        assert_errno(&error, ENODEV);
    }
    assert_int_equal(statistics.rx_packets, 7);
}

static void
a_wire_is_not_wireless(void **state)
{
    LinkInfo link = world_link("up0");

    assert_false(world_kernel->ops->link_is_wireless(world_kernel, &link));
}

/* drivers/net/veth.c says so. */
static void
a_wire_has_a_speed(void **state)
{
    LinkInfo link = world_link("up0");

    assert_int_equal(world_kernel->ops->link_speed(world_kernel, &link), 10000);
    assert_int_equal(world_kernel->ops->link_speed(world_kernel, &(LinkInfo){.name = "none"}), 0);
}

const struct CMUnitTest contract_tests[] = {
    WORLD_TEST(counts_what_comes_in),
    WORLD_TEST(counts_only_on_links),
    WORLD_TEST(a_wire_is_not_wireless),
    WORLD_TEST(a_wire_has_a_speed),
    WORLD_TEST(an_unknown_link_is_enodev),
    WORLD_TEST(a_link_is_found_by_its_alternative_names),
    WORLD_TEST(the_list_has_every_link),
    WORLD_TEST(sets_a_mac),
    WORLD_TEST(refuses_a_bad_mac),
    WORLD_TEST(counts_carriers),
    WORLD_TEST(sets_links_up_and_down),
    WORLD_TEST(a_link_that_cannot_go_up),
    WORLD_TEST(passthru_wants_its_parent_only_while_it_is_up),
    WORLD_TEST(passthru_sets_and_restores_the_parents_mac),
    WORLD_TEST(passthru_follows_the_parents_mac),
    WORLD_TEST(the_mtu_follows_a_lower_parent),
    WORLD_TEST(deletes_one),
    WORLD_TEST(deletes_none),
    WORLD_TEST(deletes_many_and_no_other),
    WORLD_TEST(deletes_the_rest_when_one_cannot_be),
    WORLD_TEST(a_parent_takes_its_macvtaps_along),
};
const gsize n_contract_tests = G_N_ELEMENTS(contract_tests);
