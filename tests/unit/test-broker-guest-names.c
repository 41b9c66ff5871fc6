/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a port without a name of its own is called, and which MAC it gets. */
#include "broker-fixture.h"

/* sha256sum of the NUL-terminated parts "seed", "1000", "lan", the guest's name and "0", octets 3
 * to 5: a release must not change a VM's MAC. */
#define MAC_OF_WINDOWS "52:54:00:4c:6f:30"
#define MAC_OF_NO_GUEST "52:54:00:14:03:22"

static int
set_up(void **state)
{
    TestBroker *test = test_broker_new();
    const uid_t uids[] = {1000, 1001};

    g_array_append_vals(test_broker_network(test, "lan")->allow_uids, uids, 2);
    *state = test;
    return 0;
}

static const Port *
create(TestBroker *test, uid_t uid, const char *network, const char *guest)
{
    const Caller caller = test_caller(uid);
    const PortRequest request = {.network = (char *)network, .guest_name = (char *)guest};

    return create_port(test, &caller, &request);
}

static void
assert_mac(const Port *port, const char *mac)
{
    char text[MAC_ADDRESS_TEXT_SIZE];

    assert_string_equal(mac_address_format(&port->mac, text), mac);
}

static void
on_removed(guint n_ports, const GError *error, gpointer user_data)
{
}

/* The port is ending from now on, and has not gone. */
static void
begin_delete(TestBroker *test, const Port *port)
{
    const Caller root = test_caller(0);

    assert_true(broker_delete_port(test->broker, &root, port->id, NULL, on_removed, NULL, NULL));
    assert_true(port->is_ending);
}

static void
test_the_mac_is_the_guests(void **state)
{
    TestBroker *test = *state;
    const Port *port = create(test, 1000, "lan", "Windows 11");

    assert_mac(port, MAC_OF_WINDOWS);
    assert_string_equal(port->name, port->id);
    assert_mac(create(test, 1000, "lan", NULL), MAC_OF_NO_GUEST);
    assert_true(test_broker_delete(test, &(Caller){.uid = 0}, port->id, NULL));
    assert_mac(create(test, 1000, "lan", "Windows 11"), MAC_OF_WINDOWS);
}

static gboolean
same_mac(const Port *a, const Port *b)
{
    return mac_address_equal(&a->mac, &b->mac);
}

static void
test_whose_guest_it_is_makes_another_mac(void **state)
{
    TestBroker *test = *state;
    const Port *ports[] = {create(test, 1000, "lan", "web"), create(test, 1001, "lan", "web"),
                           create(test, 1000, "lan", "wec"), NULL, NULL};

    test_broker_add_parent(test, "eth1");
    test_broker_add_network(test, "dmz", "eth1", MACVTAP_MODE_BRIDGE);
    ports[3] = create(test, 0, "dmz", "web");
    ports[4] = create(test, 0, "lan", "web");
    for (guint i = 0; i < G_N_ELEMENTS(ports); i++) {
        for (guint j = 0; j < i; j++)
            assert_false(same_mac(ports[i], ports[j]));
    }
}

/* As macvtapd before guests had names. */
static void
test_a_name_makes_the_mac_by_itself(void **state)
{
    TestBroker *test = *state;
    const Caller user = test_caller(1000);
    const PortRequest request = {
        .network = (char *)"lan", .name = (char *)"web", .guest_name = (char *)"other"};
    g_auto(PortGrant) grant = {0};

    assert_true(broker_create_port(test->broker, &user, &request, &grant, NULL));
    assert_string_equal(grant.port->name, "web");
    /* printf 'seed\0lan\0web\0%s\0' 0 | sha256sum */
    assert_mac(grant.port, "52:54:00:1a:1f:d0");
}

static void
test_two_at_once_differ_and_both_come_again(void **state)
{
    TestBroker *test = *state;
    const Port *first = create(test, 1000, "lan", NULL), *second = create(test, 1000, "lan", NULL);
    MacAddress before = second->mac;

    assert_mac(first, MAC_OF_NO_GUEST);
    assert_false(same_mac(first, second));
    begin_delete(test, second);
    begin_delete(test, first);
    assert_mac(create(test, 1000, "lan", NULL), MAC_OF_NO_GUEST);
    assert_true(mac_address_equal(&create(test, 1000, "lan", NULL)->mac, &before));
}

