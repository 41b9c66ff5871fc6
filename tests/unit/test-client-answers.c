/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What libmacvtap makes of macvtapd's answers, good and wrong ones. */
#include "client-fixture.h"

#include <jansson.h>
#include <stdio.h>

static void
test_port(void **state)
{
    ClientFixture *fixture = *state;
    const MacvtapPort *port;
    int64_t number = 0;

    answer(fixture, "{'parameters':{'port':" PORT "}}");
    assert_int_equal(ask(fixture, MACVTAP_METHOD_GET_PORT, "port", "web"), 0);
    assert_int_equal(macvtap_request_get_n_ports(fixture->request), 1);
    port = macvtap_request_get_port(fixture->request, 0);
    assert_string_equal(macvtap_port_get_id(port), "p000000000001");
    assert_string_equal(macvtap_port_get_name(port), "web");
    assert_null(macvtap_port_get_description(port));
    assert_string_equal(macvtap_port_get_network(port), "lan");
    assert_string_equal(macvtap_port_get_parent(port), "eth0");
    assert_int_equal(macvtap_port_get_mode(port), MACVTAP_PORT_MODE_BRIDGE);
    assert_string_equal(macvtap_port_get_interface_name(port), "tap0");
    assert_string_equal(macvtap_port_get_mac_address(port), "52:54:00:00:00:01");
    assert_int_equal(macvtap_port_get_state(port), MACVTAP_PORT_STATE_ACTIVE);
    assert_int_equal(macvtap_port_get_vhost(port), MACVTAP_VHOST_AUTO);
    assert_int_equal(macvtap_port_get_interface_index(port), 7);
    assert_int_equal(macvtap_port_get_mtu(port), 1500);
    assert_int_equal(macvtap_port_get_queues(port), 2);
    assert_int_equal(macvtap_port_get_owner(port), 1000);
    assert_true(macvtap_port_get_carrier(port));
    assert_false(macvtap_port_get_link_up(port));
    assert_null(macvtap_port_get_problem(port));
    assert_int_equal(macvtap_port_get_holder(port), MACVTAP_HOLDER_PROCESS);
    assert_int_equal(macvtap_port_get_holder_pid(port), 42);
    assert_null(macvtap_port_get_holder_domain(port));
    assert_int_equal(macvtap_port_get_number(port, "holder.pid", &number), 0);
    assert_int_equal(number, 42);
    assert_int_equal(macvtap_port_get_number(port, "holder.age", &number), -ENOENT);
    assert_int_equal(macvtap_port_get_number(port, "name", &number), -EINVAL);
    assert_int_equal(number, 42);
    assert_null(macvtap_request_get_port(fixture->request, 1));
}

static void
test_what_the_guard_says(void **state)
{
    ClientFixture *fixture = *state;
    const MacvtapPort *port;

    answer(fixture, "{'parameters':{'port':{'id':'p1','name':'web','network':'lan','parent':'eth0',"
                    "'mode':'bridge','interfaceName':'tap0','interfaceIndex':7,"
                    "'macAddress':'52:54:00:00:00:01','mtu':1500,'queues':2,'owner':0,"
                    "'holder':{'type':'none'},'state':'active','dropped':{'sender':2,'ra':1},"
                    "'seenAddresses':[{'address':'192.0.2.1','how':'arp','age':12},"
                    "{'address':'fe80::1','how':'nd'}]}}}");
    assert_int_equal(ask(fixture, MACVTAP_METHOD_GET_PORT, "port", "web"), 0);
    port = macvtap_request_get_port(fixture->request, 0);
    assert_string_equal(macvtap_port_get_text(port, "dropped"), "sender 2, ra 1");
    assert_string_equal(macvtap_port_get_text(port, "seenAddresses"), "192.0.2.1 fe80::1");
    assert_int_equal(macvtap_port_get_n_seen_addresses(port), 2);
    assert_string_equal(macvtap_port_get_seen_address(port, 0), "192.0.2.1");
    assert_string_equal(macvtap_port_get_seen_address_how(port, 0), "arp");
    assert_int_equal(macvtap_port_get_seen_address_age(port, 0), 12);
    assert_int_equal(macvtap_port_get_seen_address_age(port, 1), -1);
    assert_null(macvtap_port_get_seen_address(port, 2));
    assert_null(macvtap_port_get_seen_address_how(port, 2));
}

