/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include "domain-xml.h"

#define UUID "5c1ab1ff-1d4f-4b4b-8f0e-2f1d1f0a7c11"
#define NAMESPACE "xmlns:macvtapd='https://macvtapd.org/xmlns/domain/1'"
#define DOMAIN(metadata, interfaces)                                                               \
    "<domain type='qemu'><name>vm 1</name><uuid>" UUID "</uuid><metadata>" metadata                \
    "</metadata><devices>" interfaces "</devices></domain>"
#define PORTS(ports) "<macvtapd:ports " NAMESPACE ">" ports "</macvtapd:ports>"
#define PORT "<macvtapd:port target='vm1net0' network='lan'/>"
#define INTERFACE                                                                                  \
    "<interface type='ethernet'><mac address='52:54:00:00:00:01'/>"                                \
    "<target dev='vm1net0' managed='no'/></interface>"

static DomainXml *
parse(const char *text)
{
    g_autoptr(GError) error = NULL;
    DomainXml *domain = domain_xml_parse(text, strlen(text), &error);

    assert_no_error(error);
    assert_non_null(domain);
    return domain;
}

static void
test_a_domain(void **state)
{
    const char *text =
        DOMAIN("<other:x xmlns:other='urn:x'><port target='no'/></other:x>" PORTS(
                   "<!-- two -->" PORT
                   "<macvtapd:port network='parent=eth0,mode=bridge,vlan=5' target='n1'/>"),
               "<interface type='network'><target dev='vnet0'/></interface>" INTERFACE
               "<interface type='ethernet'><mac address='52:54:00:00:00:02'/>"
               "<target managed='no' dev='n1'/><driver name='vhost' queues='4'/><mtu size='1400'/>"
               "</interface>");
    g_autoptr(DomainXml) domain = parse(text);
    const DomainPort *port;

    assert_true(domain_xml_check(domain, NULL));
    assert_string_equal(domain->name, "vm 1");
    assert_string_equal(domain->uuid, UUID);
    assert_int_equal(domain->ports->len, 2);
    port = domain->ports->pdata[0];
    assert_string_equal(port->target, "vm1net0");
    assert_string_equal(port->network, "lan");
    assert_string_equal(port->mac, "52:54:00:00:00:01");
    assert_int_equal(port->queues, 1);
    assert_int_equal(port->mtu, 0);
    port = domain->ports->pdata[1];
    assert_string_equal(port->target, "n1");
    assert_string_equal(port->network, "parent=eth0,mode=bridge,vlan=5");
    assert_string_equal(port->mac, "52:54:00:00:00:02");
    assert_int_equal(port->queues, 4);
    assert_int_equal(port->mtu, 1400);
}

/* What another domain's device must not be called, and which devices libvirt expects to find. */
static void
test_targets(void **state)
{
    g_autoptr(DomainXml) domain =
        parse(DOMAIN(PORTS(PORT "<macvtapd:port target='alone' network='lan'/>"),
                     "<interface type='network'><target dev='vnet0' managed='no'/></interface>"
                     "<interface type='ethernet'/>" INTERFACE
                     "<interface type='ethernet'><target dev='tap1'/></interface>"
                     "<interface type='ethernet'><target dev='other' managed='no'/></interface>"));
    g_autoptr(DomainXml) without = parse("<domain><name>a</name><uuid>" UUID "</uuid></domain>");
    g_autoptr(GHashTable) targets = domain_xml_owners_new();
    g_autoptr(GHashTable) devices = domain_xml_owners_new();

    assert_true(domain_xml_has_interface(domain, "vnet0"));
    assert_true(domain_xml_has_interface(domain, "vm1net0"));
    assert_false(domain_xml_has_interface(domain, "alone"));
    assert_false(domain_xml_has_interface(without, "vnet0"));
    domain_xml_add_targets(domain, targets);
    domain_xml_add_targets(without, targets);
    assert_int_equal(g_hash_table_size(targets), 5);
    assert_true(g_hash_table_contains(targets, "alone"));
    assert_true(g_hash_table_contains(targets, "vm1net0"));
    assert_true(g_hash_table_contains(targets, "vnet0"));
    assert_true(g_hash_table_contains(targets, "tap1"));
    domain_xml_add_devices(domain, devices);
    assert_int_equal(g_hash_table_size(devices), 4);
    assert_false(g_hash_table_contains(devices, "alone"));
}

