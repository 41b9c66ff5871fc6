/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The addresses that the broker gives and refuses, and how long a port has them. */
#include "broker-fixture.h"
#include "reload-fixture.h"

#include <errno.h>
#include <string.h>

static const struct {
    const char *subnet, *range, *reserved, *gateway;
} lan_addresses = {"192.168.1.0/24", "192.168.1.32/27", "192.168.1.40", "192.168.1.1"};

static void
give_subnet(Network *network, const char *text)
{
    IpPrefix subnet;

    assert_true(ip_prefix_parse(text, &subnet, NULL));
    g_array_append_val(network->addresses.subnets, subnet);
}

static void
give_range(GArray *ranges, const char *text)
{
    IpRange range;

    assert_true(ip_range_parse(text, &range, NULL));
    g_array_append_val(ranges, range);
}

static void
give_gateway(Network *network, const char *text)
{
    IpAddress gateway;

    assert_true(ip_address_parse(text, &gateway));
    g_array_append_val(network->addresses.gateways, gateway);
}

/* User 1000 may use the network, too. */
static void
finish(Network *network)
{
    const uid_t user = 1000;

    g_array_append_val(network->allow_uids, user);
    assert_true(addresses_finish(&network->addresses, NULL));
}

/* The network of all tests gives the addresses above. */
static void
give_addresses(Network *network)
{
    give_subnet(network, lan_addresses.subnet);
    give_range(network->addresses.ranges, lan_addresses.range);
    give_range(network->addresses.reserved, lan_addresses.reserved);
    give_gateway(network, lan_addresses.gateway);
    finish(network);
}

static Network *
lan(TestBroker *test)
{
    return test_broker_network(test, "lan");
}

/* The port's addresses, as "ADDRESS/BITS ADDRESS/BITS"; good until the next call. */
static const char *
addresses_of(const Port *port)
{
    static char all[256];

    all[0] = '\0';
    for (guint i = 0; port->addresses && i < port->addresses->len; i++) {
        char text[PORT_ADDRESS_TEXT_SIZE];

        port_address_format(&g_array_index(port->addresses, PortAddress, i), text);
        g_strlcat(all, i > 0 ? " " : "", sizeof all);
        g_strlcat(all, text, sizeof all);
    }
    return all;
}

/* A request for these addresses, joined by blanks. */
static PortRequest
asking(const char *network, const char *name, const char *addresses)
{
    g_auto(GStrv) words = g_strsplit(addresses, " ", -1);
    PortRequest request = {
        .network = g_strdup(network),
        .name = g_strdup(name),
        .addresses = g_array_new(FALSE, FALSE, sizeof(PortAddress)),
        .holder = {.type = HOLDER_NONE},
    };

    for (char **word = words; *word && **word; word++) {
        PortAddress address;

        assert_true(port_address_parse(*word, &address, NULL));
        g_array_append_val(request.addresses, address);
    }
    return request;
}

static const Port *
create_asking(TestBroker *test, uid_t uid, const char *name, const char *addresses)
{
    g_auto(PortRequest) request = asking("lan", name, addresses);
    const Caller caller = test_caller(uid);

    return create_port(test, &caller, &request);
}

static void
refuse_asking(TestBroker *test, uid_t uid, const char *network, const char *addresses,
              PortError code, const char *text)
{
    g_auto(PortRequest) request = asking(network, "refused", addresses);
    const Caller caller = test_caller(uid);

    expect_refused_as(test, &caller, &request, code, text);
}

static void
test_a_name_has_the_same_address_each_time(void **state)
{
    TestBroker *test = *state;
    g_autofree char *first = NULL;

    give_addresses(lan(test));
    first = g_strdup(addresses_of(test_broker_create(test, 0, "lan", "web")));
    assert_true(g_str_has_prefix(first, "192.168.1.") && g_str_has_suffix(first, "/24"));
    assert_string_not_equal(addresses_of(test_broker_create(test, 0, "lan", "db")), first);
    delete_port(test, "web");
    test_broker_create(test, 0, "lan", NULL);
    assert_string_equal(addresses_of(test_broker_create(test, 0, "lan", "web")), first);
}

static void
test_both_families_give_one_each(void **state)
{
    TestBroker *test = *state;
    const Port *port;

    give_subnet(lan(test), "fd00::/64");
    give_addresses(lan(test));
    port = create_asking(test, 0, "web", "192.168.1.50");
    assert_int_equal(port->addresses->len, 2);
    assert_int_equal(port_addresses_find(port->addresses, ADDRESS_IPV4)->bits, 24);
    assert_int_equal(port_addresses_find(port->addresses, ADDRESS_IPV6)->bits, 64);
}

