/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include "probe-report.h"

static const MacAddress port = {{0x52, 0x54, 0, 0, 0, 7}}, other = {{2, 0, 0, 0, 0, 9}};

static IpAddress
address(const char *text)
{
    IpAddress parsed;

    assert_true(ip_address_parse(text, &parsed));
    return parsed;
}

/* A port whose parent works, on a network that says nothing. */
static ProbeFacts
silent_facts(void)
{
    return (ProbeFacts){
        .parent = "eth0", .vlan = "", .mac = port, .mtu = 1500, .has_carrier = TRUE};
}

static ProbeFacts
good_facts(void)
{
    ProbeFacts facts = silent_facts();

    facts.offers[facts.n_offers++] = (ProbeAnswer){.kind = PROBE_OFFER,
                                                   .address = address("10.0.0.1"),
                                                   .offered = address("10.0.0.50"),
                                                   .gateway = address("10.0.0.1"),
                                                   .bits = 24};
    facts.gateways[PROBE_IPV4] =
        (ProbeGateway){.address = address("10.0.0.1"), .origin = "by DHCP", .answers = TRUE};
    facts.answers = facts.heard = 3;
    facts.echo_size = 1500;
    return facts;
}

static const ProbeFinding *
find(const GPtrArray *findings, const char *check)
{
    for (guint i = 0; i < findings->len; i++) {
        if (g_str_equal(((const ProbeFinding *)findings->pdata[i])->check, check))
            return findings->pdata[i];
    }
    return NULL;
}

/* expected: "CHECK=RESULT" for the first finding of each check, joined by blanks. Returns the text
 * of the check that said names. */
static void
check_report(const ProbeFacts *facts, const char *expected, const char *said, const char *words)
{
    g_autoptr(GPtrArray) findings = probe_report(facts);
    g_autoptr(GString) found = g_string_new(NULL);
    const char *last = "";

    for (guint i = 0; i < findings->len; i++) {
        const ProbeFinding *finding = findings->pdata[i];

        if (!g_str_equal(last, finding->check))
            g_string_append_printf(found, "%s%s=%s", found->len ? " " : "", finding->check,
                                   probe_result_name(finding->result));
        last = finding->check;
        if (finding->result == PROBE_PROBLEM && !finding->remedy)
            fail_msg("a problem without a remedy: %s", finding->message);
    }
    assert_string_equal(found->str, expected);
    if (said && !strstr(find(findings, said)->message, words))
        fail_msg("%s: %s", said, find(findings, said)->message);
}

static void
test_good(void **state)
{
    ProbeFacts facts = good_facts();

    check_report(&facts, "carrier=ok mac=ok dhcp=ok gateway=ok gateway6=note mtu=ok", "dhcp",
                 "10.0.0.1 offers 10.0.0.50/24, gateway 10.0.0.1");
    facts.vlan = "100";
    check_report(&facts, "carrier=ok vlan=ok mac=ok dhcp=ok gateway=ok gateway6=note mtu=ok",
                 "vlan", "VLAN 100");
    facts.serves_dhcp = TRUE;
    check_report(&facts, "carrier=ok vlan=ok mac=ok dhcp=ok gateway=ok gateway6=note mtu=ok",
                 "dhcp", "the port itself offers");
}

static void
test_silence(void **state)
{
    ProbeFacts facts = silent_facts();

    check_report(&facts,
                 "carrier=ok mac=unknown dhcp=problem gateway=problem gateway6=note mtu=unknown",
                 "gateway", "no frame of any other machine");
    facts.vlan = "100";
    check_report(&facts,
                 "carrier=ok vlan=problem mac=unknown dhcp=unknown gateway=unknown mtu=unknown",
                 "vlan", "VLAN 100");
    facts.has_carrier = FALSE;
    check_report(&facts, "carrier=problem", "carrier", "eth0 has no carrier");
}

