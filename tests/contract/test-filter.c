/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "world.h"

#include <errno.h>

static LinkFilters filters;
static int told_index; /* of the last event */
static guint n_told, n_programs;

static int
setup(void **state)
{
    filters = (LinkFilters){.egress = world_program(), .ingress = world_program()};
    told_index = 0;
    n_told = n_programs = 0;
    return world_setup(state);
}

static int
teardown(void **state)
{
    int result = world_teardown(state);

    descriptor_clear(&filters.egress.fd);
    descriptor_clear(&filters.ingress.fd);
    return result;
}

static void
note(int index, guint32 program, gpointer user_data)
{
    told_index = index;
    n_told++;
    n_programs += program != 0;
}

static void
watch(void)
{
    assert_true(world_kernel->ops->watch_filters(world_kernel, note, NULL, NULL));
}

static void
attach(int index)
{
    g_autoptr(GError) error = NULL;

    world_kernel->ops->filters_attach(world_kernel, index, &filters, &error);
    if (error)
        fail_msg("%s", error->message);
}

static gboolean
are_attached(int index)
{
    gboolean attached = 7;

    assert_true(
        world_kernel->ops->filters_are_attached(world_kernel, index, &filters, &attached, NULL));
    return attached;
}

static int
create(void)
{
    MacvtapSpec spec = world_spec("vm1", 1);

    return world_create(&spec).index;
}

static void
stay_until_they_are_taken_away(void **state)
{
    int index = create();

    assert_false(are_attached(index));
    attach(index);
    assert_true(are_attached(index));
    attach(index);
    assert_true(are_attached(index));
    world_remove_filters("vm1");
    assert_false(are_attached(index));
    attach(index);
    assert_true(are_attached(index));
}

static void
are_replaced(void **state)
{
    const LinkFilters before = filters;
    int index = create();

    attach(index);
    filters.egress = world_program();
    assert_false(are_attached(index));
    attach(index);
    assert_true(are_attached(index));
    descriptor_clear(&filters.egress.fd);
    filters = before;
    assert_false(are_attached(index));
}

static void
are_told_of(void **state)
{
    int index = create();

    watch();
    attach(index);
    world_remove_filters("vm1");
    while (n_told == 0)
        g_main_context_iteration(NULL, TRUE);
    assert_int_equal(told_index, index);
    assert_int_equal(n_programs, 0); /* what we do ourselves is no news */
}

static void
need_a_link(void **state)
{
    g_autoptr(GError) error = NULL;
    gboolean attached;

    assert_false(world_kernel->ops->filters_attach(world_kernel, 7654, &filters, &error));
    assert_errno(&error, ENODEV);
    assert_false(
        world_kernel->ops->filters_are_attached(world_kernel, 7654, &filters, &attached, &error));
    assert_errno(&error, ENODEV);
}

#define FILTER_TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

const struct CMUnitTest contract_tests[] = {
    FILTER_TEST(stay_until_they_are_taken_away),
    FILTER_TEST(are_replaced),
    FILTER_TEST(are_told_of),
    FILTER_TEST(need_a_link),
};
const gsize n_contract_tests = G_N_ELEMENTS(contract_tests);
