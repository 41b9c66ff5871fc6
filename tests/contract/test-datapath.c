/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the entries of ports in a datapath are, from the first to what the next daemon finds. */
#include "datapath-world.h"

#include "error.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static Datapath *datapath;

static gboolean
is_kept(int index, gpointer user_data)
{
    return user_data && index == *(const int *)user_data;
}

static int
setup(void **state)
{
    datapath = datapath_world_open();
    return 0;
}

/* The next test finds nothing. */
static int
teardown(void **state)
{
    datapath->ops->sweep(datapath, is_kept, NULL);
    datapath_world_end(datapath);
    return datapath_world_pins() > 0;
}

static void
put(int index, const char *port_id, GuardSenders senders, gboolean is_new)
{
    const GuardSettings guard = {.senders = senders};
    const DatapathPort port = {
        .index = index, .port_id = port_id, .mac = {{0x52, 0x54, 0, 0, 0, 7}}, .guard = &guard};
    g_autoptr(GError) error = NULL;

    if (!datapath->ops->set(datapath, &port, is_new, &error))
        fail_msg("%s", error->message);
}

/* AUTO: it has no entry. */
static GuardSenders
senders_of(int index)
{
    struct guard_settings settings;

    if (!datapath_world_settings(datapath, index, &settings))
        return GUARD_SENDERS_AUTO;
    assert_memory_equal(settings.mac, "\x52\x54\0\0\0\x07", 6);
    return (GuardSenders)settings.senders;
}

static guint64
dropped(int index)
{
    struct guard_counters counters;

    assert_true(datapath->ops->read(datapath, index, &counters, NULL, NULL));
    return counters.dropped[GUARD_OTHER_MAC];
}

static void
entries_follow_what_is_set(void **state)
{
    struct guard_state seen;

    put(7, "p1", GUARD_SENDERS_OWN, TRUE);
    assert_int_equal(senders_of(7), GUARD_SENDERS_OWN);
    assert_int_equal(dropped(7), 0);
    assert_true(datapath->ops->read(datapath, 7, NULL, &seen, NULL));
    assert_int_equal(seen.seen[0].last, 0);
    put(7, "p1", GUARD_SENDERS_ANY, FALSE);
    put(7, "p1", GUARD_SENDERS_ANY, FALSE);
    assert_int_equal(senders_of(7), GUARD_SENDERS_ANY);
    put(7, "p1", GUARD_SENDERS_OWN, FALSE);
    assert_int_equal(senders_of(7), GUARD_SENDERS_OWN);
}

static void
a_port_without_an_entry_has_nothing_to_be_read(void **state)
{
    g_autoptr(GError) error = NULL;
    struct guard_counters counters;

    assert_false(datapath->ops->read(datapath, 7, &counters, NULL, &error));
    assert_true(error_is_errno(error, ENOENT));
}

static void
only_a_new_port_begins_at_zero(void **state)
{
    put(7, "p1", GUARD_SENDERS_OWN, TRUE);
    datapath_world_drop(datapath, 7, GUARD_OTHER_MAC);
    put(7, "p1", GUARD_SENDERS_ANY, FALSE);
    assert_int_equal(dropped(7), 1);
    put(7, "p2", GUARD_SENDERS_ANY, TRUE);
    assert_int_equal(dropped(7), 0);
}

static void
only_its_own_port_is_forgotten(void **state)
{
    put(7, "p1", GUARD_SENDERS_OWN, TRUE);
    datapath->ops->forget(datapath, 7, "p2");
    datapath->ops->forget(datapath, 8, "p1");
    assert_int_equal(senders_of(7), GUARD_SENDERS_OWN);
    datapath->ops->forget(datapath, 7, "p1");
    assert_int_equal(senders_of(7), GUARD_SENDERS_AUTO);
    assert_true(datapath_world_pins() <= 0);
}

