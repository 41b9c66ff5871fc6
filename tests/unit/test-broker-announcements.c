/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Guests are announced after a failover and when a parent's carrier returns
 * (src/networks/announcements.c). */
#include "broker-fixture.h"

#include <errno.h>
#include <net/if.h>

#define ROUNDS 5

static void
set_carrier(TestBroker *test, const char *name, gboolean carrier)
{
    LinkInfo link = link_named(test, name);

    link.carrier = carrier;
    kernel_fake_change_link(test->kernel, &link);
}

/* A link's carrier goes and comes back. */
static void
flap(TestBroker *test, const char *name)
{
    set_carrier(test, name, FALSE);
    test_settle();
    set_carrier(test, name, TRUE);
}

/* bond0 with the slaves eth1 (active) and eth2. */
static int
add_bond(TestBroker *test)
{
    LinkInfo bond = {.name = "bond0", .kind = "bond", .mtu = 1500, .flags = IFF_UP};

    bond.index = kernel_fake_add_link(test->kernel, &bond);
    for (int i = 1; i <= 2; i++) {
        g_autofree char *name = g_strdup_printf("eth%d", i);
        LinkInfo slave;

        test_broker_add_parent(test, name);
        slave = link_named(test, name);
        slave.master_index = bond.index;
        g_strlcpy(slave.master_kind, "bond", sizeof slave.master_kind);
        kernel_fake_change_link(test->kernel, &slave);
    }
    bond = link_named(test, "bond0");
    bond.active_slave_index = link_named(test, "eth1").index;
    kernel_fake_change_link(test->kernel, &bond);
    test->n_parents++;
    test_broker_add_network(test, "bonded", "bond0", MACVTAP_MODE_BRIDGE);
    test_broker_add_network(test, "tagged", "bond0", MACVTAP_MODE_BRIDGE)->vlan = g_strdup("100");
    test_settle();
    return bond.index;
}

/* Runs the main loop until n announcements were sent: they are the result, free it. */
static GArray *
await_announced(TestBroker *test, guint n)
{
    GArray *all = g_array_new(FALSE, FALSE, sizeof(FakeAnnouncement));

    while (all->len < n) {
        g_autoptr(GArray) some = kernel_fake_take_announced(test->kernel);

        if (some->len > 0)
            g_array_append_vals(all, some->data, some->len);
        else
            g_main_context_iteration(NULL, TRUE);
    }
    assert_int_equal(all->len, n);
    return all;
}

/* Waits for a whole schedule of one frame in each round of another parent, so that anything that
 * begins earlier has been sent. */
static void
expect_none(TestBroker *test, int parent)
{
    const Port *other = test_broker_create(test, 0, "second", "other");
    g_autoptr(GArray) announced = NULL;

    test_settle();
    flap(test, "eth7");
    announced = await_announced(test, ROUNDS);
    for (guint i = 0; i < announced->len; i++)
        assert_int_equal(g_array_index(announced, FakeAnnouncement, i).index, other->parent_index);
    assert_int_not_equal(other->parent_index, parent);
}

static void
add_second_parent(TestBroker *test)
{
    test_broker_add_parent(test, "eth7");
    test_broker_add_network(test, "second", "eth7", MACVTAP_MODE_BRIDGE);
    test_settle();
}

static guint
count(const GArray *announced, const Port *port, int slave)
{
    guint n = 0;

    for (guint i = 0; i < announced->len; i++) {
        const FakeAnnouncement *one = &g_array_index(announced, FakeAnnouncement, i);

        n += mac_address_equal(&one->mac, &port->mac) && one->index == port->parent_index &&
             (slave == 0 || one->slave == slave);
    }
    return n;
}

static void
test_carrier_that_returns(void **state)
{
    TestBroker *test = *state;
    const Port *one = test_broker_create(test, 0, "lan", "one");
    const Port *two = test_broker_create(test, 0, "lan", "two");
    g_autoptr(GArray) announced = NULL;

    test_settle();
    flap(test, "eth0");
    announced = await_announced(test, 2 * ROUNDS);
    assert_int_equal(count(announced, one, 0), ROUNDS);
    assert_int_equal(count(announced, two, 0), ROUNDS);
    assert_int_equal(count_said("could not be announced"), 0);
}

