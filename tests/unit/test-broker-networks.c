/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A network's life: what changes with its file, what of that reaches living ports, and what not. */
#include "broker-fixture.h"

#include <errno.h>
#include <net/if.h>

/* A network on eth0 that is yet to be loaded. */
static Network *
define(const char *name, MacvtapMode mode)
{
    Network *network = network_new(name);

    g_strfreev(network->parents);
    network->parents = g_strsplit("eth0", ",", -1);
    network->mode = mode;
    if (mode == MACVTAP_MODE_PASSTHRU)
        network->mac = MAC_POLICY_INHERIT;
    return network;
}

static void
take_mac(Network *network, const char *range)
{
    MacRange parsed;

    assert_true(mac_range_parse(range, &parsed));
    g_array_set_size(network->allow_macs, 0);
    g_array_append_val(network->allow_macs, parsed);
}

/* These are the networks from now on; both may be NULL. They are the test's too, for a restart. All
 * events are read before and after. */
static GPtrArray *
reload(TestBroker *test, Network *first, Network *second)
{
    GHashTable *table =
        g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify)network_unref);
    Network *networks[] = {first, second};
    GPtrArray *changes;

    g_ptr_array_set_size(test->networks, 0);
    for (guint i = 0; i < G_N_ELEMENTS(networks); i++) {
        if (!networks[i])
            continue;
        g_ptr_array_add(test->networks, network_ref(networks[i]));
        g_hash_table_insert(table, networks[i]->name, networks[i]);
    }
    test_settle();
    changes = broker_reload_networks(test->broker, table);
    test_settle();
    return changes;
}

static void
reload_one(TestBroker *test, Network *network)
{
    g_ptr_array_unref(reload(test, network, NULL));
}

static LinkInfo
device_of(TestBroker *test, const char *name)
{
    LinkInfo link;

    assert_true(test_broker_find_link(test, find_port(test, name)->interface_name, &link));
    return link;
}

/* keys: joined by ' '; "" for none. */
static void
expect_outdated(TestBroker *test, const char *name, const char *keys)
{
    const Port *port = find_port(test, name);
    g_autofree char *outdated = port->outdated ? g_strjoinv(" ", port->outdated) : g_strdup("");

    assert_string_equal(outdated, keys);
}

/* The changes as "+added -removed name:Key,Key(ports/outdated ports:Key)". */
static void
expect_changes(GPtrArray *changes, const char *wanted)
{
    g_autoptr(GString) text = g_string_new(NULL);

    for (guint i = 0; i < changes->len; i++) {
        const NetworkChange *change = changes->pdata[i];
        g_autofree char *keys = change->keys ? g_strjoinv(",", change->keys) : NULL;

        g_string_append_printf(text, "%s%s%s%s%s(%u/%u", i > 0 ? " " : "",
                               change->fate == NETWORK_ADDED     ? "+"
                               : change->fate == NETWORK_USABLE  ? "="
                               : change->fate == NETWORK_REMOVED ? "-"
                                                                 : "",
                               change->network, keys ? ":" : "", keys ? keys : "", change->n_ports,
                               change->n_outdated);
        for (guint j = 0; j < change->outdated->len; j++)
            g_string_append_printf(text, "%c%s", j == 0 ? ':' : ',',
                                   (const char *)change->outdated->pdata[j]);
        g_string_append_c(text, ')');
    }
    assert_string_equal(text->str, wanted);
    g_ptr_array_unref(changes);
}

static void
test_changes_are_told(void **state)
{
    TestBroker *test = *state;
    Network *lan;

    expect_changes(reload(test, define("lan", MACVTAP_MODE_BRIDGE), NULL), "");
    expect_changes(
        reload(test, define("lan", MACVTAP_MODE_BRIDGE), define("dmz", MACVTAP_MODE_VEPA)),
        "+dmz(0/0)");
    test_broker_create(test, 0, "lan", "p1");
    test_broker_create(test, 0, "lan", "p2");
    lan = define("lan", MACVTAP_MODE_BRIDGE);
    lan->vlan = g_strdup("100");
    lan->mtu = 1400;
    lan->max_queues = 4;
    g_array_append_val(lan->allow_uids, (uid_t){1000});
    expect_changes(reload(test, lan, NULL),
                   "-dmz(0/0) lan:VLAN,MTU,MaxQueues,AllowUsers(2/2:VLAN)");
    /* That the ports are not of that VLAN is no news any more. */
    lan = define("lan", MACVTAP_MODE_BRIDGE);
    lan->vlan = g_strdup("100");
    expect_changes(reload(test, lan, NULL), "lan:MTU,MaxQueues,AllowUsers(2/0)");
    expect_changes(reload(test, NULL, NULL), "-lan(2/0)");
}

