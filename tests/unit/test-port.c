/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include "port-error.h"
#include "port.h"

static void
test_state_names(void **state)
{
    static const char *const names[] = {"creating", "active", "parent-gone", "device-gone"};

    for (guint i = 0; i < PORT_STATE_COUNT; i++)
        assert_string_equal(port_state_name((PortState)i), names[i]);
}

static void
test_copy_shares_nothing(void **state)
{
    Port *port = port_new();
    g_autoptr(Port) copy = NULL;

    port->id = g_strdup("p0123456789ab");
    port->name = g_strdup("web");
    port->network = g_strdup("lan");
    port->parent = g_strdup("eth0");
    port->queues = 4;
    g_strlcpy(port->interface_name, "vm7", sizeof(port->interface_name));
    copy = port_copy(port);
    port_free(port);
    assert_string_equal(copy->id, "p0123456789ab");
    assert_string_equal(copy->name, "web");
    assert_string_equal(copy->network, "lan");
    assert_string_equal(copy->parent, "eth0");
    assert_string_equal(copy->interface_name, "vm7");
    assert_int_equal(copy->queues, 4);
}

static void
test_free_takes_null_and_empty(void **state)
{
    Port *port = port_new();
    g_autoptr(Port) copy = port_copy(port);

    assert_null(copy->id);
    port_free(port);
    port_free(NULL);
}

static void
test_alias_comes_back_as_the_id(void **state)
{
    Port port = {.id = (char *)"p0123456789ab"};
    g_autofree char *alias = port_alias(&port);

    assert_string_equal(alias, "macvtapd:p0123456789ab");
    assert_string_equal(port_alias_id(alias), port.id);
}

static void
test_other_aliases_are_not_ours(void **state)
{
    static const char *const others[] = {
        "",
        "uplink",
        "macvtapd:",
        "macvtapd:web",
        "macvtapd:p0123456789AB",
        "macvtapd:p0123456789a",
        "macvtapd:p0123456789abc",
        "macvtapd:../../../etc",
        " macvtapd:p0123456789ab",
        "macvtapd:q0123456789ab",
    };

    for (guint i = 0; i < G_N_ELEMENTS(others); i++)
        assert_null(port_alias_id(others[i]));
}

static void
test_request_clear_leaves_it_empty(void **state)
{
    PortRequest request = {.network = g_strdup("lan"),
                           .name = g_strdup("web"),
                           .interface_name = g_strdup("vm7"),
                           .has_queues = TRUE};
    const PortRequest empty = {0};

    port_request_clear(&request);
    assert_null(request.network);
    assert_null(request.name);
    assert_null(request.interface_name);
    assert_int_equal(request.has_queues, empty.has_queues);
    port_request_clear(&request);
}

static void
test_error_set(void **state)
{
    GError *error = NULL;

    assert_false(port_error_set(&error, PORT_ERROR_NAME_TAKEN, "name '%s' is taken", "web"));
    assert_string_equal(error->message, "name 'web' is taken");
    assert_error_cleared(&error, PORT_ERROR, PORT_ERROR_NAME_TAKEN, "web");
    assert_false(port_error_set(NULL, PORT_ERROR_SYSTEM, "unseen"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_state_names),
        cmocka_unit_test(test_copy_shares_nothing),
        cmocka_unit_test(test_free_takes_null_and_empty),
        cmocka_unit_test(test_alias_comes_back_as_the_id),
        cmocka_unit_test(test_other_aliases_are_not_ours),
        cmocka_unit_test(test_request_clear_leaves_it_empty),
        cmocka_unit_test(test_error_set),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
