/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A port's device that somebody moved into another network namespace. */
#include "broker-fixture.h"

#include <errno.h>
#include <glib/gstdio.h>

static const Port *
create_and_move(TestBroker *test)
{
    const Port *port = test_broker_create(test, 0, "lan", "web");

    test_settle();
    kernel_fake_move_link(test->kernel, port->interface_index);
    test_settle();
    return port;
}

/* It is told where the device is, a restart knows it too, and the port's end removes it (F6). */
static void
test_device_in_another_namespace(void **state)
{
    TestBroker *test = *state;
    const Caller root = test_caller(0);
    const Port *port = create_and_move(test);
    g_autoptr(GError) error = NULL;

    assert_int_equal(port->state, PORT_STATE_DEVICE_GONE);
    assert_non_null(strstr(port->problem, "moved into another network namespace (7 of"));
    assert_int_equal(count_said("moved into another network namespace"), 1);
    test_broker_kill(test);
    test_broker_start(test);
    assert_non_null(strstr(only_port(test)->problem, "moved into another network namespace (7 of"));
    kernel_fake_fail(test->kernel, "link_delete_moved", 1, EACCES);
    assert_false(test_broker_delete(test, &root, "web", &error));
    assert_error_cleared(&error, PORT_ERROR, PORT_ERROR_SYSTEM, "in another network namespace");
    assert_int_equal(kernel_fake_moved_count(test->kernel), 1);
    assert_true(test_broker_delete(test, &root, "web", &error));
    assert_int_equal(kernel_fake_moved_count(test->kernel), 0);
}

/* Nobody has heard the event of the move: the daemon did not run, the event was lost, or it is
 * still to be read. */
static void
test_device_in_another_namespace_without_a_daemon(void **state)
{
    TestBroker *test = *state;
    const Caller root = test_caller(0);
    int index = test_broker_create(test, 0, "lan", "web")->interface_index;

    test_settle();
    test_broker_kill(test);
    kernel_fake_move_link(test->kernel, index);
    for (guint i = 0; i < 2; i++) {
        test_broker_start(test);
        assert_non_null(
            strstr(find_port(test, "web")->problem, "moved into another network namespace"));
        test_broker_kill(test);
    }
    test_broker_start(test);
    assert_true(test_broker_delete(test, &root, "web", NULL));
    assert_int_equal(kernel_fake_moved_count(test->kernel), 0);
}

static void
test_device_in_another_namespace_whose_event_is_lost(void **state)
{
    TestBroker *test = *state;
    const Caller root = test_caller(0);
    const Port *port;

    restart_without_events(test);
    port = test_broker_create(test, 0, "lan", "web");
    kernel_fake_move_link(test->kernel, port->interface_index);
    kernel_fake_fail(test->kernel, "link_list_moved", 1, ENOBUFS);
    lose_events();
    assert_non_null(strstr(port->problem, "cannot be read"));
    test_settle();
    assert_non_null(strstr(port->problem, "moved into another network namespace (7 of"));
    assert_int_equal(count_said("moved into another network namespace"), 1);
    assert_true(test_broker_delete(test, &root, "web", NULL));
    assert_int_equal(kernel_fake_moved_count(test->kernel), 0);
}

static void
test_device_in_another_namespace_before_the_event(void **state)
{
    TestBroker *test = *state;
    const Caller root = test_caller(0);
    const Port *port = test_broker_create(test, 0, "lan", "web");

    test_settle();
    kernel_fake_move_link(test->kernel, port->interface_index);
    assert_true(test_broker_delete(test, &root, "web", NULL));
    assert_int_equal(kernel_fake_moved_count(test->kernel), 0);
}

static void
test_device_in_another_namespace_of_an_interrupted_removal(void **state)
{
    TestBroker *test = *state;
    const Port *port = test_broker_create(test, 0, "lan", "web");
    int index = port->interface_index;
    g_autofree char *path = g_build_filename(test->state, "ports", port->id, NULL);
    g_autofree char *deleting = g_strconcat(path, ".deleting", NULL);
    g_autofree char *records = NULL;

    test_broker_kill(test);
    assert_int_equal(g_rename(path, deleting), 0);
    kernel_fake_move_link(test->kernel, index);
    test_broker_start(test);
    assert_int_equal(kernel_fake_moved_count(test->kernel), 0);
    records = test_broker_records(test);
    assert_string_equal(records, "");
}

