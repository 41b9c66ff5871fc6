/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* GuestVLANs=: a parent has a filter device as long as a port on it needs one, and nothing takes
 * frames away. */
#include "broker-fixture.h"

#include <errno.h>
#include <net/if.h>

static void
set_tags(TestBroker *test, const char *name, const char *tags)
{
    Network *network = test_broker_network(test, name);

    g_strfreev(network->guest_vlans);
    network->guest_vlans = g_strsplit(tags, " ", -1);
    if (!tags[0])
        g_clear_pointer(&network->guest_vlans[0], g_free);
}

static int
parent_index(TestBroker *test, const char *name)
{
    LinkInfo link;

    assert_true(test_broker_find_link(test, name, &link));
    return link.index;
}

/* What lies on the filter device of the parent: the tags, joined by blanks; "-": there is no such
 * device. */
static char *
list_tags(TestBroker *test, const char *parent)
{
    g_autofree char *name = g_strdup_printf("mg%x", (guint)parent_index(test, parent));
    g_autoptr(GString) text = g_string_new(NULL);
    g_autoptr(GArray) links = NULL;
    LinkInfo filter;

    if (!test_broker_find_link(test, name, &filter))
        return g_strdup("-");
    assert_string_equal(filter.kind, "macvtap");
    assert_int_equal(filter.lower_index, parent_index(test, parent));
    assert_false(filter.flags & IFF_UP);
    links = test->kernel->ops->link_list(test->kernel, NULL);
    for (guint i = 0; i < links->len; i++) {
        const LinkInfo *link = &g_array_index(links, LinkInfo, i);

        if (link->lower_index != filter.index)
            continue;
        assert_string_equal(link->kind, "vlan");
        assert_false(link->flags & IFF_UP);
        g_string_append_printf(text, "%s%u", text->len ? " " : "", link->vlan_id);
    }
    return g_string_free(g_steal_pointer(&text), FALSE);
}

static int
filter_index(TestBroker *test, const char *parent)
{
    g_autofree char *name = g_strdup_printf("mg%x", (guint)parent_index(test, parent));

    return link_named(test, name).index;
}

#define expect_tags(test, parent, expected)                                                        \
    do {                                                                                           \
        g_autofree char *tags_ = list_tags(test, parent);                                          \
        assert_string_equal(tags_, expected);                                                      \
    } while (0)

static void
restart_and_settle(TestBroker *test)
{
    test_broker_kill(test);
    test_broker_start(test);
    test_settle();
}

static void
test_tags_live_as_long_as_a_port_needs_them(void **state)
{
    TestBroker *test = *state;

    test_broker_add_network(test, "other", "eth0", MACVTAP_MODE_VEPA);
    set_tags(test, "lan", "100 200-202");
    set_tags(test, "other", "201-203");
    test_broker_create(test, 0, "lan", "a");
    expect_tags(test, "eth0", "100 200 201 202");
    test_broker_create(test, 0, "lan", "b");
    test_broker_create(test, 0, "other", "c");
    expect_tags(test, "eth0", "100 200 201 202 203");
    delete_port(test, "a");
    expect_tags(test, "eth0", "100 200 201 202 203");
    delete_port(test, "b");
    expect_tags(test, "eth0", "201 202 203");
    delete_port(test, "c");
    expect_tags(test, "eth0", "-");
    assert_int_equal(kernel_fake_link_count(test->kernel), 1);
}

static void
test_each_parent_has_its_own(void **state)
{
    TestBroker *test = *state;

    test_broker_add_parent(test, "eth1");
    test_broker_add_network(test, "second", "eth1", MACVTAP_MODE_BRIDGE);
    set_tags(test, "lan", "5");
    set_tags(test, "second", "6");
    test_broker_create(test, 0, "lan", "a");
    test_broker_create(test, 0, "second", "b");
    expect_tags(test, "eth0", "5");
    expect_tags(test, "eth1", "6");
    delete_port(test, "a");
    expect_tags(test, "eth0", "-");
    expect_tags(test, "eth1", "6");
}

/* A VLAN device is not filtered by the guest's tag, and nothing is made for it. */
static void
test_a_vlan_network_needs_none(void **state)
{
    TestBroker *test = *state;
    LinkInfo link;

    test_broker_network(test, "lan")->vlan = g_strdup("7");
    set_tags(test, "lan", "100");
    test_broker_create(test, 0, "lan", "a");
    expect_tags(test, "eth0", "-");
    assert_true(test_broker_find_link(test, "eth0.7", &link));
    expect_tags(test, "eth0.7", "-");
}

static void
test_a_restart_keeps_what_is_needed(void **state)
{
    TestBroker *test = *state;
    int before;

    set_tags(test, "lan", "100 200");
    test_broker_create(test, 0, "lan", "a");
    before = filter_index(test, "eth0");
    restart_and_settle(test);
    expect_tags(test, "eth0", "100 200");
    assert_int_equal(filter_index(test, "eth0"), before); /* it is the same: no frame was lost */
    test_broker_kill(test);
    set_tags(test, "lan", "200 300");
    test_broker_start(test);
    test_settle();
    expect_tags(test, "eth0", "200 300");
    delete_port(test, "a");
    assert_int_equal(kernel_fake_link_count(test->kernel), 1);
}

