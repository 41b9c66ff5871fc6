/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The options of a DHCP answer: what they are on the wire, and what has no room there. */
#include "unit.h"

#include "dhcp-options.h"
#include "error.h"

#include <errno.h>

static IpAddress
address_of(const char *text)
{
    IpAddress address;

    assert_true(ip_address_parse(text, &address));
    return address;
}

static DhcpAnswer
answer_of(const char *address, guint bits, const IpAddress *gateway)
{
    return (DhcpAnswer){
        .address = address_of(address), .bits = bits, .gateway = gateway, .lease_time = 3600};
}

static void
assert_options(const DhcpAnswer *answer, const char *wanted)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GByteArray) options = dhcp_answer_options(answer, &error);
    g_autoptr(GString) text = g_string_new(NULL);

    assert_no_error(error);
    for (guint i = 0; i < options->len; i++)
        g_string_append_printf(text, "%02x", options->data[i]);
    assert_string_equal(text->str, wanted);
}

static void
assert_fits(const DhcpAnswer *answer)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GByteArray) options = dhcp_answer_options(answer, &error);

    assert_no_error(error);
    assert_in_range(options->len, 180, DHCP_ANSWER_OPTIONS_MAX);
}

static void
assert_refused(const DhcpAnswer *answer, const char *message)
{
    g_autoptr(GError) error = NULL;

    assert_null(dhcp_answer_options(answer, &error));
    assert_error_cleared(&error, ERRNO_ERROR, EINVAL, message);
}

static void
test_a_gateway_in_the_subnet(void **state)
{
    const IpAddress gateway = address_of("192.168.1.1");
    DhcpAnswer answer = answer_of("192.168.1.33", 24, &gateway);

    assert_options(&answer, "0104ffffff00"
                            "0304c0a80101");
    answer.mtu = 9000;
    assert_options(&answer, "0104ffffff00"
                            "0304c0a80101"
                            "1a022328");
    answer.bits = 23;
    answer.mtu = 70000;
    assert_options(&answer, "0104fffffe00"
                            "0304c0a80101"
                            "1a02ffff");
    answer.mtu = 67; /* less than the option allows */
    assert_options(&answer, "0104fffffe00"
                            "0304c0a80101");
}

/* As hosters give an address: the gateway is reached by a route of its own (RFC 3442). */
static void
test_a_gateway_outside_the_subnet(void **state)
{
    const IpAddress gateway = address_of("172.31.1.1");
    DhcpAnswer answer = answer_of("203.0.113.7", 32, &gateway);

    assert_options(&answer, "0104ffffffff"
                            "0304ac1f0101"
                            "790e20ac1f01010000000000ac1f0101");
    answer.bits = 0;
    assert_options(&answer, "010400000000"
                            "0304ac1f0101");
}

static void
test_no_gateway(void **state)
{
    DhcpAnswer answer = answer_of("192.168.1.33", 24, NULL);
    const IpAddress server = dhcp_answer_server(&answer);
    char text[IP_ADDRESS_TEXT_SIZE];

    assert_string_equal(ip_address_format(&server, text), "169.254.255.67");
    assert_options(&answer, "0104ffffff00"
                            "790920a9feff4300000000");
}

static void
test_dns_servers(void **state)
{
    const IpAddress gateway = address_of("10.0.0.1");
    DhcpAnswer answer = answer_of("10.0.0.2", 8, &gateway);
    g_autoptr(GArray) servers = g_array_new(FALSE, FALSE, sizeof(IpAddress));
    const IpAddress six = address_of("fd00::53"), four = address_of("10.0.0.53");

    answer.dns = servers;
    g_array_append_val(servers, six);
    assert_options(&answer, "0104ff000000"
                            "03040a000001");
    g_array_append_val(servers, four);
    g_array_append_val(servers, gateway);
    assert_options(&answer, "0104ff000000"
                            "03040a000001"
                            "06080a0000350a000001");
    for (guint i = 0; i < 62; i++)
        g_array_append_val(servers, four);
    assert_refused(&answer, "more DNS servers than a DHCP answer has room for");
    g_array_set_size(servers, 60);
    assert_refused(&answer, "DNS servers and search domains take 24 bytes more than");
    g_array_set_size(servers, 54);
    assert_fits(&answer);
}

static void
test_search_domains(void **state)
{
    static const char *const domains[] = {"lab.example", "a.", NULL}, *const none[] = {NULL};
    const IpAddress gateway = address_of("10.0.0.1");
    DhcpAnswer answer = answer_of("10.0.0.2", 8, &gateway);

    answer.search = none;
    assert_options(&answer, "0104ff000000"
                            "03040a000001");
    answer.search = domains;
    assert_options(&answer, "0104ff000000"
                            "03040a000001"
                            "0f0b6c61622e6578616d706c65"
                            "7710036c6162076578616d706c6500016100");
}

static void
test_what_is_not_a_domain(void **state)
{
    const IpAddress gateway = address_of("10.0.0.1");
    DhcpAnswer answer = answer_of("10.0.0.2", 8, &gateway);
    g_autofree char *label = g_strnfill(64, 'a'), *name = g_strnfill(256, 'a');
    const char *const bad[] = {"", ".", "a..b", ".a", label, name};

    for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
        const char *const search[] = {bad[i], NULL};

        answer.search = search;
        assert_refused(&answer, "is not a domain");
    }
}

static void
test_too_many_domains(void **state)
{
    const IpAddress gateway = address_of("10.0.0.1");
    DhcpAnswer answer = answer_of("10.0.0.2", 8, &gateway);
    const char *domains[20] = {NULL};

    answer.search = domains;
    for (guint i = 0; i < 15; i++)
        domains[i] = "a.domain.example.org";
    assert_refused(&answer, "more search domains than a DHCP answer has room for");
    domains[9] = NULL;
    assert_refused(&answer, "bytes more than a DHCP answer has");
    domains[7] = NULL;
    assert_fits(&answer);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_gateway_in_the_subnet),
        cmocka_unit_test(test_a_gateway_outside_the_subnet),
        cmocka_unit_test(test_no_gateway),
        cmocka_unit_test(test_dns_servers),
        cmocka_unit_test(test_search_domains),
        cmocka_unit_test(test_what_is_not_a_domain),
        cmocka_unit_test(test_too_many_domains),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
