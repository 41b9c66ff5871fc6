/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The guard's rules on the native build: the frame table row by row, and what the guard learns. */
#include "unit.h"

#include "guard-native.h"
#include "guard-rows.h"

#include <stdio.h>

enum { HOUR = 3600, EVERYTHING = 2 * GUARD_ALLOW_OTHER - 1 };

typedef struct World {
    struct guard_settings settings;
    struct guard_state state;
    NativeLink *link;
    guint32 port;
} World;

static Frame
frame_of(World *world, const guint8 *bytes, gsize length)
{
    return (Frame){.bytes = bytes,
                   .length = length,
                   .state = &world->state,
                   .link = world->link,
                   .port = world->port};
}

static World
world(GuardAddresses addresses)
{
    World made = {0};

    native_clock = GUARD_SECOND;
    guard_rows_settings(&made.settings);
    made.settings.addresses = addresses;
    return made;
}

static int
send_bytes(World *world, const guint8 *bytes, gsize length)
{
    Frame frame = frame_of(world, bytes, length);

    native_clock++;
    return native_from_guest(&frame, &world->settings);
}

static int
send_row(World *world, const GuardRow *row)
{
    g_autoptr(GByteArray) bytes = guard_row_frame(row);
    Frame frame = {.bytes = bytes->data,
                   .length = bytes->len,
                   .unfinished = row->start != 0,
                   .start = row->start,
                   .offset = row->offset,
                   .state = &world->state};

    native_clock++;
    return native_from_guest(&frame, &world->settings);
}

static const GuardRow *
find_row(const GuardRow *rows, guint count, const char *name)
{
    for (guint i = 0; i < count; i++)
        if (strcmp(rows[i].name, name) == 0)
            return &rows[i];
    fail_msg("no row '%s'", name);
    return NULL;
}

static int
send_named(World *world, const char *name)
{
    guint count;
    const GuardRow *rows = guard_rows(&count);

    return send_row(world, find_row(rows, count, name));
}

/* With the byte at a place set to another value. */
static void
receive_changed(World *world, const char *name, gsize at, guint8 value)
{
    guint count;
    const GuardRow *rows = guard_rows_received(&count);
    g_autoptr(GByteArray) bytes = guard_row_frame(find_row(rows, count, name));
    Frame frame = frame_of(world, bytes->data, bytes->len);

    bytes->data[at] = value;
    native_clock++;
    native_to_guest(&frame, &world->settings);
}

static void
receive(World *world, const char *name)
{
    receive_changed(world, name, 0, 0x52);
}

static void
assert_reason(const char *name, int got, int wanted)
{
    if (got != wanted)
        fail_msg("%s: '%s' instead of '%s'", name, guard_row_reason(got), guard_row_reason(wanted));
}

static void
assert_rows(const GuardRow *rows, guint count)
{
    for (guint i = 0; i < count; i++) {
        World own = world(GUARD_ADDRESSES_LISTED);

        assert_reason(rows[i].name, send_row(&own, &rows[i]), rows[i].verdict);
    }
}

static void
test_the_frame_table(void **state)
{
    guint count;
    const GuardRow *rows = guard_rows(&count);

    assert_rows(rows, count);
}

static void
test_the_edges_of_the_rules(void **state)
{
    guint count;
    const GuardRow *rows = guard_rows_edges(&count);

    assert_rows(rows, count);
}

static void
assert_allowed_rows(const GuardRow *rows, guint count)
{
    for (guint i = 0; i < count; i++) {
        World own = world(GUARD_ADDRESSES_LISTED);

        own.settings.allow = (__u16)rows[i].allow;
        assert_reason(rows[i].name, send_row(&own, &rows[i]),
                      rows[i].allow ? GUARD_PASS : rows[i].verdict);
        own.settings.allow = (__u16)~rows[i].allow;
        if (rows[i].verdict != GUARD_PASS && send_row(&own, &rows[i]) == GUARD_PASS)
            fail_msg("%s: passes without its own bit", rows[i].name);
    }
}

static void
test_allow_lets_its_own_rows_pass_and_no_others(void **state)
{
    guint n_rows, n_edges;
    const GuardRow *rows = guard_rows(&n_rows), *edges = guard_rows_edges(&n_edges);

    assert_allowed_rows(rows, n_rows);
    assert_allowed_rows(edges, n_edges);
}

static void
test_every_reason_has_a_row(void **state)
{
    guint count;
    const GuardRow *rows = guard_rows(&count);

    /* Those of Serve=dhcp are in dhcp-rows.c. */
    for (int reason = 0; reason < GUARD_DHCP_UNANSWERED; reason++) {
        gboolean found = reason == GUARD_TOO_MANY_ADDRESSES; /* of Addresses=dhcp, below */

        for (guint i = 0; i < count; i++)
            found |= rows[i].verdict == reason;
        if (!found)
            fail_msg("no row is dropped as '%s'", guard_row_reason(reason));
    }
}

static void
test_without_a_guard_everything_passes(void **state)
{
    guint count;
    const GuardRow *rows = guard_rows(&count);

    for (guint i = 0; i < count; i++) {
        World any = world(GUARD_ADDRESSES_ANY);

        any.settings.senders = GUARD_SENDERS_ANY;
        any.settings.allow = EVERYTHING;
        assert_reason(rows[i].name, send_row(&any, &rows[i]), GUARD_PASS);
    }
}

static void
test_bans_need_no_senders_or_addresses(void **state)
{
    World any = world(GUARD_ADDRESSES_ANY);

    any.settings.senders = GUARD_SENDERS_ANY;
    any.settings.allow = EVERYTHING & ~GUARD_ALLOW_ROUTER;
    assert_int_equal(send_named(&any, "router advertisement"), GUARD_ROUTER_ADVERTISEMENT);
    assert_int_equal(send_named(&any, "from another MAC"), GUARD_PASS);
    assert_int_equal(send_named(&any, "STP"), GUARD_PASS);
    assert_int_equal(send_named(&any, "UDP asking to write its port (NEEDS_CSUM)"), GUARD_CHECKSUM);
}