/* More than the candidates that are hashed. */
static void
test_many_without_a_name_differ(void **state)
{
    TestBroker *test = *state;
    g_autoptr(GHashTable) macs = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

    for (guint i = 0; i < 100; i++) {
        char text[MAC_ADDRESS_TEXT_SIZE];

        mac_address_format(&create(test, 1000, "lan", NULL)->mac, text);
        assert_true(g_hash_table_add(macs, g_strdup(text)));
    }
}

/* The parents of a pool lead to the same stations. */
static void
test_ports_of_a_pool_differ(void **state)
{
    TestBroker *test = *state;
    const Port *first, *second;

    test_broker_add_parent(test, "eth1");
    test_broker_add_network(test, "pool", "eth0,eth1", MACVTAP_MODE_BRIDGE);
    first = create(test, 0, "pool", NULL);
    second = create(test, 0, "pool", NULL);
    assert_string_not_equal(first->parent, second->parent);
    assert_false(same_mac(first, second));
}

static void
test_a_guest_started_anew_keeps_its_mac_and_name(void **state)
{
    TestBroker *test = *state;
    const Port *port = create(test, 1000, "lan", "web");
    g_autofree char *events = NULL;
    MacAddress before = port->mac;

    assert_string_equal(port->name, "web");
    begin_delete(test, port);
    port = create(test, 1000, "lan", "web");
    assert_string_equal(port->name, "web");
    assert_true(mac_address_equal(&port->mac, &before));
    events = test_broker_take_events(test);
    assert_string_equal(events, "created web\ndeleted web\ncreated web\n");
}

static void
test_a_guests_name_that_is_taken_or_none_is_no_ports(void **state)
{
    static const char *const others[] = {"web",
                                         "vm0",
                                         "p0123456789ab",
                                         "Windows 11",
                                         "",
                                         ".hidden",
                                         "gr\xc3\xbc\xc3\x9f"
                                         "e"};
    TestBroker *test = *state;
    const Caller root = test_caller(0);
    const PortRequest request = {
        .network = (char *)"lan", .name = (char *)"web", .interface_name = (char *)"vm0"};
    g_auto(PortGrant) grant = {0};

    assert_true(broker_create_port(test->broker, &root, &request, &grant, NULL));
    for (guint i = 0; i < G_N_ELEMENTS(others); i++) {
        const Port *port = create(test, 1000, "lan", others[i]);

        assert_string_equal(port->name, port->id);
    }
}

static void
test_what_no_guest_is_called(void **state)
{
    g_autofree char *longest = g_strnfill(GUEST_NAME_MAX, 'x');
    g_autofree char *longer = g_strnfill(GUEST_NAME_MAX + 1, 'x');
    const char *const bad[][2] = {
        {longer, "at most 255 bytes, not 256"},
        {"two\nlines", "control characters"},
        {"\x1b[31m", "control characters"},
        {"C1 \xc2\x9b", "control characters"},
    };
    TestBroker *test = *state;
    const Caller user = test_caller(1000);

    create(test, 1000, "lan", longest);
    for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
        const PortRequest request = {.network = (char *)"lan", .guest_name = (char *)bad[i][0]};

        test_broker_refuse(test, &user, &request, PORT_ERROR_INVALID_REQUEST, bad[i][1]);
    }
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, set_up, broker_tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_the_mac_is_the_guests),
        CASE(test_whose_guest_it_is_makes_another_mac),
        CASE(test_a_name_makes_the_mac_by_itself),
        CASE(test_two_at_once_differ_and_both_come_again),
        CASE(test_many_without_a_name_differ),
        CASE(test_ports_of_a_pool_differ),
        CASE(test_a_guest_started_anew_keeps_its_mac_and_name),
        CASE(test_a_guests_name_that_is_taken_or_none_is_no_ports),
        CASE(test_what_no_guest_is_called),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