static void
test_capture(void **state)
{
    ClientFixture *fixture = *state;
    int fd;

    answer_with(fixture,
                "{'parameters':{'port':" PORT
                ",'captureFileDescriptor':0,'reasons':['other-mac','ra']}}",
                1);
    assert_int_equal(ask(fixture, MACVTAP_METHOD_CAPTURE_PORT, "port", "web"), 0);
    expect_call(fixture, "CapturePort", "{'port':'web'}");
    assert_string_equal(macvtap_port_get_name(macvtap_request_get_port(fixture->request, 0)),
                        "web");
    fd = macvtap_request_take_capture(fixture->request);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(macvtap_request_take_capture(fixture->request), -EBADF);
    assert_int_equal(macvtap_request_get_n_reasons(fixture->request), 2);
    assert_string_equal(macvtap_request_get_reason(fixture->request, 1), "ra");
    assert_null(macvtap_request_get_reason(fixture->request, 2));

    answer(fixture, "{'parameters':{'port':" PORT ",'captureFileDescriptor':0,'reasons':[]}}");
    expect_failure(fixture, ask(fixture, MACVTAP_METHOD_CAPTURE_PORT, "port", "web"), EPROTO,
                   "no descriptor");
    assert_int_equal(macvtap_request_take_capture(fixture->request), -EBADF);
}

static void
test_statistics(void **state)
{
    ClientFixture *fixture = *state;

    answer(fixture, "{'parameters':{'networks':[],'ports':[]}}");
    assert_int_equal(ask(fixture, MACVTAP_METHOD_GET_STATISTICS, NULL, NULL), 0);
    expect_call(fixture, "GetStatistics", "");
    assert_string_equal(macvtap_request_get_statistics_json(fixture->request),
                        "{\"networks\":[],\"ports\":[]}");
}

/* The texts live as long as the port: one that was given before is the same one. */
static void
test_texts_of_a_port(void **state)
{
    ClientFixture *fixture = *state;
    MacvtapPort *port;
    const char *pid, *json;

    answer(fixture, "{'parameters':{'port':" PORT "}}");
    assert_int_equal(ask(fixture, MACVTAP_METHOD_GET_PORT, "port", "web"), 0);
    port = macvtap_request_take_port(fixture->request, 0);
    assert_null(macvtap_request_take_port(fixture->request, 0));
    assert_null(macvtap_request_take_port(fixture->request, 1));
    pid = macvtap_port_get_text(port, "holder.pid");
    json = macvtap_port_get_json(port);
    assert_string_equal(pid, "42");
    assert_string_equal(macvtap_port_get_text(port, "carrier"), "yes");
    assert_null(macvtap_port_get_text(port, "none"));
    assert_null(macvtap_port_get_text(port, ""));
    assert_ptr_equal(macvtap_port_get_text(port, "holder.pid"), pid);
    assert_ptr_equal(macvtap_port_get_json(port), json);
    assert_non_null(strstr(json, "\"id\":\"p000000000001\""));
    macvtap_port_free(port);
}

static void
test_descriptors(void **state)
{
    ClientFixture *fixture = *state;
    guint descriptors = count_descriptors();
    MacvtapPort *port;
    int fd;

    answer_with(fixture, GRANT(PORT, "[0,1]", "[3,2]"), 4);
    assert_int_equal(ask(fixture, MACVTAP_METHOD_OPEN_PORT, "port", "web"), 0);
    expect_call(fixture, "OpenPort", "{'port':'web'}");
    port = macvtap_request_take_port(fixture->request, 0);
    assert_int_equal(macvtap_port_get_n_taps(port), 2);
    assert_int_equal(macvtap_port_get_n_vhosts(port), 2);
    fd = macvtap_port_take_tap(port, 1);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    assert_int_equal(macvtap_port_take_tap(port, 1), -EBADF);
    assert_int_equal(macvtap_port_take_tap(port, 2), -EBADF);
    assert_int_equal(macvtap_port_take_vhost(port, 2), -EBADF);
    macvtap_port_free(port);
    assert_int_equal(count_descriptors(), descriptors + 1);
    close(fd);
}

