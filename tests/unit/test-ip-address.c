/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include "error.h"
#include "ip-address.h"

#include <errno.h>

static IpAddress
address(const char *text)
{
    IpAddress result;

    assert_true(ip_address_parse(text, &result));
    return result;
}

static IpPrefix
prefix(const char *text)
{
    g_autoptr(GError) error = NULL;
    IpPrefix result;

    ip_prefix_parse(text, &result, &error);
    assert_no_error(error);
    return result;
}

static void
test_parse_reads_every_byte(void **state)
{
    IpAddress ipv4 = address("192.0.2.7"), ipv6 = address("2001:DB8::a:0");
    const guint8 four[16] = {[10] = 0xff, [11] = 0xff, [12] = 192, [13] = 0, [14] = 2, [15] = 7};
    const guint8 six[16] = {0x20, 0x01, 0x0d, 0xb8, [13] = 0x0a};

    assert_memory_equal(ipv4.bytes, four, 16);
    assert_memory_equal(ipv6.bytes, six, 16);
    assert_true(ip_address_is_ipv4(&ipv4));
    assert_false(ip_address_is_ipv4(&ipv6));
    ipv6 = ip_address_from_ipv4(four + 12);
    assert_true(ip_address_equal(&ipv4, &ipv6));
}

static void
test_parse_refuses_and_leaves_the_result_alone(void **state)
{
    static const char *const bad[] = {
        "",          "1.2.3",          "1.2.3.4.5",      "1.2.3.256",  "01.2.3.4", "1.2.3.4 ",
        "fe80::1%1", "::ffff:1.2.3.4", "::ffff:102:304", "1.2.3.4/32", "g::",      "::1::",
    };
    IpAddress result = {{1, 2, 3}};
    const IpAddress before = result;

    for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
        assert_false(ip_address_parse(bad[i], &result));
        assert_memory_equal(&result, &before, sizeof(result));
    }
}

