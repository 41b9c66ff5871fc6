/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "world.h"

#include <errno.h>
#include <net/if.h>

static void
change(const LinkInfo *link, const LinkChange *what)
{
    g_autoptr(GError) error = NULL;

    if (!world_kernel->ops->link_change(world_kernel, link->index, what, &error))
        fail_msg("%s", error->message);
}

static void
change_fails(int index, const LinkChange *what, int errnum)
{
    g_autoptr(GError) error = NULL;

    assert_false(world_kernel->ops->link_change(world_kernel, index, what, &error));
    assert_errno(&error, errnum);
}

static LinkInfo
create(void)
{
    const MacvtapSpec spec = world_spec("vm1", 1);

    return world_create(&spec);
}

/* Of each, what is not asked for stays. */
static void
changes_and_nothing_else(void **state)
{
    LinkInfo link = create(), now;

    g_strlcpy(link.alias, "other", sizeof link.alias);
    change(&link, &(LinkChange){.alias = "other"});
    now = world_link("vm1");
    assert_links_equal(&now, &link);
    link.flags |= IFF_ALLMULTI;
    change(&link, &(LinkChange){.all_multicast = TRUE});
    now = world_link("vm1");
    assert_links_equal(&now, &link);
    link.flags &= ~(guint32)IFF_ALLMULTI;
    change(&link, &(LinkChange){.no_all_multicast = TRUE});
    now = world_link("vm1");
    assert_links_equal(&now, &link);
    link.tx_queue_length = 77;
    change(&link, &(LinkChange){.tx_queue_length = 77});
    now = world_link("vm1");
    assert_links_equal(&now, &link);
    link.mtu = 1400;
    change(&link, &(LinkChange){.mtu = 1400, .silence = TRUE});
    now = world_link("vm1");
    assert_links_equal(&now, &link);
}

static void
mtu_is_the_parents_at_most(void **state)
{
    LinkInfo link = create();

    world_set_mtu("up0", 1300);
    assert_int_equal(world_link("vm1").mtu, 1300);
    change_fails(link.index, &(LinkChange){.mtu = 1500}, EINVAL);
    world_set_mtu("up0", 1500);
    assert_int_equal(world_link("vm1").mtu, 1300);
    change(&link, &(LinkChange){.mtu = 1500});
    assert_int_equal(world_link("vm1").mtu, 1500);
}

/* With a small MTU the kernel forgets that the host does no IPv6 on the link. */
static void
silence_is_kept_when_the_mtu_rises(void **state)
{
    LinkInfo link = create();

    change(&link, &(LinkChange){.mtu = 1000});
    change(&link, &(LinkChange){.mtu = 1500, .silence = TRUE});
    assert_false(world_link("vm1").host_ipv6);
    assert_true(world_link("vm1").flags & IFF_NOARP);
}

static void
needs_a_link(void **state)
{
    change_fails(7654, &(LinkChange){.mtu = 1400}, ENODEV);
    change_fails(0, &(LinkChange){.mtu = 1400}, ENODEV);
    change_fails(-1, &(LinkChange){.mtu = 1400}, ENODEV);
}

const struct CMUnitTest contract_tests[] = {
    WORLD_TEST(changes_and_nothing_else),
    WORLD_TEST(mtu_is_the_parents_at_most),
    WORLD_TEST(silence_is_kept_when_the_mtu_rises),
    WORLD_TEST(needs_a_link),
};
const gsize n_contract_tests = G_N_ELEMENTS(contract_tests);
