/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The lines that calls leave in the log, field by field. */
#include "api-fixture.h"

#include "broker-private.h"
#include "process.h"
#include "trail-bound.h"

#include <sys/prctl.h>
#include <unistd.h>

/* Each line since the last expect_lines(): a table key -> text. */
static GPtrArray *lines;

static GLogWriterOutput
keep_line(GLogLevelFlags level, const GLogField *fields, gsize n, gpointer user_data)
{
    GHashTable *line = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, g_free);

    for (gsize i = 0; i < n; i++) {
        assert_int_equal(fields[i].length, -1);
        if (!g_hash_table_insert(line, (gpointer)fields[i].key, g_strdup(fields[i].value)))
            fail_msg("%s is there twice", fields[i].key);
    }
    g_ptr_array_add(lines, line);
    return G_LOG_WRITER_HANDLED;
}

static const char *
field(guint i, const char *key)
{
    if (i >= lines->len)
        fail_msg("there are %u lines", lines->len);
    return g_hash_table_lookup(lines->pdata[i], key);
}

static void
expect_field(guint i, const char *key, const char *text)
{
    const char *found = field(i, key);

    if (!found || !g_str_equal(found, text))
        fail_msg("%s is '%s' in: %s", key, found, field(i, "MESSAGE"));
}

static void
expect_text(guint i, const char *key, const char *text)
{
    if (!strstr(field(i, key), text))
        fail_msg("'%s' is not in '%s'", text, field(i, key));
}

static void
forget_lines(guint n)
{
    if (lines->len != n)
        fail_msg("%u lines, the last: %s", lines->len,
                 lines->len ? field(lines->len - 1, "MESSAGE") : "-");
    g_ptr_array_set_size(lines, 0);
}

static char *
number(gint64 value)
{
    return g_strdup_printf("%" G_GINT64_FORMAT, value);
}

static void
expect_asker(guint i)
{
    g_autofree char *uid = number(getuid()), *pid = number(getpid());

    expect_field(i, "MACVTAPD_UID", uid);
    expect_field(i, "MACVTAPD_PID", pid);
    expect_field(i, "MACVTAPD_COMMAND", "test-trail");
    expect_text(i, "MESSAGE", "(test-trail, process ");
}

static void
expect_port(guint i)
{
    expect_field(i, "MACVTAPD_NETWORK", "lan");
    expect_field(i, "MACVTAPD_PORT", "web");
    expect_field(i, "MACVTAPD_INTERFACE", "vmweb");
    expect_field(i, "MACVTAPD_MAC", "52:54:00:00:00:07");
    assert_true(port_id_is_valid(field(i, "MACVTAPD_PORT_ID")));
}

static void
create(ApiFixture *fixture)
{
    g_auto(VarlinkReply) reply = {0};

    api_call_well(fixture, "CreatePort",
                  "{'network':'lan','name':'web','interfaceName':'vmweb','queues':2,"
                  "'macAddress':'52:54:00:00:00:07','holder':{'type':'none'}}",
                  &reply);
}

static void
test_a_ports_life(void **state)
{
    ApiFixture *fixture = *state;
    g_auto(VarlinkReply) opened = {0}, deleted = {0};

    create(fixture);
    expect_asker(0);
    expect_port(0);
    expect_field(0, "PRIORITY", "6");
    expect_field(0, "MESSAGE_ID", "a1e445fe57984a188b692d2470598850");
    expect_text(0, "MESSAGE", "port web created on lan for uid ");
    expect_text(0, "MESSAGE", ": vmweb, MAC 52:54:00:00:00:07");
    forget_lines(1);
    api_call_well(fixture, "OpenPort", "{'port':'web'}", &opened);
    expect_asker(0);
    expect_port(0);
    expect_text(0, "MESSAGE", "port web opened by uid ");
    expect_text(0, "MESSAGE", ": 2 queues");
    forget_lines(1);
    api_call_well(fixture, "DeletePort", "{'port':'web'}", &deleted);
    expect_asker(0);
    expect_port(0);
    expect_field(0, "MESSAGE_ID", "27c4025e16d84b519209abc3a4fbd637");
    expect_text(0, "MESSAGE", "port web ended on lan (vmweb): deleted by uid ");
    expect_text(0, "MACVTAPD_REASON", "deleted by uid ");
    forget_lines(1);
}