static void
test_device_in_another_namespace_when_the_holder_ends(void **state)
{
    TestBroker *test = *state;
    const Caller root = test_caller(0);
    TestChild child = test_child_new();
    const PortRequest request = {.network = (char *)"lan",
                                 .name = (char *)"web",
                                 .no_descriptors = TRUE,
                                 .holder = {.type = HOLDER_PROCESS, .pid = child.pid}};
    g_auto(PortGrant) grant = {0};
    g_autofree char *records = NULL;

    assert_true(broker_create_port(test->broker, &root, &request, &grant, NULL));
    test_settle();
    kernel_fake_move_link(test->kernel, grant.port->interface_index);
    test_settle();
    test_broker_kill(test);
    test_child_end(&child);
    test_broker_start(test);
    assert_int_equal(kernel_fake_moved_count(test->kernel), 0);
    records = test_broker_records(test);
    assert_string_equal(records, "");
}

/* After its parent: the kernel did not remove it together with that. */
static int
move_parent(TestBroker *test)
{
    int index = test_broker_create(test, 0, "lan", "web")->interface_index;

    test_settle();
    kernel_fake_move_link(test->kernel, link_named(test, "eth0").index);
    return index;
}

static void
expect_known_and_delete(TestBroker *test)
{
    const Caller root = test_caller(0);

    assert_int_equal(only_port(test)->state, PORT_STATE_DEVICE_GONE);
    assert_non_null(strstr(only_port(test)->problem, "moved into another network namespace (7 of"));
    assert_true(test_broker_delete(test, &root, "web", NULL));
    assert_int_equal(kernel_fake_moved_count(test->kernel), 1);
}

static void
test_device_after_its_parent(void **state)
{
    TestBroker *test = *state;
    int index = move_parent(test);

    test_settle();
    g_free(test_broker_take_events(test));
    kernel_fake_move_link(test->kernel, index);
    expect_events(test, "changed web\n");
    assert_int_equal(only_port(test)->state, PORT_STATE_DEVICE_GONE);
    test_broker_reload(test);
    test_settle();
    expect_known_and_delete(test);
}

static void
test_device_after_its_parent_without_a_daemon(void **state)
{
    TestBroker *test = *state;
    int index = move_parent(test);

    test_settle();
    test_broker_kill(test);
    kernel_fake_move_link(test->kernel, index);
    test_broker_start(test);
    restart(test);
    expect_known_and_delete(test);
}

/* One search is enough for all ports. */
static void
test_device_after_its_parent_when_events_are_lost(void **state)
{
    TestBroker *test = *state;
    const Caller root = test_caller(0);
    int index = move_parent(test), parent;

    test_settle();
    restart_without_events(test);
    parent = test_broker_add_parent(test, "eth7");
    test_broker_create(test, 0, "parent=eth7,mode=bridge", "other");
    kernel_fake_remove_link(test->kernel, parent);
    kernel_fake_move_link(test->kernel, index);
    kernel_fake_fail(test->kernel, "link_list_moved", 2, ENOBUFS);
    lose_events();
    assert_int_equal(kernel_fake_heal(test->kernel), 1);
    assert_int_equal(find_port(test, "other")->state, PORT_STATE_PARENT_GONE);
    assert_true(test_broker_delete(test, &root, "other", NULL));
    expect_known_and_delete(test);
}

static void
test_device_after_its_parent_when_the_search_fails(void **state)
{
    TestBroker *test = *state;
    const Caller root = test_caller(0);

    restart_without_events(test);
    kernel_fake_move_link(test->kernel, move_parent(test));
    kernel_fake_fail(test->kernel, "link_list_moved", 1, ENOBUFS);
    lose_events();
    assert_non_null(strstr(only_port(test)->problem, "cannot be read"));
    assert_true(test_broker_delete(test, &root, "web", NULL));
    assert_int_equal(kernel_fake_moved_count(test->kernel), 1);
}

static void
test_device_after_its_parent_before_the_event(void **state)
{
    TestBroker *test = *state;
    const Caller root = test_caller(0);

    kernel_fake_move_link(test->kernel, move_parent(test));
    assert_true(test_broker_delete(test, &root, "web", NULL));
    assert_int_equal(kernel_fake_moved_count(test->kernel), 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        BROKER_TEST_SAID(test_device_in_another_namespace),
        BROKER_TEST_SAID(test_device_in_another_namespace_without_a_daemon),
        BROKER_TEST_SAID(test_device_in_another_namespace_whose_event_is_lost),
        BROKER_TEST_SAID(test_device_in_another_namespace_before_the_event),
        BROKER_TEST_SAID(test_device_in_another_namespace_of_an_interrupted_removal),
        BROKER_TEST_SAID(test_device_in_another_namespace_when_the_holder_ends),
        BROKER_TEST_SAID(test_device_after_its_parent),
        BROKER_TEST_SAID(test_device_after_its_parent_without_a_daemon),
        BROKER_TEST_SAID(test_device_after_its_parent_when_events_are_lost),
        BROKER_TEST_SAID(test_device_after_its_parent_when_the_search_fails),
        BROKER_TEST_SAID(test_device_after_its_parent_before_the_event),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
