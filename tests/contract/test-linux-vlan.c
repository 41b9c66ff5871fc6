/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Only on Linux: the host takes none of a VLAN device's traffic. v100 is ours; v101 is one as
 * ip-link(8) makes it, which shows that the host would have taken it. w100 and w101 are their other
 * ends. Frames are taken one after the other: when v101 has its own, v100 has had its.
 */
#include "world.h"

#include "raw-frames.h"
#include "test-kinds.h"
#include "test-namespace.h"

#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/socket.h>
#include <unistd.h>

static int
make_vlans(void)
{
    VlanSpec spec = {.name = "v100", .parent_index = world_link("up0").index, .id = 100};
    LinkInfo link;

    test_vlan_add("w100", "up1", 100);
    test_vlan_add("w101", "up1", 101);
    assert_true(world_kernel->ops->vlan_create(world_kernel, &spec, &link, NULL));
    return link.index;
}

static void
a_router_advertisement_changes_nothing(void **state)
{
    int ours = make_vlans(), unguarded = test_vlan_add("v101", "up0", 101);
    int monitor = test_address_monitor_open();
    int wire100 = frame_open("w100"), wire101 = frame_open("w101");
    guint8 frame[256];

    frame_send(wire100, frame, frame_router_advertisement(frame, 1));
    frame_send(wire101, frame, frame_router_advertisement(frame, 2));
    while (test_link_address_count(unguarded, AF_INET6) < 2) {
        char buffer[8192];

        assert_true(recv(monitor, buffer, sizeof buffer, 0) > 0);
    }
    assert_int_equal(test_link_address_count(ours, AF_INET6), 0);
    assert_int_equal(test_ipv6_route_count("v100"), 0);
    close(wire100);
    close(wire101);
    close(monitor);
}

static gboolean
is_arp(const guint8 *frame)
{
    return frame[12] == 8 && frame[13] == 6;
}

static void
no_arp_request_is_answered(void **state)
{
    int wire100, wire101;
    guint8 frame[2048];
    struct sockaddr_ll sender;
    socklen_t length = sizeof sender;

    make_vlans();
    test_vlan_add("v101", "up0", 101);
    test_address_add("up0", "192.0.2.1/24");
    wire100 = frame_open("w100");
    wire101 = frame_open("w101");
    frame_send(wire100, frame, frame_arp_request(frame, 1));
    frame_send(wire101, frame, frame_arp_request(frame, 1));
    do
        frame_receive(wire101, frame, sizeof frame);
    while (!is_arp(frame));
    while (recvfrom(wire100, frame, sizeof frame, MSG_DONTWAIT, (struct sockaddr *)&sender,
                    &length) > 0)
        assert_false(sender.sll_pkttype != PACKET_OUTGOING && is_arp(frame));
    close(wire100);
    close(wire101);
}

static void
ipv6_stays_away_when_the_administrator_enables_it(void **state)
{
    int ours = make_vlans();

    test_write_file("/proc/sys/net/ipv6/conf/v100/disable_ipv6", "0");
    assert_int_equal(test_link_address_count(ours, AF_INET6), 0);
}

static void
ipv6_stays_away_when_the_parent_rises(void **state)
{
    int ours;

    world_set_up("up0", FALSE);
    ours = make_vlans();
    world_set_up("up0", TRUE);
    assert_true(world_link("v100").flags & IFF_UP);
    assert_int_equal(test_link_address_count(ours, AF_INET6), 0);
}

const struct CMUnitTest contract_tests[] = {
    WORLD_TEST(a_router_advertisement_changes_nothing),
    WORLD_TEST(no_arp_request_is_answered),
    WORLD_TEST(ipv6_stays_away_when_the_administrator_enables_it),
    WORLD_TEST(ipv6_stays_away_when_the_parent_rises),
};
const gsize n_contract_tests = G_N_ELEMENTS(contract_tests);
