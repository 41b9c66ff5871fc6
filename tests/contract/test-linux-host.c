/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Only on Linux: the host takes none of a port's traffic, and settings that LinkInfo does not show.
 */
#include "world.h"

#include "raw-frames.h"
#include "test-namespace.h"

#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

/* A macvtap as ip-link(8) makes it, which shows that the host would have taken the traffic. */
static int
add_unguarded(void)
{
    int index = test_macvtap_add("unguarded", "up0", 0);

    test_link_set_up("unguarded", TRUE);
    return index;
}

static void
wait_for_address(int monitor, int index, guint count)
{
    while (test_link_address_count(index, AF_INET6) < count) {
        char buffer[8192];

        assert_true(recv(monitor, buffer, sizeof buffer, 0) > 0);
    }
}

static void
a_router_advertisement_changes_nothing(void **state)
{
    MacvtapSpec spec = world_spec("vm1", 1);
    int port = world_create(&spec).index, unguarded = add_unguarded();
    int monitor = test_address_monitor_open(), wire = frame_open("up1");
    guint8 frame[256];

    assert_int_equal(test_link_address_count(port, AF_INET6), 0);
    assert_int_equal(test_link_address_count(unguarded, AF_INET6), 1); /* link-local */
    /* Frames are taken one after the other: at the second's effect the first has been everywhere.
     */
    for (guint16 i = 1; i <= 2; i++) {
        frame_send(wire, frame, frame_router_advertisement(frame, i));
        wait_for_address(monitor, unguarded, 1 + i);
    }
    assert_int_equal(test_link_address_count(port, AF_INET6), 0);
    assert_int_equal(test_ipv6_route_count("vm1"), 0);
    assert_true(test_ipv6_route_count("unguarded") > 0);
    close(wire);
    close(monitor);
}

static void
no_arp_request_is_answered(void **state)
{
    MacvtapSpec spec = world_spec("vm1", 1);
    LinkInfo port = world_create(&spec), unguarded;
    int wire = frame_open("up1");
    guint8 frame[2048];
    guint answers = 0;

    add_unguarded();
    unguarded = world_link("unguarded");
    test_address_add("up0", "192.0.2.1/24");
    for (guint i = 0; i < 2; i++) {
        frame_send(wire, frame, frame_arp_request(frame, 1));
        do {
            frame_receive(wire, frame, sizeof frame);
            answers += frame[12] == 8 && frame[13] == 6 &&
                       memcmp(frame + 6, &port.mac, sizeof port.mac) == 0;
        } while (frame[12] != 8 || frame[13] != 6 ||
                 memcmp(frame + 6, &unguarded.mac, sizeof unguarded.mac) != 0);
    }
    assert_int_equal(answers, 0);
    close(wire);
}

static void
ipv6_stays_away_when_the_administrator_enables_it(void **state)
{
    MacvtapSpec spec = world_spec("vm1", 1);
    int port = world_create(&spec).index;

    test_write_file("/proc/sys/net/ipv6/conf/vm1/disable_ipv6", "0");
    assert_int_equal(test_link_address_count(port, AF_INET6), 0);
}

static void
nothing_is_left_when_ipv6_cannot_be_disabled(void **state)
{
    MacvtapSpec spec = world_spec("vm1", 1);

    assert_int_equal(mount("/proc/sys", "/proc/sys", NULL, MS_BIND, NULL), 0);
    assert_int_equal(mount(NULL, "/proc/sys", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL), 0);
    g_clear_pointer(&world_kernel, kernel_free);
    world_kernel = world_kernel_new();
    world_create_fails(&spec, EROFS);
    umount2("/proc/sys", MNT_DETACH);
}

static void
queue_lengths_and_sources_are_set(void **state)
{
    const MacAddress sources[] = {{{0x52, 0x54, 0, 0, 1, 1}}, {{0x52, 0x54, 0, 0, 1, 2}}};
    MacvtapSpec spec = world_spec("vm1", 1);
    g_autofree char *shown = NULL;

    spec.mode = MACVTAP_MODE_SOURCE;
    spec.sources = sources;
    spec.n_sources = G_N_ELEMENTS(sources);
    spec.tx_queue_length = 777;
    spec.broadcast_queue_length = 2345;
    world_create(&spec);
    shown = test_link_show("vm1");
    assert_non_null(strstr(shown, "qlen 777"));
    assert_non_null(strstr(shown, "bcqueuelen 2345"));
    assert_non_null(strstr(shown, "52:54:00:00:01:01"));
    assert_non_null(strstr(shown, "52:54:00:00:01:02"));
}