static void
drop(ApiFixture *fixture, const char *name, GuardReason reason)
{
    static const guint8 frame[14] = {[6] = 2, [11] = 9};
    Broker *broker = fixture->test->broker;

    broker->host.ops->dropped(&broker->host, port_table_find(broker->ports, name), reason, frame,
                              sizeof(frame));
}

static void
test_a_frame_is_dropped(void **state)
{
    ApiFixture *fixture = *state;
    Port *port;

    create(fixture);
    forget_lines(1);
    drop(fixture, "web", GUARD_OTHER_MAC);
    expect_port(0);
    expect_field(0, "PRIORITY", "5");
    expect_field(0, "MACVTAPD_REASON", "other-mac");
    expect_field(0, "MESSAGE",
                 "port web: dropped a frame from MAC 02:00:00:00:00:09; the port has"
                 " 52:54:00:00:00:07");
    forget_lines(1);
    port = port_table_find(fixture->test->broker->ports, "web");
    port->guard.verdict = GUARD_VERDICT_COUNT;
    drop(fixture, "web", GUARD_VLAN_TAG);
    expect_text(0, "MESSAGE", "port web: would have dropped a frame with a VLAN tag");
    forget_lines(1);
}

/* A user's ports tell so much in a minute, whatever the guests do. */
static void
test_drops_are_bounded(void **state)
{
    ApiFixture *fixture = *state;

    create(fixture);
    forget_lines(1);
    for (guint i = 0; i < TRAIL_PER_USER + 3; i++)
        drop(fixture, "web", i % GUARD_REASON_COUNT);
    forget_lines(TRAIL_PER_USER);
    varlink_client_free(fixture->client);
    g_clear_pointer(&fixture->server, varlink_server_free);
    g_clear_pointer(&fixture->api, api_free);
    fixture->client = NULL;
    expect_field(0, "MACVTAPD_COUNT", "3");
    expect_text(0, "MESSAGE",
                "guards dropped frames of 3 more kinds in that minute, not logged one by one");
    forget_lines(1);
}

static void
test_reading_leaves_nothing(void **state)
{
    static const char *const methods[] = {"ListNetworks", "ListPorts"};
    ApiFixture *fixture = *state;
    g_auto(VarlinkReply) set = {0};

    create(fixture);
    forget_lines(1);
    for (guint i = 0; i < G_N_ELEMENTS(methods); i++) {
        g_auto(VarlinkReply) reply = {0};

        api_call_well(fixture, methods[i], "{}", &reply);
    }
    api_expect_error(fixture, "ListPorts", "{'network':'none'}", "NetworkNotFound", "none");
    api_call_well(fixture, "SetPort", "{'port':'web','linkUp':false}", &set);
    forget_lines(0);
}

static void
test_refusals(void **state)
{
    static const struct {
        const char *method, *parameters, *error, *text, *network, *port;
    } rows[] = {
        {"CreatePort", "{'network':'dmz'}", "NetworkNotFound",
         " to create a port on dmz: there is no network 'dmz'", "dmz", NULL},
        {"CreatePort", "{'network':'lan','name':'web','mtu':9000}", "MtuTooLarge",
         " to create port web on lan: MTU 9000 is above", "lan", "web"},
        {"CreatePort", "{'network':'lan','queues':0}", "InvalidRequest",
         " to create a port on lan: queues", "lan", NULL},
        {"OpenPort", "{'port':'web'}", "PortNotFound", " to open port web: there is no", NULL,
         "web"},
        {"SetPort", "{'port':'web','linkUp':true}", "PortNotFound", " to change port web: there is",
         NULL, "web"},
        {"DeletePort", "{'port':'web'}", "PortNotFound", " to delete port web: there is no port",
         NULL, "web"},
    };
    ApiFixture *fixture = *state;

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        api_expect_error(fixture, rows[i].method, rows[i].parameters, rows[i].error, "");
        expect_asker(0);
        expect_field(0, "PRIORITY", "5");
        expect_text(0, "MESSAGE", "refused uid ");
        expect_text(0, "MESSAGE", rows[i].text);
        assert_true(g_str_has_suffix(field(0, "MESSAGE"), field(0, "MACVTAPD_REASON")));
        assert_int_equal(g_strcmp0(field(0, "MACVTAPD_NETWORK"), rows[i].network), 0);
        assert_int_equal(g_strcmp0(field(0, "MACVTAPD_PORT"), rows[i].port), 0);
        forget_lines(1);
    }
}

