/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include "config.h"
#include "port-error.h"

static gboolean
fake_user(const char *name, uid_t *ret_uid)
{
    if (!g_str_equal(name, "alice") && !g_str_equal(name, "1000"))
        return FALSE;
    *ret_uid = g_str_equal(name, "alice") ? 1001 : 1000;
    return TRUE;
}

static gboolean
fake_group(const char *name, gid_t *ret_gid)
{
    *ret_gid = 36;
    return g_str_equal(name, "kvm");
}

static const ConfigLookup fake_lookup = {.user = fake_user, .group = fake_group};

static Network *
parse_length(const char *text, gsize length, GError **error)
{
    return config_parse_network("lan", "lan.network", text, length, &fake_lookup, error);
}

static Network *
parse(const char *text)
{
    g_autoptr(GError) error = NULL;
    Network *network = parse_length(text, strlen(text), &error);

    assert_no_error(error);
    return network;
}

static void
assert_refused_length(const char *text, gsize length, const char *message)
{
    GError *error = NULL;

    assert_null(parse_length(text, length, &error));
    assert_int_equal(strncmp(error->message, "lan.network:", strlen("lan.network:")), 0);
    assert_error_cleared(&error, PORT_ERROR, PORT_ERROR_NETWORK_INVALID, message);
}

static void
assert_refused(const char *text, const char *message)
{
    assert_refused_length(text, strlen(text), message);
}

/* A file whose line 4 is this. */
static char *
with_line(const char *section, const char *line)
{
    if (g_str_equal(section, "Network"))
        return g_strdup_printf("[Network]\nParent=eth0\nMode=bridge\n%s\n", line);
    return g_strdup_printf("[Network]\nParent=eth0\nMode=bridge\n[%s]\n%s\n", section, line);
}

static void
test_the_shortest_file_has_the_defaults(void **state)
{
    g_autoptr(Network) network = parse("[Network]\nParent=eth0\nMode=bridge");
    g_autoptr(Network) defaults = network_new("lan");

    assert_string_equal(network->name, "lan");
    assert_null(network->problem);
    assert_false(network->adhoc);
    assert_string_equal(network->parents[0], "eth0");
    assert_null(network->parents[1]);
    assert_null(network->vlan);
    assert_int_equal(network->mode, MACVTAP_MODE_BRIDGE);
    assert_int_equal(network->max_queues, defaults->max_queues);
    assert_int_equal(network->mac, MAC_POLICY_GENERATE);
    assert_int_equal(network->allow_macs->len, 1);
    assert_int_equal(network->allow_uids->len + network->allow_gids->len, 0);
}

static const char full_file[] = "# the guests' network\n"
                                "\n"
                                "[Network]\n"
                                "Parent=eth0  eth1\tbond0\n"
                                "VLAN=200.100\n"
                                "  Mode = source  \r\n"
                                "MTU=9000\n"
                                "NoPromisc=no\n"
                                "Sources=52:54:00:00:00:01 52:54:00:00:00:02\n"
                                "\n"
                                "[Port]\n"
                                "MaxQueues=256\n"
                                "Vhost=require\n"
                                "Mac=any\n"
                                "AllowMacs=02:00:00:00:00:00/40 02:00:00:00:01:01\n"
                                "Multicast=filter\n"
                                "GuestVLANs=7 100-102\t4094\n"
                                "TxQueueLength=1000000\n"
                                "BroadcastQueueLength=1\n"
                                "[Guard]\n"
                                "Senders=any\n"
                                "Verdict=count\n"
                                "Addresses=dhcp\n"
                                "AllowAddresses=192.168.1.0/24\tfd00::5\n"
                                "Allow=lldp router\n"
                                "[Addresses]\n"
                                "Subnet=192.168.1.0/24 fd00::/64\n"
                                "Range=192.168.1.32/27 192.168.1.70-192.168.1.79\n"
                                "Reserve=192.168.1.40\n"
                                "Gateway=192.168.1.1 fe80::1\n"
                                "DNS=192.168.1.1 2001:db8::53\n"
                                "Search=example.org lan\n"
                                "Serve=dhcp\n"
                                "LeaseTime=12h\n"
                                "[Guest]\n"
                                "FollowCarrier=yes\n"
                                "[Access]\n"
                                "AllowUsers=alice 1000\n"
                                "AllowGroups=kvm\n"
                                "MaxPorts=100\n"
                                "MaxPortsPerUser=4";