static void
test_a_start_makes_what_is_missing(void **state)
{
    TestBroker *test = *state;
    g_autofree char *name = NULL;

    set_tags(test, "lan", "100");
    test_broker_create(test, 0, "lan", "a");
    name = g_strdup_printf("mg%x", (guint)parent_index(test, "eth0"));
    test_broker_kill(test);
    kernel_fake_remove_link(test->kernel, parent_index(test, name));
    test_broker_start(test);
    expect_tags(test, "eth0", "100");
}

static void
test_a_reload_reaches_living_ports(void **state)
{
    TestBroker *test = *state;
    Network *network = test_broker_network(test, "lan");

    test_broker_create(test, 0, "lan", "a");
    expect_tags(test, "eth0", "-");
    for (guint i = 0; i < 2; i++) {
        GHashTable *networks = g_hash_table_new(g_str_hash, g_str_equal);

        set_tags(test, "lan", i == 0 ? "100 200" : "200 300");
        g_hash_table_insert(networks, network->name, network);
        broker_set_networks(test->broker, networks);
        expect_tags(test, "eth0", i == 0 ? "100 200" : "200 300");
    }
}

/* A crash between a filter device and its alias, and a state folder that is lost. */
static void
test_a_start_removes_what_nobody_needs(void **state)
{
    TestBroker *test = *state;
    LinkInfo filter = {.kind = "macvtap", .mac = {{2, 9}}, .is_macvlan = TRUE};

    test_broker_kill(test);
    filter.lower_index = parent_index(test, "eth0");
    filter.mode = MACVTAP_MODE_PRIVATE;
    g_snprintf(filter.name, sizeof(filter.name), "mg%x", (guint)filter.lower_index);
    kernel_fake_add_link(test->kernel, &filter);
    test_broker_start(test);
    test_settle();
    assert_int_equal(kernel_fake_link_count(test->kernel), 1);
}

static void
test_a_link_of_somebody_else_stays(void **state)
{
    TestBroker *test = *state;
    LinkInfo link = {.kind = "macvtap", .mac = {{2, 9}}, .is_macvlan = TRUE, .name = "mgmt0"};

    test_broker_kill(test);
    link.lower_index = parent_index(test, "eth0");
    kernel_fake_add_link(test->kernel, &link);
    test_broker_start(test);
    test_settle();
    set_tags(test, "lan", "100");
    test_broker_create(test, 0, "lan", "a");
    delete_port(test, "a");
    assert_true(test_broker_find_link(test, "mgmt0", &link));
}

static void
test_what_others_remove_is_back(void **state)
{
    TestBroker *test = *state;
    g_autofree char *name = NULL, *tag = NULL;

    set_tags(test, "lan", "100 200");
    test_broker_create(test, 0, "lan", "a");
    name = g_strdup_printf("mg%x", (guint)parent_index(test, "eth0"));
    tag = g_strdup_printf("%s.200", name);
    kernel_fake_remove_link(test->kernel, parent_index(test, tag));
    test_settle();
    expect_tags(test, "eth0", "100 200");
    kernel_fake_remove_link(test->kernel, parent_index(test, name));
    test_settle();
    expect_tags(test, "eth0", "100 200");
}

/* A network whose file has an error says nothing of its ports' tags: they keep them. */
static void
test_tags_of_a_network_that_is_gone_stay(void **state)
{
    TestBroker *test = *state;

    test_broker_add_network(test, "other", "eth0", MACVTAP_MODE_BRIDGE);
    set_tags(test, "lan", "100");
    set_tags(test, "other", "200");
    test_broker_create(test, 0, "lan", "a");
    test_broker_create(test, 0, "other", "b");
    broker_set_networks(test->broker, g_hash_table_new(g_str_hash, g_str_equal));
    expect_tags(test, "eth0", "100 200");
    delete_port(test, "b");
    expect_tags(test, "eth0", "100 200");
    delete_port(test, "a");
    expect_tags(test, "eth0", "-");
}

static void
refuse(TestBroker *test, const char *text)
{
    const Caller root = test_caller(0);
    PortRequest request = {
        .network = (char *)"lan", .holder = {.type = HOLDER_NONE}, .no_descriptors = TRUE};

    test_broker_refuse(test, &root, &request, PORT_ERROR_SYSTEM, text);
}

