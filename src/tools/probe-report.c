/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * One fault makes many questions go unanswered. So the fault is looked for first: an answer to the
 * port's MAC rules out all but the gateway's own; a gateway that answers the host and not the port,
 * or answers that only come as broadcasts, are the port's MAC; a VLAN in which nobody is heard is
 * not there. What the fault explains is then not told again as faults of its own.
 */
#include "probe-report.h"

typedef enum Fault { FAULT_NONE, FAULT_CARRIER, FAULT_MAC, FAULT_VLAN } Fault;

typedef struct Report {
    const ProbeFacts *facts;
    Fault fault;
    GPtrArray *findings;
    char mac[MAC_ADDRESS_TEXT_SIZE]; /* the port's */
} Report;

static void
finding_free(gpointer data)
{
    ProbeFinding *finding = data;

    g_free(finding->message);
    g_free(finding->remedy);
    g_free(finding);
}

const char *
probe_result_name(ProbeResult result)
{
    static const char *const names[] = {"ok", "note", "unknown", "problem"};

    return names[result];
}

static ProbeFinding *add(Report *report, const char *check, ProbeResult result, const char *format,
                         ...) G_GNUC_PRINTF(4, 5);

static ProbeFinding *
add(Report *report, const char *check, ProbeResult result, const char *format, ...)
{
    ProbeFinding *finding = g_new0(ProbeFinding, 1);
    va_list arguments;

    va_start(arguments, format);
    finding->message = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    finding->check = check;
    finding->result = result;
    g_ptr_array_add(report->findings, finding);
    return finding;
}

static gboolean
is_known(const ProbeGateway *gateway)
{
    return probe_has_address(&gateway->address);
}

static const ProbeGateway *
find_gateway_of_host(const ProbeFacts *facts)
{
    for (guint i = 0; i < PROBE_FAMILIES; i++) {
        if (facts->gateways[i].host == PROBE_YES)
            return &facts->gateways[i];
    }
    return NULL;
}

static Fault
find_fault(const ProbeFacts *facts)
{
    if (!facts->has_carrier)
        return FAULT_CARRIER;
    if (facts->answers > 0 || facts->gateways[PROBE_IPV4].answers ||
        facts->gateways[PROBE_IPV6].answers)
        return FAULT_NONE;
    if (!facts->is_passthru && !facts->is_source &&
        (facts->group_answers > 0 || find_gateway_of_host(facts)))
        return FAULT_MAC;
    return facts->vlan[0] && facts->heard == 0 ? FAULT_VLAN : FAULT_NONE;
}

static void
report_carrier(Report *report)
{
    const ProbeFacts *facts = report->facts;
    ProbeFinding *finding;

    if (report->fault != FAULT_CARRIER) {
        add(report, "carrier", PROBE_OK, "%s has a carrier", facts->parent);
        return;
    }
    finding = add(report, "carrier", PROBE_PROBLEM, "%s has no carrier", facts->parent);
    finding->remedy = g_strdup_printf(
        "Check the cable, the switch port and, for a bond, its members: ip link show %s",
        facts->parent);
}

static void
report_vlan(Report *report)
{
    const ProbeFacts *facts = report->facts;
    ProbeFinding *finding;

    if (!facts->vlan[0] || report->fault == FAULT_CARRIER || report->fault == FAULT_MAC)
        return;
    if (report->fault == FAULT_NONE) {
        if (facts->heard > 0)
            add(report, "vlan", PROBE_OK, "frames of other machines arrive in VLAN %s",
                facts->vlan);
        else
            add(report, "vlan", PROBE_UNTOLD, "only this host's own machines were heard in VLAN %s",
                facts->vlan);
        return;
    }
    finding = add(report, "vlan", PROBE_PROBLEM,
                  "in %.1f seconds no frame of any other machine arrived in VLAN %s",
                  facts->seconds, facts->vlan);
    finding->remedy = g_strdup_printf(
        "For the network administrator: please check that VLAN %s is allowed, tagged, on this"
        " host's switch port (a trunk; on a vSwitch, a port group with VLAN 4095), and on the way"
        " to the gateway. Can you see MAC %s there in VLAN %s?",
        facts->vlan, report->mac, facts->vlan);
}

static void
report_mac_fault(Report *report)
{
    const ProbeFacts *facts = report->facts;
    const ProbeGateway *gateway = find_gateway_of_host(facts);
    char address[IP_ADDRESS_TEXT_SIZE];
    ProbeFinding *finding;

    if (facts->group_answers > 0)
        finding = add(report, "mac", PROBE_PROBLEM,
                      "answers to the port's MAC %s arrive only as broadcasts: what is sent to that"
                      " MAC does not reach %s",
                      report->mac, facts->parent);
    else
        finding = add(report, "mac", PROBE_PROBLEM,
                      "%s answers the host, but not the port's MAC %s: something in between drops"
                      " frames of a second MAC",
                      ip_address_format(&gateway->address, address), report->mac);
    finding->remedy = g_strdup_printf(
        "For the administrator of the switch or hypervisor: the machine connected by %s runs"
        " virtual machines, each with a MAC address of its own. Please allow several MAC addresses"
        " on its port (port security, 802.1X). On a VMware vSwitch: 'Forged transmits: Accept', and"
        " 'MAC learning' or 'Promiscuous mode: Accept'; on Hyper-V: MAC address spoofing. An access"
        " point (Wi-Fi) cannot; docs/guests.md has more in step 5",
        facts->parent);
}

