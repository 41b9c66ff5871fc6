/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Two calls of the kernel fail in one use case: every call that the use case makes, together with
 * every other one, also with those that only undo what was done. Whatever comes of it, the broker
 * serves the next request, and nothing is left when everybody has let go: at once, or, if the log
 * has warned of it, after the next start.
 */
#include "broker-fixture.h"

#include <errno.h>
#include <stdio.h>

#define DOMAIN "123e4567-e89b-12d3-a456-426614174000"
#define CALLS_MAX 4 /* of one operation, within one use case */

static const char *const operations[] = {
    "link_by_name",    "link_by_index",       "link_list",         "macvtap_create",
    "vlan_create",     "macvtap_set_sources", "macvtap_set_mode",  "link_set_mac",
    "link_set_up",     "link_delete",         "tap_open",          "tap_node_ensure",
    "monitor",         "tap_node_remove",     "watch_transmit",    "watch_announcements",
    "watch_addresses", "link_list_moved",     "link_delete_moved",
};
#define N_FAILURES (G_N_ELEMENTS(operations) * CALLS_MAX)

static const int errnums[] = {EIO, ENODEV, EBUSY};
#define N_ERRNUMS G_N_ELEMENTS(errnums)

typedef struct UseCase {
    const char *name;
    void (*prepare)(TestBroker *test);
    gboolean (*act)(TestBroker *test, GError **error);
    gboolean is_told; /* in the log, even if nothing fails */
} UseCase;

/* What a World was before a use case, and must be after it. */
typedef struct World {
    TestBroker *test;
    GArray *links;
    guint n_descriptors;
    guint n_came_about; /* pairs of failures */
} World;

/* ---- use cases ---- */

static gboolean
create(TestBroker *test, PortRequest request, GError **error)
{
    const Caller root = test_caller(0);
    g_auto(PortGrant) grant = {0};

    request.name = (char *)"web";
    return broker_create_port(test->broker, &root, &request, &grant, error);
}

static gboolean
create_bridge(TestBroker *test, GError **error)
{
    return create(test, (PortRequest){.network = (char *)"lan"}, error);
}

static gboolean
create_for_domain(TestBroker *test, GError **error)
{
    const PortRequest request = {.network = (char *)"lan",
                                 .holder = {.type = HOLDER_DOMAIN, .domain = DOMAIN},
                                 .no_descriptors = TRUE,
                                 .link_down = TRUE,
                                 .has_node = TRUE,
                                 .node_owner = 1000};

    return create(test, request, error);
}

static gboolean
create_on_vlans(TestBroker *test, GError **error)
{
    return create(test, (PortRequest){.network = (char *)"parent=eth0,mode=bridge,vlan=200.100"},
                  error);
}

static gboolean
create_source(TestBroker *test, GError **error)
{
    return create(test, (PortRequest){.network = (char *)"source"}, error);
}

static gboolean
create_inherit(TestBroker *test, GError **error)
{
    return create(test, (PortRequest){.network = (char *)"inherit"}, error);
}

static gboolean
create_assign(TestBroker *test, GError **error)
{
    return create(test, (PortRequest){.network = (char *)"assign"}, error);
}

static gboolean
create_incoming(TestBroker *test, GError **error)
{
    return create(test, (PortRequest){.network = (char *)"lan", .incoming = TRUE}, error);
}

static gboolean
open_port(TestBroker *test, GError **error)
{
    const Caller root = test_caller(0);
    g_auto(PortGrant) grant = {0};

    return broker_open_port(test->broker, &root, "web", 2, &grant, error);
}

static gboolean
delete_web(TestBroker *test, GError **error)
{
    const Caller root = test_caller(0);

    return test_broker_delete(test, &root, "web", error);
}

static gboolean
end_domain(TestBroker *test, GError **error)
{
    const Caller root = test_caller(0);
    guint n_ports;

    return test_broker_end_domain(test, &root, DOMAIN, &n_ports, error);
}