static void
test_senders_own_asks_for_no_addresses(void **state)
{
    World own = world(GUARD_ADDRESSES_ANY);

    assert_int_equal(send_named(&own, "IPv4 from another source"), GUARD_PASS);
    assert_int_equal(send_named(&own, "IPv6 from another source"), GUARD_PASS);
    assert_int_equal(send_named(&own, "ARP reply with another sender IP"), GUARD_PASS);
    assert_int_equal(send_named(&own, "NA for another's target"), GUARD_PASS);
    assert_int_equal(send_named(&own, "a protocol that the guard cannot read"), GUARD_PASS);
    assert_int_equal(send_named(&own, "from another MAC"), GUARD_OTHER_MAC);
    assert_int_equal(send_named(&own, "router advertisement"), GUARD_ROUTER_ADVERTISEMENT);
    assert_int_equal(send_named(&own, "STP"), GUARD_STP);
}

/* Sends a frame of this EtherType to 01:80:c2:00:00:(last), or with last 0xff to a station. */
static int
send_type(World *world, guint16 type, guint8 last)
{
    guint8 bytes[60] = {0x01, 0x80, 0xc2, 0, 0, last, 0x52, 0x54, 0, 0, 0, 1};

    if (last == 0xff)
        memcpy(bytes, "\x52\x54\0\0\0\2", 6);
    bytes[12] = (guint8)(type >> 8);
    bytes[13] = (guint8)type;
    return send_bytes(world, bytes, sizeof(bytes));
}

static void
test_what_bridges_speak_is_banned_with_any_address(void **state)
{
    static const guint16 banned[] = {0x8808, 0x888e, 0x88f5, 0x88f6, 0x8870};
    World any = world(GUARD_ADDRESSES_ANY);

    for (guint i = 0; i < G_N_ELEMENTS(banned); i++)
        assert_int_equal(send_type(&any, banned[i], 0xff), GUARD_OTHER_PROTOCOL);
    assert_int_equal(send_type(&any, 0x88b5, 0x00), GUARD_OTHER_PROTOCOL);
    assert_int_equal(send_type(&any, 0x88b5, 0x0f), GUARD_OTHER_PROTOCOL);
    assert_int_equal(send_type(&any, 0x88b5, 0x21), GUARD_OTHER_PROTOCOL);
    assert_int_equal(send_type(&any, 0x88b5, 0x10), GUARD_PASS);
    assert_int_equal(send_type(&any, 0x88b5, 0xff), GUARD_PASS);
}

static void
test_addresses_alone_ask_for_no_mac(void **state)
{
    World any = world(GUARD_ADDRESSES_LISTED);

    any.settings.senders = GUARD_SENDERS_ANY;
    assert_int_equal(send_named(&any, "from another MAC"), GUARD_PASS);
    assert_int_equal(send_named(&any, "NS with another MAC as its source's"), GUARD_PASS);
    assert_int_equal(send_named(&any, "IPv4 from another source"), GUARD_IPV4_ADDRESS);
    assert_int_equal(send_named(&any, "DHCP server's answer from its own address"),
                     GUARD_DHCP_SERVER);
}

/* A priority tag is the untagged LAN: what is behind a tag is judged as without it. */
static void
test_tags_are_looked_through(void **state)
{
    guint count;
    const GuardRow *rows = guard_rows(&count);

    for (guint i = 0; i < count; i++) {
        static const guint8 tags[] = {0x88, 0xa8, 0, 0, 0x81, 0, 0, 0};
        g_autoptr(GByteArray) bytes = guard_row_frame(&rows[i]);
        g_autoptr(GByteArray) tagged = g_byte_array_new();
        World own = world(GUARD_ADDRESSES_LISTED);
        int wanted = rows[i].verdict;

        if (rows[i].start != 0 || wanted == GUARD_VLAN_TAG)
            continue;
        own.settings.allow = GUARD_ALLOW_VLAN;
        g_byte_array_append(tagged, bytes->data, 12);
        g_byte_array_append(tagged, tags, sizeof(tags));
        g_byte_array_append(tagged, bytes->data + 12, bytes->len - 12);
        assert_reason(rows[i].name, send_bytes(&own, tagged->data, tagged->len), wanted);
        assert_int_equal(own.state.seen[0].last, 0); /* another LAN's addresses */
        own.settings.allow = 0;
        if (wanted != GUARD_OTHER_MAC)
            assert_reason(rows[i].name, send_bytes(&own, tagged->data, tagged->len),
                          GUARD_VLAN_TAG);
    }
}

static void
test_a_tag_beside_the_frame_is_a_tag(void **state)
{
    guint count;
    const GuardRow *rows = guard_rows(&count);
    g_autoptr(GByteArray) bytes = guard_row_frame(find_row(rows, count, "ARP of its own"));
    World own = world(GUARD_ADDRESSES_LISTED);
    Frame frame = {.bytes = bytes->data, .length = bytes->len, .tagged = TRUE};

    assert_int_equal(native_from_guest(&frame, &own.settings), GUARD_VLAN_TAG);
    own.settings.allow = GUARD_ALLOW_VLAN;
    assert_int_equal(native_from_guest(&frame, &own.settings), GUARD_PASS);
}

static void
test_a_checksum_outside_the_frame_is_refused(void **state)
{
    guint count;
    const GuardRow *rows = guard_rows(&count);
    GuardRow row = *find_row(rows, count, "UDP asking for its own checksum");
    World own = world(GUARD_ADDRESSES_LISTED);

    row.start = 0xfff0;
    assert_int_equal(send_row(&own, &row), GUARD_CHECKSUM);
    row.start = 42; /* right behind UDP's header */
    assert_int_equal(send_row(&own, &row), GUARD_PASS);
    row.start = 41;
    assert_int_equal(send_row(&own, &row), GUARD_CHECKSUM);
}

/* One prefix: that of the row, but for its last byte. */
static void
set_prefix(World *world, guint of, guint8 last, guint length)
{
    world->settings.n_prefixes = 1;
    world->settings.prefixes[0] = world->settings.prefixes[of];
    world->settings.prefixes[0].address.bytes[15] = last;
    world->settings.prefixes[0].length = (guint8)length;
}

static void
test_a_length_of_nothing_is_the_frames(void **state)
{
    guint count;
    const GuardRow *rows = guard_rows(&count);
    g_autoptr(GByteArray) bytes = guard_row_frame(find_row(rows, count, "IPv4 of its own"));
    World own = world(GUARD_ADDRESSES_LISTED);

    bytes->data[16] = bytes->data[17] = 0;
    assert_int_equal(send_bytes(&own, bytes->data, bytes->len), GUARD_PASS);
    bytes->data[17] = 19; /* shorter than its header */
    assert_int_equal(send_bytes(&own, bytes->data, bytes->len), GUARD_MALFORMED);
}

