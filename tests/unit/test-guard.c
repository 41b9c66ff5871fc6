/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include "guard.h"
#include "port-error.h"

static const GuardPlace bridge = {.can_guard = TRUE};
static const GuardPlace passthru = {.can_guard = TRUE, .is_passthru = TRUE};
static const GuardPlace tagged = {.can_guard = TRUE, .has_guest_vlans = TRUE};
static const GuardPlace nowhere = {.can_guard = FALSE};

/* "a b c" */
static GArray *
prefixes(const char *text)
{
    GArray *array = g_array_new(FALSE, FALSE, sizeof(IpPrefix));
    g_auto(GStrv) words = g_strsplit(text, " ", -1);

    for (char **word = words; *word; word++) {
        IpPrefix prefix;

        assert_true(ip_prefix_parse(*word, &prefix, NULL));
        g_array_append_val(array, prefix);
    }
    return array;
}

static char *
list(const GuardSettings *settings)
{
    GString *text = g_string_new(NULL);

    for (guint i = 0; settings->prefixes && i < settings->prefixes->len; i++) {
        char prefix[IP_PREFIX_TEXT_SIZE];

        g_string_append_printf(
            text, "%s%s", i > 0 ? " " : "",
            ip_prefix_format(&g_array_index(settings->prefixes, IpPrefix, i), prefix));
    }
    return g_string_free(text, FALSE);
}

static GuardSettings
resolve(const GuardSettings *network, const GuardOwn *own, const GuardPlace *place)
{
    g_autoptr(GError) error = NULL;
    GuardSettings settings = {0};

    guard_resolve(network, own, place, &settings, &error);
    assert_no_error(error);
    return settings;
}

static void
test_default_is_the_ports_own_mac(void **state)
{
    const GuardSettings network = {0};
    GuardSettings settings = resolve(&network, NULL, &bridge);

    assert_int_equal(settings.senders, GUARD_SENDERS_OWN);
    assert_int_equal(settings.verdict, GUARD_VERDICT_DROP);
    assert_int_equal(settings.addresses, GUARD_ADDRESSES_ANY);
    assert_int_equal(settings.allow, 0);
    assert_true(guard_is_on(&settings));
    assert_false(guard_is_required(&network, NULL));
}

static void
test_default_of_passthru_lets_all_pass(void **state)
{
    GuardSettings network = {0};
    GuardSettings settings = resolve(&network, NULL, &passthru);

    assert_int_equal(settings.senders, GUARD_SENDERS_ANY);
    assert_int_equal(settings.allow, GUARD_ALLOW_ALL);
    assert_false(guard_is_on(&settings));

    network.senders = GUARD_SENDERS_OWN;
    settings = resolve(&network, NULL, &passthru);
    assert_int_equal(settings.senders, GUARD_SENDERS_OWN);
    assert_int_equal(settings.allow, 0);
}

static void
test_any_lets_all_pass_unless_allow_is_given(void **state)
{
    GuardSettings network = {.senders = GUARD_SENDERS_ANY};
    GuardSettings settings = resolve(&network, NULL, &bridge);

    assert_int_equal(settings.allow, GUARD_ALLOW_ALL);
    network.allow = GUARD_ALLOW_NONE;
    settings = resolve(&network, NULL, &bridge);
    assert_int_equal(settings.allow, 0);
    assert_true(guard_is_on(&settings));
    network.allow = GUARD_ALLOW_ROUTER;
    settings = resolve(&network, NULL, &bridge);
    assert_int_equal(settings.allow, GUARD_ALLOW_ROUTER);
    network = (GuardSettings){.senders = GUARD_SENDERS_ANY, .addresses = GUARD_ADDRESSES_DHCP};
    settings = resolve(&network, NULL, &bridge);
    assert_int_equal(settings.allow, 0);
}

static void
test_guest_vlans_allow_tags(void **state)
{
    const GuardSettings network = {0};
    GuardSettings settings = resolve(&network, NULL, &tagged);

    assert_int_equal(settings.senders, GUARD_SENDERS_OWN);
    assert_int_equal(settings.allow, GUARD_ALLOW_VLAN);
}