static void
test_every_key_reaches_its_field(void **state)
{
    g_autoptr(Network) network = parse(full_file);
    VlanTags tags;

    assert_int_equal(g_strv_length(network->parents), 3);
    assert_true(network->follow_carrier);
    assert_string_equal(network->parents[1], "eth1");
    assert_string_equal(network->parents[2], "bond0");
    assert_string_equal(network->vlan, "200.100");
    assert_int_equal(network->mode, MACVTAP_MODE_SOURCE);
    assert_int_equal(network->mtu, 9000);
    assert_false(network->nopromisc);
    assert_int_equal(network->sources->len, 2);
    assert_int_equal(g_array_index(network->sources, MacAddress, 1).octets[5], 2);
    assert_int_equal(network->max_queues, 256);
    assert_int_equal(network->vhost, VHOST_POLICY_REQUIRE);
    assert_int_equal(network->mac, MAC_POLICY_ANY);
    assert_int_equal(network->allow_macs->len, 2);
    assert_int_equal(g_array_index(network->allow_macs, MacRange, 0).prefix_bits, 40);
    assert_int_equal(network->multicast, MULTICAST_FILTER);
    assert_string_equal(network->guest_vlans[1], "100-102");
    network_guest_vlans(network, &tags);
    assert_int_equal(vlan_tags_count(&tags), 5);
    assert_true(vlan_tags_has(&tags, 101) && vlan_tags_has(&tags, 4094));
    assert_int_equal(network->tx_queue_length, 1000000);
    assert_int_equal(network->broadcast_queue_length, 1);
    assert_int_equal(network->guard.senders, GUARD_SENDERS_ANY);
    assert_int_equal(network->guard.verdict, GUARD_VERDICT_COUNT);
    assert_int_equal(network->guard.addresses, GUARD_ADDRESSES_DHCP);
    assert_int_equal(network->guard.allow, GUARD_ALLOW_LLDP | GUARD_ALLOW_ROUTER);
    assert_int_equal(network->guard.prefixes->len, 2);
    assert_int_equal(g_array_index(network->guard.prefixes, IpPrefix, 0).prefix_bits, 120);
    assert_int_equal(network->addresses.subnets->len, 2);
    assert_int_equal(network->addresses.ranges->len, 2);
    assert_int_equal(network->addresses.reserved->len, 1);
    assert_int_equal(network->addresses.gateways->len, 2);
    assert_int_equal(network->addresses.dns->len, 2);
    assert_string_equal(network->addresses.search[1], "lan");
    assert_int_equal(network->addresses.serve, ADDRESS_SERVE_DHCP);
    assert_int_equal(network->addresses.lease_time, 12 * 3600);
    assert_int_equal(addresses_pool_size(&network->addresses, ADDRESS_IPV4), 32 - 1 + 10);
    assert_int_equal(network->allow_uids->len, 2);
    assert_int_equal(g_array_index(network->allow_uids, uid_t, 0), 1001);
    assert_int_equal(g_array_index(network->allow_uids, uid_t, 1), 1000);
    assert_int_equal(g_array_index(network->allow_gids, gid_t, 0), 36);
    assert_int_equal(network->max_ports, 100);
    assert_int_equal(network->max_ports_per_user, 4);
}

static void
test_an_empty_value_is_the_default(void **state)
{
    static const char *const sections[][2] = {
        {"Network", "VLAN=\nMTU=\nNoPromisc=\nSources= \n"},
        {"Port", "MaxQueues=\nVhost=\nMac=\nAllowMacs=\nMulticast=\nGuestVLANs=\nTxQueueLength=\n"
                 "BroadcastQueueLength="},
        {"Guard", "Senders=\nVerdict=\nAddresses=\nAllowAddresses=\nAllow="},
        {"Access", "AllowUsers=\nAllowGroups=\t\nMaxPorts=\nMaxPortsPerUser="},
    };

    for (guint i = 0; i < G_N_ELEMENTS(sections); i++) {
        g_autofree char *text = with_line(sections[i][0], sections[i][1]);
        g_autoptr(Network) network = parse(text);

        assert_null(network->vlan);
        assert_int_equal(network->max_queues, 8);
        assert_int_equal(network->allow_macs->len, 1);
        assert_int_equal(network->allow_uids->len, 0);
    }
}