static void
test_prefixes_of_every_length(void **state)
{
    for (guint length = 0; length <= 128; length++) {
        World own = world(GUARD_ADDRESSES_LISTED), own6 = own;

        set_prefix(&own, 0, 0x05 ^ 0x80, length); /* differs in bit 120 */
        assert_reason("IPv4", send_named(&own, "IPv4 of its own"),
                      length >= 96 && length <= 120 ? GUARD_PASS : GUARD_IPV4_ADDRESS);
        set_prefix(&own6, 1, 0x05 ^ 0x80, length);
        assert_reason("IPv6", send_named(&own6, "IPv6 of its own"),
                      length <= 120 ? GUARD_PASS : GUARD_IPV6_ADDRESS);
        own6.settings.prefixes[0].address.bytes[0] ^= 0x40; /* bit 1 */
        assert_reason("IPv6", send_named(&own6, "IPv6 of its own"),
                      length <= 1 ? GUARD_PASS : GUARD_IPV6_ADDRESS);
    }
}

/* ---- seen addresses ---- */

static guint
count_seen(const World *world)
{
    guint count = 0;

    for (guint i = 0; i < GUARD_SEEN; i++)
        count += world->state.seen[i].last != 0;
    return count;
}

static void
test_seen_from_arp_and_nd(void **state)
{
    World own = world(GUARD_ADDRESSES_LISTED);

    send_named(&own, "ARP probe, sender IP 0.0.0.0 (RFC 5227)");
    send_named(&own, "DAD: NS from ::");
    send_named(&own, "ARP reply with another sender IP");
    send_named(&own, "IPv4 of its own");
    send_named(&own, "RARP, by which QEMU announces a guest");
    assert_int_equal(count_seen(&own), 0);
    send_named(&own, "ARP of its own");
    assert_int_equal(own.state.seen[0].how, GUARD_HOW_ARP);
    assert_int_equal(own.state.seen[0].address.bytes[15], 5);
    assert_int_equal(own.state.seen[0].address.bytes[10], 0xff);
    send_named(&own, "NA for its own target");
    assert_int_equal(own.state.seen[1].how, GUARD_HOW_ND);
    assert_int_equal(own.state.seen[1].address.bytes[0], 0xfd);
    send_named(&own, "gratuitous ARP of its own");
    assert_int_equal(count_seen(&own), 2);
    assert_true(own.state.seen[0].last > own.state.seen[1].last);
    assert_true(own.state.seen[0].first < own.state.seen[0].last);
}

static void
test_seen_without_a_guard(void **state)
{
    World any = world(GUARD_ADDRESSES_ANY);

    any.settings.senders = GUARD_SENDERS_ANY;
    any.settings.allow = EVERYTHING;
    send_named(&any, "ARP reply with another sender IP");
    assert_int_equal(count_seen(&any), 1);
    assert_int_equal(any.state.seen[0].address.bytes[15], 254);
}

/* Sends an ARP request that claims 10.9.(number). Returns whether there is to be an event. */
static int
claim_ipv4(World *world, guint number)
{
    guint count;
    const GuardRow *rows = guard_rows(&count);
    g_autoptr(GByteArray) bytes = guard_row_frame(find_row(rows, count, "ARP of its own"));
    Frame frame = {.bytes = bytes->data, .length = bytes->len, .state = &world->state};
    struct guard_claim claim = {0};
    int tell;

    bytes->data[30] = (guint8)(number >> 8);
    bytes->data[31] = (guint8)number;
    native_clock++;
    assert_int_equal(guard_judge(&frame, &world->settings, &claim, &tell), GUARD_PASS);
    return tell;
}

static void
test_a_flood_fills_its_own_slots_and_spends_its_own_tokens(void **state)
{
    World own = world(GUARD_ADDRESSES_ANY);
    guint told = 0;

    native_clock = 100 * GUARD_SECOND;
    for (guint i = 0; i < 10000; i++)
        told += (guint)claim_ipv4(&own, i);
    assert_int_equal(told, GUARD_TOKENS);
    assert_int_equal(count_seen(&own), GUARD_SEEN);
    for (guint i = 0; i < GUARD_SEEN; i++)
        assert_true(own.state.seen[i].address.bytes[15] >= (guint8)(10000 - GUARD_SEEN));
    assert_false(claim_ipv4(&own, 9999)); /* known */
    native_clock += 2 * GUARD_SECOND;
    assert_true(claim_ipv4(&own, 20001));
    assert_true(claim_ipv4(&own, 20002));
    assert_false(claim_ipv4(&own, 20003));
}

/* ---- Addresses=dhcp ---- */

static const guint8 lease[] = {10, 9, 0, 100};

static int
send_from_ipv4(World *world, const guint8 *source)
{
    guint count;
    const GuardRow *rows = guard_rows(&count);
    g_autoptr(GByteArray) bytes = guard_row_frame(find_row(rows, count, "IPv4 of its own"));

    memcpy(bytes->data + 26, source, 4);
    return send_bytes(world, bytes->data, bytes->len);
}

static void
test_a_lease_is_learned_until_it_ends(void **state)
{
    World dhcp = world(GUARD_ADDRESSES_DHCP);

    assert_int_equal(send_from_ipv4(&dhcp, lease), GUARD_IPV4_ADDRESS);
    assert_int_equal(send_named(&dhcp, "DHCP client"), GUARD_PASS);
    receive(&dhcp, "DHCP ACK");
    assert_int_equal(send_from_ipv4(&dhcp, lease), GUARD_PASS);
    assert_int_equal(count_seen(&dhcp), 1);
    assert_int_equal(dhcp.state.seen[0].how, GUARD_HOW_DHCP);
    assert_int_equal(send_named(&dhcp, "IPv4 of its own"), GUARD_PASS); /* listed */
    native_clock += HOUR * GUARD_SECOND;
    assert_int_equal(send_from_ipv4(&dhcp, lease), GUARD_IPV4_ADDRESS);
}