static gboolean
change_port(TestBroker *test, GError **error)
{
    const Caller root = test_caller(0);
    const MacAddress source = {{0x52, 0x54, 0, 0, 0, 2}};
    g_autoptr(GArray) sources = g_array_new(FALSE, FALSE, sizeof(MacAddress));
    const PortChange change = {
        .port = (char *)"web", .sources = sources, .has_link_up = TRUE, .link_up = FALSE};

    g_array_append_val(sources, source);
    return broker_change_port(test->broker, &root, &change, error) != NULL;
}

static int
device_index(TestBroker *test)
{
    g_autoptr(GPtrArray) ports = broker_list_ports(test->broker, &(Caller){0}, NULL);

    return ((const Port *)ports->pdata[0])->interface_index;
}

static gboolean
guest_arrives(TestBroker *test, GError **error)
{
    kernel_fake_transmit(test->kernel, device_index(test));
    return TRUE;
}

static gboolean
lose_device(TestBroker *test, GError **error)
{
    kernel_fake_remove_link(test->kernel, device_index(test));
    return TRUE;
}

static gboolean
move_device(TestBroker *test, GError **error)
{
    kernel_fake_move_link(test->kernel, device_index(test));
    return TRUE;
}

/* Before anybody has heard of it. */
static gboolean
move_and_delete(TestBroker *test, GError **error)
{
    return move_device(test, error) && delete_web(test, error);
}

/* On failure there is half a broker. */
static gboolean
start_again(TestBroker *test, GError **error)
{
    test_broker_kill(test);
    return test_broker_try_start(test, error);
}

static gboolean
move_and_start_again(TestBroker *test, GError **error)
{
    int index = device_index(test);

    test_broker_kill(test);
    kernel_fake_move_link(test->kernel, index);
    return test_broker_try_start(test, error);
}

static void
must(gboolean (*act)(TestBroker *test, GError **error), TestBroker *test)
{
    g_autoptr(GError) error = NULL;

    assert_true(act(test, &error));
    assert_no_error(error);
    test_settle();
}

#define PREPARED_BY(act)                                                                           \
    static void after_##act(TestBroker *test)                                                      \
    {                                                                                              \
        must(act, test);                                                                           \
    }

PREPARED_BY(create_bridge)
PREPARED_BY(create_for_domain)
PREPARED_BY(create_on_vlans)
PREPARED_BY(create_source)
PREPARED_BY(create_assign)
PREPARED_BY(create_incoming)

/* A record of a creation that was cut short, and a device without one. */
static void
with_remains(TestBroker *test)
{
    g_autoptr(Port) port = test_port_new(1);
    LinkInfo device = {.kind = "macvtap", .mtu = 1500};

    must(create_on_vlans, test);
    test_broker_write_record(test, port, "p000000000001.creating");
    assert_true(test_broker_find_link(test, "eth0", &device) && device.index > 0);
    device.lower_index = device.index;
    device.index = 0;
    g_strlcpy(device.kind, "macvtap", sizeof(device.kind));
    g_strlcpy(device.name, "tap2", sizeof(device.name));
    g_strlcpy(device.alias, "macvtapd:p000000000002", sizeof(device.alias));
    kernel_fake_add_link(test->kernel, &device);
}

