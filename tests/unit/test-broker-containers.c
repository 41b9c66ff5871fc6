/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Callers on the container socket: nobody is root there, and nobody sees what is not from there. */
#include "broker-fixture.h"

static const Caller host_root = {.uid = 0, .pidfd = -1};
static const Caller host_user = {.uid = 1000, .gid = 1000, .pidfd = -1};
static const Caller root = {.uid = 0, .from_container = TRUE, .pidfd = -1};
static const Caller user = {.uid = 1000, .gid = 1000, .from_container = TRUE, .pidfd = -1};

/* "lan" is open to uids 0 and 1000, "closed" to nobody. */
static int
set_up(void **state)
{
    TestBroker *test = test_broker_new();
    const uid_t uids[] = {0, 1000};

    g_array_append_vals(test_broker_network(test, "lan")->allow_uids, uids, 2);
    test_broker_add_parent(test, "eth1");
    test_broker_add_network(test, "closed", "eth1", MACVTAP_MODE_BRIDGE);
    *state = test;
    return 0;
}

static const Port *
create(TestBroker *test, const Caller *caller, const char *name)
{
    const PortRequest request = {
        .network = (char *)"lan", .name = (char *)name, .holder = {.type = HOLDER_NONE}};

    return create_port(test, caller, &request);
}

static void
create_all(TestBroker *test)
{
    create(test, &host_root, "of-root");
    create(test, &host_user, "of-user");
    create(test, &root, "of-container-root");
    create(test, &user, "of-container-user");
}

static gint
compare_ports(gconstpointer a, gconstpointer b)
{
    return strcmp((*(const Port *const *)a)->name, (*(const Port *const *)b)->name);
}

/* names: sorted. */
static void
assert_sees(TestBroker *test, const Caller *caller, const char *names)
{
    g_autoptr(GPtrArray) ports = broker_list_ports(test->broker, caller, NULL);
    g_autoptr(GString) seen = g_string_new(NULL);

    g_ptr_array_sort(ports, compare_ports);
    for (guint i = 0; i < ports->len; i++) {
        const Port *port = ports->pdata[i];

        assert_true(broker_may_see(caller, port));
        g_string_append_printf(seen, "%s%s", i ? " " : "", port->name);
    }
    assert_string_equal(seen->str, names);
}

static void
assert_all_seen(TestBroker *test)
{
    assert_sees(test, &host_root, "of-container-root of-container-user of-root of-user");
    assert_sees(test, &host_user, "of-container-user of-user");
    assert_sees(test, &root, "of-container-root");
    assert_sees(test, &user, "of-container-user");
}

static void
test_who_sees_what(void **state)
{
    TestBroker *test = *state;

    create_all(test);
    assert_all_seen(test);
    /* The records say it. */
    test_broker_kill(test);
    test_broker_start(test);
    assert_all_seen(test);
}

static void
test_others_ports_are_out_of_reach(void **state)
{
    static const char *const others[] = {"of-root", "of-user", "of-container-user"};
    TestBroker *test = *state;
    PortGrant grant = {0};

    create_all(test);
    for (guint i = 0; i < G_N_ELEMENTS(others); i++) {
        const PortChange change = {.port = (char *)others[i], .has_link_up = TRUE};
        g_autoptr(GError) error = NULL;

        assert_false(broker_open_port(test->broker, &root, others[i], 0, &grant, &error));
        assert_error_cleared(&error, PORT_ERROR, PORT_ERROR_PORT_NOT_FOUND, others[i]);
        assert_false(test_broker_delete(test, &root, others[i], &error));
        assert_error_cleared(&error, PORT_ERROR, PORT_ERROR_PORT_NOT_FOUND, others[i]);
        assert_null(broker_change_port(test->broker, &root, &change, &error));
        assert_error_cleared(&error, PORT_ERROR, PORT_ERROR_PORT_NOT_FOUND, others[i]);
    }
    assert_true(test_broker_delete(test, &root, "of-container-root", NULL));
    assert_false(test_broker_delete(test, &user, "of-user", NULL));
    assert_true(test_broker_delete(test, &host_user, "of-container-user", NULL));
    assert_true(test_broker_delete(test, &host_root, "of-user", NULL));
}

static void
test_uid_0_is_a_user(void **state)
{
    TestBroker *test = *state;
    const PortRequest adhoc = {.network = (char *)"parent=eth0,mode=bridge"};
    const PortRequest closed = {.network = (char *)"closed"};
    const PortRequest named = {.network = (char *)"lan", .interface_name = (char *)"eth7"};
    const PortRequest node = {.network = (char *)"lan", .has_node = TRUE, .node_owner = 107};
    const PortRequest incoming = {.network = (char *)"lan", .incoming = TRUE};

    test_broker_refuse(test, &root, &adhoc, PORT_ERROR_ACCESS_DENIED,
                       "only root may name an ad-hoc network, and not over the container socket");
    test_broker_refuse(test, &root, &closed, PORT_ERROR_ACCESS_DENIED, "user 0 may not use");
    test_broker_refuse(test, &root, &named, PORT_ERROR_ACCESS_DENIED,
                       "only root may choose the interface name");
    test_broker_refuse(test, &root, &node, PORT_ERROR_ACCESS_DENIED, "only root may give");
    test_broker_refuse(test, &root, &incoming, PORT_ERROR_ACCESS_DENIED, "only root may make");
}