static void
test_a_restart_keeps_leases(void **state)
{
    TestBroker *test = *state;
    g_autofree char *before = NULL;

    give_addresses(lan(test));
    before = g_strdup(addresses_of(create_asking(test, 0, "web", "192.168.1.50")));
    restart(test);
    assert_string_equal(addresses_of(find_port(test, "web")), before);
    refuse_asking(test, 0, "lan", "192.168.1.50", PORT_ERROR_ADDRESS_CONFLICT,
                  "address 192.168.1.50 belongs to port web of network lan");
    delete_port(test, "web");
    assert_string_equal(addresses_of(create_asking(test, 0, "db", "192.168.1.50")), before);
}

static void
test_a_failed_creation_leaves_the_address_free(void **state)
{
    TestBroker *test = *state;
    const Caller root = test_caller(0);
    g_auto(PortRequest) request = asking("lan", "web", "192.168.1.50");

    give_addresses(lan(test));
    kernel_fake_fail(test->kernel, "macvtap_create", 1, ENOMEM);
    test_broker_refuse(test, &root, &request, PORT_ERROR_SYSTEM, "");
    assert_string_equal(addresses_of(create_asking(test, 0, "db", "192.168.1.50")),
                        "192.168.1.50/24");
}

static void
test_what_is_refused(void **state)
{
    TestBroker *test = *state;

    give_addresses(lan(test));
    refuse_asking(test, 0, "lan", "192.168.1.40", PORT_ERROR_ADDRESS_NOT_ALLOWED, "is reserved");
    refuse_asking(test, 0, "lan", "192.168.1.1", PORT_ERROR_ADDRESS_NOT_ALLOWED, "is the gateway");
    refuse_asking(test, 0, "lan", "10.0.0.1", PORT_ERROR_ADDRESS_NOT_ALLOWED, "is outside");
    refuse_asking(test, 0, "lan", "fd00::1", PORT_ERROR_ADDRESS_NOT_ALLOWED, "no IPv6 subnet");
    refuse_asking(test, 0, "lan", "192.168.1.50 192.168.1.51", PORT_ERROR_INVALID_REQUEST,
                  "a port of network lan has one IPv4 address, not both 192.168.1.50 and "
                  "192.168.1.51");
    refuse_asking(test, 0, "lan", "192.168.1.50 192.168.1.50", PORT_ERROR_INVALID_REQUEST,
                  "address 192.168.1.50 is given twice");
    refuse_asking(test, 1000, "lan", "192.168.1.5", PORT_ERROR_ADDRESS_NOT_ALLOWED,
                  "outside 192.168.1.32/27, the range of network lan; only root");
    assert_string_equal(addresses_of(create_asking(test, 0, "far", "192.168.1.5")),
                        "192.168.1.5/24");
    assert_string_equal(addresses_of(create_asking(test, 1000, "near", "192.168.1.33")),
                        "192.168.1.33/24");
}

static void
test_the_range_ends(void **state)
{
    TestBroker *test = *state;
    const PortRequest request = {.network = (char *)"lan"};
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

    give_addresses(lan(test));
    for (guint i = 0; i < 31; i++)
        assert_true(g_hash_table_add(
            seen, g_strdup(addresses_of(test_broker_create(test, 0, "lan", NULL)))));
    expect_refused(test, &request, PORT_ERROR_LIMIT_REACHED,
                   "network lan has no free IPv4 address left: all 31 of its range are taken");
    /* Root has the rest of the subnet. */
    create_asking(test, 0, "web", "192.168.1.70");
}

static void
test_users_have_their_share(void **state)
{
    TestBroker *test = *state;
    const Caller user = test_caller(1000);
    const PortRequest request = {.network = (char *)"lan"};

    give_addresses(lan(test));
    for (guint i = 0; i < 31 / 4; i++)
        test_broker_create(test, 1000, "lan", NULL);
    expect_refused_as(test, &user, &request, PORT_ERROR_LIMIT_REACHED,
                      "user 1000 already has 7 ports on network lan, and a user's share of its "
                      "addresses (a quarter; MaxPortsPerUser= changes it) allows no more");
    lan(test)->max_ports_per_user = 8;
    test_broker_create(test, 1000, "lan", NULL);
    expect_refused_as(test, &user, &request, PORT_ERROR_LIMIT_REACHED, "MaxPortsPerUser= allows");
    test_broker_create(test, 0, "lan", NULL);
}

