/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Host links: when there is one, and by which addresses the host reaches the guests. */
#include "broker-fixture.h"
#include "fake-host-filter.h"
#include "host-link-map.h"
#include "host-link-view.h"

#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

static const MacAddress station = {{2, 0, 0, 0, 0, 0x77}};

static int
set_up(void **state)
{
    int result = broker_set_up_said(state);
    TestBroker *test = *state;

    test_broker_network(test, "lan")->host_access = TRUE;
    kernel_fake_hurry_probes(test->kernel);
    kernel_fake_add_address(test->kernel, link_named(test, "eth0").index, "10.0.0.1/24");
    kernel_fake_add_address(test->kernel, link_named(test, "eth0").index, "fd00::1/64");
    test_settle();
    return result;
}

static IpAddress
ip(const char *text)
{
    IpAddress address;

    assert_true(ip_address_parse(text, &address));
    return address;
}

/* The guest is seen to use the address, and all that follows has happened. */
static void
see_only(TestBroker *test, const char *name, const char *text)
{
    int index = find_port(test, name)->interface_index;
    struct guard_state *state = fake_datapath_state(test->datapath, index);
    struct guard_event event = {.ifindex = (guint32)index, .reason = GUARD_EVENT_SEEN};
    const IpAddress address = ip(text);
    guint i = 0;

    while (i < GUARD_SEEN - 1 && state->seen[i].last != 0)
        i++;
    state->seen[i].first = state->seen[i].last = (guint64)g_get_monotonic_time() * 1000;
    state->seen[i].how = GUARD_HOW_ARP;
    memcpy(&state->seen[i].address, &address, sizeof address);
    fake_datapath_tell(test->datapath, &event);
}

static void
see(TestBroker *test, const char *name, const char *text)
{
    see_only(test, name, text);
    test_settle();
    test_settle(); /* the fake's probe has ended */
}

static LinkInfo
host_link(TestBroker *test)
{
    return link_named(test, "mvh-eth0");
}

/* Twice the pace of looks. */
#define SILENCE 200 /* ms */

static gboolean
on_silence(gpointer is_over)
{
    *(gboolean *)is_over = TRUE;
    return G_SOURCE_REMOVE;
}

/* Any look that is due is over. */
static void
wait_for_silence(void)
{
    gboolean is_over = FALSE;

    g_timeout_add(SILENCE, on_silence, &is_over);
    while (!is_over)
        g_main_context_iteration(NULL, TRUE);
}

