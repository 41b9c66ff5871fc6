/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include "policy.h"
#include "port-error.h"

static const Caller asker = {.pidfd = -1};

static int
setup(void **state)
{
    *state = network_new("lan");
    return 0;
}

static int
teardown(void **state)
{
    network_unref(*state);
    return 0;
}

static MacAddress
mac(const char *text)
{
    MacAddress result;

    assert_true(mac_address_parse(text, &result));
    return result;
}

static void
set_range(Network *network, const char *text)
{
    MacRange range;

    assert_true(mac_range_parse(text, &range));
    g_array_set_size(network->allow_macs, 0);
    g_array_append_val(network->allow_macs, range);
}

static PortRequest
request_mac(const char *text)
{
    return (PortRequest){.has_mac = TRUE, .mac = mac(text)};
}

static void
assert_allowed(const Network *network, PortRequest request)
{
    g_autoptr(GError) error = NULL;
    VhostPolicy vhost;
    guint queues;

    assert_true(policy_check_request(network, &asker, &request, &queues, &vhost, &error));
    assert_no_error(error);
}

static void
assert_refused(const Network *network, PortRequest request, PortError code, const char *text)
{
    GError *error = NULL;
    VhostPolicy vhost = (VhostPolicy)77;
    guint queues = 77;

    assert_false(policy_check_request(network, &asker, &request, &queues, &vhost, &error));
    assert_int_equal(queues, 77);
    assert_int_equal(vhost, 77);
    assert_error_cleared(&error, PORT_ERROR, (int)code, text);
}

static void
test_nobody_but_root_may_use_by_default(void **state)
{
    Caller root = {.uid = 0}, other = {.uid = 1000, .gid = 0};

    assert_true(policy_may_use(*state, &root));
    assert_false(policy_may_use(*state, &other));
}

static void
test_users_and_groups_may_use(void **state)
{
    Network *network = *state;
    const uid_t uids[] = {1000, 1002};
    const gid_t gids[] = {500}, member[] = {7, 500}, stranger[] = {7, 1000};
    Caller caller = {.uid = 1002, .gid = 1};

    g_array_append_vals(network->allow_uids, uids, 2);
    g_array_append_vals(network->allow_gids, gids, 1);
    assert_true(policy_may_use(network, &caller));
    caller = (Caller){.uid = 1001, .gid = 500};
    assert_true(policy_may_use(network, &caller));
    caller = (Caller){.uid = 1001, .gid = 1, .groups = member, .n_groups = 2};
    assert_true(policy_may_use(network, &caller));
    caller = (Caller){.uid = 1001, .gid = 1, .groups = member, .n_groups = 1};
    assert_false(policy_may_use(network, &caller));
    caller = (Caller){.uid = 500, .gid = 1000, .groups = stranger, .n_groups = 2};
    assert_false(policy_may_use(network, &caller));
}

static void
test_an_adhoc_network_is_roots(void **state)
{
    g_autoptr(Network) network = network_parse_adhoc("parent=eth0,mode=bridge", NULL);
    const uid_t uid = 1000;
    Caller root = {.uid = 0}, other = {.uid = uid};

    g_array_append_val(network->allow_uids, uid);
    assert_true(policy_may_use(network, &root));
    assert_false(policy_may_use(network, &other));
}

static void
test_an_empty_request_gets_the_defaults(void **state)
{
    PortRequest request = {0};
    VhostPolicy vhost = VHOST_POLICY_OFF;
    guint queues = 0;

    assert_true(policy_check_request(*state, &asker, &request, &queues, &vhost, NULL));
    assert_int_equal(queues, 1);
    assert_int_equal(vhost, VHOST_POLICY_AUTO);
}

static void
test_a_broken_network_takes_nothing(void **state)
{
    g_autoptr(Network) network = network_new_broken("lan", "lan.network:7: bad");

    assert_refused(network, (PortRequest){0}, PORT_ERROR_NETWORK_INVALID,
                   "network 'lan' cannot be used: lan.network:7: bad");
}

