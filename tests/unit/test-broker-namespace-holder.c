/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Ports that a network namespace holds: their end, and who may open them. */
#include "broker-fixture.h"

#include "network-namespace.h"

#include <sys/socket.h>
#include <unistd.h>

#define COOKIE 1000000 /* of no namespace here */

/* A caller in a network namespace of its own, which has ended once its socket is closed. */
static Caller
caller_elsewhere(uid_t uid, guint64 cookie)
{
    Caller caller = test_caller(uid);

    caller.namespace_cookie = cookie;
    caller.socket_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return caller;
}

static PortRequest
held(const char *name, const char *interface)
{
    PortRequest request = {.network = (char *)"lan",
                           .name = (char *)name,
                           .no_descriptors = TRUE,
                           .holder = {.type = HOLDER_NAMESPACE}};

    g_strlcpy(request.holder.interface, interface, sizeof request.holder.interface);
    return request;
}

static const Port *
create_held(TestBroker *test, const Caller *caller, const char *name, const char *interface)
{
    const PortRequest request = held(name, interface);

    return create_port(test, caller, &request);
}

static gboolean
can_open(TestBroker *test, const Caller *caller, const char *port, PortGrant *grant)
{
    g_autoptr(GError) error = NULL;

    return broker_open_port(test->broker, caller, port, 0, grant, &error);
}

static void
test_ends_with_its_namespace(void **state)
{
    TestBroker *test = *state;
    const Caller one = caller_elsewhere(0, COOKIE), other = caller_elsewhere(0, COOKIE + 1);
    int number = create_held(test, &one, "one", "eth0")->holder.namespace_number;

    create_held(test, &one, "two", "eth1");
    create_held(test, &other, "other", "eth0");
    await_events(test, "created one\ncreated two\ncreated other\n");
    kernel_fake_end_namespace(test->kernel, number, TRUE);
    await_events(test, "deleted one\ndeleted two\n");
    assert_non_null(find_port(test, "other"));
    close(one.socket_fd);
    close(other.socket_fd);
}

/* The event was lost, or came while no daemon ran. */
static void
test_end_is_not_missed(void **state)
{
    TestBroker *test = *state;
    const Caller one = caller_elsewhere(0, COOKIE), other = caller_elsewhere(0, COOKIE + 1);
    int number = create_held(test, &one, "one", "eth0")->holder.namespace_number;
    int next = create_held(test, &other, "other", "eth0")->holder.namespace_number;

    kernel_fake_end_namespace(test->kernel, number, FALSE);
    await_events(test, "created one\ncreated other\ndeleted one\n");
    test_broker_kill(test);
    kernel_fake_end_namespace(test->kernel, next, TRUE);
    test_broker_start(test);
    assert_null(find_port(test, "other"));
    close(one.socket_fd);
    close(other.socket_fd);
}

static void
test_stays_over_a_restart(void **state)
{
    TestBroker *test = *state;
    const Caller one = caller_elsewhere(0, COOKIE);
    const Caller user = caller_elsewhere(7, COOKIE);
    PortGrant grant;
    int number = create_held(test, &one, "one", "eth0")->holder.namespace_number;

    restart(test);
    assert_int_equal(find_port(test, "one")->holder.namespace_number, number);
    assert_true(can_open(test, &user, "eth0", &grant));
    port_grant_clear(&grant);
    kernel_fake_end_namespace(test->kernel, number, TRUE);
    test_settle();
    assert_null(find_port(test, "one"));
    close(one.socket_fd);
    close(user.socket_fd);
}

/* The number is another namespace's now, so the first has ended unnoticed. */
static void
test_number_is_used_again(void **state)
{
    TestBroker *test = *state;
    const Caller one = caller_elsewhere(0, COOKIE);
    Caller next = one;

    next.namespace_cookie = COOKIE + 1; /* the fake knows a namespace by its socket */
    create_held(test, &one, "one", "eth0");
    create_held(test, &next, "two", "eth0");
    test_settle();
    assert_null(find_port(test, "one"));
    assert_non_null(find_port(test, "two"));
    close(one.socket_fd);
}

