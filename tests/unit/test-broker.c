/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The broker's use cases when all goes well, and who may have them. */
#include "broker-fixture.h"

#include <fcntl.h>
#include <net/if.h>
#include <unistd.h>

static void
create(TestBroker *test, const Caller *caller, const PortRequest *request, PortGrant *ret_grant)
{
    g_autoptr(GError) error = NULL;

    broker_create_port(test->broker, caller, request, ret_grant, &error);
    assert_no_error(error);
}

static void
test_every_field(void **state)
{
    TestBroker *test = *state;
    const Caller root = test_caller(0);
    const PortRequest request = {
        .network = (char *)"lan",
        .name = (char *)"web",
        .interface_name = (char *)"tapweb",
        .has_mac = TRUE,
        .mac = {{0x52, 0x54, 0, 1, 2, 3}},
        .mtu = 1400,
        .has_queues = TRUE,
        .queues = 3,
        .has_vhost = TRUE,
        .vhost = VHOST_POLICY_REQUIRE,
        .holder = {.type = HOLDER_DOMAIN, .domain = "123e4567-e89b-12d3-a456-426614174000"},
    };
    g_auto(PortGrant) grant = {0};
    g_autofree char *records = NULL, *events = NULL;
    LinkInfo link;

    create(test, &root, &request, &grant);
    assert_true(port_id_is_valid(grant.port->id));
    assert_string_equal(grant.port->name, "web");
    assert_string_equal(grant.port->network, "lan");
    assert_string_equal(grant.port->parent, "eth0");
    assert_string_equal(grant.port->interface_name, "tapweb");
    assert_true(grant.port->interface_index >= 1 << 20);
    assert_true(mac_address_equal(&grant.port->mac, &request.mac));
    assert_int_equal(grant.port->mtu, 1400);
    assert_int_equal(grant.port->queues, 3);
    assert_int_equal(grant.port->vhost, VHOST_POLICY_REQUIRE);
    assert_string_equal(grant.port->holder.domain, request.holder.domain);
    assert_int_equal(grant.port->owner, 0);
    assert_int_equal(grant.port->state, PORT_STATE_ACTIVE);
    assert_int_equal(grant.taps->len, 3);
    assert_int_equal(grant.vhosts->len, 3);
    assert_true(test_broker_find_link(test, "tapweb", &link));
    assert_int_equal(link.index, grant.port->interface_index);
    assert_true(mac_address_equal(&link.mac, &request.mac));
    assert_int_equal(link.mtu, 1400);
    assert_true(link.flags & IFF_UP && link.flags & IFF_ALLMULTI);
    assert_string_equal(port_alias_id(link.alias), grant.port->id);
    records = test_broker_records(test);
    assert_string_equal(records, grant.port->id);
    events = test_broker_take_events(test);
    assert_string_equal(events, "created web\n");
}

static void
test_defaults(void **state)
{
    TestBroker *test = *state;
    const Port *port = test_broker_create(test, 0, "lan", NULL);
    g_autofree char *interface = g_strconcat("mvt", port->id + 1, NULL);
    LinkInfo link;

    assert_string_equal(port->name, port->id);
    assert_string_equal(port->interface_name, interface);
    assert_int_equal(port->mtu, 1500);
    assert_int_equal(port->queues, 1);
    assert_int_equal(port->vhost, VHOST_POLICY_AUTO);
    assert_int_equal(port->holder.type, HOLDER_NONE);
    assert_int_equal(port->mac.octets[0], 0x52);
    assert_int_equal(port->mac.octets[1], 0x54);
    assert_int_equal(port->mac.octets[2], 0x00);
    assert_true(test_broker_find_link(test, interface, &link));
}

static void
test_device_only(void **state)
{
    TestBroker *test = *state;
    const Caller root = test_caller(0);
    const PortRequest request = {.network = (char *)"lan", .no_descriptors = TRUE};
    g_auto(PortGrant) grant = {0};

    /* Nothing is opened, so nothing can fail to be. */
    test->vhost_errnum = EACCES;
    kernel_fake_fail(test->kernel, "tap_open", 1, EIO);
    create(test, &root, &request, &grant);
    assert_int_equal(grant.taps->len, 0);
    assert_int_equal(grant.vhosts->len, 0);
}