/* An outside allocator chooses; on a link every address is one port's. */
static void
test_addresses_that_are_handed_in(void **state)
{
    TestBroker *test = *state;
    const Caller root = test_caller(0);
    g_auto(PortRequest) elsewhere = asking("other", "far", "10.0.0.5/8 fd00::5/64");

    finish(lan(test));
    test_broker_add_network(test, "vepa", "eth0", MACVTAP_MODE_VEPA);
    test_broker_add_parent(test, "eth1");
    test_broker_add_network(test, "other", "eth1", MACVTAP_MODE_BRIDGE);
    assert_string_equal(addresses_of(create_asking(test, 0, "pod", "10.0.0.5/8 fd00::5 10.0.0.6")),
                        "10.0.0.5/8 fd00::5/128 10.0.0.6/32");
    refuse_asking(test, 0, "lan", "10.0.0.5", PORT_ERROR_ADDRESS_CONFLICT,
                  "belongs to port pod of network lan");
    refuse_asking(test, 0, "vepa", "fd00::5/64", PORT_ERROR_ADDRESS_CONFLICT,
                  "belongs to port pod of network lan");
    refuse_asking(test, 0, "lan", "127.0.0.1", PORT_ERROR_INVALID_REQUEST, "cannot be the address");
    assert_string_equal(addresses_of(create_port(test, &root, &elsewhere)),
                        "10.0.0.5/8 fd00::5/64");
    refuse_asking(test, 1000, "lan", "10.0.0.7", PORT_ERROR_ACCESS_DENIED,
                  "network lan gives no addresses (its file has no [Addresses]); only root may");
    assert_null(test_broker_create(test, 1000, "lan", "plain")->addresses);
}

/* Two networks with the same subnet on one parent give no address twice. */
static void
test_networks_of_a_parent_share_its_addresses(void **state)
{
    TestBroker *test = *state;
    Network *second = test_broker_add_network(test, "second", "eth0", MACVTAP_MODE_BRIDGE);
    const PortRequest request = {.network = (char *)"second"};

    give_addresses(lan(test));
    give_subnet(second, "192.168.1.0/24");
    give_range(second->addresses.ranges, "192.168.1.50-192.168.1.51");
    finish(second);
    create_asking(test, 0, "web", "192.168.1.50");
    assert_string_equal(addresses_of(test_broker_create(test, 0, "second", NULL)),
                        "192.168.1.51/24");
    expect_refused(test, &request, PORT_ERROR_LIMIT_REACHED, "no free IPv4 address left: all 2");
}

static void
test_a_guard_lists_the_lease(void **state)
{
    TestBroker *test = *state;
    const Port *port;
    const IpPrefix *listed;

    give_addresses(lan(test));
    lan(test)->guard.addresses = GUARD_ADDRESSES_LISTED;
    port = create_asking(test, 0, "web", "192.168.1.50");
    assert_int_equal(port->guard.prefixes->len, 1);
    listed = &g_array_index(port->guard.prefixes, IpPrefix, 0);
    assert_int_equal(listed->prefix_bits, 128);
    assert_true(port_addresses_have(port->addresses, &listed->address));
    lan(test)->guard.addresses = GUARD_ADDRESSES_ANY;
    assert_null(create_asking(test, 0, "db", "192.168.1.51")->guard.prefixes);
}

/* A network whose ports have these addresses, to be loaded. */
static Network *
defined(const char *subnet, const char *gateway, const char *reserved)
{
    Network *network = define_network("lan", MACVTAP_MODE_BRIDGE);

    network->guard.addresses = GUARD_ADDRESSES_LISTED;
    if (subnet)
        give_subnet(network, subnet);
    if (gateway)
        give_gateway(network, gateway);
    if (reserved)
        give_range(network->addresses.reserved, reserved);
    finish(network);
    return network;
}

static void
test_a_port_keeps_its_lease_when_the_file_changes(void **state)
{
    TestBroker *test = *state;

    reload_network(test, defined(NULL, NULL, NULL));
    test_broker_create(test, 0, "lan", "before");
    reload_network(test, defined("192.168.1.0/24", NULL, NULL));
    expect_outdated(test, "before", "Subnet");
    create_asking(test, 0, "web", "192.168.1.50");
    expect_outdated(test, "web", "");
    reload_network(test, defined("192.168.0.0/16", NULL, NULL));
    expect_outdated(test, "web", "");
    assert_string_equal(addresses_of(find_port(test, "web")), "192.168.1.50/16");
    restart(test);
    assert_string_equal(addresses_of(find_port(test, "web")), "192.168.1.50/16");
    reload_network(test, defined("192.168.0.0/16", "192.168.1.50", NULL));
    expect_outdated(test, "web", "Gateway");
    reload_network(test, defined("192.168.0.0/16", NULL, "192.168.1.0/24"));
    expect_outdated(test, "web", "Reserve");
    reload_network(test, defined("10.0.0.0/8", NULL, NULL));
    expect_outdated(test, "web", "Subnet");
    assert_string_equal(addresses_of(find_port(test, "web")), "192.168.1.50/16");
    assert_int_equal(find_port(test, "web")->guard.prefixes->len, 1);
}