static void
test_unusable_networks(void **state)
{
    TestBroker *test = *state;

    test_broker_create(test, 0, "lan", "p1");
    expect_changes(reload(test, network_new_broken("lan", "a typo"), NULL), "");
    assert_false(find_port(test, "p1")->network_removed);
    expect_outdated(test, "p1", "");
    expect_changes(reload(test, define("lan", MACVTAP_MODE_BRIDGE), NULL), "=lan(1/0)");
}

static void
test_removed_network(void **state)
{
    TestBroker *test = *state;
    g_autofree char *events = NULL;

    test_broker_create(test, 0, "lan", "p1");
    test_broker_create(test, 0, "parent=eth0,mode=bridge", "adhoc");
    test_settle();
    g_free(test_broker_take_events(test));
    reload_one(test, NULL);
    events = test_broker_take_events(test);
    assert_string_equal(events, "changed p1\n");
    assert_true(find_port(test, "p1")->network_removed);
    assert_false(find_port(test, "adhoc")->network_removed);
    test_broker_kill(test);
    test_broker_start(test);
    assert_true(find_port(test, "p1")->network_removed);
    assert_int_equal(find_port(test, "p1")->state, PORT_STATE_ACTIVE);
    reload_one(test, define("lan", MACVTAP_MODE_BRIDGE));
    assert_false(find_port(test, "p1")->network_removed);
}

static Network *
with_mtu(guint32 mtu)
{
    Network *network = define("lan", MACVTAP_MODE_BRIDGE);

    network->mtu = mtu;
    return network;
}

static void
expect_mtu(TestBroker *test, const char *name, guint32 mtu)
{
    assert_int_equal(find_port(test, name)->mtu, mtu);
    assert_int_equal(device_of(test, name).mtu, mtu);
}

static const Port *
create_with_mtu(TestBroker *test, const char *name, guint32 mtu)
{
    const Caller root = test_caller(0);
    const PortRequest request = {.network = (char *)"lan",
                                 .name = (char *)name,
                                 .no_descriptors = TRUE,
                                 .holder = {.type = HOLDER_NONE},
                                 .mtu = mtu};
    g_auto(PortGrant) grant = {0};
    g_autoptr(GError) error = NULL;

    broker_create_port(test->broker, &root, &request, &grant, &error);
    assert_no_error(error);
    return grant.port;
}

static void
test_mtu_follows(void **state)
{
    TestBroker *test = *state;

    test_broker_create(test, 0, "lan", "p1");
    create_with_mtu(test, "own", 1300);
    reload_one(test, with_mtu(1400));
    expect_mtu(test, "p1", 1400);
    expect_mtu(test, "own", 1300);
    /* The network's is also the most that anybody may have. */
    reload_one(test, with_mtu(1200));
    expect_mtu(test, "p1", 1200);
    expect_mtu(test, "own", 1200);
    reload_one(test, with_mtu(0));
    expect_mtu(test, "p1", 1500);
    expect_mtu(test, "own", 1300);
}

/* What the parent does not allow yet. */
static void
test_mtu_above_the_parents(void **state)
{
    TestBroker *test = *state;
    LinkInfo parent;

    test_broker_create(test, 0, "lan", "p1");
    reload_one(test, with_mtu(9000));
    expect_mtu(test, "p1", 1500);
    expect_outdated(test, "p1", "MTU");
    assert_true(test_broker_find_link(test, "eth0", &parent));
    parent.mtu = 9000;
    kernel_fake_change_link(test->kernel, &parent);
    test_settle();
    expect_mtu(test, "p1", 9000);
    expect_outdated(test, "p1", "");
}