static void
test_passthru_inherits_unless_told(void **state)
{
    g_autoptr(Network) silent = parse("[Network]\nParent=eth0\nMode=passthru\nNoPromisc=yes\n");
    g_autoptr(Network) empty = parse("[Network]\nParent=eth0\nMode=passthru\n[Port]\nMac=\n");
    g_autoptr(Network) told = parse("[Network]\nParent=eth0\nMode=passthru\n[Port]\nMac=assign\n");

    assert_int_equal(silent->mac, MAC_POLICY_INHERIT);
    assert_true(silent->nopromisc);
    assert_int_equal(empty->mac, MAC_POLICY_INHERIT);
    assert_int_equal(told->mac, MAC_POLICY_ASSIGN);
}

static void
test_booleans(void **state)
{
    static const char *const yes[] = {"yes", "true", "1", "on", "Yes"};
    static const char *const no[] = {"no", "false", "0", "off", "NO"};

    for (guint i = 0; i < G_N_ELEMENTS(yes); i++) {
        g_autofree char *yes_text =
            g_strdup_printf("[Network]\nParent=e\nMode=passthru\nNoPromisc=%s", yes[i]);
        g_autofree char *no_text =
            g_strdup_printf("[Network]\nParent=e\nMode=passthru\nNoPromisc=%s", no[i]);
        g_autoptr(Network) on = parse(yes_text);
        g_autoptr(Network) off = parse(no_text);

        assert_true(on->nopromisc);
        assert_false(off->nopromisc);
    }
}

