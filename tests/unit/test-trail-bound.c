/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include "trail-bound.h"

/* "1000:5 "… of what was told to be left out. */
static void
note(uid_t user, guint n, gpointer user_data)
{
    g_string_append_printf(user_data, "%u:%u ", (guint)user, n);
}

typedef struct Fixture {
    TrailBound *bound;
    GString *left_out;
    gint64 now;
} Fixture;

static int
set_up(void **state)
{
    Fixture *fixture = g_new0(Fixture, 1);

    fixture->bound = trail_bound_new();
    fixture->left_out = g_string_new(NULL);
    fixture->now = 5;
    *state = fixture;
    return 0;
}

static int
tear_down(void **state)
{
    Fixture *fixture = *state;

    trail_bound_free(fixture->bound);
    g_string_free(fixture->left_out, TRUE);
    g_free(fixture);
    return 0;
}

/* n refusals of a user; how many are told. */
static guint
refuse(Fixture *fixture, uid_t user, guint n)
{
    guint told = 0;

    for (guint i = 0; i < n; i++)
        told += trail_bound_ask(fixture->bound, user, fixture->now, note, fixture->left_out) ==
                TRAIL_TELL;
    return told;
}

static void
expect_left_out(Fixture *fixture, const char *text)
{
    assert_string_equal(fixture->left_out->str, text);
    g_string_truncate(fixture->left_out, 0);
}

static void
test_a_user_who_is_refused_often(void **state)
{
    Fixture *fixture = *state;

    assert_int_equal(refuse(fixture, 1000, TRAIL_PER_USER), TRAIL_PER_USER);
    assert_int_equal(trail_bound_ask(fixture->bound, 1000, fixture->now, note, fixture->left_out),
                     TRAIL_TELL_NO_MORE);
    assert_int_equal(trail_bound_ask(fixture->bound, 1000, fixture->now, note, fixture->left_out),
                     TRAIL_LEAVE_OUT);
    /* Others are heard all the same. */
    assert_int_equal(refuse(fixture, 1001, 3), 3);
    fixture->now += TRAIL_WINDOW - 1;
    assert_int_equal(refuse(fixture, 1000, 10), 0);
    expect_left_out(fixture, "");
    fixture->now += 1;
    assert_int_equal(refuse(fixture, 1001, 1), 1);
    expect_left_out(fixture, "1000:12 ");
    assert_int_equal(refuse(fixture, 1000, 30), TRAIL_PER_USER);
    trail_bound_end(fixture->bound, note, fixture->left_out);
    expect_left_out(fixture, "1000:10 ");
}

static void
test_many_users(void **state)
{
    Fixture *fixture = *state;
    guint told = 0;

    for (guint i = 0; i < 10000; i++)
        told += refuse(fixture, 100000 + i, 2);
    assert_int_equal(told, TRAIL_IN_ALL);
    trail_bound_end(fixture->bound, note, fixture->left_out);
    g_string_append_printf(fixture->left_out, "of %u", TRAIL_OTHERS);
    expect_left_out(fixture, "4294967294:19600 of 4294967294");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_user_who_is_refused_often),
        TEST(test_many_users),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
