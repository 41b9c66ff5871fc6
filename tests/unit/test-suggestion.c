/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include "suggestion.h"

static void
test_distance(void **state)
{
    static const struct {
        const char *a, *b;
        guint distance;
    } pairs[] = {
        {"", "", 0},
        {"", "abc", 3},
        {"abc", "", 3},
        {"mca", "mac", 1},
        {"mac", "MAC", 0},
        {"netdve", "netdev", 1},
        {"netdv", "netdev", 1},
        {"neetdev", "netdev", 1},
        {"nutdev", "netdev", 1},
        {"abcdef", "ghijkl", 6},
        {"ca", "abc", 3},
    };

    for (guint i = 0; i < G_N_ELEMENTS(pairs); i++) {
        assert_int_equal(suggestion_distance(pairs[i].a, pairs[i].b), pairs[i].distance);
        assert_int_equal(suggestion_distance(pairs[i].b, pairs[i].a), pairs[i].distance);
    }
}

static void
test_long_words(void **state)
{
    g_autofree char *longest = g_strnfill(64, 'x'), *too_long = g_strnfill(65, 'x');

    assert_int_equal(suggestion_distance(longest, longest), 0);
    assert_true(suggestion_distance(too_long, too_long) > G_MAXUINT8);
    assert_true(suggestion_distance(longest, too_long) > G_MAXUINT8);
}

static void
test_near(void **state)
{
    assert_true(suggestion_is_near("mca", 1));
    assert_false(suggestion_is_near("fd", 1));
    assert_true(suggestion_is_near("Parnet", 2));
    assert_false(suggestion_is_near("Parnet", 3));
    assert_false(suggestion_is_near("mac", 2));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_distance),
        cmocka_unit_test(test_long_words),
        cmocka_unit_test(test_near),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
