/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Ports on their way out: a batch in each turn of the main loop, and what others see meanwhile. */
#include "broker-fixture.h"

#include <errno.h>

#define BATCH_MAX 64 /* of removals.c */

static guint
count_listed(TestBroker *test)
{
    const Caller root = test_caller(0);
    g_autoptr(GPtrArray) ports = broker_list_ports(test->broker, &root, NULL);

    return ports->len;
}

/* Ports "vm0", "vm1"… of one process, which ends; returns when the broker knows, and no batch has
 * been removed. */
static void
end_many(TestBroker *test, guint n)
{
    const Caller root = test_caller(0);
    TestChild child = test_child_new();
    guint others = count_listed(test);

    for (guint i = 0; i < n; i++) {
        g_autofree char *name = g_strdup_printf("vm%u", i);
        const PortRequest request = {.network = (char *)"lan",
                                     .name = name,
                                     .holder = {.type = HOLDER_PROCESS, .pid = child.pid}};

        create_port(test, &root, &request);
    }
    test_settle();
    test_child_end(&child);
    while (count_listed(test) > others)
        g_main_context_iteration(NULL, TRUE);
    assert_int_equal(count_devices(test), others + n);
}

static void
count_done(guint n_ports, const GError *error, gpointer user_data)
{
    guint *done = user_data;

    assert_no_error(error);
    *done += n_ports;
}

static void
fail_done(guint n_ports, const GError *error, gpointer user_data)
{
    guint *done = user_data;

    assert_non_null(error);
    *done += 1;
}

/* One turn of the loop removes one batch; what is left is neither there for callers nor gone. */
static void
test_batch_by_batch(void **state)
{
    TestBroker *test = *state;
    const Caller root = test_caller(0);
    guint n = 3 * BATCH_MAX + 5;
    g_autofree char *records = NULL;

    end_many(test, n);
    for (guint left = n; left > 0; left -= MIN(left, BATCH_MAX)) {
        assert_int_equal(count_devices(test), left);
        assert_int_equal(broker_count_ports(test->broker, "lan"), 0);
        while (count_devices(test) == left)
            g_main_context_iteration(NULL, FALSE);
        assert_int_equal(count_listed(test), 0);
    }
    test_settle();
    records = test_broker_records(test);
    assert_string_equal(records, "");
    test_broker_create(test, 0, "lan", "vm0");
    assert_true(test_broker_delete(test, &root, "vm0", NULL));
}

static void
test_ending_port_is_not_found(void **state)
{
    TestBroker *test = *state;
    const Caller root = test_caller(0);
    const PortChange change = {.port = (char *)"vm1", .has_link_up = TRUE};
    PortGrant grant = {0};
    g_autoptr(GError) error = NULL;

    end_many(test, 2);
    assert_false(broker_open_port(test->broker, &root, "vm1", 0, &grant, &error));
    assert_error_cleared(&error, PORT_ERROR, PORT_ERROR_PORT_NOT_FOUND, "there is no port 'vm1'");
    assert_null(broker_change_port(test->broker, &root, &change, &error));
    assert_error_cleared(&error, PORT_ERROR, PORT_ERROR_PORT_NOT_FOUND, "there is no port 'vm1'");
    assert_int_equal(count_devices(test), 2);
}

/* Events of links, of what is ending and of others, change nothing about it. */
static void
test_events_of_what_ends(void **state)
{
    TestBroker *test = *state;
    g_autofree char *events = NULL;
    LinkInfo parent;
    guint turns = 0;

    end_many(test, BATCH_MAX + 1);
    g_free(test_broker_take_events(test));
    assert_true(test_broker_find_link(test, "eth0", &parent));
    g_strlcpy(parent.name, "lan0", sizeof(parent.name));
    kernel_fake_change_link(test->kernel, &parent);
    while (count_devices(test) > 0) {
        g_main_context_iteration(NULL, FALSE);
        turns++;
    }
    test_settle();
    assert_true(turns >= 2);
    events = test_broker_take_events(test);
    assert_null(strstr(events, "changed"));
    for (const char *event = events; event; event = strchr(event + 1, '\n'))
        assert_true(g_str_has_prefix(event + (*event == '\n'), "deleted vm") || event[1] == '\0');
}