static void
test_bad_values_name_line_key_and_value(void **state)
{
    static const struct {
        const char *section;
        const char *line;
        const char *message;
    } bad[] = {
        {"Network", "VLAN=abc", ":4: VLAN= 'abc' is not N or OUTER.INNER"},
        {"Network", "VLAN=100 # office",
         ":4: VLAN= '100 # office' is not N or OUTER.INNER, each 1 "
         "to 4094 (a comment needs a line of its own)"},
        {"Network", "VLAN=4095", ":4: VLAN= '4095' is not N or OUTER.INNER"},
        {"Port", "GuestVLANs=100 abc",
         ":5: GuestVLANs= 'abc' is not N or FIRST-LAST, each 1 to 4094"},
        {"Port", "GuestVLANs=0", ":5: GuestVLANs= '0'"},
        {"Port", "GuestVLANs=20-10", ":5: GuestVLANs= '20-10'"},
        {"Port", "GuestVLANs=1-2-3", ":5: GuestVLANs= '1-2-3'"},
        {"Port", "GuestVLANs=4000-4095", ":5: GuestVLANs= '4000-4095'"},
        {"Port", "GuestVLANs=1,2", ":5: GuestVLANs= '1,2'"},
        {"Port", "GuestVLANs=1-256 300", "GuestVLANs= has more than 256 tags"},
        {"Network", "NoPromisc=maybe", ":4: NoPromisc= 'maybe' is not yes or no"},
        {"Network", "MTU=67", ":4: MTU= '67' is not a number from 68 to 65535"},
        {"Network", "MTU=65536", ":4: MTU= '65536'"},
        {"Network", "MTU=1500x", ":4: MTU= '1500x'"},
        {"Network", "MTU=0x5dc", ":4: MTU="},
        {"Network", "MTU=-1", ":4: MTU="},
        {"Network", "MTU=18446744073709551616", ":4: MTU="},
        {"Network", "MTU=1500 # jumbo", ":4: MTU= '1500 # jumbo'"},
        {"Network", "Sources=52:54", ":4: Sources= '52:54' is not a MAC"},
        {"Network", "Sources=52:54:00:00:00:01", ":4: Sources= can only be used with Mode=source"},
        {"Network", "NoPromisc=yes", ":4: NoPromisc= can only be used with Mode=passthru"},
        {"Network", "VLAN=\\q", ":4: VLAN= has a '\\' that is not part of"},
        {"Port", "MaxQueues=0", ":5: MaxQueues= '0' is not a number from 1 to 256"},
        {"Port", "MaxQueues=257", ":5: MaxQueues= '257'"},
        {"Port", "Vhost=on", ":5: Vhost= 'on' is not auto, require or off"},
        {"Port", "Mac=random", ":5: Mac= 'random' is not generate, any, inherit or assign"},
        {"Port", "Mac=inherit", ":5: Mac=inherit can only be used with Mode=passthru"},
        {"Port", "AllowMacs=52:54:00:00:00:01/24", ":5: AllowMacs= '52:54:00:00:00:01/24' is not"},
        {"Port", "AllowMacs=52:54:00:00:00:00/24,", ":5: AllowMacs="},
        {"Port", "AllowMacs=02:00:00:00:00:01 01:00:5e:00:00:00/24",
         ":5: AllowMacs= '01:00:5e:00:00:00/24' is not"},
        {"Port", "AllowMacs=00:00:00:00:00:00", ":5: AllowMacs="},
        {"Port", "Multicast=none", ":5: Multicast= 'none' is not all or filter"},
        {"Port", "TxQueueLength=0", ":5: TxQueueLength= '0' is not a number from 1 to 1000000"},
        {"Port", "TxQueueLength=1000001", ":5: TxQueueLength="},
        {"Port", "BroadcastQueueLength=0", ":5: BroadcastQueueLength="},
        {"Guard", "Senders=mine", ":5: Senders= 'mine' is not auto, any or own"},
        {"Guard", "Verdict=log", ":5: Verdict= 'log' is not drop or count"},
        {"Guard", "Addresses=static", ":5: Addresses= 'static' is not any, listed or dhcp"},
        {"Guard", "Allow=lldp ospf",
         ":5: Allow= 'ospf' is not router, dhcp-server, vlan, lldp, lacp, stp, tunnels, other or"
         " none"},
        {"Guard", "Allow=lldp,stp", "separate the entries with spaces, not commas"},
        {"Guard", "Allow=none stp", ":5: Allow=none cannot be combined with other words"},
        {"Guard", "AllowAddresses=10.0.0.0/8",
         ":5: AllowAddresses= can only be used with Addresses=listed or Addresses=dhcp"},
        {"Guard", "Addresses=listed\nAllowAddresses=10.0.0.5/8",
         ":6: AllowAddresses= '10.0.0.5/8' has bits set after the /8"},
        {"Guard", "Addresses=listed\nAllowAddresses=fd00::/64 eth0",
         ":6: AllowAddresses= 'eth0' is neither an IP address nor a prefix (ADDRESS/BITS)"},
        {"Guard", "Addresses=listed\nAllowAddresses=10.0.0.1,10.0.0.2",
         "separate the entries with spaces, not commas"},
        {"Guard", "Addresses=listed\nAllowAddresses=10.0.0.1 # gateway",
         "(a comment needs a line of its own)"},
        {"Addresses", "Subnet=10.0.0.5/24",
         ":5: Subnet= '10.0.0.5/24' has bits set after the /24: write '10.0.0.5' for one address, "
         "or '10.0.0.0/24'"},
        {"Addresses", "Subnet=lan", ":5: Subnet= 'lan' is neither"},
        {"Addresses", "Subnet=10.0.0.0/24,fd00::/64",
         "separate the entries with spaces, not commas"},
        {"Addresses", "Range=10.0.0.0/24", "Subnet= is missing: the other keys"},
        {"Addresses", "Subnet=10.0.0.0/24\nRange=10.0.0.9-10.0.0.5",
         ":6: Range= '10.0.0.9-10.0.0.5' ends before it begins"},
        {"Addresses", "Subnet=10.0.0.0/24\nReserve=10.0.0.5-8",
         ":6: Reserve= '10.0.0.5-8' is neither"},
        {"Addresses", "Subnet=10.0.0.0/24\nReserve=10.0.1.5",
         ":6: Reserve= '10.0.1.5' is not within Subnet="},
        {"Addresses", "Subnet=10.0.0.0/24\nGateway=router",
         ":6: Gateway= 'router' is not an IP address"},
        {"Addresses", "Subnet=10.0.0.0/24\nDNS=1.1.1.1,8.8.8.8",
         ":6: DNS= '1.1.1.1,8.8.8.8' is not an IP address; separate"},
        {"Addresses", "Subnet=10.0.0.0/24\nSearch=a..b", ":6: Search= 'a..b' is not a domain name"},
        {"Addresses", "Subnet=10.0.0.0/24\nServe=dhcpv4",
         ":6: Serve= 'dhcpv4' is not none or dhcp"},
        {"Addresses", "Subnet=10.0.0.0/24\nLeaseTime=59",
         ":6: LeaseTime= '59' is not a time of at least 1min (examples: 90s, 30min, 12h, 7d, "
         "infinity)"},
        {"Addresses", "Subnet=10.0.0.0/24\nLeaseTime=1y", ":6: LeaseTime= '1y' is not a time"},
        {"Addresses", "Subnet=10.0.0.0/24\nLeaseTime=min", ":6: LeaseTime= 'min' is not a time"},
        {"Addresses", "Subnet=10.0.0.0/24\nLeaseTime=7102w", ":6: LeaseTime= '7102w' is not"},
        {"Guard", "SendLimit=10", ":5: SendLimit= '10' is not a rate from 64K to 100G bits"},
        {"Guard", "ReceiveLimit=10M/1K", ":5: ReceiveLimit= '10M/1K' is not a rate"},
        {"Guard", "BroadcastLimit=0", ":5: BroadcastLimit= '0' is not a number from 1 to 1000000"},
        {"Guest", "Announce=maybe", ":5: Announce= 'maybe' is not yes or no"},
        {"Access", "AllowUsers=alice bob", ":5: AllowUsers= 'bob' is not a user"},
        {"Access", "AllowUsers=alice,1000",
         ":5: AllowUsers= 'alice,1000' is not a user of this system, by name or uid; "
         "separate the entries with spaces"},
        {"Access", "AllowGroups=alice", ":5: AllowGroups= 'alice' is not a group"},
        {"Access", "MaxPorts=-1", ":5: MaxPorts= '-1' is not a number from 1 to"},
        {"Access", "MaxPorts=0", ":5: MaxPorts= '0' is not a number from 1 to"},
        {"Access", "MaxPortsPerUser=0", ":5: MaxPortsPerUser= '0' is not a number from 1 to"},
        {"Access", "MaxPorts=4294967296", ":5: MaxPorts="},
        {"Access", "MaxPortsPerUser=many", ":5: MaxPortsPerUser="},
    };

    for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autofree char *text = with_line(bad[i].section, bad[i].line);

        assert_refused(text, bad[i].message);
    }
}