/* But root may have gone beyond the range, or have handed in an address of its own. */
static void
test_a_port_whose_network_gives_its_lease_no_more(void **state)
{
    TestBroker *test = *state;
    Network *network = defined(NULL, NULL, NULL);

    reload_network(test, network);
    create_asking(test, 0, "foreign", "192.168.1.60");
    network = defined("192.168.1.0/24", NULL, NULL);
    give_range(network->addresses.ranges, "192.168.1.32/27");
    assert_true(addresses_finish(&network->addresses, NULL));
    reload_network(test, network);
    create_asking(test, 0, "web", "192.168.1.50");
    create_asking(test, 0, "roots", "192.168.1.200");
    network = defined("192.168.1.0/24", NULL, NULL);
    give_range(network->addresses.ranges, "192.168.1.64/27");
    assert_true(addresses_finish(&network->addresses, NULL));
    reload_network(test, network);
    expect_outdated(test, "web", "Range");
    expect_outdated(test, "roots", "");
    expect_outdated(test, "foreign", "");
    restart(test);
    expect_outdated(test, "web", "Range");
    reload_network(test, defined(NULL, NULL, NULL));
    expect_outdated(test, "web", "Subnet");
    expect_outdated(test, "roots", "Subnet");
    expect_outdated(test, "foreign", "");
}

/* A port that is ending makes room for one that asks for its address, or for the last one. */
static void
test_an_ending_port_makes_room(void **state)
{
    TestBroker *test = *state;
    const Caller root = test_caller(0);
    g_auto(PortRequest) first = asking("lan", "web", "192.168.1.50");
    g_auto(PortRequest) second = asking("lan", "db", "192.168.1.50");
    g_auto(PortRequest) third = asking("lan", "mail", "");
    g_auto(PortGrant) grant = {0};

    give_subnet(lan(test), "192.168.1.0/24");
    give_range(lan(test)->addresses.ranges, "192.168.1.50");
    finish(lan(test));
    first.holder.type = second.holder.type = HOLDER_DESCRIPTORS;
    assert_true(broker_create_port(test->broker, &root, &first, &grant, NULL));
    port_grant_clear(&grant);
    assert_string_equal(addresses_of(create_port(test, &root, &second)), "192.168.1.50/24");
    assert_string_equal(addresses_of(create_port(test, &root, &third)), "192.168.1.50/24");
    assert_null(find_port(test, "db"));
}

static const MacAddress stranger = {{0x02, 0, 0, 0, 0x77, 0x01}};

/* The code, subject and message of each fault of root's, a line each; free with g_free(). */
static char *
list_faults(TestBroker *test)
{
    const Caller root = test_caller(0);
    g_autoptr(GPtrArray) faults = broker_list_faults(test->broker, &root);
    g_autoptr(GString) text = g_string_new(NULL);

    for (guint i = 0; i < faults->len; i++) {
        const Fault *fault = faults->pdata[i];

        g_string_append_printf(text, "%s: %s: %s\n", fault->code, fault->subject, fault->message);
    }
    return g_string_free(g_steal_pointer(&text), FALSE);
}

/* Which address the port gets is known from one that was made before. */
static void
test_what_a_station_uses_is_passed_over(void **state)
{
    TestBroker *test = *state;
    g_autofree char *unnamed = NULL, *named = NULL, *faults = NULL;

    reload_network(test, defined("192.168.1.0/24", "192.168.1.1", NULL));
    unnamed = g_strdup(addresses_of(test_broker_create(test, 0, "lan", NULL)));
    named = g_strdup(addresses_of(test_broker_create(test, 0, "lan", "web")));
    delete_port(test, "web");
    delete_port(test, only_port(test)->name);
    *strchr(unnamed, '/') = *strchr(named, '/') = '\0';
    kernel_fake_claim(test->kernel, 1, unnamed, &stranger);
    kernel_fake_claim(test->kernel, 1, named, &stranger);
    kernel_fake_claim(test->kernel, 1, "192.168.1.1", &stranger);
    kernel_fake_claim(test->kernel, 1, "10.0.0.1", &stranger);
    assert_false(g_str_has_prefix(addresses_of(test_broker_create(test, 0, "lan", NULL)), unnamed));
    assert_true(g_str_has_prefix(addresses_of(test_broker_create(test, 0, "lan", "web")), named));
    faults = list_faults(test);
    assert_non_null(strstr(faults, "address-heard: network lan: a station with MAC "
                                   "02:00:00:00:77:01 uses "));
    assert_non_null(strstr(faults, "address-conflict: port web: a station on eth0 with MAC "
                                   "02:00:00:00:77:01 uses its address "));
    assert_null(strstr(faults, "10.0.0.1"));
    assert_null(strstr(faults, "192.168.1.1,"));
}

