/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include "addresses.h"
#include "network.h"
#include "policy.h"
#include "port-error.h"

#include <string.h>

static IpAddress
address(const char *text)
{
    IpAddress result;

    assert_true(ip_address_parse(text, &result));
    return result;
}

static void
add_range(GArray *ranges, const char *text)
{
    IpRange range;

    assert_true(ip_range_parse(text, &range, NULL));
    g_array_append_val(ranges, range);
}

static void
add_address(GArray *addresses, const char *text)
{
    const IpAddress one = address(text);

    g_array_append_val(addresses, one);
}

/* As in a file; lists are joined by blanks, "": not given. */
typedef struct Keys {
    const char *subnet, *range, *reserve, *gateway, *dns;
} Keys;

static void
fill(GArray *array, const char *list, void (*add)(GArray *array, const char *text))
{
    g_auto(GStrv) words = g_strsplit(list ? list : "", " ", -1);

    for (char **word = words; *word && **word; word++)
        add(array, *word);
}

static void
add_subnet(GArray *subnets, const char *text)
{
    IpPrefix prefix;

    assert_true(ip_prefix_parse(text, &prefix, NULL));
    g_array_append_val(subnets, prefix);
}

static Network *
network_with(const Keys *keys)
{
    Network *network = network_new("lan");

    fill(network->addresses.subnets, keys->subnet, add_subnet);
    fill(network->addresses.ranges, keys->range, add_range);
    fill(network->addresses.reserved, keys->reserve, add_range);
    fill(network->addresses.gateways, keys->gateway, add_address);
    fill(network->addresses.dns, keys->dns, add_address);
    return network;
}

static Network *
finished(const Keys *keys)
{
    Network *network = network_with(keys);
    g_autoptr(GError) error = NULL;

    addresses_finish(&network->addresses, &error);
    assert_no_error(error);
    return network;
}

/* The pool of a family, as "FIRST-LAST FIRST-LAST". */
static void
expect_pool(const Network *network, AddressFamily family, const char *expected)
{
    g_autoptr(GString) all = g_string_new(NULL);
    const GArray *pool = network->addresses.pools[family];
    char text[IP_RANGE_TEXT_SIZE];

    for (guint i = 0; pool && i < pool->len; i++)
        g_string_append_printf(all, "%s%s", i > 0 ? " " : "",
                               ip_range_format(&g_array_index(pool, IpRange, i), text));
    assert_string_equal(all->str, expected);
}

static void
test_a_pool_is_the_range_without_what_others_have(void **state)
{
    g_autoptr(Network) whole = finished(&(Keys){.subnet = "10.0.0.0/29 fd00::/64"});
    g_autoptr(Network) lan =
        finished(&(Keys){"192.168.1.0/24 fd00::/64", "192.168.1.32/27 192.168.1.60-192.168.1.70",
                         "192.168.1.40-192.168.1.41 192.168.1.32 fd00::1:0/112",
                         "192.168.1.50 fd00::1", "192.168.1.70 9.9.9.9"});

    expect_pool(whole, ADDRESS_IPV4, "10.0.0.1-10.0.0.6");
    expect_pool(whole, ADDRESS_IPV6, "fd00::1-fd00::ffff:ffff:ffff:ffff");
    expect_pool(lan, ADDRESS_IPV4,
                "192.168.1.33-192.168.1.39 192.168.1.42-192.168.1.49 192.168.1.51-192.168.1.69");
    expect_pool(lan, ADDRESS_IPV6, "fd00::2-fd00::ffff fd00::2:0-fd00::ffff:ffff:ffff:ffff");
    assert_int_equal(addresses_pool_size(&lan->addresses, ADDRESS_IPV4), 7 + 8 + 19);
    assert_true(addresses_pool_size(&lan->addresses, ADDRESS_IPV6) == G_MAXINT64);
}

static void
test_both_ends_of_a_link_are_hosts(void **state)
{
    g_autoptr(Network) link = finished(&(Keys){.subnet = "10.0.0.0/31 fd00::/127"});

    expect_pool(link, ADDRESS_IPV4, "10.0.0.0/31");
    expect_pool(link, ADDRESS_IPV6, "fd00::/127");
}

