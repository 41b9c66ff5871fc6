/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include "mac-address.h"

static MacAddress
mac(const char *text)
{
    MacAddress result;

    assert_true(mac_address_parse(text, &result));
    return result;
}

static void
test_parse_reads_every_octet(void **state)
{
    MacAddress result = mac("52:54:00:Ab:cD:0f");
    const guint8 expected[] = {0x52, 0x54, 0x00, 0xab, 0xcd, 0x0f};

    assert_memory_equal(result.octets, expected, sizeof(expected));
}

static void
test_parse_refuses_and_leaves_the_result_alone(void **state)
{
    static const char *const bad[] = {
        "",
        "52:54:00:00:00",
        "52:54:00:00:00:00:00",
        "52-54-00-00-00-00",
        "525400000000",
        "5:254:00:00:00:00",
        "52:54:00:00:00:0g",
        " 52:54:00:00:00:0",
        "52:54:00:00:00:00 ",
        "52:54:00:00:00:+1",
        "52:54:00:00:00:0x",
    };
    MacAddress result = {{1, 2, 3, 4, 5, 6}};
    const MacAddress before = result;

    for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
        assert_false(mac_address_parse(bad[i], &result));
        assert_memory_equal(&result, &before, sizeof(result));
    }
}

static void
test_format_is_lower_case_and_parses_back(void **state)
{
    MacAddress address = mac("0A:B0:FF:00:9c:1D");
    MacAddress again;
    char text[MAC_ADDRESS_TEXT_SIZE];

    assert_ptr_equal(mac_address_format(&address, text), text);
    assert_string_equal(text, "0a:b0:ff:00:9c:1d");
    again = mac(text);
    assert_true(mac_address_equal(&address, &again));
}

static void
test_equal_looks_at_every_octet(void **state)
{
    MacAddress a = mac("52:54:00:12:34:56");

    for (guint i = 0; i < 6; i++) {
        MacAddress b = a;

        b.octets[i] ^= 0x80;
        assert_false(mac_address_equal(&a, &b));
    }
}

static void
test_kinds(void **state)
{
    MacAddress zero = mac("00:00:00:00:00:00");
    MacAddress last = mac("00:00:00:00:00:01");
    MacAddress broadcast = mac("ff:ff:ff:ff:ff:ff");
    MacAddress group = mac("01:00:5e:00:00:01");
    MacAddress local = mac("02:00:00:00:00:01");

    assert_true(mac_address_is_zero(&zero));
    assert_false(mac_address_is_zero(&last));
    assert_true(mac_address_is_multicast(&broadcast));
    assert_true(mac_address_is_multicast(&group));
    assert_false(mac_address_is_multicast(&local));
    assert_false(mac_address_is_multicast(&zero));
}

static gboolean
range_has(const char *range_text, const char *mac_text)
{
    MacAddress address = mac(mac_text);
    MacRange range;

    assert_true(mac_range_parse(range_text, &range));
    return mac_range_contains(&range, &address);
}

static void
test_range_contains(void **state)
{
    assert_true(range_has("52:54:00:00:00:00/24", "52:54:00:ff:ff:ff"));
    assert_false(range_has("52:54:00:00:00:00/24", "52:54:01:00:00:00"));
    assert_true(range_has("52:54:00:00:00:40/42", "52:54:00:00:00:7f"));
    assert_false(range_has("52:54:00:00:00:40/42", "52:54:00:00:00:80"));
    assert_false(range_has("52:54:00:00:00:40/42", "52:54:00:00:00:3f"));
    assert_true(range_has("00:00:00:00:00:00/0", "ff:ff:ff:ff:ff:ff"));
    assert_true(range_has("80:00:00:00:00:00/1", "ff:00:00:00:00:00"));
    assert_false(range_has("80:00:00:00:00:00/1", "7f:00:00:00:00:00"));
    assert_true(range_has("52:54:00:00:00:01", "52:54:00:00:00:01"));
    assert_false(range_has("52:54:00:00:00:01", "52:54:00:00:00:00"));
}

static void
test_range_refuses_and_leaves_the_result_alone(void **state)
{
    static const char *const bad[] = {
        "",
        "/24",
        "52:54:00:00:00:00/",
        "52:54:00:00:00:00/49",
        "52:54:00:00:00:00/-1",
        "52:54:00:00:00:00/24 ",
        "52:54:00:00:00:00/24/24",
        "52:54:00:00:00:01/24",
        "52:54:00:00:00:20/42",
        "52:54:00/24",
    };
    MacRange range = {.prefix_bits = 7};

    for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
        assert_false(mac_range_parse(bad[i], &range));
        assert_int_equal(range.prefix_bits, 7);
    }
}

static void
test_range_format_parses_back(void **state)
{
    MacRange range;
    g_autofree char *text = NULL;

    assert_true(mac_range_parse("52:54:00:AB:00:00/32", &range));
    text = mac_range_format(&range);
    assert_string_equal(text, "52:54:00:ab:00:00/32");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse_reads_every_octet),
        cmocka_unit_test(test_parse_refuses_and_leaves_the_result_alone),
        cmocka_unit_test(test_format_is_lower_case_and_parses_back),
        cmocka_unit_test(test_equal_looks_at_every_octet),
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_range_contains),
        cmocka_unit_test(test_range_refuses_and_leaves_the_result_alone),
        cmocka_unit_test(test_range_format_parses_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
