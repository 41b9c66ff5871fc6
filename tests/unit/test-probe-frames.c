/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Questions byte by byte where it matters, and answers: each made by turning the question round. */
#include "unit.h"

#include "probe-frames.h"

#include <string.h>

static const ProbeStation station = {
    .mac = {{0x52, 0x54, 0, 0, 0, 7}},
    .transaction = 0x01020304,
    .echo = 0x0a0b,
    .token = {1, 2, 3, 4, 5, 6, 7, 8},
};
static const MacAddress gateway_mac = {{2, 0, 0, 0, 0, 1}};

static guint8 frame[PROBE_FRAME_MAX];

static IpAddress
address(const char *text)
{
    IpAddress parsed;

    assert_true(ip_address_parse(text, &parsed));
    return parsed;
}

static void
assert_address(IpAddress found, const char *expected)
{
    char text[IP_ADDRESS_TEXT_SIZE];

    assert_string_equal(ip_address_format(&found, text), expected);
}

/* The question in frame goes back to who asked, from the gateway. */
static void
turn_round(void)
{
    memcpy(frame, station.mac.octets, 6);
    memcpy(frame + 6, gateway_mac.octets, 6);
}

static ProbeAnswer
read_answer(gsize length)
{
    ProbeAnswer answer;

    assert_true(probe_read(&station, frame, length, &answer));
    return answer;
}

/* No part of an answer is an answer, and none is read beyond its end. */
static void
assert_cut_is_nothing(gsize length, gsize needed)
{
    for (gsize i = 0; i < needed; i++) {
        g_autofree guint8 *cut = g_memdup2(frame, i);
        ProbeAnswer answer;

        if (probe_read(&station, cut, i, &answer))
            assert_int_equal(answer.kind, PROBE_NOTHING);
    }
    assert_true(needed <= length);
}

static void
test_arp(void **state)
{
    IpAddress gateway = address("10.0.0.1"), own = address("10.0.0.50");
    gsize length = probe_write_arp(&station, NULL, &gateway, 0, frame);

    assert_int_equal(length, 60);
    assert_memory_equal(frame + 20, "\0\1", 2);
    assert_memory_equal(frame + 28, "\0\0\0\0", 4);
    assert_int_equal(read_answer(length).kind, PROBE_NOTHING); /* it is a question */
    assert_int_equal(probe_write_arp(&station, &own, &gateway, 1500, frame), 1514);
    assert_memory_equal(frame + 28, "\x0a\0\0\x32", 4);
    turn_round();
    frame[21] = 2;
    memcpy(frame + 22, gateway_mac.octets, 6);
    memcpy(frame + 28, "\x0a\0\0\1", 4);
    memcpy(frame + 32, station.mac.octets, 6);
    assert_int_equal(read_answer(60).kind, PROBE_ARP);
    assert_true(read_answer(60).is_for_us);
    assert_address(read_answer(60).address, "10.0.0.1");
    assert_cut_is_nothing(60, 42);
    frame[37]++; /* for another station */
    assert_int_equal(read_answer(60).kind, PROBE_NOTHING);
}

static void
test_offer(void **state)
{
    static const guint8 options[] = {53, 1, 2, 1, 4, 255, 255, 255, 0, 3,  4, 10, 0, 0, 1, 0,  51,
                                     4,  0, 0, 1, 0, 26,  2,   5,   0, 54, 4, 10, 0, 0, 2, 255};
    gsize length = probe_write_discover(&station, TRUE, frame);
    ProbeAnswer answer;

    assert_int_equal(length, 14 + 328);
    assert_int_equal(frame[52], 0x80);
    turn_round();
    memcpy(frame + 34, "\0\x43\0\x44", 4);
    frame[42] = 2;
    memcpy(frame + 58, "\x0a\0\0\x32", 4);
    assert_int_equal(read_answer(length).kind, PROBE_NOTHING); /* its type is DISCOVER */
    memcpy(frame + 282, options, sizeof options);
    answer = read_answer(length);
    assert_int_equal(answer.kind, PROBE_OFFER);
    assert_address(answer.offered, "10.0.0.50");
    assert_address(answer.gateway, "10.0.0.1");
    assert_address(answer.address, "10.0.0.2");
    assert_int_equal(answer.bits, 24);
    assert_int_equal(answer.seconds, 256);
    assert_int_equal(answer.mtu, 1280);
    assert_cut_is_nothing(length, length);
    for (guint at = 46; at < 50; at++) {
        frame[at] ^= 1;
        assert_int_equal(read_answer(length).kind, PROBE_NOTHING);
        frame[at] ^= 1;
    }
    frame[75] ^= 1;
    assert_int_equal(read_answer(length).kind, PROBE_NOTHING);
}