/* The file may change while no daemon runs. */
static void
test_mtu_after_a_restart(void **state)
{
    TestBroker *test = *state;

    test_broker_create(test, 0, "lan", "p1");
    test_broker_network(test, "lan")->mtu = 1400;
    test_broker_kill(test);
    test_broker_start(test);
    test_settle();
    expect_mtu(test, "p1", 1400);
    test_broker_network(test, "lan")->mtu = 0;
    test_broker_kill(test);
    test_broker_start(test);
    test_settle();
    expect_mtu(test, "p1", 1500);
}

static void
expect_mode(TestBroker *test, const char *name, MacvtapMode mode)
{
    assert_int_equal(find_port(test, name)->mode, mode);
    assert_int_equal(device_of(test, name).mode, mode);
}

static void
test_mode_follows(void **state)
{
    static const MacvtapMode modes[] = {MACVTAP_MODE_PRIVATE, MACVTAP_MODE_SOURCE,
                                        MACVTAP_MODE_VEPA, MACVTAP_MODE_BRIDGE};
    const MacAddress source = {{0x52, 0x54, 0, 0, 0, 9}};
    TestBroker *test = *state;

    test_broker_create(test, 0, "lan", "p1");
    for (guint i = 0; i < G_N_ELEMENTS(modes); i++) {
        Network *network = define("lan", modes[i]);

        if (modes[i] == MACVTAP_MODE_SOURCE)
            g_array_append_val(network->sources, source);
        reload_one(test, network);
        expect_mode(test, "p1", modes[i]);
        assert_int_equal(device_of(test, "p1").sources_digest,
                         modes[i] == MACVTAP_MODE_SOURCE ? link_sources_digest(&source, 1) : 0);
        expect_outdated(test, "p1", "");
    }
    test_broker_kill(test);
    test_broker_network(test, "lan")->mode = MACVTAP_MODE_PRIVATE;
    test_broker_start(test);
    expect_mode(test, "p1", MACVTAP_MODE_PRIVATE);
}

static void
test_passthru_is_for_new_ports(void **state)
{
    TestBroker *test = *state;
    Network *pass = define("lan", MACVTAP_MODE_PASSTHRU);

    test_broker_create(test, 0, "lan", "p1");
    pass->mtu = 1400;
    expect_changes(reload(test, pass, NULL), "lan:Mode,MTU,Mac(1/1:Mode)");
    expect_mode(test, "p1", MACVTAP_MODE_BRIDGE);
    expect_mtu(test, "p1", 1400);
    expect_outdated(test, "p1", "Mode");
    reload_one(test, define("lan", MACVTAP_MODE_BRIDGE));
    expect_outdated(test, "p1", "");
}

static void
test_what_a_passthru_port_keeps(void **state)
{
    TestBroker *test = *state;
    Network *pass = define("pass", MACVTAP_MODE_PASSTHRU);

    pass->mac = MAC_POLICY_ASSIGN;
    reload_one(test, pass);
    test_broker_create(test, 0, "pass", "p1");
    pass = define("pass", MACVTAP_MODE_PASSTHRU);
    pass->multicast = MULTICAST_FILTER;
    pass->nopromisc = TRUE;
    reload_one(test, pass);
    expect_outdated(test, "p1", "Mac Multicast");
    assert_int_equal(find_port(test, "p1")->mac_policy, MAC_POLICY_ASSIGN);
}

static Network *
without_promisc(gboolean nopromisc)
{
    Network *network = define("pass", MACVTAP_MODE_PASSTHRU);

    network->nopromisc = nopromisc;
    return network;
}

static void
expect_promiscuity(TestBroker *test, guint32 promiscuity)
{
    LinkInfo parent;

    assert_true(test_broker_find_link(test, "eth0", &parent));
    assert_int_equal(parent.promiscuity, promiscuity);
}

static void
set_up_or_down(TestBroker *test, const char *name, gboolean up)
{
    const Caller root = test_caller(0);
    const PortChange change = {.port = (char *)name, .has_link_up = TRUE, .link_up = up};
    g_autoptr(GError) error = NULL;

    broker_change_port(test->broker, &root, &change, &error);
    assert_no_error(error);
    test_settle();
}

