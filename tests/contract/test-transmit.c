/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "world.h"

#include <errno.h>

static guint told;
static int told_index;

static void
note(int index, gpointer user_data)
{
    assert_ptr_equal(user_data, &told);
    told++;
    told_index = index;
}

static int
setup(void **state)
{
    told = 0;
    return world_setup(state);
}

static void
watch(int index, TransmitHandler handler)
{
    g_autoptr(GError) error = NULL;

    if (!world_kernel->ops->watch_transmit(world_kernel, index, handler, &told, &error))
        fail_msg("%s", error->message);
}

static void
set_up_link(int index, gboolean up)
{
    assert_true(world_kernel->ops->link_set_up(world_kernel, index, up, NULL));
}

static void
settle(void)
{
    while (g_main_context_iteration(NULL, FALSE))
        ;
}

static void
wait_until_told(void)
{
    while (told == 0)
        g_main_context_iteration(NULL, TRUE);
    settle();
}

static void
tells_the_first_frame_only(void **state)
{
    MacvtapSpec spec = world_spec("vm1", 1);
    int index = world_create(&spec).index;

    watch(index, note);
    settle();
    assert_int_equal(told, 0);
    world_transmit("vm1");
    world_transmit("vm1");
    wait_until_told();
    assert_int_equal(told, 1);
    assert_int_equal(told_index, index);
    world_transmit("vm1");
    settle();
    assert_int_equal(told, 1);
}

static void
is_silent_about_other_frames(void **state)
{
    MacvtapSpec spec1 = world_spec("vm1", 1), spec2 = world_spec("vm2", 2);

    world_create(&spec2);
    world_transmit("vm2");
    watch(world_create(&spec1).index, note);
    world_transmit("vm2");
    world_receive("vm1", &spec1.mac);
    settle();
    assert_int_equal(told, 0);
    world_transmit("vm1");
    wait_until_told();
    assert_int_equal(told, 1);
}

static void
note_and_watch_again(int index, gpointer user_data)
{
    note(index, user_data);
    if (told < 3)
        watch(index, note_and_watch_again);
}

static void
the_handler_may_watch_again(void **state)
{
    MacvtapSpec spec = world_spec("vm1", 1);

    watch(world_create(&spec).index, note_and_watch_again);
    for (guint i = 1; i <= 4; i++) {
        world_transmit("vm1");
        while (told < MIN(i, 3))
            g_main_context_iteration(NULL, TRUE);
    }
    settle();
    assert_int_equal(told, 3);
}

static void
never(int index, gpointer user_data)
{
    fail_msg("a handler that was replaced is called");
}

static void
may_be_taken_back(void **state)
{
    MacvtapSpec spec = world_spec("vm1", 1);
    int index = world_create(&spec).index;

    watch(index, never);
    world_kernel->ops->unwatch_transmit(world_kernel, index);
    world_kernel->ops->unwatch_transmit(world_kernel, index);
    world_kernel->ops->unwatch_transmit(world_kernel, 7654);
    world_transmit("vm1");
    settle();
    watch(index, never);
    world_transmit("vm1");
    world_kernel->ops->unwatch_transmit(world_kernel, index);
    settle();
    watch(index, never);
    watch(index, note);
    world_transmit("vm1");
    wait_until_told();
}

static void
outlives_a_link_that_is_down(void **state)
{
    MacvtapSpec spec = world_spec("vm1", 1);
    int index;

    spec.down = TRUE;
    index = world_create(&spec).index;
    watch(index, note);
    settle();
    for (guint i = 0; i < 2; i++) {
        set_up_link(index, TRUE);
        settle();
        set_up_link(index, FALSE);
        settle();
    }
    assert_int_equal(told, 0);
    set_up_link(index, TRUE);
    world_transmit("vm1");
    wait_until_told();
}

static void
a_link_that_goes_is_no_frame(void **state)
{
    MacvtapSpec spec = world_spec("vm1", 1);
    int index = world_create(&spec).index;

    watch(index, never);
    assert_true(world_kernel->ops->link_delete(world_kernel, &index, 1, NULL));
    settle();
}

static void
watches_links_only(void **state)
{
    const int indexes[] = {7654, 0, -1};

    for (guint i = 0; i < G_N_ELEMENTS(indexes); i++) {
        g_autoptr(GError) error = NULL;

        assert_false(
            world_kernel->ops->watch_transmit(world_kernel, indexes[i], never, NULL, &error));
        assert_errno(&error, ENODEV);
    }
}

#define TRANSMIT_TEST(function) cmocka_unit_test_setup_teardown(function, setup, world_teardown)

const struct CMUnitTest contract_tests[] = {
    TRANSMIT_TEST(tells_the_first_frame_only),   TRANSMIT_TEST(is_silent_about_other_frames),
    TRANSMIT_TEST(the_handler_may_watch_again),  TRANSMIT_TEST(may_be_taken_back),
    TRANSMIT_TEST(outlives_a_link_that_is_down), TRANSMIT_TEST(a_link_that_goes_is_no_frame),
    TRANSMIT_TEST(watches_links_only),
};
const gsize n_contract_tests = G_N_ELEMENTS(contract_tests);