/* A value that a later daemon may send. */
static void
test_values_of_later_versions(void **state)
{
    ClientFixture *fixture = *state;
    const MacvtapPort *port;

    answer(fixture, "{'parameters':{'port':{'id':'p1','name':'web','network':'lan','parent':'eth0',"
                    "'mode':'mirror','interfaceName':'tap0','interfaceIndex':7,'vhost':'vdpa',"
                    "'macAddress':'52:54:00:00:00:01','mtu':1500,'queues':2,'owner':0,"
                    "'holder':{'type':'moonlight'},'state':'paused','new':{'x':1}},'also':1}}");
    assert_int_equal(ask(fixture, MACVTAP_METHOD_GET_PORT, "port", "web"), 0);
    port = macvtap_request_get_port(fixture->request, 0);
    assert_int_equal(macvtap_port_get_mode(port), MACVTAP_PORT_MODE_UNKNOWN);
    assert_int_equal(macvtap_port_get_state(port), MACVTAP_PORT_STATE_UNKNOWN);
    assert_int_equal(macvtap_port_get_vhost(port), MACVTAP_VHOST_UNKNOWN);
    assert_int_equal(macvtap_port_get_holder(port), MACVTAP_HOLDER_UNKNOWN);
    assert_string_equal(macvtap_port_get_text(port, "mode"), "mirror");
    assert_string_equal(macvtap_port_get_text(port, "new.x"), "1");
    assert_string_equal(macvtap_port_mode_name(99), "");
    assert_string_equal(macvtap_port_mode_name(MACVTAP_PORT_MODE_SOURCE), "source");
    assert_string_equal(macvtap_port_state_name(MACVTAP_PORT_STATE_DEVICE_GONE), "device-gone");
    assert_string_equal(macvtap_vhost_name(MACVTAP_VHOST_OFF), "off");
    assert_string_equal(macvtap_holder_name(MACVTAP_HOLDER_NONE), "none");
    assert_string_equal(macvtap_event_type_name(MACVTAP_EVENT_UNKNOWN), "");
    assert_string_equal(macvtap_frames_name(MACVTAP_FRAMES_ALL), "all");
    assert_string_equal(macvtap_method_name(MACVTAP_METHOD_CREATE_PORT), "CreatePort");
    assert_string_equal(macvtap_method_name(0), "");
    assert_string_equal(macvtap_method_name(99), "");
    assert_string_equal(macvtap_refusal_name(MACVTAP_REFUSAL_OTHER), "");
    assert_string_equal(macvtap_refusal_name(99), "");
}