static void
test_sources_are_roots(void **state)
{
    TestBroker *test = *state;
    const PortChange change = {.port = (char *)"of-container-root",
                               .sources = g_array_new(FALSE, FALSE, sizeof(MacAddress))};
    g_autoptr(GError) error = NULL;

    create_all(test);
    assert_null(broker_change_port(test->broker, &root, &change, &error));
    assert_error_cleared(&error, PORT_ERROR, PORT_ERROR_ACCESS_DENIED, "only root may change");
    g_array_unref(change.sources);
}

static void
test_what_is_listed_of_networks(void **state)
{
    TestBroker *test = *state;
    g_autoptr(GPtrArray) of_root = broker_list_networks(test->broker, &root);
    g_autoptr(GPtrArray) of_host_root = broker_list_networks(test->broker, &host_root);

    assert_int_equal(of_root->len, 1);
    assert_string_equal(((const Network *)of_root->pdata[0])->name, "lan");
    assert_int_equal(of_host_root->len, 2);
}

static void
test_no_process_is_named(void **state)
{
    TestBroker *test = *state;
    Caller self = test_caller(0);
    const PortRequest named = {.network = (char *)"lan",
                               .holder = {.type = HOLDER_PROCESS, .pid = self.pid}};
    const PortRequest itself = {.network = (char *)"lan", .holder = {.type = HOLDER_PROCESS}};
    g_auto(PortGrant) grant = {0};
    g_autoptr(GError) error = NULL;

    self.from_container = TRUE;
    test_broker_refuse(test, &self, &named, PORT_ERROR_HOLDER_INVALID,
                       "a process can only hold its own ports");
    broker_create_port(test->broker, &self, &itself, &grant, &error);
    assert_no_error(error);
    assert_int_equal(grant.port->holder.pid, self.pid);
}

/* Root of the host has no limit, and those of the containers' root do not fill his share. */
static void
test_limits(void **state)
{
    TestBroker *test = *state;
    const PortRequest request = {.network = (char *)"lan", .holder = {.type = HOLDER_NONE}};

    test_broker_network(test, "lan")->max_ports_per_user = 2;
    create(test, &root, "one");
    create(test, &root, "two");
    test_broker_refuse(test, &root, &request, PORT_ERROR_LIMIT_REACHED,
                       "user 0 already has 2 ports");
    create(test, &host_root, "three");
    create(test, &host_user, "four");
    create(test, &user, "five");
    /* Another user is one user, wherever he asks. */
    test_broker_refuse(test, &user, &request, PORT_ERROR_LIMIT_REACHED, "user 1000 already has");
}

static void
test_limit_of_the_daemon(void **state)
{
    TestBroker *test = *state;
    const PortRequest request = {.network = (char *)"lan", .holder = {.type = HOLDER_NONE}};

    for (guint i = 0; i < 512; i++)
        create(test, &root, NULL);
    test_broker_refuse(test, &root, &request, PORT_ERROR_LIMIT_REACHED,
                       "user 0 already has the maximum of 512 ports");
    create(test, &host_root, NULL);
}

static void
create_of_domain(TestBroker *test, const Caller *caller, const char *uuid)
{
    PortRequest request = {.network = (char *)"lan", .holder = {.type = HOLDER_DOMAIN}};
    g_auto(PortGrant) grant = {0};
    g_autoptr(GError) error = NULL;

    g_strlcpy(request.holder.domain, uuid, sizeof(request.holder.domain));
    broker_create_port(test->broker, caller, &request, &grant, &error);
    assert_no_error(error);
}

static void
test_a_domain_ends_where_it_is(void **state)
{
    static const char uuid[] = "123e4567-e89b-12d3-a456-426614174000";
    TestBroker *test = *state;
    guint n = 0;

    create_of_domain(test, &host_root, uuid);
    create_of_domain(test, &host_user, uuid);
    create_of_domain(test, &root, uuid);
    assert_true(test_broker_end_domain(test, &user, uuid, &n, NULL));
    assert_int_equal(n, 0);
    assert_true(test_broker_end_domain(test, &root, uuid, &n, NULL));
    assert_int_equal(n, 1);
    assert_true(test_broker_end_domain(test, &host_root, uuid, &n, NULL));
    assert_int_equal(n, 2);
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, set_up, broker_tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_who_sees_what),
        CASE(test_others_ports_are_out_of_reach),
        CASE(test_uid_0_is_a_user),
        CASE(test_sources_are_roots),
        CASE(test_what_is_listed_of_networks),
        CASE(test_no_process_is_named),
        CASE(test_limits),
        CASE(test_limit_of_the_daemon),
        CASE(test_a_domain_ends_where_it_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