static void
test_echo(void **state)
{
    static const char *const pairs[][3] = {{"10.0.0.50", "10.0.0.1", "\0"},
                                           {NULL, "fe80::1", "\x81"}};

    for (guint i = 0; i < G_N_ELEMENTS(pairs); i++) {
        IpAddress source, destination = address(pairs[i][1]);
        gsize at = i == 0 ? 34 : 54, length;

        if (pairs[i][0])
            source = address(pairs[i][0]);
        length = probe_write_echo(&station, pairs[i][0] ? &source : NULL, &destination,
                                  &gateway_mac, 1500, frame);
        assert_int_equal(length, 1514);
        assert_memory_equal(frame, gateway_mac.octets, 6);
        turn_round();
        assert_int_equal(read_answer(length).kind, PROBE_NOTHING);
        frame[at] = (guint8)pairs[i][2][0];
        assert_int_equal(read_answer(length).kind, PROBE_ECHO);
        assert_int_equal(read_answer(length).size, 1500);
        assert_cut_is_nothing(length, length);
        frame[at + 8]++; /* another token */
        assert_int_equal(read_answer(length).kind, PROBE_NOTHING);
        assert_int_equal(probe_write_echo(&station, pairs[i][0] ? &source : NULL, &destination,
                                          &gateway_mac, PROBE_ECHO_MIN, frame),
                         14 + PROBE_ECHO_MIN);
    }
}

static void
test_neighbour(void **state)
{
    IpAddress gateway = address("fe80::1"), own = probe_link_local(&station.mac);
    gsize length = probe_write_neighbour_question(&station, &gateway, frame);

    assert_address(own, "fe80::5054:ff:fe00:7");
    assert_int_equal(length, 14 + 72);
    assert_memory_equal(frame, "\x33\x33\xff\0\0\1", 6);
    assert_int_equal(read_answer(length).kind, PROBE_NOTHING);
    turn_round();
    frame[54] = 136;
    frame[78] = 2; /* the target's address */
    memcpy(frame + 80, "\2\0\0\0\0\x02", 6);
    assert_int_equal(read_answer(length).kind, PROBE_NEIGHBOUR);
    assert_address(read_answer(length).address, "fe80::1");
    assert_memory_equal(read_answer(length).mac.octets, "\2\0\0\0\0\2", 6);
    assert_cut_is_nothing(length, length);
    frame[21] = 254; /* it was forwarded */
    assert_int_equal(read_answer(length).kind, PROBE_NOTHING);
}

static void
test_router(void **state)
{
    static const guint8 body[] = {134, 0, 0, 0, 64, 0, 7, 8, 0, 0, 0, 0, 0,    0,
                                  0,   0, 5, 1, 0,  0, 0, 0, 5, 0, 3, 4, 64,   0xc0,
                                  0,   0, 0, 1, 0,  0, 0, 1, 0, 0, 0, 0, 0xfd, [55] = 0};
    gsize length = probe_write_router_question(&station, frame);
    ProbeAnswer answer;

    assert_int_equal(length, 14 + 56);
    assert_memory_equal(frame, "\x33\x33\0\0\0\2", 6);
    turn_round();
    memcpy(frame + 22, "\xfe\x80\0\0\0\0\0\0\0\0\0\0\0\0\0\1", 16);
    frame[19] = sizeof body;
    memcpy(frame + 54, body, sizeof body);
    length = 54 + sizeof body;
    answer = read_answer(length);
    assert_int_equal(answer.kind, PROBE_ROUTER);
    assert_address(answer.address, "fe80::1");
    assert_address(answer.offered, "fd00::");
    assert_int_equal(answer.bits, 64);
    assert_int_equal(answer.mtu, 1280);
    assert_int_equal(answer.seconds, 0x708);
    assert_cut_is_nothing(length, length);
    frame[22] = 0xfd; /* not a link-local address */
    assert_int_equal(read_answer(length).kind, PROBE_NOTHING);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_arp),    cmocka_unit_test(test_offer),
        cmocka_unit_test(test_echo),   cmocka_unit_test(test_neighbour),
        cmocka_unit_test(test_router),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
