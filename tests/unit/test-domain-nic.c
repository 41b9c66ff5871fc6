/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A domain whose interfaces and metadata do not agree, and what makes them agree. */
#include "unit.h"

#include "domain-nic.h"

#define UUID "5c1ab1ff-1d4f-4b4b-8f0e-2f1d1f0a7c11"
#define PORTS(ports)                                                                               \
    "<metadata><m:ports xmlns:m='https://macvtapd.org/xmlns/domain/1'>" ports                      \
    "</m:ports><x:x xmlns:x='urn:x'/></metadata>"
#define DOMAIN(metadata, interfaces)                                                               \
    "<domain><name>vm1</name><uuid>" UUID "</uuid>" metadata "<devices>" interfaces                \
    "</devices></domain>"
#define PORT(target, network) "<m:port target='" target "' network='" network "'/>"
#define LIMITED(target, limits) "<m:port target='" target "' network='lan' limits='" limits "'/>"
#define ETHERNET(mac, target, more)                                                                \
    "<interface type='ethernet'><mac address='52:54:00:00:00:" mac "'/><target " target            \
    " managed='no'/>" more "</interface>"
#define DIRECT                                                                                     \
    "<interface type='direct' trustGuestRxFilters='yes'><mac address='52:54:00:00:00:0d'/>"        \
    "<source dev='eth0'/><virtualport type='802.1Qbh'/><bandwidth><inbound "                       \
    "average='1000'/></bandwidth><target dev='macvtap0'/>"                                         \
    "<model type='virtio'/><driver name='vhost' queues='2'/><mtu size='1400'/><boot order='1'/>"   \
    "<alias name='net0'/></interface>"

static DomainXml *
parse(const char *text)
{
    g_autoptr(GError) error = NULL;
    DomainXml *domain = domain_xml_parse(text, strlen(text), &error);

    assert_no_error(error);
    return domain;
}

static guint
index_of_tap(const char *name)
{
    return g_str_equal(name, "tap9") ? 9 : 0;
}

/* Each as "KIND name port", '-' for what it has not. */
static char *
describe(const DomainXml *domain)
{
    static const char kinds[] = "PNUF"; /* port, unnamed, unplugged, foreign */
    g_autoptr(GPtrArray) nics = domain_nic_list(domain, index_of_tap);
    GString *text = g_string_new(NULL);

    for (guint i = 0; i < nics->len; i++) {
        const DomainNic *nic = nics->pdata[i];

        g_string_append_printf(text, "%s%c %s %s", i > 0 ? ", " : "", kinds[nic->kind],
                               domain_nic_name(nic), nic->port ? nic->port->target : "-");
    }
    return g_string_free(text, FALSE);
}

static void
test_what_belongs_together(void **state)
{
    static const char *const rows[][2] = {
        {DOMAIN("", ""), ""},
        {DOMAIN(PORTS(PORT("a", "lan")), ETHERNET("01", "dev='a'", "") DIRECT),
         "P a a, F macvtap0 -"},
        /* virt-clone */
        {DOMAIN(PORTS(PORT("a", "lan") PORT("b", "dmz")),
                ETHERNET("01", "", "") ETHERNET("02", "", "")),
         "N 52:54:00:00:00:01 a, N 52:54:00:00:00:02 b"},
        /* another device's name */
        {DOMAIN(PORTS(PORT("a", "lan") PORT("b", "dmz")),
                ETHERNET("01", "dev='a'", "") ETHERNET("02", "dev='c'", "")),
         "P a a, N c b"},
        /* a device that is there is its user's */
        {DOMAIN(PORTS(PORT("a", "lan")), ETHERNET("01", "dev='tap9'", "")), "N tap9 -, U a a"},
        {DOMAIN(PORTS(PORT("a", "lan")), ETHERNET("01", "dev='c'", "") ETHERNET("02", "", "")),
         "N c -, N 52:54:00:00:00:02 a"},
        /* which is whose nobody knows */
        {DOMAIN(PORTS(PORT("a", "lan")), ETHERNET("01", "", "") ETHERNET("02", "", "")),
         "N 52:54:00:00:00:01 -, N 52:54:00:00:00:02 -, U a a"},
        {DOMAIN(PORTS(PORT("a", "lan")), ""), "U a a"},
        /* a port is one interface's */
        {DOMAIN(PORTS(PORT("a", "lan")),
                ETHERNET("01", "dev='a'", "") ETHERNET("02", "dev='a'", "")),
         "P a a, N a -"},
        {DOMAIN("", "<interface type='ethernet'><target dev='a'/></interface><interface/>"),
         "F a -, F without a MAC -"},
    };

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(DomainXml) domain = parse(rows[i][0]);
        g_autofree char *described = describe(domain);

        assert_string_equal(described, rows[i][1]);
    }
}

