/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Ports that a libvirt domain holds: what ties them to its process, and what ends them. */
#include "broker-fixture.h"

#include "process.h"

#include <errno.h>
#include <unistd.h>

#define FIRST "123e4567-e89b-12d3-a456-426614174000"
#define SECOND "123e4567-e89b-12d3-a456-426614174001"

static Holder
domain_holder(const char *uuid, pid_t pid)
{
    Holder holder = {.type = HOLDER_DOMAIN, .pid = pid};

    g_strlcpy(holder.domain, uuid, sizeof(holder.domain));
    return holder;
}

static const Port *
create(TestBroker *test, const char *name, const char *uuid, pid_t pid)
{
    const Caller root = test_caller(0);
    const PortRequest request = {.network = (char *)"lan",
                                 .name = (char *)name,
                                 .no_descriptors = TRUE,
                                 .holder = domain_holder(uuid, pid)};

    return create_port(test, &root, &request);
}

static gboolean
tie(TestBroker *test, const char *name, pid_t pid, GError **error)
{
    const Caller root = test_caller(0);
    const PortChange change = {.port = (char *)name, .holder_pid = pid};

    return broker_change_port(test->broker, &root, &change, error) != NULL;
}

static void
test_ends_with_the_process_it_was_made_with(void **state)
{
    TestBroker *test = *state;
    TestChild child = test_child_new();
    const Port *port = create(test, "web", FIRST, child.pid);

    assert_int_equal(port->holder.pid, child.pid);
    assert_true(port->holder.start_time > 0);
    assert_string_equal(port->holder.domain, FIRST);
    test_child_end(&child);
    await_events(test, "created web\ndeleted web\n");
}

static void
test_ends_with_the_process_it_is_tied_to(void **state)
{
    TestBroker *test = *state;
    TestChild first = test_child_new(), second = test_child_new();

    assert_int_equal(create(test, "web", FIRST, 0)->holder.pid, 0);
    assert_true(tie(test, "web", first.pid, NULL));
    assert_int_equal(find_port(test, "web")->holder.pid, first.pid);
    assert_true(tie(test, "web", second.pid, NULL));
    await_events(test, "created web\nchanged web\nchanged web\n");
    test_child_end(&first);
    await_events(test, "");
    /* So it is with the next daemon. */
    restart(test);
    assert_int_equal(find_port(test, "web")->holder.pid, second.pid);
    test_child_end(&second);
    await_events(test, "deleted web\n");
}

static void
test_process_that_cannot_be_tied(void **state)
{
    TestBroker *test = *state;
    TestChild child = test_child_new();
    g_autoptr(GError) error = NULL;
    guint descriptors;

    create(test, "web", FIRST, 0);
    descriptors = test_count_descriptors();
    test_child_end_as_zombie(&child);
    assert_false(tie(test, "web", child.pid, &error));
    assert_error_cleared(&error, PORT_ERROR, PORT_ERROR_HOLDER_INVALID, "No such process");
    test_child_end(&child);
    assert_int_equal(find_port(test, "web")->holder.pid, 0);
    assert_int_equal(test_count_descriptors(), descriptors);
}

/* A user's own daemon of libvirt may name processes of that user alone. */
static void
test_process_of_another_user(void **state)
{
    TestBroker *test = *state;
    const Caller user = test_caller(getuid() + 1000);
    const PortRequest request = {.network = (char *)"lan",
                                 .holder = domain_holder(FIRST, getpid())};

    g_array_append_val(test_broker_network(test, "lan")->allow_uids, user.uid);
    test_broker_refuse(test, &user, &request, PORT_ERROR_HOLDER_INVALID, "does not belong to user");
}

static void
test_end_of_a_domain(void **state)
{
    TestBroker *test = *state;
    TestChild child = test_child_new();
    const Caller root = test_caller(0), user = test_caller(1000);
    g_autoptr(GError) error = NULL;
    guint n_ports = 7, descriptors = test_count_descriptors();

    create(test, "one", FIRST, 0);
    create(test, "two", FIRST, child.pid);
    create(test, "other", SECOND, child.pid);
    test_broker_create(test, 0, "lan", "none");
    /* Others' ports are not seen. */
    assert_true(test_broker_end_domain(test, &user, FIRST, &n_ports, NULL));
    assert_int_equal(n_ports, 0);
    n_ports = 7;
    kernel_fake_fail(test->kernel, "link_delete", 1, EPERM);
    assert_false(test_broker_end_domain(test, &root, FIRST, &n_ports, &error));
    assert_error_cleared(&error, PORT_ERROR, PORT_ERROR_SYSTEM, "link_delete");
    assert_int_equal(n_ports, 7);
    assert_true(test_broker_end_domain(test, &root, FIRST, &n_ports, NULL));
    assert_int_equal(n_ports, 2);
    await_events(test, "created one\ncreated two\ncreated other\ncreated none\n"
                       "deleted one\ndeleted two\n");
    assert_true(test_broker_end_domain(test, &root, FIRST, &n_ports, NULL));
    assert_int_equal(n_ports, 0);
    test_child_end(&child);
    await_events(test, "deleted other\n");
    assert_int_equal(test_count_descriptors(), descriptors);
}