static void
test_every_mode(void **state)
{
    TestBroker *test = *state;

    for (guint mode = 0; mode < MACVTAP_MODE_COUNT; mode++) {
        g_autofree char *parent = g_strdup_printf("eth%u", 10 + mode);
        const char *name = macvtap_mode_name((MacvtapMode)mode);
        const Port *port;
        LinkInfo link, lower;

        test_broker_add_parent(test, parent);
        test_broker_add_network(test, name, parent, (MacvtapMode)mode);
        port = test_broker_create(test, 0, name, NULL);
        assert_true(test_broker_find_link(test, port->interface_name, &link));
        assert_true(test_broker_find_link(test, parent, &lower));
        assert_int_equal(port->mode, mode);
        assert_int_equal(link.mode, mode);
        assert_int_equal(link.lower_index, lower.index);
        assert_true(mac_address_equal(&link.mac, &port->mac));
        assert_int_equal(mac_address_equal(&port->mac, &lower.mac), mode == MACVTAP_MODE_PASSTHRU);
        assert_int_equal(lower.promiscuity, mode == MACVTAP_MODE_PASSTHRU);
    }
}

static void
test_passthru_without_promiscuity(void **state)
{
    TestBroker *test = *state;
    Network *network;
    LinkInfo parent;

    network = test_broker_add_network(test, "pass", "eth0", MACVTAP_MODE_PASSTHRU);
    network->nopromisc = TRUE;
    assert_true(test_broker_create(test, 0, "pass", NULL)->nopromisc);
    assert_true(test_broker_find_link(test, "eth0", &parent));
    assert_int_equal(parent.promiscuity, 0);
}

/* Mac=assign goes through the macvtap, so that its end gives the parent its MAC back. */
static void
test_passthru_assigns(void **state)
{
    TestBroker *test = *state;
    const Caller root = test_caller(0);
    Network *network = test_broker_add_network(test, "pass", "eth0", MACVTAP_MODE_PASSTHRU);
    const Port *port;
    LinkInfo before, during, after;

    network->mac = MAC_POLICY_ASSIGN;
    assert_true(test_broker_find_link(test, "eth0", &before));
    port = test_broker_create(test, 0, "pass", "vm");
    assert_true(test_broker_find_link(test, "eth0", &during));
    assert_false(mac_address_equal(&before.mac, &during.mac));
    assert_true(mac_address_equal(&port->mac, &during.mac));
    assert_true(test_broker_delete(test, &root, "vm", NULL));
    assert_true(test_broker_find_link(test, "eth0", &after));
    assert_true(mac_address_equal(&before.mac, &after.mac));
}

static void
test_adhoc(void **state)
{
    TestBroker *test = *state;
    const Caller user = test_caller(1000);
    const char *text = "parent=eth0,mode=private";
    const PortRequest request = {.network = (char *)text};
    const Port *port = test_broker_create(test, 0, text, NULL);
    g_autoptr(GPtrArray) ports = NULL;

    assert_string_equal(port->network, text);
    assert_int_equal(port->mode, MACVTAP_MODE_PRIVATE);
    ports = broker_list_ports(test->broker, &(Caller){.uid = 0}, text);
    assert_int_equal(ports->len, 1);
    test_broker_refuse(test, &user, &request, PORT_ERROR_ACCESS_DENIED, "only root");
}