static void
test_what_is_no_parameter(void **state)
{
    ApiFixture *fixture = *state;
    g_auto(VarlinkReply) reply = {0};

    api_call(fixture, "CreatePort", "{'network':'lan','colour':'red'}", &reply);
    assert_non_null(reply.error);
    expect_field(0, "MACVTAPD_REASON", "parameter colour");
    forget_lines(1);
}

static void
test_bytes_of_strangers(void **state)
{
    ApiFixture *fixture = *state;
    char before[16];

    assert_int_equal(prctl(PR_GET_NAME, before), 0);
    assert_int_equal(prctl(PR_SET_NAME, "\x1b[2J\n\xff(x"), 0);
    api_expect_error(fixture, "OpenPort", "{'port':'a\\n\\u001b[31mb\\u009bc\\u202edef\xc3\xa4'}",
                     "PortNotFound", "");
    assert_int_equal(prctl(PR_SET_NAME, before), 0);
    expect_field(0, "MACVTAPD_COMMAND", "\\x1b[2J\\x0a\xef\xbf\xbd(x");
    expect_field(0, "MACVTAPD_PORT", "a\\x0a\\x1b[31mb\\x9bc\\u202edef\xc3\xa4");
    for (guint i = 0; i < 2; i++)
        assert_null(strpbrk(field(0, i ? "MESSAGE" : "MACVTAPD_REASON"), "\n\x1b"));
    forget_lines(1);
}

static void
test_a_long_text_is_cut(void **state)
{
    ApiFixture *fixture = *state;
    g_autofree char *name = g_strnfill(3000, 'x');
    g_autofree char *parameters = g_strdup_printf("{'port':'%s'}", name);

    api_expect_error(fixture, "OpenPort", parameters, "PortNotFound", "");
    assert_true(strlen(field(0, "MESSAGE")) < 1500);
    forget_lines(1);
}

static void
test_refusals_without_end(void **state)
{
    ApiFixture *fixture = *state;

    for (guint i = 0; i < TRAIL_PER_USER + 30; i++)
        api_expect_error(fixture, "OpenPort", "{'port':'web'}", "PortNotFound", "");
    expect_text(TRAIL_PER_USER, "MESSAGE",
                "(further ones within a minute are counted, not logged)");
    forget_lines(TRAIL_PER_USER + 1);
    /* Grants and ends are told all the same. */
    create(fixture);
    forget_lines(1);
    /* The end tells what was left out. */
    varlink_client_free(fixture->client);
    g_clear_pointer(&fixture->server, varlink_server_free);
    g_clear_pointer(&fixture->api, api_free);
    expect_text(0, "MESSAGE", " 30 more requests in that minute, not logged one by one");
    expect_field(0, "MACVTAPD_COUNT", "30");
    forget_lines(1);
    fixture->client = NULL;
}

static void
test_holders_end(void **state)
{
    ApiFixture *fixture = *state;
    TestChild child = test_child_new();
    g_autofree char *parameters = g_strdup_printf(
        "{'network':'lan','name':'web','interfaceName':'vmweb','macAddress':'52:54:00:00:00:07',"
        "'holder':{'type':'process','pid':%d}}",
        (int)child.pid);
    g_autofree char *text = g_strdup_printf("process %d has ended", (int)child.pid);
    g_auto(VarlinkReply) reply = {0};

    api_call_well(fixture, "CreatePort", parameters, &reply);
    forget_lines(1);
    test_child_end(&child);
    test_settle();
    expect_port(0);
    expect_field(0, "MACVTAPD_REASON", text);
    assert_null(field(0, "MACVTAPD_UID"));
    forget_lines(1);
}