static void
test_found_by_its_names(void **state)
{
    g_autoptr(DomainXml) domain =
        parse(DOMAIN(PORTS(PORT("a", "lan")), DIRECT ETHERNET("0a", "dev='c'", "")));
    g_autoptr(GPtrArray) nics = domain_nic_list(domain, index_of_tap);

    assert_ptr_equal(domain_nic_find(nics, "macvtap0"), nics->pdata[0]);
    assert_ptr_equal(domain_nic_find(nics, "c"), nics->pdata[1]);
    assert_ptr_equal(domain_nic_find(nics, "a"), nics->pdata[1]);
    assert_ptr_equal(domain_nic_find(nics, "52:54:00:00:00:0A"), nics->pdata[1]);
    assert_null(domain_nic_find(nics, "b"));
}

/* The document with a port made of its first interface, parsed again. */
static DomainXml *
make_port(const char *text, const PortOptions *options, char **ret_text)
{
    g_autoptr(DomainXml) domain = parse(text);
    g_autoptr(GPtrArray) nics = domain_nic_list(domain, index_of_tap);
    g_auto(PortOptions) all = {0};

    port_options_copy(options, &all);
    domain_nic_read_options(nics->pdata[0], &all);
    domain_nic_make_port(domain, nics->pdata[0], &all);
    *ret_text = domain_xml_format(domain);
    return parse(*ret_text);
}

static void
test_port_of_a_direct_interface(void **state)
{
    const PortOptions options = {.network = (char *)"l<n",
                                 .target = (char *)"vm1-net0",
                                 .mac = (char *)"52:54:00:00:00:0d",
                                 .queues = (char *)"4"};
    g_autofree char *text = NULL;
    g_autoptr(DomainXml) domain = make_port(DOMAIN("", DIRECT), &options, &text);
    const DomainPort *port;

    assert_null(domain->problem);
    assert_int_equal(domain->ports->len, 1);
    port = domain->ports->pdata[0];
    assert_string_equal(port->target, "vm1-net0");
    assert_string_equal(port->network, "l<n");
    assert_string_equal(port->mac, "52:54:00:00:00:0d");
    assert_int_equal(port->queues, 4);
    assert_int_equal(port->mtu, 1400);
    assert_string_equal(port->limits, "receive=8M");
    assert_non_null(strstr(text, "<boot order=\"1\"/>"));
    assert_null(strstr(text, "source"));
    assert_null(strstr(text, "virtualport"));
    assert_null(strstr(text, "bandwidth"));
    assert_null(strstr(text, "trustGuest"));
}

static void
test_port_of_a_clone(void **state)
{
    const PortOptions options = {.network = (char *)"dmz",
                                 .target = (char *)"vm1-net0",
                                 .mac = (char *)"52:54:00:00:00:01",
                                 .model = (char *)"e1000"};
    g_autofree char *text = NULL;
    g_autoptr(DomainXml) domain =
        make_port(DOMAIN(PORTS(PORT("old", "lan")), ETHERNET("01", "", "")), &options, &text);
    g_autofree char *described = describe(domain);

    assert_null(domain->problem);
    assert_string_equal(described, "P vm1-net0 vm1-net0");
    assert_string_equal(((const DomainPort *)domain->ports->pdata[0])->network, "dmz");
    assert_non_null(strstr(text, "urn:x"));
    assert_non_null(strstr(text, "<model type=\"e1000\"/>"));
}