static void
test_without_a_datapath_all_pass(void **state)
{
    GuardSettings network = {.verdict = GUARD_VERDICT_COUNT};
    GuardSettings settings = resolve(&network, NULL, &nowhere);
    const GuardOwn own = {.has_addresses = TRUE, .settings.addresses = GUARD_ADDRESSES_LISTED};

    assert_int_equal(settings.senders, GUARD_SENDERS_ANY);
    assert_false(guard_is_on(&settings));
    assert_true(guard_is_required(&network, &own));
    network.senders = GUARD_SENDERS_OWN;
    assert_true(guard_is_required(&network, NULL));
    network = (GuardSettings){.addresses = GUARD_ADDRESSES_DHCP};
    assert_true(guard_is_required(&network, NULL));
}

static void
test_own_goes_over_the_networks(void **state)
{
    const GuardSettings network = {
        .senders = GUARD_SENDERS_OWN, .addresses = GUARD_ADDRESSES_DHCP, .allow = GUARD_ALLOW_LLDP};
    const GuardOwn senders = {.has_senders = TRUE, .settings.senders = GUARD_SENDERS_ANY};
    const GuardOwn verdict = {.has_verdict = TRUE, .settings.verdict = GUARD_VERDICT_COUNT};
    const GuardOwn nothing = {.has_allow = TRUE};
    GuardSettings settings = resolve(&network, &senders, &bridge);

    assert_int_equal(settings.senders, GUARD_SENDERS_ANY);
    assert_int_equal(settings.addresses, GUARD_ADDRESSES_DHCP);
    assert_int_equal(settings.allow, GUARD_ALLOW_LLDP);
    settings = resolve(&network, &verdict, &bridge);
    assert_int_equal(settings.verdict, GUARD_VERDICT_COUNT);
    assert_int_equal(settings.senders, GUARD_SENDERS_OWN);
    settings = resolve(&network, &nothing, &bridge);
    assert_int_equal(settings.allow, 0);
}

static void
test_addresses_of_both_are_joined(void **state)
{
    g_autoptr(GArray) mine = prefixes("10.0.0.9 10.1.0.0/16"),
                      theirs = prefixes("10.1.0.0/16 fd00::/64");
    GuardSettings network = {.addresses = GUARD_ADDRESSES_LISTED, .prefixes = theirs};
    GuardOwn own = {.settings.prefixes = mine};
    g_auto(GuardSettings) settings = resolve(&network, &own, &bridge), none = {0};
    g_autofree char *text = list(&settings);

    assert_string_equal(text, "10.0.0.9 10.1.0.0/16 fd00::/64");
    assert_int_equal(theirs->len, 2);
    network.addresses = GUARD_ADDRESSES_ANY;
    none = resolve(&network, &own, &bridge);
    assert_null(none.prefixes);
}

static void
test_too_many_addresses_are_refused(void **state)
{
    g_autoptr(GArray) mine = prefixes("10.0.0.9"),
                      theirs = g_array_new(FALSE, FALSE, sizeof(IpPrefix));
    const GuardSettings network = {.addresses = GUARD_ADDRESSES_LISTED, .prefixes = theirs};
    const GuardOwn own = {.settings.prefixes = mine};
    g_auto(GuardSettings) settings = {0};
    g_autoptr(GError) error = NULL;

    for (guint8 i = 0; i < GUARD_PREFIXES_MAX; i++) {
        IpPrefix prefix = {ip_address_from_ipv4((const guint8[]){192, 0, 2, i}), 128};

        g_array_append_val(theirs, prefix);
    }
    assert_false(guard_resolve(&network, &own, &bridge, &settings, &error));
    assert_error_cleared(
        &error, PORT_ERROR, PORT_ERROR_INVALID_REQUEST,
        "at most 32 addresses: the port's own and those in AllowAddresses= of its network"
        " are 33");
    assert_null(settings.prefixes);
    g_array_set_size(theirs, GUARD_PREFIXES_MAX - 1);
    settings = resolve(&network, &own, &bridge);
    assert_int_equal(settings.prefixes->len, GUARD_PREFIXES_MAX);
}