static void
test_names(void **state)
{
    g_autofree char *longest = g_strnfill(64, 'a');
    g_autofree char *longer = g_strnfill(65, 'a');

    assert_allowed(*state, (PortRequest){.name = longest, .interface_name = (char *)"vm7"});
    assert_refused(*state, (PortRequest){.name = longer}, PORT_ERROR_INVALID_REQUEST,
                   "aaaa' cannot be a port's name: 1 to 64");
    assert_refused(*state, (PortRequest){.name = (char *)"../x"}, PORT_ERROR_INVALID_REQUEST,
                   "'../x' cannot be a port's name");
    assert_refused(*state, (PortRequest){.name = (char *)""}, PORT_ERROR_INVALID_REQUEST,
                   "'' cannot be a port's name");
    assert_refused(*state, (PortRequest){.name = (char *)"p0123456789ab"},
                   PORT_ERROR_INVALID_REQUEST, "looks like a port ID");
    assert_refused(*state, (PortRequest){.interface_name = (char *)"1234567890123456"},
                   PORT_ERROR_INVALID_REQUEST, "longer than 15 characters");
}

static void
assert_name(uid_t uid, const char *name, PortError code, const char *text)
{
    const Caller caller = {.uid = uid, .pidfd = -1};
    const PortRequest request = {.interface_name = (char *)name};
    g_autoptr(Network) network = network_new("lan");
    GError *error = NULL;
    VhostPolicy vhost;
    guint queues;

    if (!text) {
        assert_true(policy_check_request(network, &caller, &request, &queues, &vhost, &error));
        assert_no_error(error);
        return;
    }
    assert_false(policy_check_request(network, &caller, &request, &queues, &vhost, &error));
    assert_error_cleared(&error, PORT_ERROR, code, text);
}

/* Nobody but root takes a name that a NIC may come to have. */
static void
test_chosen_interface_names(void **state)
{
    static const char *const anybodys[] = {"vm7", "vm", "mvt0", "vm-7_a.b"};

    for (guint i = 0; i < G_N_ELEMENTS(anybodys); i++) {
        assert_name(0, anybodys[i], PORT_ERROR_SYSTEM, NULL);
        assert_name(1000, anybodys[i], PORT_ERROR_SYSTEM, NULL);
    }
    assert_name(0, "eth7", PORT_ERROR_SYSTEM, NULL);
    assert_name(
        1000, "eth7", PORT_ERROR_ACCESS_DENIED,
        "only root may choose the interface name 'eth7'; user 1000 may choose one that begins "
        "with 'vm' or 'mvt'");
    assert_name(1000, "VM7", PORT_ERROR_ACCESS_DENIED, "'VM7'");
    assert_name(0, "vm;7", PORT_ERROR_INVALID_REQUEST, "'vm;7' cannot be an interface name");
    assert_name(1000, "vm@7", PORT_ERROR_INVALID_REQUEST, "'vm@7' cannot be an interface name");
    assert_name(0, "-vm", PORT_ERROR_INVALID_REQUEST, "the first must be a letter or digit");
}

static void
test_queues(void **state)
{
    Network *network = *state;
    PortRequest request = {.has_queues = TRUE, .queues = 8};
    VhostPolicy vhost;
    guint queues = 0;

    assert_true(policy_check_request(network, &asker, &request, &queues, &vhost, NULL));
    assert_int_equal(queues, 8);
    request.queues = 9;
    assert_refused(network, request, PORT_ERROR_LIMIT_REACHED,
                   "network 'lan' allows a port at most 8 queues, not 9");
    request.queues = 0;
    assert_refused(network, request, PORT_ERROR_INVALID_REQUEST, "queues must be 1 to 256, not 0");
    request.queues = 257;
    assert_refused(network, request, PORT_ERROR_INVALID_REQUEST,
                   "queues must be 1 to 256, not 257");
    network->max_queues = 256;
    request.queues = 256;
    assert_allowed(network, request);
}

static void
test_macs(void **state)
{
    Network *network = *state;
    MacRange second;

    assert_true(mac_range_parse("02:00:00:00:00:01/48", &second));
    assert_refused(network, request_mac("02:00:00:00:00:01"), PORT_ERROR_MAC_NOT_ALLOWED,
                   "does not allow MAC");
    g_array_append_val(network->allow_macs, second);
    assert_allowed(network, request_mac("52:54:00:12:34:56"));
    assert_allowed(network, request_mac("02:00:00:00:00:01"));
    assert_refused(network, request_mac("02:00:00:00:00:02"), PORT_ERROR_MAC_NOT_ALLOWED,
                   "only 52:54:00:00:00:00/24, 02:00:00:00:00:01/48");
    assert_refused(network, request_mac("01:00:5e:00:00:01"), PORT_ERROR_INVALID_REQUEST,
                   "MAC 01:00:5e:00:00:01 is a multicast address; a port needs a unicast one");
    assert_refused(network, request_mac("00:00:00:00:00:00"), PORT_ERROR_INVALID_REQUEST,
                   "a port needs a unicast one");
}

