/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* /dev/tap<index> for who opens the device by path. */
#include "broker-fixture.h"

#include <errno.h>
#include <unistd.h>

static PortRequest
request_of(uid_t owner, gid_t group)
{
    return (PortRequest){.network = (char *)"lan",
                         .name = (char *)"web",
                         .has_node = TRUE,
                         .node_owner = owner,
                         .node_group = group};
}

static void
expect_node(TestBroker *test, int index, uid_t expected_user)
{
    uid_t user = 0;

    assert_true(kernel_fake_node(test->kernel, index, &user));
    assert_int_equal(user, expected_user);
}

static gboolean
has_node(TestBroker *test, int index)
{
    uid_t user;

    return kernel_fake_node(test->kernel, index, &user);
}

static void
test_node_is_given(void **state)
{
    TestBroker *test = *state;
    const Caller root = test_caller(0);
    const PortRequest request = request_of(107, 108);
    const Port *port = create_port(test, &root, &request);
    int index = port->interface_index;

    expect_node(test, index, 107);
    assert_true(port->has_node);
    assert_true(port->node_made == 0);
    assert_true(test_broker_delete(test, &root, "web", NULL));
    assert_false(has_node(test, index));
}

/* One that the kernel did not make goes with its port, or with the device: the number is another's
 * then. */
static void
test_node_of_our_making(void **state)
{
    TestBroker *test = *state;
    const Caller root = test_caller(0);
    const PortRequest request = request_of(107, 108);

    kernel_fake_lose_devtmpfs(test->kernel);
    for (guint i = 0; i < 4; i++) {
        const Port *port = create_port(test, &root, &request);
        int index = port->interface_index;

        expect_node(test, index, 107);
        assert_true(port->node_made != 0);
        if (i & 1) {
            test_broker_kill(test);
            test_broker_start(test);
        }
        assert_true(has_node(test, index));
        if (i & 2)
            kernel_fake_remove_link(test->kernel, index);
        while (g_main_context_iteration(NULL, FALSE))
            ;
        assert_int_equal(has_node(test, index), !(i & 2));
        assert_true(test_broker_delete(test, &root, "web", NULL));
        assert_false(has_node(test, index));
    }
}

/* While nobody watched. */
static void
test_node_without_a_device(void **state)
{
    TestBroker *test = *state;
    const Caller root = test_caller(0);
    const PortRequest request = request_of(107, 108);
    int index;

    kernel_fake_lose_devtmpfs(test->kernel);
    index = create_port(test, &root, &request)->interface_index;
    test_broker_kill(test);
    kernel_fake_remove_link(test->kernel, index);
    assert_true(has_node(test, index));
    test_broker_start(test);
    assert_false(has_node(test, index));
    assert_true(test_broker_delete(test, &root, "web", NULL));
}

static void
test_no_node_without_asking(void **state)
{
    TestBroker *test = *state;
    const Port *port;

    kernel_fake_lose_devtmpfs(test->kernel);
    port = test_broker_create(test, 0, "lan", "web");
    assert_false(port->has_node);
    assert_false(has_node(test, port->interface_index));
}

/* A kernel whose devices find their paths taken, so many times. */
static const KernelOps *real_ops;
static guint taken;

static gboolean
create_where_taken(Kernel *kernel, const MacvtapSpec *spec, LinkInfo *ret_link, GError **error)
{
    if (taken > 0) {
        taken--;
        kernel_fake_put_node(kernel, spec->index);
    }
    return real_ops->macvtap_create(kernel, spec, ret_link, error);
}

static void
test_path_that_is_taken(void **state)
{
    TestBroker *test = *state;
    const Caller root = test_caller(0);
    const PortRequest request = request_of(107, 108);
    KernelOps ops = *test->kernel->ops;
    const Port *port;

    real_ops = test->kernel->ops;
    ops.macvtap_create = create_where_taken;
    test->kernel->ops = &ops;
    taken = 3;
    port = create_port(test, &root, &request);
    expect_node(test, port->interface_index, 107);
    assert_int_equal(kernel_fake_link_count(test->kernel), test->n_parents + 1);
    assert_true(test_broker_delete(test, &root, "web", NULL));
    taken = G_MAXUINT;
    test_broker_refuse(test, &root, &request, PORT_ERROR_PARENT_BUSY, "/dev/tap");
    test->kernel->ops = real_ops;
}