static void
test_keys_that_do_not_fit(void **state)
{
    static const struct {
        Keys keys;
        const char *message;
    } bad[] = {
        {{.range = "10.0.0.0/24"}, "Subnet= is missing"},
        {{.gateway = "10.0.0.1"}, "Subnet= is missing"},
        {{.subnet = "10.0.0.0/24 10.0.1.0/24"}, "Subnet= has more than one IPv4 subnet"},
        {{.subnet = "fd00::/64 fd01::/64"}, "Subnet= has more than one IPv6 subnet"},
        {{.subnet = "10.0.0.1"}, "Subnet= '10.0.0.1' is a single address"},
        {{.subnet = "224.0.0.0/24"}, "is not a subnet of unicast addresses"},
        {{.subnet = "::/0"}, "is not a subnet of unicast addresses"},
        {{.subnet = "fe80::/64"}, "is not a subnet of unicast addresses"},
        {{"10.0.0.0/24", .range = "10.0.1.0/28"}, "Range= '10.0.1.0/28' is not within Subnet="},
        {{"10.0.0.0/24", .range = "10.0.0.250-10.0.1.5"}, "Range= '10.0.0.250-10.0.1.5'"},
        {{"10.0.0.0/24", .range = "fd00::1"}, "Range= 'fd00::1' is not within Subnet="},
        {{"10.0.0.0/24", .reserve = "10.0.1.1"}, "Reserve= '10.0.1.1' is not within Subnet="},
        {{"10.0.0.0/24", .gateway = "10.0.1.1"}, "Gateway= '10.0.1.1' is not within Subnet="},
        {{"10.0.0.0/24", .gateway = "fe80::1"}, "Gateway= 'fe80::1' is not within Subnet="},
        {{"10.0.0.0/24", .gateway = "10.0.0.255"}, "is the broadcast address of Subnet="},
        {{"10.0.0.0/24", .gateway = "10.0.0.1 10.0.0.2"}, "Gateway= has more than one IPv4"},
        {{"10.0.0.0/30", .reserve = "10.0.0.1-10.0.0.2"}, "Reserve= leaves no IPv4 address"},
        {{"10.0.0.0/24", .dns = "1.1.1.1 1.1.1.2 1.1.1.3 1.1.1.4 1.1.1.5 1.1.1.6 1.1.1.7 1.1.1.8 "
                                "1.1.1.9"},
         "DNS= has 9 entries; it can have at most 8"},
    };

    for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(Network) network = network_with(&bad[i].keys);
        g_autoptr(GError) error = NULL;

        if (addresses_finish(&network->addresses, &error))
            fail_msg("%s was not said", bad[i].message);
        assert_error_cleared(&error, PORT_ERROR, PORT_ERROR_NETWORK_INVALID, bad[i].message);
    }
}

static void
test_a_router_may_have_a_link_local_address(void **state)
{
    g_autoptr(Network) network = finished(&(Keys){.subnet = "fd00::/64", .gateway = "fe80::1"});

    assert_non_null(addresses_gateway(&network->addresses, ADDRESS_IPV6));
    assert_null(addresses_gateway(&network->addresses, ADDRESS_IPV4));
}

static void
test_serving_dhcp_needs_ipv4(void **state)
{
    g_autoptr(Network) network = network_with(&(Keys){.subnet = "fd00::/64"});
    g_autoptr(GError) error = NULL;

    network->addresses.serve = ADDRESS_SERVE_DHCP;
    assert_false(addresses_finish(&network->addresses, &error));
    assert_error_cleared(&error, PORT_ERROR, PORT_ERROR_NETWORK_INVALID,
                         "Serve=dhcp needs an IPv4 subnet");
}