static void
assert_ack_teaches_nothing(const char *name, gboolean ask)
{
    World dhcp = world(GUARD_ADDRESSES_DHCP);

    if (ask)
        send_named(&dhcp, "DHCP client");
    receive(&dhcp, name);
    for (guint8 last = 100; last <= 103; last++) {
        const guint8 address[] = {10, 9, 0, last};

        assert_int_equal(send_from_ipv4(&dhcp, address), GUARD_IPV4_ADDRESS);
    }
    assert_int_equal(count_seen(&dhcp), 0);
}

static void
test_an_ack_that_was_not_asked_for_teaches_nothing(void **state)
{
    assert_ack_teaches_nothing("DHCP ACK", FALSE);
    assert_ack_teaches_nothing("DHCP OFFER", TRUE);
    assert_ack_teaches_nothing("DHCP ACK to another", TRUE);
    assert_ack_teaches_nothing("DHCP ACK to what nobody asked", TRUE);
}

enum {
    OPERATION = 42,
    XID = 46,
    YOUR_ADDRESS = 58,
    CLIENT_ADDRESS = 54,
    CLIENT_MAC = 70,
    COOKIE = 278,
    KIND = 284,
    REQUESTED = 287, /* in the client's */
    CHOSEN = 293,
    SERVER = 293 /* in the ACK */
};               /* of a DHCP message, in its frame */

static void
send_request_changed(World *world, gsize at, guint8 value)
{
    guint count;
    const GuardRow *rows = guard_rows(&count);
    g_autoptr(GByteArray) bytes = guard_row_frame(find_row(rows, count, "DHCP client"));

    bytes->data[at] = value;
    assert_int_equal(send_bytes(world, bytes->data, bytes->len), GUARD_PASS);
}

static void
test_only_a_request_for_this_port_is_one(void **state)
{
    World dhcp = world(GUARD_ADDRESSES_DHCP);

    send_request_changed(&dhcp, OPERATION, 2);
    send_request_changed(&dhcp, CLIENT_MAC + 5, 9);
    receive(&dhcp, "DHCP ACK");
    assert_int_equal(send_from_ipv4(&dhcp, lease), GUARD_IPV4_ADDRESS);
}

static void
test_only_a_whole_answer_of_a_server_is_one(void **state)
{
    World dhcp = world(GUARD_ADDRESSES_DHCP);

    send_named(&dhcp, "DHCP client");
    receive_changed(&dhcp, "DHCP ACK", OPERATION, 1);
    receive_changed(&dhcp, "DHCP ACK", COOKIE, 0);
    receive_changed(&dhcp, "DHCP ACK", 20, 0x20); /* a fragment */
    receive_changed(&dhcp, "DHCP ACK", 36, 68);   /* to another port */
    assert_int_equal(send_from_ipv4(&dhcp, lease), GUARD_IPV4_ADDRESS);
    receive(&dhcp, "DHCP ACK");
    assert_int_equal(send_from_ipv4(&dhcp, lease), GUARD_PASS);
}

/* 0 is an xid like others, but also an empty slot. */
static void
test_an_xid_of_nothing_was_not_asked(void **state)
{
    guint count;
    const GuardRow *rows = guard_rows_received(&count);
    g_autoptr(GByteArray) bytes = guard_row_frame(find_row(rows, count, "DHCP ACK"));
    World dhcp = world(GUARD_ADDRESSES_DHCP);
    Frame frame = {.bytes = bytes->data, .length = bytes->len, .state = &dhcp.state};

    memset(bytes->data + XID, 0, 4);
    native_to_guest(&frame, &dhcp.settings);
    assert_int_equal(send_from_ipv4(&dhcp, lease), GUARD_IPV4_ADDRESS);
}

static void
test_an_answer_is_taken_once(void **state)
{
    World dhcp = world(GUARD_ADDRESSES_DHCP);

    send_named(&dhcp, "DHCP client");
    receive(&dhcp, "DHCP ACK");
    native_clock += HOUR * GUARD_SECOND;
    receive(&dhcp, "DHCP ACK");
    assert_int_equal(send_from_ipv4(&dhcp, lease), GUARD_IPV4_ADDRESS);
}

/* ---- only the answer to what the guest has asked ---- */

static void
test_an_ack_gives_what_was_asked_for(void **state)
{
    static const guint8 other[] = {10, 9, 0, 120};
    World dhcp = world(GUARD_ADDRESSES_DHCP);

    send_named(&dhcp, "DHCP client");
    receive_changed(&dhcp, "DHCP ACK", YOUR_ADDRESS + 3, 120); /* another address */
    assert_int_equal(send_from_ipv4(&dhcp, other), GUARD_IPV4_ADDRESS);
    receive_changed(&dhcp, "DHCP ACK", SERVER + 3, 253); /* another server */
    assert_int_equal(send_from_ipv4(&dhcp, lease), GUARD_IPV4_ADDRESS);
    receive(&dhcp, "DHCP ACK"); /* whose answer counts all the same */
    assert_int_equal(send_from_ipv4(&dhcp, lease), GUARD_PASS);
}

/* A renewal names no server, and asks for the address that the guest has. */
static void
test_a_renewal_is_answered_by_any_server(void **state)
{
    guint count;
    const GuardRow *rows = guard_rows(&count);
    g_autoptr(GByteArray) bytes = guard_row_frame(find_row(rows, count, "DHCP client"));
    World dhcp = world(GUARD_ADDRESSES_DHCP);

    memcpy(bytes->data + CLIENT_ADDRESS, lease, sizeof(lease));
    bytes->data[KIND + 1] = 255; /* no more options */
    assert_int_equal(send_bytes(&dhcp, bytes->data, bytes->len), GUARD_PASS);
    receive_changed(&dhcp, "DHCP ACK", YOUR_ADDRESS + 3, 120);
    receive_changed(&dhcp, "DHCP ACK", SERVER + 3, 253);
    assert_int_equal(send_from_ipv4(&dhcp, lease), GUARD_PASS);
}

/* Without an address it is no request. */
static void
test_a_discover_asks_for_no_ack(void **state)
{
    World dhcp = world(GUARD_ADDRESSES_DHCP);

    send_request_changed(&dhcp, KIND, GUARD_DHCP_DISCOVER);
    receive(&dhcp, "DHCP ACK");
    send_request_changed(&dhcp, KIND + 1, 255);
    receive(&dhcp, "DHCP ACK");
    assert_int_equal(send_from_ipv4(&dhcp, lease), GUARD_IPV4_ADDRESS);
}

