/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "world.h"

#include "error.h"

#include <errno.h>
#include <linux/if.h>
#include <string.h>

static GArray *changes; /* of RoutingChange */
static guint n_answers;
static MacAddress answered;

static int
setup(void **state)
{
    changes = g_array_new(FALSE, FALSE, sizeof(RoutingChange));
    n_answers = 0;
    answered = (MacAddress){{0}};
    return world_setup(state);
}

static int
teardown(void **state)
{
    int result = world_teardown(state);

    g_array_unref(changes);
    return result;
}

static IpAddress
ip(const char *text)
{
    IpAddress address;

    assert_true(ip_address_parse(text, &address));
    return address;
}

static HostLinkSpec
spec_of(const char *name)
{
    return (HostLinkSpec){
        .name = name,
        .parent_index = world_link("up0").index,
        .mac = {{2, 0, 0, 0, 0, 9}},
        .alias = "macvtapd:host",
    };
}

static LinkInfo
create(const char *name)
{
    const HostLinkSpec spec = spec_of(name);
    g_autoptr(GError) error = NULL;
    LinkInfo link;

    if (!world_kernel->ops->host_link_create(world_kernel, &spec, &link, &error))
        fail_msg("%s", error->message);
    return link;
}

static void
create_fails(const HostLinkSpec *spec, int errnum)
{
    g_autoptr(GError) error = NULL;
    guint before = world_link_count();
    LinkInfo link;

    assert_false(world_kernel->ops->host_link_create(world_kernel, spec, &link, &error));
    assert_errno(&error, errnum);
    assert_int_equal(world_link_count(), before);
}

static void
gives_the_finished_device(void **state)
{
    LinkInfo link = create("host0"), again = world_link("host0");

    assert_links_equal(&link, &again);
    assert_string_equal(link.kind, "macvlan");
    assert_string_equal(link.alias, "macvtapd:host");
    assert_int_equal(link.mode, MACVTAP_MODE_BRIDGE);
    assert_int_equal(link.lower_index, world_link("up0").index);
    assert_memory_equal(link.mac.octets, "\2\0\0\0\0\11", 6);
    assert_int_equal(link.flags & (IFF_UP | IFF_NOARP), IFF_UP);
    assert_true(link.host_ipv6);
}

static gboolean
refuse(int index, gpointer user_data, GError **error)
{
    assert_false(world_link("host1").flags & IFF_UP);
    return error_set_errno(error, EPROTO, "refused");
}

static void
leaves_nothing_after_a_failure(void **state)
{
    HostLinkSpec spec = spec_of("host0");
    LinkInfo link = create("host0");

    create_fails(&spec, EEXIST);
    spec.name = "host1";
    create_fails(&spec, EADDRINUSE);
    spec.mac.octets[5] = 10;
    spec.before_up = refuse;
    create_fails(&spec, EPROTO);
    spec.index = link.index;
    create_fails(&spec, EBUSY);
    spec.index = 0;
    spec.parent_index = 99999;
    create_fails(&spec, ENODEV);
}

static void
expect_proxies(const char *name, const char *first, const char *second)
{
    g_autoptr(GArray) proxies = world_proxies(name);
    guint n = 0;

    assert_int_equal(proxies->len, (first != NULL) + (second != NULL));
    for (guint i = 0; i < proxies->len; i++) {
        char text[IP_ADDRESS_TEXT_SIZE];

        ip_address_format(&g_array_index(proxies, IpAddress, i), text);
        n += g_strcmp0(text, first) == 0 || g_strcmp0(text, second) == 0;
    }
    assert_int_equal(n, proxies->len);
}

static void
set_proxies(int index, const char *first, const char *second)
{
    IpAddress addresses[2];
    g_autoptr(GError) error = NULL;
    guint n = 0;

    if (first)
        addresses[n++] = ip(first);
    if (second)
        addresses[n++] = ip(second);
    world_kernel->ops->host_link_set_proxies(world_kernel, index, addresses, n, &error);
    assert_null(error);
}

static void
answers_for_these_addresses_and_no_others(void **state)
{
    LinkInfo link = create("host0");
    g_autoptr(GError) error = NULL;

    expect_proxies("host0", NULL, NULL);
    set_proxies(link.index, "fd00::1", "fd00::2");
    expect_proxies("host0", "fd00::1", "fd00::2");
    set_proxies(link.index, "fd00::3", "fd00::2");
    expect_proxies("host0", "fd00::3", "fd00::2");
    set_proxies(link.index, NULL, NULL);
    expect_proxies("host0", NULL, NULL);
    assert_false(world_kernel->ops->host_link_set_proxies(world_kernel, 99999, NULL, 0, &error));
    assert_errno(&error, ENODEV);
}