static void
test_open(void **state)
{
    TestBroker *test = *state;
    const Caller root = test_caller(0);
    const PortRequest request = {
        .network = (char *)"lan", .name = (char *)"web", .has_queues = TRUE, .queues = 4};
    const char *names[3];
    g_auto(PortGrant) created = {0};
    g_autoptr(GError) error = NULL;
    PortGrant refused = {0};

    create(test, &root, &request, &created);
    names[0] = created.port->id;
    names[1] = "web";
    names[2] = created.port->interface_name;
    for (guint i = 0; i < 3; i++) {
        g_auto(PortGrant) all = {0}, some = {0};

        assert_true(broker_open_port(test->broker, &root, names[i], 0, &all, NULL));
        assert_ptr_equal(all.port, created.port);
        assert_int_equal(all.taps->len, 4);
        assert_int_equal(all.vhosts->len, 4);
        assert_true(broker_open_port(test->broker, &root, names[i], 3, &some, NULL));
        assert_int_equal(some.taps->len, 3);
        assert_int_equal(some.vhosts->len, 3);
    }
    assert_false(broker_open_port(test->broker, &root, "web", 5, &refused, &error));
    assert_error_cleared(&error, PORT_ERROR, PORT_ERROR_LIMIT_REACHED, "4 queues, not 5");
    assert_false(broker_open_port(test->broker, &root, "none", 0, &refused, &error));
    assert_error_cleared(&error, PORT_ERROR, PORT_ERROR_PORT_NOT_FOUND, "'none'");
    kernel_fake_fail(test->kernel, "tap_open", 1, EIO);
    assert_false(broker_open_port(test->broker, &root, "web", 0, &refused, &error));
    assert_error_cleared(&error, PORT_ERROR, PORT_ERROR_SYSTEM, "web");
    assert_null(refused.taps);
}

static void
test_delete(void **state)
{
    TestBroker *test = *state;
    const Caller root = test_caller(0);
    g_autofree char *records = NULL, *events = NULL;
    g_autoptr(GError) error = NULL;
    guint links = kernel_fake_link_count(test->kernel);
    const Port *second;

    test_broker_create(test, 0, "lan", "one");
    second = test_broker_create(test, 0, "lan", "two");
    assert_true(test_broker_delete(test, &root, "one", &error));
    assert_true(test_broker_delete(test, &root, second->interface_name, &error));
    test_settle();
    assert_int_equal(kernel_fake_link_count(test->kernel), links);
    records = test_broker_records(test);
    assert_string_equal(records, "");
    events = test_broker_take_events(test);
    assert_string_equal(events, "created one\ncreated two\ndeleted one\ndeleted two\n");
    assert_false(test_broker_delete(test, &root, "one", &error));
    assert_error_cleared(&error, PORT_ERROR, PORT_ERROR_PORT_NOT_FOUND, "'one'");
}

static void
test_list(void **state)
{
    TestBroker *test = *state;
    const Caller root = test_caller(0), user = test_caller(1000);
    Network *network = test_broker_add_network(test, "dmz", "eth0", MACVTAP_MODE_BRIDGE);
    uid_t uid = 1000;

    g_array_append_val(network->allow_uids, uid);
    test_broker_create(test, 0, "lan", "one");
    test_broker_create(test, 1000, "dmz", "two");
    test_broker_create(test, 0, "dmz", "three");
    {
        g_autoptr(GPtrArray) all = broker_list_ports(test->broker, &root, NULL);
        g_autoptr(GPtrArray) dmz = broker_list_ports(test->broker, &root, "dmz");
        g_autoptr(GPtrArray) own = broker_list_ports(test->broker, &user, NULL);
        g_autoptr(GPtrArray) none = broker_list_ports(test->broker, &user, "lan");

        assert_int_equal(all->len, 3);
        assert_string_equal(((Port *)all->pdata[0])->name, "one");
        assert_string_equal(((Port *)all->pdata[2])->name, "three");
        assert_int_equal(dmz->len, 2);
        assert_int_equal(own->len, 1);
        assert_string_equal(((Port *)own->pdata[0])->name, "two");
        assert_int_equal(none->len, 0);
    }
    assert_int_equal(broker_count_ports(test->broker, "dmz"), 2);
    assert_int_equal(broker_count_ports(test->broker, "none"), 0);
}