/* The kernel would count wrong if that changed while the device is down. */
static void
test_promiscuity_follows(void **state)
{
    TestBroker *test = *state;

    reload_one(test, without_promisc(FALSE));
    test_broker_create(test, 0, "pass", "p1");
    expect_promiscuity(test, 1);
    reload_one(test, without_promisc(TRUE));
    expect_promiscuity(test, 0);
    set_up_or_down(test, "p1", FALSE);
    reload_one(test, without_promisc(FALSE));
    assert_true(device_of(test, "p1").nopromisc);
    set_up_or_down(test, "p1", TRUE);
    assert_false(device_of(test, "p1").nopromisc);
    expect_promiscuity(test, 1);
    delete_port(test, "p1");
    expect_promiscuity(test, 0);
}

static void
expect_queues(TestBroker *test, const char *name, guint32 ring, guint32 broadcasts)
{
    LinkInfo device = device_of(test, name);

    assert_int_equal(device.tx_queue_length, ring);
    assert_int_equal(device.broadcast_queue_length, broadcasts);
}

static void
test_queue_lengths_follow(void **state)
{
    TestBroker *test = *state;
    Network *network = define("lan", MACVTAP_MODE_BRIDGE);

    test_broker_create(test, 0, "lan", "p1");
    expect_queues(test, "p1", 500, 1000);
    network->tx_queue_length = 50;
    reload_one(test, network);
    expect_queues(test, "p1", 50, 1000);
    network = define("lan", MACVTAP_MODE_BRIDGE);
    network->broadcast_queue_length = 3000;
    reload_one(test, network);
    expect_queues(test, "p1", 50, 3000);
}

static Network *
with_guest_vlans(const char *tags)
{
    Network *network = define("lan", MACVTAP_MODE_BRIDGE);

    g_strfreev(network->guest_vlans);
    network->guest_vlans = g_strsplit(tags, " ", -1);
    return network;
}

static void
test_guest_vlans_follow(void **state)
{
    TestBroker *test = *state;

    test_broker_create(test, 0, "lan", "p1");
    expect_changes(reload(test, with_guest_vlans("100 200"), NULL), "lan:GuestVLANs(1/0)");
    expect_outdated(test, "p1", "");
    kernel_fake_fail(test->kernel, "vlan_create", 1, EPERM);
    expect_changes(reload(test, with_guest_vlans("100 300"), NULL),
                   "lan:GuestVLANs(1/1:GuestVLANs)");
    expect_outdated(test, "p1", "GuestVLANs");
    reload_one(test, with_guest_vlans("100 300"));
    expect_outdated(test, "p1", "");
}

static void
test_parent_and_vlan_are_for_new_ports(void **state)
{
    TestBroker *test = *state;
    Network *network = define("lan", MACVTAP_MODE_BRIDGE);

    test_broker_add_parent(test, "eth1");
    test_broker_create(test, 0, "lan", "p1");
    g_free(network->parents[0]);
    network->parents[0] = g_strdup("eth1");
    network->vlan = g_strdup("7");
    reload_one(test, network);
    expect_outdated(test, "p1", "Parent VLAN");
    test_broker_create(test, 0, "lan", "p2");
    expect_outdated(test, "p2", "");
    reload_one(test, define("lan", MACVTAP_MODE_BRIDGE));
    expect_outdated(test, "p1", "");
    expect_outdated(test, "p2", "Parent VLAN");
    network = define("lan", MACVTAP_MODE_BRIDGE);
    g_free(network->parents[0]);
    network->parents[0] = g_strdup("gone0");
    reload_one(test, network);
    expect_outdated(test, "p1", "");
    reload_one(test, define("lan", MACVTAP_MODE_BRIDGE));
    /* A start says the same. */
    test_broker_kill(test);
    test_broker_start(test);
    expect_outdated(test, "p2", "Parent VLAN");
}

/* A macvlan stands for what it lies on. */
static void
test_parent_by_another_name(void **state)
{
    TestBroker *test = *state;
    Network *network = define("lan", MACVTAP_MODE_BRIDGE);
    LinkInfo parent, macvlan = {.name = "shim", .kind = "macvlan", .flags = IFF_UP};

    test_broker_create(test, 0, "lan", "p1");
    assert_true(test_broker_find_link(test, "eth0", &parent));
    macvlan.is_macvlan = TRUE;
    macvlan.mode = MACVTAP_MODE_BRIDGE;
    macvlan.lower_index = parent.index;
    kernel_fake_add_link(test->kernel, &macvlan);
    g_free(network->parents[0]);
    network->parents[0] = g_strdup("shim");
    reload_one(test, network);
    expect_outdated(test, "p1", "");
}