static void
test_times_have_units(void **state)
{
    static const struct {
        const char *text;
        guint seconds;
    } rows[] = {
        {"60", 60},         {"90s", 90},       {"30m", 1800},         {"30min", 1800},
        {"12h", 12 * 3600}, {"7d", 7 * 86400}, {"7101w", 4294684800}, {"infinity", G_MAXUINT32}};

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *text = g_strdup_printf(
            "[Network]\nParent=e\nMode=vepa\n[Addresses]\nSubnet=10.0.0.0/8\nLeaseTime=%s",
            rows[i].text);
        g_autoptr(Network) network = parse(text);

        assert_true(network->addresses.lease_time == rows[i].seconds);
    }
}

static void
test_a_guard_has_so_many_addresses(void **state)
{
    g_autoptr(GString) text = g_string_new(
        "[Network]\nParent=e\nMode=bridge\n[Guard]\nAddresses=listed\nAllowAddresses=");
    g_autoptr(Network) network = NULL;

    for (guint i = 1; i <= GUARD_PREFIXES_MAX; i++)
        g_string_append_printf(text, "10.0.%u.0/24 ", i);
    network = parse(text->str);
    assert_int_equal(network->guard.prefixes->len, GUARD_PREFIXES_MAX);
    g_string_append(text, "10.1.0.0/24");
    assert_refused(text->str, ":6: AllowAddresses= has 33 entries; a guard can have at most 32");
}