static void
test_networks(void **state)
{
    TestBroker *test = *state;
    const Caller root = test_caller(0), user = test_caller(1000);
    uid_t uid = 1000;
    g_autoptr(GPtrArray) all = NULL, allowed = NULL;

    g_ptr_array_add(test->networks, network_new_broken("broken", "broken.network: no"));
    g_array_append_val(
        test_broker_add_network(test, "dmz", "eth0", MACVTAP_MODE_BRIDGE)->allow_uids, uid);
    all = broker_list_networks(test->broker, &root);
    assert_int_equal(all->len, 3);
    assert_string_equal(((Network *)all->pdata[0])->name, "broken");
    assert_string_equal(((Network *)all->pdata[1])->name, "dmz");
    assert_string_equal(((Network *)all->pdata[2])->name, "lan");
    allowed = broker_list_networks(test->broker, &user);
    assert_int_equal(allowed->len, 1);
    assert_string_equal(((Network *)allowed->pdata[0])->name, "dmz");
}

static void
test_access(void **state)
{
    TestBroker *test = *state;
    Network *network = test_broker_network(test, "lan");
    const PortRequest request = {.network = (char *)"lan"};
    const gid_t groups[] = {5, 36};
    Caller user = test_caller(1000), by_group = test_caller(1001), by_other = test_caller(1002);
    uid_t uid = 1000;
    gid_t gid = 36;

    test_broker_refuse(test, &user, &request, PORT_ERROR_ACCESS_DENIED, "user 1000");
    g_array_append_val(network->allow_uids, uid);
    g_array_append_val(network->allow_gids, gid);
    by_group.gid = 36;
    by_other.groups = groups;
    by_other.n_groups = 2;
    for (guint i = 0; i < 3; i++) {
        const Caller *callers[] = {&user, &by_group, &by_other};
        g_auto(PortGrant) grant = {0};

        create(test, callers[i], &request, &grant);
        assert_int_equal(grant.port->owner, 1000 + i);
    }
    user.uid = 1003;
    test_broker_refuse(test, &user, &request, PORT_ERROR_ACCESS_DENIED, "user 1003");
}

/* Somebody else's port is, to the last letter of the message, one that is not there. */
static void
test_others_ports_are_invisible(void **state)
{
    TestBroker *test = *state;
    const Caller user = test_caller(1000);
    g_autoptr(GError) error = NULL;
    const Port *port = test_broker_create(test, 0, "lan", "web");
    const char *const names[] = {"web", port->id, port->interface_name, "none"};
    PortGrant grant = {0};

    assert_false(broker_may_see(&user, port));
    for (guint i = 0; i < 4; i++) {
        g_autofree char *message = g_strdup_printf("there is no port '%s'", names[i]);

        assert_false(broker_open_port(test->broker, &user, names[i], 0, &grant, &error));
        assert_string_equal(error->message, message);
        assert_error_cleared(&error, PORT_ERROR, PORT_ERROR_PORT_NOT_FOUND, message);
        assert_false(test_broker_delete(test, &user, names[i], &error));
        assert_string_equal(error->message, message);
        g_clear_error(&error);
    }
}

typedef struct Watcher {
    Broker *broker;
    guint number, other, told;
} Watcher;

static void
on_event(PortEvent event, const Port *port, const PortEnd *end, gpointer user_data)
{
    Watcher *watcher = user_data;

    watcher->told++;
    broker_unwatch(watcher->broker, watcher->number);
    broker_unwatch(watcher->broker, watcher->other);
}

static void
test_watchers_may_end_watches(void **state)
{
    TestBroker *test = *state;
    Watcher first = {.broker = test->broker}, second = {.broker = test->broker};
    g_autofree char *events = NULL;

    first.number = broker_watch(test->broker, on_event, &first);
    second.number = broker_watch(test->broker, on_event, &second);
    first.other = second.number;
    test_broker_create(test, 0, "lan", "one");
    test_broker_create(test, 0, "lan", "two");
    assert_int_equal(first.told, 1);
    assert_int_equal(second.told, 0);
    broker_unwatch(test->broker, first.number);
    events = test_broker_take_events(test);
    assert_string_equal(events, "created one\ncreated two\n");
}