static void
test_networks(void **state)
{
    ClientFixture *fixture = *state;
    const MacvtapNetwork *network;
    MacvtapNetwork *taken;
    int64_t mtu = 0;

    answer(fixture, "{'parameters':{'networks':[{'name':'lan','ports':2,'mode':'vepa','mtu':1400,"
                    "'parents':['eth0','eth1'],'noPromisc':false,'parentProblems':['a','b'],"
                    "'takenVlans':['c']},{'name':'bad','ports':0,'problem':'line 3'}],"
                    "'fileChanges':['d']}}");
    assert_int_equal(ask(fixture, MACVTAP_METHOD_LIST_NETWORKS, NULL, NULL), 0);
    assert_int_equal(macvtap_request_get_n_networks(fixture->request), 2);
    network = macvtap_request_get_network(fixture->request, 0);
    assert_string_equal(macvtap_network_get_name(network), "lan");
    assert_int_equal(macvtap_network_get_mode(network), MACVTAP_PORT_MODE_VEPA);
    assert_null(macvtap_network_get_problem(network));
    assert_int_equal(macvtap_network_get_port_count(network), 2);
    assert_string_equal(macvtap_network_get_text(network, "parents"), "eth0 eth1");
    assert_string_equal(macvtap_network_get_text(network, "noPromisc"), "no");
    assert_null(macvtap_network_get_text(network, "none"));
    assert_int_equal(macvtap_network_get_number(network, "mtu", &mtu), 0);
    assert_int_equal(mtu, 1400);
    assert_int_equal(macvtap_network_get_n_parent_problems(network), 2);
    assert_string_equal(macvtap_network_get_parent_problem(network, 1), "b");
    assert_null(macvtap_network_get_parent_problem(network, 2));
    assert_int_equal(macvtap_network_get_n_taken_vlans(network), 1);
    assert_string_equal(macvtap_network_get_taken_vlan(network, 0), "c");
    assert_non_null(strstr(macvtap_network_get_json(network), "\"name\":\"lan\""));
    assert_int_equal(macvtap_request_get_n_file_changes(fixture->request), 1);
    assert_string_equal(macvtap_request_get_file_change(fixture->request, 0), "d");
    taken = macvtap_request_take_network(fixture->request, 1);
    assert_string_equal(macvtap_network_get_problem(taken), "line 3");
    assert_int_equal(macvtap_network_get_mode(taken), MACVTAP_PORT_MODE_UNKNOWN);
    assert_int_equal(macvtap_network_get_n_parent_problems(taken), 0);
    macvtap_network_free(taken);
}

static void
test_faults(void **state)
{
    ClientFixture *fixture = *state;
    const MacvtapFault *fault;

    answer(fixture, "{'parameters':{'networks':[]}}");
    assert_int_equal(ask(fixture, MACVTAP_METHOD_LIST_NETWORKS, NULL, NULL), 0);
    assert_int_equal(macvtap_request_get_n_faults(fixture->request), 0);
    assert_int_equal(macvtap_request_get_n_file_changes(fixture->request), 0);
    answer(fixture, "{'parameters':{'networks':[],'faults':[{'code':'record-set-aside','subject':"
                    "'record x','message':'m','remedy':'r'},{'code':1}]}}");
    assert_int_equal(ask(fixture, MACVTAP_METHOD_LIST_NETWORKS, NULL, NULL), 0);
    assert_int_equal(macvtap_request_get_n_faults(fixture->request), 2);
    fault = macvtap_request_get_fault(fixture->request, 0);
    assert_string_equal(macvtap_fault_get_code(fault), "record-set-aside");
    assert_string_equal(macvtap_fault_get_subject(fault), "record x");
    assert_string_equal(macvtap_fault_get_message(fault), "m");
    assert_string_equal(macvtap_fault_get_remedy(fault), "r");
    assert_string_equal(macvtap_fault_get_code(macvtap_request_get_fault(fixture->request, 1)), "");
}

static void
test_counts(void **state)
{
    static const struct {
        MacvtapMethod method;
        const char *answer, *wrong;
    } rows[] = {
        {MACVTAP_METHOD_END_DOMAIN, "{'parameters':{'ports':2}}", "{'parameters':{'ports':'2'}}"},
        {MACVTAP_METHOD_RELOAD, "{'parameters':{'networks':2}}", "{}"},
    };
    ClientFixture *fixture = *state;

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        answer(fixture, rows[i].answer);
        assert_int_equal(ask(fixture, rows[i].method, NULL, NULL), 0);
        assert_int_equal(macvtap_request_get_count(fixture->request), 2);
        answer(fixture, rows[i].wrong);
        expect_failure(fixture, ask(fixture, rows[i].method, NULL, NULL), EPROTO, "no count");
    }
}

