/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include "holder.h"

#define UUID "123e4567-e89b-12d3-a456-426614174000"

static void
test_type_names(void **state)
{
    static const char *const names[] = {"none", "process", "domain", "descriptors"};

    for (guint i = 0; i < G_N_ELEMENTS(names); i++)
        assert_string_equal(holder_type_name((HolderType)i), names[i]);
}

static void
test_uuid(void **state)
{
    assert_true(uuid_is_valid(UUID));
    assert_false(uuid_is_valid(""));
    assert_false(uuid_is_valid("123e4567-e89b-12d3-a456-42661417400g"));
    assert_false(uuid_is_valid("123e4567-e89b-12d3-a456-42661417400"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_type_names),
        cmocka_unit_test(test_uuid),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