/* Nothing tells of it but the kernel's count; and a look that finds nothing new starts nothing. */
static void
test_carrier_that_returned_unseen(void **state)
{
    TestBroker *test = *state;
    const Port *port;
    g_autoptr(GArray) announced = NULL, more = NULL;

    test_broker_create(test, 0, "lan", "one");
    restart_without_events(test);
    port = find_port(test, "one");
    flap(test, "eth0");
    lose_events();
    announced = await_announced(test, 1);
    assert_int_equal(count(announced, port, 0), 1);
    lose_events();
    more = await_announced(test, ROUNDS - 1);
    assert_int_equal(count(more, port, 0), ROUNDS - 1);
}

/* Each of the kernel's reports of it counts once. */
static void
test_failover(void **state)
{
    TestBroker *test = *state;
    const Port *plain, *tagged;
    g_autoptr(GArray) announced = NULL;
    int slave;

    add_bond(test);
    plain = test_broker_create(test, 0, "bonded", "plain");
    tagged = test_broker_create(test, 0, "tagged", "tagged");
    test_broker_create(test, 0, "lan", "elsewhere");
    slave = link_named(test, "eth2").index;
    test_settle();
    set_carrier(test, "eth1", FALSE);
    announced = await_announced(test, 2 * ROUNDS);
    assert_int_equal(count(announced, plain, slave), ROUNDS);
    assert_int_equal(count(announced, tagged, 0), ROUNDS);
    assert_int_not_equal(plain->parent_index, tagged->parent_index);
}

/* Back to the first slave after the first round: five more. */
static void
test_second_failover_starts_again(void **state)
{
    TestBroker *test = *state;
    g_autoptr(GArray) first = NULL, then = NULL;
    const Port *port;

    add_bond(test);
    port = test_broker_create(test, 0, "bonded", "one");
    test_settle();
    set_carrier(test, "eth1", FALSE);
    first = await_announced(test, 1);
    assert_int_equal(count(first, port, link_named(test, "eth2").index), 1);
    set_carrier(test, "eth1", TRUE);
    test_settle();
    set_carrier(test, "eth2", FALSE);
    then = await_announced(test, ROUNDS);
    assert_int_equal(count(then, port, link_named(test, "eth1").index), ROUNDS);
}

static void
test_request_of_the_kernel(void **state)
{
    TestBroker *test = *state;
    const Port *port = test_broker_create(test, 0, "lan", "one");
    g_autoptr(GArray) announced = NULL;

    test_settle();
    kernel_fake_notify_peers(test->kernel, port->parent_index);
    announced = await_announced(test, 1);
    kernel_fake_notify_peers(test->kernel, port->parent_index); /* adds nothing */
    test_settle();
    g_array_unref(g_steal_pointer(&announced));
    announced = await_announced(test, ROUNDS - 1);
    assert_int_equal(count(announced, port, 0), ROUNDS - 1);
}

/* A port that is down, one whose guest is still to come, in every mode, and one whose network says
 * no. */
static void
test_who_is_not_announced(void **state)
{
    TestBroker *test = *state;
    const PortRequest down = {.network = (char *)"lan", .link_down = TRUE};
    const PortRequest coming = {.network = (char *)"lan", .incoming = TRUE};
    const PortRequest vepa = {.network = (char *)"vepa", .incoming = TRUE};
    const Caller root = test_caller(0);

    add_second_parent(test);
    test_broker_add_network(test, "vepa", "eth0", MACVTAP_MODE_VEPA);
    test_broker_add_network(test, "silent", "eth0", MACVTAP_MODE_BRIDGE)->announce = FALSE;
    create_port(test, &root, &down);
    create_port(test, &root, &coming);
    create_port(test, &root, &vepa);
    test_broker_create(test, 0, "silent", "silent");
    test_settle();
    flap(test, "eth0");
    expect_none(test, link_named(test, "eth0").index);
}

/* In between the rounds. */
static void
test_port_that_ends_or_goes_down(void **state)
{
    TestBroker *test = *state;
    g_autoptr(GArray) announced = NULL, more = NULL;
    const Caller root = test_caller(0);
    const Port *stays = test_broker_create(test, 0, "lan", "stays");
    const Port *sinks = test_broker_create(test, 0, "lan", "sinks");

    test_broker_create(test, 0, "lan", "ends");
    test_settle();
    flap(test, "eth0");
    announced = await_announced(test, 3);
    assert_true(test_broker_delete(test, &root, "ends", NULL));
    assert_true(test->kernel->ops->link_set_up(test->kernel, sinks->interface_index, FALSE, NULL));
    test_settle();
    more = await_announced(test, ROUNDS - 1);
    assert_int_equal(count(more, stays, 0), ROUNDS - 1);
}