static void
test_unknown_keys_and_sections(void **state)
{
    static const struct {
        const char *section;
        const char *line;
        const char *message;
    } bad[] = {
        {"Network", "Parnet=eth1",
         "lan.network:4: unknown key 'Parnet' in section [Network]; did you mean 'Parent'?"},
        {"Network", "parent=eth1",
         ":4: unknown key 'parent' in section [Network]; did you mean 'Parent'?"},
        {"Network", "MaxPorts=1",
         ":4: unknown key 'MaxPorts' in section [Network]; it belongs in section [Access]"},
        {"Network", "AllowUser=al", "; did you mean 'AllowUsers' in section [Access]?"},
        {"Network", "Mode[de]=vepa", ":4: unknown key 'Mode[de]' in section [Network]"},
        {"Network", "Pa\\x=\n", ":4: unknown key 'Pa\\\\x'"},
        {"Acces", "AllowUsers=alice",
         "lan.network:4: unknown section [Acces]; did you mean [Access]?"},
        {"access", "", ":4: unknown section [access]; did you mean [Access]?"},
        {" Access", "", ":4: unknown section [ Access]"},
        {"Network", "[\xc3\xa9]", ":4: unknown section [\\303\\251]"},
    };

    for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autofree char *text = with_line(bad[i].section, bad[i].line);

        assert_refused(text, bad[i].message);
    }
}

/* What has nothing in common with any key is not compared with one. */
static void
test_nothing_is_suggested(void **state)
{
    g_autofree char *key = with_line("Network", "Colour=red");
    g_autofree char *section = with_line("Foo", "Colour=red");
    const char *const texts[] = {key, section};

    for (guint i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autoptr(GError) error = NULL;

        assert_null(parse_length(texts[i], strlen(texts[i]), &error));
        assert_null(strchr(error->message, ';'));
    }
}

static void
test_nothing_may_come_twice(void **state)
{
    g_autofree char *key = with_line("Network", "\nMode=vepa");
    g_autofree char *same = with_line("Network", "Mode = bridge");
    g_autofree char *section = with_line("Port", "[Network]\nParent=eth1");

    assert_refused(key, ":5: key 'Mode' in section [Network] is given twice, first in line 3");
    assert_refused(same, ":4: key 'Mode' in section [Network] is given twice, first in line 3");
    assert_refused(section, ":5: section [Network] is given twice, first in line 1");
}

static void
test_lines_that_are_nothing(void **state)
{
    static const struct {
        const char *line;
        const char *message;
    } bad[] = {
        {"Parent", ":4: 'Parent' is neither KEY=VALUE"},
        {"=eth1", ":4: '=eth1' is neither"},
        {"; a comment elsewhere", ":4: '; a comment elsewhere' is neither"},
        {"[Port", ":4: '[Port' is not a section header"},
        {"[]", ":4: '[]' is not a section header"},
        {"[Port] # x", ":4: '[Port] # x' is not a section header"},
    };

    for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autofree char *text = with_line("Network", bad[i].line);

        assert_refused(text, bad[i].message);
    }
    assert_refused("Parent=eth0\n[Network]\nMode=bridge\n", ":1: key 'Parent' comes before any");
}

static void
test_white_space_around_lines(void **state)
{
    g_autoptr(Network) network = parse("\t[Network] \r\r\n Mode\t=  vepa\r\r\n\r\nParent=eth0\r");

    assert_int_equal(network->mode, MACVTAP_MODE_VEPA);
    assert_string_equal(network->parents[0], "eth0");
}

static void
test_bytes_that_are_no_text(void **state)
{
    static const char nul[] = "[Network]\nParent=eth0\nMode=bri\0dge\n";
    g_autofree char *large = g_strnfill(CONFIG_FILE_MAX + 1, '#');
    g_autofree char *full = g_strnfill(CONFIG_FILE_MAX, '#');

    assert_refused_length(nul, sizeof(nul) - 1, ":3: the line has a NUL byte");
    assert_refused("[Network]\f\nMode=vepa\n", ":1: the line has a control character (\\014)");
    assert_refused("[Network]\n# \x1b[31m\n", ":2: the line has a control character (\\033)");
    assert_refused("[Network]\n\n\nMode=vepa\x7f", ":4: the line has a control character (\\177)");
    assert_refused("[Network]\nParent=eth0\nMode=\xff\n", ":3: the line is not UTF-8");
    assert_refused("# \xc3\n[Network]\n", ":1: the line is not UTF-8");
    assert_refused(large, ":1: the file is larger than 64 KiB");
    assert_refused(full, ":1: Mode= is missing");
    /* only length counts, not a NUL after it */
    assert_refused_length("[Network]\nParent=eth0\nMode=bridgeX", 32, "Mode= 'bridg' is not");
}