/* Whether up0 has this address, alone or beside others. */
static gboolean
has_address(const char *address, guint bits)
{
    g_autoptr(GArray) list = world_kernel->ops->address_list(world_kernel, NULL);
    const IpAddress wanted = ip(address);

    for (guint i = 0; i < list->len; i++) {
        const LinkAddress *each = &g_array_index(list, LinkAddress, i);

        if (each->index == world_link("up0").index && ip_address_equal(&each->address, &wanted)) {
            assert_int_equal(each->bits, bits);
            assert_false(each->is_temporary);
            return TRUE;
        }
    }
    return FALSE;
}

static void
lists_the_addresses(void **state)
{
    assert_false(has_address("192.0.2.1", 120));
    world_add_address("up0", "192.0.2.1/24");
    assert_true(has_address("192.0.2.1", 120));
    world_remove_address("up0", "192.0.2.1/24");
    assert_false(has_address("192.0.2.1", 120));
}

static HostPath
path_of(int index, const char *address)
{
    return (HostPath){.index = index,
                      .address = ip(address),
                      .source = ip("192.0.2.1"),
                      .mac = {{0x52, 0x54, 0, 0, 0, 7}}};
}

/* The path to this address over the link; FALSE: none. */
static gboolean
find_path(int index, const char *address, HostPath *ret_path)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GArray) list = world_kernel->ops->path_list(world_kernel, index, &error);
    const IpAddress wanted = ip(address);

    if (!list)
        fail_msg("%s", error->message);
    for (guint i = 0; i < list->len; i++) {
        *ret_path = g_array_index(list, HostPath, i);
        if (ip_address_equal(&ret_path->address, &wanted))
            return TRUE;
    }
    return FALSE;
}

static void
expect_path(const HostPath *path)
{
    char text[IP_ADDRESS_TEXT_SIZE];
    HostPath found;

    assert_true(find_path(path->index, ip_address_format(&path->address, text), &found));
    assert_true(ip_address_equal(&found.source, &path->source));
    assert_true(mac_address_equal(&found.mac, &path->mac));
}

static void
makes_paths_and_removes_them(void **state)
{
    LinkInfo link = create("host0");
    const HostPath paths[] = {path_of(link.index, "192.0.2.7"), path_of(link.index, "203.0.113.8")};
    g_autoptr(GError) error = NULL;
    HostPath found;

    world_add_address("up0", "192.0.2.1/24");
    assert_true(world_kernel->ops->path_add(world_kernel, paths, 2, &error));
    expect_path(&paths[0]);
    expect_path(&paths[1]);
    assert_true(world_kernel->ops->path_remove(world_kernel, paths, 1, &error));
    assert_false(find_path(link.index, "192.0.2.7", &found));
    expect_path(&paths[1]);
    assert_true(world_kernel->ops->path_remove(world_kernel, paths, 2, &error));
    assert_false(find_path(link.index, "203.0.113.8", &found));
}

static void
adds_the_others_when_one_is_there(void **state)
{
    LinkInfo link = create("host0");
    const HostPath paths[] = {path_of(link.index, "192.0.2.7"), path_of(link.index, "192.0.2.8")};
    g_autoptr(GError) error = NULL;

    world_add_address("up0", "192.0.2.1/24");
    assert_true(world_kernel->ops->path_add(world_kernel, paths, 1, &error));
    assert_false(world_kernel->ops->path_add(world_kernel, paths, 2, &error));
    assert_errno(&error, EEXIST);
    expect_path(&paths[1]);
}

static void
shows_what_is_left_of_a_path(void **state)
{
    LinkInfo link = create("host0");
    const HostPath path = path_of(link.index, "192.0.2.7");
    HostPath found;

    world_add_address("up0", "192.0.2.1/24");
    assert_true(world_kernel->ops->path_add(world_kernel, &path, 1, NULL));
    world_remove_route("host0", "192.0.2.7");
    assert_true(find_path(link.index, "192.0.2.7", &found));
    assert_memory_equal(&found.source, &(IpAddress){{0}}, sizeof found.source);
    assert_memory_equal(&found.mac, &path.mac, sizeof found.mac);
    assert_true(world_kernel->ops->path_add(world_kernel, &path, 1, NULL));
    expect_path(&path);
    world_remove_address("up0", "192.0.2.1/24"); /* the kernel removes routes with this source */
    assert_true(find_path(link.index, "192.0.2.7", &found));
    assert_memory_equal(&found.source, &(IpAddress){{0}}, sizeof found.source);
}