static void
stays_for_the_next_daemon(void **state)
{
    int kept = 7;

    put(7, "p1", GUARD_SENDERS_OWN, TRUE);
    put(8, "p2", GUARD_SENDERS_OWN, TRUE);
    datapath_world_drop(datapath, 7, GUARD_OTHER_MAC);
    datapath_world_end(datapath);
    assert_true(datapath_world_pins() != 0);
    datapath = datapath_world_open();
    assert_int_equal(senders_of(7), GUARD_SENDERS_OWN);
    put(7, "p1", GUARD_SENDERS_ANY, FALSE);
    assert_int_equal(dropped(7), 1);
    datapath->ops->sweep(datapath, is_kept, &kept);
    assert_int_equal(senders_of(8), GUARD_SENDERS_AUTO);
    assert_int_equal(senders_of(7), GUARD_SENDERS_ANY);
}

static DatapathAddress
place(int link, guint8 host)
{
    return (DatapathAddress){link, ip_address_from_ipv4((const guint8[4]){10, 0, 0, host})};
}

static void
withhold(const DatapathAddress *places, guint n, gboolean is_all)
{
    assert_true(datapath->ops->withhold(datapath, places, n, is_all, NULL));
}

static gboolean
is_withheld(int link, guint8 host)
{
    const DatapathAddress wanted = place(link, host);

    return datapath_world_withholds(datapath, link, &wanted.address);
}

static guint64
last_seen(int index)
{
    struct guard_state seen;

    assert_true(datapath->ops->read(datapath, index, NULL, &seen, NULL));
    return seen.seen[0].last;
}

static void
an_upgrade_takes_over_what_ports_had(void **state)
{
    const DatapathAddress one = place(3, 1), other = place(3, 2);
    int kept = 7, n_pins;
    guint rechecks;

    put(7, "p1", GUARD_SENDERS_OWN, TRUE);
    put(8, "p2", GUARD_SENDERS_OWN, TRUE);
    withhold(&one, 1, FALSE);
    datapath_world_drop(datapath, 7, GUARD_OTHER_MAC);
    datapath_world_see(datapath, 7, 4711);
    n_pins = datapath_world_pins();
    datapath_world_end(datapath);
    datapath_world_age();
    datapath = datapath_world_open();
    assert_int_equal(last_seen(7), 4711);
    put(7, "p1", GUARD_SENDERS_ANY, FALSE);
    assert_int_equal(last_seen(7), 4711);
    assert_int_equal(dropped(7), 1);
    assert_int_equal(senders_of(7), GUARD_SENDERS_ANY);
    assert_true(is_withheld(3, 1));
    rechecks = datapath_world_rechecks(datapath, 7);
    datapath->ops->sweep(datapath, is_kept, &kept);
    assert_int_not_equal(datapath_world_rechecks(datapath, 7), rechecks);
    withhold(&other, 1, TRUE);
    assert_true(is_withheld(3, 2) && !is_withheld(3, 1));
    withhold(NULL, 0, TRUE);
    assert_false(datapath->ops->read(datapath, 8, NULL, NULL, NULL));
    assert_int_equal(datapath_world_pins(), n_pins);
}

static void
what_no_port_takes_over_goes_after_an_upgrade(void **state)
{
    put(7, "p1", GUARD_SENDERS_OWN, TRUE);
    datapath_world_end(datapath);
    datapath_world_age();
    datapath = datapath_world_open();
    datapath->ops->sweep(datapath, is_kept, NULL);
    assert_true(datapath_world_pins() <= 0);
}

/* ---- what a port answers to DHCP ---- */

/* 0: it answers nothing; otherwise the last byte of the address that it gives. */
static guint
given_by(int index)
{
    struct dhcp_port port;
    guint8 address[4];

    if (!datapath_world_dhcp(datapath, index, &port))
        return 0;
    memcpy(address, &port.address, sizeof address);
    return address[3];
}

/* The last byte of the MAC to which it is given, in all that the answers consist of. */
static guint
given_to(int index)
{
    struct dhcp_port port;

    assert_true(datapath_world_dhcp(datapath, index, &port));
    assert_memory_equal(port.mac, "\x52\x54\0\0\0", 5);
    for (guint i = 0; i < DHCP_TEMPLATES; i++) {
        assert_memory_equal(port.frames[i].bytes, port.mac, sizeof port.mac);
        assert_memory_equal(port.frames[i].bytes + DHCP_BOOTP + 28, port.mac, sizeof port.mac);
    }
    return port.mac[5];
}

