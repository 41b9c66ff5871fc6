/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "world.h"

#include <errno.h>

static const MacAddress macs[] = {{{0x52, 0x54, 0, 0, 9, 1}}, {{0x52, 0x54, 0, 0, 9, 2}}};

static GArray *heard; /* of MacAddress */

static void
note(int index, const MacAddress *mac, gpointer user_data)
{
    assert_ptr_equal(user_data, &heard);
    /* A macvtap that nobody has opened hears it too. */
    if (index == world_link("up0").index)
        g_array_append_val(heard, *mac);
}

static int
setup(void **state)
{
    g_autoptr(GError) error = NULL;

    world_setup(state);
    heard = g_array_new(FALSE, FALSE, sizeof(MacAddress));
    if (!world_kernel->ops->watch_announcements(world_kernel, note, &heard, &error))
        fail_msg("%s", error->message);
    return 0;
}

static int
teardown(void **state)
{
    g_clear_pointer(&heard, g_array_unref);
    return world_teardown(state);
}

static void
expect_heard(guint n)
{
    while (heard->len < n)
        g_main_context_iteration(NULL, TRUE);
    while (g_main_context_iteration(NULL, FALSE))
        ;
    assert_int_equal(heard->len, n);
    for (guint i = 0; i < n; i++)
        assert_true(mac_address_equal(&g_array_index(heard, MacAddress, i), &macs[i]));
}

static void
are_heard_in_order(void **state)
{
    world_announce(&macs[0], TRUE);
    world_announce(&macs[1], TRUE);
    expect_heard(2);
}

/* In whichever mode: the kernel looks at the MAC of what comes in, and a macvtap's own is special.
 */
static void
are_heard_on_a_parent(void **state)
{
    const MacvtapMode modes[] = {MACVTAP_MODE_BRIDGE, MACVTAP_MODE_VEPA};

    for (guint i = 0; i < G_N_ELEMENTS(modes); i++) {
        MacvtapSpec spec = world_spec("vm1", 1);

        spec.mac = macs[i];
        spec.mode = modes[i];
        spec.name = i == 0 ? "vm1" : "vm2";
        world_create(&spec);
        world_announce(&macs[i], TRUE);
        expect_heard(i + 1);
    }
}

static void
nothing_else_is_one(void **state)
{
    const MacAddress everybody = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
    MacvtapSpec spec = world_spec("vm1", 1);

    world_create(&spec);
    world_receive("vm1", &spec.mac);
    world_receive("up0", &everybody);
    world_transmit("vm1");
    world_announce(&macs[1], FALSE);
    world_announce(&macs[0], TRUE);
    expect_heard(1);
}

/* What is sent, another host hears, but not we ourselves, even when a switch sends it back. */
static void
are_sent(void **state)
{
    MacvtapSpec spec = world_spec("vm1", 1);
    LinkInfo up0 = world_link("up0");
    g_autoptr(GError) error = NULL;
    g_autoptr(GArray) arrived = NULL;

    spec.mac = macs[1];
    world_create(&spec);
    world_begin_to_hear();
    if (!world_kernel->ops->announce(world_kernel, up0.index, macs, G_N_ELEMENTS(macs), &error))
        fail_msg("%s", error->message);
    arrived = world_hear(G_N_ELEMENTS(macs));
    for (guint i = 0; i < G_N_ELEMENTS(macs); i++)
        assert_true(mac_address_equal(&g_array_index(arrived, MacAddress, i), &macs[i]));
    world_announce(&macs[0], TRUE);
    expect_heard(1);
}

static void
sending_fails(void **state)
{
    g_autoptr(GError) error = NULL;
    LinkInfo up0 = world_link("up0");

    assert_false(world_kernel->ops->announce(world_kernel, 999999, macs, 1, &error));
    assert_errno(&error, ENODEV);
    world_set_up("up0", FALSE);
    assert_false(world_kernel->ops->announce(world_kernel, up0.index, macs, 1, &error));
    assert_errno(&error, ENETDOWN);
}

#define ANNOUNCEMENT_TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

const struct CMUnitTest contract_tests[] = {
    ANNOUNCEMENT_TEST(are_heard_in_order),  ANNOUNCEMENT_TEST(are_heard_on_a_parent),
    ANNOUNCEMENT_TEST(nothing_else_is_one), ANNOUNCEMENT_TEST(are_sent),
    ANNOUNCEMENT_TEST(sending_fails),
};
const gsize n_contract_tests = G_N_ELEMENTS(contract_tests);