static void
report_mac(Report *report)
{
    const ProbeFacts *facts = report->facts;

    if (report->fault == FAULT_CARRIER)
        return;
    if (report->fault == FAULT_MAC)
        report_mac_fault(report);
    else if (facts->is_passthru)
        add(report, "mac", PROBE_OK, "the port has the MAC of %s itself", facts->parent);
    else if (facts->answers > 0)
        add(report, "mac", PROBE_OK, "answers reach the port's own MAC %s", report->mac);
    else if (facts->gateways[PROBE_IPV4].answers || facts->gateways[PROBE_IPV6].answers)
        add(report, "mac", PROBE_UNTOLD,
            "only machines on this host answered, so it is not known whether a second MAC gets"
            " through");
    else if (facts->is_source)
        add(report, "mac", PROBE_UNTOLD,
            "nobody answered; in source mode only those in Sources= are heard");
    else
        add(report, "mac", PROBE_UNTOLD,
            "nobody answered, so it is not known whether a second MAC gets through");
}

/* "192.168.1.57/24, gateway 192.168.1.1, for 3600 s" */
static char *
describe_offer(const ProbeAnswer *offer)
{
    GString *text = g_string_new(NULL);
    char address[IP_ADDRESS_TEXT_SIZE];

    g_string_append(text, ip_address_format(&offer->offered, address));
    if (offer->bits)
        g_string_append_printf(text, "/%u", offer->bits);
    if (probe_has_address(&offer->gateway))
        g_string_append_printf(text, ", gateway %s", ip_address_format(&offer->gateway, address));
    if (offer->mtu)
        g_string_append_printf(text, ", MTU %u", offer->mtu);
    if (offer->seconds)
        g_string_append_printf(text, ", for %u s", offer->seconds);
    return g_string_free(text, FALSE);
}

static void
report_offers(Report *report)
{
    const ProbeFacts *facts = report->facts;
    char server[IP_ADDRESS_TEXT_SIZE], taken_by[MAC_ADDRESS_TEXT_SIZE];
    ProbeFinding *finding;

    for (guint i = 0; i < facts->n_offers; i++) {
        g_autofree char *text = describe_offer(&facts->offers[i]);

        ip_address_format(&facts->offers[i].address, server);
        add(report, "dhcp", i == 0 ? PROBE_OK : PROBE_NOTE, "%s offers %s",
            facts->serves_dhcp ? "the port itself" : server, text);
    }
    if (facts->n_offers > 1)
        add(report, "dhcp", PROBE_NOTE,
            "a guest takes the first offer of these %u servers: is each of them meant to be there?",
            facts->n_offers);
    if (facts->is_taken) {
        finding = add(report, "dhcp", PROBE_PROBLEM,
                      "the first address offered is in use already, by MAC %s",
                      mac_address_format(&facts->taken_by, taken_by));
        finding->remedy = g_strdup("For the network administrator: please find the machine with that"
                                   " MAC, or take its address out of the DHCP server's range");
    }
}

static void
report_no_offer(Report *report)
{
    const ProbeFacts *facts = report->facts;
    char prefix[IP_ADDRESS_TEXT_SIZE];
    ProbeFinding *finding;

    if (report->fault != FAULT_NONE) {
        add(report, "dhcp", PROBE_UNTOLD, "no server answered, which the fault above explains");
    } else if (facts->has_subnet) {
        add(report, "dhcp", PROBE_NOTE,
            "no server answered; the network has addresses for its guests by [Addresses]");
    } else if (facts->router.bits) {
        add(report, "dhcp", PROBE_NOTE, "no server answered; guests have IPv6 only, by %s/%u",
            ip_address_format(&facts->router.offered, prefix), facts->router.bits);
    } else {
        finding = add(report, "dhcp", PROBE_PROBLEM, "no server answered in %.1f seconds",
                      facts->seconds);
        finding->remedy = g_strdup_printf(
            "Give guests their addresses by hand, or ask the network administrator: is there a DHCP"
            " server or relay for this network, and does DHCP snooping drop what %s asks? (MAC %s)",
            facts->parent, report->mac);
    }
}

static void
report_contest(Report *report, const char *check, const ProbeGateway *gateway)
{
    char address[IP_ADDRESS_TEXT_SIZE], macs[2][MAC_ADDRESS_TEXT_SIZE];
    ProbeFinding *finding = add(report, check, PROBE_PROBLEM, "both %s and %s answer for %s",
                                mac_address_format(&gateway->mac, macs[0]),
                                mac_address_format(&gateway->other_mac, macs[1]),
                                ip_address_format(&gateway->address, address));

    finding->remedy = g_strdup("For the network administrator: please find out which of the two"
                               " machines has the gateway's address by mistake, or on purpose");
}