static int
compare_words(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The host's routes, as "ADDRESS from SOURCE" sorted and joined by ", "; free with g_free(). */
static char *
routes(TestBroker *test)
{
    g_autoptr(GArray) paths =
        test->kernel->ops->path_list(test->kernel, host_link(test).index, NULL);
    g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
    g_auto(GStrv) words = NULL;

    for (guint i = 0; i < paths->len; i++) {
        const HostPath *path = &g_array_index(paths, HostPath, i);
        char address[IP_ADDRESS_TEXT_SIZE], source[IP_ADDRESS_TEXT_SIZE];
        g_autofree char *word =
            g_strdup_printf("%s from %s", ip_address_format(&path->address, address),
                            ip_address_format(&path->source, source));

        g_strv_builder_add(builder, word);
    }
    words = g_strv_builder_end(builder);
    qsort(words, g_strv_length(words), sizeof *words, compare_words);
    return g_strjoinv(", ", words);
}

static void
expect_routes(TestBroker *test, const char *wanted)
{
    g_autofree char *got = routes(test);

    assert_string_equal(got, wanted);
}

static void
there_is_one_while_there_are_ports(void **state)
{
    TestBroker *test = *state;
    guint32 egress, ingress;

    assert_false(has_link(test, "mvh-eth0"));
    test_broker_create(test, 0, "lan", "a");
    test_broker_create(test, 0, "lan", "b");
    assert_string_equal(host_link(test).alias, "macvtapd:host");
    kernel_fake_filters(test->kernel, host_link(test).index, &egress, &ingress);
    assert_int_equal(egress, FAKE_HOST_EGRESS);
    assert_int_equal(ingress, FAKE_HOST_INGRESS);
    assert_int_equal(kernel_fake_proxies(test->kernel, host_link(test).index)->len, 1);
    delete_port(test, "a");
    assert_true(has_link(test, "mvh-eth0"));
    delete_port(test, "b");
    assert_false(has_link(test, "mvh-eth0"));
    assert_int_equal(fake_host_filter_count(test->datapath->host_filter), 0);
}

/* A name that the host link's own may not contain; the network names the parent by another. */
static void
there_is_one_on_a_parent_with_an_odd_name(void **state)
{
    TestBroker *test = *state;
    LinkInfo parent = link_named(test, "eth0");
    g_autofree char *name = g_strdup_printf("mvh%x", (guint)parent.index);
    Network *lan = test_broker_network(test, "lan");

    kernel_fake_add_altname(test->kernel, parent.index, "uplink");
    g_strlcpy(parent.name, "et\xff", sizeof(parent.name));
    kernel_fake_change_link(test->kernel, &parent);
    g_free(lan->parents[0]);
    lan->parents[0] = g_strdup("uplink");
    test_broker_create(test, 0, "lan", "a");
    assert_true(has_link(test, name));
    test_broker_kill(test);
    test_broker_start(test);
    assert_true(has_link(test, name));
    delete_port(test, "a");
    assert_false(has_link(test, name));
}

static void
a_restart_keeps_it(void **state)
{
    TestBroker *test = *state;
    int index;

    test_broker_create(test, 0, "lan", "a");
    see(test, "a", "10.0.0.9");
    expect_routes(test, "10.0.0.9 from 10.0.0.1");
    index = host_link(test).index;
    test_broker_kill(test);
    test_broker_start(test);
    assert_int_equal(host_link(test).index, index);
    expect_routes(test, "10.0.0.9 from 10.0.0.1"); /* at once: the earlier broker had asked */
    delete_port(test, "a");
    assert_false(has_link(test, "mvh-eth0"));
}

/* The parent comes back from another network namespace with another ifindex. */
static void
bring_parent_back(TestBroker *test, int before)
{
    LinkInfo other = {.index = before, .name = "eth7", .mac = {{2, 7}}}, parent;

    if (!has_link(test, "eth7"))
        kernel_fake_add_link(test->kernel, &other);
    parent = link_at(test, kernel_fake_bring_back(test->kernel, "eth0"));
    assert_int_not_equal(parent.index, before);
    parent.flags |= IFF_UP;
    kernel_fake_change_link(test->kernel, &parent);
    kernel_fake_add_address(test->kernel, parent.index, "10.0.0.1/24");
}

/* Whether the broker looks while the parent is away, only afterwards, or runs only then. */
static void
follows_a_parent_that_was_moved(void **state)
{
    TestBroker *test = *state;
    LinkInfo device;
    MacAddress mac;

    test_broker_create(test, 0, "lan", "a");
    test_broker_create(test, 0, "lan", "b");
    see(test, "a", "10.0.0.9");
    mac = host_link(test).mac;
    for (guint i = 0; i < 3; i++) {
        int before = link_named(test, "eth0").index;

        if (i == 2)
            test_broker_kill(test);
        kernel_fake_move_link(test->kernel, before);
        if (i == 0) {
            test_settle();
            assert_false(has_link(test, "mvh-eth0"));
            assert_int_equal(fake_host_filter_count(test->datapath->host_filter), 0);
        }
        bring_parent_back(test, before);
        kernel_fake_remove_link(test->kernel, before);
        if (i == 2)
            test_broker_start(test);
        test_settle();
        wait_for_silence();
        device = host_link(test);
        assert_int_equal(device.lower_index, link_named(test, "eth0").index);
        assert_true(mac_address_equal(&device.mac, &mac));
        see(test, "a", "10.0.0.9");
        expect_routes(test, "10.0.0.9 from 10.0.0.1");
        delete_port(test, "b");
        expect_routes(test, "10.0.0.9 from 10.0.0.1");
        test_broker_create(test, 0, "lan", "b");
    }
    delete_port(test, "a");
    delete_port(test, "b");
    assert_false(has_link(test, "mvh-eth0"));
    assert_int_equal(fake_host_filter_count(test->datapath->host_filter), 0);
}

/* It goes and comes before the broker looks. */
static void
move_parent_and_back(TestBroker *test)
{
    int before = link_named(test, "eth0").index;

    kernel_fake_move_link(test->kernel, before);
    bring_parent_back(test, before);
    test_settle();
    wait_for_silence();
}

static void
stations_are_asked_on_a_parent_that_was_moved(void **state)
{
    TestBroker *test = *state;

    test_broker_create(test, 0, "lan", "a");
    see_only(test, "a", "10.0.0.9");
    move_parent_and_back(test);
    expect_routes(test, "10.0.0.9 from 10.0.0.1");
}

/* The event that the neighbour is gone has the parent's old ifindex. */
static void
neighbours_are_forgotten_with_a_parent_that_was_moved(void **state)
{
    TestBroker *test = *state;

    test_broker_create(test, 0, "lan", "a");
    kernel_fake_set_neighbour(test->kernel, link_named(test, "eth0").index, "10.0.0.9", &station);
    see(test, "a", "10.0.0.9");
    expect_routes(test, "");
    move_parent_and_back(test);
    expect_routes(test, "10.0.0.9 from 10.0.0.1");
}

/* The host's address there is known before the parent's ifindex is, and not told again. */
static void
follows_a_parent_whose_events_are_lost(void **state)
{
    TestBroker *test = *state;
    int before = link_named(test, "eth0").index, index;
    guint n_entries;

    test_broker_create(test, 0, "lan", "a");
    test_broker_create(test, 0, "lan", "b");
    see(test, "a", "10.0.0.9");
    index = host_link(test).index;
    restart_without_events(test);
    test_settle();
    n_entries = fake_host_filter_count(test->datapath->host_filter);
    kernel_fake_move_link(test->kernel, before);
    bring_parent_back(test, before);
    test_settle();
    wait_for_silence();
    lose_events();
    test_settle();
    wait_for_silence();
    assert_int_equal(host_link(test).index, index);
    expect_routes(test, "10.0.0.9 from 10.0.0.1");
    assert_int_equal(fake_host_filter_count(test->datapath->host_filter), n_entries);
}

static void
a_restart_removes_one_without_ports(void **state)
{
    TestBroker *test = *state;

    test_broker_create(test, 0, "lan", "a");
    test_broker_kill(test);
    kernel_fake_remove_link(test->kernel, link_named(test, "eth0").index);
    test_broker_add_parent(test, "eth0");
    test_broker_start(test);
    assert_false(has_link(test, "mvh-eth0"));
}

static void
a_seen_address_has_a_route_and_may_speak(void **state)
{
    TestBroker *test = *state;
    const Port *port = test_broker_create(test, 0, "lan", "a");
    HostFilter *filter = test->datapath->host_filter;
    const IpAddress address = ip("10.0.0.9");

    assert_true(fake_host_filter_has(filter, host_link(test).index, &port->mac, NULL));
    assert_false(fake_host_filter_has(filter, host_link(test).index, &port->mac, &address));
    see(test, "a", "10.0.0.9");
    see(test, "a", "fd00::9");
    expect_routes(test, "10.0.0.9 from 10.0.0.1, fd00::9 from fd00::1");
    assert_true(fake_host_filter_has(filter, host_link(test).index, &port->mac, &address));
}

static void
others_addresses_have_none(void **state)
{
    static const char *const others[] = {"10.0.0.1",   "10.0.0.0", "10.0.0.255", "8.8.8.8",
                                         "10.0.0.254", "10.0.0.7", "10.0.0.200"};
    TestBroker *test = *state;
    int parent = link_named(test, "eth0").index;
    Network *lan = test_broker_network(test, "lan");
    const IpAddress dns = ip("10.0.0.200");

    g_array_append_val(lan->addresses.dns, dns);
    kernel_fake_add_gateway(test->kernel, parent, "10.0.0.254");
    kernel_fake_set_neighbour(test->kernel, parent, "10.0.0.7", &station);
    test_broker_create(test, 0, "lan", "a");
    test_settle();
    for (guint i = 0; i < G_N_ELEMENTS(others); i++)
        see(test, "a", others[i]);
    expect_routes(test, "");
    assert_int_equal(count_said("10.0.0.1, but it is the host's own"), 1);
    assert_int_equal(count_said("10.0.0.254, but it is a gateway's"), 1);
    assert_int_equal(count_said("10.0.0.7, but the station 02:00:00:00:00:77 has it too"), 1);
    assert_int_equal(count_said("10.0.0.200, but it is a DNS server's (DNS=)"), 1);
    assert_int_equal(count_said("8.8.8.8"), 0);
}

static void
a_station_that_answers_or_is_heard_has_it(void **state)
{
    TestBroker *test = *state;
    int parent = link_named(test, "eth0").index;
    const IpAddress address = ip("10.0.0.9");
    const MacAddress nobody = {{0}};

    test_broker_create(test, 0, "lan", "a");
    see_only(test, "a", "10.0.0.9");
    kernel_fake_answer(test->kernel, parent, "10.0.0.9", &station);
    test_settle();
    expect_routes(test, "");
    assert_int_equal(count_said("but the station 02:00:00:00:00:77 has it too"), 1);
    kernel_fake_set_neighbour(test->kernel, parent, "10.0.0.9", &nobody);
    see(test, "a", "10.0.0.10");
    expect_routes(test, "10.0.0.10 from 10.0.0.1, 10.0.0.9 from 10.0.0.1");
    fake_host_filter_hear(test->datapath->host_filter, host_link(test).index, &address, &station);
    expect_routes(test, "10.0.0.10 from 10.0.0.1");
    assert_int_equal(count_said("but the station 02:00:00:00:00:77 has it too"), 2);
}

/* The probe, which nobody answers, says nothing against it. */
static void
a_station_is_heard_while_it_is_asked(void **state)
{
    TestBroker *test = *state;
    int parent = link_named(test, "eth0").index;
    const IpAddress address = ip("10.0.0.9");
    const MacAddress nobody = {{0}};

    test_broker_create(test, 0, "lan", "a");
    see_only(test, "a", "10.0.0.9");
    fake_host_filter_hear(test->datapath->host_filter, host_link(test).index, &address, &station);
    test_settle();
    expect_routes(test, "");
    kernel_fake_fail(test->kernel, "station_probe", 1, EIO);
    kernel_fake_set_neighbour(test->kernel, parent, "10.0.0.9", &nobody);
    test_settle();
    assert_int_equal(kernel_fake_heal(test->kernel), 0);
    expect_routes(test, "");
}

/* By way of a switch that sends frames back to where they came from. */
static void
the_guest_itself_answers(void **state)
{
    TestBroker *test = *state;
    const Port *port = test_broker_create(test, 0, "lan", "a");

    see_only(test, "a", "10.0.0.9");
    kernel_fake_answer(test->kernel, link_named(test, "eth0").index, "10.0.0.9", &port->mac);
    test_settle();
    expect_routes(test, "10.0.0.9 from 10.0.0.1");
}

/* As when its port came between the frame and the event. */
static void
a_station_is_heard_after_a_port(void **state)
{
    TestBroker *test = *state;
    HostFilter *filter = test->datapath->host_filter;
    const IpAddress address = ip("10.0.0.9");
    const Port *other;

    test_broker_create(test, 0, "lan", "a");
    see(test, "a", "10.0.0.9");
    other = test_broker_create(test, 0, "lan", "b");
    fake_host_filter_hear(filter, host_link(test).index, &address, &other->mac);
    expect_routes(test, "10.0.0.9 from 10.0.0.1");
    fake_host_filter_hear(filter, host_link(test).index, &address, &station);
    expect_routes(test, "");
}

static void
set_carrier(TestBroker *test, gboolean carrier)
{
    LinkInfo parent = link_named(test, "eth0");

    parent.carrier = carrier;
    kernel_fake_change_link(test->kernel, &parent);
    wait_for_silence();
}

/* The route stays until one has answered. */
static void
stations_are_asked_again_when_the_carrier_returns(void **state)
{
    TestBroker *test = *state;

    set_carrier(test, FALSE);
    test_broker_create(test, 0, "lan", "a");
    see(test, "a", "10.0.0.9");
    expect_routes(test, "10.0.0.9 from 10.0.0.1");
    kernel_fake_fail(test->kernel, "station_probe", 1, EIO);
    set_carrier(test, TRUE);
    assert_int_equal(kernel_fake_heal(test->kernel), 0);
    expect_routes(test, "10.0.0.9 from 10.0.0.1");
}

static void
a_neighbour_whose_event_is_lost_counts(void **state)
{
    TestBroker *test = *state;
    int parent = link_named(test, "eth0").index;
    const MacAddress nobody = {{0}};

    test_broker_create(test, 0, "lan", "a");
    see(test, "a", "10.0.0.9");
    see(test, "a", "10.0.0.10");
    kernel_fake_lose_neighbour(test->kernel, parent, "10.0.0.9", &station);
    expect_routes(test, "10.0.0.10 from 10.0.0.1, 10.0.0.9 from 10.0.0.1");
    wait_for_silence();
    expect_routes(test, "10.0.0.10 from 10.0.0.1");
    kernel_fake_lose_neighbour(test->kernel, parent, "10.0.0.9", &nobody);
    wait_for_silence();
    expect_routes(test, "10.0.0.10 from 10.0.0.1, 10.0.0.9 from 10.0.0.1");
}

/* It may be there without being known as a neighbour. */
static void
a_station_that_is_known_no_longer_is_asked(void **state)
{
    TestBroker *test = *state;
    int parent = link_named(test, "eth0").index;
    const MacAddress nobody = {{0}};

    test_broker_create(test, 0, "lan", "a");
    see(test, "a", "10.0.0.9");
    kernel_fake_lose_neighbour(test->kernel, parent, "10.0.0.9", &station);
    wait_for_silence();
    expect_routes(test, "");
    kernel_fake_fail(test->kernel, "station_probe", 1, EIO);
    kernel_fake_set_neighbour(test->kernel, parent, "10.0.0.9", &nobody);
    test_settle();
    assert_int_equal(kernel_fake_heal(test->kernel), 0);
    expect_routes(test, "");
}

static void
two_guests_have_none_until_one_is_gone(void **state)
{
    TestBroker *test = *state;

    test_broker_create(test, 0, "lan", "a");
    test_broker_create(test, 0, "lan", "b");
    see(test, "a", "10.0.0.9");
    see(test, "b", "10.0.0.9");
    expect_routes(test, "");
    assert_int_equal(count_said("its guest uses 10.0.0.9, but ports a and b both have it"), 2);
    delete_port(test, "a");
    expect_routes(test, "10.0.0.9 from 10.0.0.1");
}

static void
a_guest_that_claims_too_many_has_none(void **state)
{
    TestBroker *test = *state;

    test_broker_create(test, 0, "lan", "a");
    for (guint i = 1; i <= HOST_PORT_ADDRESSES + 1; i++) {
        g_autofree char *text = g_strdup_printf("10.0.0.%u", 100 + i);

        see(test, "a", text);
    }
    expect_routes(test, "");
}

static void
change_hosts_address(TestBroker *test)
{
    int parent = link_named(test, "eth0").index;

    kernel_fake_add_address(test->kernel, parent, "10.0.0.2/24");
    kernel_fake_remove_address(test->kernel, parent, "10.0.0.1/24");
    while (g_main_context_iteration(NULL, TRUE)) { /* looks are paced */
        g_autofree char *got = routes(test);

        if (g_str_equal(got, "10.0.0.9 from 10.0.0.2"))
            break;
    }
}

static void
the_hosts_addresses_are_followed(void **state)
{
    TestBroker *test = *state;

    test_broker_create(test, 0, "lan", "a");
    see(test, "a", "10.0.0.9");
    change_hosts_address(test);
}

/* How many of the operations of a look are called by those that are due. */
static guint
count_looks(TestBroker *test)
{
    static const char *const operations[] = {"address_list", "gateway_list", "path_list",
                                             "filters_are_attached"};

    for (guint i = 0; i < G_N_ELEMENTS(operations); i++)
        kernel_fake_fail(test->kernel, operations[i], 1, EIO);
    wait_for_silence();
    return G_N_ELEMENTS(operations) - kernel_fake_heal(test->kernel);
}

static void
set_mtu(TestBroker *test, const char *name, guint32 mtu)
{
    LinkInfo link = link_named(test, name);

    link.mtu = mtu;
    kernel_fake_change_link(test->kernel, &link);
}

/* With the event by which Linux tells of the parent when a device comes onto it
 * (NETDEV_CHANGEUPPER), which the fake does not send. */
static void
arrive(TestBroker *test, const char *name)
{
    LinkInfo parent = link_named(test, "eth0");

    test_broker_create(test, 0, "lan", name);
    kernel_fake_change_link(test->kernel, &parent);
}

/* It takes time in proportion to the ports. */
static void
an_arrival_leads_to_no_look(void **state)
{
    TestBroker *test = *state;

    test_broker_create(test, 0, "lan", "a");
    wait_for_silence();
    arrive(test, "b");
    assert_int_equal(count_looks(test), 0);
    set_mtu(test, "eth0", 1400);
    assert_int_equal(count_looks(test), 1);
}

static void
an_arrival_after_a_failure_leads_to_one(void **state)
{
    TestBroker *test = *state;

    test_broker_create(test, 0, "lan", "a");
    kernel_fake_fail(test->kernel, "path_add", 1, ENOBUFS);
    see(test, "a", "10.0.0.9");
    expect_routes(test, "");
    arrive(test, "b");
    while (g_main_context_iteration(NULL, TRUE)) { /* looks are paced */
        g_autofree char *got = routes(test);

        if (g_str_equal(got, "10.0.0.9 from 10.0.0.1"))
            break;
    }
    assert_int_equal(count_said("host link mvh-eth0: "), 1);
}

/* As root or a network manager does; there is another at once. */
static void
remove_device(TestBroker *test)
{
    int index = host_link(test).index;

    kernel_fake_remove_link(test->kernel, index);
    while (!has_link(test, "mvh-eth0"))
        g_main_context_iteration(NULL, TRUE); /* looks are paced */
    assert_int_not_equal(host_link(test).index, index);
}

/* The filter has no room for those of devices that are gone. */
static void
a_removed_device_leaves_no_entries(void **state)
{
    TestBroker *test = *state;
    HostFilter *filter = test->datapath->host_filter;
    guint n_entries;

    test_broker_create(test, 0, "lan", "a");
    test_broker_create(test, 0, "lan", "b");
    see(test, "a", "10.0.0.9");
    see(test, "b", "fd00::9");
    n_entries = fake_host_filter_count(filter);
    for (guint i = 0; i < 3; i++) {
        remove_device(test);
        assert_int_equal(fake_host_filter_count(filter), n_entries);
        expect_routes(test, "10.0.0.9 from 10.0.0.1, fd00::9 from fd00::1");
    }
}

/* Also if the addresses of the new one cannot be entered at first. */
static void
a_new_device_has_all_entries(void **state)
{
    TestBroker *test = *state;
    HostFilter *filter = test->datapath->host_filter;
    const IpAddress address = ip("10.0.0.9");

    test_broker_create(test, 0, "lan", "a");
    see(test, "a", "10.0.0.9");
    wait_for_silence();
    kernel_fake_fail(test->kernel, "host_link_set_proxies", 1, ENOMEM);
    remove_device(test);
    assert_int_equal(count_said("the host does not reach the guests on eth0: "), 1);
    expect_routes(test, "10.0.0.9 from 10.0.0.1");
    fake_host_filter_hear(filter, host_link(test).index, &address, &station);
    expect_routes(test, "");
}

/* A guest causes more of them whenever it uses another address. */
static void
few_failures_of_one_port_are_told(void **state)
{
    TestBroker *test = *state;

    test_broker_create(test, 0, "lan", "a");
    fake_host_filter_fill(test->datapath->host_filter);
    for (guint i = 1; i <= 20; i++) {
        g_autofree char *text = g_strdup_printf("10.0.0.%u", 100 + i % 4);

        see(test, "a", text);
    }
    assert_int_equal(count_said("the filter is full"), 8);
}

static void
a_failure_to_follow_the_host_is_made_up_for(void **state)
{
    TestBroker *test = *state;

    kernel_fake_fail(test->kernel, "watch_routing", 1, ENOMEM);
    test_broker_create(test, 0, "lan", "a");
    assert_false(has_link(test, "mvh-eth0"));
    assert_int_equal(count_said("the host does not reach the guests on eth0: "), 1);
    arrive(test, "b");
    wait_for_silence();
    see(test, "a", "10.0.0.9");
    expect_routes(test, "10.0.0.9 from 10.0.0.1");
    change_hosts_address(test);
}

/* One of them may have the address. */
static void
an_address_has_no_route_while_neighbours_are_unknown(void **state)
{
    TestBroker *test = *state;

    test_broker_create(test, 0, "lan", "a");
    for (guint nth = 1; nth <= 2; nth++) /* before the stations are asked, and after */
        kernel_fake_fail(test->kernel, "neighbour_look", nth, ENOBUFS);
    see(test, "a", "10.0.0.9");
    expect_routes(test, "");
    assert_int_equal(kernel_fake_heal(test->kernel), 0);
    arrive(test, "b");
    wait_for_silence();
    expect_routes(test, "10.0.0.9 from 10.0.0.1");
}

static void
a_link_that_cannot_be_made_is_told(void **state)
{
    TestBroker *test = *state;
    g_autoptr(GPtrArray) views = NULL;

    kernel_fake_fail(test->kernel, "host_link_create", 1, EPERM);
    test_broker_create(test, 0, "lan", "a");
    assert_false(has_link(test, "mvh-eth0"));
    assert_int_equal(count_said("the host does not reach the guests on eth0: "), 1);
    views = broker_list_host_links(test->broker, test_broker_network(test, "lan"));
    assert_int_equal(views->len, 1);
    assert_string_equal(((const HostLinkView *)views->pdata[0])->interface, "");
    assert_non_null(((const HostLinkView *)views->pdata[0])->problems[0]);
    delete_port(test, "a");
}

/* The network loses its host access, the port stays, and the device cannot be removed so often. */
static void
end_access(TestBroker *test, guint n_failures)
{
    for (guint i = 1; i <= n_failures; i++)
        kernel_fake_fail(test->kernel, "link_delete", i, ENOBUFS);
    test_broker_network(test, "lan")->host_access = FALSE;
    test_broker_reload(test);
    test_settle();
    assert_int_equal(kernel_fake_heal(test->kernel), 0);
}

static void
a_removal_that_fails_is_tried_again(void **state)
{
    TestBroker *test = *state;

    test_broker_create(test, 0, "lan", "a");
    end_access(test, 2);
    assert_false(has_link(test, "mvh-eth0"));
    assert_int_equal(count_said("link_delete fails"), 1);
}

static void
a_removal_that_was_given_up_is_tried_with_the_next(void **state)
{
    TestBroker *test = *state;

    test_broker_create(test, 0, "lan", "a");
    test_broker_create(test, 0, "lan", "b");
    end_access(test, G_N_ELEMENTS(test->repair_delays));
    assert_true(has_link(test, "mvh-eth0"));
    assert_int_equal(count_said("link_delete fails"), 2);
    assert_int_equal(count_said("(tried 5 times; will retry when a port is removed)"), 1);
    delete_port(test, "b");
    assert_false(has_link(test, "mvh-eth0"));
}

#define HOST_TEST(function) cmocka_unit_test_setup_teardown(function, set_up, broker_tear_down_said)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        HOST_TEST(there_is_one_while_there_are_ports),
        HOST_TEST(there_is_one_on_a_parent_with_an_odd_name),
        HOST_TEST(a_restart_keeps_it),
        HOST_TEST(follows_a_parent_that_was_moved),
        HOST_TEST(stations_are_asked_on_a_parent_that_was_moved),
        HOST_TEST(neighbours_are_forgotten_with_a_parent_that_was_moved),
        HOST_TEST(follows_a_parent_whose_events_are_lost),
        HOST_TEST(a_restart_removes_one_without_ports),
        HOST_TEST(a_seen_address_has_a_route_and_may_speak),
        HOST_TEST(others_addresses_have_none),
        HOST_TEST(a_station_that_answers_or_is_heard_has_it),
        HOST_TEST(a_station_is_heard_while_it_is_asked),
        HOST_TEST(the_guest_itself_answers),
        HOST_TEST(a_station_is_heard_after_a_port),
        HOST_TEST(stations_are_asked_again_when_the_carrier_returns),
        HOST_TEST(a_neighbour_whose_event_is_lost_counts),
        HOST_TEST(a_station_that_is_known_no_longer_is_asked),
        HOST_TEST(two_guests_have_none_until_one_is_gone),
        HOST_TEST(a_guest_that_claims_too_many_has_none),
        HOST_TEST(the_hosts_addresses_are_followed),
        HOST_TEST(an_arrival_leads_to_no_look),
        HOST_TEST(an_arrival_after_a_failure_leads_to_one),
        HOST_TEST(a_removed_device_leaves_no_entries),
        HOST_TEST(a_new_device_has_all_entries),
        HOST_TEST(few_failures_of_one_port_are_told),
        HOST_TEST(a_failure_to_follow_the_host_is_made_up_for),
        HOST_TEST(an_address_has_no_route_while_neighbours_are_unknown),
        HOST_TEST(a_link_that_cannot_be_made_is_told),
        HOST_TEST(a_removal_that_fails_is_tried_again),
        HOST_TEST(a_removal_that_was_given_up_is_tried_with_the_next),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
