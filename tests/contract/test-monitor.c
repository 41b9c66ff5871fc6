/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "world.h"

#include <errno.h>
#include <linux/if.h>
#include <string.h>

typedef struct Event {
    LinkEventType type;
    LinkInfo link;
} Event;

static GArray *events; /* of Event, in order */

static void
note(LinkEventType type, const LinkInfo *link, gpointer user_data)
{
    Event event = {type, *link};

    g_array_append_val(events, event);
}

static int
listen_to_links(void)
{
    events = g_array_new(FALSE, FALSE, sizeof(Event));
    assert_true(world_kernel->ops->monitor(world_kernel, note, NULL, NULL));
    return 0;
}

static int
setup(void **state)
{
    world_setup(state);
    return listen_to_links();
}

static int
teardown(void **state)
{
    int result = world_teardown(state);

    g_clear_pointer(&events, g_array_unref);
    assert_false(g_main_context_pending(NULL));
    return result;
}

/* Waits for the next event of this type and link from *position on. */
static LinkInfo
next_event(guint *position, LinkEventType type, const char *name)
{
    for (;; (*position)++) {
        const Event *event;

        while (*position >= events->len)
            g_main_context_iteration(NULL, TRUE);
        event = &g_array_index(events, Event, *position);
        assert_int_not_equal(event->type, LINK_EVENT_LOST);
        if (event->type == type && strcmp(event->link.name, name) == 0) {
            (*position)++;
            return event->link;
        }
    }
}

static void
tells_of_a_new_link(void **state)
{
    MacvtapSpec spec = world_spec("vm1", 1);
    LinkInfo link = world_create(&spec), told;
    guint position = 0;

    do
        told = next_event(&position, LINK_EVENT_CHANGED, "vm1");
    while (!(told.flags & IFF_UP) || !told.alias[0] || told.operational_state != IF_OPER_UP);
    assert_links_equal(&told, &link);
}

static void
tells_of_a_removed_link(void **state)
{
    MacvtapSpec spec = world_spec("vm1", 1);
    LinkInfo link = world_create(&spec), told;
    guint position = 0;

    assert_true(world_kernel->ops->link_delete(world_kernel, &link.index, 1, NULL));
    told = next_event(&position, LINK_EVENT_REMOVED, "vm1");
    assert_int_equal(told.index, link.index);
    assert_int_equal(told.flags, 0);
    assert_string_equal(told.kind, "");
    assert_string_equal(told.alias, "");
}

/* The event tells where the link is now, and so does who looks for it; from here it can be removed
 * there. */
static void
tells_where_a_link_was_moved(void **state)
{
    MacvtapSpec spec = world_spec("vm1", 1);
    const KernelOps *ops = world_kernel->ops;
    LinkInfo told;
    const LinkInfo *found;
    g_autoptr(GArray) moved = NULL, none = NULL;
    guint position = 0;

    spec.alias = "ours";
    world_create(&spec);
    world_move_away("vm1");
    told = next_event(&position, LINK_EVENT_REMOVED, "vm1");
    assert_true(told.is_moved);
    moved = ops->link_list_moved(world_kernel, "macvtap", NULL);
    assert_int_equal(moved->len, 1);
    found = &g_array_index(moved, LinkInfo, 0);
    assert_string_equal(found->alias, "ours");
    assert_int_equal(found->moved_netns, told.moved_netns);
    assert_int_equal(found->moved_index, told.moved_index);
    assert_true(
        ops->link_delete_moved(world_kernel, told.moved_netns, told.moved_index, "theirs", NULL));
    assert_true(world_is_away("vm1"));
    assert_true(
        ops->link_delete_moved(world_kernel, told.moved_netns, told.moved_index, "ours", NULL));
    assert_false(world_is_away("vm1"));
    assert_true(
        ops->link_delete_moved(world_kernel, told.moved_netns, told.moved_index, "ours", NULL));
    none = ops->link_list_moved(world_kernel, "macvtap", NULL);
    assert_int_equal(none->len, 0);
    assert_true(ops->link_delete_moved(world_kernel, 4711, told.moved_index, "ours", NULL));
}

