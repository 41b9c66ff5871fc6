/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "world.h"

#include <string.h>

static GPtrArray *told; /* of "INDEX ADDRESS" */

static int
setup(void **state)
{
    told = g_ptr_array_new_with_free_func(g_free);
    return world_setup(state);
}

static int
teardown(void **state)
{
    int result = world_teardown(state);

    g_clear_pointer(&told, g_ptr_array_unref);
    return result;
}

static void
note(int index, const char *address, gpointer user_data)
{
    g_ptr_array_add(told, g_strdup_printf("%d %s", index, address));
}

static void
watch(void)
{
    assert_true(world_kernel->ops->watch_addresses(world_kernel, note, NULL, NULL));
}

static gboolean
is_told(const char *name, const char *address)
{
    g_autofree char *line = g_strdup_printf("%d %s", world_link(name).index, address);

    return g_ptr_array_find_with_equal_func(told, line, g_str_equal, NULL);
}

static void
wait_told(const char *name, const char *address)
{
    while (!is_told(name, address))
        g_main_context_iteration(NULL, TRUE);
}

static void
tells_of_a_new_address(void **state)
{
    MacvtapSpec spec = world_spec("vm1", 1);

    world_create(&spec);
    watch();
    world_add_address("vm1", "192.0.2.1/24");
    wait_told("vm1", "192.0.2.1/24");
    world_add_address("up0", "192.0.2.2/25");
    wait_told("up0", "192.0.2.2/25");
    assert_false(is_told("vm1", "192.0.2.2/25"));
}

static void
tells_of_ipv6(void **state)
{
    watch();
    world_add_address("up0", "2001:db8::7/64");
    wait_told("up0", "2001:db8::7/64");
}

static void
tells_of_those_that_are_there(void **state)
{
    world_add_address("up0", "192.0.2.1/24");
    world_add_address("up0", "2001:db8::7/64");
    watch();
    wait_told("up0", "192.0.2.1/24");
    wait_told("up0", "2001:db8::7/64");
}

static void
for_many(void (*function)(const char *name, const char *address))
{
    for (guint i = 0; i < 1000; i++) {
        g_autofree char *address = g_strdup_printf("10.0.%u.%u/32", i / 250, i % 250 + 1);

        function("up0", address);
    }
}

/* More than the kernel tells in one datagram. */
static void
tells_of_many(void **state)
{
    for_many(world_add_address);
    watch();
    for_many(wait_told);
    g_ptr_array_set_size(told, 0);
    world_add_address("up0", "192.0.2.1/24");
    wait_told("up0", "192.0.2.1/24");
    assert_int_equal(told->len, 1);
}

/* More than a socket holds: some events are lost, no address is. */
static void
tells_of_those_that_come_at_once(void **state)
{
    watch();
    for_many(world_add_address);
    for_many(wait_told);
    g_ptr_array_set_size(told, 0);
    world_add_address("up0", "192.0.2.1/24");
    wait_told("up0", "192.0.2.1/24");
}

static void
read_events(void)
{
    while (g_main_context_iteration(NULL, FALSE))
        ;
}

static gboolean
is_recalled(const char *text)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GArray) list = world_kernel->ops->address_recall(world_kernel, &error);
    IpAddress address;

    assert_true(ip_address_parse(text, &address));
    assert_null(error);
    for (guint i = 0; i < list->len; i++) {
        const LinkAddress *each = &g_array_index(list, LinkAddress, i);

        if (each->index == world_link("up0").index && ip_address_equal(&each->address, &address))
            return TRUE;
    }
    return FALSE;
}

static void
come_and_go(gboolean are_events_read)
{
    assert_false(is_recalled("192.0.2.1"));
    world_add_address("up0", "192.0.2.1/24");
    if (are_events_read)
        read_events();
    assert_true(is_recalled("192.0.2.1"));
    assert_true(is_recalled("192.0.2.1"));
    world_remove_address("up0", "192.0.2.1/24");
    if (are_events_read)
        read_events();
    assert_false(is_recalled("192.0.2.1"));
}

/* At any time it says what the kernel would: its event is yet to be read, or has been, or nobody
 * waits for it. */
static void
recalls_the_addresses_as_they_are(void **state)
{
    come_and_go(TRUE);
    watch();
    read_events();
    for (guint i = 0; i < 2; i++) {
        come_and_go(FALSE);
        come_and_go(TRUE);
    }
}

static void
recalls_those_whose_events_are_lost(void **state)
{
    watch();
    read_events();
    assert_false(is_recalled("192.0.2.1"));
    for_many(world_add_address);
    world_add_address("up0", "192.0.2.1/24");
    assert_true(is_recalled("192.0.2.1"));
    read_events();
    assert_true(is_recalled("192.0.2.1"));
}

#define ADDRESS_TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

const struct CMUnitTest contract_tests[] = {
    ADDRESS_TEST(tells_of_a_new_address),
    ADDRESS_TEST(tells_of_ipv6),
    ADDRESS_TEST(tells_of_those_that_are_there),
    ADDRESS_TEST(tells_of_many),
    ADDRESS_TEST(tells_of_those_that_come_at_once),
    ADDRESS_TEST(recalls_the_addresses_as_they_are),
    ADDRESS_TEST(recalls_those_whose_events_are_lost),
};
const gsize n_contract_tests = G_N_ELEMENTS(contract_tests);
