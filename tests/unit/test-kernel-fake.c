/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What only the fake has: failures on demand. The rest of it is under tests/contract. */
#include "fake.h"

#include "error.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static int
setup(void **state)
{
    const LinkInfo up0 = {.name = "up0", .mac = {{2}}};

    *state = kernel_fake_new();
    kernel_fake_add_link(*state, &up0);
    return 0;
}

static int
teardown(void **state)
{
    kernel_free(*state);
    return 0;
}

static gboolean
look(Kernel *kernel, int errnum)
{
    g_autoptr(GError) error = NULL;
    LinkInfo link;

    if (kernel->ops->link_by_name(kernel, "up0", &link, &error))
        return errnum == 0;
    return error_is_errno(error, errnum);
}

static void
fails_the_nth_call_and_no_other(void **state)
{
    kernel_fake_fail(*state, "link_by_name", 2, EIO);
    kernel_fake_fail(*state, "link_by_name", 4, EPERM);
    assert_true(look(*state, 0));
    assert_true(look(*state, EIO));
    assert_true(look(*state, 0));
    assert_true(look(*state, EPERM));
    assert_true(look(*state, 0));
}

static void
ignore(LinkEventType type, const LinkInfo *link, gpointer user_data)
{
}

static void
fails_each_operation_and_leaves_nothing(void **state)
{
    static const char *const operations[] = {"link_by_name", "link_by_index",  "link_list",
                                             "link_delete",  "macvtap_create", "link_set_mac",
                                             "tap_open",     "monitor"};
    const MacvtapSpec spec = {.name = "vm1", .parent_index = 1};
    const MacAddress mac = {{4}};
    g_autoptr(DescriptorArray) queues = descriptor_array_new();
    Kernel *kernel = *state;
    const KernelOps *ops = kernel->ops;
    LinkInfo link;
    int index = 1;

    for (guint i = 0; i < G_N_ELEMENTS(operations); i++)
        kernel_fake_fail(kernel, operations[i], 1, EIO);
    assert_false(ops->link_by_name(kernel, "up0", &link, NULL));
    assert_false(ops->link_by_index(kernel, 1, &link, NULL));
    assert_null(ops->link_list(kernel, NULL));
    assert_false(ops->link_delete(kernel, &index, 1, NULL));
    assert_false(ops->macvtap_create(kernel, &spec, &link, NULL));
    assert_false(ops->link_set_mac(kernel, 1, &mac, NULL));
    assert_false(ops->monitor(kernel, ignore, NULL, NULL));
    assert_true(ops->macvtap_create(kernel, &spec, &link, NULL));
    assert_false(ops->tap_open(kernel, &link, "p1", 1, FALSE, queues, NULL));
    assert_int_equal(queues->len, 0);
    assert_int_equal(kernel_fake_link_count(kernel), 2);
}

static void
counts_links(void **state)
{
    const LinkInfo chosen = {.name = "up7", .index = 7};

    assert_int_equal(kernel_fake_link_count(*state), 1);
    assert_int_equal(kernel_fake_add_link(*state, &chosen), 7);
    assert_int_equal(kernel_fake_link_count(*state), 2);
    kernel_fake_remove_link(*state, 7);
    assert_int_equal(kernel_fake_link_count(*state), 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(fails_the_nth_call_and_no_other, setup, teardown),
        cmocka_unit_test_setup_teardown(fails_each_operation_and_leaves_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(counts_links, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
