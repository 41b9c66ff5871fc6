/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "world.h"

static GArray *ended; /* of int */

static int
setup(void **state)
{
    ended = g_array_new(FALSE, FALSE, sizeof(int));
    return world_setup(state);
}

static int
teardown(void **state)
{
    int result = world_teardown(state);

    g_clear_pointer(&ended, g_array_unref);
    return result;
}

static void
note(int number, gpointer user_data)
{
    g_array_append_val(ended, number);
}

static void
watch(void)
{
    assert_true(world_kernel->ops->watch_namespaces(world_kernel, note, NULL, NULL));
}

static gboolean
has(const GArray *numbers, int number)
{
    for (guint i = 0; i < numbers->len; i++) {
        if (g_array_index(numbers, int, i) == number)
            return TRUE;
    }
    return FALSE;
}

static int
number_of(int socket_fd)
{
    int number = -1;

    assert_true(world_kernel->ops->namespace_number(world_kernel, socket_fd, &number, NULL));
    assert_true(number >= 0);
    return number;
}

static gboolean
is_listed(int number)
{
    g_autoptr(GArray) numbers = world_kernel->ops->namespace_list(world_kernel, NULL);

    assert_non_null(numbers);
    return has(numbers, number);
}

static void
gives_each_a_number_that_it_keeps(void **state)
{
    int one = world_socket_of_elsewhere(), other = world_socket_of_elsewhere();
    int number = number_of(one);

    assert_int_not_equal(number_of(other), number);
    assert_int_equal(number_of(one), number);
    assert_true(is_listed(number) && is_listed(number_of(other)));
    world_close_elsewhere(one);
    world_close_elsewhere(other);
}

/* Nothing here keeps it alive. */
static void
tells_of_the_end(void **state)
{
    int one = world_socket_of_elsewhere(), other = world_socket_of_elsewhere();
    int number = number_of(one), stays = number_of(other);

    watch();
    world_close_elsewhere(one);
    while (!has(ended, number))
        g_main_context_iteration(NULL, TRUE);
    assert_false(has(ended, stays));
    assert_false(is_listed(number));
    assert_true(is_listed(stays));
    world_close_elsewhere(other);
}

static void
tells_the_next_daemon(void **state)
{
    int fd = world_socket_of_elsewhere(), number = number_of(fd);

    world_restart();
    watch();
    assert_int_equal(number_of(fd), number);
    world_close_elsewhere(fd);
    while (!has(ended, number))
        g_main_context_iteration(NULL, TRUE);
}

#define NAMESPACE_TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

const struct CMUnitTest contract_tests[] = {
    NAMESPACE_TEST(gives_each_a_number_that_it_keeps),
    NAMESPACE_TEST(tells_of_the_end),
    NAMESPACE_TEST(tells_the_next_daemon),
};
const gsize n_contract_tests = G_N_ELEMENTS(contract_tests);