static const UseCase use_cases[] = {
    {"create: bridge", NULL, create_bridge},
    {"create: for a domain, with a node", NULL, create_for_domain},
    {"create: VLAN devices", NULL, create_on_vlans},
    {"create: source", NULL, create_source},
    {"create: passthru, inherit", NULL, create_inherit},
    {"create: passthru, assign", NULL, create_assign},
    {"create: incoming", NULL, create_incoming},
    {"open", after_create_bridge, open_port},
    {"delete: bridge", after_create_bridge, delete_web},
    {"delete: with a node", after_create_for_domain, delete_web},
    {"delete: VLAN devices", after_create_on_vlans, delete_web},
    {"delete: passthru, assign", after_create_assign, delete_web},
    {"end domain", after_create_for_domain, end_domain},
    {"set: sources and link", after_create_source, change_port},
    {"the guest arrives", after_create_incoming, guest_arrives},
    {"the device is lost: VLAN devices", after_create_on_vlans, lose_device},
    {"the device is moved away", after_create_bridge, move_device, .is_told = TRUE},
    {"the device is moved away, and the port deleted", after_create_bridge, move_and_delete},
    {"start", after_create_for_domain, start_again},
    {"start: the device was moved away", after_create_bridge, move_and_start_again},
    {"start: incoming", after_create_incoming, start_again},
    {"start: remains", with_remains, start_again},
};

/* ---- rounds ---- */

static void
let_fail(TestBroker *test, guint failure, int errnum)
{
    const char *operation = operations[failure / CALLS_MAX];

    /* A lookup that says ENODEV tells that there is no such link: that is an answer. */
    if (errnum == ENODEV && g_str_has_prefix(operation, "link_by_"))
        errnum = ENOMEM;
    kernel_fake_fail(test->kernel, operation, 1 + failure % CALLS_MAX, errnum);
}

static void
let_go(TestBroker *test)
{
    const Caller root = test_caller(0);
    g_autoptr(GPtrArray) ports = broker_list_ports(test->broker, &root, NULL);
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);

    for (guint i = 0; i < ports->len; i++)
        g_ptr_array_add(names, g_strdup(((const Port *)ports->pdata[i])->name));
    for (guint i = 0; i < names->len; i++) {
        g_autoptr(GError) error = NULL;

        test_broker_delete(test, &root, names->pdata[i], &error);
        assert_no_error(error);
    }
    test_settle();
}

static char *
describe_remains(World *world)
{
    TestBroker *test = world->test;
    g_autoptr(GArray) links = test->kernel->ops->link_list(test->kernel, NULL);
    g_autofree char *records = test_broker_records(test);
    GString *text = g_string_new(NULL);

    if (records[0])
        g_string_append_printf(text, " records %s", records);
    for (guint i = 0; i < links->len; i++) {
        const LinkInfo *link = &g_array_index(links, LinkInfo, i);

        if (link->alias[0])
            g_string_append_printf(text, " %s (%s)", link->name, link->alias);
    }
    for (guint i = 0; i < MIN(links->len, world->links->len); i++) {
        const LinkInfo *was = &g_array_index(world->links, LinkInfo, i);
        const LinkInfo *is = &g_array_index(links, LinkInfo, i);

        if (!mac_address_equal(&was->mac, &is->mac) || was->promiscuity != is->promiscuity)
            g_string_append_printf(text, " %s has another MAC or promiscuity", was->name);
    }
    if (kernel_fake_moved_count(test->kernel) > 0)
        g_string_append(text, " a device in another network namespace");
    if (kernel_fake_node_count(test->kernel) > 0)
        g_string_append(text, " a node in /dev");
    if (test_count_descriptors() != world->n_descriptors)
        g_string_append(text, " descriptors");
    return g_string_free(text, FALSE);
}