static void
test_macs(void **state)
{
    g_autoptr(DomainXml) domain =
        parse(DOMAIN("", "<interface type='network'><mac address='52:54:00:AB:cd:EF'/></interface>"
                         "<interface type='ethernet'><mac/></interface><interface/>" INTERFACE));
    g_autoptr(DomainXml) copy = parse("<domain><name>copy</name><uuid>" UUID
                                      "</uuid><devices>" INTERFACE "</devices></domain>");
    g_autoptr(GHashTable) macs = domain_xml_owners_new();

    domain_xml_add_macs(domain, macs);
    domain_xml_add_macs(domain, macs);
    assert_int_equal(g_hash_table_size(macs), 2);
    assert_null(domain_xml_find_owner(macs, "52:54:00:00:00:01", "vm 1"));
    domain_xml_add_macs(copy, macs);
    assert_string_equal(domain_xml_find_owner(macs, "52:54:00:00:00:01", "vm 1"), "copy");
    assert_string_equal(domain_xml_find_owner(macs, "52:54:00:00:00:01", "copy"), "vm 1");
    assert_null(domain_xml_find_owner(macs, "52:54:00:00:00:02", "copy"));
    assert_true(g_hash_table_contains(macs, "52:54:00:ab:cd:ef"));
    assert_true(g_hash_table_contains(macs, "52:54:00:00:00:01"));
}

static void
test_others_domains(void **state)
{
    static const char *const texts[] = {
        "<domain><name>a</name><uuid>" UUID "</uuid></domain>",
        DOMAIN("", ""),
        DOMAIN("<ports><port target='a' network='b'/></ports>", INTERFACE),
        DOMAIN("<m:ports xmlns:m='https://macvtapd.org/xmlns/domain/2'><m:port/></m:ports>", ""),
        DOMAIN("<x><macvtapd:ports " NAMESPACE "/></x>", ""),
    };

    for (guint i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autoptr(DomainXml) domain = parse(texts[i]);

        assert_int_equal(domain->ports->len, 0);
        assert_null(domain->problem);
    }
    assert_false(domain_xml_concerns_us(texts[3], strlen(texts[3])));
    assert_true(domain_xml_concerns_us(texts[4], strlen(texts[4])));
    assert_false(domain_xml_concerns_us("", 0));
}