static void
test_which_addresses_may_be_asked_for(void **state)
{
    static const struct {
        const char *asked;
        gboolean by_user;
        const char *message; /* NULL: it may */
    } rows[] = {
        {"192.168.1.33", TRUE, NULL},
        {"192.168.1.33/24", TRUE, NULL},
        {"192.168.1.5", FALSE, NULL},
        {"192.168.1.70", FALSE, NULL},
        {"192.168.1.5", TRUE,
         "address 192.168.1.5 is outside 192.168.1.32/27, the range of network lan; only root may"},
        {"192.168.1.45", TRUE, "address 192.168.1.45 is a DNS server of network lan"},
        {"192.168.1.33/25", FALSE,
         "address 192.168.1.33/25 does not fit network lan, whose subnet is 192.168.1.0/24"},
        {"192.168.2.5", FALSE,
         "address 192.168.2.5 is outside 192.168.1.0/24, the subnet of network lan"},
        {"192.168.1.0", FALSE, "address 192.168.1.0 is the network address of 192.168.1.0/24"},
        {"192.168.1.255", FALSE, "address 192.168.1.255 is the broadcast address of"},
        {"192.168.1.50", FALSE, "address 192.168.1.50 is the gateway of network lan"},
        {"192.168.1.40", FALSE, "address 192.168.1.40 is reserved (Reserve= of network lan)"},
        {"fd00::5", FALSE, "network lan has no IPv6 subnet, so no port can have fd00::5"},
    };
    g_autoptr(Network) lan = finished(&(Keys){"192.168.1.0/24", "192.168.1.32/27", "192.168.1.40",
                                              "192.168.1.50", "192.168.1.45"});

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;
        PortAddress asked;

        assert_true(port_address_parse(rows[i].asked, &asked, NULL));
        if (addresses_check(&lan->addresses, "lan", !rows[i].by_user, &asked, &error)) {
            assert_null(rows[i].message);
            assert_int_equal(asked.bits, 24);
        } else {
            assert_non_null(rows[i].message);
            assert_non_null(strstr(error->message, rows[i].message));
        }
    }
}

static void
test_what_an_outside_allocator_may_hand_in(void **state)
{
    static const char *const bad[] = {"0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255",
                                      "::",      "::1",       "fe80::1",   "ff02::1"};
    PortAddress own;

    for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;

        assert_true(port_address_parse(bad[i], &own, NULL));
        assert_false(addresses_check_foreign(&own, &error));
        assert_error_cleared(&error, PORT_ERROR, PORT_ERROR_INVALID_REQUEST,
                             "cannot be the address of a port");
    }
    assert_true(port_address_parse("10.0.0.5", &own, NULL) && addresses_check_foreign(&own, NULL));
    assert_int_equal(own.bits, 32);
    assert_true(port_address_parse("fd00::5/64", &own, NULL));
    assert_true(addresses_check_foreign(&own, NULL));
    assert_int_equal(own.bits, 64);
}

static void
test_addresses_as_text(void **state)
{
    static const char *const bad[] = {"",           "lan",        "10.0.0.5/",   "10.0.0.5/33",
                                      "10.0.0.5/0", "10.0.0.5/x", "fd00::1/129", "10.0.0.1/2/3"};
    static const char *const good[] = {"10.0.0.5", "10.0.0.5/24", "fd00::1", "fd00::1/128"};
    char text[PORT_ADDRESS_TEXT_SIZE];
    PortAddress parsed = {.bits = 7};

    for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;

        assert_false(port_address_parse(bad[i], &parsed, &error));
        assert_error_cleared(&error, PORT_ERROR, PORT_ERROR_INVALID_REQUEST, "'");
        assert_int_equal(parsed.bits, 7);
    }
    for (guint i = 0; i < G_N_ELEMENTS(good); i++) {
        assert_true(port_address_parse(good[i], &parsed, NULL));
        assert_string_equal(port_address_format(&parsed, text), good[i]);
    }
}

/* ---- the choice ---- */

/* The addresses that are taken, as texts, and how often the choice has looked. */
typedef struct Taken {
    GHashTable *texts;
    guint n_looks;
} Taken;

static gboolean
is_taken(const IpAddress *one, gpointer user_data)
{
    Taken *taken = user_data;
    char text[IP_ADDRESS_TEXT_SIZE];

    taken->n_looks++;
    return g_hash_table_contains(taken->texts, ip_address_format(one, text));
}

static Taken
taken_new(void)
{
    return (Taken){g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL), 0};
}

/* Chooses for the port of this name, or of user 1000 without one; the text is good until the next
 * call. */
static const char *
choose(const Network *network, AddressFamily family, const char *name, Taken *taken, GError **error)
{
    static char text[IP_ADDRESS_TEXT_SIZE];
    const MacOrigin origin = {.seed = "seed", .name = name, .uid = 1000};
    IpAddress chosen;

    taken->n_looks = 0;
    if (!addresses_choose(&network->addresses, network->name, family, &origin,
                          g_hash_table_size(taken->texts), is_taken, taken, &chosen, error))
        return NULL;
    assert_true(addresses_pool_has(&network->addresses, &chosen));
    return ip_address_format(&chosen, text);
}

