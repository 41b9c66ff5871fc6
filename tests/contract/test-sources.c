/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "world.h"

#include <errno.h>
#include <string.h>

static const MacAddress macs[] = {
    {{0x52, 0x54, 0, 0, 1, 1}}, {{0x52, 0x54, 0, 0, 1, 2}}, {{0x52, 0x54, 0, 0, 1, 3}}};

static LinkInfo
create(gsize n_sources)
{
    MacvtapSpec spec = world_spec("vm1", 1);

    spec.mode = MACVTAP_MODE_SOURCE;
    spec.sources = macs;
    spec.n_sources = n_sources;
    return world_create(&spec);
}

static void
assert_sources(const MacAddress *expected, gsize n_expected)
{
    GByteArray *sources = world_sources("vm1");

    assert_int_equal(sources->len, n_expected * sizeof *expected);
    if (n_expected)
        assert_memory_equal(sources->data, expected, sources->len);
    g_byte_array_unref(sources);
    assert_true(world_link("vm1").sources_digest == link_sources_digest(expected, n_expected));
}

static void
set(const LinkInfo *link, const MacAddress *sources, gsize n_sources)
{
    g_autoptr(GError) error = NULL;

    if (!world_kernel->ops->macvtap_set_sources(world_kernel, link->index, sources, n_sources,
                                                &error))
        fail_msg("%s", error->message);
}

static void
set_fails(int index, const MacAddress *sources, gsize n_sources, int errnum)
{
    g_autoptr(GError) error = NULL;

    assert_false(
        world_kernel->ops->macvtap_set_sources(world_kernel, index, sources, n_sources, &error));
    assert_errno(&error, errnum);
}

static void
are_set_at_creation(void **state)
{
    create(2);
    assert_sources(macs, 2);
}

static void
are_replaced(void **state)
{
    LinkInfo link = create(2), after;

    set(&link, macs + 1, 2);
    assert_sources(macs + 1, 2);
    after = world_link("vm1");
    assert_links_equal(&link, &after);
}

static void
may_be_none(void **state)
{
    LinkInfo link = create(2);

    set(&link, NULL, 0);
    assert_sources(NULL, 0);
    set(&link, macs, 1);
    assert_sources(macs, 1);
}

static void
may_be_many(void **state)
{
    g_autofree MacAddress *many = g_new0(MacAddress, MACVTAP_SOURCES_MAX + 1);
    LinkInfo link = create(0);

    for (guint i = 0; i <= MACVTAP_SOURCES_MAX; i++)
        many[i] = (MacAddress){{0x52, 0x54, 0, 0, (guint8)(i >> 8), (guint8)i}};
    set_fails(link.index, many, MACVTAP_SOURCES_MAX + 1, E2BIG);
    assert_sources(NULL, 0);
    set(&link, many, MACVTAP_SOURCES_MAX);
    set(&link, macs, 3);
    assert_sources(macs, 3);
}

static void
are_for_source_mode(void **state)
{
    MacvtapSpec spec = world_spec("vm1", 1);
    LinkInfo link = world_create(&spec);

    set_fails(link.index, macs, 1, EINVAL);
    set_fails(link.index, NULL, 0, EINVAL);
    set_fails(7654, macs, 1, ENODEV);
    set_fails(0, macs, 1, ENODEV);
    set_fails(world_link("up0").index, macs, 1, EOPNOTSUPP);
}

const struct CMUnitTest contract_tests[] = {
    WORLD_TEST(are_set_at_creation), WORLD_TEST(are_replaced),        WORLD_TEST(may_be_none),
    WORLD_TEST(may_be_many),         WORLD_TEST(are_for_source_mode),
};
const gsize n_contract_tests = G_N_ELEMENTS(contract_tests);