/* The domain can still be let go: it is parsed, with its UUID. */
static void
test_problems(void **state)
{
    static const char *const rows[][2] = {
        {DOMAIN(PORTS("<macvtapd:port target='a'/>"), ""), "a port has no attribute network"},
        {DOMAIN(PORTS("<macvtapd:port network='a'/>"), ""), "a port has no attribute target"},
        {DOMAIN(PORTS("<macvtapd:port target='a' network='b' netwrk='c'/>"), ""), "'netwrk'"},
        {DOMAIN(PORTS("<macvtapd:port target='a' macvtapd:network='b'/>"), ""), "not 'network'"},
        {DOMAIN(PORTS("<macvtapd:prot target='a' network='b'/>"), ""), "not 'prot'"},
        {DOMAIN(PORTS("<port target='a' network='b'/>"), ""), "elements 'port', not 'port'"},
        {DOMAIN(PORTS("") PORTS(""), ""), "occurs twice"},
        {DOMAIN(PORTS("<macvtapd:port target='sixteen-bytes-is' network='a'/>"), ""),
         "target 'sixteen-bytes-is'"},
        {DOMAIN(PORTS("<macvtapd:port target='../x' network='a'/>"), ""), "target '../x'"},
        {DOMAIN(PORTS("<macvtapd:port target='a&#10;b' network='a'/>"), ""), "target 'a\\nb'"},
        {DOMAIN(PORTS("<macvtapd:port target='' network='a'/>"), ""), "target ''"},
        {DOMAIN(PORTS("<macvtapd:port target='a' network=''/>"), ""), "'' cannot be a network's"},
        {DOMAIN(PORTS("<macvtapd:port target='a' network='b&#9;c'/>"), ""), "'b\\tc' cannot be"},
        {DOMAIN(PORTS("<macvtapd:port target='a' network='&#xe9;'/>"), ""), "'\\303\\251' cannot"},
        {DOMAIN(PORTS(PORT PORT), INTERFACE), "two ports have the target 'vm1net0'"},
        {DOMAIN(PORTS(PORT), ""), "no interface has <target dev='vm1net0' managed='no'/>"},
        {DOMAIN(PORTS(PORT), INTERFACE INTERFACE), "two interfaces have the target 'vm1net0'"},
        {DOMAIN(PORTS(PORT), "<interface type='direct'><target dev='vm1net0'/></interface>"),
         "interface vm1net0 is type='direct'"},
        {DOMAIN(PORTS(PORT), "<interface><target dev='vm1net0'/></interface>"), "is type=''"},
        {DOMAIN(PORTS(PORT), "<interface type='ethernet'><target dev='vm1net0'/></interface>"),
         "its target must say managed='no'"},
        {DOMAIN(PORTS(PORT), "<interface type='ethernet'><target dev='vm1net0' managed='no'/>"
                             "<driver queues='0'/></interface>"),
         "queues='0' is not a number"},
        {DOMAIN(PORTS(PORT), "<interface type='ethernet'><target dev='vm1net0' managed='no'/>"
                             "<mtu size='99999'/></interface>"),
         "size='99999' is not a number"},
        {DOMAIN(PORTS(PORT), "<interface type='ethernet'><target dev='vm1net0' managed='no'/>"
                             "<bandwidth><inbound average='1'/></bandwidth></interface>"),
         "vm1net0 has a <bandwidth>, and libvirt would limit the other direction"},
        {DOMAIN(PORTS(PORT), "<interface type='ethernet'><target dev='vm1net0' managed='no'/>"
                             "<bandwidth><inbound average='1000' burst='64'/>"
                             "<outbound average='125'/></bandwidth></interface>"),
         "give its port in the metadata limits='receive=8M/64K,send=1M'"},
        {DOMAIN(PORTS(PORT), "<interface type='ethernet'><target dev='vm1net0' managed='no'/>"
                             "<bandwidth><inbound average='1000' floor='5'/></bandwidth>"
                             "</interface>"),
         "remove it; a port has no guaranteed minimum (floor)"},
        {DOMAIN(PORTS(PORT), "<interface type='ethernet'><target dev='vm1net0' managed='no'/>"
                             "<bandwidth><outbound average='1000' peak='5000'/></bandwidth>"
                             "</interface>"),
         "remove it; a port has one rate"},
        {DOMAIN(PORTS("<macvtapd:port target='vm1net0' network='lan' limits='send=fast'/>"), ""),
         "metadata: port vm1net0: limits: 'fast' is not a rate"},
        {DOMAIN(PORTS(PORT), "<interface type='ethernet'><mac address='52:54:00:00:00:09'/>"
                             "<target managed='no'/></interface>"),
         "interface 52:54:00:00:00:09 has no device's name, as in a clone"},
    };

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(DomainXml) domain = parse(rows[i][0]);
        g_autoptr(GError) error = NULL;

        assert_string_equal(domain->uuid, UUID);
        assert_false(domain_xml_check(domain, &error));
        assert_error_cleared(&error, DOMAIN_XML_ERROR, DOMAIN_XML_ERROR_PORTS, rows[i][1]);
    }
}

static void
test_filter(void **state)
{
    static const char text[] = DOMAIN(
        PORTS(PORT), "<interface type='ethernet'><target dev='vm1net0' managed='no'/>"
                     "<filterref filter='clean&#9;'><parameter name='IP' value='10.0.0.5'/>"
                     "<parameter name='DHCPSERVER' value='10.0.0.1'/>"
                     "<parameter name='IPV6' value='fd00::5'/><parameter name='IP'/></filterref>"
                     "</interface>");
    g_autoptr(DomainXml) domain = parse(text), without = parse(DOMAIN(PORTS(PORT), INTERFACE));
    const DomainPort *port = domain->ports->pdata[0];

    assert_true(domain_xml_check(domain, NULL));
    assert_string_equal(port->filter, "clean\\t");
    assert_int_equal(g_strv_length(port->filter_addresses), 3);
    assert_string_equal(port->filter_addresses[0], "10.0.0.5");
    assert_string_equal(port->filter_addresses[1], "fd00::5");
    assert_string_equal(port->filter_addresses[2], "");
    assert_null(((const DomainPort *)without->ports->pdata[0])->filter);
}

