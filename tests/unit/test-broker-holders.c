/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What ends ports without anybody asking: holders that end, links that others remove. */
#include "broker-fixture.h"

#include "process.h"

#include <errno.h>
#include <unistd.h>

static PortRequest
held_by(pid_t pid, const char *name)
{
    return (PortRequest){.network = (char *)"lan",
                         .name = (char *)name,
                         .no_descriptors = TRUE,
                         .holder = {.type = HOLDER_PROCESS, .pid = pid}};
}

static const Port *
create_held(TestBroker *test, const Caller *caller, pid_t pid, const char *name)
{
    const PortRequest request = held_by(pid, name);

    return create_port(test, caller, &request);
}

static void
test_holders_end(void **state)
{
    TestBroker *test = *state;
    const Caller root = test_caller(0);
    TestChild child = test_child_new();
    guint links = kernel_fake_link_count(test->kernel), descriptors = test_count_descriptors();
    g_autofree char *records = NULL;
    const Port *port = create_held(test, &root, child.pid, "one");

    assert_int_equal(port->holder.pid, child.pid);
    assert_true(port->holder.start_time > 0);
    create_held(test, &root, child.pid, "two");
    create_held(test, &root, 0, "mine");
    await_events(test, "created one\ncreated two\ncreated mine\n");
    test_child_end(&child);
    await_events(test, "deleted one\ndeleted two\n");
    assert_int_equal(kernel_fake_link_count(test->kernel), links + 1);
    assert_true(test_broker_delete(test, &root, "mine", NULL));
    assert_int_equal(test_count_descriptors(), descriptors);
    records = test_broker_records(test);
    assert_string_equal(records, "");
}

static void
test_caller_by_pidfd(void **state)
{
    TestBroker *test = *state;
    TestChild child = test_child_new();
    Process process = {.pidfd = -1};
    Caller caller = test_caller(0);

    assert_true(process_open(child.pid, &process, NULL));
    caller.pid = child.pid;
    caller.pidfd = process.pidfd;
    assert_int_equal(create_held(test, &caller, 0, "one")->holder.pid, child.pid);
    /* While the caller's connection keeps its pidfd. */
    assert_true(test_broker_delete(test, &caller, "one", NULL));
    create_held(test, &caller, 0, "two");
    test_child_end(&child);
    await_events(test, "created one\ndeleted one\ncreated two\ndeleted two\n");
    descriptor_clear(&process.pidfd);
}

/* The pid of the credentials is by now another's; the pidfd knows. */
static void
test_caller_that_has_ended(void **state)
{
    TestBroker *test = *state;
    TestChild child = test_child_new();
    const PortRequest request = held_by(0, NULL);
    Process process = {.pidfd = -1};
    Caller caller = test_caller(0);

    assert_true(process_open(child.pid, &process, NULL));
    test_child_end(&child);
    caller.pidfd = process.pidfd;
    test_broker_refuse(test, &caller, &request, PORT_ERROR_HOLDER_INVALID, "holder: process");
    caller.pidfd = -1;
    caller.pid = child.pid;
    test_broker_refuse(test, &caller, &request, PORT_ERROR_HOLDER_INVALID, "No such process");
    caller.pid = 0;
    test_broker_refuse(test, &caller, &request, PORT_ERROR_HOLDER_INVALID,
                       "cannot see the caller's process");
    descriptor_clear(&process.pidfd);
}

static void
test_pids_that_cannot_hold(void **state)
{
    TestBroker *test = *state;
    const Caller root = test_caller(0);
    Caller user = test_caller(getuid() + 1000);
    TestChild child = test_child_new();
    const PortRequest request = held_by(child.pid, NULL), of_itself = held_by(0, NULL);
    g_autofree char *not_his = g_strdup_printf("caller's process %d", child.pid);
    Process process = {.pidfd = -1};
    g_autofree char *whose =
        g_strdup_printf("process %d does not belong to user %u", child.pid, user.uid);

    g_array_append_val(test_broker_network(test, "lan")->allow_uids, user.uid);
    test_broker_refuse(test, &user, &request, PORT_ERROR_HOLDER_INVALID, whose);
    /* It may be the holder of its own call, whatever its user is by now, if a pidfd tells that it
     * is the caller; its pid alone could be another's. */
    user.pid = child.pid;
    test_broker_refuse(test, &user, &of_itself, PORT_ERROR_HOLDER_INVALID, not_his);
    assert_true(process_open(child.pid, &process, NULL));
    user.pidfd = process.pidfd;
    create_held(test, &user, 0, "own");
    descriptor_clear(&process.pidfd);
    user.pidfd = -1;
    test_broker_refuse(test, &user, &of_itself, PORT_ERROR_HOLDER_INVALID, not_his);
    assert_true(test_broker_delete(test, &root, "own", NULL));
    test_child_end_as_zombie(&child);
    test_broker_refuse(test, &root, &request, PORT_ERROR_HOLDER_INVALID, "No such process");
    test_child_end(&child);
    test_broker_refuse(test, &root, &request, PORT_ERROR_HOLDER_INVALID, "No such process");
}

