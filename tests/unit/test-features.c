/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The features of a port without a broker: what they ask of their host, and when. */
#include "unit.h"

#include "fake.h"
#include "port-error.h"
#include "port-features.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* A host that writes down what it is asked for, and a port in its table. */
typedef struct Fixture {
    FeatureHost host;
    Port *port;     /* the table's */
    GString *asked; /* "WHAT NAME\n"… */
    gboolean cannot_record;
} Fixture;

static Fixture *
fixture_of(FeatureHost *host)
{
    return (Fixture *)((char *)host - offsetof(Fixture, host));
}

static void
note(FeatureHost *host, const char *what, const char *name)
{
    g_string_append_printf(fixture_of(host)->asked, "%s %s\n", what, name);
}

static gboolean
host_record(FeatureHost *host, const Port *port, GError **error)
{
    note(host, "record", port->name);
    return !fixture_of(host)->cannot_record || port_error_set(error, PORT_ERROR_SYSTEM, "no space");
}

static void
host_save(FeatureHost *host, Port *port)
{
    note(host, "save", port->name);
}

static gboolean
host_is_damaged(FeatureHost *host, const char *id)
{
    note(host, "is damaged", id);
    return TRUE;
}

static const Network *
host_network(FeatureHost *host, const Port *port)
{
    return NULL;
}

static void
host_look(FeatureHost *host, Port *port)
{
    note(host, "look", port->name);
}

static void
host_look_later(FeatureHost *host, Port *port)
{
    note(host, "look later", port->name);
}

static void
host_emit(FeatureHost *host, const Port *port)
{
    note(host, "emit", port->name);
}

static void
host_end_ports(FeatureHost *host, const char *const *port_ids)
{
    for (; *port_ids; port_ids++)
        note(host, "end", *port_ids);
}

static const FeatureHostOps ops = {
    .record = host_record,
    .save = host_save,
    .is_damaged = host_is_damaged,
    .network = host_network,
    .look = host_look,
    .look_later = host_look_later,
    .emit = host_emit,
    .end_ports = host_end_ports,
};

static Port *
add_port(Fixture *fixture, int index, const char *name)
{
    Port *port = port_new();

    port->id = g_strdup_printf("p%012x", (guint)index);
    port->name = g_strdup(name);
    port->network = g_strdup("lan");
    port->parent = g_strdup("eth0");
    port->parent_index = 1;
    port->interface_index = index;
    g_snprintf(port->interface_name, sizeof(port->interface_name), "tap%d", index);
    port->mac = (MacAddress){{0x52, 0x54, 0, 0, 0, (guint8)index}};
    port->mode = MACVTAP_MODE_SOURCE;
    port->holder.type = HOLDER_DESCRIPTORS;
    port->state = PORT_STATE_ACTIVE;
    port_table_add(fixture->host.ports, port);
    return port;
}

static int
set_up(void **state)
{
    Fixture *fixture = g_new0(Fixture, 1);
    const LinkInfo parent = {.index = 1, .name = "eth0", .mtu = 1500};
    MacvtapSpec spec = {.name = "tap7", .index = 7, .parent_index = 1, .mode = MACVTAP_MODE_SOURCE};
    LinkInfo device;

    fixture->asked = g_string_new(NULL);
    fixture->host =
        (FeatureHost){.ops = &ops, .kernel = kernel_fake_new(), .ports = port_table_new()};
    kernel_fake_add_link(fixture->host.kernel, &parent);
    fixture->port = add_port(fixture, 7, "web");
    assert_true(
        fixture->host.kernel->ops->macvtap_create(fixture->host.kernel, &spec, &device, NULL));
    assert_true(features_start(&fixture->host, NULL));
    assert_true(features_load(&fixture->host, NULL));
    *state = fixture;
    return 0;
}

static int
tear_down(void **state)
{
    Fixture *fixture = *state;

    features_stop(&fixture->host);
    kernel_free(fixture->host.kernel);
    port_table_free(fixture->host.ports);
    g_string_free(fixture->asked, TRUE);
    g_free(fixture);
    return 0;
}

static void
expect_asked(Fixture *fixture, const char *expected)
{
    assert_string_equal(fixture->asked->str, expected);
    g_string_truncate(fixture->asked, 0);
}

static void
open_queue(Fixture *fixture, DescriptorArray *queues)
{
    Kernel *kernel = fixture->host.kernel;
    LinkInfo device;

    assert_true(kernel->ops->link_by_index(kernel, fixture->port->interface_index, &device, NULL));
    assert_true(kernel->ops->tap_open(kernel, &device, fixture->port->id, 1, FALSE, queues, NULL));
    features_opened(&fixture->host, fixture->port);
}

