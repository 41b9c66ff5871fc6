/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a reload does to living ports: each setting of a network that they follow. */
#include "broker-fixture.h"
#include "reload-fixture.h"

#include <errno.h>
#include <net/if.h>

static void
take_mac(Network *network, const char *range)
{
    MacRange parsed;

    assert_true(mac_range_parse(range, &parsed));
    g_array_set_size(network->allow_macs, 0);
    g_array_append_val(network->allow_macs, parsed);
}

static LinkInfo
device_of(TestBroker *test, const char *name)
{
    LinkInfo link;

    assert_true(test_broker_find_link(test, find_port(test, name)->interface_name, &link));
    return link;
}

static Network *
with_mtu(guint32 mtu)
{
    Network *network = define_network("lan", MACVTAP_MODE_BRIDGE);

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
    reload_network(test, with_mtu(1400));
    expect_mtu(test, "p1", 1400);
    expect_mtu(test, "own", 1300);
    /* The network's is also the most that anybody may have. */
    reload_network(test, with_mtu(1200));
    expect_mtu(test, "p1", 1200);
    expect_mtu(test, "own", 1200);
    reload_network(test, with_mtu(0));
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
    reload_network(test, with_mtu(9000));
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

/* Only the parent shows which MTU the port gets then. Whether a broker starts meanwhile, or the
 * parent's MTU is lowered where it is. */
static void
test_mtu_ends_while_the_parent_is_away(void **state)
{
    TestBroker *test = *state;

    for (guint i = 0; i < 3; i++) {
        LinkInfo link;

        reload_network(test, with_mtu(1400));
        test_broker_create(test, 0, "lan", "p1");
        kernel_fake_move_link(test->kernel, link_named(test, "eth0").index);
        test_settle();
        if (i == 2) {
            link = device_of(test, "p1");
            link.mtu = 1300;
            kernel_fake_change_link(test->kernel, &link);
        }
        reload_network(test, with_mtu(0));
        if (i == 1)
            restart(test);
        test_settle();
        link = link_at(test, kernel_fake_bring_back(test->kernel, "eth0"));
        link.flags |= IFF_UP;
        kernel_fake_change_link(test->kernel, &link);
        test_settle();
        expect_mtu(test, "p1", 1500);
        expect_outdated(test, "p1", "");
        delete_port(test, "p1");
    }
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
        Network *network = define_network("lan", modes[i]);

        if (modes[i] == MACVTAP_MODE_SOURCE)
            g_array_append_val(network->sources, source);
        reload_network(test, network);
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
    Network *pass = define_network("lan", MACVTAP_MODE_PASSTHRU);

    test_broker_create(test, 0, "lan", "p1");
    pass->mtu = 1400;
    expect_changes(reload_networks(test, pass, NULL), "lan:Mode,MTU,Mac(1/1:Mode)");
    expect_mode(test, "p1", MACVTAP_MODE_BRIDGE);
    expect_mtu(test, "p1", 1400);
    expect_outdated(test, "p1", "Mode");
    reload_network(test, define_network("lan", MACVTAP_MODE_BRIDGE));
    expect_outdated(test, "p1", "");
}

static void
test_what_a_passthru_port_keeps(void **state)
{
    TestBroker *test = *state;
    Network *pass = define_network("pass", MACVTAP_MODE_PASSTHRU);

    pass->mac = MAC_POLICY_ASSIGN;
    reload_network(test, pass);
    test_broker_create(test, 0, "pass", "p1");
    pass = define_network("pass", MACVTAP_MODE_PASSTHRU);
    pass->multicast = MULTICAST_FILTER;
    pass->nopromisc = TRUE;
    reload_network(test, pass);
    expect_outdated(test, "p1", "Mac Multicast");
    assert_int_equal(find_port(test, "p1")->mac_policy, MAC_POLICY_ASSIGN);
}

static Network *
without_promisc(gboolean nopromisc)
{
    Network *network = define_network("pass", MACVTAP_MODE_PASSTHRU);

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

    reload_network(test, without_promisc(FALSE));
    test_broker_create(test, 0, "pass", "p1");
    expect_promiscuity(test, 1);
    reload_network(test, without_promisc(TRUE));
    expect_promiscuity(test, 0);
    set_up_or_down(test, "p1", FALSE);
    reload_network(test, without_promisc(FALSE));
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
    Network *network = define_network("lan", MACVTAP_MODE_BRIDGE);

    test_broker_create(test, 0, "lan", "p1");
    expect_queues(test, "p1", 500, 1000);
    network->tx_queue_length = 50;
    reload_network(test, network);
    expect_queues(test, "p1", 50, 1000);
    network = define_network("lan", MACVTAP_MODE_BRIDGE);
    network->broadcast_queue_length = 3000;
    reload_network(test, network);
    expect_queues(test, "p1", 50, 3000);
}

static void
test_the_guests_link_follows(void **state)
{
    TestBroker *test = *state;
    Network *network = define_network("lan", MACVTAP_MODE_BRIDGE);

    test_broker_create(test, 0, "lan", "p1");
    assert_false(find_port(test, "p1")->follow_carrier);
    network->follow_carrier = TRUE;
    expect_changes(reload_networks(test, network, NULL), "lan:FollowCarrier(1/0)");
    assert_true(find_port(test, "p1")->follow_carrier);
    test_broker_create(test, 0, "lan", "p2");
    assert_true(find_port(test, "p2")->follow_carrier);
    restart(test);
    assert_true(find_port(test, "p2")->follow_carrier);
}

static Network *
with_guest_vlans(const char *tags)
{
    Network *network = define_network("lan", MACVTAP_MODE_BRIDGE);

    g_strfreev(network->guest_vlans);
    network->guest_vlans = g_strsplit(tags, " ", -1);
    return network;
}

static void
test_guest_vlans_follow(void **state)
{
    TestBroker *test = *state;

    test_broker_create(test, 0, "lan", "p1");
    expect_changes(reload_networks(test, with_guest_vlans("100 200"), NULL), "lan:GuestVLANs(1/0)");
    expect_outdated(test, "p1", "");
    kernel_fake_fail(test->kernel, "vlan_create", 1, EPERM);
    expect_changes(reload_networks(test, with_guest_vlans("100 300"), NULL),
                   "lan:GuestVLANs(1/1:GuestVLANs)");
    expect_outdated(test, "p1", "GuestVLANs");
    reload_network(test, with_guest_vlans("100 300"));
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
    Network *any = define_network("lan", MACVTAP_MODE_BRIDGE);
    LinkInfo device;

    test_broker_create(test, 0, "lan", "p1");
    any->mac = MAC_POLICY_ANY;
    reload_network(test, any);
    set_mac(test, "p1", &mine);
    assert_true(mac_address_equal(&find_port(test, "p1")->mac, &mine));
    reload_network(test, define_network("lan", MACVTAP_MODE_BRIDGE));
    expect_outdated(test, "p1", "AllowMacs");
    set_mac(test, "p1", &other);
    assert_true(mac_address_equal(&find_port(test, "p1")->mac, &mine));
    device = device_of(test, "p1");
    assert_true(mac_address_equal(&device.mac, &mine));
    any = define_network("lan", MACVTAP_MODE_BRIDGE);
    take_mac(any, "02:00:00:00:00:00/40");
    reload_network(test, any);
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
    Network *network = define_network("lan", MACVTAP_MODE_BRIDGE);

    g_array_append_val(network->allow_uids, (uid_t){1000});
    network->max_queues = max_queues;
    network->vhost = vhost;
    return network;
}

static void
test_new_opens_follow(void **state)
{
    TestBroker *test = *state;

    reload_network(test, for_alice(4, VHOST_POLICY_OFF));
    create_with_queues(test, 1000, 4);
    open_port(test, 1000, 0, NULL, 4, 0);
    reload_network(test, for_alice(2, VHOST_POLICY_REQUIRE));
    expect_outdated(test, "p1", "MaxQueues");
    assert_int_equal(find_port(test, "p1")->vhost, VHOST_POLICY_REQUIRE);
    open_port(test, 1000, 0, NULL, 2, 2);
    open_port(test, 1000, 3, "now allows at most 2 queues for each port (MaxQueues=)", 0, 0);
    reload_network(test, for_alice(8, VHOST_POLICY_AUTO));
    assert_int_equal(find_port(test, "p1")->vhost, VHOST_POLICY_AUTO);
    open_port(test, 1000, 5, "port p1 has 4 queues", 0, 0);
    reload_network(test, define_network("lan", MACVTAP_MODE_BRIDGE));
    open_port(test, 1000, 1, "may no longer use network lan", 0, 0);
    open_port(test, 0, 1, NULL, 1, 1);
    /* Without a network nothing but the port itself tells. */
    reload_network(test, NULL);
    open_port(test, 1000, 4, NULL, 4, 4);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        BROKER_TEST(test_mtu_follows),
        BROKER_TEST(test_mtu_above_the_parents),
        BROKER_TEST(test_mtu_after_a_restart),
        BROKER_TEST(test_mtu_ends_while_the_parent_is_away),
        BROKER_TEST(test_mode_follows),
        BROKER_TEST(test_passthru_is_for_new_ports),
        BROKER_TEST(test_what_a_passthru_port_keeps),
        BROKER_TEST(test_promiscuity_follows),
        BROKER_TEST(test_queue_lengths_follow),
        BROKER_TEST(test_the_guests_link_follows),
        BROKER_TEST_SAID(test_guest_vlans_follow),
        BROKER_TEST(test_mac_policy_follows),
        BROKER_TEST(test_new_opens_follow),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