static void
test_own_process_of_a_user(void **state)
{
    TestBroker *test = *state;
    const Caller user = test_caller(getuid());
    TestChild child = test_child_new();
    uid_t uid = getuid();

    g_array_append_val(test_broker_network(test, "lan")->allow_uids, uid);
    create_held(test, &user, child.pid, "one");
    test_child_end(&child);
    await_events(test, "created one\ndeleted one\n");
}

/* By the next start the holder's pid is a thread's, of a process that has nothing to do with it. */
static void
test_pid_that_is_a_thread_now(void **state)
{
    TestBroker *test = *state;
    const Caller root = test_caller(0);
    g_autofree char *records = NULL;
    g_autoptr(Port) port = NULL;
    PortRequest request;
    TestThread thread;

    test_thread_begin(&thread);
    request = held_by(thread.id, NULL);
    test_broker_refuse(test, &root, &request, PORT_ERROR_HOLDER_INVALID, "a thread");
    port = port_copy(create_held(test, &root, getpid(), "one"));
    port->holder.pid = thread.id;
    test_broker_kill(test);
    test_broker_write_record(test, port, NULL);
    test_broker_start(test);
    records = test_broker_records(test);
    assert_string_equal(records, "");
    test_thread_end(&thread);
}

static void
end_and_fail(TestBroker *test, const TestChild *child)
{
    g_test_expect_message(NULL, G_LOG_LEVEL_WARNING, "*failed to remove*link_delete*");
    kernel_fake_fail(test->kernel, "link_delete", 1, ENOBUFS);
    test_child_end(child);
    test_settle();
    g_test_assert_expected_messages();
}

/* The port is kept with its record when its device does not go: it is tried again after a time,
 * with the next end, or by the next start. */
static void
test_end_that_fails(void **state)
{
    TestBroker *test = *state;
    const Caller root = test_caller(0);
    TestChild first = test_child_new(), second = test_child_new(), third = test_child_new();
    guint links = kernel_fake_link_count(test->kernel);
    g_autofree char *records = NULL;

    test->repair_delays[1] = 3600 * 1000;
    create_held(test, &root, first.pid, "one");
    create_held(test, &root, second.pid, "two");
    create_held(test, &root, third.pid, "three");
    end_and_fail(test, &first);
    assert_int_equal(kernel_fake_link_count(test->kernel), links + 3);
    test_child_end(&second);
    await_events(test, "created one\ncreated two\ncreated three\ndeleted one\ndeleted two\n");
    end_and_fail(test, &third);
    assert_int_equal(kernel_fake_link_count(test->kernel), links + 1);
    test_broker_kill(test);
    test_broker_start(test);
    assert_int_equal(kernel_fake_link_count(test->kernel), links);
    records = test_broker_records(test);
    assert_string_equal(records, "");
}

static void
test_device_removed(void **state)
{
    TestBroker *test = *state;
    const Caller root = test_caller(0);
    const Port *port = test_broker_create(test, 0, "lan", "web");
    PortGrant grant = {0};
    g_autoptr(GError) error = NULL;
    g_autofree char *records = NULL;

    kernel_fake_remove_link(test->kernel, port->interface_index);
    await_events(test, "created web\nchanged web\n");
    assert_int_equal(port->state, PORT_STATE_DEVICE_GONE);
    assert_false(broker_open_port(test->broker, &root, "web", 0, &grant, &error));
    assert_error_cleared(&error, PORT_ERROR, PORT_ERROR_DEVICE_GONE, "has been removed");
    assert_true(test_broker_delete(test, &root, "web", &error));
    records = test_broker_records(test);
    assert_string_equal(records, "");
}