/* Who asks for it waits for it, before those that nobody waits for; a second one waits as well. */
static void
test_asked_for_takes_its_turn(void **state)
{
    TestBroker *test = *state;
    const Caller root = test_caller(0), user = test_caller(1000);
    g_autoptr(GError) error = NULL;
    guint done = 0;

    test_broker_create(test, 0, "lan", "web");
    assert_true(broker_delete_port(test->broker, &root, "web", NULL, count_done, &done, NULL));
    assert_true(broker_delete_port(test->broker, &root, "web", NULL, count_done, &done, NULL));
    assert_false(broker_delete_port(test->broker, &user, "web", NULL, count_done, &done, &error));
    assert_error_cleared(&error, PORT_ERROR, PORT_ERROR_PORT_NOT_FOUND, "there is no port");
    assert_int_equal(done, 0);
    assert_int_equal(count_devices(test), 1);
    test_settle();
    assert_int_equal(done, 2);
    assert_int_equal(count_devices(test), 0);
}

static void
test_asked_for_before_thousands(void **state)
{
    TestBroker *test = *state;
    const Caller root = test_caller(0);
    guint done = 0, n = 4 * BATCH_MAX;

    end_many(test, n);
    test_broker_create(test, 0, "lan", "web");
    assert_true(broker_delete_port(test->broker, &root, "web", NULL, count_done, &done, NULL));
    assert_true(broker_delete_port(test->broker, &root, "vm255", NULL, count_done, &done, NULL));
    while (done < 2)
        g_main_context_iteration(NULL, FALSE);
    assert_true(count_devices(test) >= n - 2 * BATCH_MAX);
    test_settle();
    assert_int_equal(count_devices(test), 0);
}

/* Deletions of one turn go in one. */
static void
test_deletions_go_together(void **state)
{
    TestBroker *test = *state;
    const Caller root = test_caller(0);
    guint done = 0;

    for (guint i = 0; i < BATCH_MAX; i++) {
        g_autofree char *name = g_strdup_printf("vm%u", i);

        test_broker_create(test, 0, "lan", name);
        assert_true(broker_delete_port(test->broker, &root, name, NULL, count_done, &done, NULL));
    }
    while (done == 0)
        g_main_context_iteration(NULL, FALSE);
    assert_int_equal(done, BATCH_MAX);
}

static guint
make_and_delete(TestBroker *test, guint n, guint *done)
{
    const Caller root = test_caller(0);

    for (guint i = 0; i < n; i++) {
        g_autofree char *name = g_strdup_printf("vm%u", i);

        test_broker_create(test, 0, "lan", name);
        assert_true(broker_delete_port(test->broker, &root, name, NULL, count_done, done, NULL));
    }
    return count_devices(test);
}

/* What an ending port has is had at once by who asks for just that; the others keep their turn. */
static void
test_creation_takes_what_ends(void **state)
{
    static const MacAddress mac = {{0x52, 0x54, 0, 1, 2, 3}};
    const PortRequest requests[] = {
        {.network = (char *)"lan", .name = (char *)"vm100"},
        {.network = (char *)"lan", .interface_name = (char *)"vm100"},
        {.network = (char *)"lan", .interface_name = (char *)"vmtap"},
        {.network = (char *)"lan", .has_mac = TRUE, .mac = mac},
    };
    const PortRequest special = {
        .network = (char *)"lan", .interface_name = (char *)"vmtap", .has_mac = TRUE, .mac = mac};
    TestBroker *test = *state;
    const Caller root = test_caller(0);

    for (guint i = 0; i < G_N_ELEMENTS(requests); i++) {
        guint done = 0, n = 2 * BATCH_MAX;

        create_port(test, &root, &special);
        make_and_delete(test, n, &done);
        assert_true(
            broker_delete_port(test->broker, &root, "vmtap", NULL, count_done, &done, NULL));
        create_port(test, &root, &requests[i]);
        assert_int_equal(done, 1);
        assert_int_equal(count_devices(test), n + 1);
        test_settle();
        assert_int_equal(done, n + 1);
        for (guint j = 0; j < 2; j++) {
            g_autoptr(GPtrArray) ports = broker_list_ports(test->broker, &root, NULL);

            if (ports->len == 1)
                assert_true(test_broker_delete(test, &root, ((Port *)ports->pdata[0])->id, NULL));
        }
        assert_int_equal(count_devices(test), 0);
    }
}

/* A port without a name gets the MAC that is always its user's, also if another user's port is
 * leaving with it. */
