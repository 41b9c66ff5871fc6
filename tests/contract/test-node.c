/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "world.h"

#include <errno.h>
#include <string.h>

static LinkInfo
create(int index)
{
    MacvtapSpec spec = world_spec("vm1", 1);

    spec.index = index;
    return world_create(&spec);
}

static guint64
ensure(const LinkInfo *link, uid_t user)
{
    g_autoptr(GError) error = NULL;
    guint64 made = 7;

    if (!world_kernel->ops->tap_node_ensure(world_kernel, link, user, &made, &error))
        fail_msg("%s", error->message);
    return made;
}

static void
ensure_fails(const LinkInfo *link, int errnum)
{
    g_autoptr(GError) error = NULL;
    guint64 made = 7;

    assert_false(world_kernel->ops->tap_node_ensure(world_kernel, link, 107, &made, &error));
    assert_errno(&error, errnum);
    assert_true(made == 7);
}

static void
remove_node(const LinkInfo *link, guint64 number)
{
    g_autoptr(GError) error = NULL;

    if (!world_kernel->ops->tap_node_remove(world_kernel, link, number, &error))
        fail_msg("%s", error->message);
}

static gboolean
is_there(const LinkInfo *link)
{
    uid_t user;

    return world_node(link->index, &user);
}

static void
assert_node(const LinkInfo *link, uid_t expected_user)
{
    uid_t user = 0;

    assert_true(world_node(link->index, &user));
    assert_int_equal(user, expected_user);
}

static void
the_kernels_own_is_given(void **state)
{
    LinkInfo link = create(world_index());
    gboolean was_there = is_there(&link);

    assert_int_equal(ensure(&link, 107) == 0, was_there);
    assert_node(&link, 107);
    assert_true(ensure(&link, 0) == 0);
    assert_node(&link, 0);
    if (!was_there)
        return;
    assert_true(world_kernel->ops->link_delete(world_kernel, &link.index, 1, NULL));
    assert_false(is_there(&link));
}

static void
a_missing_one_is_made(void **state)
{
    LinkInfo link;
    guint64 made;

    world_lose_devtmpfs();
    link = create(0);
    assert_false(is_there(&link));
    made = ensure(&link, 107);
    assert_true(made != 0);
    assert_node(&link, 107);
    assert_true(ensure(&link, 109) == 0);
    assert_node(&link, 109);
    /* It outlives the device, and is known by its number. */
    assert_true(world_kernel->ops->link_delete(world_kernel, &link.index, 1, NULL));
    assert_true(is_there(&link));
    remove_node(&link, made + 1);
    assert_true(is_there(&link));
    remove_node(&link, made);
    assert_false(is_there(&link));
    remove_node(&link, made);
}

static void
the_number_may_be_the_links_own(void **state)
{
    g_autoptr(GError) error = NULL;
    LinkInfo link;

    world_lose_devtmpfs();
    link = create(0);
    remove_node(&link, 0);
    ensure(&link, 107);
    remove_node(&link, 0);
    assert_false(is_there(&link));
    assert_true(world_kernel->ops->link_delete(world_kernel, &link.index, 1, NULL));
    assert_false(world_kernel->ops->tap_node_remove(world_kernel, &link, 0, &error));
    assert_errno(&error, ENODEV);
}

static void
something_else_there_stays(void **state)
{
    LinkInfo link;

    world_lose_devtmpfs();
    world_put_node(world_index());
    link = create(world_index());
    ensure_fails(&link, EBUSY);
    assert_node(&link, 0);
    remove_node(&link, 0);
    assert_true(is_there(&link));
}

static void
only_a_macvtap_has_one(void **state)
{
    LinkInfo link = create(world_index()), other = link;

    strcpy(other.name, "vm2");
    ensure_fails(&other, ENODEV);
    other = world_link("up0");
    ensure_fails(&other, ENODEV);
    assert_true(world_kernel->ops->link_delete(world_kernel, &link.index, 1, NULL));
    ensure_fails(&link, ENODEV);
}

const struct CMUnitTest contract_tests[] = {
    WORLD_TEST(the_kernels_own_is_given),        WORLD_TEST(a_missing_one_is_made),
    WORLD_TEST(the_number_may_be_the_links_own), WORLD_TEST(something_else_there_stays),
    WORLD_TEST(only_a_macvtap_has_one),
};
const gsize n_contract_tests = G_N_ELEMENTS(contract_tests);