/* Of a port that becomes another one, whatever the command line does not say. */
static void
test_limits_stay(void **state)
{
    static const struct {
        const char *metadata, *interface, *limits;
    } rows[] = {
        {PORTS(LIMITED("old", "receive=8M")), ETHERNET("01", "", ""), "receive=8M"},
        {PORTS(LIMITED("vm1-net0", "send=9M,broadcasts=50")), ETHERNET("01", "dev='vm1-net0'", ""),
         "send=9M,broadcasts=50"},
        {PORTS(PORT("old", "lan")), ETHERNET("01", "", ""), NULL},
        {PORTS(LIMITED("old", "network")), ETHERNET("01", "", ""), "network"},
        {PORTS(LIMITED("old", "receive=9M,send=9M")),
         ETHERNET("01", "", "<bandwidth><inbound average='1000'/></bandwidth>"),
         "receive=8M,send=9M"},
        {PORTS(LIMITED("old", "network")),
         ETHERNET("01", "", "<bandwidth><outbound average='1000'/></bandwidth>"), "send=8M"},
        /* which no port's limits can say */
        {PORTS(LIMITED("old", "receive=9M")),
         ETHERNET("01", "", "<bandwidth><inbound average='1000' peak='2000'/></bandwidth>"),
         "receive=9M"},
    };
    const PortOptions options = {
        .network = (char *)"dmz", .target = (char *)"vm1-net0", .mac = (char *)"52:54:00:00:00:01"};

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *before =
            g_strdup_printf(DOMAIN("%s", "%s"), rows[i].metadata, rows[i].interface);
        g_autofree char *text = NULL, *live = NULL;
        g_autoptr(DomainXml) domain = make_port(before, &options, &text);
        const DomainPort *port = domain->ports->pdata[0];

        assert_null(domain->problem);
        assert_int_equal(domain->ports->len, 1);
        assert_string_equal(port->network, "dmz");
        assert_int_equal(g_strcmp0(port->limits, rows[i].limits), 0);
        live = domain_xml_format_ports(domain->ports);
        assert_int_equal(rows[i].limits && !strstr(live, rows[i].limits), FALSE);
    }
}

static void
test_direct_interface_of_a_port(void **state)
{
    g_autoptr(DomainXml) domain =
        parse(DOMAIN("<metadata><m:ports xmlns:m='" DOMAIN_XML_NAMESPACE
                     "'>\n " PORT("a", "lan") "\n</m:ports>\n</metadata>",
                     ETHERNET("01", "dev='a'", "<mtu size='1400'/><alias name='ua-x'/>")));
    g_autoptr(GPtrArray) nics = domain_nic_list(domain, index_of_tap);
    g_autofree char *parent = NULL, *mode = NULL, *text = NULL, *device = NULL;

    assert_false(domain_nic_get_source(nics->pdata[0], &parent, &mode));
    domain_nic_make_direct(domain, nics->pdata[0], "eth0", "private");
    text = domain_xml_format(domain);
    assert_null(strstr(text, "metadata"));
    device = domain_nic_format(nics->pdata[0]);
    assert_string_equal(device, "<interface type=\"direct\"><mac address=\"52:54:00:00:00:01\"/>"
                                "<alias name=\"ua-x\"/><source dev=\"eth0\" mode=\"private\"/>"
                                "</interface>");
}

static void
test_source(void **state)
{
    g_autoptr(DomainXml) domain = parse(DOMAIN("", DIRECT));
    g_autoptr(GPtrArray) nics = domain_nic_list(domain, index_of_tap);
    g_autofree char *parent = NULL, *mode = NULL, *text = domain_nic_format(nics->pdata[0]);
    g_auto(PortOptions) options = {.queues = g_strdup("1")};

    assert_true(domain_nic_get_source(nics->pdata[0], &parent, &mode));
    assert_string_equal(parent, "eth0");
    assert_string_equal(mode, "vepa");
    domain_nic_read_options(nics->pdata[0], &options);
    assert_string_equal(options.queues, "1");
    assert_string_equal(options.mtu, "1400");
    /* The name that libvirt gave the device. */
    assert_null(strstr(text, "alias"));
}

static void
test_removed(void **state)
{
    g_autoptr(DomainXml) domain =
        parse(DOMAIN(PORTS(PORT("a", "lan") PORT("b", "lan")),
                     ETHERNET("01", "", "") ETHERNET("02", "dev='b'", "")));
    g_autoptr(GPtrArray) nics = domain_nic_list(domain, index_of_tap);
    g_autofree char *text = NULL;

    domain_nic_remove(domain, nics->pdata[0]);
    text = domain_xml_format(domain);
    assert_null(strstr(text, "00:01"));
    assert_null(strstr(text, "target=\"a\""));
    assert_non_null(strstr(text, "target=\"b\""));
    assert_int_equal(domain->ports->len, 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_belongs_together),
        cmocka_unit_test(test_found_by_its_names),
        cmocka_unit_test(test_port_of_a_direct_interface),
        cmocka_unit_test(test_port_of_a_clone),
        cmocka_unit_test(test_limits_stay),
        cmocka_unit_test(test_direct_interface_of_a_port),
        cmocka_unit_test(test_source),
        cmocka_unit_test(test_removed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
