/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is left when a step of a use case fails: nothing, or what the next start removes. */
#include "broker-fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

typedef struct Failure {
    const char *operation;
    guint nth;
    int errnum;
    PortError code;
    const char *text;
} Failure;

static void
test_creation(void **state)
{
    static const Failure rows[] = {
        {"link_by_name", 1, ENODEV, PORT_ERROR_PARENT_NOT_FOUND, "no interface eth0"},
        {"link_by_name", 1, EIO, PORT_ERROR_SYSTEM, "cannot look up eth0"},
        {"macvtap_create", 1, ENODEV, PORT_ERROR_PARENT_NOT_FOUND, "eth0 has just been removed"},
        {"macvtap_create", 1, EEXIST, PORT_ERROR_NAME_TAKEN, "tapweb is taken"},
        {"macvtap_create", 1, EINVAL, PORT_ERROR_PARENT_BUSY,
         "a passthru macvlan or macvtap in another network namespace (a container's) holds eth0"},
        {"macvtap_create", 1, ENOPKG, PORT_ERROR_SYSTEM, "'modprobe macvtap' succeeds"},
        {"macvtap_create", 1, EPERM, PORT_ERROR_SYSTEM, "cannot create a macvtap on eth0"},
        {"tap_open", 1, ENOENT, PORT_ERROR_SYSTEM, "port web: tap_open fails"},
    };
    TestBroker *test = *state;
    const Caller root = test_caller(0);
    const PortRequest request = {.network = (char *)"lan",
                                 .name = (char *)"web",
                                 .interface_name = (char *)"tapweb",
                                 .holder = {.type = HOLDER_PROCESS}};

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        kernel_fake_fail(test->kernel, rows[i].operation, rows[i].nth, rows[i].errnum);
        test_broker_refuse(test, &root, &request, rows[i].code, rows[i].text);
    }
    assert_string_equal(test->events->str, "");
    /* All of it can be had now. */
    assert_string_equal(test_broker_create(test, 0, "lan", "web")->name, "web");
}

static guint
count_links_named(TestBroker *test, const char *prefix)
{
    g_autoptr(GArray) links = test->kernel->ops->link_list(test->kernel, NULL);
    guint count = 0;

    for (guint i = 0; i < links->len; i++)
        count += g_str_has_prefix(g_array_index(links, LinkInfo, i).name, prefix);
    return count;
}

/* Somebody was quicker with names that nobody asked for: others are drawn, so many times. */
static void
test_names_that_are_taken(void **state)
{
    TestBroker *test = *state;
    const Caller root = test_caller(0);
    const PortRequest request = {.network = (char *)"lan"};
    g_autofree char *records = NULL;
    const Port *port;

    for (guint i = 1; i <= 7; i++)
        kernel_fake_fail(test->kernel, "macvtap_create", i, EEXIST);
    port = test_broker_create(test, 0, "lan", NULL);
    assert_string_equal(port->name, port->id);
    assert_string_equal(port->interface_name + strlen("mvt"), port->id + strlen("p"));
    assert_int_equal(kernel_fake_heal(test->kernel), 0);
    assert_int_equal(count_links_named(test, "mvt"), 1);
    records = test_broker_records(test);
    assert_string_equal(g_strstrip(records), port->id);
    for (guint i = 1; i <= 8; i++)
        kernel_fake_fail(test->kernel, "macvtap_create", i, EEXIST);
    test_broker_refuse(test, &root, &request, PORT_ERROR_NAME_TAKEN, "is taken");
    assert_int_equal(kernel_fake_heal(test->kernel), 0);
}

static void
test_assignment(void **state)
{
    TestBroker *test = *state;
    const Caller root = test_caller(0);
    const PortRequest request = {.network = (char *)"pass"};
    LinkInfo before, after;

    test_broker_add_network(test, "pass", "eth0", MACVTAP_MODE_PASSTHRU)->mac = MAC_POLICY_ASSIGN;
    assert_true(test_broker_find_link(test, "eth0", &before));
    kernel_fake_fail(test->kernel, "link_set_mac", 1, EOPNOTSUPP);
    test_broker_refuse(test, &root, &request, PORT_ERROR_SYSTEM, "eth0 does not take");
    kernel_fake_fail(test->kernel, "tap_open", 1, EIO);
    test_broker_refuse(test, &root, &request, PORT_ERROR_SYSTEM, "tap_open");
    assert_true(test_broker_find_link(test, "eth0", &after));
    assert_true(mac_address_equal(&before.mac, &after.mac));
    assert_int_equal(after.promiscuity, 0);
}

