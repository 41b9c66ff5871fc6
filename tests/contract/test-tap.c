/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "world.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static gboolean
open_queues(const LinkInfo *link, guint n_queues, DescriptorArray *queues, GError **error)
{
    return world_kernel->ops->tap_open(world_kernel, link, "p1", n_queues, n_queues > 1, queues,
                                       error);
}

static void
opens_as_many_as_asked(void **state)
{
    const guint numbers[] = {1, 4, 256};

    for (guint i = 0; i < G_N_ELEMENTS(numbers); i++) {
        MacvtapSpec spec = world_spec("vm1", 1);
        LinkInfo link = world_create(&spec);
        g_autoptr(DescriptorArray) queues = descriptor_array_new();

        assert_true(open_queues(&link, numbers[i], queues, NULL));
        assert_int_equal(queues->len, numbers[i]);
        for (guint k = 0; k < queues->len; k++) {
            int fd = descriptor_array_get(queues, k);

            assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
            assert_int_equal(fcntl(fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
        }
        assert_true(world_kernel->ops->link_delete(world_kernel, &link.index, 1, NULL));
    }
}

static void
appends(void **state)
{
    MacvtapSpec spec = world_spec("vm1", 1);
    LinkInfo link = world_create(&spec);
    g_autoptr(DescriptorArray) queues = descriptor_array_new();

    assert_true(open_queues(&link, 2, queues, NULL));
    assert_true(open_queues(&link, 3, queues, NULL));
    assert_int_equal(queues->len, 5);
}

static void
too_many_leave_the_array_as_it_was(void **state)
{
    MacvtapSpec spec = world_spec("vm1", 1);
    LinkInfo link = world_create(&spec);
    g_autoptr(DescriptorArray) queues = descriptor_array_new();
    g_autoptr(GError) error = NULL;
    int kept = dup(0), probe, after;

    assert_true(kept >= 0);
    descriptor_array_take(queues, kept);
    probe = dup(0); /* the lowest free number */
    close(probe);
    assert_false(open_queues(&link, 257, queues, &error));
    assert_errno(&error, EBUSY);
    assert_int_equal(queues->len, 1);
    assert_int_equal(descriptor_array_get(queues, 0), kept);
    after = dup(0);
    close(after);
    assert_int_equal(after, probe);
}

static void
opens_only_that_macvtap(void **state)
{
    MacvtapSpec spec = world_spec("vm1", 1);
    LinkInfo link = world_create(&spec), other = link, parent = world_link("up0");
    g_autoptr(DescriptorArray) queues = descriptor_array_new();
    g_autoptr(GError) error = NULL;

    strcpy(other.name, "vm2");
    assert_false(open_queues(&other, 1, queues, &error));
    assert_errno(&error, ENODEV);
    assert_false(open_queues(&parent, 1, queues, &error));
    assert_errno(&error, ENODEV);
    assert_true(world_kernel->ops->link_delete(world_kernel, &link.index, 1, NULL));
    assert_false(open_queues(&link, 1, queues, &error));
    assert_errno(&error, ENODEV);
    assert_int_equal(queues->len, 0);
}

static void
closing_leaves_the_device(void **state)
{
    MacvtapSpec spec = world_spec("vm1", 1);
    LinkInfo link = world_create(&spec), after;
    DescriptorArray *queues = descriptor_array_new();

    assert_true(open_queues(&link, 2, queues, NULL));
    g_array_unref(queues);
    after = world_link("vm1");
    assert_links_equal(&link, &after);
}

const struct CMUnitTest contract_tests[] = {
    WORLD_TEST(opens_as_many_as_asked),
    WORLD_TEST(appends),
    WORLD_TEST(too_many_leave_the_array_as_it_was),
    WORLD_TEST(opens_only_that_macvtap),
    WORLD_TEST(closing_leaves_the_device),
};
const gsize n_contract_tests = G_N_ELEMENTS(contract_tests);