static void
test_a_rapid_discover_takes_any_ack(void **state)
{
    guint count;
    const GuardRow *rows = guard_rows(&count);
    g_autoptr(GByteArray) bytes = guard_row_frame(find_row(rows, count, "DHCP client"));
    static const guint8 rapid[] = {GUARD_DHCP_DISCOVER, 80, 0, 255};
    World dhcp = world(GUARD_ADDRESSES_DHCP);

    memcpy(bytes->data + KIND, rapid, sizeof(rapid));
    assert_int_equal(send_bytes(&dhcp, bytes->data, bytes->len), GUARD_PASS);
    receive(&dhcp, "DHCP ACK");
    assert_int_equal(send_from_ipv4(&dhcp, lease), GUARD_PASS);
}

static int
send_dad(World *world, guint8 net, guint8 host)
{
    guint count;
    const GuardRow *rows = guard_rows(&count);
    g_autoptr(GByteArray) bytes = guard_row_frame(find_row(rows, count, "DAD: NS from ::"));

    bytes->data[54 + 8 + 1] = net;
    bytes->data[54 + 8 + 15] = host;
    return send_bytes(world, bytes->data, bytes->len);
}

static int
send_from_ipv6(World *world, guint8 net, guint8 host)
{
    guint count;
    const GuardRow *rows = guard_rows(&count);
    g_autoptr(GByteArray) bytes = guard_row_frame(find_row(rows, count, "IPv6 of its own"));

    bytes->data[14 + 8 + 1] = net;
    bytes->data[14 + 8 + 15] = host;
    return send_bytes(world, bytes->data, bytes->len);
}

#define ANNOUNCED 0x11
#define NOT_FOR_HOSTS 0x12

static World
autoconfiguring_world(void)
{
    World dhcp = world(GUARD_ADDRESSES_DHCP);

    receive(&dhcp, "router advertisement for autoconfiguration");
    receive(&dhcp, "router advertisement without autoconfiguration");
    return dhcp;
}

static void
test_autoconfiguration_is_learned_after_dad(void **state)
{
    World dhcp = autoconfiguring_world();

    assert_int_equal(send_from_ipv6(&dhcp, ANNOUNCED, 7), GUARD_IPV6_ADDRESS);
    assert_int_equal(send_dad(&dhcp, ANNOUNCED, 7), GUARD_PASS);
    assert_int_equal(send_from_ipv6(&dhcp, ANNOUNCED, 7), GUARD_PASS);
    send_dad(&dhcp, NOT_FOR_HOSTS, 7);
    assert_int_equal(send_from_ipv6(&dhcp, NOT_FOR_HOSTS, 7), GUARD_IPV6_ADDRESS);
    native_clock += 23 * HOUR * GUARD_SECOND;
    receive(&dhcp, "router advertisement for autoconfiguration");
    native_clock += 23 * HOUR * GUARD_SECOND;
    assert_int_equal(send_from_ipv6(&dhcp, ANNOUNCED, 7), GUARD_PASS);
    native_clock += HOUR * GUARD_SECOND; /* the prefix has ended */
    assert_int_equal(send_from_ipv6(&dhcp, ANNOUNCED, 7), GUARD_IPV6_ADDRESS);
}

static void
test_an_address_that_another_defends_is_not_learned(void **state)
{
    World dhcp = autoconfiguring_world();

    send_dad(&dhcp, ANNOUNCED, 0x77);
    receive(&dhcp, "NA of another station");
    assert_int_equal(send_from_ipv6(&dhcp, ANNOUNCED, 0x77), GUARD_IPV6_ADDRESS);
    send_dad(&dhcp, ANNOUNCED, 0x77);
    assert_int_equal(send_from_ipv6(&dhcp, ANNOUNCED, 0x77), GUARD_IPV6_ADDRESS);
}

static void
test_another_stations_dad_is_a_defence_too(void **state)
{
    World dhcp = autoconfiguring_world();
    guint count;
    const GuardRow *rows = guard_rows(&count);
    g_autoptr(GByteArray) bytes = guard_row_frame(find_row(rows, count, "DAD: NS from ::"));
    Frame frame = {.bytes = bytes->data, .length = bytes->len, .state = &dhcp.state};

    bytes->data[63] = ANNOUNCED;
    bytes->data[77] = 0x77;
    send_dad(&dhcp, ANNOUNCED, 0x77);
    native_to_guest(&frame, &dhcp.settings); /* its own, that a switch sent back */
    assert_int_equal(send_from_ipv6(&dhcp, ANNOUNCED, 0x77), GUARD_PASS);
    bytes->data[11] = 9;
    native_to_guest(&frame, &dhcp.settings);
    assert_int_equal(send_from_ipv6(&dhcp, ANNOUNCED, 0x77), GUARD_IPV6_ADDRESS);
}

static void
test_a_contested_address_can_be_asked_for_again_later(void **state)
{
    World dhcp = autoconfiguring_world();

    send_dad(&dhcp, ANNOUNCED, 0x77);
    receive(&dhcp, "NA of another station");
    receive(&dhcp, "router advertisement for autoconfiguration"); /* makes it no longer */
    native_clock += GUARD_CONTESTED;
    send_dad(&dhcp, ANNOUNCED, 0x77);
    assert_int_equal(send_from_ipv6(&dhcp, ANNOUNCED, 0x77), GUARD_PASS);
}

/* An NA may name an IPv4 address as IPv6: that contests no lease. */
static void
test_a_lease_is_not_contested(void **state)
{
    static const guint8 mapped[] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 9, 0, 100};
    World dhcp = world(GUARD_ADDRESSES_DHCP);
    guint count;
    const GuardRow *rows = guard_rows_received(&count);
    g_autoptr(GByteArray) bytes = guard_row_frame(find_row(rows, count, "NA of another station"));
    Frame frame = {.bytes = bytes->data, .length = bytes->len, .state = &dhcp.state};

    memcpy(bytes->data + 62, mapped, sizeof(mapped));
    send_named(&dhcp, "DHCP client");
    receive(&dhcp, "DHCP ACK");
    native_to_guest(&frame, &dhcp.settings);
    assert_int_equal(send_from_ipv4(&dhcp, lease), GUARD_PASS);
}

/* From behind a router its advertisement has another hop limit; and hosts autoconfigure in a /64
 * only. */