/* A network of eight addresses, of which stations claim the first n. */
static void
claim_of_eight(TestBroker *test, guint n)
{
    Network *network = defined("192.168.1.0/24", NULL, NULL);

    give_range(network->addresses.ranges, "192.168.1.32-192.168.1.39");
    g_array_unref(g_steal_pointer(&network->addresses.pools[ADDRESS_IPV4]));
    finish(network);
    reload_network(test, network);
    for (guint i = 0; i < n; i++) {
        g_autofree char *address = g_strdup_printf("192.168.1.%u", 32 + i);

        kernel_fake_claim(test->kernel, 1, address, &stranger);
    }
}

static void
test_stations_keep_a_quarter(void **state)
{
    TestBroker *test = *state;
    const PortRequest request = {.network = (char *)"lan"};

    claim_of_eight(test, 2);
    for (guint i = 0; i < 6; i++)
        test_broker_create(test, 0, "lan", NULL);
    expect_refused(test, &request, PORT_ERROR_LIMIT_REACHED, "no free IPv4 address left");
    test_broker_create(test, 0, "lan", "web");
}

static void
test_stations_take_no_more_than_a_quarter(void **state)
{
    TestBroker *test = *state;

    claim_of_eight(test, 8);
    for (guint i = 0; i < 8; i++)
        test_broker_create(test, 0, "lan", NULL);
}

/* A guest of ours that uses another address than its own is no station; nor is one on another link
 * of any weight. */
static void
test_guests_and_other_links_are_not_heard(void **state)
{
    TestBroker *test = *state;
    g_autofree char *unnamed = NULL;
    const Port *guest;

    test_broker_add_parent(test, "eth1");
    reload_network(test, defined("192.168.1.0/24", NULL, NULL));
    unnamed = g_strdup(addresses_of(test_broker_create(test, 0, "lan", NULL)));
    delete_port(test, only_port(test)->name);
    guest = test_broker_create(test, 0, "lan", "web");
    *strchr(unnamed, '/') = '\0';
    kernel_fake_claim(test->kernel, 1, unnamed, &guest->mac);
    kernel_fake_claim(test->kernel, link_named(test, "eth1").index, unnamed, &stranger);
    assert_true(g_str_has_prefix(addresses_of(test_broker_create(test, 0, "lan", NULL)), unnamed));
}

static void
test_the_hosts_own_address_is_not_given(void **state)
{
    TestBroker *test = *state;
    g_autofree char *web = NULL;

    give_addresses(lan(test));
    web = g_strdup(addresses_of(test_broker_create(test, 0, "lan", "web")));
    delete_port(test, "web");
    kernel_fake_add_address(test->kernel, 1, web);
    assert_string_not_equal(addresses_of(test_broker_create(test, 0, "lan", "web")), web);
    refuse_asking(test, 0, "lan", web, PORT_ERROR_ADDRESS_CONFLICT, "is the host's own");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        BROKER_TEST(test_a_name_has_the_same_address_each_time),
        BROKER_TEST(test_both_families_give_one_each),
        BROKER_TEST(test_a_restart_keeps_leases),
        BROKER_TEST(test_a_failed_creation_leaves_the_address_free),
        BROKER_TEST(test_what_is_refused),
        BROKER_TEST(test_the_range_ends),
        BROKER_TEST(test_users_have_their_share),
        BROKER_TEST(test_addresses_that_are_handed_in),
        BROKER_TEST(test_networks_of_a_parent_share_its_addresses),
        BROKER_TEST(test_a_guard_lists_the_lease),
        BROKER_TEST(test_a_port_keeps_its_lease_when_the_file_changes),
        BROKER_TEST(test_a_port_whose_network_gives_its_lease_no_more),
        BROKER_TEST(test_an_ending_port_makes_room),
        BROKER_TEST(test_what_a_station_uses_is_passed_over),
        BROKER_TEST(test_stations_keep_a_quarter),
        BROKER_TEST(test_stations_take_no_more_than_a_quarter),
        BROKER_TEST(test_guests_and_other_links_are_not_heard),
        BROKER_TEST(test_the_hosts_own_address_is_not_given),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