/* What may be written back without a loss: all of the metadata, whatever the interfaces are. */
static void
test_whole(void **state)
{
    g_autoptr(DomainXml) good = parse(DOMAIN(PORTS(PORT), INTERFACE));
    g_autoptr(DomainXml) alone = parse(DOMAIN(PORTS(PORT), ""));
    g_autoptr(DomainXml) two = parse(DOMAIN(PORTS(PORT), INTERFACE INTERFACE));
    g_autoptr(DomainXml) typo =
        parse(DOMAIN(PORTS(PORT "<macvtapd:port target='a' netwrok='lan'/>"), ""));
    g_autoptr(GError) error = NULL;

    assert_true(domain_xml_check_whole(good, NULL));
    assert_true(domain_xml_check_whole(alone, NULL));
    assert_true(domain_xml_check_whole(two, NULL));
    assert_false(domain_xml_check_whole(typo, &error));
    assert_error_cleared(&error, DOMAIN_XML_ERROR, DOMAIN_XML_ERROR_PORTS, "'netwrok'");
}

static void
test_no_domain(void **state)
{
    static const char *const rows[][2] = {
        {"", "line"},
        {"<domain", "line 1: "},
        {"<network/>", "not a domain's XML"},
        {"<domain xmlns='urn:x'><name>a</name><uuid>" UUID "</uuid></domain>", "not a domain's"},
        {"<domain><uuid>" UUID "</uuid></domain>", "no name"},
        {"<domain><name> </name><uuid>" UUID "</uuid></domain>", "no name"},
        {"<domain><name>a</name></domain>", "no valid UUID"},
        {"<domain><name>a</name><uuid>../../etc/passwd</uuid></domain>", "no valid UUID"},
        {"<!DOCTYPE domain [<!ENTITY a 'a'>]><domain><name>&a;</name><uuid>" UUID
         "</uuid></domain>",
         "not a domain's XML"},
        {"<domain><name>\xff\xfe</name><uuid>" UUID "</uuid></domain>", "UTF-8"},
        {"<domain><name>a</name><uuid>" UUID "</uuid></domain><domain/>", "line 1: "},
    };

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;

        assert_null(domain_xml_parse(rows[i][0], strlen(rows[i][0]), &error));
        assert_error_cleared(&error, DOMAIN_XML_ERROR, DOMAIN_XML_ERROR_MALFORMED, rows[i][1]);
    }
}

static void
test_length(void **state)
{
    static const char start[] = "<domain><name>a</name><uuid>" UUID "</uuid><!--";
    static const char end[] = "--></domain>";
    GString *text = g_string_new(start);
    g_autoptr(GError) error = NULL;
    DomainXml *domain;

    g_string_set_size(text, DOMAIN_XML_BYTES_MAX - strlen(end));
    memset(text->str + strlen(start), 'x', text->len - strlen(start));
    g_string_append(text, end);
    domain = domain_xml_parse(text->str, text->len, &error);
    assert_no_error(error);
    domain_xml_free(domain);
    g_string_append_c(text, '\n');
    assert_null(domain_xml_parse(text->str, text->len, &error));
    assert_error_cleared(&error, DOMAIN_XML_ERROR, DOMAIN_XML_ERROR_MALFORMED,
                         "1048577 bytes, at most 1048576");
    text->str[strlen(start)] = '\0';
    assert_null(domain_xml_parse(text->str, text->len - 1, &error));
    assert_error_cleared(&error, DOMAIN_XML_ERROR, DOMAIN_XML_ERROR_MALFORMED, "NUL");
    g_string_free(text, TRUE);
}

static void
test_rename(void **state)
{
    g_autoptr(DomainXml) domain = parse(DOMAIN("<x>caf\xc3\xa9</x>" PORTS(PORT), INTERFACE));
    g_autoptr(DomainXml) again = NULL;
    g_autofree char *text = NULL;
    const DomainPort *port;

    domain_xml_rename_target(domain->ports->pdata[0], "other");
    text = domain_xml_format(domain);
    assert_null(strstr(text, "vm1net0"));
    again = parse(text);
    assert_true(domain_xml_check(again, NULL));
    port = again->ports->pdata[0];
    assert_string_equal(port->target, "other");
    assert_string_equal(port->mac, "52:54:00:00:00:01");
}

static void
test_null(void **state)
{
    domain_xml_free(NULL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_domain), cmocka_unit_test(test_targets),
        cmocka_unit_test(test_macs),     cmocka_unit_test(test_others_domains),
        cmocka_unit_test(test_problems), cmocka_unit_test(test_filter),
        cmocka_unit_test(test_whole),    cmocka_unit_test(test_no_domain),
        cmocka_unit_test(test_length),   cmocka_unit_test(test_rename),
        cmocka_unit_test(test_null),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