static void
test_macs_by_policy(void **state)
{
    static const struct {
        MacPolicy policy;
        gboolean outside_is_allowed;
    } cases[] = {
        {MAC_POLICY_GENERATE, FALSE},
        {MAC_POLICY_ASSIGN, FALSE},
        {MAC_POLICY_ANY, TRUE},
        {MAC_POLICY_INHERIT, TRUE},
    };
    Network *network = *state;

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        network->mac = cases[i].policy;
        assert_allowed(network, request_mac("52:54:00:12:34:56"));
        if (cases[i].outside_is_allowed)
            assert_allowed(network, request_mac("02:00:00:00:00:01"));
        else
            assert_refused(network, request_mac("02:00:00:00:00:01"), PORT_ERROR_MAC_NOT_ALLOWED,
                           "does not allow MAC");
        assert_refused(network, request_mac("ff:ff:ff:ff:ff:ff"), PORT_ERROR_INVALID_REQUEST,
                       "multicast");
    }
}

static void
test_mtu(void **state)
{
    Network *network = *state;

    assert_allowed(network, (PortRequest){.mtu = 68});
    assert_allowed(network, (PortRequest){.mtu = 65535});
    assert_refused(network, (PortRequest){.mtu = 67}, PORT_ERROR_INVALID_REQUEST,
                   "MTU must be 68 to 65535, not 67");
    assert_refused(network, (PortRequest){.mtu = 65536}, PORT_ERROR_INVALID_REQUEST, "not 65536");
    network->mtu = 1500;
    assert_allowed(network, (PortRequest){.mtu = 1500});
    assert_refused(network, (PortRequest){.mtu = 9000}, PORT_ERROR_MTU_TOO_LARGE,
                   "MTU 9000 is above 1500, the MTU= of network 'lan'");
}

static void
test_only_root_gives_a_port_a_guard(void **state)
{
    static const GuardOwn own = {.is_given = TRUE, .has_senders = TRUE};
    g_autoptr(GArray) prefixes = g_array_new(FALSE, TRUE, sizeof(IpPrefix));
    const Caller user = {.uid = 1000, .pidfd = -1};
    Network *network = *state;
    PortRequest request = {.guard = own};
    g_autoptr(GError) error = NULL;

    assert_allowed(network, request);
    assert_true(policy_check_guard(network, &user, &(GuardOwn){0}, NULL));
    assert_false(policy_check_guard(network, &user, &own, &error));
    assert_error_cleared(&error, PORT_ERROR, PORT_ERROR_ACCESS_DENIED,
                         "only root may give a port its own guard");
    g_array_set_size(prefixes, 1);
    request.guard.settings.prefixes = prefixes;
    assert_refused(network, request, PORT_ERROR_INVALID_REQUEST, "Addresses=any");
    network->guard.addresses = GUARD_ADDRESSES_LISTED;
    assert_allowed(network, request);
    g_array_set_size(prefixes, GUARD_PREFIXES_MAX + 1);
    for (guint i = 0; i < prefixes->len; i++)
        g_array_index(prefixes, IpPrefix, i).prefix_bits = i;
    assert_refused(network, request, PORT_ERROR_INVALID_REQUEST, "at most 32 addresses");
}