static void
test_own_addresses_need_a_guard_of_addresses(void **state)
{
    g_autoptr(GArray) mine = prefixes("10.0.0.9");
    GuardSettings network = {0};
    GuardOwn own = {.settings.prefixes = mine};
    g_autoptr(GError) error = NULL;

    assert_false(guard_check_own(&network, &own, &error));
    assert_error_cleared(&error, PORT_ERROR, PORT_ERROR_INVALID_REQUEST,
                         "addresses=listed or dhcp");
    own.has_addresses = TRUE;
    own.settings.addresses = GUARD_ADDRESSES_LISTED;
    assert_true(guard_check_own(&network, &own, NULL));
    own = (GuardOwn){.settings.prefixes = mine};
    network.addresses = GUARD_ADDRESSES_DHCP;
    assert_true(guard_check_own(&network, &own, NULL));
}

static void
test_copies_are_equal_and_apart(void **state)
{
    g_autoptr(GArray) some = prefixes("10.0.0.9 fd00::/64");
    const GuardSettings a = {GUARD_SENDERS_OWN, GUARD_VERDICT_COUNT, GUARD_ADDRESSES_DHCP,
                             GUARD_ALLOW_STP, some};
    g_auto(GuardSettings) b = {0};

    guard_settings_copy(&a, &b);
    assert_true(guard_settings_equal(&a, &b));
    assert_ptr_not_equal(a.prefixes, b.prefixes);
    g_array_index(b.prefixes, IpPrefix, 1).prefix_bits = 60;
    assert_false(guard_settings_equal(&a, &b));
    g_array_set_size(b.prefixes, 1);
    assert_false(guard_settings_equal(&a, &b));
    for (int i = 0; i < 4; i++) {
        GuardSettings c = a;

        c.senders -= i == 0;
        c.verdict -= i == 1;
        c.addresses -= i == 2;
        c.allow -= i == 3;
        assert_false(guard_settings_equal(&a, &c));
    }
}

static void
test_names(void **state)
{
    assert_string_equal(guard_senders_name(GUARD_SENDERS_OWN), "own");
    assert_string_equal(guard_verdict_name(GUARD_VERDICT_COUNT), "count");
    assert_string_equal(guard_addresses_name(GUARD_ADDRESSES_DHCP), "dhcp");
    assert_string_equal(guard_allow_name(1), "dhcp-server");
    assert_string_equal(guard_allow_name(GUARD_ALLOW_COUNT - 1), "none");
    assert_string_equal(guard_seen_name(GUARD_SEEN_ND), "nd");
    assert_null(guard_seen_name(0));
    assert_null(guard_seen_name(4));
    assert_string_equal(guard_reason_name(GUARD_OTHER_MAC), "other-mac");
    assert_null(guard_reason_name(GUARD_REASON_COUNT));
}

/* No two reasons look the same, neither to programs nor to people. */
static void
test_every_reason_has_a_name_and_a_sentence(void **state)
{
    g_autoptr(GHashTable) names = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(GHashTable) texts = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    const MacAddress mac = {{0x52, 0x54, 0, 0, 0, 2}};

    for (guint i = 0; i < GUARD_REASON_COUNT; i++) {
        char *text = guard_describe_drop(i, NULL, 0, &mac);

        assert_non_null(text);
        assert_true(g_str_has_prefix(text, "a") || g_str_has_prefix(text, "I"));
        assert_true(g_hash_table_add(texts, text));
        assert_true(g_hash_table_add(names, (gpointer)guard_reason_name(i)));
    }
    g_hash_table_add(texts, guard_describe_drop(GUARD_REASON_COUNT, NULL, 0, &mac));
    assert_true(g_hash_table_contains(texts, "a frame"));
}

/* "0011 22…": the spaces are for people. */
static GByteArray *
frame_of(const char *hex)
{
    GByteArray *bytes = g_byte_array_new();

    for (; *hex; hex += 2) {
        guint8 byte;

        while (*hex == ' ')
            hex++;
        byte = (guint8)(g_ascii_xdigit_value(hex[0]) << 4 | g_ascii_xdigit_value(hex[1]));
        g_byte_array_append(bytes, &byte, 1);
    }
    return bytes;
}

#define ETHERNET "ffffffffffff 020000000001 "
#define ARP "0001 0800 06 04 0001 0200000000ff c0a80105 000000000000 c0a80101"
#define IPV4 "4500001c 00010000 40110000 c0a80106 c0a80101"
#define IPV6                                                                                       \
    "60000000 0020 3a ff fe80000000000000 0000000000000001 ff02000000000000 0000000000000001"
