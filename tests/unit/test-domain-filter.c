/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libvirt's filters against the guard that a port has. */
#include "unit.h"

#include "client-private.h"
#include "domain-port.h"

#define WHOLE "'senders':'own','addresses':'dhcp','allow':[],'verdict':'drop'"

/* guard: its members, with ' for "; NULL: the port has none. */
static MacvtapPort *
port_with(const char *guard)
{
    g_autofree char *text = g_strdup_printf(
        "{'id':'p1','name':'a','network':'lan','parent':'e','mode':'bridge','interfaceName':'a',"
        "'macAddress':'52:54:00:00:00:01','state':'active','interfaceIndex':7,'mtu':1500,"
        "'queues':1,'owner':0,'holder':{'type':'none'}%s%s%s}",
        guard ? ",'guard':{" : "", guard ? guard : "", guard ? "}" : "");
    json_t *json = json_loads(g_strdelimit(text, "'", '"'), 0, NULL);
    const char *missing;
    MacvtapPort *port = client_port_new(json, NULL, NULL, NULL, &missing);

    assert_non_null(port);
    json_decref(json);
    return port;
}

static void
check(const char *filter, const char *addresses, const char *guard, const char *refusal)
{
    g_autoptr(MacvtapPort) port = port_with(guard);
    g_auto(GStrv) list = addresses ? g_strsplit(addresses, " ", -1) : g_new0(char *, 1);
    const DomainPort wanted = {
        .network = (char *)"lan", .filter = (char *)filter, .filter_addresses = list};
    g_autoptr(GError) error = NULL;
    gboolean good = domain_filter_check(&wanted, port, &error);

    if (refusal)
        assert_error_cleared(&error, DOMAIN_XML_ERROR, DOMAIN_XML_ERROR_PORTS, refusal);
    else
        assert_no_error(error);
    assert_int_equal(good, refusal == NULL);
}

static void
test_a_whole_guard_keeps_what_it_can(void **state)
{
    static const char *const kept[] = {
        "clean-traffic",
        "no-mac-spoofing",
        "no-arp-mac-spoofing",
        "no-arp-ip-spoofing",
        "no-arp-spoofing",
        "no-ip-spoofing",
        "no-ipv6-spoofing",
        "no-other-l2-traffic",
        "no-other-rarp-traffic",
        "qemu-announce-self",
        "qemu-announce-self-rarp",
        "allow-arp",
        "allow-dhcp",
        "allow-dhcp-server",
        "allow-dhcpv6",
        "allow-dhcpv6-server",
        "allow-incoming-ipv4",
        "allow-incoming-ipv6",
        "allow-ipv4",
        "allow-ipv6",
    };
    static const char *const not_kept[] = {"clean-traffic-gateway", "no-mac-broadcast",
                                           "no-ip-multicast", "no-ipv6-multicast"};

    check(NULL, NULL, NULL, NULL);
    for (guint i = 0; i < G_N_ELEMENTS(kept); i++)
        check(kept[i], NULL, WHOLE, NULL);
    for (guint i = 0; i < G_N_ELEMENTS(not_kept); i++)
        check(not_kept[i], NULL, WHOLE, "cannot be enforced by macvtapd's guard: it");
    check("my-filter", NULL, WHOLE, "its filter my-filter is not one of libvirt's own");
    check("", NULL, WHOLE, "is not one of libvirt's own");
}

static void
test_the_missing_key_is_named(void **state)
{
#define ANY "'senders':'any','addresses':'any','allow':['stp'],'verdict':'drop'"
#define OWN "'senders':'own','addresses':'any','allow':[],'verdict':'drop'"
    check("clean-traffic", NULL, ANY, "its filter clean-traffic needs Senders=own in network lan");
    check("no-arp-mac-spoofing", NULL, ANY, "needs Senders=own in network lan");
    check("no-other-rarp-traffic", NULL, ANY, "needs Senders=own in network lan");
    check("no-mac-spoofing", NULL, OWN, NULL);
    check("clean-traffic", NULL, OWN, "needs Addresses=listed or Addresses=dhcp in network lan");
    check("no-ip-spoofing", NULL, OWN, "needs Addresses=listed");
    check("no-other-l2-traffic", NULL, OWN, NULL);
    check("no-other-l2-traffic", NULL, ANY, "remove stp from its Allow=");
    check("clean-traffic", NULL,
          "'senders':'own','addresses':'dhcp','allow':['dhcp-server','vlan'],'verdict':'drop'",
          "remove vlan from its Allow= (or the tags from its GuestVLANs=)");
    check("no-mac-spoofing", NULL, "'senders':'own','addresses':'any','allow':[],'verdict':'count'",
          "needs Verdict=drop in network lan");
    check("allow-ipv4", NULL, ANY, NULL);
}

static void
test_a_port_without_a_guard(void **state)
{
    check("no-mac-spoofing", NULL, NULL,
          "needs a guard, but its port has none (macvtapctl network show lan)");
    check("allow-dhcp", NULL, NULL, NULL);
    check("no-mac-broadcast", NULL, NULL, "cannot be enforced");
}

static void
test_the_addresses_of_its_parameters(void **state)
{
#define LISTED(list) "'senders':'own','addresses':'listed','allow':[],'verdict':'drop'" list
    check("clean-traffic", "10.0.0.5", WHOLE,
          "lets the guest use only 10.0.0.5, which needs Addresses=listed in network lan");
    check("clean-traffic", "10.0.0.5", LISTED(",'allowAddresses':['10.0.0.5']"), NULL);
    check("clean-traffic", "10.0.0.5 fd00::5", LISTED(",'allowAddresses':['fd00::5','10.0.0.5']"),
          NULL);
    check("clean-traffic", "10.0.0.5", LISTED(""), NULL);
    check("clean-traffic", "10.0.0.5", LISTED(",'allowAddresses':['10.0.0.5','10.0.1.0/24']"),
          "but its port may also use 10.0.1.0/24 (AllowAddresses= of network lan)");
    check("clean-traffic", "nonsense", LISTED(",'allowAddresses':['10.0.0.5']"), "may also use");
    /* It says nothing of addresses. */
    check("no-mac-spoofing", "10.0.0.5", WHOLE, NULL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_whole_guard_keeps_what_it_can),
        cmocka_unit_test(test_the_missing_key_is_named),
        cmocka_unit_test(test_a_port_without_a_guard),
        cmocka_unit_test(test_the_addresses_of_its_parameters),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