/* mac: the last byte of the guest's; host: that of the address; 0: nothing. */
static void
put_dhcp_to(guint8 mac, guint8 host, gboolean is_kept, gboolean is_new)
{
    const guint8 bytes[] = {10, 0, 0, host};
    const DhcpAnswer answer = {.address = ip_address_from_ipv4(bytes), .bits = 24};
    const GuardSettings guard = {.senders = GUARD_SENDERS_OWN};
    const DatapathPort port = {.index = 7,
                               .port_id = "p1",
                               .mac = {{0x52, 0x54, 0, 0, 0, mac}},
                               .guard = &guard,
                               .dhcp = host ? &answer : NULL,
                               .keeps_dhcp = is_kept};
    g_autoptr(GError) error = NULL;

    if (!datapath->ops->set(datapath, &port, is_new, &error))
        fail_msg("%s", error->message);
}

static void
put_dhcp(guint8 host, gboolean is_kept, gboolean is_new)
{
    put_dhcp_to(7, host, is_kept, is_new);
}

static void
answers_follow_what_is_set(void **state)
{
    put(8, "p2", GUARD_SENDERS_OWN, TRUE);
    put_dhcp(33, FALSE, TRUE);
    assert_int_equal(given_by(7), 33);
    assert_int_equal(given_to(7), 7);
    assert_int_equal(given_by(8), 0);
    put_dhcp(34, FALSE, FALSE);
    assert_int_equal(given_by(7), 34);
    put_dhcp(0, TRUE, FALSE);
    assert_int_equal(given_by(7), 34);
    put_dhcp(0, FALSE, FALSE);
    assert_int_equal(given_by(7), 0);
}

/* Whatever the port's network has become. */
static void
answers_that_are_kept_follow_the_mac(void **state)
{
    put_dhcp(33, FALSE, TRUE);
    put_dhcp_to(8, 0, TRUE, FALSE);
    assert_int_equal(given_by(7), 33);
    assert_int_equal(given_to(7), 8);
    datapath_world_end(datapath);
    datapath = datapath_world_open();
    put_dhcp_to(9, 0, TRUE, FALSE);
    assert_int_equal(given_to(7), 9);
    put_dhcp_to(9, 33, FALSE, FALSE);
    assert_int_equal(given_to(7), 9);
    put_dhcp_to(9, 0, FALSE, FALSE);
    put_dhcp_to(10, 0, TRUE, FALSE);
    assert_int_equal(given_by(7), 0);
}

/* Of a port that has ended, or whose daemon did not say what it answers. */
static void
answers_end_with_their_port(void **state)
{
    put(8, "p2", GUARD_SENDERS_OWN, TRUE); /* for it the maps stay */
    put_dhcp(33, FALSE, TRUE);
    datapath->ops->forget(datapath, 7, "p1");
    assert_int_equal(given_by(7), 0);
    put_dhcp(33, FALSE, TRUE);
    put_dhcp(0, FALSE, TRUE);
    assert_int_equal(given_by(7), 0);
}

static void
answers_stay_for_the_next_daemon(void **state)
{
    put_dhcp(33, FALSE, TRUE);
    datapath_world_end(datapath);
    datapath = datapath_world_open();
    assert_int_equal(given_by(7), 33);
    put_dhcp(0, TRUE, FALSE);
    assert_int_equal(given_by(7), 33);
    datapath_world_end(datapath);
    datapath = datapath_world_open();
    put_dhcp(0, FALSE, FALSE);
    assert_int_equal(given_by(7), 0);
}

static void
answers_of_a_torn_entry_end(void **state)
{
    put(8, "p2", GUARD_SENDERS_OWN, TRUE); /* for it the maps stay */
    put_dhcp(33, FALSE, TRUE);
    datapath_world_tear(datapath, 7, "p1");
    datapath_world_end(datapath);
    datapath = datapath_world_open();
    put_dhcp(0, FALSE, TRUE);
    assert_int_equal(given_by(7), 0);
}

