/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What becomes of a port while its record can no longer be written. */
#include "broker-fixture.h"

#include <unistd.h>

/* Nothing can be made in a folder that has no name any more. */
static void
lose_folder(TestBroker *test)
{
    g_autofree char *path = g_build_filename(test->state, "ports", NULL);

    test_remove_folder(path);
    assert_int_not_equal(access(path, F_OK), 0);
}

static void
test_holder_is_not_told_what_is_not_written(void **state)
{
    TestBroker *test = *state;
    const Caller root = test_caller(0);
    const PortRequest request = {
        .network = (char *)"lan",
        .name = (char *)"web",
        .holder = {.type = HOLDER_DOMAIN, .domain = "5c1ab1ff-1d4f-4b4b-8f0e-2f1d1f0a7c11"}};
    const PortChange change = {.port = (char *)"web", .holder_pid = getpid()};
    g_autoptr(GError) error = NULL;
    g_auto(PortGrant) grant = {0};
    guint n_descriptors;

    assert_true(broker_create_port(test->broker, &root, &request, &grant, &error));
    lose_folder(test);
    n_descriptors = test_count_descriptors();
    assert_null(broker_change_port(test->broker, &root, &change, &error));
    assert_error_cleared(&error, PORT_ERROR, PORT_ERROR_SYSTEM, "holder of port web: ");
    assert_int_equal(grant.port->holder.pid, 0);
    assert_int_equal(test_count_descriptors(), n_descriptors);
}

/* The description in memory is the record's. */
static void
test_description_stays(void **state)
{
    TestBroker *test = *state;
    const Caller root = test_caller(0);
    const PortRequest request = {
        .network = (char *)"lan", .name = (char *)"web", .description = (char *)"shop"};
    const PortChange change = {.port = (char *)"web", .description = (char *)"old shop"};
    g_autoptr(GError) error = NULL;
    g_auto(PortGrant) grant = {0};

    assert_true(broker_create_port(test->broker, &root, &request, &grant, &error));
    assert_string_equal(grant.port->description, "shop");
    lose_folder(test);
    assert_null(broker_change_port(test->broker, &root, &change, &error));
    assert_error_cleared(&error, PORT_ERROR, PORT_ERROR_SYSTEM, "record of port web: ");
    assert_string_equal(grant.port->description, "shop");
}

/* The port follows its parent's name all the same; the next start finds the parent by its index. */
static void
test_parent_is_renamed(void **state)
{
    TestBroker *test = *state;
    const Port *port = test_broker_create(test, 0, "lan", "web");
    LinkInfo parent;

    lose_folder(test);
    assert_true(test_broker_find_link(test, "eth0", &parent));
    memset(parent.name, 0, sizeof(parent.name));
    g_strlcpy(parent.name, "uplink", sizeof(parent.name));
    kernel_fake_change_link(test->kernel, &parent);
    test_settle();
    assert_string_equal(port->parent, "uplink");
    assert_non_null(strstr(said->str, "record of port web: "));
}

static void
test_no_port_is_made(void **state)
{
    TestBroker *test = *state;
    const Caller root = test_caller(0);
    const PortRequest request = {.network = (char *)"lan"};
    guint n_links = kernel_fake_link_count(test->kernel);
    g_autoptr(GError) error = NULL;
    PortGrant grant = {0};

    lose_folder(test);
    assert_false(broker_create_port(test->broker, &root, &request, &grant, &error));
    assert_error_cleared(&error, PORT_ERROR, PORT_ERROR_SYSTEM, "record");
    assert_int_equal(kernel_fake_link_count(test->kernel), n_links);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        BROKER_TEST_SAID(test_holder_is_not_told_what_is_not_written),
        BROKER_TEST_SAID(test_description_stays),
        BROKER_TEST_SAID(test_parent_is_renamed),
        BROKER_TEST_SAID(test_no_port_is_made),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
