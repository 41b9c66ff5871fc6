/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include "random.h"

/* GLib's numbers follow from its state. */
static void
test_numbers_follow_from_nothing(void **state)
{
    guint32 first[4], second[4];

    g_random_set_seed(1);
    for (guint i = 0; i < G_N_ELEMENTS(first); i++)
        first[i] = random_number();
    g_random_set_seed(1);
    for (guint i = 0; i < G_N_ELEMENTS(second); i++)
        second[i] = random_number();
    assert_memory_not_equal(first, second, sizeof first);
}

static void
test_range(void **state)
{
    gboolean seen[3] = {FALSE};

    while (!seen[0] || !seen[1] || !seen[2]) {
        int number = random_in_range(7, 10);

        assert_in_range(number, 7, 9);
        seen[number - 7] = TRUE;
    }
    assert_int_equal(random_in_range(1 << 20, (1 << 20) + 1), 1 << 20);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers_follow_from_nothing),
        cmocka_unit_test(test_range),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