/* A domain that is none: nothing is written. */
static void
an_answer_that_cannot_be_made_is_an_error(void **state)
{
    const char *const search[] = {"a..b", NULL};
    const DhcpAnswer answer = {.search = search, .bits = 24};
    const GuardSettings guard = {.senders = GUARD_SENDERS_OWN};
    const DatapathPort port = {.index = 7, .port_id = "p1", .guard = &guard, .dhcp = &answer};
    g_autoptr(GError) error = NULL;

    assert_false(datapath->ops->set(datapath, &port, TRUE, &error));
    assert_true(error_is_errno(error, EINVAL));
    assert_int_equal(given_by(7), 0);
}

/* ---- withheld addresses ---- */

static void
addresses_are_withheld_until_others_are(void **state)
{
    const DatapathAddress first[] = {place(3, 1), place(3, 2), place(4, 1), place(3, 1)};
    const DatapathAddress more[] = {place(3, 5), place(3, 2)};

    put(7, "p1", GUARD_SENDERS_OWN, TRUE);
    withhold(first, G_N_ELEMENTS(first), FALSE);
    withhold(more, G_N_ELEMENTS(more), FALSE);
    assert_true(is_withheld(3, 1) && is_withheld(3, 2) && is_withheld(4, 1) && is_withheld(3, 5));
    assert_false(is_withheld(4, 2));
    withhold(more, G_N_ELEMENTS(more), TRUE);
    assert_true(is_withheld(3, 2) && is_withheld(3, 5));
    assert_false(is_withheld(3, 1) || is_withheld(4, 1));
    withhold(NULL, 0, TRUE);
    assert_false(is_withheld(3, 2));
}

static void
addresses_are_withheld_for_the_next_daemon(void **state)
{
    const DatapathAddress one = place(3, 1), other = place(3, 2);

    put(7, "p1", GUARD_SENDERS_OWN, TRUE);
    withhold(&one, 1, FALSE);
    datapath_world_end(datapath);
    assert_true(is_withheld(3, 1));
    datapath = datapath_world_open();
    put(7, "p1", GUARD_SENDERS_OWN, FALSE);
    withhold(&other, 1, TRUE);
    assert_true(is_withheld(3, 2));
    assert_false(is_withheld(3, 1));
    withhold(NULL, 0, TRUE);
}

/* The first that fit are withheld, and released like others; the first of all get the room. */
static void
more_addresses_than_there_is_room_for_are_an_error(void **state)
{
    const guint n = GUARD_WITHHELD + 1;
    g_autofree DatapathAddress *many = g_new(DatapathAddress, n);
    const DatapathAddress one = place(3, 1), last = place(4 + (int)(GUARD_WITHHELD >> 8), 0);
    g_autoptr(GError) error = NULL;

    for (guint i = 0; i < n; i++)
        many[i] = place(4 + (int)(i >> 8), (guint8)i);
    put(7, "p1", GUARD_SENDERS_OWN, TRUE);
    assert_false(datapath->ops->withhold(datapath, many, n, FALSE, &error));
    assert_true(error_is_errno(error, E2BIG));
    assert_true(is_withheld(4, 0) && is_withheld(last.link - 1, 255));
    assert_false(is_withheld(last.link, 0));
    memmove(many + 1, many, (n - 1) * sizeof *many);
    many[0] = last;
    assert_false(datapath->ops->withhold(datapath, many, n, TRUE, NULL));
    assert_true(is_withheld(last.link, 0) && is_withheld(4, 0) && is_withheld(last.link - 1, 254));
    assert_false(is_withheld(last.link - 1, 255));
    withhold(&one, 1, TRUE);
    assert_true(is_withheld(3, 1));
    assert_false(is_withheld(last.link, 0) || is_withheld(4, 0));
    withhold(NULL, 0, TRUE);
}

/* ---- learned addresses ---- */

static void
put_on(int link, int index, const char *port_id, gboolean is_new)
{
    const GuardSettings guard = {.addresses = GUARD_ADDRESSES_DHCP};
    const DatapathPort port = {.index = index, .port_id = port_id, .link = link, .guard = &guard};

    assert_true(datapath->ops->set(datapath, &port, is_new, NULL));
}

