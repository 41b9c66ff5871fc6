/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What changes while a port lives: its link, its sources; and who may change it. */
#include "broker-fixture.h"
#include "reload-fixture.h"

#include <errno.h>
#include <net/if.h>
#include <string.h>
#include <unistd.h>

static const Port *
create(TestBroker *test, const char *name, gboolean down)
{
    const Caller root = test_caller(0);
    const PortRequest request = {.network = (char *)"lan",
                                 .name = (char *)name,
                                 .has_mac = TRUE,
                                 .mac = {{0x52, 0x54, 0, 0, 0, (guint8)name[0]}},
                                 .no_descriptors = TRUE,
                                 .link_down = down};

    return create_port(test, &root, &request);
}

static void
set_link(TestBroker *test, const char *name, gboolean up)
{
    const Caller root = test_caller(0);
    const PortChange change = {.port = (char *)name, .has_link_up = TRUE, .link_up = up};
    g_autoptr(GError) error = NULL;

    assert_non_null(broker_change_port(test->broker, &root, &change, &error));
    assert_no_error(error);
}

static void
expect_refusal(TestBroker *test, uid_t uid, const PortChange *change, PortError code,
               const char *text)
{
    const Caller caller = test_caller(uid);
    g_autoptr(GError) error = NULL;

    assert_null(broker_change_port(test->broker, &caller, change, &error));
    assert_error_cleared(&error, PORT_ERROR, (int)code, text);
}

static gboolean
device_is_up(TestBroker *test, const Port *port)
{
    LinkInfo link;

    assert_true(test_broker_find_link(test, port->interface_name, &link));
    return (link.flags & IFF_UP) != 0;
}

static void
test_link(void **state)
{
    TestBroker *test = *state;
    const Port *port = create(test, "web", TRUE);

    assert_false(device_is_up(test, port));
    assert_false(port->link_up);
    expect_events(test, "created web\n");
    set_link(test, "web", TRUE);
    assert_true(device_is_up(test, port));
    assert_true(port->link_up);
    expect_events(test, "changed web\n");
    set_link(test, port->interface_name, FALSE);
    assert_false(device_is_up(test, port));
    assert_false(port->link_up);
    expect_events(test, "changed web\n");
    assert_true(create(test, "other", FALSE)->link_up);
}

/* The administrator's ip-link(8) is seen as well. */
static void
test_link_set_by_others(void **state)
{
    TestBroker *test = *state;
    const Port *port = create(test, "web", FALSE);
    LinkInfo link;

    expect_events(test, "created web\n");
    assert_true(test_broker_find_link(test, port->interface_name, &link));
    link.flags &= ~(guint32)IFF_UP;
    kernel_fake_change_link(test->kernel, &link);
    expect_events(test, "changed web\n");
    assert_false(port->link_up);
    test_broker_kill(test);
    test_broker_start(test);
    link.flags |= IFF_UP;
    kernel_fake_change_link(test->kernel, &link);
    expect_events(test, "changed web\n");
}

/* Down and up again before the events are read: nothing has changed. */
static void
test_events_that_are_late(void **state)
{
    TestBroker *test = *state;
    const Port *port = create(test, "web", FALSE);

    set_link(test, "web", FALSE);
    set_link(test, "web", TRUE);
    expect_events(test, "created web\nchanged web\nchanged web\n");
    assert_true(port->link_up);
}

/* Linux tells of a device that is down before it tells that it is up. */
static void
test_events_of_the_making(void **state)
{
    TestBroker *test = *state;
    const Port *port = create(test, "web", FALSE);
    LinkInfo up, down;

    expect_events(test, "created web\n");
    assert_true(test_broker_find_link(test, port->interface_name, &up));
    down = up;
    down.flags &= ~(guint32)IFF_UP;
    ((Port *)port)->is_new = TRUE;
    kernel_fake_change_link(test->kernel, &down);
    kernel_fake_change_link(test->kernel, &up);
    expect_events(test, "");
    assert_true(port->link_up);
    kernel_fake_change_link(test->kernel, &down);
    expect_events(test, "changed web\n");
}

/* Said once for a port, whatever comes after. */
static void
test_address_of_the_host(void **state)
{
    TestBroker *test = *state;
    const Port *port = create(test, "web", FALSE);
    LinkInfo eth0;

    assert_true(test_broker_find_link(test, "eth0", &eth0));
    said_begin();
    kernel_fake_add_address(test->kernel, eth0.index, "192.0.2.1/24");
    test_settle();
    assert_string_equal(said->str, "");
    kernel_fake_add_address(test->kernel, port->interface_index, "192.0.2.2/24");
    kernel_fake_add_address(test->kernel, port->interface_index, "fe80::2/64");
    test_settle();
    assert_non_null(strstr(said->str, "port web: the host has the address 192.0.2.2/24 on the"
                                      " guest's device "));
    assert_null(strstr(said->str, "fe80::2"));
    /* A broker that starts is told of what is there. */
    g_string_truncate(said, 0);
    test_broker_kill(test);
    test_broker_start(test);
    test_settle();
    assert_non_null(strstr(said->str, "port web: the host has the address 192.0.2.2/24"));
    said_end();
}

static void
add_stranger(TestBroker *test, guint8 last)
{
    LinkInfo eth0, stranger = {.name = "stranger",
                               .kind = "macvlan",
                               .is_macvlan = TRUE,
                               .flags = IFF_UP,
                               .mac = {{0x52, 0x54, 0, 0, 0, last}}};

    assert_true(test_broker_find_link(test, "eth0", &eth0));
    stranger.lower_index = eth0.index;
    kernel_fake_add_link(test->kernel, &stranger);
}

