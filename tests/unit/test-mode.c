/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include "mode.h"

static void
test_names_are_the_kernels(void **state)
{
    static const char *const names[] = {"bridge", "vepa", "private", "passthru", "source"};

    for (guint i = 0; i < MACVTAP_MODE_COUNT; i++) {
        MacvtapMode mode = MACVTAP_MODE_COUNT;

        assert_true(macvtap_mode_parse(names[i], &mode));
        assert_int_equal(mode, i);
        assert_string_equal(macvtap_mode_name(mode), names[i]);
    }
}

static void
test_others_are_refused(void **state)
{
    static const char *const bad[] = {"", "Bridge", "bridge ", "passthrough", "direct", "0"};
    MacvtapMode mode = MACVTAP_MODE_SOURCE;

    for (guint i = 0; i < G_N_ELEMENTS(bad); i++)
        assert_false(macvtap_mode_parse(bad[i], &mode));
    assert_int_equal(mode, MACVTAP_MODE_SOURCE);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_are_the_kernels),
        cmocka_unit_test(test_others_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