static void
test_only_an_advertisement_of_the_lan_for_a_64_is_heard(void **state)
{
    World dhcp = world(GUARD_ADDRESSES_DHCP);

    receive_changed(&dhcp, "router advertisement for autoconfiguration", 21, 254);
    receive_changed(&dhcp, "router advertisement for autoconfiguration", 72, 48);
    send_dad(&dhcp, ANNOUNCED, 7);
    assert_int_equal(send_from_ipv6(&dhcp, ANNOUNCED, 7), GUARD_IPV6_ADDRESS);
}

static void
test_nobody_takes_away_an_address_after_its_dad(void **state)
{
    World dhcp = autoconfiguring_world();

    send_dad(&dhcp, ANNOUNCED, 0x77);
    native_clock += GUARD_CONTEST;
    receive(&dhcp, "NA of another station");
    assert_int_equal(send_from_ipv6(&dhcp, ANNOUNCED, 0x77), GUARD_PASS);
}

static void
test_the_seventeenth_address_is_too_many(void **state)
{
    World dhcp = autoconfiguring_world();

    for (guint8 i = 1; i <= GUARD_LEARNED + 1; i++)
        assert_int_equal(send_dad(&dhcp, ANNOUNCED, i), GUARD_PASS);
    for (guint8 i = 1; i <= GUARD_LEARNED; i++)
        assert_int_equal(send_from_ipv6(&dhcp, ANNOUNCED, i), GUARD_PASS);
    assert_int_equal(send_from_ipv6(&dhcp, ANNOUNCED, GUARD_LEARNED + 1), GUARD_TOO_MANY_ADDRESSES);
    native_clock += GUARD_IDLE;
    send_from_ipv6(&dhcp, ANNOUNCED, 1); /* in use; the others make room */
    send_dad(&dhcp, ANNOUNCED, GUARD_LEARNED + 1);
    assert_int_equal(send_from_ipv6(&dhcp, ANNOUNCED, GUARD_LEARNED + 1), GUARD_PASS);
    assert_int_equal(send_from_ipv6(&dhcp, ANNOUNCED, 1), GUARD_PASS);
}

/* ---- what others have ---- */

/* Two ports of a link. */
typedef struct Pair {
    NativeLink link;
    World one, two;
} Pair;

enum { LINK = 7 };

static void
pair_init(Pair *pair)
{
    World *worlds[] = {&pair->one, &pair->two};

    memset(&pair->link, 0, sizeof pair->link);
    for (guint32 port = 0; port < G_N_ELEMENTS(worlds); port++) {
        *worlds[port] = world(GUARD_ADDRESSES_DHCP);
        worlds[port]->port = port;
        worlds[port]->link = &pair->link;
        worlds[port]->settings.link = LINK;
        pair->link.states[port] = &worlds[port]->state;
        receive(worlds[port], "router advertisement for autoconfiguration");
    }
}

static void
withhold_ipv4(Pair *pair, const guint8 *address, guint32 link)
{
    struct guard_place *place = &pair->link.withheld[pair->link.n_withheld++];

    guard_address_ipv4(&place->address, address);
    place->link = link;
}

static void
withhold_ipv6(Pair *pair, guint8 host)
{
    struct guard_place *place = &pair->link.withheld[pair->link.n_withheld++];

    guard_address_ipv6(&place->address, (const guint8[16]){0xfd, ANNOUNCED, [15] = host});
    place->link = LINK;
}

static void
lease_to(World *world)
{
    send_named(world, "DHCP client");
    receive(world, "DHCP ACK");
}

static void
test_a_withheld_address_is_not_learned(void **state)
{
    Pair pair;

    pair_init(&pair);
    withhold_ipv4(&pair, lease, LINK);
    withhold_ipv6(&pair, 7);
    lease_to(&pair.one);
    assert_int_equal(send_from_ipv4(&pair.one, lease), GUARD_IPV4_ADDRESS);
    assert_int_equal(count_seen(&pair.one), 0);
    assert_int_equal(send_dad(&pair.one, ANNOUNCED, 7), GUARD_PASS);
    assert_int_equal(send_from_ipv6(&pair.one, ANNOUNCED, 7), GUARD_IPV6_ADDRESS);
    send_dad(&pair.one, ANNOUNCED, 8);
    assert_int_equal(send_from_ipv6(&pair.one, ANNOUNCED, 8), GUARD_PASS);
}

/* Nor does an ARP probe, or its silence, teach one. */
static void
test_a_withheld_address_is_not_learned_from_a_probe(void **state)
{
    Pair pair;

    pair_init(&pair);
    withhold_ipv4(&pair, (const guint8[4]){10, 9, 0, 254}, LINK);
    assert_int_equal(send_named(&pair.one, "ARP probe, sender IP 0.0.0.0 (RFC 5227)"), GUARD_PASS);
    assert_int_equal(send_named(&pair.one, "ARP reply with another sender IP"), GUARD_ARP_ADDRESS);
}

static void
test_what_another_link_withholds_is_free(void **state)
{
    Pair pair;

    pair_init(&pair);
    withhold_ipv4(&pair, lease, LINK + 1);
    lease_to(&pair.one);
    assert_int_equal(send_from_ipv4(&pair.one, lease), GUARD_PASS);
}

/* Its own addresses are withheld from the others, and listed for itself. */
static void
test_a_listed_address_may_be_leased_as_well(void **state)
{
    Pair pair;

    pair_init(&pair);
    withhold_ipv4(&pair, lease, LINK);
    guard_address_ipv4(&pair.one.settings.prefixes[0].address, lease);
    lease_to(&pair.one);
    assert_int_equal(send_from_ipv4(&pair.one, lease), GUARD_PASS);
}

static void
test_the_first_port_that_learns_an_address_keeps_it(void **state)
{
    Pair pair;

    pair_init(&pair);
    lease_to(&pair.one);
    send_dad(&pair.one, ANNOUNCED, 7);
    lease_to(&pair.two);
    send_dad(&pair.two, ANNOUNCED, 7);
    assert_int_equal(send_from_ipv4(&pair.two, lease), GUARD_IPV4_ADDRESS);
    assert_int_equal(send_from_ipv6(&pair.two, ANNOUNCED, 7), GUARD_IPV6_ADDRESS);
    assert_int_equal(send_from_ipv4(&pair.one, lease), GUARD_PASS);
    assert_int_equal(send_from_ipv6(&pair.one, ANNOUNCED, 7), GUARD_PASS);
    lease_to(&pair.one); /* and may have it again */
    assert_int_equal(send_from_ipv4(&pair.one, lease), GUARD_PASS);
}