#define ADVERTISEMENT "88000000 20000000 20010db8000000000000000000000007"

static void
test_an_example_is_told(void **state)
{
    static const struct {
        GuardReason reason;
        const char *frame, *text;
    } cases[] = {
        {GUARD_OTHER_MAC, ETHERNET "0800",
         "a frame from MAC 02:00:00:00:00:01; the port has 52:54:00:00:00:02"},
        {GUARD_ARP_MAC, ETHERNET "0806" ARP,
         "an ARP packet that names MAC 02:00:00:00:00:ff; the port has 52:54:00:00:00:02"},
        {GUARD_ARP_ADDRESS, ETHERNET "0806" ARP,
         "an ARP packet that claims 192.168.1.5, which is not the port's"},
        {GUARD_IPV4_ADDRESS, ETHERNET "0800" IPV4,
         "an IPv4 packet from 192.168.1.6, which is not the port's"},
        {GUARD_IPV4_ADDRESS, ETHERNET "88a8 0064 8100 00c8 0800" IPV4,
         "an IPv4 packet from 192.168.1.6, which is not the port's"},
        {GUARD_IPV6_ADDRESS, ETHERNET "86dd" IPV6,
         "an IPv6 packet from fe80::1, which is not the port's"},
        {GUARD_ND_ADDRESS, ETHERNET "86dd" IPV6 ADVERTISEMENT,
         "a neighbour advertisement for 2001:db8::7, which is not the port's"},
        {GUARD_ND_ADDRESS, ETHERNET "86dd" IPV6,
         "a neighbour advertisement for an address other than the port's"},
        {GUARD_VLAN_TAG, ETHERNET "8100 2064 0800",
         "a frame with the VLAN tag 100 (GuestVLANs= or Allow=vlan lets it pass)"},
        {GUARD_VLAN_TAG, ETHERNET "0800",
         "a frame with a VLAN tag (GuestVLANs= or Allow=vlan lets it pass)"},
        {GUARD_OTHER_PROTOCOL, ETHERNET "8808",
         "a frame of EtherType 0x8808 (Allow=other lets it pass)"},
        {GUARD_OTHER_PROTOCOL, ETHERNET "0026",
         "a frame that is neither IP nor ARP (Allow=other lets it pass)"},
    };
    const MacAddress mac = {{0x52, 0x54, 0, 0, 0, 2}};

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GByteArray) frame = frame_of(cases[i].frame);
        g_autofree char *text = guard_describe_drop(cases[i].reason, frame->data, frame->len, &mac);

        assert_string_equal(text, cases[i].text);
    }
}

/* Valgrind and the sanitizers see a byte too many: each is in a block of its own. */
static void
test_an_example_may_end_anywhere(void **state)
{
    g_autoptr(GByteArray) frame = frame_of(ETHERNET "8100 0064 86dd" IPV6 ADVERTISEMENT);
    const MacAddress mac = {{0}};

    for (guint length = 0; length <= frame->len; length++) {
        g_autofree guint8 *copy = g_memdup2(frame->data, length);

        for (guint reason = 0; reason < GUARD_REASON_COUNT; reason++) {
            g_autofree char *text = guard_describe_drop(reason, copy, length, &mac);

            assert_true(g_utf8_validate(text, -1, NULL));
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_default_is_the_ports_own_mac),
        cmocka_unit_test(test_default_of_passthru_lets_all_pass),
        cmocka_unit_test(test_any_lets_all_pass_unless_allow_is_given),
        cmocka_unit_test(test_guest_vlans_allow_tags),
        cmocka_unit_test(test_without_a_datapath_all_pass),
        cmocka_unit_test(test_own_goes_over_the_networks),
        cmocka_unit_test(test_addresses_of_both_are_joined),
        cmocka_unit_test(test_too_many_addresses_are_refused),
        cmocka_unit_test(test_own_addresses_need_a_guard_of_addresses),
        cmocka_unit_test(test_copies_are_equal_and_apart),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_every_reason_has_a_name_and_a_sentence),
        cmocka_unit_test(test_an_example_is_told),
        cmocka_unit_test(test_an_example_may_end_anywhere),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