static int
learner_of(int link, guint8 host)
{
    const DatapathAddress wanted = place(link, host);

    return datapath_world_learner(datapath, link, &wanted.address);
}

/* The second time no daemon has seen it on the link before. Of what it no longer has, as if it had
 * learned it during the move, the next sweep makes an end. */
static void
what_was_learned_follows_the_parent(void **state)
{
    const DatapathAddress one = place(3, 1), other = place(3, 2), lost = place(3, 3);
    int kept = 7;

    put_on(3, 7, "p1", TRUE);
    put_on(3, 8, "p2", TRUE);
    datapath_world_teach(datapath, 7, &lost.address);
    datapath_world_teach(datapath, 7, &one.address);
    datapath_world_teach(datapath, 8, &other.address);
    for (int link = 4; link < 6; link++) {
        guint rechecks = datapath_world_rechecks(datapath, 7);

        put_on(link, 7, "p1", FALSE);
        assert_int_equal(learner_of(link, 1), 7);
        assert_int_equal(learner_of(link - 1, 1), 0);
        assert_int_not_equal(datapath_world_rechecks(datapath, 7), rechecks);
        datapath_world_end(datapath);
        datapath = datapath_world_open();
    }
    put_on(5, 7, "p1", FALSE);
    assert_int_equal(learner_of(3, 2), 8);
    datapath->ops->sweep(datapath, is_kept, &kept);
    assert_int_equal(learner_of(5, 1), 7);
    assert_int_equal(learner_of(3, 2), 0);
    assert_int_equal(learner_of(3, 3), 0);
}

/* The recheck takes it from the one that has come. */
static void
another_port_there_keeps_what_it_has_learned(void **state)
{
    const DatapathAddress one = place(3, 1);

    put_on(3, 7, "p1", TRUE);
    put_on(4, 6, "p2", TRUE);
    datapath_world_teach(datapath, 7, &one.address);
    datapath_world_teach(datapath, 6, &one.address);
    put_on(4, 7, "p1", FALSE);
    assert_int_equal(learner_of(4, 1), 6);
    assert_int_equal(learner_of(3, 1), 0);
}

static void
has_programs(void **state)
{
    const DatapathPrograms *programs = datapath->ops->programs(datapath);

    assert_true(programs->egress.id != 0 && programs->ingress.id != 0);
    assert_true(programs->egress.id != programs->ingress.id);
}

#define DATAPATH_TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        DATAPATH_TEST(entries_follow_what_is_set),
        DATAPATH_TEST(a_port_without_an_entry_has_nothing_to_be_read),
        DATAPATH_TEST(only_a_new_port_begins_at_zero),
        DATAPATH_TEST(only_its_own_port_is_forgotten),
        DATAPATH_TEST(stays_for_the_next_daemon),
        DATAPATH_TEST(an_upgrade_takes_over_what_ports_had),
        DATAPATH_TEST(what_no_port_takes_over_goes_after_an_upgrade),
        DATAPATH_TEST(answers_follow_what_is_set),
        DATAPATH_TEST(answers_that_are_kept_follow_the_mac),
        DATAPATH_TEST(answers_end_with_their_port),
        DATAPATH_TEST(answers_stay_for_the_next_daemon),
        DATAPATH_TEST(answers_of_a_torn_entry_end),
        DATAPATH_TEST(an_answer_that_cannot_be_made_is_an_error),
        DATAPATH_TEST(addresses_are_withheld_until_others_are),
        DATAPATH_TEST(addresses_are_withheld_for_the_next_daemon),
        DATAPATH_TEST(more_addresses_than_there_is_room_for_are_an_error),
        DATAPATH_TEST(what_was_learned_follows_the_parent),
        DATAPATH_TEST(another_port_there_keeps_what_it_has_learned),
        DATAPATH_TEST(has_programs),
    };
    const char *missing = datapath_world_begin();

    if (missing) {
        printf("1..0 # SKIP %s\n", missing);
        return g_strcmp0(g_getenv("MACVTAPD_REQUIRE"), "1") == 0 ? EXIT_FAILURE : EXIT_SUCCESS;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