static void
test_second_mac(void **state)
{
    ProbeFacts facts = silent_facts();
    ProbeGateway *gateway = &facts.gateways[PROBE_IPV4];

    *gateway =
        (ProbeGateway){.address = address("10.0.0.1"), .origin = "by Gateway=", .host = PROBE_YES};
    check_report(&facts, "carrier=ok mac=problem dhcp=unknown gateway=unknown mtu=unknown", "mac",
                 "10.0.0.1 answers the host, but not the port's MAC 52:54:00:00:00:07");
    gateway->host = PROBE_NO;
    check_report(&facts,
                 "carrier=ok mac=unknown dhcp=problem gateway=problem gateway6=note mtu=unknown",
                 "gateway", "nor does it answer the host");
    facts.group_answers = 1;
    check_report(&facts, "carrier=ok mac=problem dhcp=unknown gateway=unknown mtu=unknown", "mac",
                 "only as broadcasts");
    facts.is_passthru = TRUE;
    check_report(&facts, "carrier=ok mac=ok dhcp=problem gateway=problem gateway6=note mtu=unknown",
                 "mac", "the MAC of eth0 itself");
    facts.is_passthru = FALSE;
    facts.is_source = TRUE;
    check_report(&facts,
                 "carrier=ok mac=unknown dhcp=problem gateway=problem gateway6=note mtu=unknown",
                 "mac", "Sources=");
}

/* What a guest on this host answers says nothing about the wire. */
static void
test_gateway_on_this_host(void **state)
{
    ProbeFacts facts = good_facts();

    facts.answers = facts.heard = 0;
    facts.vlan = "100";
    check_report(&facts,
                 "carrier=ok vlan=unknown mac=unknown dhcp=ok gateway=ok gateway6=note mtu=ok",
                 "mac", "only machines on this host answered");
}

static void
test_addresses(void **state)
{
    ProbeFacts facts = good_facts();

    facts.n_offers = 0;
    check_report(&facts, "carrier=ok mac=ok dhcp=problem gateway=ok gateway6=note mtu=ok", NULL,
                 NULL);
    facts.has_subnet = TRUE;
    check_report(&facts, "carrier=ok mac=ok dhcp=note gateway=ok gateway6=note mtu=ok", "dhcp",
                 "[Addresses]");
    facts.has_subnet = FALSE;
    facts.router = (ProbeAnswer){.kind = PROBE_ROUTER, .offered = address("fd00::"), .bits = 64};
    check_report(&facts, "carrier=ok mac=ok dhcp=note gateway=ok gateway6=note mtu=ok", "dhcp",
                 "fd00::/64");
    facts = good_facts();
    facts.gateways[PROBE_IPV4] = (ProbeGateway){0};
    check_report(&facts, "carrier=ok mac=ok dhcp=ok gateway=note gateway6=note mtu=ok", "gateway",
                 "names no router");
    facts = good_facts();
    facts.is_taken = TRUE;
    facts.taken_by = other;
    {
        g_autoptr(GPtrArray) findings = probe_report(&facts);
        const ProbeFinding *taken = findings->pdata[3];

        assert_string_equal(
            taken->message,
            "the first address offered is in use already, by MAC 02:00:00:00:00:09");
        assert_int_equal(taken->result, PROBE_PROBLEM);
        assert_non_null(taken->remedy);
    }
}

static void
test_gateways(void **state)
{
    ProbeFacts facts = good_facts();

    facts.gateways[PROBE_IPV4].is_contested = TRUE;
    facts.gateways[PROBE_IPV4].other_mac = other;
    check_report(&facts, "carrier=ok mac=ok dhcp=ok gateway=problem gateway6=note mtu=ok",
                 "gateway", "02:00:00:00:00:09 answer for 10.0.0.1");
    facts = good_facts();
    facts.gateways[PROBE_IPV6] =
        (ProbeGateway){.address = address("fe80::1"), .origin = "by its advertisement"};
    check_report(&facts, "carrier=ok mac=ok dhcp=ok gateway=ok gateway6=problem mtu=ok", "gateway6",
                 "fe80::1, known by its advertisement, does not answer");
}

static void
test_mtu(void **state)
{
    ProbeFacts facts = good_facts();
    const char *problem = "carrier=ok mac=ok dhcp=ok gateway=ok gateway6=note mtu=problem";

    facts.echo_size = 1450;
    check_report(&facts, problem, "mtu", "those of 1450 bytes do");
    facts.echo_size = 0;
    facts.padded_asked = TRUE;
    check_report(&facts, problem, "mtu", "short ones do");
    facts.padded_answered = TRUE;
    check_report(&facts, "carrier=ok mac=ok dhcp=ok gateway=ok gateway6=note mtu=ok", "mtu",
                 "the way back was not tried");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),       cmocka_unit_test(test_silence),
        cmocka_unit_test(test_second_mac), cmocka_unit_test(test_gateway_on_this_host),
        cmocka_unit_test(test_addresses),  cmocka_unit_test(test_gateways),
        cmocka_unit_test(test_mtu),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
