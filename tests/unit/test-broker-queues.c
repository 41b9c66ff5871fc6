/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A port that its descriptors hold ends with the last of them. */
#include "broker-fixture.h"

#include <errno.h>
#include <unistd.h>

/* Makes a port of this holder and returns what its queues are held by. */
static PortGrant
create_held(TestBroker *test, HolderType type, const char *name, guint queues)
{
    const Caller root = test_caller(0);
    const PortRequest request = {.network = (char *)"lan",
                                 .name = (char *)name,
                                 .has_queues = TRUE,
                                 .queues = queues,
                                 .holder = {.type = type}};
    g_autoptr(GError) error = NULL;
    PortGrant grant = {0};

    broker_create_port(test->broker, &root, &request, &grant, &error);
    assert_no_error(error);
    g_clear_pointer(&grant.vhosts, g_array_unref);
    g_free(test_broker_take_events(test));
    return grant;
}

static PortGrant
open_more(TestBroker *test, const char *name, guint queues)
{
    const Caller root = test_caller(0);
    g_autoptr(GError) error = NULL;
    PortGrant grant = {0};

    broker_open_port(test->broker, &root, name, queues, &grant, &error);
    assert_no_error(error);
    return grant;
}

static const Port *
find(TestBroker *test, const char *name)
{
    const Caller root = test_caller(0);
    g_autoptr(GPtrArray) ports = broker_list_ports(test->broker, &root, NULL);

    for (guint i = 0; i < ports->len; i++) {
        if (g_str_equal(((const Port *)ports->pdata[i])->name, name))
            return ports->pdata[i];
    }
    return NULL;
}

static void
expect_nothing_left(TestBroker *test)
{
    g_autofree char *records = test_broker_records(test);
    g_autoptr(GPtrArray) owners = test->kernel->ops->queue_owners(test->kernel);

    assert_string_equal(records, "");
    assert_int_equal(owners->len, 0);
    assert_int_equal(kernel_fake_link_count(test->kernel), test->n_parents);
}

static void
test_ends_with_the_last(void **state)
{
    TestBroker *test = *state;
    g_auto(PortGrant) grant = create_held(test, HOLDER_DESCRIPTORS, "web", 2);

    assert_int_equal(find(test, "web")->open_queues, 2);
    g_array_set_size(grant.taps, 1);
    expect_events(test, "changed web\n");
    assert_int_equal(find(test, "web")->open_queues, 1);
    g_array_set_size(grant.taps, 0);
    expect_events(test, "deleted web\n");
    expect_nothing_left(test);
}

static void
test_further_queues_hold_it_too(void **state)
{
    TestBroker *test = *state;
    g_auto(PortGrant) first = create_held(test, HOLDER_DESCRIPTORS, "web", 1);
    g_auto(PortGrant) second = open_more(test, "web", 1);

    expect_events(test, "changed web\n");
    assert_int_equal(find(test, "web")->open_queues, 2);
    g_array_set_size(first.taps, 0);
    expect_events(test, "changed web\n");
    g_array_set_size(second.taps, 0);
    expect_events(test, "deleted web\n");
}

static void
test_other_holders_do_not_care(void **state)
{
    TestBroker *test = *state;
    const HolderType types[] = {HOLDER_NONE, HOLDER_PROCESS};

    for (guint i = 0; i < G_N_ELEMENTS(types); i++) {
        g_auto(PortGrant) grant = create_held(test, types[i], "web", 1);
        const Caller root = test_caller(0);

        g_array_set_size(grant.taps, 0);
        expect_events(test, "changed web\n");
        assert_int_equal(find(test, "web")->open_queues, 0);
        assert_true(test_broker_delete(test, &root, "web", NULL));
        expect_events(test, "deleted web\n");
    }
}

static void
test_restarts(void **state)
{
    TestBroker *test = *state;
    g_auto(PortGrant) lives = create_held(test, HOLDER_DESCRIPTORS, "lives", 2);
    g_auto(PortGrant) dies = create_held(test, HOLDER_DESCRIPTORS, "dies", 1);

    for (guint i = 0; i < 3; i++) {
        test_broker_kill(test);
        test_broker_start(test);
        assert_int_equal(test->messages->len, 0);
        assert_int_equal(find(test, "lives")->open_queues, 2);
        assert_int_equal(find(test, "dies")->open_queues, 1);
    }
    test_broker_kill(test);
    g_array_set_size(lives.taps, 1);
    g_array_set_size(dies.taps, 0);
    test_broker_start(test);
    assert_int_equal(test->messages->len, 0);
    expect_events(test, "deleted dies\n");
    assert_null(find(test, "dies"));
    assert_int_equal(find(test, "lives")->open_queues, 1);
    g_array_set_size(lives.taps, 0);
    expect_events(test, "deleted lives\n");
    expect_nothing_left(test);
}