static void
test_domains_end(void **state)
{
    ApiFixture *fixture = *state;
    g_auto(VarlinkReply) ended = {0}, again = {0};

    for (guint i = 0; i < 2; i++) {
        g_auto(VarlinkReply) made = {0};

        api_call_well(fixture, "CreatePort",
                      "{'network':'lan','holder':{'type':'domain',"
                      "'domain':'123e4567-e89b-12d3-a456-426614174000'}}",
                      &made);
    }
    forget_lines(2);
    api_call_well(fixture, "EndDomain", "{'domain':'123e4567-e89b-12d3-a456-426614174000'}",
                  &ended);
    for (guint i = 0; i < 2; i++) {
        expect_asker(i);
        expect_text(i, "MACVTAPD_REASON", "its domain has ended, according to uid ");
    }
    forget_lines(2);
    api_call_well(fixture, "EndDomain", "{'domain':'123e4567-e89b-12d3-a456-426614174000'}",
                  &again);
    forget_lines(0);
}

static void
test_a_device_is_lost_once(void **state)
{
    ApiFixture *fixture = *state;
    g_auto(VarlinkReply) deleted = {0};
    LinkInfo device, parent;

    create(fixture);
    forget_lines(1);
    assert_true(test_broker_find_link(fixture->test, "vmweb", &device));
    kernel_fake_remove_link(fixture->test->kernel, device.index);
    test_settle();
    expect_port(0);
    expect_field(0, "PRIORITY", "4");
    expect_text(0, "MESSAGE", "port web lost: its device vmweb was removed by another program");
    forget_lines(1);
    assert_true(test_broker_find_link(fixture->test, "eth0", &parent));
    g_strlcpy(parent.name, "eth9", sizeof(parent.name));
    kernel_fake_change_link(fixture->test->kernel, &parent);
    test_settle();
    forget_lines(0);
    api_call_well(fixture, "DeletePort", "{'port':'web'}", &deleted);
    forget_lines(1);
}

/* Whoever waits for an end outlives the service, and is no refusal then. */
static void
test_the_service_ends_under_a_removal(void **state)
{
    ApiFixture *fixture = *state;
    g_autofree char *name = g_strconcat(API_INTERFACE, "DeletePort", NULL);

    create(fixture);
    forget_lines(1);
    varlink_client_send(fixture->client, name, json_pack("{s:s}", "port", "web"),
                        VARLINK_CALL_PLAIN, NULL);
    while (broker_count_ports(fixture->test->broker, "lan") > 0)
        g_main_context_iteration(NULL, TRUE);
    g_clear_pointer(&fixture->server, varlink_server_free);
    g_clear_pointer(&fixture->api, api_free);
    g_clear_pointer(&fixture->test->broker, broker_free);
    forget_lines(0);
    test_broker_start(fixture->test);
    assert_non_null(
        strstr(fixture->test->messages->pdata[0], "removal of port web was interrupted"));
}

static void
test_units(void **state)
{
    static const char *const rows[][2] = {
        {"0::/user.slice/user-1000.slice/user@1000.service/app.slice/x.service\n",
         "user@1000.service"},
        {"0::/machine.slice/libpod-12.scope/evil.service\n", "libpod-12.scope"},
        {"12:pids:/a.service\n1:name=systemd:/system.slice/libvirtd.service\n0::/\n",
         "libvirtd.service"},
        {"0::/\n", ""},
        {"0::/../../x.service\n", ""},
        {"0::/made.by.hand/x.service\n", ""},
        {"1:pids:/x.service\n", ""},
        {"", ""},
    };

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *unit = process_unit(rows[i][0]);

        assert_string_equal(unit, rows[i][1]);
    }
}

static int
set_up(void **state)
{
    int r = api_set_up(state);

    g_ptr_array_set_size(lines, 0);
    return r;
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, api_tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_ports_life),
        TEST(test_a_frame_is_dropped),
        TEST(test_drops_are_bounded),
        TEST(test_reading_leaves_nothing),
        TEST(test_refusals),
        TEST(test_what_is_no_parameter),
        TEST(test_bytes_of_strangers),
        TEST(test_a_long_text_is_cut),
        TEST(test_refusals_without_end),
        TEST(test_holders_end),
        TEST(test_domains_end),
        TEST(test_a_device_is_lost_once),
        TEST(test_the_service_ends_under_a_removal),
        cmocka_unit_test(test_units),
    };
    int r;

    lines = g_ptr_array_new_with_free_func((GDestroyNotify)g_hash_table_unref);
    g_log_set_writer_func(keep_line, NULL, NULL);
    r = cmocka_run_group_tests(tests, NULL, NULL);
    g_ptr_array_unref(lines);
    return r;
}