static void
test_the_stricter_vhost_wins(void **state)
{
    enum { OFF_REFUSED = 100, REQUIRE_REFUSED };
    /* [network][request] */
    static const int expected[3][3] = {
        [VHOST_POLICY_AUTO] = {VHOST_POLICY_AUTO, VHOST_POLICY_REQUIRE, VHOST_POLICY_OFF},
        [VHOST_POLICY_REQUIRE] = {VHOST_POLICY_REQUIRE, VHOST_POLICY_REQUIRE, OFF_REFUSED},
        [VHOST_POLICY_OFF] = {VHOST_POLICY_OFF, REQUIRE_REFUSED, VHOST_POLICY_OFF},
    };
    Network *network = *state;

    for (guint i = 0; i < 9; i++) {
        PortRequest request = {.has_vhost = TRUE, .vhost = (VhostPolicy)(i % 3)};
        VhostPolicy vhost = VHOST_POLICY_AUTO;
        guint queues;

        network->vhost = (VhostPolicy)(i / 3);
        if (expected[i / 3][i % 3] == OFF_REFUSED) {
            assert_refused(network, request, PORT_ERROR_INVALID_REQUEST,
                           "network 'lan' requires vhost-net");
        } else if (expected[i / 3][i % 3] == REQUIRE_REFUSED) {
            assert_refused(network, request, PORT_ERROR_VHOST_UNAVAILABLE, "(Vhost=off)");
        } else {
            assert_true(policy_check_request(network, &asker, &request, &queues, &vhost, NULL));
            assert_int_equal(vhost, expected[i / 3][i % 3]);
        }
    }
}

/* The MACs that are taken, and how often was asked. */
typedef struct Taken {
    GHashTable *macs; /* text -> text */
    gboolean all;
    guint asked;
} Taken;

static gboolean
is_taken(const MacAddress *address, gpointer user_data)
{
    Taken *taken = user_data;
    char text[MAC_ADDRESS_TEXT_SIZE];

    taken->asked++;
    return taken->all ||
           (taken->macs && g_hash_table_contains(taken->macs, mac_address_format(address, text)));
}

static const MacOrigin web = {.seed = "seed", .name = "web"};

static MacAddress
generate_of(const Network *network, const MacOrigin *origin, Taken *taken)
{
    MacAddress result;
    g_autoptr(GError) error = NULL;

    assert_true(policy_generate_mac(network, origin, is_taken, taken, &result, &error));
    assert_no_error(error);
    return result;
}

static MacAddress
generate(const Network *network, const char *seed, const char *name, Taken *taken)
{
    const MacOrigin origin = {.seed = seed, .name = name};

    return generate_of(network, &origin, taken);
}

static MacAddress
generate_unnamed(const Network *network, uid_t uid, const char *guest_name, Taken *taken)
{
    const MacOrigin origin = {.seed = "seed", .uid = uid, .guest_name = guest_name};

    return generate_of(network, &origin, taken);
}

static void
test_generate_is_stable_and_in_range(void **state)
{
    Taken none = {0};
    MacAddress first = generate(*state, "seed", "web", &none);
    MacAddress again = generate(*state, "seed", "web", &none);
    char text[MAC_ADDRESS_TEXT_SIZE];

    assert_true(mac_address_equal(&first, &again));
    assert_int_equal(none.asked, 2);
    /* printf 'seed\0lan\0web\0%s\0' 0 | sha256sum, octets 3 to 5: a release must not change a VM's
     * MAC. */
    assert_string_equal(mac_address_format(&first, text), "52:54:00:1a:1f:d0");
}

static void
test_generate_depends_on_all_parts(void **state)
{
    g_autoptr(Network) other = network_new("land");
    Taken none = {0};
    MacAddress macs[] = {
        generate(*state, "seed", "web", &none),   generate(*state, "seee", "web", &none),
        generate(*state, "seed", "wec", &none),   generate(other, "seed", "web", &none),
        generate(other, "seed", "eb", &none),     generate(*state, "seed", "dweb", &none),
        generate_unnamed(other, 1, NULL, &none),  generate_unnamed(other, 2, NULL, &none),
        generate_unnamed(other, 2, "web", &none),
    };

    for (guint i = 0; i < G_N_ELEMENTS(macs); i++) {
        for (guint j = 0; j < i; j++)
            assert_false(mac_address_equal(&macs[i], &macs[j]));
    }
}

static void
test_generate_does_not_crowd_around_the_taken(void **state)
{
    g_autoptr(GHashTable) macs = g_hash_table_new(g_str_hash, g_str_equal);
    Taken taken = {.macs = macs};
    MacAddress first = generate(*state, "seed", "web", &taken), second;
    char text[MAC_ADDRESS_TEXT_SIZE];

    g_hash_table_add(macs, mac_address_format(&first, text));
    second = generate(*state, "seed", "web", &taken);
    assert_int_not_equal(first.octets[3], second.octets[3]);
}

