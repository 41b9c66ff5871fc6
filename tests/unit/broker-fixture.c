/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "broker-fixture.h"

#include "file.h"

int
broker_set_up(void **state)
{
    *state = test_broker_new();
    return 0;
}

int
broker_tear_down(void **state)
{
    test_broker_free(*state);
    return 0;
}

GString *said;

static void
keep_message(const char *domain, GLogLevelFlags level, const char *text, gpointer user_data)
{
    g_string_append_printf(said, "%s\n", text);
}

void
said_begin(void)
{
    said = g_string_new(NULL);
    g_log_set_default_handler(keep_message, NULL);
}

void
said_end(void)
{
    g_log_set_default_handler(g_log_default_handler, NULL);
    g_string_free(said, TRUE);
}

int
broker_set_up_said(void **state)
{
    said_begin();
    return broker_set_up(state);
}

int
broker_tear_down_said(void **state)
{
    broker_tear_down(state);
    said_end();
    return 0;
}

const Port *
create_port(TestBroker *test, const Caller *caller, const PortRequest *request)
{
    g_autoptr(GError) error = NULL;
    g_auto(PortGrant) grant = {0};

    broker_create_port(test->broker, caller, request, &grant, &error);
    assert_no_error(error);
    return grant.port;
}

void
delete_port(TestBroker *test, const char *name)
{
    const Caller root = test_caller(0);
    g_autoptr(GError) error = NULL;

    test_broker_delete(test, &root, name, &error);
    assert_no_error(error);
    test_settle();
}

const Port *
find_port(TestBroker *test, const char *name)
{
    g_autoptr(GPtrArray) ports = broker_list_ports(test->broker, &(Caller){.uid = 0}, NULL);

    for (guint i = 0; i < ports->len; i++) {
        const Port *port = ports->pdata[i];

        if (g_str_equal(port->name, name))
            return port;
    }
    return NULL;
}

const Port *
only_port(TestBroker *test)
{
    g_autoptr(GPtrArray) ports = broker_list_ports(test->broker, &(Caller){.uid = 0}, NULL);

    assert_int_equal(ports->len, 1);
    return ports->pdata[0];
}

gboolean
has_link(TestBroker *test, const char *name)
{
    LinkInfo link;

    return test_broker_find_link(test, name, &link);
}

guint
count_devices(TestBroker *test)
{
    return kernel_fake_link_count(test->kernel) - test->n_parents;
}

void
restart(TestBroker *test)
{
    test_broker_kill(test);
    test_broker_start(test);
}

static void
check_events(TestBroker *test, const char *expected)
{
    g_autofree char *events = test_broker_take_events(test);

    assert_string_equal(events, expected);
}

void
expect_events(TestBroker *test, const char *expected)
{
    test_settle();
    check_events(test, expected);
}

void
await_events(TestBroker *test, const char *expected)
{
    while (test->events->len < strlen(expected))
        g_main_context_iteration(NULL, TRUE);
    expect_events(test, expected);
}

LinkInfo
link_at(TestBroker *test, int index)
{
    LinkInfo link;

    assert_true(test->kernel->ops->link_by_index(test->kernel, index, &link, NULL));
    return link;
}

void
set_link_mac(TestBroker *test, int index, guint8 last)
{
    LinkInfo link = link_at(test, index);

    link.mac = (MacAddress){{0x02, 0xad, 0, 0, 0, last}};
    kernel_fake_change_link(test->kernel, &link);
    test_settle();
}

guint
count_said(const char *text)
{
    guint count = 0;

    for (const char *c = said->str; (c = strstr(c, text)); c++)
        count++;
    return count;
}

/* What is refused is refused by a check as well, in the same words. */
void
expect_refused_as(TestBroker *test, const Caller *caller, const PortRequest *request,
                  PortError code, const char *text)
{
    g_autoptr(GError) checked = NULL, error = NULL;
    PortGrant grant = {0};

    assert_null(broker_check_port(test->broker, caller, request, &checked));
    test_broker_refuse(test, caller, request, code, text);
    assert_false(broker_create_port(test->broker, caller, request, &grant, &error));
    assert_string_equal(checked->message, error->message);
    assert_int_equal(checked->code, error->code);
}

void
expect_refused(TestBroker *test, const PortRequest *request, PortError code, const char *text)
{
    const Caller root = test_caller(0);

    expect_refused_as(test, &root, request, code, text);
}

static LinkEventHandler event_handler;
static gpointer event_data;

static gboolean
keep_handler(Kernel *kernel, LinkEventHandler handler, gpointer user_data, GError **error)
{
    event_handler = handler;
    event_data = user_data;
    return TRUE;
}

void
restart_without_events(TestBroker *test)
{
    static KernelOps ops;

    test_broker_kill(test);
    ops = *test->kernel->ops;
    ops.monitor = keep_handler;
    test->kernel->ops = &ops;
    test_broker_start(test);
}

void
lose_events(void)
{
    const LinkInfo nothing = {0};

    event_handler(LINK_EVENT_LOST, &nothing, event_data);
}

void
tell_link(TestBroker *test, int index)
{
    const LinkInfo link = link_at(test, index);

    event_handler(LINK_EVENT_CHANGED, &link, event_data);
}

LinkInfo
link_named(TestBroker *test, const char *name)
{
    LinkInfo link;

    if (!test_broker_find_link(test, name, &link))
        fail_msg("there is no link %s", name);
    return link;
}

guint
count_vlan_records(TestBroker *test)
{
    g_autofree char *path = g_build_filename(test->state, "vlans", NULL);
    g_autoptr(GDir) folder = g_dir_open(path, 0, NULL);
    guint count = 0;

    assert_non_null(folder);
    while (g_dir_read_name(folder))
        count++;
    return count;
}

void
expect_no_vlans(TestBroker *test)
{
    assert_int_equal(kernel_fake_link_count(test->kernel), test->n_parents);
    assert_int_equal(count_vlan_records(test), 0);
}

void
expect_no_start(TestBroker *test, const char *text)
{
    BrokerSetup setup = {.kernel = test->kernel, .mac_seed = ""};
    g_autoptr(GError) error = NULL;
    guint descriptors = test_count_descriptors();

    setup.state_fd = folder_open(test->state, &error);
    assert_no_error(error);
    assert_null(broker_new(&setup, &error));
    if (!strstr(error->message, text))
        fail_msg("'%s' is not in '%s'", text, error->message);
    assert_int_equal(test_count_descriptors(), descriptors);
}