/* The interface's errors, as its text declares them: each is one refusal of the header's. */
static void
test_every_refusal(void **state)
{
    ClientFixture *fixture = *state;
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;
    guint n = 0;

    assert_true(g_file_get_contents(getenv("MACVTAPD_INTERFACE"), &text, NULL, NULL));
    lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line; line++) {
        char name[64];
        g_autofree char *reply = NULL;
        MacvtapRefusal refusal;

        if (sscanf(*line, "error %63[A-Za-z]", name) != 1)
            continue;
        n++;
        reply = g_strdup_printf(REFUSAL("%s", "why"), name);
        answer(fixture, reply);
        assert_true(ask(fixture, MACVTAP_METHOD_DELETE_PORT, "port", "web") < 0);
        refusal = macvtap_client_get_refusal(fixture->client);
        if (refusal <= MACVTAP_REFUSAL_OTHER)
            fail_msg("%s is not known", name);
        assert_string_equal(macvtap_refusal_name(refusal), name);
        assert_string_equal(macvtap_request_get_error_name(fixture->request), name);
    }
    /* Two are errors of org.varlink.service. */
    assert_int_equal(n, MACVTAP_REFUSAL_UNKNOWN_METHOD - MACVTAP_REFUSAL_OTHER - 2);
}

static void
test_refusals(void **state)
{
    ClientFixture *fixture = *state;

    assert_int_equal(macvtap_client_get_refusal(fixture->client), MACVTAP_REFUSAL_NONE);
    answer(fixture, REFUSAL("NetworkNotFound", "there is no network none"));
    expect_failure(fixture, ask(fixture, MACVTAP_METHOD_CREATE_PORT, "network", "none"), ENOENT,
                   "there is no network none");
    assert_int_equal(macvtap_client_get_refusal(fixture->client),
                     MACVTAP_REFUSAL_NETWORK_NOT_FOUND);
    assert_int_equal(macvtap_request_get_refusal(fixture->request),
                     MACVTAP_REFUSAL_NETWORK_NOT_FOUND);
    assert_string_equal(macvtap_request_get_message(fixture->request), "there is no network none");
    assert_int_equal(macvtap_request_get_result(fixture->request), -ENOENT);
    answer(fixture, "{'error':'org.varlink.service.InvalidParameter',"
                    "'parameters':{'parameter':'network'}}");
    expect_failure(fixture, ask(fixture, MACVTAP_METHOD_CREATE_PORT, NULL, NULL), ENOTSUP,
                   "org.varlink.service.InvalidParameter network");
    assert_int_equal(macvtap_client_get_refusal(fixture->client), MACVTAP_REFUSAL_UNKNOWN_FIELD);
    answer(fixture, "{'error':'org.macvtapd.Ports.Odd'}");
    expect_failure(fixture, ask(fixture, MACVTAP_METHOD_CREATE_PORT, NULL, NULL), EREMOTEIO, "Odd");
    assert_int_equal(macvtap_client_get_refusal(fixture->client), MACVTAP_REFUSAL_OTHER);
    assert_string_equal(macvtap_request_get_error_name(fixture->request), "Odd");
    answer(fixture, "{}");
    assert_int_equal(ask(fixture, MACVTAP_METHOD_DELETE_PORT, "port", "web"), 0);
    assert_int_equal(macvtap_client_get_refusal(fixture->client), MACVTAP_REFUSAL_NONE);
    assert_null(macvtap_client_get_message(fixture->client));
    assert_null(macvtap_request_get_error_name(fixture->request));
}

/* Every field of the port is asked of the daemon; what is not there is told by its name. */
static void
test_ports_with_missing_fields(void **state)
{
    static const char *const fields[] = {
        "id",    "name",           "network", "parent", "mode",  "interfaceName", "macAddress",
        "state", "interfaceIndex", "mtu",     "queues", "owner", "holder"};
    ClientFixture *fixture = *state;

    for (guint i = 0; i < 2 * G_N_ELEMENTS(fields); i++) {
        const char *field = fields[i / 2];
        g_autofree char *text = g_strdelimit(g_strdup(PORT), "'", '"'), *reply = NULL;
        json_t *port = json_loads(text, 0, NULL), *whole;

        if (i % 2 == 0)
            json_object_del(port, field);
        else
            json_object_set_new(port, field, json_array());
        whole = json_pack("{s:{s:o,s:[],s:[]}}", "parameters", "port", port, "tapFileDescriptors",
                          "vhostFileDescriptors");
        reply = json_dumps(whole, 0);
        json_decref(whole);
        answer(fixture, reply);
        expect_failure(fixture, ask(fixture, MACVTAP_METHOD_OPEN_PORT, "port", "web"), EPROTO,
                       field);
    }
}