static void
test_a_filter_that_cannot_be_told_refuses_the_port(void **state)
{
    TestBroker *test = *state;

    set_tags(test, "lan", "100 200");
    /* The first is the port's own device. */
    kernel_fake_fail(test->kernel, "macvtap_create", 2, ENOMEM);
    refuse(test, "GuestVLANs=");
    kernel_fake_fail(test->kernel, "vlan_create", 2, ENOPKG);
    refuse(test, "modprobe 8021q");
    expect_tags(test, "eth0", "-");
    test_broker_create(test, 0, "lan", "a");
    expect_tags(test, "eth0", "100 200");
}

static void
expect_outdated(TestBroker *test, const char *name, gboolean expected)
{
    const Port *port = find_port(test, name);

    assert_int_equal(port->outdated &&
                         g_strv_contains((const char *const *)port->outdated, "GuestVLANs"),
                     expected);
}

static guint n_warnings;

static void
count_warning(const char *domain, GLogLevelFlags level, const char *text, gpointer user_data)
{
    assert_non_null(strstr(text, "guests on eth0: GuestVLANs="));
    n_warnings++;
}

/* A living port of a network that gets tags keeps running without them, and the log says why, once.
 * The port tells it as long as it is so. */
static void
test_a_failure_under_a_living_port_is_said_once(void **state)
{
    TestBroker *test = *state;
    GHashTable *networks = g_hash_table_new(g_str_hash, g_str_equal);
    Network *network = test_broker_network(test, "lan");
    LinkInfo parent;

    test_broker_create(test, 0, "lan", "a");
    test_broker_create(test, 0, "lan", "b");
    set_tags(test, "lan", "100");
    g_hash_table_insert(networks, network->name, network);
    n_warnings = 0;
    g_log_set_default_handler(count_warning, NULL);
    for (guint i = 1; i <= 4; i++)
        kernel_fake_fail(test->kernel, "vlan_create", i, ENOPKG);
    broker_set_networks(test->broker, networks);
    assert_true(test_broker_find_link(test, "eth0", &parent));
    parent.mtu = 9000;
    kernel_fake_change_link(test->kernel, &parent);
    test_settle();
    g_log_set_default_handler(g_log_default_handler, NULL);
    assert_int_equal(n_warnings, 1);
    expect_outdated(test, "a", TRUE);
    expect_outdated(test, "b", TRUE);
    kernel_fake_heal(test->kernel);
    parent.mtu = 1500;
    kernel_fake_change_link(test->kernel, &parent);
    test_settle();
    expect_tags(test, "eth0", "100");
    expect_outdated(test, "a", FALSE);
    expect_outdated(test, "b", FALSE);
}

static void
ignore_end(guint n_ports, const GError *error, gpointer user_data)
{
}

static void
begin_deletion(TestBroker *test, const char *name)
{
    const Caller root = test_caller(0);

    assert_true(broker_delete_port(test->broker, &root, name, NULL, ignore_end, NULL, NULL));
}

/* While the removal of others goes on, a piece at a time. */
static void
test_passthru_after_what_ends(void **state)
{
    TestBroker *test = *state;

    test_broker_add_parent(test, "eth1");
    test_broker_add_network(test, "second", "eth1", MACVTAP_MODE_BRIDGE);
    test_broker_add_network(test, "pass", "eth0", MACVTAP_MODE_PASSTHRU);
    set_tags(test, "lan", "100");
    test_broker_create(test, 0, "lan", "a");
    for (guint i = 0; i < 200; i++) {
        g_autofree char *name = g_strdup_printf("vm%u", i);

        test_broker_create(test, 0, "second", name);
        begin_deletion(test, name);
    }
    begin_deletion(test, "a");
    test_broker_create(test, 0, "pass", "through");
    expect_tags(test, "eth0", "-");
    test_settle();
}

static void
test_a_parent_that_goes_takes_it_along(void **state)
{
    TestBroker *test = *state;

    set_tags(test, "lan", "100");
    test_broker_create(test, 0, "lan", "a");
    kernel_fake_remove_link(test->kernel, parent_index(test, "eth0"));
    test_settle();
    assert_int_equal(kernel_fake_link_count(test->kernel), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        BROKER_TEST(test_tags_live_as_long_as_a_port_needs_them),
        BROKER_TEST(test_each_parent_has_its_own),
        BROKER_TEST(test_a_vlan_network_needs_none),
        BROKER_TEST(test_a_restart_keeps_what_is_needed),
        BROKER_TEST(test_a_start_makes_what_is_missing),
        BROKER_TEST(test_a_reload_reaches_living_ports),
        BROKER_TEST(test_a_start_removes_what_nobody_needs),
        BROKER_TEST(test_a_link_of_somebody_else_stays),
        BROKER_TEST(test_what_others_remove_is_back),
        BROKER_TEST(test_tags_of_a_network_that_is_gone_stay),
        BROKER_TEST(test_a_filter_that_cannot_be_told_refuses_the_port),
        BROKER_TEST(test_a_failure_under_a_living_port_is_said_once),
        BROKER_TEST(test_passthru_after_what_ends),
        BROKER_TEST(test_a_parent_that_goes_takes_it_along),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