static gint
compare_sizes(gconstpointer a, gconstpointer b)
{
    return (gint)(*(const guint *)a) - (gint)(*(const guint *)b);
}

/* Announces so many guests, beside what busy does (NULL: nothing). Returns how many frames each
 * turn of the main loop sent until that many had been sent; sorted, free it. */
static GArray *
take_turns(TestBroker *test, GSource *busy, guint n_ports, guint n_frames)
{
    GArray *turns = g_array_new(FALSE, FALSE, sizeof(guint));
    guint n = 0;

    for (guint i = 0; i < n_ports; i++)
        test_broker_create(test, 0, "lan", NULL);
    test_settle();
    flap(test, "eth0");
    if (busy)
        g_source_attach(busy, NULL);
    while (n < n_frames) {
        g_autoptr(GArray) some = NULL;

        g_main_context_iteration(NULL, TRUE);
        some = kernel_fake_take_announced(test->kernel);
        n += some->len;
        if (some->len > 0)
            g_array_append_val(turns, some->len);
    }
    assert_int_equal(n, n_frames);
    g_array_sort(turns, compare_sizes);
    return turns;
}

#define BATCH 8 /* of announcements.c */

/* A turn sends few, so that others' work goes on. (The median, because a turn that comes late sends
 * more.) */
static void
test_turns_are_short(void **state)
{
    g_autoptr(GArray) turns = take_turns(*state, NULL, 100, 100 * ROUNDS);

    assert_int_equal(g_array_index(turns, guint, turns->len / 2), BATCH);
}

static gboolean
keep_busy(gpointer user_data)
{
    gint64 end = g_get_monotonic_time() + 10000;

    while (g_get_monotonic_time() < end)
        ;
    return G_SOURCE_CONTINUE;
}

/* Beside work that takes all of the time, in turns of 10 ms, the second round does not need a turn
 * for each BATCH, and the first needs few at all. */
static void
test_round_of_a_busy_loop(void **state)
{
    GSource *busy = g_timeout_source_new(0);
    g_autoptr(GArray) turns = NULL;

    g_source_set_callback(busy, keep_busy, NULL, NULL);
    turns = take_turns(*state, busy, 300, 600);
    g_source_destroy(busy);
    g_source_unref(busy);
    assert_true(turns->len <= 4 + 300 / BATCH / 2);
}

static void
test_failure_is_told_once(void **state)
{
    TestBroker *test = *state;
    g_autoptr(GArray) announced = NULL;

    test_broker_create(test, 0, "lan", "one");
    test_settle();
    kernel_fake_fail(test->kernel, "announce", 1, ENOBUFS);
    kernel_fake_fail(test->kernel, "announce", 2, ENOBUFS);
    flap(test, "eth0");
    announced = await_announced(test, ROUNDS - 2);
    test_settle();
    assert_int_equal(count_said("2 times guests could not be announced"), 1);
}

static void
test_daemon_that_starts_without_carrier(void **state)
{
    TestBroker *test = *state;
    g_autoptr(GArray) announced = NULL;

    test_broker_create(test, 0, "lan", "one");
    test_settle();
    test_broker_kill(test);
    set_carrier(test, "eth0", FALSE);
    test_broker_start(test);
    set_carrier(test, "eth0", TRUE);
    announced = await_announced(test, ROUNDS);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        BROKER_TEST_SAID(test_carrier_that_returns),
        BROKER_TEST(test_carrier_that_returned_unseen),
        BROKER_TEST(test_failover),
        BROKER_TEST(test_second_failover_starts_again),
        BROKER_TEST(test_request_of_the_kernel),
        BROKER_TEST(test_who_is_not_announced),
        BROKER_TEST(test_port_that_ends_or_goes_down),
        BROKER_TEST(test_turns_are_short),
        BROKER_TEST(test_round_of_a_busy_loop),
        BROKER_TEST_SAID(test_failure_is_told_once),
        BROKER_TEST(test_daemon_that_starts_without_carrier),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