/* What is on it stays here, and knows it again under whatever index it comes back. */
static void
a_lower_link_goes_elsewhere_and_comes_back(void **state)
{
    MacvtapSpec spec = world_spec("vm1", 1);
    LinkInfo link = world_create(&spec), told, beside;
    HostLinkSpec other = {
        .name = "mv0",
        .index = link.lower_index,
        .parent_index = link.index,
        .mac = {{2, 0, 0, 0, 0, 9}},
        .alias = "",
    };
    guint position = 0;

    world_move_away("up0");
    told = next_event(&position, LINK_EVENT_REMOVED, "up0");
    link = world_link("vm1");
    assert_int_equal(link.lower_index, 0);
    assert_true(link.lower_is_elsewhere);
    assert_int_equal(link.lower_netns, told.moved_netns);
    assert_int_equal(link.lower_there, told.moved_index);
    assert_false(link.carrier);
    /* Another gets its index meanwhile. */
    assert_true(world_kernel->ops->host_link_create(world_kernel, &other, &beside, NULL));
    assert_int_equal(beside.lower_netns, link.lower_netns);
    assert_int_equal(beside.lower_there, link.lower_there);
    world_bring_back("up0");
    link = world_link("vm1");
    assert_int_not_equal(world_link("up0").index, other.index);
    assert_int_equal(link.lower_index, world_link("up0").index);
    assert_false(link.lower_is_elsewhere);
    world_set_up("up0", TRUE);
    do
        told = next_event(&position, LINK_EVENT_CHANGED, "vm1");
    while (!told.carrier);
    assert_int_equal(told.lower_index, link.lower_index);
}

static void
tells_of_a_new_mac(void **state)
{
    const MacAddress mac = {{0x52, 0x54, 0, 0, 9, 9}};
    MacvtapSpec spec = world_spec("vm1", 1);
    LinkInfo link = world_create(&spec);
    guint position = 0;

    assert_true(world_kernel->ops->link_set_mac(world_kernel, link.index, &mac, NULL));
    do
        link = next_event(&position, LINK_EVENT_CHANGED, "vm1");
    while (!mac_address_equal(&link.mac, &mac));
}

static void
tells_that_ipv6_was_enabled(void **state)
{
    MacvtapSpec spec = world_spec("vm1", 1);
    LinkInfo link = world_create(&spec), told;
    guint position = 0;

    do
        told = next_event(&position, LINK_EVENT_CHANGED, "vm1");
    while (told.operational_state != IF_OPER_UP);
    world_enable_ipv6("vm1");
    told = next_event(&position, LINK_EVENT_IPV6, "vm1");
    assert_int_equal(told.index, link.index);
    assert_true(world_link("vm1").host_ipv6);
}

static void
passthru_tells_of_the_parents_mac(void **state)
{
    const MacAddress mac = {{0x52, 0x54, 0, 0, 9, 9}};
    MacvtapSpec spec = world_spec("vm1", 1);
    guint position = 0;
    LinkInfo link;

    spec.mode = MACVTAP_MODE_PASSTHRU;
    spec.set_mac = FALSE;
    link = world_create(&spec);
    assert_true(world_kernel->ops->link_set_mac(world_kernel, link.index, &mac, NULL));
    do
        link = next_event(&position, LINK_EVENT_CHANGED, "up0");
    while (!mac_address_equal(&link.mac, &mac));
}

static void
a_parent_without_carrier_takes_it_away(void **state)
{
    MacvtapSpec spec = world_spec("vm1", 1);
    guint position = 0;
    LinkInfo told;

    world_create(&spec);
    world_set_up("up0", FALSE);
    do
        told = next_event(&position, LINK_EVENT_CHANGED, "vm1");
    while (told.operational_state != IF_OPER_LOWERLAYERDOWN);
    assert_false(told.carrier);
    assert_true(told.flags & IFF_UP);
    world_set_up("up0", TRUE);
    do
        told = next_event(&position, LINK_EVENT_CHANGED, "vm1");
    while (told.operational_state != IF_OPER_UP);
}

static void
a_removed_parent_is_told_with_its_macvtaps(void **state)
{
    MacvtapSpec spec1 = world_spec("vm1", 1), spec2 = world_spec("vm2", 2);
    guint position = 0;

    world_create(&spec1);
    world_create(&spec2);
    world_remove("up0");
    next_event(&position, LINK_EVENT_REMOVED, "vm1");
    position = 0;
    next_event(&position, LINK_EVENT_REMOVED, "vm2");
    position = 0;
    next_event(&position, LINK_EVENT_REMOVED, "up0");
}

static void
make_a_second(LinkEventType type, const LinkInfo *link, gpointer user_data)
{
    MacvtapSpec spec = world_spec("vm2", 2);

    if (type != LINK_EVENT_CHANGED || strcmp(link->name, "vm1") != 0 || *(gboolean *)user_data)
        return;
    *(gboolean *)user_data = TRUE;
    world_create(&spec);
}