static void
test_parent_and_mode_must_be_there(void **state)
{
    assert_refused("", ":1: Mode= is missing");
    assert_refused_length(NULL, 0, ":1: Mode= is missing");
    assert_refused("\n\n[Network]\nParent=eth0\n", ":3: Mode= is missing");
    assert_refused("\n[Network]\nParent=eth0\nMode=\n", ":4: Mode= is missing");
    assert_refused("\n[Network]\nMode=bridge\n", ":2: Parent= is missing");
    assert_refused("[Network]\nMode=bridge\nParent= \n", ":3: Parent= is missing");
    assert_refused("[Network]\nMode=brigde\nParent=a\n", ":2: Mode= 'brigde' is not bridge, vepa");
    assert_refused("[Network]\nMode=bridge\nParent=a b a\n", ":3: Parent= has 'a' twice");
    assert_refused("[Network]\nMode=bridge\nParent=a,b/c\n", ":3: Parent= 'a,b/c' cannot be");
    assert_refused("[Network]\nMode=bridge\nParent=eth0;p1\n", ":3: Parent= 'eth0;p1' cannot be");
    assert_refused("[Network]\nMode=bridge\nParent=eth0 -p1\n", ":3: Parent= '-p1' cannot be");
    assert_refused(
        "[Network]\nMode=bridge\nParent=eth0 # uplink\n",
        ":3: Parent= '#' cannot be an interface name: a comment needs a line of its own");
    assert_refused("[Network]\nMode=bridge\nParent=a\\nb\n", ":3: Parent= 'a\\nb' cannot be");
}

static void
test_a_long_value_does_not_flood_the_message(void **state)
{
    g_autofree char *value = g_strnfill(30000, '\\');
    static const char *const prefixes[] = {"Mode=", "MTU=",  "Sources=", "",
                                           "[",     "VLAN=", "Parent="};

    for (guint i = 0; i < G_N_ELEMENTS(prefixes); i++) {
        g_autofree char *text = g_strconcat("[Network]\n", prefixes[i], value, "\nMode=vepa", NULL);
        g_autofree char *key = g_strconcat("[Network]\n", value, "=1\n", value, "=1\n", NULL);
        g_autoptr(GError) error = NULL;

        assert_null(parse_length(text, strlen(text), &error));
        assert_true(strlen(error->message) < 300);
        g_clear_error(&error);
        assert_null(parse_length(key, strlen(key), &error));
        assert_true(strlen(error->message) < 300);
    }
}

static void
test_system_lookup(void **state)
{
    uid_t uid = 7;
    gid_t gid = 7;

    assert_true(config_lookup_system.user("root", &uid));
    assert_int_equal(uid, 0);
    assert_true(config_lookup_system.group("root", &gid));
    assert_int_equal(gid, 0);
    assert_true(config_lookup_system.user("4294967294", &uid));
    assert_int_equal(uid, 4294967294u);
    assert_false(config_lookup_system.user("4294967295", &uid));
    assert_false(config_lookup_system.group("4294967295", &gid));
    assert_false(config_lookup_system.user("no-such-user-here", &uid));
    assert_false(config_lookup_system.group("no-such-group-here", &gid));
    assert_false(config_lookup_system.user("", &uid));
    assert_false(config_lookup_system.user("-1", &uid));
    assert_int_equal(uid, 4294967294u);
    assert_int_equal(gid, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_shortest_file_has_the_defaults),
        cmocka_unit_test(test_every_key_reaches_its_field),
        cmocka_unit_test(test_an_empty_value_is_the_default),
        cmocka_unit_test(test_passthru_inherits_unless_told),
        cmocka_unit_test(test_booleans),
        cmocka_unit_test(test_bad_values_name_line_key_and_value),
        cmocka_unit_test(test_times_have_units),
        cmocka_unit_test(test_a_guard_has_so_many_addresses),
        cmocka_unit_test(test_unknown_keys_and_sections),
        cmocka_unit_test(test_nothing_is_suggested),
        cmocka_unit_test(test_nothing_may_come_twice),
        cmocka_unit_test(test_lines_that_are_nothing),
        cmocka_unit_test(test_white_space_around_lines),
        cmocka_unit_test(test_bytes_that_are_no_text),
        cmocka_unit_test(test_parent_and_mode_must_be_there),
        cmocka_unit_test(test_a_long_value_does_not_flood_the_message),
        cmocka_unit_test(test_system_lookup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
