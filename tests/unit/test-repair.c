/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* When a repair is made, and made again: the schedule by itself. */
#include "unit.h"

#include "repair.h"

static const guint no_delays[REPAIR_ATTEMPTS];
static const DeviceState wanted = {.fields = DEVICE_MAC, .mac = {{0x52, 0x54, 0, 0, 0, 1}}};
static const LinkInfo wrong = {.index = 7, .mac = {{0x52, 0x54, 0, 0, 0, 2}}};
static const LinkInfo parent = {.index = 1, .mtu = 1500};

typedef struct Fixture {
    Repairs *repairs;
    Port *port;
    guint n_due;
} Fixture;

static void
on_due(Port *port, gpointer user_data)
{
    Fixture *fixture = user_data;

    assert_ptr_equal(port, fixture->port);
    fixture->n_due++;
}

static int
set_up(void **state)
{
    Fixture *fixture = g_new0(Fixture, 1);

    fixture->repairs = repairs_new(no_delays, on_due, fixture);
    fixture->port = port_new();
    fixture->port->name = g_strdup("web");
    fixture->port->parent_index = 1;
    *state = fixture;
    return 0;
}

static int
tear_down(void **state)
{
    Fixture *fixture = *state;

    repairs_free(fixture->repairs);
    port_free(fixture->port);
    g_free(fixture);
    return 0;
}

static void
settle(void)
{
    while (g_main_context_iteration(NULL, FALSE))
        ;
}

static void
expect_turn(Fixture *fixture, RepairTurn expected)
{
    assert_int_equal(repairs_ask(fixture->repairs, fixture->port, &wanted, &wrong, FALSE),
                     expected);
}

/* An attempt, and the event of it. TRUE: the port has changed. */
static gboolean
attempt_in_vain(Fixture *fixture)
{
    repairs_attempted(fixture->repairs, fixture->port, &wanted, &wrong, DEVICE_MAC);
    return repairs_failed(fixture->repairs, fixture->port, &parent, "it is wrong", FALSE);
}

static void
succeed(Fixture *fixture)
{
    repairs_attempted(fixture->repairs, fixture->port, &wanted, &wrong, 0);
    repairs_done(fixture->repairs, fixture->port);
}

static void
keep_quiet(const char *domain, GLogLevelFlags level, const char *text, gpointer user_data)
{
    ++*(guint *)user_data;
}

static void
give_up(Fixture *fixture, guint *n_said)
{
    guint handler = g_log_set_handler(NULL, G_LOG_LEVEL_WARNING, keep_quiet, n_said);

    expect_turn(fixture, REPAIR_NOW);
    for (guint i = 1; i < REPAIR_ATTEMPTS; i++) {
        /* The first may have been undone before anybody looked, so it is no problem yet. */
        assert_int_equal(attempt_in_vain(fixture), i == 2);
        expect_turn(fixture, REPAIR_NO_NEWS);
        settle();
        assert_int_equal(fixture->n_due, i);
    }
    assert_true(attempt_in_vain(fixture));
    settle();
    assert_int_equal(fixture->n_due, REPAIR_ATTEMPTS - 1);
    g_log_remove_handler(NULL, handler);
}

static void
test_schedule_has_an_end(void **state)
{
    Fixture *fixture = *state;
    const LinkInfo other = {.index = 7, .mac = {{0x52, 0x54, 0, 0, 0, 3}}};
    guint n_said = 0;

    give_up(fixture, &n_said);
    assert_int_equal(n_said, 1);
    assert_non_null(strstr(fixture->port->problem, "it is wrong (tried 5 times"));
    expect_turn(fixture, REPAIR_NO_NEWS);
    assert_int_equal(repairs_ask(fixture->repairs, fixture->port, &wanted, &other, FALSE),
                     REPAIR_NOW);
}

static void
test_parent_that_changes_is_news(void **state)
{
    Fixture *fixture = *state;
    const LinkInfo other = {.index = 1, .mtu = 9000};
    guint n_said = 0;

    assert_false(repairs_saw_parent(fixture->repairs, fixture->port, &other));
    give_up(fixture, &n_said);
    assert_false(repairs_saw_parent(fixture->repairs, fixture->port, &parent));
    assert_true(repairs_saw_parent(fixture->repairs, fixture->port, &other));
}

static void
test_reload_begins_anew(void **state)
{
    Fixture *fixture = *state;
    guint n_said = 0;

    give_up(fixture, &n_said);
    repairs_begin_anew(fixture->repairs);
    expect_turn(fixture, REPAIR_NOW);
}

/* What others undo is repaired again, but not at once; what lasts is forgotten. */
static void
test_repair_that_is_undone(void **state)
{
    Fixture *fixture = *state;

    expect_turn(fixture, REPAIR_NOW);
    succeed(fixture);
    expect_turn(fixture, REPAIR_LATER);
    assert_true(repairs_waits(fixture->repairs, fixture->port));
    settle();
    assert_int_equal(fixture->n_due, 1);
    succeed(fixture);
    repairs_found_good(fixture->repairs, fixture->port);
    assert_true(repairs_has(fixture->repairs, fixture->port));
    settle();
    assert_false(repairs_has(fixture->repairs, fixture->port));
    assert_int_equal(fixture->n_due, 1);
}

/* The event of an attempt that seemed to be without effect tells that it had one. */
static void
test_good_for_a_moment(void **state)
{
    Fixture *fixture = *state;

    expect_turn(fixture, REPAIR_NOW);
    assert_false(attempt_in_vain(fixture));
    repairs_saw_good(fixture->repairs, fixture->port);
    assert_false(repairs_waits(fixture->repairs, fixture->port));
    expect_turn(fixture, REPAIR_LATER);
}

static void
test_blocked(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(GPtrArray) elsewhere = NULL, blocked = NULL;

    expect_turn(fixture, REPAIR_NOW);
    attempt_in_vain(fixture);
    elsewhere = repairs_list_blocked(fixture->repairs, 2);
    assert_int_equal(elsewhere->len, 0);
    blocked = repairs_list_blocked(fixture->repairs, 1);
    assert_int_equal(blocked->len, 1);
    assert_true(repairs_unblock(fixture->repairs, fixture->port));
    assert_false(repairs_unblock(fixture->repairs, fixture->port));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_schedule_has_an_end), TEST(test_parent_that_changes_is_news),
        TEST(test_reload_begins_anew),  TEST(test_repair_that_is_undone),
        TEST(test_good_for_a_moment),   TEST(test_blocked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