static void
test_generate_passes_over_the_taken(void **state)
{
    g_autoptr(GHashTable) macs = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    Taken taken = {.macs = macs};

    for (guint i = 0; i < 20; i++) {
        MacAddress next = generate(*state, "seed", "web", &taken);
        char *text = g_malloc(MAC_ADDRESS_TEXT_SIZE);

        assert_true(g_hash_table_add(macs, mac_address_format(&next, text)));
    }
}

static void
fill_range(const char *range, guint size)
{
    g_autoptr(Network) network = network_new("lan");
    g_autoptr(GHashTable) macs = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    Taken taken = {.macs = macs};
    MacAddress result;
    GError *error = NULL;

    set_range(network, range);
    for (guint i = 0; i < size; i++) {
        MacAddress next = generate(network, "seed", "web", &taken);
        char *text = g_malloc(MAC_ADDRESS_TEXT_SIZE);

        assert_true(mac_range_contains(&g_array_index(network->allow_macs, MacRange, 0), &next));
        assert_true(g_hash_table_add(macs, mac_address_format(&next, text)));
    }
    assert_false(policy_generate_mac(network, &web, is_taken, &taken, &result, &error));
    assert_error_cleared(&error, PORT_ERROR, PORT_ERROR_MAC_CONFLICT, range);
}

static void
test_generate_finds_the_last_free_one(void **state)
{
    fill_range("52:54:00:00:00:01/48", 1);
    fill_range("52:54:00:00:00:04/46", 4);
    fill_range("52:54:00:00:00:00/39", 512);
    /* the first of these is zero, which no device may have */
    fill_range("00:00:00:00:00:00/46", 3);
}

static void
test_generate_gives_up_in_a_full_range(void **state)
{
    Taken all = {.all = TRUE};
    MacAddress result = mac("02:00:00:00:00:09"), before = result;
    GError *error = NULL;

    assert_false(policy_generate_mac(*state, &web, is_taken, &all, &result, &error));
    assert_error_cleared(&error, PORT_ERROR, PORT_ERROR_MAC_CONFLICT,
                         "no free MAC address is left for network 'lan' in 52:54:00:00:00:00/24");
    assert_true(mac_address_equal(&result, &before));
    assert_in_range(all.asked, 65536, 65536 + 64);
}

static void
test_generate_in_wide_ranges_is_sane(void **state)
{
    static const struct {
        const char *range;
        guint8 mask, bits; /* of the first octet */
    } cases[] = {
        {"00:00:00:00:00:00/0", 0x03, 0x02}, {"80:00:00:00:00:00/1", 0x83, 0x82},
        {"40:00:00:00:00:00/6", 0xff, 0x42}, {"40:00:00:00:00:00/7", 0xff, 0x40},
        {"42:00:00:00:00:00/7", 0xff, 0x42},
    };
    Network *network = *state;
    Taken none = {0};

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        set_range(network, cases[i].range);
        for (guint j = 0; j < 50; j++) {
            g_autofree char *name = g_strdup_printf("vm%u", j);
            MacAddress next = generate(network, "seed", name, &none);

            assert_int_equal(next.octets[0] & cases[i].mask, cases[i].bits);
        }
    }
}

static void
test_generate_without_ranges_takes_qemus(void **state)
{
    Network *network = *state;
    Taken none = {0};
    MacAddress with = generate(network, "seed", "web", &none), without;

    g_array_set_size(network->allow_macs, 0);
    without = generate(network, "seed", "web", &none);
    assert_true(mac_address_equal(&with, &without));
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_nobody_but_root_may_use_by_default),
        CASE(test_users_and_groups_may_use),
        CASE(test_an_adhoc_network_is_roots),
        CASE(test_an_empty_request_gets_the_defaults),
        CASE(test_a_broken_network_takes_nothing),
        CASE(test_names),
        CASE(test_chosen_interface_names),
        CASE(test_queues),
        CASE(test_macs),
        CASE(test_macs_by_policy),
        CASE(test_mtu),
        CASE(test_only_root_gives_a_port_a_guard),
        CASE(test_the_stricter_vhost_wins),
        CASE(test_generate_is_stable_and_in_range),
        CASE(test_generate_depends_on_all_parts),
        CASE(test_generate_does_not_crowd_around_the_taken),
        CASE(test_generate_passes_over_the_taken),
        CASE(test_generate_finds_the_last_free_one),
        CASE(test_generate_gives_up_in_a_full_range),
        CASE(test_generate_in_wide_ranges_is_sane),
        CASE(test_generate_without_ranges_takes_qemus),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