/* The kernel would take it as long as the device is down. */
static void
test_mac_in_use_is_told_at_once(void **state)
{
    TestBroker *test = *state;
    const Caller root = test_caller(0);
    const PortRequest request = {.network = (char *)"lan",
                                 .has_mac = TRUE,
                                 .mac = {{0x52, 0x54, 0, 0, 0, 'w'}},
                                 .link_down = TRUE};

    add_stranger(test, 'w');
    test_broker_refuse(test, &root, &request, PORT_ERROR_MAC_CONFLICT,
                       "belongs to stranger on eth0");
}

static void
test_mac_taken_meanwhile(void **state)
{
    TestBroker *test = *state;
    const PortChange up = {.port = (char *)"web", .has_link_up = TRUE, .link_up = TRUE};
    const Port *port = create(test, "web", TRUE);

    add_stranger(test, 'w');
    expect_refusal(test, 0, &up, PORT_ERROR_MAC_CONFLICT, "belongs to stranger on eth0");
    assert_false(port->link_up);
}

static void
test_refusals(void **state)
{
    TestBroker *test = *state;
    uid_t uid = getuid() + 1000;
    g_autoptr(GArray) macs = g_array_new(FALSE, FALSE, sizeof(MacAddress));
    const PortChange link = {.port = (char *)"web", .has_link_up = TRUE};
    const PortChange sources = {.port = (char *)"web", .sources = macs};
    const PortChange holder = {.port = (char *)"web", .holder_pid = getpid()};
    const Port *port;

    g_array_append_val(test_broker_network(test, "lan")->allow_uids, uid);
    expect_refusal(test, 0, &link, PORT_ERROR_PORT_NOT_FOUND, "'web'");
    port = test_broker_create(test, uid, "lan", "web");
    expect_refusal(test, uid + 1, &link, PORT_ERROR_PORT_NOT_FOUND, "'web'");
    expect_refusal(test, uid, &sources, PORT_ERROR_ACCESS_DENIED, "only root may change a port's");
    expect_refusal(test, 0, &sources, PORT_ERROR_INVALID_REQUEST, "port web is in mode bridge");
    expect_refusal(test, 0, &holder, PORT_ERROR_INVALID_REQUEST,
                   "only be set on a port held by a domain");
    kernel_fake_fail(test->kernel, "link_set_up", 1, EPERM);
    expect_refusal(test, 0, &link, PORT_ERROR_SYSTEM, "link_set_up fails");
    assert_true(port->link_up);
    kernel_fake_remove_link(test->kernel, port->interface_index);
    expect_refusal(test, 0, &link, PORT_ERROR_DEVICE_GONE, "has been removed");
    test_settle();
    expect_refusal(test, 0, &link, PORT_ERROR_DEVICE_GONE, "has been removed");
    assert_false(port->link_up);
}

static void
test_sources(void **state)
{
    TestBroker *test = *state;
    const MacAddress mac = {{0x52, 0x54, 0, 0, 1, 1}};
    g_autoptr(GArray) macs = g_array_new(FALSE, FALSE, sizeof(MacAddress));
    const PortChange change = {
        .port = (char *)"web", .sources = macs, .has_link_up = TRUE, .link_up = FALSE};
    const Caller root = test_caller(0);
    const Port *port;

    g_array_append_val(macs, mac);
    test_broker_add_parent(test, "eth1");
    test_broker_add_network(test, "wall", "eth1", MACVTAP_MODE_SOURCE);
    port = test_broker_create(test, 0, "wall", "web");
    kernel_fake_fail(test->kernel, "macvtap_set_sources", 1, ENOMEM);
    expect_refusal(test, 0, &change, PORT_ERROR_SYSTEM, "sources of port web");
    assert_null(port->sources);
    assert_true(port->link_up);
    assert_ptr_equal(broker_change_port(test->broker, &root, &change, NULL), port);
    assert_false(port->link_up);
    assert_int_equal(port->sources->len, 1);
    assert_int_equal(kernel_fake_sources(test->kernel, port->interface_index)->len, 1);
    expect_events(test, "created web\nchanged web\nchanged web\n");
}

/* What a port's own values would be merged with is missing; the message says why. */
static void
test_without_its_network(void **state)
{
    TestBroker *test = *state;
    const PortChange guard = {.port = (char *)"web", .guard.is_given = TRUE};
    const PortChange limits = {.port = (char *)"web", .limits.is_given = TRUE};

    create(test, "web", FALSE);
    reload_network(test, network_new_broken("lan", "line 3: unknown key"));
    expect_refusal(test, 0, &guard, PORT_ERROR_NETWORK_INVALID,
                   "network lan cannot be used, so its guard");
    expect_refusal(test, 0, &limits, PORT_ERROR_NETWORK_INVALID,
                   "network lan cannot be used, so its limits");
    g_ptr_array_unref(reload_networks(test, NULL, NULL));
    expect_refusal(test, 0, &guard, PORT_ERROR_NETWORK_NOT_FOUND,
                   "network was removed, so its guard");
    expect_refusal(test, 0, &limits, PORT_ERROR_NETWORK_NOT_FOUND,
                   "network was removed, so its limits");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        BROKER_TEST(test_link),
        BROKER_TEST(test_link_set_by_others),
        BROKER_TEST(test_events_that_are_late),
        BROKER_TEST(test_events_of_the_making),
        BROKER_TEST(test_address_of_the_host),
        BROKER_TEST(test_mac_in_use_is_told_at_once),
        BROKER_TEST(test_mac_taken_meanwhile),
        BROKER_TEST(test_refusals),
        BROKER_TEST(test_sources),
        BROKER_TEST(test_without_its_network),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