static void
many_are_deleted_as_one_group(void **state)
{
    MacvtapSpec spec1 = world_spec("vm1", 1), spec2 = world_spec("vm2", 2);
    int indexes[] = {world_create(&spec1).index, world_create(&spec2).index};
    int monitor = test_link_monitor_open();
    guint32 groups[2];

    test_link_set_group("up1", 0x40000001);
    assert_true(world_kernel->ops->link_delete(world_kernel, indexes, 2, NULL));
    groups[0] = test_removed_group(monitor, indexes[0]);
    groups[1] = test_removed_group(monitor, indexes[1]);
    assert_int_equal(groups[0], groups[1]);
    assert_int_not_equal(groups[0], 0);
    assert_int_equal(test_link_group("up1"), 0x40000001);
    close(monitor);
}

static void
expect_gateway(const GArray *gateways, const char *text)
{
    IpAddress wanted;

    assert_true(ip_address_parse(text, &wanted));
    for (guint i = 0; i < gateways->len; i++) {
        if (ip_address_equal(&g_array_index(gateways, IpAddress, i), &wanted))
            return;
    }
    fail_msg("%s is not known as a next hop", text);
}

static void
every_next_hop_of_a_route_is_known(void **state)
{
    static const char *const commands[] = {
        "ip route add 198.51.100.0/24 nexthop via 192.0.2.252 dev up0"
        " nexthop via 192.0.2.253 dev up0",
        "ip route add 2001:db8:1::/48 nexthop via 2001:db8::fc dev up0"
        " nexthop via 2001:db8::fd dev up0",
        "ip route add 203.0.113.0/25 via inet6 2001:db8::fe dev up0",
        "ip route add 203.0.113.128/25 nexthop via inet6 2001:db8::fb dev up0"
        " nexthop via 192.0.2.254 dev up0",
    };
    static const char *const wanted[] = {"192.0.2.252",  "192.0.2.253",  "192.0.2.254",
                                         "2001:db8::fb", "2001:db8::fc", "2001:db8::fd",
                                         "2001:db8::fe"};
    g_autoptr(GArray) gateways = NULL;

    test_address_add("up0", "192.0.2.1/24");
    test_address_add("up0", "2001:db8::1/64");
    for (guint i = 0; i < G_N_ELEMENTS(commands); i++)
        assert_int_equal(system(commands[i]), 0);
    gateways = world_kernel->ops->gateway_list(world_kernel, world_link("up0").index, NULL);
    assert_int_equal(gateways->len, G_N_ELEMENTS(wanted));
    for (guint i = 0; i < G_N_ELEMENTS(wanted); i++)
        expect_gateway(gateways, wanted[i]);
}

typedef struct Losses {
    gboolean lost;
    guint n_later; /* events that came after that */
} Losses;

static void
note_loss(LinkEventType type, const LinkInfo *link, gpointer user_data)
{
    Losses *losses = user_data;

    losses->n_later += losses->lost;
    if (type != LINK_EVENT_LOST)
        return;
    assert_int_equal(link->index, 0);
    losses->lost = TRUE;
}

/* And nothing that is older than a look which follows. */
static void
lost_events_are_told(void **state)
{
    Losses losses = {0};

    assert_true(world_kernel->ops->monitor(world_kernel, note_loss, &losses, NULL));
    /* More than its receive buffer holds. */
    for (guint i = 0; i < 20000; i++)
        test_link_set_group("up1", 1 + i % 2);
    while (!losses.lost)
        g_main_context_iteration(NULL, TRUE);
    while (g_main_context_iteration(NULL, FALSE))
        ;
    assert_int_equal(losses.n_later, 0);
}

const struct CMUnitTest contract_tests[] = {
    WORLD_TEST(a_router_advertisement_changes_nothing),
    WORLD_TEST(no_arp_request_is_answered),
    WORLD_TEST(ipv6_stays_away_when_the_administrator_enables_it),
    WORLD_TEST(nothing_is_left_when_ipv6_cannot_be_disabled),
    WORLD_TEST(queue_lengths_and_sources_are_set),
    WORLD_TEST(many_are_deleted_as_one_group),
    WORLD_TEST(every_next_hop_of_a_route_is_known),
    WORLD_TEST(lost_events_are_told),
};
const gsize n_contract_tests = G_N_ELEMENTS(contract_tests);