static void
test_wrong_grants(void **state)
{
    static const char *const replies[] = {
        "{}",
        "{'parameters':{'port':1,'tapFileDescriptors':[],'vhostFileDescriptors':[]}}",
        "{'parameters':{'port':" PORT ",'vhostFileDescriptors':[]}}",
        "{'parameters':{'port':" PORT ",'tapFileDescriptors':[]}}",
        GRANT(PORT, "{}", "[]"),
        GRANT(PORT, "0", "[]"),
        GRANT(PORT, "[2]", "[]"),
        GRANT(PORT, "[]", "[0,2]"),
        GRANT(PORT, "[-1]", "[]"),
        GRANT(PORT, "[4294967296]", "[]"),
        GRANT(PORT, "['0']", "[]"),
        GRANT(PORT, "[null]", "[]"),
        GRANT(PORT, "[0,0]", "[]"),
        GRANT(PORT, "[0]", "[0]"),
    };
    ClientFixture *fixture = *state;
    guint descriptors = count_descriptors();

    for (guint i = 0; i < G_N_ELEMENTS(replies); i++) {
        answer_with(fixture, replies[i], 2);
        if (ask(fixture, MACVTAP_METHOD_OPEN_PORT, "port", "web") >= 0)
            fail_msg("taken: %s", replies[i]);
        expect_failure(fixture, macvtap_request_get_result(fixture->request), EPROTO,
                       "malformed answer");
        assert_int_equal(macvtap_request_get_n_ports(fixture->request), 0);
        assert_int_equal(count_descriptors(), descriptors);
    }
}

static void
test_wrong_lists(void **state)
{
    static const char *const ports[] = {"{}", "{'parameters':{'ports':1}}",
                                        "{'parameters':{'ports':[1]}}",
                                        "{'parameters':{'ports':[" PORT ",{}]}}"};
    static const char *const networks[] = {"{}", "{'parameters':{'networks':{}}}",
                                           "{'parameters':{'networks':[{'name':'lan'}]}}",
                                           "{'parameters':{'networks':[{'ports':1}]}}"};
    static const char *const deleted[] = {
        "{}", "{'parameters':{'failures':1}}", "{'parameters':{'failures':[1]}}",
        "{'parameters':{'failures':[{'port':'a','error':'PortNotFound'}]}}"};
    ClientFixture *fixture = *state;

    for (guint i = 0; i < G_N_ELEMENTS(ports); i++) {
        answer(fixture, ports[i]);
        expect_failure(fixture, ask(fixture, MACVTAP_METHOD_LIST_PORTS, NULL, NULL), EPROTO,
                       "malformed answer");
        answer(fixture, networks[i]);
        expect_failure(fixture, ask(fixture, MACVTAP_METHOD_LIST_NETWORKS, NULL, NULL), EPROTO,
                       "malformed answer");
        answer(fixture, deleted[i]);
        expect_failure(fixture, ask(fixture, MACVTAP_METHOD_DELETE_PORT, "network", "lan"), EPROTO,
                       "malformed answer");
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CLIENT_TEST(test_port),
        CLIENT_TEST(test_what_the_guard_says),
        CLIENT_TEST(test_texts_of_a_port),
        CLIENT_TEST(test_capture),
        CLIENT_TEST(test_statistics),
        CLIENT_TEST(test_descriptors),
        CLIENT_TEST(test_values_of_later_versions),
        CLIENT_TEST(test_networks),
        CLIENT_TEST(test_faults),
        CLIENT_TEST(test_counts),
        CLIENT_TEST(test_every_refusal),
        CLIENT_TEST(test_refusals),
        CLIENT_TEST(test_ports_with_missing_fields),
        CLIENT_TEST(test_wrong_grants),
        CLIENT_TEST(test_wrong_lists),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