static void
test_device_removed_before_the_event(void **state)
{
    TestBroker *test = *state;
    const Caller root = test_caller(0);
    const Port *port = test_broker_create(test, 0, "lan", "web");
    PortGrant grant = {0};
    g_autoptr(GError) error = NULL;

    kernel_fake_remove_link(test->kernel, port->interface_index);
    assert_false(broker_open_port(test->broker, &root, "web", 0, &grant, &error));
    assert_error_cleared(&error, PORT_ERROR, PORT_ERROR_DEVICE_GONE, "has been removed");
    assert_true(test_broker_delete(test, &root, "web", &error));
    await_events(test, "created web\ndeleted web\n");
}

/* A stranger's device of the same index is neither opened nor removed. */
static void
test_index_taken_by_another(void **state)
{
    TestBroker *test = *state;
    const Caller root = test_caller(0);
    const Port *port = test_broker_create(test, 0, "lan", "web");
    LinkInfo stranger = {.index = port->interface_index, .kind = "macvtap", .is_macvlan = TRUE};
    PortGrant grant = {0};
    g_autoptr(GError) error = NULL;
    guint links;

    g_strlcpy(stranger.name, port->interface_name, sizeof(stranger.name));
    kernel_fake_remove_link(test->kernel, port->interface_index);
    kernel_fake_add_link(test->kernel, &stranger);
    links = kernel_fake_link_count(test->kernel);
    assert_false(broker_open_port(test->broker, &root, "web", 0, &grant, &error));
    assert_error_cleared(&error, PORT_ERROR, PORT_ERROR_DEVICE_GONE, "has been removed");
    assert_true(test_broker_delete(test, &root, "web", &error));
    assert_int_equal(kernel_fake_link_count(test->kernel), links);
}

static void
test_parent_removed(void **state)
{
    TestBroker *test = *state;
    int parent = test_broker_add_parent(test, "eth1");
    const Port *port;

    test_broker_add_network(test, "other", "eth1", MACVTAP_MODE_BRIDGE);
    test_broker_create(test, 0, "lan", "stays");
    port = test_broker_create(test, 0, "other", "web");
    kernel_fake_remove_link(test->kernel, parent);
    await_events(test, "created stays\ncreated web\nchanged web\n");
    assert_int_equal(port->state, PORT_STATE_PARENT_GONE);
}

/* Events of strangers' links and of our own deletions change nothing. */
static void
test_other_events(void **state)
{
    TestBroker *test = *state;
    const LinkInfo link = {.name = "dummy0"};
    int index = kernel_fake_add_link(test->kernel, &link);
    const Port *port = test_broker_create(test, 0, "lan", "web");
    LinkInfo info;

    kernel_fake_remove_link(test->kernel, index);
    assert_true(test_broker_find_link(test, port->interface_name, &info));
    info.promiscuity++;
    kernel_fake_change_link(test->kernel, &info);
    await_events(test, "created web\n");
    assert_int_equal(port->state, PORT_STATE_ACTIVE);
}

/* A kernel that keeps the monitor's handler, to lose events with. */
static void
test_lost_events(void **state)
{
    TestBroker *test = *state;
    const Port *port, *other;
    LinkInfo parent;

    restart_without_events(test);
    port = test_broker_create(test, 0, "lan", "web");
    other = test_broker_create(test, 0, "lan", "db");
    kernel_fake_remove_link(test->kernel, port->interface_index);
    test_settle();
    assert_int_equal(port->state, PORT_STATE_ACTIVE);
    lose_events();
    await_events(test, "created web\ncreated db\nchanged web\n");
    assert_int_equal(port->state, PORT_STATE_DEVICE_GONE);
    assert_int_equal(other->state, PORT_STATE_ACTIVE);
    lose_events();
    await_events(test, "");
    assert_true(test_broker_find_link(test, "eth0", &parent));
    memcpy(parent.name, "lan0", sizeof("lan0"));
    kernel_fake_change_link(test->kernel, &parent);
    lose_events();
    await_events(test, "changed web\nchanged db\n");
    assert_string_equal(other->parent, "lan0");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        BROKER_TEST(test_holders_end),
        BROKER_TEST(test_caller_by_pidfd),
        BROKER_TEST(test_caller_that_has_ended),
        BROKER_TEST(test_pids_that_cannot_hold),
        BROKER_TEST(test_own_process_of_a_user),
        BROKER_TEST(test_pid_that_is_a_thread_now),
        BROKER_TEST(test_end_that_fails),
        BROKER_TEST(test_device_removed),
        BROKER_TEST(test_device_removed_before_the_event),
        BROKER_TEST(test_index_taken_by_another),
        BROKER_TEST(test_parent_removed),
        BROKER_TEST(test_other_events),
        BROKER_TEST(test_lost_events),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