static void
the_handler_may_use_the_kernel(void **state)
{
    MacvtapSpec spec = world_spec("vm1", 1);
    gboolean made = FALSE;
    guint position = 0;

    assert_true(world_kernel->ops->monitor(world_kernel, make_a_second, &made, NULL));
    world_create(&spec);
    next_event(&position, LINK_EVENT_CHANGED, "vm2");
    assert_true(made);
}

static void
tells_in_order(void **state)
{
    MacvtapSpec spec = world_spec("vm1", 1);
    guint position = 0;

    for (guint i = 0; i < 3; i++) {
        LinkInfo link = world_create(&spec);

        assert_true(world_kernel->ops->link_delete(world_kernel, &link.index, 1, NULL));
    }
    for (guint i = 0; i < 3; i++) {
        next_event(&position, LINK_EVENT_CHANGED, "vm1");
        next_event(&position, LINK_EVENT_REMOVED, "vm1");
    }
}

static int
setup_with_a_past(void **state)
{
    MacvtapSpec spec;
    LinkInfo link;

    world_setup(state);
    spec = world_spec("vm1", 1);
    link = world_create(&spec);
    assert_true(world_kernel->ops->link_delete(world_kernel, &link.index, 1, NULL));
    return listen_to_links();
}

/* Of what is there the kernel may tell late, for it looks at carriers in a worker of its own. */
static void
is_silent_about_the_past(void **state)
{
    MacvtapSpec spec = world_spec("vm2", 2);
    guint position = 0;

    world_create(&spec);
    next_event(&position, LINK_EVENT_CHANGED, "vm2");
    for (guint i = 0; i < events->len; i++)
        assert_string_not_equal(g_array_index(events, Event, i).link.name, "vm1");
}

static void
assert_recalled(const char *name)
{
    LinkInfo told, link = world_link(name);

    assert_true(world_kernel->ops->link_recall(world_kernel, name, &told, NULL));
    assert_links_equal(&told, &link);
}

static void
read_events(void)
{
    while (g_main_context_iteration(NULL, FALSE))
        ;
}

/* At any time it says what the kernel would: its event is yet to be read, or has been. */
static void
recalls_a_link_as_it_is(void **state)
{
    assert_recalled("up0");
    for (guint mtu = 1400; mtu < 1404; mtu++) {
        world_set_mtu("up0", mtu);
        if (mtu % 2 == 0)
            read_events();
        assert_recalled("up0");
        read_events();
        assert_recalled("up0");
    }
    world_set_mac("up0", "52:54:00:00:00:77");
    assert_recalled("up0");
    read_events();
    assert_recalled("up0");
}

/* It is the link's own name that is known, and while it has it. */
static void
recalls_no_link_of_another_name(void **state)
{
    const KernelOps *ops = world_kernel->ops;
    GError *error = NULL;
    LinkInfo link;

    world_add_altname("up0", "alternative");
    read_events();
    for (guint i = 0; i < 2; i++) {
        assert_true(ops->link_recall(world_kernel, "alternative", &link, NULL));
        assert_string_equal(link.name, "up0");
        assert_recalled("up0");
    }
    for (guint i = 0; i < 2; i++) {
        MacvtapSpec spec = world_spec("vm1", 1);

        world_create(&spec);
        read_events();
        assert_recalled("vm1");
        world_remove("vm1");
        if (i == 0)
            read_events();
        assert_false(ops->link_recall(world_kernel, "vm1", &link, &error));
        assert_errno(&error, ENODEV);
        read_events();
    }
}

#define MONITOR_TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

const struct CMUnitTest contract_tests[] = {
    MONITOR_TEST(tells_of_a_new_link),
    MONITOR_TEST(tells_of_a_removed_link),
    MONITOR_TEST(tells_where_a_link_was_moved),
    MONITOR_TEST(a_lower_link_goes_elsewhere_and_comes_back),
    MONITOR_TEST(tells_of_a_new_mac),
    MONITOR_TEST(tells_that_ipv6_was_enabled),
    MONITOR_TEST(passthru_tells_of_the_parents_mac),
    MONITOR_TEST(a_parent_without_carrier_takes_it_away),
    MONITOR_TEST(a_removed_parent_is_told_with_its_macvtaps),
    MONITOR_TEST(the_handler_may_use_the_kernel),
    MONITOR_TEST(tells_in_order),
    MONITOR_TEST(recalls_a_link_as_it_is),
    MONITOR_TEST(recalls_no_link_of_another_name),
    cmocka_unit_test_setup_teardown(is_silent_about_the_past, setup_with_a_past, teardown),
};
const gsize n_contract_tests = G_N_ELEMENTS(contract_tests);
