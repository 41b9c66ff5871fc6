/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "world.h"

#include <errno.h>

static const LinkPace slow = {.rate = 1250000, .burst = 65536, .queue = 200000};

static gboolean told;

static void
note(int index, guint32 program, gpointer user_data)
{
    told |= index == world_link("vm1").index && program == 0;
}

static int
create(void)
{
    MacvtapSpec spec = world_spec("vm1", 1);

    return world_create(&spec).index;
}

static void
set_pace(int index, const LinkPace *pace)
{
    g_autoptr(GError) error = NULL;

    if (!world_kernel->ops->link_set_pace(world_kernel, index, pace, &error))
        fail_msg("%s", error->message);
}

static LinkPace
get_pace(int index)
{
    LinkPaceCost cost;
    LinkPace pace;

    assert_true(world_kernel->ops->link_get_pace(world_kernel, index, &pace, &cost, NULL));
    assert_true(cost.dropped == 0);
    return pace;
}

static void
stays_until_it_is_removed(void **state)
{
    const LinkPace fast = {.rate = 12500000000, .burst = 1 << 20, .queue = 64 << 20}, none = {0};
    int index = create();

    assert_true(get_pace(index).rate == 0);
    set_pace(index, &none);
    set_pace(index, &slow);
    assert_true(get_pace(index).rate == slow.rate);
    assert_int_equal(get_pace(index).queue, slow.queue);
    set_pace(index, &slow);
    set_pace(index, &fast);
    assert_true(get_pace(index).rate == fast.rate);
    set_pace(index, &slow);
    assert_true(get_pace(index).rate == slow.rate);
    set_pace(index, &none);
    assert_true(get_pace(index).rate == 0);
    set_pace(index, &none);
}

/* The administrator takes it away, or puts something else in its place. */
static void
removal_is_told(void **state)
{
    int index = create();

    assert_true(world_kernel->ops->watch_filters(world_kernel, note, NULL, NULL));
    set_pace(index, &slow);
    told = FALSE;
    world_remove_pace("vm1");
    while (!told)
        g_main_context_iteration(NULL, TRUE);
    assert_true(get_pace(index).rate == 0);
    set_pace(index, &slow);
    assert_true(get_pace(index).rate == slow.rate);
}

static void
needs_a_link(void **state)
{
    g_autoptr(GError) error = NULL;
    LinkPaceCost cost;
    LinkPace pace;

    assert_false(world_kernel->ops->link_set_pace(world_kernel, 7654, &slow, &error));
    assert_errno(&error, ENODEV);
    assert_false(world_kernel->ops->link_get_pace(world_kernel, 7654, &pace, &cost, &error));
    assert_errno(&error, ENODEV);
}

const struct CMUnitTest contract_tests[] = {
    WORLD_TEST(stays_until_it_is_removed),
    WORLD_TEST(removal_is_told),
    WORLD_TEST(needs_a_link),
};
const gsize n_contract_tests = G_N_ELEMENTS(contract_tests);
