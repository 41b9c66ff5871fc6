/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "world.h"

#include <errno.h>

static LinkInfo
create(MacvtapMode mode)
{
    MacvtapSpec spec = world_spec("vm1", 1);

    spec.mode = mode;
    spec.set_mac = mode != MACVTAP_MODE_PASSTHRU;
    return world_create(&spec);
}

static void
set_fails(int index, MacvtapMode mode, int errnum)
{
    g_autoptr(GError) error = NULL;

    assert_false(world_kernel->ops->macvtap_set_mode(world_kernel, index, mode, &error));
    assert_errno(&error, errnum);
}

static void
changes_and_nothing_else(void **state)
{
    const MacvtapMode modes[] = {MACVTAP_MODE_BRIDGE, MACVTAP_MODE_VEPA, MACVTAP_MODE_PRIVATE,
                                 MACVTAP_MODE_SOURCE};
    LinkInfo link = create(MACVTAP_MODE_VEPA);

    for (guint i = 0; i < 4 * G_N_ELEMENTS(modes); i++) {
        g_autoptr(GError) error = NULL;
        LinkInfo now;

        link.mode = modes[i * 7 % G_N_ELEMENTS(modes)];
        if (!world_kernel->ops->macvtap_set_mode(world_kernel, link.index, link.mode, &error))
            fail_msg("%s", error->message);
        now = world_link("vm1");
        assert_links_equal(&now, &link);
    }
}

static void
passthru_stays(void **state)
{
    int index = create(MACVTAP_MODE_PASSTHRU).index;

    set_fails(index, MACVTAP_MODE_BRIDGE, EINVAL);
    assert_true(
        world_kernel->ops->macvtap_set_mode(world_kernel, index, MACVTAP_MODE_PASSTHRU, NULL));
    assert_int_equal(world_link("vm1").mode, MACVTAP_MODE_PASSTHRU);
}

static void
passthru_is_not_set(void **state)
{
    LinkInfo link = create(MACVTAP_MODE_BRIDGE);

    set_fails(link.index, MACVTAP_MODE_PASSTHRU, EINVAL);
    assert_int_equal(world_link("vm1").mode, MACVTAP_MODE_BRIDGE);
}

static void
is_of_macvtaps(void **state)
{
    set_fails(world_link("up0").index, MACVTAP_MODE_BRIDGE, EOPNOTSUPP);
    set_fails(7654, MACVTAP_MODE_BRIDGE, ENODEV);
    set_fails(0, MACVTAP_MODE_BRIDGE, ENODEV);
    set_fails(-1, MACVTAP_MODE_BRIDGE, ENODEV);
}

static void
expect_promiscuity(guint32 of_parent, gboolean nopromisc)
{
    assert_int_equal(world_link("up0").promiscuity, of_parent);
    assert_int_equal(world_link("vm1").nopromisc, nopromisc);
}

static void
set_promisc(int index, gboolean promisc)
{
    g_autoptr(GError) error = NULL;

    if (!world_kernel->ops->macvtap_set_promisc(world_kernel, index, promisc, &error))
        fail_msg("%s", error->message);
}

/* Also what the kernel counts when the device goes down and up, and when it goes. */
static void
promiscuity_of_a_passthru_parent(void **state)
{
    int index = create(MACVTAP_MODE_PASSTHRU).index;

    expect_promiscuity(1, FALSE);
    set_promisc(index, FALSE);
    expect_promiscuity(0, TRUE);
    set_promisc(index, FALSE);
    expect_promiscuity(0, TRUE);
    assert_true(world_kernel->ops->link_set_up(world_kernel, index, FALSE, NULL));
    assert_true(world_kernel->ops->link_set_up(world_kernel, index, TRUE, NULL));
    expect_promiscuity(0, TRUE);
    set_promisc(index, TRUE);
    expect_promiscuity(1, FALSE);
    assert_true(world_kernel->ops->link_delete(world_kernel, &index, 1, NULL));
    assert_int_equal(world_link("up0").promiscuity, 0);
}

static void
broadcast_queue_and_nothing_else(void **state)
{
    LinkInfo link = create(MACVTAP_MODE_BRIDGE), now;
    g_autoptr(GError) error = NULL;

    assert_int_equal(link.tx_queue_length, 500);
    assert_int_equal(link.broadcast_queue_length, 1000);
    link.broadcast_queue_length = 333;
    if (!world_kernel->ops->macvtap_set_broadcast_queue(world_kernel, link.index, 333, &error))
        fail_msg("%s", error->message);
    now = world_link("vm1");
    assert_links_equal(&now, &link);
}

static void
data_is_of_macvtaps(void **state)
{
    const struct {
        int index, errnum;
    } rows[] = {{world_link("up0").index, EOPNOTSUPP}, {7654, ENODEV}, {0, ENODEV}, {-1, ENODEV}};

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) queue = NULL, promisc = NULL;

        assert_false(
            world_kernel->ops->macvtap_set_broadcast_queue(world_kernel, rows[i].index, 1, &queue));
        assert_errno(&queue, rows[i].errnum);
        assert_false(
            world_kernel->ops->macvtap_set_promisc(world_kernel, rows[i].index, TRUE, &promisc));
        assert_errno(&promisc, rows[i].errnum);
    }
}

const struct CMUnitTest contract_tests[] = {
    WORLD_TEST(changes_and_nothing_else),
    WORLD_TEST(passthru_stays),
    WORLD_TEST(passthru_is_not_set),
    WORLD_TEST(is_of_macvtaps),
    WORLD_TEST(promiscuity_of_a_passthru_parent),
    WORLD_TEST(broadcast_queue_and_nothing_else),
    WORLD_TEST(data_is_of_macvtaps),
};
const gsize n_contract_tests = G_N_ELEMENTS(contract_tests);
