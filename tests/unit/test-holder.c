/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include "holder.h"
#include "port-error.h"

#define UUID "123e4567-e89b-12d3-a456-426614174000"

static void
test_type_names(void **state)
{
    static const char *const names[] = {"none", "process", "domain", "descriptors"};

    for (guint i = 0; i < G_N_ELEMENTS(names); i++)
        assert_string_equal(holder_type_name((HolderType)i), names[i]);
}

static void
test_parse(void **state)
{
    static const struct {
        const char *text;
        HolderType type;
        pid_t pid;
        const char *domain;
    } cases[] = {
        {"none", HOLDER_NONE, 0, ""},
        {"pid:1", HOLDER_PROCESS, 1, ""},
        {"pid:2147483647", HOLDER_PROCESS, 2147483647, ""},
        {"domain:" UUID, HOLDER_DOMAIN, 0, UUID},
        {"domain:123E4567-E89B-12D3-A456-426614174000", HOLDER_DOMAIN, 0, UUID},
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        Holder holder = {.start_time = 9};
        g_autoptr(GError) error = NULL;

        assert_true(holder_parse(cases[i].text, &holder, &error));
        assert_no_error(error);
        assert_int_equal(holder.type, cases[i].type);
        assert_int_equal(holder.pid, cases[i].pid);
        assert_int_equal(holder.start_time, 0);
        assert_string_equal(holder.domain, cases[i].domain);
    }
}

static void
test_parse_refuses_and_names_the_text(void **state)
{
    static const struct {
        const char *text;
        const char *message;
    } bad[] = {
        {"", "'' is not a holder"},
        {"process:1", "'process:1' is not a holder"},
        {"None", "'None' is not a holder"},
        {"pid:", "'' is not a process ID"},
        {"pid:0", "'0' is not a process ID"},
        {"pid:-1", "'-1' is not a process ID"},
        {"pid:+1", "'+1' is not a process ID"},
        {"pid: 1", "' 1' is not a process ID"},
        {"pid:1 ", "'1 ' is not a process ID"},
        {"pid:2147483648", "'2147483648' is not a process ID"},
        {"pid:0x1", "'0x1' is not a process ID"},
        {"domain:", "is not a domain's UUID"},
        {"domain:vm7", "'vm7' is not a domain's UUID"},
        {"domain:" UUID "0", "is not a domain's UUID"},
        {"domain:123e4567e89b12d3a456426614174000", "is not a domain's UUID"},
        {"domain:\n", "'\\n' is not a domain's UUID"},
    };

    for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
        Holder holder = {.pid = 42};
        GError *error = NULL;

        assert_false(holder_parse(bad[i].text, &holder, &error));
        assert_int_equal(holder.pid, 42);
        assert_error_cleared(&error, PORT_ERROR, PORT_ERROR_INVALID_REQUEST, bad[i].message);
    }
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
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_parse_refuses_and_names_the_text),
        cmocka_unit_test(test_uuid),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
