/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The end of queues is reported, in whatever process they end. */
#include "world.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static GString *told; /* the owners, each with a blank behind */

static void
note(const char *const *owners, gpointer user_data)
{
    assert_ptr_equal(user_data, &told);
    for (; *owners; owners++)
        g_string_append_printf(told, "%s ", *owners);
}

static void
watch(void)
{
    g_autoptr(GError) error = NULL;

    if (!world_kernel->ops->queue_watch(world_kernel, note, &told, &error))
        fail_msg("%s", error->message);
}

static int
setup(void **state)
{
    told = g_string_new(NULL);
    return world_setup(state);
}

static int
teardown(void **state)
{
    g_string_free(told, TRUE);
    return world_teardown(state);
}

/* n queues of a macvtap of this name and number that is made for them. */
static DescriptorArray *
open_queues(const char *name, guint8 number, guint n)
{
    MacvtapSpec spec = world_spec(name, number);
    LinkInfo link = world_create(&spec);
    DescriptorArray *queues = descriptor_array_new();
    g_autoptr(GError) error = NULL;

    if (!world_kernel->ops->tap_open(world_kernel, &link, name, n, n > 1, queues, &error))
        fail_msg("%s", error->message);
    return queues;
}

static guint
count(const char *owner)
{
    return world_kernel->ops->queue_count(world_kernel, owner);
}

static void
settle(void)
{
    while (g_main_context_iteration(NULL, FALSE))
        ;
}

static void
wait_until_told(const char *owners)
{
    while (told->len == 0)
        g_main_context_iteration(NULL, TRUE);
    settle();
    assert_string_equal(told->str, owners);
    g_string_truncate(told, 0);
}

static void
assert_silent(void)
{
    settle();
    assert_string_equal(told->str, "");
}

static void
each_that_is_closed_is_told(void **state)
{
    DescriptorArray *queues = NULL;

    watch();
    queues = open_queues("vm1", 1, 2);
    assert_int_equal(count("vm1"), 2);
    g_array_set_size(queues, 1);
    wait_until_told("vm1 ");
    assert_int_equal(count("vm1"), 1);
    g_array_unref(queues);
    wait_until_told("vm1 ");
    assert_int_equal(count("vm1"), 0);
}

static void
what_is_closed_is_told_on_demand(void **state)
{
    DescriptorArray *queues = NULL;

    watch();
    queues = open_queues("vm1", 1, 2);
    world_kernel->ops->queue_catch_up(world_kernel);
    assert_string_equal(told->str, "");
    g_array_unref(queues);
    world_kernel->ops->queue_catch_up(world_kernel);
    assert_int_equal(count("vm1"), 0);
    assert_true(g_str_has_prefix(told->str, "vm1 "));
    g_string_truncate(told, 0);
    assert_silent();
}

static void
only_the_last_copy_is_the_end(void **state)
{
    DescriptorArray *queues = NULL;
    int copy;

    watch();
    queues = open_queues("vm1", 1, 1);
    copy = dup(descriptor_array_get(queues, 0));
    g_array_unref(queues);
    assert_silent();
    assert_int_equal(count("vm1"), 1);
    close(copy);
    wait_until_told("vm1 ");
}

static void
it_may_end_in_another_process(void **state)
{
    DescriptorArray *queues = NULL;
    int ends[2];
    pid_t child;

    watch();
    queues = open_queues("vm1", 1, 1);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    child = fork();
    if (child == 0) {
        char byte;

        close(ends[0]);
        _exit(read(ends[1], &byte, 1) < 0);
    }
    close(ends[1]);
    g_array_unref(queues);
    assert_silent();
    close(ends[0]);
    wait_until_told("vm1 ");
    assert_int_equal(waitpid(child, NULL, 0), child);
}

static void
owners_are_told_apart(void **state)
{
    g_autoptr(DescriptorArray) kept = NULL;
    g_autoptr(GPtrArray) owners = NULL;
    DescriptorArray *queues = NULL;

    watch();
    kept = open_queues("vm1", 1, 1);
    queues = open_queues("vm2", 2, 3);
    g_array_unref(queues);
    while (count("vm2") > 0)
        g_main_context_iteration(NULL, TRUE);
    assert_null(strstr(told->str, "vm1"));
    owners = world_kernel->ops->queue_owners(world_kernel);
    assert_int_equal(owners->len, 1);
    assert_string_equal(owners->pdata[0], "vm1");
}

static void
who_is_forgotten_is_not_told(void **state)
{
    DescriptorArray *queues = NULL;

    watch();
    queues = open_queues("vm1", 1, 2);
    world_kernel->ops->queue_forget(world_kernel, "vm1");
    assert_int_equal(count("vm1"), 0);
    g_array_unref(queues);
    assert_silent();
    world_kernel->ops->queue_forget(world_kernel, "vm1");
}

static void
the_device_may_go_first(void **state)
{
    DescriptorArray *queues = NULL;
    LinkInfo link;

    watch();
    queues = open_queues("vm1", 1, 1);
    link = world_link("vm1");
    assert_true(world_kernel->ops->link_delete(world_kernel, &link.index, 1, NULL));
    assert_silent();
    assert_int_equal(count("vm1"), 1);
    g_array_unref(queues);
    wait_until_told("vm1 ");
}

static void
the_next_daemon_takes_them_up(void **state)
{
    DescriptorArray *queues = NULL, *others = NULL;

    watch();
    queues = open_queues("vm1", 1, 2);
    others = open_queues("vm2", 2, 1);
    for (guint i = 0; i < 3; i++) {
        world_restart();
        watch();
        assert_int_equal(count("vm1"), 2);
        assert_int_equal(count("vm2"), 1);
    }
    world_restart();
    g_array_set_size(queues, 1);
    g_array_unref(others);
    watch();
    assert_int_equal(count("vm1"), 1);
    assert_int_equal(count("vm2"), 0);
    assert_silent();
    g_array_unref(queues);
    wait_until_told("vm1 ");
}

static void
failing_leaves_no_queue(void **state)
{
    g_autoptr(DescriptorArray) queues = descriptor_array_new();
    LinkInfo parent = world_link("up0");

    watch();
    assert_false(world_kernel->ops->tap_open(world_kernel, &parent, "vm1", 2, TRUE, queues, NULL));
    assert_int_equal(count("vm1"), 0);
    assert_silent();
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

const struct CMUnitTest contract_tests[] = {
    TEST(each_that_is_closed_is_told),   TEST(what_is_closed_is_told_on_demand),
    TEST(only_the_last_copy_is_the_end), TEST(it_may_end_in_another_process),
    TEST(owners_are_told_apart),         TEST(who_is_forgotten_is_not_told),
    TEST(the_device_may_go_first),       TEST(the_next_daemon_takes_them_up),
    TEST(failing_leaves_no_queue),
};
const gsize n_contract_tests = G_N_ELEMENTS(contract_tests);