/* Returns how many of the failures did not come about. */
static guint
play(World *world, const UseCase *use_case, const guint *failures, const int *errors, guint n)
{
    TestBroker *test = world->test;
    g_autofree char *remains = NULL;
    g_autoptr(GError) error = NULL;
    guint n_left;

    g_string_truncate(said, 0);
    if (use_case->prepare)
        use_case->prepare(test);
    for (guint i = 0; i < n; i++)
        let_fail(test, failures[i], errors[i]);
    if (!use_case->act(test, &error)) {
        assert_non_null(error);
        assert_string_not_equal(error->message, "");
    }
    test_settle();
    n_left = kernel_fake_heal(test->kernel);
    if (error && (use_case->act == start_again || use_case->act == move_and_start_again))
        restart(test);
    test_broker_create(test, 0, "other", "next");
    let_go(test);
    remains = describe_remains(world);
    if (remains[0] && said->len > 0) {
        g_free(remains);
        restart(test);
        remains = describe_remains(world);
    }
    if (remains[0]) {
        for (guint i = 0; i < n; i++)
            print_error("call %u of %s fails: %s\n", 1 + failures[i] % CALLS_MAX,
                        operations[failures[i] / CALLS_MAX], g_strerror(errors[i]));
        fail_msg("%s: there was left:%s; error: %s; log: %s", use_case->name, remains,
                 error ? error->message : "none", said->str);
    }
    return n_left;
}

/* The first failure with one errno, and the second with each. Returns whether the second came
 * about: if not, neither does a later call of the same operation. */
static gboolean
play_pair(World *world, const UseCase *use_case, const guint *failures, int first_errnum)
{
    for (guint i = 0; i < N_ERRNUMS; i++) {
        const int errors[] = {first_errnum, errnums[i]};

        if (play(world, use_case, failures, errors, 2) > 0)
            return i > 0;
        world->n_came_about++;
    }
    return TRUE;
}

static void
play_pairs(World *world, const UseCase *use_case, const gboolean *alone, guint first, int errnum)
{
    for (guint second = 0; second < N_FAILURES; second++) {
        const guint failures[] = {first, second};

        if (second == first || (alone[second] && second < first))
            continue;
        if (!play_pair(world, use_case, failures, errnum))
            second += CALLS_MAX - 1 - second % CALLS_MAX;
    }
}

static void
play_all(World *world, const UseCase *use_case)
{
    gboolean alone[N_FAILURES] = {FALSE};

    play(world, use_case, NULL, NULL, 0);
    if (!use_case->is_told)
        assert_string_equal(said->str, "");
    for (guint one = 0; one < N_FAILURES; one++) {
        if (one % CALLS_MAX == 0 || alone[one - 1])
            alone[one] = play(world, use_case, &one, errnums, 1) == 0;
    }
    for (guint one = 0; one < N_FAILURES; one++) {
        for (guint i = 0; alone[one] && i < N_ERRNUMS; i++)
            play_pairs(world, use_case, alone, one, errnums[i]);
    }
}

static void
test_pairs(void **state)
{
    World *world = *state;

    for (guint i = 0; i < G_N_ELEMENTS(use_cases); i++) {
        guint before = world->n_came_about;

        play_all(world, &use_cases[i]);
        print_message("# %s: %u pairs came about\n", use_cases[i].name,
                      world->n_came_about - before);
    }
    print_message("# %u pairs came about\n", world->n_came_about);
}

static int
set_up(void **state)
{
    const MacAddress source = {{0x52, 0x54, 0, 0, 0, 1}};
    World *world = g_new0(World, 1);
    TestBroker *test;

    said_begin();
    world->test = test = test_broker_new();
    test_broker_add_parent(test, "eth1");
    test_broker_add_network(test, "other", "eth1", MACVTAP_MODE_BRIDGE);
    test_broker_add_network(test, "inherit", "eth0", MACVTAP_MODE_PASSTHRU);
    test_broker_add_network(test, "assign", "eth0", MACVTAP_MODE_PASSTHRU)->mac = MAC_POLICY_ASSIGN;
    g_array_append_val(
        test_broker_add_network(test, "source", "eth0", MACVTAP_MODE_SOURCE)->sources, source);
    world->links = test->kernel->ops->link_list(test->kernel, NULL);
    world->n_descriptors = test_count_descriptors();
    *state = world;
    return 0;
}

static int
tear_down(void **state)
{
    World *world = *state;

    test_broker_free(world->test);
    g_array_unref(world->links);
    g_free(world);
    said_end();
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_pairs, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