/* Invariant 1: at the moment in which the kernel is asked for the device, the record is there. */
typedef struct Spy {
    TestBroker *test;
    KernelOps ops;
    const KernelOps *real;
    char *records;
} Spy;

static Spy spy;

static gboolean
spy_create(Kernel *kernel, const MacvtapSpec *spec, LinkInfo *ret_link, GError **error)
{
    g_free(spy.records);
    spy.records = test_broker_records(spy.test);
    return spy.real->macvtap_create(kernel, spec, ret_link, error);
}

static gboolean
spy_tap_open(Kernel *kernel, const LinkInfo *link, const char *owner, guint n_queues,
             gboolean multi_queue, DescriptorArray *queues, GError **error)
{
    g_free(spy.records);
    spy.records = test_broker_records(spy.test);
    return spy.real->tap_open(kernel, link, owner, n_queues, multi_queue, queues, error);
}

static gboolean
spy_delete(Kernel *kernel, const int *indexes, gsize n_indexes, GError **error)
{
    g_free(spy.records);
    spy.records = test_broker_records(spy.test);
    return spy.real->link_delete(kernel, indexes, n_indexes, error);
}

static void
spy_begin(TestBroker *test)
{
    spy = (Spy){.test = test, .ops = *test->kernel->ops, .real = test->kernel->ops};
    spy.ops.macvtap_create = spy_create;
    spy.ops.tap_open = spy_tap_open;
    spy.ops.link_delete = spy_delete;
    test->kernel->ops = &spy.ops;
}

static void
spy_end(TestBroker *test)
{
    test->kernel->ops = spy.real;
    g_clear_pointer(&spy.records, g_free);
}

static void
test_record_before_device(void **state)
{
    TestBroker *test = *state;
    const Caller root = test_caller(0);
    const Port *port;
    g_autofree char *creating = NULL, *deleting = NULL;

    spy_begin(test);
    port = test_broker_create(test, 0, "lan", "web");
    deleting = g_strconcat(port->id, ".deleting", NULL);
    creating = g_strconcat(port->id, ".creating", NULL);
    assert_string_equal(spy.records, creating);
    assert_true(test_broker_delete(test, &root, "web", NULL));
    assert_string_equal(spy.records, deleting);
    spy_end(test);
}

/* A record that cannot be written stops the creation before the kernel hears of it. */
static void
test_no_record_no_device(void **state)
{
    TestBroker *test = *state;
    const Caller root = test_caller(0);
    const PortRequest request = {.network = (char *)"lan"};
    g_autofree char *folder = g_build_filename(test->state, "ports", NULL);

    spy_begin(test);
    assert_int_equal(remove(folder), 0);
    test_broker_refuse(test, &root, &request, PORT_ERROR_SYSTEM, "cannot record the port");
    assert_null(spy.records);
    spy_end(test);
}

/* The record's last step fails: a folder lies where the final name must go. */
static gboolean
block_final_name(Kernel *kernel, const LinkInfo *link, const char *owner, guint n_queues,
                 gboolean multi_queue, DescriptorArray *queues, GError **error)
{
    g_autofree char *path =
        g_build_filename(spy.test->state, "ports", port_alias_id(link->alias), NULL);

    assert_int_equal(mkdir(path, 0700), 0);
    g_free(spy.records);
    spy.records = g_strdup(path);
    return spy.real->tap_open(kernel, link, owner, n_queues, multi_queue, queues, error);
}

static void
expect_no_queues(TestBroker *test)
{
    g_autoptr(GPtrArray) owners = test->kernel->ops->queue_owners(test->kernel);

    assert_int_equal(owners->len, 0);
}

static void
test_record_that_cannot_be_final(void **state)
{
    TestBroker *test = *state;
    const Caller root = test_caller(0);
    const PortRequest request = {.network = (char *)"lan", .holder = {.type = HOLDER_PROCESS}};
    guint links = kernel_fake_link_count(test->kernel);
    PortGrant grant = {0};
    g_autoptr(GError) error = NULL;
    g_autofree char *records = NULL;

    spy_begin(test);
    spy.ops.tap_open = block_final_name;
    spy.ops.link_delete = spy.real->link_delete;
    assert_false(broker_create_port(test->broker, &root, &request, &grant, &error));
    assert_error_cleared(&error, PORT_ERROR, PORT_ERROR_SYSTEM, "cannot make the record");
    expect_no_queues(test);
    assert_int_equal(remove(spy.records), 0);
    spy_end(test);
    assert_int_equal(kernel_fake_link_count(test->kernel), links);
    records = test_broker_records(test);
    assert_string_equal(records, "");
}