/* The VMM has ended and starts again at once: the end of the first is seen before the second is
 * judged. */
static void
test_name_is_free_at_once(void **state)
{
    TestBroker *test = *state;

    for (guint i = 0; i < 3; i++) {
        g_auto(PortGrant) grant = create_held(test, HOLDER_DESCRIPTORS, "web", 2);

        g_array_set_size(grant.taps, 0);
    }
    test_settle();
    expect_nothing_left(test);
}

/* The device is gone, and with the descriptors nobody asks for it any more. */
static void
test_device_that_is_gone(void **state)
{
    TestBroker *test = *state;
    g_auto(PortGrant) grant = create_held(test, HOLDER_DESCRIPTORS, "web", 1);

    kernel_fake_remove_link(test->kernel, grant.port->interface_index);
    expect_events(test, "changed web\n");
    g_array_set_size(grant.taps, 0);
    expect_events(test, "deleted web\n");
    expect_nothing_left(test);
}

static void
test_removal_that_fails_is_tried_again(void **state)
{
    TestBroker *test = *state;
    g_auto(PortGrant) grant = create_held(test, HOLDER_DESCRIPTORS, "web", 1);
    g_auto(PortGrant) other = {0};

    test->repair_delays[1] = 3600 * 1000;
    kernel_fake_fail(test->kernel, "link_delete", 1, EIO);
    g_array_set_size(grant.taps, 0);
    test_settle();
    assert_non_null(find(test, "web"));
    other = create_held(test, HOLDER_DESCRIPTORS, "other", 1);
    test_settle();
    assert_null(find(test, "web"));
    assert_non_null(find(test, "other"));
}

static void
test_failed_creation_leaves_no_queue(void **state)
{
    TestBroker *test = *state;
    const Caller root = test_caller(0);
    const PortRequest request = {.network = (char *)"lan", .holder = {.type = HOLDER_DESCRIPTORS}};

    kernel_fake_fail(test->kernel, "tap_open", 1, EMFILE);
    test_broker_refuse(test, &root, &request, PORT_ERROR_SYSTEM, "");
    expect_nothing_left(test);
}

static void
test_without_descriptors_it_holds_nothing(void **state)
{
    TestBroker *test = *state;
    const Caller root = test_caller(0);
    const PortRequest request = {
        .network = (char *)"lan", .no_descriptors = TRUE, .holder = {.type = HOLDER_DESCRIPTORS}};

    test_broker_refuse(test, &root, &request, PORT_ERROR_INVALID_REQUEST, "a different holder");
}

/* A killed daemon may have left queues of what is no port. */
static void
test_stray_queues_are_given_up(void **state)
{
    TestBroker *test = *state;
    g_auto(PortGrant) grant = create_held(test, HOLDER_DESCRIPTORS, "web", 1);
    g_autoptr(DescriptorArray) stray = descriptor_array_new();
    g_autoptr(GPtrArray) owners = NULL;
    LinkInfo link;

    assert_true(test_broker_find_link(test, grant.port->interface_name, &link));
    assert_true(
        test->kernel->ops->tap_open(test->kernel, &link, "p0123456789ab", 1, FALSE, stray, NULL));
    test_broker_kill(test);
    test_broker_start(test);
    owners = test->kernel->ops->queue_owners(test->kernel);
    assert_int_equal(owners->len, 1);
    assert_string_equal(owners->pdata[0], find(test, "web")->id);
}

static void
test_start_without_queues_fails(void **state)
{
    TestBroker *test = *state;
    g_autoptr(GError) error = NULL;

    test_broker_kill(test);
    kernel_fake_fail(test->kernel, "queue_watch", 1, ENFILE);
    assert_false(test_broker_try_start(test, &error));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        BROKER_TEST(test_ends_with_the_last),
        BROKER_TEST(test_further_queues_hold_it_too),
        BROKER_TEST(test_other_holders_do_not_care),
        BROKER_TEST(test_restarts),
        BROKER_TEST(test_name_is_free_at_once),
        BROKER_TEST(test_device_that_is_gone),
        BROKER_TEST(test_removal_that_fails_is_tried_again),
        BROKER_TEST(test_failed_creation_leaves_no_queue),
        BROKER_TEST(test_without_descriptors_it_holds_nothing),
        BROKER_TEST(test_stray_queues_are_given_up),
        BROKER_TEST(test_start_without_queues_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
