/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What passes over a host link, on the native build of its rules. */
#include "unit.h"

#include "host-link-rules.h"
#include "ip-address.h"

#include <string.h>

static const guint8 guest_mac[6] = {0x52, 0x54, 0, 0, 0, 9};

typedef struct World {
    struct host_link link;
    struct host_port port;
    guint8 frame[HOST_HEAD];
} World;

static struct host_address
address_of(const char *text)
{
    struct host_address address;
    IpAddress parsed;

    assert_true(ip_address_parse(text, &parsed));
    memcpy(&address, &parsed, sizeof address);
    return address;
}

/* The host is 10.0.0.1 and fd00::1, the guest 10.0.0.9 and fd00::9. */
static World
world(guint16 type)
{
    World made = {
        .link = {.n = 2, .addresses = {address_of("10.0.0.1"), address_of("fd00::1")}},
        .port = {.n = 2, .addresses = {address_of("10.0.0.9"), address_of("fd00::9")}},
    };

    memcpy(made.frame + 6, guest_mac, sizeof guest_mac);
    made.frame[12] = (guint8)(type >> 8);
    made.frame[13] = (guint8)type;
    return made;
}

static void
put(World *made, gsize at, const char *text)
{
    struct host_address address = address_of(text);
    gsize length = strchr(text, ':') ? 16 : 4;

    memcpy(made->frame + at, address.bytes + 16 - length, length);
}

static gboolean
takes(const World *made, guint length)
{
    return host_takes(made->frame, length, &made->link, &made->port) != 0;
}

static World
arp(const char *sender, const char *target)
{
    static const guint8 head[] = {0, 1, 8, 0, 6, 4, 0, 1};
    World made = world(0x0806);

    memcpy(made.frame + 14, head, sizeof head);
    memcpy(made.frame + 22, guest_mac, sizeof guest_mac);
    put(&made, 28, sender);
    put(&made, 38, target);
    return made;
}

static void
takes_arp_requests_for_the_host(void **state)
{
    World made = arp("10.0.0.9", "10.0.0.1");

    assert_true(takes(&made, 42));
    assert_true(takes(&made, HOST_HEAD));
    assert_false(takes(&made, 34));
    made = arp("0.0.0.0", "10.0.0.1");
    assert_true(takes(&made, 42));
    made = arp("10.0.0.8", "10.0.0.1");
    assert_false(takes(&made, 42));
    made = arp("10.0.0.9", "10.0.0.2");
    assert_false(takes(&made, 42));
    made = arp("10.0.0.9", "10.0.0.1");
    made.frame[21] = 2; /* a reply */
    assert_false(takes(&made, 42));
    made.frame[21] = 1;
    made.frame[27]++; /* another sender's MAC */
    assert_false(takes(&made, 42));
}

static World
ipv4(const char *from, const char *to)
{
    World made = world(0x0800);

    made.frame[14] = 0x45;
    put(&made, 26, from);
    put(&made, 30, to);
    return made;
}

static void
takes_ipv4_to_the_host(void **state)
{
    static const char *const others[] = {"10.0.0.2", "8.8.8.8", "255.255.255.255", "224.0.0.1"};
    World made = ipv4("10.0.0.9", "10.0.0.1");

    assert_true(takes(&made, 34));
    made.frame[14] = 0x65;
    assert_false(takes(&made, 34));
    for (guint i = 0; i < G_N_ELEMENTS(others); i++) {
        made = ipv4("10.0.0.9", others[i]);
        assert_false(takes(&made, 34));
    }
    made = ipv4("8.8.8.8", "10.0.0.1");
    assert_false(takes(&made, 34));
    made = ipv4("0.0.0.0", "10.0.0.1");
    assert_false(takes(&made, 34));
    made = ipv4("10.0.0.9", "10.0.0.1");
    made.frame[13] = 0x01;
    assert_false(takes(&made, 34)); /* another EtherType */
}

static World
ipv6(const char *from, const char *to, const char *target)
{
    World made = world(0x86dd);

    made.frame[14] = 0x60;
    made.frame[20] = target ? 58 : 6;
    made.frame[21] = 255;
    put(&made, 22, from);
    put(&made, 38, to);
    if (target) {
        made.frame[54] = 135;
        put(&made, 62, target);
    }
    return made;
}

static void
takes_ipv6_to_the_host(void **state)
{
    World made = ipv6("fd00::9", "fd00::1", NULL);

    assert_true(takes(&made, 54));
    made = ipv6("fd00::9", "fd00::2", NULL);
    assert_false(takes(&made, 54));
    made = ipv6("fd00::8", "fd00::1", NULL);
    assert_false(takes(&made, 54));
    made = ipv6("fe80::9", "fd00::1", NULL);
    assert_false(takes(&made, 54));
    /* ::ffff:10.0.0.9 to ::ffff:10.0.0.1, which stand for IPv4 in the maps */
    made = world(0x86dd);
    made.frame[14] = 0x60;
    memcpy(made.frame + 22, &made.port.addresses[0], 16);
    memcpy(made.frame + 38, &made.link.addresses[0], 16);
    assert_false(takes(&made, 54));
}

static void
takes_solicitations_for_the_host(void **state)
{
    World made = ipv6("fe80::9", "ff02::1:ff00:1", "fd00::1");

    assert_true(takes(&made, 78));
    assert_false(takes(&made, 54));
    made.frame[21] = 64; /* from behind a router */
    assert_false(takes(&made, 78));
    made = ipv6("fe80::9", "ff02::1:ff00:1", "fd00::1");
    made.frame[54] = 136;
    assert_false(takes(&made, 78));
    made = ipv6("fe80::9", "ff02::1:ff00:2", "fd00::2");
    assert_false(takes(&made, 78));
    made = ipv6("fd00::9", "ff02::1:ff00:1", "fd00::1");
    assert_true(takes(&made, 78));
    made = ipv6("fd00::8", "ff02::1:ff00:1", "fd00::1");
    assert_false(takes(&made, 78));
    made = ipv6("::", "ff02::1:ff00:1", "fd00::1"); /* the answer would go to everybody */
    assert_false(takes(&made, 78));
}

static void
expect_heard(World made, guint length, const char *text)
{
    struct host_address heard, wanted = text ? address_of(text) : (struct host_address){0};

    assert_int_equal(host_hears(made.frame, length, &heard), text != NULL);
    if (text)
        assert_memory_equal(&heard, &wanted, sizeof heard);
}

static void
hears_stations(void **state)
{
    World advertisement = ipv6("fd00::254", "ff02::1", "fd00::77");

    expect_heard(arp("10.0.0.254", "10.0.0.3"), 42, "10.0.0.254");
    expect_heard(arp("10.0.0.254", "10.0.0.3"), 34, NULL);
    expect_heard(ipv6("fd00::254", "ff02::1:ff00:1", "fd00::1"), 78, "fd00::254");
    advertisement.frame[54] = 136;
    expect_heard(advertisement, 78, "fd00::77");
    advertisement.frame[54] = 134;
    expect_heard(advertisement, 78, NULL);
    expect_heard(ipv4("10.0.0.254", "10.0.0.1"), 34, NULL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_arp_requests_for_the_host),
        cmocka_unit_test(takes_ipv4_to_the_host),
        cmocka_unit_test(takes_ipv6_to_the_host),
        cmocka_unit_test(takes_solicitations_for_the_host),
        cmocka_unit_test(hears_stations),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