static void
test_node_that_cannot_be_made(void **state)
{
    TestBroker *test = *state;
    const Caller root = test_caller(0);
    const PortRequest request = request_of(107, 108);

    kernel_fake_fail(test->kernel, "tap_node_ensure", 1, EROFS);
    test_broker_refuse(test, &root, &request, PORT_ERROR_SYSTEM, "tap_node_ensure");
    kernel_fake_lose_devtmpfs(test->kernel);
    kernel_fake_fail(test->kernel, "tap_open", 1, EIO);
    test_broker_refuse(test, &root, &request, PORT_ERROR_SYSTEM, "tap_open");
    assert_int_equal(kernel_fake_node_count(test->kernel), 0);
}

static void
test_node_for_others(void **state)
{
    TestBroker *test = *state;
    const Caller user = test_caller(getuid() + 1000);
    const PortRequest others[] = {request_of(user.uid + 1, user.gid), request_of(user.uid, 0),
                                  request_of(0, 0)};
    const PortRequest own = request_of(user.uid, user.gid);

    g_array_append_val(test_broker_network(test, "lan")->allow_uids, user.uid);
    for (guint i = 0; i < G_N_ELEMENTS(others); i++)
        test_broker_refuse(test, &user, &others[i], PORT_ERROR_ACCESS_DENIED, "device node");
    expect_node(test, create_port(test, &user, &own)->interface_index, user.uid);
}

/* A crash after the node was made, and before or after the record tells its number. */
static void
test_interrupted(void **state)
{
    TestBroker *test = *state;
    const Caller root = test_caller(0);
    const PortRequest request = request_of(107, 108);

    kernel_fake_lose_devtmpfs(test->kernel);
    for (guint i = 0; i < 2; i++) {
        g_autoptr(Port) port = port_copy(create_port(test, &root, &request));
        g_autofree char *creating = g_strconcat(port->id, ".creating", NULL), *records = NULL;
        g_autofree char *path = g_build_filename(test->state, "ports", port->id, NULL);

        test_broker_kill(test);
        assert_int_equal(unlink(path), 0);
        if (i == 0)
            port->node_made = 0;
        test_broker_write_record(test, port, creating);
        test_broker_start(test);
        assert_false(has_node(test, port->interface_index));
        records = test_broker_records(test);
        assert_string_equal(records, "");
        assert_int_equal(kernel_fake_link_count(test->kernel), test->n_parents);
    }
}

static void
test_ended_and_orphaned(void **state)
{
    TestBroker *test = *state;
    const Caller root = test_caller(0);
    PortRequest request = request_of(107, 108);
    TestChild child = test_child_new();
    g_autofree char *path = NULL;
    int ended, orphaned;

    kernel_fake_lose_devtmpfs(test->kernel);
    request.holder = (Holder){.type = HOLDER_PROCESS, .pid = child.pid};
    ended = create_port(test, &root, &request)->interface_index;
    request.holder = (Holder){.type = HOLDER_NONE};
    request.name = (char *)"db";
    {
        const Port *port = create_port(test, &root, &request);

        orphaned = port->interface_index;
        path = g_build_filename(test->state, "ports", port->id, NULL);
    }
    test_broker_kill(test);
    test_child_end(&child);
    assert_int_equal(unlink(path), 0);
    test_broker_start(test);
    assert_int_equal(kernel_fake_link_count(test->kernel), test->n_parents);
    assert_false(has_node(test, ended));
    assert_false(has_node(test, orphaned));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        BROKER_TEST(test_node_is_given),         BROKER_TEST(test_node_of_our_making),
        BROKER_TEST(test_node_without_a_device), BROKER_TEST(test_no_node_without_asking),
        BROKER_TEST(test_path_that_is_taken),    BROKER_TEST(test_node_that_cannot_be_made),
        BROKER_TEST(test_node_for_others),       BROKER_TEST(test_interrupted),
        BROKER_TEST(test_ended_and_orphaned),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