static void
test_a_name_has_its_address(void **state)
{
    g_autoptr(Network) lan =
        finished(&(Keys){.subnet = "10.0.0.0/16 fd00::/64", .gateway = "10.0.0.1"});
    Taken taken = taken_new();
    g_autofree char *web = g_strdup(choose(lan, ADDRESS_IPV4, "web", &taken, NULL));
    g_autofree char *web6 = g_strdup(choose(lan, ADDRESS_IPV6, "web", &taken, NULL));
    g_autofree char *other = NULL;

    /* Fixed for ever: a guest expects its address after an upgrade, too. */
    assert_string_equal(web, "10.0.59.149");
    assert_string_equal(web6, "fd00::1286:51a9:57d4:4c6");
    assert_string_equal(choose(lan, ADDRESS_IPV4, "web", &taken, NULL), web);
    assert_string_not_equal(choose(lan, ADDRESS_IPV4, "db", &taken, NULL), web);
    /* Others come and go: the address is the same if it is free, and always the same second one. */
    g_hash_table_add(taken.texts, g_strdup(web));
    other = g_strdup(choose(lan, ADDRESS_IPV4, "web", &taken, NULL));
    assert_string_not_equal(other, web);
    g_hash_table_add(taken.texts, g_strdup("10.0.9.9"));
    assert_string_equal(choose(lan, ADDRESS_IPV4, "web", &taken, NULL), other);
    g_hash_table_remove(taken.texts, web);
    assert_string_equal(choose(lan, ADDRESS_IPV4, "web", &taken, NULL), web);
    g_hash_table_unref(taken.texts);
}

/* Every address is given, none twice, and the end is said. */
static void
test_a_range_is_given_to_its_last_address(void **state)
{
    g_autoptr(Network) lan = finished(
        &(Keys){"10.0.0.0/16", "10.0.32.0/19", "10.0.40.0-10.0.40.9", "10.0.32.5", "10.0.32.6"});
    Taken taken = taken_new();
    guint64 size = addresses_pool_size(&lan->addresses, ADDRESS_IPV4), looks = 0;
    g_autoptr(GError) error = NULL;

    assert_int_equal(size, 8192 - 12);
    for (guint i = 0; i < size; i++) {
        const char *text = choose(lan, ADDRESS_IPV4, NULL, &taken, &error);

        assert_no_error(error);
        assert_true(g_hash_table_add(taken.texts, g_strdup(text)));
        looks += taken.n_looks;
        assert_true(taken.n_looks <= 8 + i + 1);
    }
    /* On average a few looks: the walk does not begin where the last one did. */
    assert_true(looks / size < 100);
    assert_null(choose(lan, ADDRESS_IPV4, NULL, &taken, &error));
    assert_error_cleared(&error, PORT_ERROR, PORT_ERROR_LIMIT_REACHED,
                         "network lan has no free IPv4 address left: all 8180 of its range");
    g_hash_table_unref(taken.texts);
}

static void
test_users_have_a_quarter(void **state)
{
    g_autoptr(Network) none = finished(&(Keys){.subnet = NULL});
    g_autoptr(Network) lan = finished(&(Keys){.subnet = "10.0.0.0/24 fd00::/64"});
    g_autoptr(Network) tiny = finished(&(Keys){.subnet = "10.0.0.0/30"});

    assert_int_equal(addresses_user_share(&none->addresses), 0);
    assert_int_equal(addresses_user_share(&lan->addresses), 254 / 4);
    assert_int_equal(addresses_user_share(&tiny->addresses), 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_pool_is_the_range_without_what_others_have),
        cmocka_unit_test(test_both_ends_of_a_link_are_hosts),
        cmocka_unit_test(test_keys_that_do_not_fit),
        cmocka_unit_test(test_a_router_may_have_a_link_local_address),
        cmocka_unit_test(test_serving_dhcp_needs_ipv4),
        cmocka_unit_test(test_which_addresses_may_be_asked_for),
        cmocka_unit_test(test_what_an_outside_allocator_may_hand_in),
        cmocka_unit_test(test_addresses_as_text),
        cmocka_unit_test(test_a_name_has_its_address),
        cmocka_unit_test(test_a_range_is_given_to_its_last_address),
        cmocka_unit_test(test_users_have_a_quarter),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