static void
knows_next_hops_and_neighbours(void **state)
{
    int index = world_link("up0").index;
    const IpAddress gateway = ip("192.0.2.254"), other = ip("192.0.2.9");
    g_autoptr(GArray) none = NULL, one = NULL;
    MacAddress mac;

    world_add_address("up0", "192.0.2.1/24");
    none = world_kernel->ops->gateway_list(world_kernel, index, NULL);
    assert_int_equal(none->len, 0);
    world_add_gateway("up0", "192.0.2.254");
    one = world_kernel->ops->gateway_list(world_kernel, index, NULL);
    assert_int_equal(one->len, 1);
    assert_memory_equal(one->data, &gateway, sizeof gateway);

    assert_true(world_kernel->ops->neighbour_look(world_kernel, index, &other, &mac, NULL));
    assert_true(mac_address_is_zero(&mac));
    world_set_neighbour("up0", "192.0.2.9", "02:00:00:00:00:77");
    assert_true(world_kernel->ops->neighbour_look(world_kernel, index, &other, &mac, NULL));
    assert_int_equal(mac.octets[5], 0x77);
}

static void
note_change(const RoutingChange *change, gpointer user_data)
{
    g_array_append_vals(changes, change, 1);
}

/* address: NULL: any. */
static void
wait_for(RoutingChangeType type, int index, const char *address)
{
    for (;;) {
        for (guint i = 0; i < changes->len; i++) {
            const RoutingChange *change = &g_array_index(changes, RoutingChange, i);
            const IpAddress wanted = address ? ip(address) : change->address;

            if (change->type != type || change->index != index ||
                !ip_address_equal(&change->address, &wanted))
                continue;
            g_array_set_size(changes, 0);
            return;
        }
        g_main_context_iteration(NULL, TRUE);
    }
}

static void
tells_of_changes(void **state)
{
    LinkInfo link = create("host0");
    int parent = world_link("up0").index;
    const HostPath path = path_of(link.index, "192.0.2.7");

    assert_true(world_kernel->ops->watch_routing(world_kernel, note_change, NULL, NULL));
    world_add_address("up0", "192.0.2.1/24");
    wait_for(ROUTING_ADDRESS, parent, NULL);
    assert_true(world_kernel->ops->path_add(world_kernel, &path, 1, NULL));
    world_remove_route("host0", "192.0.2.7");
    wait_for(ROUTING_PATH_LOST, link.index, "192.0.2.7");
    world_add_gateway("up0", "192.0.2.254");
    wait_for(ROUTING_GATEWAY, parent, NULL);
    world_set_neighbour("up0", "192.0.2.9", "02:00:00:00:00:77");
    wait_for(ROUTING_NEIGHBOUR, parent, "192.0.2.9");
    world_remove_address("up0", "192.0.2.1/24");
    wait_for(ROUTING_ADDRESS, parent, NULL);
}

static void
note_station(int index, const IpAddress *address, const MacAddress *mac, gpointer user_data)
{
    char text[IP_ADDRESS_TEXT_SIZE];

    assert_int_equal(index, world_link("up0").index);
    assert_string_equal(ip_address_format(address, text), user_data);
    n_answers++;
    if (mac)
        answered = *mac;
}

static void
probe(const char *text)
{
    const IpAddress address = ip(text);
    LinkInfo link = world_link("up0");

    assert_true(world_kernel->ops->station_probe(world_kernel, &link, &address, note_station,
                                                 (gpointer)text, NULL));
}

static void
asks_the_stations(void **state)
{
    const MacAddress station = {{2, 0, 0, 0, 0, 0x55}};
    const IpAddress address = ip("192.0.2.7");
    const LinkInfo nothing = {.index = 99999};
    g_autoptr(GError) error = NULL;

    probe("192.0.2.7");
    world_answer("192.0.2.8", &station);
    world_answer("192.0.2.7", &station);
    while (n_answers < 1)
        g_main_context_iteration(NULL, TRUE);
    assert_memory_equal(&answered, &station, sizeof station);
    answered = (MacAddress){{0}};
    probe("2001:db8::7");
    while (n_answers < 2)
        g_main_context_iteration(NULL, TRUE);
    assert_true(mac_address_is_zero(&answered));
    probe("192.0.2.7");
    world_kernel->ops->station_forget(world_kernel, 0);
    assert_false(world_kernel->ops->station_probe(world_kernel, &nothing, &address, note_station,
                                                  NULL, &error));
    assert_errno(&error, ENODEV);
    assert_int_equal(n_answers, 2);
}

#define HOST_TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

const struct CMUnitTest contract_tests[] = {
    HOST_TEST(gives_the_finished_device),
    HOST_TEST(leaves_nothing_after_a_failure),
    HOST_TEST(answers_for_these_addresses_and_no_others),
    HOST_TEST(lists_the_addresses),
    HOST_TEST(makes_paths_and_removes_them),
    HOST_TEST(adds_the_others_when_one_is_there),
    HOST_TEST(shows_what_is_left_of_a_path),
    HOST_TEST(knows_next_hops_and_neighbours),
    HOST_TEST(tells_of_changes),
    HOST_TEST(asks_the_stations),
};
const gsize n_contract_tests = G_N_ELEMENTS(contract_tests);