static void
set_mac(TestBroker *test, const char *name, const MacAddress *mac)
{
    LinkInfo link = device_of(test, name);

    link.mac = *mac;
    kernel_fake_change_link(test->kernel, &link);
    test_settle();
}

static void
test_mac_policy_follows(void **state)
{
    const MacAddress mine = {{0x02, 0, 0, 0, 0, 0x77}}, other = {{0x02, 0, 0, 0, 0, 0x78}};
    TestBroker *test = *state;
    Network *any = define("lan", MACVTAP_MODE_BRIDGE);
    LinkInfo device;

    test_broker_create(test, 0, "lan", "p1");
    any->mac = MAC_POLICY_ANY;
    reload_one(test, any);
    set_mac(test, "p1", &mine);
    assert_true(mac_address_equal(&find_port(test, "p1")->mac, &mine));
    reload_one(test, define("lan", MACVTAP_MODE_BRIDGE));
    expect_outdated(test, "p1", "AllowMacs");
    set_mac(test, "p1", &other);
    assert_true(mac_address_equal(&find_port(test, "p1")->mac, &mine));
    device = device_of(test, "p1");
    assert_true(mac_address_equal(&device.mac, &mine));
    any = define("lan", MACVTAP_MODE_BRIDGE);
    take_mac(any, "02:00:00:00:00:00/40");
    reload_one(test, any);
    expect_outdated(test, "p1", "");
}

static const Port *
create_with_queues(TestBroker *test, uid_t uid, guint queues)
{
    const Caller caller = test_caller(uid);
    const PortRequest request = {.network = (char *)"lan",
                                 .name = (char *)"p1",
                                 .no_descriptors = TRUE,
                                 .holder = {.type = HOLDER_NONE},
                                 .has_queues = TRUE,
                                 .queues = queues};
    g_auto(PortGrant) grant = {0};
    g_autoptr(GError) error = NULL;

    broker_create_port(test->broker, &caller, &request, &grant, &error);
    assert_no_error(error);
    return grant.port;
}

/* text: of the refusal, or NULL: so many taps and vhosts are opened. */
static void
open_port(TestBroker *test, uid_t uid, guint asked, const char *text, guint taps, guint vhosts)
{
    const Caller caller = test_caller(uid);
    g_auto(PortGrant) grant = {0};
    g_autoptr(GError) error = NULL;

    if (!broker_open_port(test->broker, &caller, "p1", asked, &grant, &error)) {
        if (!text || !strstr(error->message, text))
            fail_msg("%s", error->message);
        return;
    }
    assert_null(text);
    assert_int_equal(grant.taps->len, taps);
    assert_int_equal(grant.vhosts->len, vhosts);
}

static Network *
for_alice(guint max_queues, VhostPolicy vhost)
{
    Network *network = define("lan", MACVTAP_MODE_BRIDGE);

    g_array_append_val(network->allow_uids, (uid_t){1000});
    network->max_queues = max_queues;
    network->vhost = vhost;
    return network;
}

static void
test_new_opens_follow(void **state)
{
    TestBroker *test = *state;

    reload_one(test, for_alice(4, VHOST_POLICY_OFF));
    create_with_queues(test, 1000, 4);
    open_port(test, 1000, 0, NULL, 4, 0);
    reload_one(test, for_alice(2, VHOST_POLICY_REQUIRE));
    expect_outdated(test, "p1", "MaxQueues");
    assert_int_equal(find_port(test, "p1")->vhost, VHOST_POLICY_REQUIRE);
    open_port(test, 1000, 0, NULL, 2, 2);
    open_port(test, 1000, 3, "at most 2 queues now (MaxQueues=)", 0, 0);
    reload_one(test, for_alice(8, VHOST_POLICY_AUTO));
    assert_int_equal(find_port(test, "p1")->vhost, VHOST_POLICY_AUTO);
    open_port(test, 1000, 5, "port p1 has 4 queues", 0, 0);
    reload_one(test, define("lan", MACVTAP_MODE_BRIDGE));
    open_port(test, 1000, 1, "may no longer use network lan", 0, 0);
    open_port(test, 0, 1, NULL, 1, 1);
    /* Without a network nothing but the port itself tells. */
    reload_one(test, NULL);
    open_port(test, 1000, 4, NULL, 4, 4);
}