static void
test_an_address_is_free_when_its_port_has_lost_it(void **state)
{
    Pair pair;

    pair_init(&pair);
    lease_to(&pair.one);
    native_clock += HOUR * GUARD_SECOND; /* the lease ends */
    lease_to(&pair.two);
    assert_int_equal(send_from_ipv4(&pair.two, lease), GUARD_PASS);
    send_dad(&pair.two, ANNOUNCED, 7);
    pair.link.states[1] = NULL; /* the port ends */
    send_dad(&pair.one, ANNOUNCED, 7);
    assert_int_equal(send_from_ipv6(&pair.one, ANNOUNCED, 7), GUARD_PASS);
}

/* A guest that asks for many addresses is the learner of those alone that it has learned. */
static void
test_a_flood_is_the_learner_of_sixteen(void **state)
{
    Pair pair;

    pair_init(&pair);
    for (guint host = 0; host < 256; host++)
        send_dad(&pair.one, ANNOUNCED, (guint8)host);
    assert_int_equal(pair.link.n_learned, GUARD_LEARNED);
    native_clock += GUARD_IDLE;
    for (guint host = 100; host < 256; host++) /* in place of the idle ones */
        send_dad(&pair.one, ANNOUNCED, (guint8)host);
    assert_int_equal(pair.link.n_learned, GUARD_LEARNED);
    send_dad(&pair.two, ANNOUNCED, 255);
    assert_int_equal(send_from_ipv6(&pair.two, ANNOUNCED, 255), GUARD_PASS);
}

static void
test_a_learned_address_that_is_withheld_is_given_up(void **state)
{
    Pair pair;

    pair_init(&pair);
    lease_to(&pair.one);
    send_dad(&pair.one, ANNOUNCED, 7);
    send_dad(&pair.one, ANNOUNCED, 8);
    withhold_ipv4(&pair, lease, LINK);
    withhold_ipv6(&pair, 7);
    pair.one.settings.recheck++;
    assert_int_equal(send_from_ipv4(&pair.one, lease), GUARD_IPV4_ADDRESS);
    assert_int_equal(send_from_ipv6(&pair.one, ANNOUNCED, 7), GUARD_IPV6_ADDRESS);
    assert_int_equal(send_from_ipv6(&pair.one, ANNOUNCED, 8), GUARD_PASS);
    receive(&pair.one, "router advertisement for autoconfiguration"); /* brings nothing back */
    assert_int_equal(send_from_ipv6(&pair.one, ANNOUNCED, 7), GUARD_IPV6_ADDRESS);
    assert_int_equal(pair.link.n_learned, 1);
}

/* With Addresses=any a port learns all the same; what it learned is checked when it matters. */
static void
test_what_was_learned_before_it_mattered_is_checked(void **state)
{
    Pair pair;

    pair_init(&pair);
    pair.one.settings.addresses = GUARD_ADDRESSES_ANY;
    withhold_ipv4(&pair, lease, LINK);
    lease_to(&pair.one);
    assert_int_equal(pair.link.n_learned, 0);
    pair.one.settings.addresses = GUARD_ADDRESSES_DHCP;
    pair.one.settings.recheck++;
    assert_int_equal(send_from_ipv4(&pair.one, lease), GUARD_IPV4_ADDRESS);
}

/* Sends an NA for the router's link-local address, and a datagram from it. */
static void
assert_router_address(World *world, int na, int source)
{
    static const guint8 router[] = {0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xfe, 0, 0, 0x0a};
    guint count;
    const GuardRow *rows = guard_rows(&count);
    g_autoptr(GByteArray) claims = guard_row_frame(find_row(rows, count, "NA for its own target"));
    g_autoptr(GByteArray) uses = guard_row_frame(find_row(rows, count, "IPv6 of its own"));

    memcpy(claims->data + 62, router, sizeof(router));
    memcpy(uses->data + 22, router, sizeof(router));
    assert_int_equal(send_bytes(world, claims->data, claims->len), na);
    assert_int_equal(send_bytes(world, uses->data, uses->len), source);
}

static void
test_a_routers_link_local_address_is_not_the_guests(void **state)
{
    World own = world(GUARD_ADDRESSES_LISTED), any = world(GUARD_ADDRESSES_ANY);

    assert_router_address(&own, GUARD_PASS, GUARD_PASS);
    receive(&own, "router advertisement without autoconfiguration");
    assert_router_address(&own, GUARD_ND_ADDRESS, GUARD_IPV6_ADDRESS);
    assert_int_equal(send_named(&own, "IPv6 of its own link-local address"), GUARD_PASS);
    native_clock += 1800 * GUARD_SECOND; /* as long as it has said */
    assert_router_address(&own, GUARD_PASS, GUARD_PASS);
    receive(&any, "router advertisement without autoconfiguration");
    assert_router_address(&any, GUARD_PASS, GUARD_PASS);
}

static void
test_without_a_state_nothing_is_learned(void **state)
{
    guint count;
    const GuardRow *rows = guard_rows(&count);
    g_autoptr(GByteArray) bytes =
        guard_row_frame(find_row(rows, count, "IPv4 from another source"));
    World dhcp = world(GUARD_ADDRESSES_DHCP);
    Frame frame = {.bytes = bytes->data, .length = bytes->len};

    assert_int_equal(native_from_guest(&frame, &dhcp.settings), GUARD_IPV4_ADDRESS);
}

static int
is_plain(World *world, const char *name, gsize at, guint8 value)
{
    guint count;
    const GuardRow *rows = guard_rows(&count);
    g_autoptr(GByteArray) bytes = guard_row_frame(find_row(rows, count, name));
    Frame frame = {.bytes = bytes->data, .length = bytes->len, .state = &world->state};

    bytes->data[at] = value;
    return guard_is_plain(&frame, &world->settings);
}

/* What is plain is worth the short way: native_from_guest() holds each frame of it to the long one.
 */