static void
test_last_queue_ends_the_port(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(DescriptorArray) queues = descriptor_array_new();
    gboolean lives = FALSE;

    open_queue(fixture, queues);
    open_queue(fixture, queues);
    assert_int_equal(fixture->port->open_queues, 2);
    assert_true(features_lives(&fixture->host, fixture->port, &lives, NULL));
    assert_true(lives);
    expect_asked(fixture, "");
    close(descriptor_array_steal(queues, 0));
    while (g_main_context_iteration(NULL, FALSE))
        ;
    expect_asked(fixture, "emit web\n");
    g_array_set_size(queues, 0);
    while (g_main_context_iteration(NULL, FALSE))
        ;
    expect_asked(fixture, "end p000000000007\n");
    assert_true(features_lives(&fixture->host, fixture->port, &lives, NULL));
    assert_false(lives);
}

static void
test_queues_of_a_damaged_record_stay(void **state)
{
    Fixture *fixture = *state;
    Kernel *kernel = fixture->host.kernel;
    g_autoptr(DescriptorArray) queues = descriptor_array_new();

    open_queue(fixture, queues);
    port_table_remove(fixture->host.ports, fixture->port);
    features_loaded(&fixture->host);
    expect_asked(fixture, "is damaged p000000000007\n");
    assert_int_equal(kernel->ops->queue_count(kernel, "p000000000007"), 1);
}

static void
test_sources_are_recorded_before_they_are_set(void **state)
{
    Fixture *fixture = *state;
    const Caller root = {.uid = 0, .pidfd = -1};
    const MacAddress source = {{0x52, 0x54, 0, 0, 0, 1}};
    g_autoptr(GArray) sources = g_array_new(FALSE, FALSE, sizeof(MacAddress));
    const PortChange change = {.port = (char *)"web", .sources = sources};
    GError *error = NULL;

    g_array_append_val(sources, source);
    fixture->cannot_record = TRUE;
    assert_false(features_change(&fixture->host, &root, fixture->port, &change, &error));
    assert_error_cleared(&error, PORT_ERROR, PORT_ERROR_SYSTEM, "no space");
    expect_asked(fixture, "record web\nsave web\n");
    assert_null(fixture->port->sources);
    assert_int_equal(kernel_fake_sources(fixture->host.kernel, 7)->len, 0);
    fixture->cannot_record = FALSE;
    assert_true(features_change(&fixture->host, &root, fixture->port, &change, NULL));
    expect_asked(fixture, "record web\n");
    assert_int_equal(kernel_fake_sources(fixture->host.kernel, 7)->len, 1);
}

static void
test_mtu_follows_the_parent(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(Network) network = network_new("lan");
    PortRequest request = {.mtu = 9000};
    const LinkInfo parent = {.index = 1, .name = "eth0", .mtu = 1500};
    const Caller root = {.uid = 0, .pidfd = -1};
    GError *error = NULL;
    NewPort new;

    new_port_init(&new, &root, &request);
    new.network = network;
    new.port = fixture->port;
    assert_false(features_choose(&fixture->host, &new, &parent, &error));
    assert_error_cleared(&error, PORT_ERROR, PORT_ERROR_MTU_TOO_LARGE, "9000 is above eth0's 1500");
    request.mtu = 0;
    assert_true(features_choose(&fixture->host, &new, &parent, NULL));
    assert_int_equal(fixture->port->mtu, 1500);
    new_port_clear(&new);
    features_on_parent(&fixture->host, fixture->port, &parent);
    expect_asked(fixture, "");
    features_on_parent(&fixture->host, fixture->port, &(LinkInfo){.index = 1, .mtu = 1400});
    expect_asked(fixture, "look web\n");
}

/* A daemon that could not start stops what it had started. */
static void
test_start_that_fails(void **state)
{
    g_autoptr(PortTable) ports = port_table_new();
    FeatureHost host = {.ops = &ops, .kernel = kernel_fake_new(), .ports = ports};

    kernel_fake_fail(host.kernel, "watch_announcements", 1, EPERM);
    assert_false(features_start(&host, NULL));
    features_stop(&host);
    features_stop(&host);
    kernel_free(host.kernel);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_last_queue_ends_the_port, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_queues_of_a_damaged_record_stay, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_sources_are_recorded_before_they_are_set, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_mtu_follows_the_parent, set_up, tear_down),
        cmocka_unit_test(test_start_that_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