static void
expect_taken(TestBroker *test, const char *name, const char *text)
{
    g_auto(GStrv) lines = broker_taken_vlans(test->broker, test_broker_network(test, name));

    if (!text)
        assert_null(lines);
    else
        assert_non_null(strstr(lines[0], text));
    assert_true(!lines || !lines[1]);
}

static void
test_frames_that_another_network_takes(void **state)
{
    TestBroker *test = *state;
    Network *office = define("office", MACVTAP_MODE_BRIDGE);
    LinkInfo vlan = {.name = "eth0.7", .kind = "vlan", .flags = IFF_UP, .vlan_id = 7};
    LinkInfo shim = {.name = "shim", .kind = "macvlan", .is_macvlan = TRUE}, parent;
    Network *lan;

    office->vlan = g_strdup("100");
    g_ptr_array_unref(reload(test, define("lan", MACVTAP_MODE_BRIDGE), office));
    expect_taken(test, "lan", "VLAN 100 on eth0 while network office");
    expect_taken(test, "office", NULL);
    /* On another parent it takes nothing. */
    test_broker_add_parent(test, "eth1");
    office = define("office", MACVTAP_MODE_BRIDGE);
    office->vlan = g_strdup("100");
    g_free(office->parents[0]);
    office->parents[0] = g_strdup("eth1");
    g_ptr_array_unref(reload(test, define("lan", MACVTAP_MODE_BRIDGE), office));
    expect_taken(test, "lan", NULL);
    /* VLANs beside each other take nothing from each other. */
    office = define("office", MACVTAP_MODE_BRIDGE);
    office->vlan = g_strdup("100");
    lan = define("lan", MACVTAP_MODE_BRIDGE);
    lan->vlan = g_strdup("200");
    g_ptr_array_unref(reload(test, lan, office));
    expect_taken(test, "lan", NULL);
    /* A VLAN device that was there is the same. */
    assert_true(test_broker_find_link(test, "eth0", &parent));
    vlan.lower_index = shim.lower_index = parent.index;
    kernel_fake_add_link(test->kernel, &vlan);
    kernel_fake_add_link(test->kernel, &shim);
    office = define("office", MACVTAP_MODE_BRIDGE);
    g_free(office->parents[0]);
    office->parents[0] = g_strdup("eth0.7");
    g_ptr_array_unref(reload(test, define("lan", MACVTAP_MODE_BRIDGE), office));
    expect_taken(test, "lan", "VLAN 7 on eth0: eth0.7, a parent of network office");
    expect_taken(test, "office", NULL);
    /* So is the parent by another name. */
    office = define("office", MACVTAP_MODE_BRIDGE);
    office->vlan = g_strdup("100");
    g_free(office->parents[0]);
    office->parents[0] = g_strdup("shim");
    g_ptr_array_unref(reload(test, define("lan", MACVTAP_MODE_BRIDGE), office));
    expect_taken(test, "lan", "VLAN 100 on eth0 while network office");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        BROKER_TEST(test_changes_are_told),
        BROKER_TEST(test_unusable_networks),
        BROKER_TEST(test_removed_network),
        BROKER_TEST(test_mtu_follows),
        BROKER_TEST(test_mtu_above_the_parents),
        BROKER_TEST(test_mtu_after_a_restart),
        BROKER_TEST(test_mode_follows),
        BROKER_TEST(test_passthru_is_for_new_ports),
        BROKER_TEST(test_what_a_passthru_port_keeps),
        BROKER_TEST(test_promiscuity_follows),
        BROKER_TEST(test_queue_lengths_follow),
        BROKER_TEST_SAID(test_guest_vlans_follow),
        BROKER_TEST(test_parent_and_vlan_are_for_new_ports),
        BROKER_TEST(test_parent_by_another_name),
        BROKER_TEST(test_mac_policy_follows),
        BROKER_TEST(test_new_opens_follow),
        BROKER_TEST(test_frames_that_another_network_takes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