static void
test_most_frames_take_the_short_way(void **state)
{
    static const struct {
        gsize at;
        guint8 value;
    } changes[] = {{0, 1},  {5 + 6, 9}, {13, 6}, {14, 0x46}, {17, 19}, {20, 0x20},
                   {21, 1}, {23, 1},    {26, 9}, {29, 6},    {23, 50}, {12, 0x81}};
    World own = world(GUARD_ADDRESSES_LISTED), any = world(GUARD_ADDRESSES_ANY);
    World dhcp = world(GUARD_ADDRESSES_DHCP);

    assert_true(is_plain(&own, "IPv4 of its own", 0, 0x52));
    assert_true(is_plain(&own, "IPv4 of its own", 17, 0)); /* a length for the host to fill in */
    assert_true(is_plain(&own, "IPv4 of its own", 23, GUARD_IP_TCP));
    assert_true(is_plain(&any, "IPv4 from another source", 0, 0x52));
    assert_false(is_plain(&dhcp, "IPv4 from another source", 0, 0x52));
    assert_false(is_plain(&own, "DHCP client", 0, 0x52));
    for (guint i = 0; i < G_N_ELEMENTS(changes); i++)
        if (is_plain(&own, "IPv4 of its own", changes[i].at, changes[i].value))
            fail_msg("byte %zu set to %u", changes[i].at, changes[i].value);
}

/* What lies beside the frame's bytes, and its ports. */
static void
test_a_tag_a_checksum_or_dhcps_ports_take_the_long_way(void **state)
{
    guint count;
    const GuardRow *rows = guard_rows(&count);
    g_autoptr(GByteArray) bytes = guard_row_frame(find_row(rows, count, "IPv4 of its own"));
    World any = world(GUARD_ADDRESSES_ANY);
    Frame frame = {.bytes = bytes->data, .length = bytes->len, .state = &any.state};
    Frame tagged = frame, asks = frame;

    tagged.tagged = asks.unfinished = TRUE;
    assert_false(guard_is_plain(&tagged, &any.settings) || guard_is_plain_to_guest(&tagged));
    asks.start = 34;
    asks.offset = GUARD_UDP_CHECKSUM;
    assert_true(guard_is_plain(&asks, &any.settings));
    asks.offset = GUARD_TCP_CHECKSUM;
    assert_false(guard_is_plain(&asks, &any.settings));
    for (guint at = 34; at <= 36; at += 2)
        for (guint8 port = 66; port <= 69; port++) {
            bytes->data[at] = 0;
            bytes->data[at + 1] = port;
            assert_int_equal(guard_is_plain(&frame, &any.settings), port == 66 || port == 69);
            assert_int_equal(guard_is_plain_to_guest(&frame), port == 66 || port == 69);
            native_from_guest(&frame, &any.settings);
            native_to_guest(&frame, &any.settings);
        }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_frame_table),
        cmocka_unit_test(test_the_edges_of_the_rules),
        cmocka_unit_test(test_what_bridges_speak_is_banned_with_any_address),
        cmocka_unit_test(test_allow_lets_its_own_rows_pass_and_no_others),
        cmocka_unit_test(test_every_reason_has_a_row),
        cmocka_unit_test(test_without_a_guard_everything_passes),
        cmocka_unit_test(test_bans_need_no_senders_or_addresses),
        cmocka_unit_test(test_senders_own_asks_for_no_addresses),
        cmocka_unit_test(test_addresses_alone_ask_for_no_mac),
        cmocka_unit_test(test_tags_are_looked_through),
        cmocka_unit_test(test_a_tag_beside_the_frame_is_a_tag),
        cmocka_unit_test(test_a_checksum_outside_the_frame_is_refused),
        cmocka_unit_test(test_a_length_of_nothing_is_the_frames),
        cmocka_unit_test(test_prefixes_of_every_length),
        cmocka_unit_test(test_seen_from_arp_and_nd),
        cmocka_unit_test(test_seen_without_a_guard),
        cmocka_unit_test(test_a_flood_fills_its_own_slots_and_spends_its_own_tokens),
        cmocka_unit_test(test_a_lease_is_learned_until_it_ends),
        cmocka_unit_test(test_an_ack_that_was_not_asked_for_teaches_nothing),
        cmocka_unit_test(test_an_answer_is_taken_once),
        cmocka_unit_test(test_an_ack_gives_what_was_asked_for),
        cmocka_unit_test(test_a_renewal_is_answered_by_any_server),
        cmocka_unit_test(test_a_discover_asks_for_no_ack),
        cmocka_unit_test(test_a_rapid_discover_takes_any_ack),
        cmocka_unit_test(test_a_withheld_address_is_not_learned),
        cmocka_unit_test(test_a_withheld_address_is_not_learned_from_a_probe),
        cmocka_unit_test(test_what_another_link_withholds_is_free),
        cmocka_unit_test(test_a_listed_address_may_be_leased_as_well),
        cmocka_unit_test(test_the_first_port_that_learns_an_address_keeps_it),
        cmocka_unit_test(test_an_address_is_free_when_its_port_has_lost_it),
        cmocka_unit_test(test_a_flood_is_the_learner_of_sixteen),
        cmocka_unit_test(test_a_learned_address_that_is_withheld_is_given_up),
        cmocka_unit_test(test_what_was_learned_before_it_mattered_is_checked),
        cmocka_unit_test(test_only_an_advertisement_of_the_lan_for_a_64_is_heard),
        cmocka_unit_test(test_a_lease_is_not_contested),
        cmocka_unit_test(test_a_contested_address_can_be_asked_for_again_later),
        cmocka_unit_test(test_another_stations_dad_is_a_defence_too),
        cmocka_unit_test(test_an_xid_of_nothing_was_not_asked),
        cmocka_unit_test(test_only_a_whole_answer_of_a_server_is_one),
        cmocka_unit_test(test_only_a_request_for_this_port_is_one),
        cmocka_unit_test(test_autoconfiguration_is_learned_after_dad),
        cmocka_unit_test(test_an_address_that_another_defends_is_not_learned),
        cmocka_unit_test(test_nobody_takes_away_an_address_after_its_dad),
        cmocka_unit_test(test_the_seventeenth_address_is_too_many),
        cmocka_unit_test(test_a_routers_link_local_address_is_not_the_guests),
        cmocka_unit_test(test_without_a_state_nothing_is_learned),
        cmocka_unit_test(test_most_frames_take_the_short_way),
        cmocka_unit_test(test_a_tag_a_checksum_or_dhcps_ports_take_the_long_way),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