static void
test_replaced_networks(void **state)
{
    TestBroker *test = *state;
    const Caller root = test_caller(0);
    const PortRequest request = {.network = (char *)"lan"};
    g_autoptr(GPtrArray) ports = NULL;

    test_broker_create(test, 0, "lan", "web");
    broker_set_networks(test->broker, g_hash_table_new(g_str_hash, g_str_equal));
    test_broker_refuse(test, &root, &request, PORT_ERROR_NETWORK_NOT_FOUND, "'lan'");
    ports = broker_list_ports(test->broker, &root, "lan");
    assert_int_equal(ports->len, 1);
}

static void
test_vhost(void **state)
{
    static const struct {
        VhostPolicy policy;
        int errnum;
        guint n_vhosts;
        const char *refusal;
    } rows[] = {
        {VHOST_POLICY_AUTO, 0, 1, NULL},
        {VHOST_POLICY_AUTO, ENOENT, 0, NULL},
        {VHOST_POLICY_AUTO, ENODEV, 0, NULL},
        {VHOST_POLICY_AUTO, ENXIO, 0, NULL},
        {VHOST_POLICY_AUTO, EACCES, 0, "Permission denied"},
        {VHOST_POLICY_REQUIRE, 0, 1, NULL},
        {VHOST_POLICY_REQUIRE, ENOENT, 0, "No such file"},
        {VHOST_POLICY_OFF, 0, 0, NULL},
        {VHOST_POLICY_OFF, EACCES, 0, NULL},
    };
    TestBroker *test = *state;
    const Caller root = test_caller(0);

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        const PortRequest request = {
            .network = (char *)"lan", .has_vhost = TRUE, .vhost = rows[i].policy};
        g_auto(PortGrant) grant = {0};

        test->vhost_errnum = rows[i].errnum;
        if (rows[i].refusal) {
            test_broker_refuse(test, &root, &request, PORT_ERROR_VHOST_UNAVAILABLE,
                               rows[i].refusal);
            continue;
        }
        create(test, &root, &request, &grant);
        assert_int_equal(grant.taps->len, 1);
        assert_int_equal(grant.vhosts->len, rows[i].n_vhosts);
    }
}

/* Who opens the device himself opens vhost-net too: only that it is there can be required. */
static void
test_vhost_without_descriptors(void **state)
{
    TestBroker *test = *state;
    const Caller root = test_caller(0);
    PortRequest request = {.network = (char *)"lan",
                           .has_vhost = TRUE,
                           .vhost = VHOST_POLICY_REQUIRE,
                           .no_descriptors = TRUE};
    guint n_descriptors = test_count_descriptors();
    g_auto(PortGrant) grant = {0}, without = {0};

    create(test, &root, &request, &grant);
    assert_int_equal(grant.vhosts->len, 0);
    assert_int_equal(test_count_descriptors(), n_descriptors);
    test->vhost_errnum = ENOENT;
    test_broker_refuse(test, &root, &request, PORT_ERROR_VHOST_UNAVAILABLE, "No such file");
    request.vhost = VHOST_POLICY_AUTO;
    create(test, &root, &request, &without);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        BROKER_TEST(test_every_field),
        BROKER_TEST(test_defaults),
        BROKER_TEST(test_device_only),
        BROKER_TEST(test_every_mode),
        BROKER_TEST(test_passthru_without_promiscuity),
        BROKER_TEST(test_passthru_assigns),
        BROKER_TEST(test_adhoc),
        BROKER_TEST(test_open),
        BROKER_TEST(test_delete),
        BROKER_TEST(test_list),
        BROKER_TEST(test_networks),
        BROKER_TEST(test_access),
        BROKER_TEST(test_others_ports_are_invisible),
        BROKER_TEST(test_watchers_may_end_watches),
        BROKER_TEST(test_replaced_networks),
        BROKER_TEST(test_vhost),
        BROKER_TEST(test_vhost_without_descriptors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