static void
test_everybody_there_may_open_it_once(void **state)
{
    TestBroker *test = *state;
    const Caller one = caller_elsewhere(0, COOKIE), user = caller_elsewhere(7, COOKIE);
    const Caller other = caller_elsewhere(7, COOKIE + 1);
    PortGrant grant, second;

    create_held(test, &one, "one", "eth0");
    assert_false(can_open(test, &other, "eth0", &second));
    assert_false(can_open(test, &user, "one", &second));
    assert_true(can_open(test, &user, "eth0", &grant));
    assert_false(can_open(test, &user, "eth0", &second));
    port_grant_clear(&grant);
    assert_true(can_open(test, &user, "eth0", &grant));
    port_grant_clear(&grant);
    close(one.socket_fd);
    close(user.socket_fd);
    close(other.socket_fd);
}

static gboolean
sees_network(TestBroker *test, const Caller *caller, const char *name)
{
    g_autoptr(GPtrArray) networks = broker_list_networks(test->broker, caller);
    gboolean found = FALSE;

    for (guint i = 0; i < networks->len; i++)
        found |= g_str_equal(((const Network *)networks->pdata[i])->name, name);
    return found;
}

static guint
count_seen(TestBroker *test, const Caller *caller)
{
    g_autoptr(GPtrArray) ports = broker_list_ports(test->broker, caller, NULL);

    return ports->len;
}

/* It sees the port by all of its names, and its network; it may change neither. */
static void
test_everybody_there_sees_it(void **state)
{
    TestBroker *test = *state;
    const Caller one = caller_elsewhere(0, COOKIE), user = caller_elsewhere(7, COOKIE);
    const Caller other = caller_elsewhere(7, COOKIE + 1), unknown = caller_elsewhere(7, 0);
    const Port *port = create_held(test, &one, "one", "eth0");
    const char *const names[] = {"eth0", "one", port->id, port->interface_name};
    const PortRequest request = {.network = (char *)"lan"};
    g_autoptr(GError) error = NULL;

    test_broker_create(test, 0, "lan", "roots");
    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        assert_ptr_equal(broker_get_port(test->broker, &user, names[i], NULL), port);
        assert_null(broker_get_port(test->broker, &other, names[i], NULL));
        assert_null(broker_get_port(test->broker, &unknown, names[i], NULL));
    }
    assert_null(broker_get_port(test->broker, &user, "roots", NULL));
    assert_true(broker_may_see(&user, port));
    assert_false(broker_may_change(&user, port));
    assert_int_equal(count_seen(test, &user), 1);
    assert_int_equal(count_seen(test, &other), 0);
    assert_int_equal(count_seen(test, &unknown), 0);
    assert_true(sees_network(test, &user, "lan"));
    assert_false(sees_network(test, &other, "lan"));
    assert_false(sees_network(test, &unknown, "lan"));
    assert_false(broker_delete_port(test->broker, &user, "one", NULL, NULL, NULL, &error));
    assert_error_cleared(&error, PORT_ERROR, PORT_ERROR_PORT_NOT_FOUND, "there is no port 'one'");
    expect_refused_as(test, &user, &request, PORT_ERROR_ACCESS_DENIED, "may not use network lan");
    close(one.socket_fd);
    close(user.socket_fd);
    close(other.socket_fd);
    close(unknown.socket_fd);
}

static void
test_refusals(void **state)
{
    TestBroker *test = *state;
    const Caller here = test_caller(0);
    Caller elsewhere = caller_elsewhere(0, COOKIE), own = caller_elsewhere(0, COOKIE);
    const PortRequest request = held("one", "eth0"), bad = held("one", "../eth0");

    own.namespace_cookie = network_namespace_own_cookie();
    expect_refused_as(test, &own, &request, PORT_ERROR_HOLDER_INVALID, "own network namespace");
    expect_refused_as(test, &here, &request, PORT_ERROR_HOLDER_INVALID, "does not say");
    expect_refused_as(test, &elsewhere, &bad, PORT_ERROR_INVALID_REQUEST, "holder:");
    create_held(test, &elsewhere, "first", "eth0");
    expect_refused_as(test, &elsewhere, &request, PORT_ERROR_NAME_TAKEN, "has a port eth0");
    close(elsewhere.socket_fd);
    close(own.socket_fd);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        BROKER_TEST(test_ends_with_its_namespace),
        BROKER_TEST(test_end_is_not_missed),
        BROKER_TEST(test_stays_over_a_restart),
        BROKER_TEST(test_number_is_used_again),
        BROKER_TEST(test_everybody_there_may_open_it_once),
        BROKER_TEST(test_everybody_there_sees_it),
        BROKER_TEST(test_refusals),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