static void
test_generated_mac_after_what_ends(void **state)
{
    TestBroker *test = *state;
    const Caller root = test_caller(0);
    const uid_t user = 1000;
    PortRequest request = {.network = (char *)"lan", .name = (char *)"web", .has_mac = TRUE};
    MacAddress mac;
    guint done = 0;

    g_array_append_val(test_broker_network(test, "lan")->allow_uids, user);
    request.mac = mac = test_broker_create(test, user, "lan", NULL)->mac;
    assert_true(test_broker_delete(test, &root, only_port(test)->id, NULL));
    create_port(test, &root, &request);
    assert_true(broker_delete_port(test->broker, &root, "web", NULL, count_done, &done, NULL));
    assert_memory_equal(&test_broker_create(test, user, "lan", NULL)->mac, &mac, sizeof mac);
    assert_int_equal(done, 1);
}

/* Either way round: passthru wants the parent for itself, by whatever name, and nothing goes beside
 * passthru. */
static void
test_passthru_after_what_ends(void **state)
{
    TestBroker *test = *state;
    const Caller root = test_caller(0);
    guint done = 0;
    LinkInfo parent;

    assert_true(test_broker_find_link(test, "eth0", &parent));
    kernel_fake_add_altname(test->kernel, parent.index, "the-uplink-of-the-host");
    test_broker_add_network(test, "pass", "the-uplink-of-the-host", MACVTAP_MODE_PASSTHRU);
    make_and_delete(test, BATCH_MAX + 1, &done);
    test_broker_create(test, 0, "pass", "first");
    assert_int_equal(done, BATCH_MAX + 1);
    assert_true(broker_delete_port(test->broker, &root, "first", NULL, count_done, &done, NULL));
    test_broker_create(test, 0, "lan", "second");
    assert_int_equal(done, BATCH_MAX + 2);
    assert_true(test_broker_delete(test, &root, "second", NULL));
}

/* Those that are ending count, and make room when that is all that keeps one out. */
static void
test_limit_after_what_ends(void **state)
{
    TestBroker *test = *state;
    guint done = 0, n = 2 * BATCH_MAX;

    test_broker_network(test, "lan")->max_ports = n;
    assert_int_equal(make_and_delete(test, n, &done), n);
    test_broker_create(test, 0, "lan", "next");
    assert_int_equal(done, BATCH_MAX);
    assert_int_equal(count_devices(test), BATCH_MAX + 1);
    test_settle();
    assert_int_equal(done, n);
}

/* Who waits is told, the next start removes what was asked for, and what has lost its holder. */
static void
test_stop_between_batches(void **state)
{
    TestBroker *test = *state;
    const Caller root = test_caller(0);
    g_autofree char *before = NULL, *after = NULL;
    guint failed = 0;

    test_broker_create(test, 0, "lan", "stays");
    test_broker_create(test, 0, "lan", "web");
    end_many(test, 2 * BATCH_MAX);
    assert_true(broker_delete_port(test->broker, &root, "web", NULL, fail_done, &failed, NULL));
    assert_true(broker_delete_port(test->broker, &root, "web", NULL, fail_done, &failed, NULL));
    before = test_broker_records(test);
    assert_non_null(strstr(before, ".deleting"));
    test_broker_kill(test);
    assert_int_equal(failed, 2);
    assert_int_equal(count_devices(test), 2 * BATCH_MAX + 2);
    test_broker_start(test);
    assert_int_equal(count_devices(test), 1);
    assert_int_equal(count_listed(test), 1);
    after = test_broker_records(test);
    assert_null(strchr(after, ' '));
}

/* Its failure is told to who waits, and the port is there again; the others have gone. */
static void
test_failure(void **state)
{
    TestBroker *test = *state;
    const Caller root = test_caller(0);
    guint failed = 0;

    test_broker_create(test, 0, "lan", "web");
    assert_true(broker_delete_port(test->broker, &root, "web", NULL, fail_done, &failed, NULL));
    kernel_fake_fail(test->kernel, "link_delete", 1, ENOBUFS);
    test_settle();
    assert_int_equal(failed, 1);
    assert_int_equal(count_listed(test), 1);
    assert_true(test_broker_delete(test, &root, "web", NULL));
    assert_int_equal(count_devices(test), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        BROKER_TEST(test_batch_by_batch),
        BROKER_TEST(test_ending_port_is_not_found),
        BROKER_TEST(test_events_of_what_ends),
        BROKER_TEST(test_asked_for_takes_its_turn),
        BROKER_TEST(test_asked_for_before_thousands),
        BROKER_TEST(test_deletions_go_together),
        BROKER_TEST(test_creation_takes_what_ends),
        BROKER_TEST(test_generated_mac_after_what_ends),
        BROKER_TEST(test_passthru_after_what_ends),
        BROKER_TEST(test_limit_after_what_ends),
        BROKER_TEST(test_stop_between_batches),
        BROKER_TEST(test_failure),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