static void
report_silent_gateway(Report *report, const char *check, const ProbeGateway *gateway)
{
    char address[IP_ADDRESS_TEXT_SIZE];
    ProbeFinding *finding;

    ip_address_format(&gateway->address, address);
    if (report->fault != FAULT_NONE) {
        add(report, check, PROBE_UNTOLD, "%s does not answer, which the fault above explains",
            address);
        return;
    }
    finding = add(report, check, PROBE_PROBLEM, "%s, known %s, does not answer%s%s", address,
                  gateway->origin, gateway->host == PROBE_NO ? ", nor does it answer the host" : "",
                  report->facts->heard ? "" : "; no frame of any other machine was heard");
    finding->remedy = g_strdup_printf(
        "For the network administrator: nobody answers %s for %s on the segment of %s. Is that the"
        " right segment (VLAN), and the gateway up?",
        check[0] == 'g' && check[7] == '6' ? "neighbour discovery" : "ARP", address,
        report->facts->parent);
}

/* Returns whether a gateway of the family is known. */
static gboolean
report_gateway(Report *report, const char *check, const ProbeGateway *gateway)
{
    char address[IP_ADDRESS_TEXT_SIZE], mac[MAC_ADDRESS_TEXT_SIZE];

    if (!is_known(gateway))
        return FALSE;
    if (gateway->is_contested)
        report_contest(report, check, gateway);
    else if (gateway->answers)
        add(report, check, PROBE_OK, "%s, known %s, answers with MAC %s",
            ip_address_format(&gateway->address, address), gateway->origin,
            mac_address_format(&gateway->mac, mac));
    else
        report_silent_gateway(report, check, gateway);
    return TRUE;
}

static void
report_no_gateway(Report *report)
{
    const ProbeFacts *facts = report->facts;
    ProbeFinding *finding;

    if (report->fault != FAULT_NONE) {
        add(report, "gateway", PROBE_UNTOLD, "none is known; the fault above explains why");
        return;
    }
    if (facts->n_offers > 0) {
        add(report, "gateway", PROBE_NOTE,
            "none: the DHCP server names no router, so guests reach their own segment only");
        return;
    }
    finding = add(report, "gateway", PROBE_PROBLEM,
                  "none is known: no DHCP server, no IPv6 router and no Gateway= names one%s",
                  facts->heard ? "" : ", and no frame of any other machine was heard");
    finding->remedy = g_strdup_printf("If the network has one, name it by Gateway= in the network's"
                                      " file; else check the cabling and VLAN of %s",
                                      facts->parent);
}

static void
report_gateways(Report *report)
{
    const ProbeFacts *facts = report->facts;
    gboolean known = report_gateway(report, "gateway", &facts->gateways[PROBE_IPV4]);

    known |= report_gateway(report, "gateway6", &facts->gateways[PROBE_IPV6]);
    if (!known)
        report_no_gateway(report);
    if (!is_known(&facts->gateways[PROBE_IPV6]) && report->fault == FAULT_NONE)
        add(report, "gateway6", PROBE_NOTE, "no router advertises itself: IPv4 only");
}

static void
report_black_hole(Report *report, const char *passed)
{
    const ProbeFacts *facts = report->facts;
    ProbeFinding *finding =
        add(report, "mtu", PROBE_PROBLEM,
            "packets of %u bytes, the port's MTU, get no answer from the gateway; %s do",
            facts->mtu, passed);

    finding->remedy = g_strdup_printf(
        "For the network administrator: please check the MTU on the way from %s to the gateway; it"
        " must carry packets of %u bytes%s%s. Else set MTU= in the network's file to what it"
        " carries",
        facts->parent, facts->mtu, facts->vlan[0] ? ", tagged with VLAN " : "", facts->vlan);
}

static void
report_mtu(Report *report)
{
    const ProbeFacts *facts = report->facts;
    g_autofree char *passed = g_strdup_printf("those of %zu bytes", facts->echo_size);

    if (report->fault == FAULT_CARRIER)
        return;
    if (facts->echo_size >= facts->mtu)
        add(report, "mtu", PROBE_OK, "packets of %u bytes go to the gateway and back", facts->mtu);
    else if (facts->echo_size > 0)
        report_black_hole(report, passed);
    else if (facts->padded_answered)
        add(report, "mtu", PROBE_OK,
            "packets of %u bytes reach the gateway; it answers no echo, so the way back was not"
            " tried",
            facts->mtu);
    else if (facts->padded_asked)
        report_black_hole(report, "short ones");
    else
        add(report, "mtu", PROBE_UNTOLD, "no gateway answered, so no long packet could be tried");
}

GPtrArray *
probe_report(const ProbeFacts *facts)
{
    Report report = {facts, find_fault(facts), g_ptr_array_new_with_free_func(finding_free), ""};

    mac_address_format(&facts->mac, report.mac);
    report_carrier(&report);
    report_vlan(&report);
    report_mac(&report);
    if (report.fault == FAULT_CARRIER)
        return report.findings;
    if (facts->n_offers > 0)
        report_offers(&report);
    else
        report_no_offer(&report);
    report_gateways(&report);
    report_mtu(&report);
    return report.findings;
}