/* The undoing fails as well: the record stays, and the next start removes the device. */
static void
test_undo_that_fails(void **state)
{
    TestBroker *test = *state;
    const Caller root = test_caller(0);
    const PortRequest request = {.network = (char *)"lan"};
    guint links = kernel_fake_link_count(test->kernel);
    PortGrant grant = {0};
    g_autoptr(GError) error = NULL;
    g_autofree char *during = NULL, *after = NULL;

    kernel_fake_fail(test->kernel, "tap_open", 1, EIO);
    kernel_fake_fail(test->kernel, "link_delete", 1, ENOBUFS);
    g_test_expect_message(NULL, G_LOG_LEVEL_WARNING, "*failed to remove*");
    assert_false(broker_create_port(test->broker, &root, &request, &grant, &error));
    g_test_assert_expected_messages();
    assert_error_cleared(&error, PORT_ERROR, PORT_ERROR_SYSTEM, "tap_open");
    during = test_broker_records(test);
    assert_true(g_str_has_suffix(during, ".creating"));
    test_broker_kill(test);
    test_broker_start(test);
    after = test_broker_records(test);
    assert_string_equal(after, "");
    assert_int_equal(kernel_fake_link_count(test->kernel), links);
}

/* The undoing fails, and that blocks nobody (B10): by itself it is tried again, and another
 * creation does not wait for that. */
static void
test_undo_that_fails_blocks_nobody(void **state)
{
    TestBroker *test = *state;
    const Caller root = test_caller(0);
    const PortRequest request = {.network = (char *)"lan",
                                 .name = (char *)"web",
                                 .interface_name = (char *)"vmweb",
                                 .has_mac = TRUE,
                                 .mac = {{0x52, 0x54, 0, 0, 0, 7}}};
    guint links = kernel_fake_link_count(test->kernel);
    g_autofree char *events = NULL, *records = NULL;

    test->repair_delays[1] = 3600 * 1000;
    for (guint i = 0; i < 2; i++) {
        g_auto(PortGrant) grant = {0}, next = {0};
        g_autoptr(GPtrArray) ports = NULL;
        g_autoptr(GError) error = NULL;

        kernel_fake_fail(test->kernel, "tap_open", 1, EIO);
        kernel_fake_fail(test->kernel, "link_delete", 1, ENOBUFS);
        kernel_fake_fail(test->kernel, "link_delete", 2, ENOBUFS);
        g_test_expect_message(NULL, G_LOG_LEVEL_WARNING, "*failed to remove*will retry*");
        assert_false(broker_create_port(test->broker, &root, &request, &grant, &error));
        g_test_expect_message(NULL, G_LOG_LEVEL_WARNING, "*failed to remove*");
        if (i == 0)
            test_settle();
        else
            assert_false(broker_create_port(test->broker, &root, &request, &next, NULL));
        g_test_assert_expected_messages();
        ports = broker_list_ports(test->broker, &root, NULL);
        assert_int_equal(ports->len, 0);
        assert_true(broker_create_port(test->broker, &root, &request, &next, NULL));
        assert_true(test_broker_delete(test, &root, "web", NULL));
        test_settle();
        assert_int_equal(kernel_fake_link_count(test->kernel), links);
        assert_int_equal(kernel_fake_heal(test->kernel), 0);
    }
    events = test_broker_take_events(test);
    assert_string_equal(events, "created web\ndeleted web\ncreated web\ndeleted web\n");
    records = test_broker_records(test);
    assert_string_equal(records, "");
}

