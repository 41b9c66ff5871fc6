/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who is next when several users wait. */
#include "unit.h"

#include "varlink-turns.h"

typedef struct Ground {
    VarlinkTurns *turns;
    VarlinkShare *a, *b, *c;
    GList items[12]; /* 0..9 of a, then b's and c's */
} Ground;

static int
set_up(void **state)
{
    Ground *ground = g_new0(Ground, 1);

    ground->turns = varlink_turns_new();
    ground->a = varlink_turns_hold(ground->turns, 1);
    ground->b = varlink_turns_hold(ground->turns, 2);
    ground->c = varlink_turns_hold(ground->turns, G_MAXUINT64);
    *state = ground;
    return 0;
}

static int
tear_down(void **state)
{
    Ground *ground = *state;

    varlink_turns_release(ground->turns, ground->a);
    varlink_turns_release(ground->turns, ground->b);
    varlink_turns_release(ground->turns, ground->c);
    varlink_turns_free(ground->turns);
    g_free(ground);
    return 0;
}

/* Has the share of item wait again and again, with turns of this cost. */
static void
charge_and_wait(Ground *ground, VarlinkShare *share, GList *item, guint64 cost)
{
    varlink_turns_charge(ground->turns, share, cost);
    varlink_turns_wait(ground->turns, share, item);
}

static void
test_nobody_waits(void **state)
{
    Ground *ground = *state;

    assert_null(varlink_turns_next(ground->turns));
    varlink_turns_wait(ground->turns, ground->a, &ground->items[0]);
    assert_ptr_equal(varlink_turns_next(ground->turns), &ground->items[0]);
    assert_null(varlink_turns_next(ground->turns));
}

/* Within a share: who came first. */
static void
test_order_of_one_user(void **state)
{
    Ground *ground = *state;

    for (guint i = 0; i < 3; i++)
        varlink_turns_wait(ground->turns, ground->a, &ground->items[i]);
    varlink_turns_cancel(ground->turns, ground->a, &ground->items[1]);
    assert_ptr_equal(varlink_turns_next(ground->turns), &ground->items[0]);
    varlink_turns_wait(ground->turns, ground->a, &ground->items[0]);
    assert_ptr_equal(varlink_turns_next(ground->turns), &ground->items[2]);
    assert_ptr_equal(varlink_turns_next(ground->turns), &ground->items[0]);
    assert_null(varlink_turns_next(ground->turns));
}

/* Ten that wait of one user are no more than one of another's. */
static void
test_many_of_one_user(void **state)
{
    Ground *ground = *state;

    for (guint i = 0; i < 10; i++)
        varlink_turns_wait(ground->turns, ground->a, &ground->items[i]);
    assert_ptr_equal(varlink_turns_next(ground->turns), &ground->items[0]);
    charge_and_wait(ground, ground->a, &ground->items[0], 5);
    varlink_turns_wait(ground->turns, ground->b, &ground->items[10]);
    assert_ptr_equal(varlink_turns_next(ground->turns), &ground->items[10]);
    assert_ptr_equal(varlink_turns_next(ground->turns), &ground->items[1]);
    for (guint i = 2; i < 10; i++)
        varlink_turns_cancel(ground->turns, ground->a, &ground->items[i]);
    varlink_turns_cancel(ground->turns, ground->a, &ground->items[0]);
    assert_null(varlink_turns_next(ground->turns));
}

/* Turns that cost nine times as much come a ninth as often. */
static void
test_costs(void **state)
{
    Ground *ground = *state;
    guint n_a = 0, n_b = 0;

    varlink_turns_wait(ground->turns, ground->a, &ground->items[0]);
    varlink_turns_wait(ground->turns, ground->b, &ground->items[10]);
    for (guint i = 0; i < 1000; i++) {
        GList *item = varlink_turns_next(ground->turns);
        gboolean is_a = item == &ground->items[0];

        n_a += is_a;
        n_b += !is_a;
        charge_and_wait(ground, is_a ? ground->a : ground->b, item, is_a ? 9 : 1);
    }
    assert_in_range(n_a, 99, 101);
    assert_int_equal(n_a + n_b, 1000);
    varlink_turns_next(ground->turns);
    varlink_turns_next(ground->turns);
}

/* Who comes back after a while is next, but once: the past is no credit. */
static void
test_no_credit_for_the_past(void **state)
{
    Ground *ground = *state;
    guint n_b = 0;

    varlink_turns_wait(ground->turns, ground->a, &ground->items[0]);
    for (guint i = 0; i < 100; i++)
        charge_and_wait(ground, ground->a, varlink_turns_next(ground->turns), 10);
    varlink_turns_wait(ground->turns, ground->b, &ground->items[10]);
    assert_ptr_equal(varlink_turns_next(ground->turns), &ground->items[10]);
    charge_and_wait(ground, ground->b, &ground->items[10], 10);
    for (guint i = 0; i < 20; i++) {
        GList *item = varlink_turns_next(ground->turns);
        gboolean is_b = item == &ground->items[10];

        n_b += is_b;
        charge_and_wait(ground, is_b ? ground->b : ground->a, item, 10);
    }
    assert_in_range(n_b, 9, 11);
    varlink_turns_next(ground->turns);
    varlink_turns_next(ground->turns);
}

static void
test_holders(void **state)
{
    Ground *ground = *state;

    assert_ptr_equal(varlink_turns_hold(ground->turns, 1), ground->a);
    assert_int_equal(varlink_turns_holders(ground->turns, 1), 2);
    varlink_turns_release(ground->turns, ground->a);
    assert_int_equal(varlink_turns_holders(ground->turns, 1), 1);
    assert_int_equal(varlink_turns_holders(ground->turns, 7), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_nobody_waits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_order_of_one_user, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_many_of_one_user, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_costs, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_credit_for_the_past, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_holders, set_up, tear_down),
    };

    return cmocka_run_group_tests_name("varlink-turns", tests, NULL, NULL);
}