/* A user's own libvirt, too, ties, sets and ends what is the user's. */
static void
test_domain_of_a_user(void **state)
{
    TestBroker *test = *state;
    const Caller user = test_caller(getuid() + 1000);
    const PortRequest request = {.network = (char *)"lan",
                                 .name = (char *)"own",
                                 .no_descriptors = TRUE,
                                 .holder = domain_holder(FIRST, 0)};
    const PortChange link = {.port = (char *)"own", .has_link_up = TRUE};
    const PortChange foreign = {.port = (char *)"own", .holder_pid = getpid()};
    g_autoptr(GError) error = NULL;
    g_auto(PortGrant) grant = {0};
    guint n_ports = 7;

    g_array_append_val(test_broker_network(test, "lan")->allow_uids, user.uid);
    create(test, "roots", FIRST, 0);
    broker_create_port(test->broker, &user, &request, &grant, &error);
    assert_no_error(error);
    assert_non_null(broker_change_port(test->broker, &user, &link, &error));
    assert_false(grant.port->link_up);
    assert_null(broker_change_port(test->broker, &user, &foreign, &error));
    assert_error_cleared(&error, PORT_ERROR, PORT_ERROR_HOLDER_INVALID, "does not belong to user");
    assert_true(test_broker_end_domain(test, &user, FIRST, &n_ports, &error));
    assert_int_equal(n_ports, 1);
    await_events(test, "created roots\ncreated own\nchanged own\nchanged own\ndeleted own\n");
}

/* A user's libvirt may run a domain of the same UUID as root's: root ends his own ports, and what
 * no process has. */
static void
test_domain_of_a_user_and_root(void **state)
{
    TestBroker *test = *state;
    const TestChild child = test_child_new();
    const Caller root = test_caller(0), user = test_caller(getuid() + 1000);
    g_autoptr(GError) error = NULL;
    guint n_ports = 7;

    g_array_append_val(test_broker_network(test, "lan")->allow_uids, user.uid);
    create(test, "roots", FIRST, child.pid);
    for (guint i = 0; i < 2; i++) {
        const PortRequest request = {.network = (char *)"lan",
                                     .name = (char *)(i ? "lives" : "left"),
                                     .holder = domain_holder(FIRST, 0)};
        g_auto(PortGrant) grant = {0};

        assert_true(broker_create_port(test->broker, &user, &request, &grant, &error));
    }
    assert_true(tie(test, "lives", child.pid, &error));
    assert_true(test_broker_end_domain(test, &root, FIRST, &n_ports, &error));
    assert_int_equal(n_ports, 2);
    assert_non_null(find_port(test, "lives"));
    assert_true(test_broker_delete(test, &root, "lives", &error));
    test_child_end(&child);
}

/* A record with a process is as good as that process: by its pid and by when it began. */
static void
test_after_a_start(void **state)
{
    TestBroker *test = *state;
    TestChild child = test_child_new();
    g_autoptr(Port) reused = port_copy(create(test, "reused", SECOND, child.pid));

    create(test, "none", FIRST, 0);
    create(test, "dead", FIRST, child.pid);
    create(test, "lives", FIRST, getpid());
    test_broker_kill(test);
    reused->holder.pid = getpid();
    test_broker_write_record(test, reused, NULL);
    test_child_end(&child);
    test_broker_start(test);
    assert_int_equal(test->messages->len, 0);
    assert_non_null(find_port(test, "none"));
    assert_non_null(find_port(test, "lives"));
    assert_null(find_port(test, "dead"));
    assert_null(find_port(test, "reused"));
    assert_int_equal(kernel_fake_link_count(test->kernel), test->n_parents + 2);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        BROKER_TEST(test_ends_with_the_process_it_was_made_with),
        BROKER_TEST(test_ends_with_the_process_it_is_tied_to),
        BROKER_TEST(test_process_that_cannot_be_tied),
        BROKER_TEST(test_process_of_another_user),
        BROKER_TEST(test_end_of_a_domain),
        BROKER_TEST(test_domain_of_a_user),
        BROKER_TEST(test_domain_of_a_user_and_root),
        BROKER_TEST(test_after_a_start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