static void
test_format_is_canonical(void **state)
{
    static const char *const texts[][2] = {
        {"192.0.2.7", "192.0.2.7"},
        {"0.0.0.0", "0.0.0.0"},
        {"::", "::"},
        {"::1", "::1"},
        {"2001:DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},
        {"2001:0db8:ffff:ffff:ffff:ffff:ffff:ffff", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"},
    };
    char text[IP_ADDRESS_TEXT_SIZE];

    for (guint i = 0; i < G_N_ELEMENTS(texts); i++) {
        IpAddress parsed = address(texts[i][0]);

        assert_ptr_equal(ip_address_format(&parsed, text), text);
        assert_string_equal(text, texts[i][1]);
    }
}

static void
test_equal_looks_at_every_byte(void **state)
{
    IpAddress a = address("2001:db8::1");

    for (guint i = 0; i < 16; i++) {
        IpAddress b = a;

        b.bytes[i] ^= 0x80;
        assert_false(ip_address_equal(&a, &b));
    }
}

static void
test_prefix_is_counted_in_128_bits(void **state)
{
    assert_int_equal(prefix("10.0.0.0/8").prefix_bits, 104);
    assert_int_equal(prefix("0.0.0.0/0").prefix_bits, 96);
    assert_int_equal(prefix("10.1.2.3").prefix_bits, 128);
    assert_int_equal(prefix("10.1.2.3/32").prefix_bits, 128);
    assert_int_equal(prefix("fd00::/8").prefix_bits, 8);
    assert_int_equal(prefix("fd00::1").prefix_bits, 128);
    assert_int_equal(prefix("::/0").prefix_bits, 0);
}

static void
test_prefix_format_parses_back(void **state)
{
    static const char *const texts[] = {"10.0.0.0/8", "0.0.0.0/0", "10.1.2.3",
                                        "fd00::/8",   "::/0",      "2001:db8::/64",
                                        "fd00::1",    "::/96",     "128.0.0.0/1"};
    char text[IP_PREFIX_TEXT_SIZE];

    for (guint i = 0; i < G_N_ELEMENTS(texts); i++) {
        IpPrefix parsed = prefix(texts[i]);

        assert_ptr_equal(ip_prefix_format(&parsed, text), text);
        assert_string_equal(text, texts[i]);
    }
}

static void
test_prefix_refuses_in_the_users_words(void **state)
{
    static const char *const bad[][2] = {
        {"", "neither an IP address nor a prefix"},
        {"eth0", "'eth0' is neither"},
        {"/24", "neither an IP address nor a prefix"},
        {"10.0.0.0/", "must have a length of 0 to 32"},
        {"10.0.0.0/33", "must have a length of 0 to 32"},
        {"10.0.0.0/-1", "must have a length of 0 to 32"},
        {"10.0.0.0/255.0.0.0", "must have a length of 0 to 32"},
        {"fd00::/129", "must have a length of 0 to 128"},
        {"10.0.0.0/8/8", "must have a length of 0 to 32"},
        {"192.168.1.5/24",
         "after the /24: write '192.168.1.5' for one address, or '192.168.1.0/24'"},
        {"fd00::5/64", "after the /64: write 'fd00::5' for one address, or 'fd00::/64'"},
        {"\n", "'\\n' is neither"},
    };
    IpPrefix result = {.prefix_bits = 7};
    g_autoptr(GError) error = NULL;

    for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
        assert_false(ip_prefix_parse(bad[i][0], &result, &error));
        assert_error_cleared(&error, ERRNO_ERROR, EINVAL, bad[i][1]);
        assert_int_equal(result.prefix_bits, 7);
    }
}

static gboolean
has(const char *prefix_text, const char *address_text)
{
    IpPrefix of = prefix(prefix_text);
    IpAddress one = address(address_text);

    return ip_prefix_contains(&of, &one);
}

static void
test_prefix_contains(void **state)
{
    assert_true(has("192.168.1.0/24", "192.168.1.255"));
    assert_false(has("192.168.1.0/24", "192.168.2.0"));
    assert_true(has("192.168.1.64/26", "192.168.1.127"));
    assert_false(has("192.168.1.64/26", "192.168.1.128"));
    assert_true(has("10.0.0.1", "10.0.0.1"));
    assert_false(has("10.0.0.1", "10.0.0.0"));
    assert_true(has("fd00::/64", "fd00::ffff:ffff:ffff:ffff"));
    assert_false(has("fd00::/64", "fd00:0:0:1::"));
}

static void
test_prefix_has_addresses_of_one_family(void **state)
{
    assert_true(has("0.0.0.0/0", "255.255.255.255"));
    assert_false(has("0.0.0.0/0", "::1"));
    assert_true(has("::/0", "2001:db8::1"));
    assert_false(has("::/0", "10.0.0.1"));
    assert_false(has("::/64", "10.0.0.1"));
}

static void
test_prefix_equal(void **state)
{
    IpPrefix a = prefix("10.0.0.0/8"), b = prefix("10.0.0.0/9"), c = prefix("11.0.0.0/8");

    assert_true(ip_prefix_equal(&a, &a));
    assert_false(ip_prefix_equal(&a, &b));
    assert_false(ip_prefix_equal(&a, &c));
}

static IpRange
range(const char *text)
{
    g_autoptr(GError) error = NULL;
    IpRange result;

    ip_range_parse(text, &result, &error);
    assert_no_error(error);
    return result;
}

static void
test_a_range_has_its_ends(void **state)
{
    static const char *const same[][4] = {
        {"10.0.0.32/27", "10.0.0.32", "10.0.0.63", "10.0.0.32/27"},
        {"10.0.0.32-10.0.0.63", "10.0.0.32", "10.0.0.63", "10.0.0.32/27"},
        {"10.0.0.5-10.0.0.9", "10.0.0.5", "10.0.0.9", "10.0.0.5-10.0.0.9"},
        {"10.0.0.33-10.0.0.64", "10.0.0.33", "10.0.0.64", "10.0.0.33-10.0.0.64"},
        {"10.0.0.5", "10.0.0.5", "10.0.0.5", "10.0.0.5"},
        {"0.0.0.0/0", "0.0.0.0", "255.255.255.255", "0.0.0.0/0"},
        {"fd00::/64", "fd00::", "fd00::ffff:ffff:ffff:ffff", "fd00::/64"},
        {"fd00::1-fd00::ff", "fd00::1", "fd00::ff", "fd00::1-fd00::ff"},
    };
    char text[IP_RANGE_TEXT_SIZE];

    for (guint i = 0; i < G_N_ELEMENTS(same); i++) {
        const IpRange read = range(same[i][0]);
        const IpAddress first = address(same[i][1]), last = address(same[i][2]);

        assert_true(ip_address_equal(&read.first, &first));
        assert_true(ip_address_equal(&read.last, &last));
        assert_string_equal(ip_range_format(&read, text), same[i][3]);
    }
}

static void
test_what_is_in_a_range(void **state)
{
    const IpRange few = range("10.0.0.5-10.0.0.9");
    const IpAddress inside = address("10.0.0.9"), below = address("10.0.0.4"),
                    above = address("10.0.0.10"), other = address("fd00::7");

    assert_true(ip_range_contains(&few, &few.first) && ip_range_contains(&few, &inside));
    assert_false(ip_range_contains(&few, &below));
    assert_false(ip_range_contains(&few, &above));
    assert_false(ip_range_contains(&few, &other));
}

static void
test_what_is_no_range(void **state)
{
    static const char *const bad[][2] = {
        {"10.0.0.9-10.0.0.5", "'10.0.0.9-10.0.0.5' ends before it begins"},
        {"10.0.0.9-fd00::5", "begins in one address family and ends in the other"},
        {"10.0.0.9-", "is neither an IP address, a prefix (ADDRESS/BITS) nor a range (FIRST-LAST)"},
        {"10.0.0.9-10.0.0.12-10.0.0.15", "nor a range"},
        {"10.0.0.9/24", "has bits set after the /24"},
        {"lan", "is neither"},
    };

    for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;
        IpRange result;

        assert_false(ip_range_parse(bad[i][0], &result, &error));
        assert_error_cleared(&error, ERRNO_ERROR, EINVAL, bad[i][1]);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse_reads_every_byte),
        cmocka_unit_test(test_parse_refuses_and_leaves_the_result_alone),
        cmocka_unit_test(test_format_is_canonical),
        cmocka_unit_test(test_equal_looks_at_every_byte),
        cmocka_unit_test(test_prefix_is_counted_in_128_bits),
        cmocka_unit_test(test_prefix_format_parses_back),
        cmocka_unit_test(test_prefix_refuses_in_the_users_words),
        cmocka_unit_test(test_prefix_contains),
        cmocka_unit_test(test_prefix_has_addresses_of_one_family),
        cmocka_unit_test(test_prefix_equal),
        cmocka_unit_test(test_a_range_has_its_ends),
        cmocka_unit_test(test_what_is_in_a_range),
        cmocka_unit_test(test_what_is_no_range),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