/* Nobody sees a port that was not made, and its device goes without anybody's asking. */
static void
test_undo_that_fails_is_made_good(void **state)
{
    TestBroker *test = *state;
    const Caller root = test_caller(0);
    const PortRequest request = {.network = (char *)"lan", .name = (char *)"web"};
    guint links = kernel_fake_link_count(test->kernel);
    g_autofree char *events = NULL, *records = NULL;
    g_autoptr(GPtrArray) ports = NULL;
    PortGrant grant = {0};

    kernel_fake_fail(test->kernel, "tap_open", 1, EIO);
    for (guint i = 1; i <= 4; i++)
        kernel_fake_fail(test->kernel, "link_delete", i, ENOBUFS);
    for (guint i = 1; i <= 4; i++)
        g_test_expect_message(NULL, G_LOG_LEVEL_WARNING, "*failed to remove*");
    assert_false(broker_create_port(test->broker, &root, &request, &grant, NULL));
    ports = broker_list_ports(test->broker, &root, NULL);
    assert_int_equal(ports->len, 0);
    test_settle();
    g_test_assert_expected_messages();
    assert_int_equal(kernel_fake_heal(test->kernel), 0);
    assert_int_equal(kernel_fake_link_count(test->kernel), links);
    events = test_broker_take_events(test);
    assert_string_equal(events, "");
    records = test_broker_records(test);
    assert_string_equal(records, "");
}

static void
test_deletion(void **state)
{
    TestBroker *test = *state;
    const Caller root = test_caller(0);
    const Port *port = test_broker_create(test, 0, "lan", "web");
    g_autofree char *records = NULL;
    g_autoptr(GError) error = NULL;

    kernel_fake_fail(test->kernel, "link_delete", 1, ENOBUFS);
    assert_false(test_broker_delete(test, &root, "web", &error));
    assert_error_cleared(&error, PORT_ERROR, PORT_ERROR_SYSTEM, "link_delete");
    records = test_broker_records(test);
    assert_string_equal(records, port->id);
    assert_true(test_broker_delete(test, &root, "web", &error));
}

static void
test_index_conflicts(void **state)
{
    TestBroker *test = *state;
    const Caller root = test_caller(0);
    const PortRequest request = {.network = (char *)"lan"};

    for (guint i = 1; i <= 7; i++)
        kernel_fake_fail(test->kernel, "macvtap_create", i, EBUSY);
    test_broker_create(test, 0, "lan", "web");
    for (guint i = 1; i <= 8; i++)
        kernel_fake_fail(test->kernel, "macvtap_create", i, EBUSY);
    test_broker_refuse(test, &root, &request, PORT_ERROR_PARENT_BUSY, "eth0 is in use");
}

/* The record always names the index that the kernel is asked for. */
static void
test_index_of_the_record_follows(void **state)
{
    TestBroker *test = *state;
    const Port *port;
    g_autofree char *text = NULL, *path = NULL, *expected = NULL;

    kernel_fake_fail(test->kernel, "macvtap_create", 1, EBUSY);
    port = test_broker_create(test, 0, "lan", "web");
    path = g_build_filename(test->state, "ports", port->id, NULL);
    expected = g_strdup_printf("\"interfaceIndex\":%d,", port->interface_index);
    assert_true(g_file_get_contents(path, &text, NULL, NULL));
    assert_non_null(strstr(text, expected));
}

static void
test_start(void **state)
{
    static const char *const operations[] = {"link_list", "link_delete"};
    TestBroker *test = *state;
    g_autofree char *records = NULL, *after = NULL;
    g_autoptr(Port) port = test_port_new(1);

    test_broker_write_record(test, port, "p000000000001.creating");
    records = test_broker_records(test);
    for (guint i = 0; i < G_N_ELEMENTS(operations); i++) {
        g_autoptr(GPtrArray) messages = NULL;
        g_autoptr(GError) error = NULL;

        kernel_fake_fail(test->kernel, operations[i], 1, EIO);
        assert_false(broker_reconcile(test->broker, &messages, &error));
        assert_non_null(error);
        assert_null(messages);
    }
    after = test_broker_records(test);
    assert_string_equal(after, records);
}

static void
test_monitor(void **state)
{
    TestBroker *test = *state;

    test_broker_kill(test);
    kernel_fake_fail(test->kernel, "monitor", 1, EPERM);
    expect_no_start(test, "");
    test_broker_start(test);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        BROKER_TEST(test_creation),
        BROKER_TEST(test_names_that_are_taken),
        BROKER_TEST(test_assignment),
        BROKER_TEST(test_record_before_device),
        BROKER_TEST(test_no_record_no_device),
        BROKER_TEST(test_record_that_cannot_be_final),
        BROKER_TEST(test_undo_that_fails),
        BROKER_TEST(test_undo_that_fails_blocks_nobody),
        BROKER_TEST(test_undo_that_fails_is_made_good),
        BROKER_TEST(test_deletion),
        BROKER_TEST(test_index_conflicts),
        BROKER_TEST(test_index_of_the_record_follows),
        BROKER_TEST(test_start),
        BROKER_TEST(test_monitor),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
