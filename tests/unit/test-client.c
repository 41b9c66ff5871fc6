/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libmacvtap against a scripted daemon, whose answer is written before the blocking client asks. */
#include "unit.h"

#include "macvtap.h"
#include "varlink-test.h"

#include <jansson.h>
#include <stdio.h>
#include <sys/un.h>

typedef struct Fixture {
    char *folder, *path;
    int listening, service;
    MacvtapClient *client;
} Fixture;

static int
set_up(void **state)
{
    Fixture *fixture = g_new0(Fixture, 1);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    g_autoptr(GError) error = NULL;

    fixture->folder = g_dir_make_tmp("macvtapd-test-XXXXXX", NULL);
    fixture->path = g_build_filename(fixture->folder, "socket", NULL);
    g_strlcpy(address.sun_path, fixture->path, sizeof(address.sun_path));
    fixture->listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fixture->listening, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fixture->listening, 1), 0);
    fixture->client = macvtap_client_connect(fixture->path, &error);
    assert_no_error(error);
    fixture->service = accept4(fixture->listening, NULL, NULL, SOCK_CLOEXEC);
    *state = fixture;
    return 0;
}

static int
tear_down(void **state)
{
    Fixture *fixture = *state;

    macvtap_client_free(fixture->client);
    descriptor_clear(&fixture->service);
    descriptor_clear(&fixture->listening);
    remove(fixture->path);
    remove(fixture->folder);
    g_free(fixture->path);
    g_free(fixture->folder);
    g_free(fixture);
    return 0;
}

#define PORT                                                                                       \
    "{'id':'p000000000001','name':'web','network':'lan','parent':'eth0','mode':'bridge',"          \
    "'interfaceName':'tap0','interfaceIndex':7,'macAddress':'52:54:00:00:00:01','mtu':1500,"       \
    "'queues':2,'vhost':'auto','holder':{'type':'process','pid':42},'owner':1000,"                 \
    "'state':'active','carrier':true,'macChanges':0}"
#define GRANT(port, taps, vhosts)                                                                  \
    "{'parameters':{'port':" port ",'tapFileDescriptors':" taps ",'vhostFileDescriptors':" vhosts  \
    "}}"

/* text: JSON, with ' for ". */
static void
answer_with(Fixture *fixture, const char *text, guint n_descriptors)
{
    g_autofree char *json = g_strdelimit(g_strdup(text), "'", '"');
    g_autoptr(DescriptorArray) descriptors = make_descriptors(n_descriptors);
    gssize length = (gssize)strlen(json) + 1;

    assert_int_equal(
        send_bytes(fixture->service, json, (gsize)length, n_descriptors ? descriptors : NULL),
        length);
}

static void
answer(Fixture *fixture, const char *text)
{
    answer_with(fixture, text, 0);
}

static void
expect_call(Fixture *fixture, const char *text)
{
    g_autofree char *json = g_strdelimit(g_strdup(text), "'", '"');

    expect_text(fixture->service, json);
}

static void
test_create(void **state)
{
    Fixture *fixture = *state;
    const MacvtapRequest request = {.network = "lan",
                                    .name = "web",
                                    .guest_name = "Web 1",
                                    .interface_name = "tap0",
                                    .mac_address = "52:54:00:00:00:01",
                                    .mtu = 1500,
                                    .queues = 2,
                                    .vhost = "auto",
                                    .holder = "pid:42",
                                    .no_descriptors = TRUE,
                                    .device_node = TRUE,
                                    .node_owner = 107,
                                    .node_group = 4294967294,
                                    .link_down = TRUE,
                                    .incoming = TRUE};
    guint descriptors = count_descriptors();
    g_autoptr(GError) error = NULL;
    g_autofree char *holder = NULL, *json = NULL;
    MacvtapPort *port;
    int fd;

    answer_with(fixture, GRANT(PORT, "[0,1]", "[2,3]"), 4);
    port = macvtap_client_create(fixture->client, &request, &error);
    assert_no_error(error);
    expect_call(
        fixture,
        "{'method':'org.macvtapd.Ports.CreatePort','parameters':{'network':'lan',"
        "'name':'web','guestName':'Web 1','interfaceName':'tap0','macAddress':'52:54:00:00:00:01',"
        "'vhost':'auto','mtu':1500,'queues':2,'openDescriptors':false,"
        "'linkUp':false,'incoming':true,'deviceNode':{'owner':107,'group':4294967294},"
        "'holder':{'type':'process','pid':42}}}");
    assert_string_equal(macvtap_port_get_id(port), "p000000000001");
    assert_string_equal(macvtap_port_get_name(port), "web");
    assert_string_equal(macvtap_port_get_network(port), "lan");
    assert_string_equal(macvtap_port_get_parent(port), "eth0");
    assert_string_equal(macvtap_port_get_mode(port), "bridge");
    assert_string_equal(macvtap_port_get_interface_name(port), "tap0");
    assert_string_equal(macvtap_port_get_mac_address(port), "52:54:00:00:00:01");
    assert_string_equal(macvtap_port_get_state(port), "active");
    assert_int_equal(macvtap_port_get_interface_index(port), 7);
    assert_int_equal(macvtap_port_get_mtu(port), 1500);
    assert_int_equal(macvtap_port_get_queues(port), 2);
    assert_int_equal(macvtap_port_get_owner(port), 1000);
    holder = macvtap_port_get_holder(port);
    assert_string_equal(holder, "pid:42");
    json = macvtap_port_to_json(port);
    assert_non_null(strstr(json, "\"id\":\"p000000000001\""));
    assert_int_equal(macvtap_port_get_n_taps(port), 2);
    assert_int_equal(macvtap_port_get_n_vhosts(port), 2);
    fd = macvtap_port_steal_tap(port, 1);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    assert_int_equal(macvtap_port_steal_tap(port, 1), -1);
    macvtap_port_free(port);
    assert_int_equal(count_descriptors(), descriptors + 1);
    close(fd);
}

static void
test_holders(void **state)
{
    static const char *const rows[][2] = {
        {"none", "{'type':'none'}"},
        {"descriptors", "{'type':'descriptors'}"},
        {"pid:1", "{'type':'process','pid':1}"},
        {"domain:x", "{'type':'domain','domain':'x'}"},
    };
    static const char *const bad[] = {
        "", "pid", "pid:", "pid:0", "pid:-1", "pid:99999999999", "None", "domain:\xff"};
    Fixture *fixture = *state;

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        const MacvtapRequest request = {.network = "lan", .holder = rows[i][0]};
        g_autofree char *call =
            g_strdup_printf("{'method':'org.macvtapd.Ports.CreatePort','parameters':"
                            "{'network':'lan','holder':%s}}",
                            rows[i][1]);
        g_autofree char *reply = g_strdup_printf(
            "{'parameters':{'port':{'id':'p000000000001','name':'web','network':'lan',"
            "'parent':'eth0','mode':'bridge','interfaceName':'tap0','interfaceIndex':7,"
            "'macAddress':'52:54:00:00:00:01','mtu':1500,'queues':2,'holder':%s,'owner':0,"
            "'state':'active'},'tapFileDescriptors':[],'vhostFileDescriptors':[]}}",
            rows[i][1]);
        g_autoptr(MacvtapPort) port = NULL;
        g_autofree char *holder = NULL;

        answer(fixture, reply);
        port = macvtap_client_create(fixture->client, &request, NULL);
        assert_non_null(port);
        expect_call(fixture, call);
        holder = macvtap_port_get_holder(port);
        assert_string_equal(holder, rows[i][0]);
    }
    for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
        const MacvtapRequest request = {.network = "lan", .holder = bad[i]};
        g_autoptr(GError) error = NULL;

        assert_null(macvtap_client_create(fixture->client, &request, &error));
        assert_error_cleared(&error, MACVTAP_ERROR, MACVTAP_ERROR_REFUSED,
                             "a holder is descriptors");
        expect_nothing(fixture->service);
    }
}

static void
test_fields_by_name(void **state)
{
    static const MacvtapField wanted[] = {{"queues", "2"},
                                          {"openDescriptors", "no"},
                                          {"vhost", "off"},
                                          {"holder", "domain:x"},
                                          {NULL}};
    static const MacvtapField changes[] = {{"linkUp", "down"}, {"sources", "a,b"}, {NULL}};
    static const struct {
        MacvtapField fields[2];
        const char *text;
    } bad[] = {
        {{{"colour", "red"}}, "there is no field 'colour'"},
        {{{"id", "p000000000001"}}, "there is no field 'id'"},
        {{{"holderPid", "two"}}, "a process ID must be 1 to 2147483647, not 'two'"},
        {{{"linkUp", "yes"}}, "link must be up or down, not 'yes'"},
    };
    const MacvtapRequest request = {.network = "lan", .vhost = "auto", .fields = wanted};
    Fixture *fixture = *state;
    g_autoptr(MacvtapPort) port = NULL;

    answer(fixture, GRANT(PORT, "[]", "[]"));
    port = macvtap_client_create(fixture->client, &request, NULL);
    assert_non_null(port);
    expect_call(fixture, "{'method':'org.macvtapd.Ports.CreatePort','parameters':{'network':'lan',"
                         "'vhost':'off','queues':2,'openDescriptors':false,"
                         "'holder':{'type':'domain','domain':'x'}}}");
    answer(fixture, "{'parameters':{'port':" PORT "}}");
    assert_true(macvtap_client_set(fixture->client, "web", changes, NULL));
    expect_call(fixture, "{'method':'org.macvtapd.Ports.SetPort','parameters':{'port':'web',"
                         "'linkUp':false,'sources':['a','b']}}");
    for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;

        assert_false(macvtap_client_set(fixture->client, "web", bad[i].fields, &error));
        assert_error_cleared(&error, MACVTAP_ERROR, MACVTAP_ERROR_REFUSED, bad[i].text);
        expect_nothing(fixture->service);
    }
}

static void
test_text_that_is_not_utf_8(void **state)
{
    Fixture *fixture = *state;

    answer(fixture, "{'error':'org.macvtapd.Ports.PortNotFound','parameters':{'message':'no'}}");
    assert_false(macvtap_client_delete(fixture->client, "\xff", NULL));
    expect_call(fixture, "{'method':'org.macvtapd.Ports.DeletePort','parameters':{'port':'\xef"
                         "\xbf\xbd'}}");
}

static void
test_open_and_delete(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(MacvtapPort) port = NULL;

    answer_with(fixture, GRANT(PORT, "[0]", "[]"), 1);
    port = macvtap_client_open(fixture->client, "web", 1, NULL);
    assert_non_null(port);
    expect_call(fixture, "{'method':'org.macvtapd.Ports.OpenPort','parameters':"
                         "{'port':'web','queues':1}}");
    answer(fixture, "{}");
    assert_true(macvtap_client_delete(fixture->client, "web", NULL));
    expect_call(fixture, "{'method':'org.macvtapd.Ports.DeletePort','parameters':"
                         "{'port':'web'}}");
}

static void
test_changes(void **state)
{
    static const char *const sources[] = {"52:54:00:00:00:01", NULL};
    Fixture *fixture = *state;
    g_autoptr(GError) error = NULL;

    answer(fixture, "{'parameters':{'port':" PORT "}}");
    assert_true(macvtap_client_set_sources(fixture->client, "web", sources, NULL));
    expect_call(fixture, "{'method':'org.macvtapd.Ports.SetPort','parameters':{'port':'web',"
                         "'sources':['52:54:00:00:00:01']}}");
    answer(fixture, "{'parameters':{'port':" PORT "}}");
    assert_true(macvtap_client_set_link(fixture->client, "web", TRUE, NULL));
    expect_call(fixture, "{'method':'org.macvtapd.Ports.SetPort','parameters':{'port':'web',"
                         "'linkUp':true}}");
    answer(fixture, "{'parameters':{'port':" PORT "}}");
    assert_true(macvtap_client_set_link(fixture->client, "web", FALSE, NULL));
    expect_call(fixture, "{'method':'org.macvtapd.Ports.SetPort','parameters':{'port':'web',"
                         "'linkUp':false}}");
    answer(fixture, "{'error':'org.macvtapd.Ports.HolderInvalid','parameters':{'message':'no'}}");
    assert_false(macvtap_client_set_holder_pid(fixture->client, "web", 42, &error));
    assert_error_cleared(&error, MACVTAP_ERROR, MACVTAP_ERROR_REFUSED, "no");
    expect_call(fixture, "{'method':'org.macvtapd.Ports.SetPort','parameters':{'port':'web',"
                         "'holderPid':42}}");
}

static void
test_end_domain(void **state)
{
    static const char *const wrong[] = {"{}", "{'parameters':{'ports':'2'}}"};
    Fixture *fixture = *state;
    guint n_ports = 7;

    for (guint i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_autoptr(GError) error = NULL;

        answer(fixture, wrong[i]);
        assert_false(macvtap_client_end_domain(fixture->client, "uuid", &n_ports, &error));
        assert_error_cleared(&error, MACVTAP_ERROR, MACVTAP_ERROR_PROTOCOL, "number of ports");
        expect_call(fixture, "{'method':'org.macvtapd.Ports.EndDomain','parameters':"
                             "{'domain':'uuid'}}");
    }
    assert_int_equal(n_ports, 7);
    answer(fixture, "{'parameters':{'ports':2}}");
    assert_true(macvtap_client_end_domain(fixture->client, "uuid", &n_ports, NULL));
    assert_int_equal(n_ports, 2);
}

static void
test_lists(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(GPtrArray) ports = NULL, counted = NULL, networks = NULL;
    g_autofree char *parents = NULL, *none = NULL, *maximum = NULL, *promiscuous = NULL;

    answer(fixture, "{'parameters':{'ports':[" PORT "," PORT "]}}");
    ports = macvtap_client_list_ports(fixture->client, "lan", NULL);
    assert_int_equal(ports->len, 2);
    assert_int_equal(macvtap_port_get_n_taps(ports->pdata[1]), 0);
    expect_call(fixture,
                "{'method':'org.macvtapd.Ports.ListPorts','parameters':{'network':'lan'}}");
    answer(fixture, "{'parameters':{'ports':[]}}");
    counted = macvtap_client_list_ports_full(fixture->client, NULL, TRUE, NULL);
    assert_int_equal(counted->len, 0);
    expect_call(fixture,
                "{'method':'org.macvtapd.Ports.ListPorts','parameters':{'statistics':true}}");
    answer(fixture, "{'parameters':{'networks':[{'name':'lan','ports':2,'mode':'vepa','mtu':1400,"
                    "'parents':['eth0','eth1'],'noPromisc':false},"
                    "{'name':'bad','ports':0,'problem':'line 3'}]}}");
    networks = macvtap_client_list_networks(fixture->client, NULL);
    assert_int_equal(networks->len, 2);
    assert_string_equal(macvtap_network_get_name(networks->pdata[0]), "lan");
    assert_string_equal(macvtap_network_get_mode(networks->pdata[0]), "vepa");
    assert_null(macvtap_network_get_problem(networks->pdata[0]));
    assert_int_equal(macvtap_network_get_n_ports(networks->pdata[0]), 2);
    parents = macvtap_network_get_text(networks->pdata[0], "parents");
    assert_string_equal(parents, "eth0 eth1");
    none = macvtap_network_get_text(networks->pdata[0], "none");
    assert_string_equal(none, "");
    maximum = macvtap_network_get_text(networks->pdata[0], "mtu");
    assert_string_equal(maximum, "1400");
    promiscuous = macvtap_network_get_text(networks->pdata[0], "noPromisc");
    assert_string_equal(promiscuous, "no");
    assert_string_equal(macvtap_network_get_problem(networks->pdata[1]), "line 3");
    assert_null(macvtap_network_get_mode(networks->pdata[1]));
}

static void
collect_failure(const char *port, const char *message, gpointer user_data)
{
    g_string_append_printf(user_data, "%s: %s\n", port, message);
}

/* As many as a message may hold, so that any user's are taken. */
static void
test_delete_several(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GString) failures = g_string_new(NULL);
    g_autoptr(GError) error = NULL;

    for (guint i = 0; i < 200; i++)
        g_ptr_array_add(names, g_strdup_printf("%040u", i));
    g_ptr_array_add(names, NULL);
    answer(fixture, "{'parameters':{'deleted':80,'failures':[{'port':'a','error':'PortNotFound',"
                    "'message':'there is none'}]}}");
    macvtap_client_set_timeout(fixture->client, 0);
    assert_false(macvtap_client_delete_ports(fixture->client, (const char *const *)names->pdata,
                                             collect_failure, failures, &error));
    assert_error_cleared(&error, MACVTAP_ERROR, MACVTAP_ERROR_TIMED_OUT, "does not answer");
    assert_string_equal(failures->str, "a: there is none\n");
    for (guint i = 0, n = 0; i < 2; i++) {
        char text[5000];
        gssize length = recv(fixture->service, text, sizeof(text), MSG_PEEK);

        assert_true(length > 0 && memchr(text, '\0', (gsize)length));
        length = (gssize)strlen(text) + 1;
        assert_true(length <= 4096);
        assert_int_equal(recv(fixture->service, text, (gsize)length, 0), length);
        for (const char *c = text; (c = strstr(c, "\"00000")); c++)
            n++;
        assert_int_equal(n, 81 * (i + 1));
    }
}

static void
test_delete_network(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(GString) failures = g_string_new(NULL);
    g_autoptr(GError) error = NULL;

    answer(fixture, "{'parameters':{'deleted':3,'failures':[]}}");
    assert_true(
        macvtap_client_delete_network(fixture->client, "lan", collect_failure, failures, NULL));
    expect_call(fixture,
                "{'method':'org.macvtapd.Ports.DeletePort','parameters':{'network':'lan'}}");
    answer(fixture, "{'parameters':{'deleted':3}}");
    assert_false(
        macvtap_client_delete_network(fixture->client, NULL, collect_failure, failures, &error));
    assert_error_cleared(&error, MACVTAP_ERROR, MACVTAP_ERROR_PROTOCOL, "no list of failures");
    expect_call(fixture, "{'method':'org.macvtapd.Ports.DeletePort','parameters':{'all':true}}");
}

static void
test_check(void **state)
{
    Fixture *fixture = *state;
    const MacvtapRequest request = {.network = "lan", .no_descriptors = TRUE, .holder = "none"};
    const MacvtapRequest wrong = {.network = "lan", .holder = "pid:x"};
    g_autoptr(MacvtapPort) port = NULL;
    g_autoptr(GError) error = NULL;

    answer(fixture, GRANT(PORT, "[]", "[]"));
    port = macvtap_client_check(fixture->client, &request, &error);
    assert_no_error(error);
    assert_string_equal(macvtap_port_get_mac_address(port), "52:54:00:00:00:01");
    expect_call(fixture, "{'method':'org.macvtapd.Ports.CreatePort','parameters':{'network':'lan',"
                         "'openDescriptors':false,'holder':{'type':'none'},'checkOnly':true}}");
    assert_null(macvtap_client_check(fixture->client, &wrong, &error));
    assert_error_cleared(&error, MACVTAP_ERROR, MACVTAP_ERROR_REFUSED, "not 'pid:x'");
}

static void
test_get_port(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(MacvtapPort) port = NULL, counted = NULL;
    g_autoptr(GError) error = NULL;

    answer(fixture, "{'parameters':{'port':" PORT "}}");
    port = macvtap_client_get_port(fixture->client, "web", FALSE, NULL);
    assert_string_equal(macvtap_port_get_id(port), "p000000000001");
    assert_int_equal(macvtap_port_get_n_taps(port), 0);
    expect_call(fixture, "{'method':'org.macvtapd.Ports.GetPort','parameters':{'port':'web'}}");
    answer(fixture, "{'parameters':{'port':" PORT "}}");
    counted = macvtap_client_get_port(fixture->client, "web", TRUE, NULL);
    assert_non_null(counted);
    expect_call(fixture, "{'method':'org.macvtapd.Ports.GetPort','parameters':{'port':'web',"
                         "'statistics':true}}");
    answer(fixture, "{'parameters':{}}");
    assert_null(macvtap_client_get_port(fixture->client, "web", FALSE, &error));
    assert_error_cleared(&error, MACVTAP_ERROR, MACVTAP_ERROR_PROTOCOL, "answer is wrong");
}

static void
test_refusals(void **state)
{
    Fixture *fixture = *state;
    const MacvtapRequest request = {.network = "none"};
    g_autoptr(GError) error = NULL;

    assert_null(macvtap_client_get_refusal(fixture->client));
    answer(fixture, "{'error':'org.macvtapd.Ports.NetworkNotFound',"
                    "'parameters':{'message':'there is no network none'}}");
    assert_null(macvtap_client_create(fixture->client, &request, &error));
    assert_string_equal(error->message, "there is no network none");
    assert_error_cleared(&error, MACVTAP_ERROR, MACVTAP_ERROR_REFUSED, "none");
    assert_string_equal(macvtap_client_get_refusal(fixture->client), "NetworkNotFound");
    answer(fixture, "{'error':'org.varlink.service.InvalidParameter',"
                    "'parameters':{'parameter':'network'}}");
    assert_null(macvtap_client_create(fixture->client, &request, &error));
    assert_error_cleared(&error, MACVTAP_ERROR, MACVTAP_ERROR_REFUSED,
                         "org.varlink.service.InvalidParameter network");
    answer(fixture, "{'error':'org.macvtapd.Ports.Odd'}");
    assert_null(macvtap_client_create(fixture->client, &request, &error));
    assert_error_cleared(&error, MACVTAP_ERROR, MACVTAP_ERROR_REFUSED, "Odd");
    answer(fixture, "{}");
    assert_true(macvtap_client_delete(fixture->client, "web", NULL));
    assert_null(macvtap_client_get_refusal(fixture->client));
}

/* Every field of the port is asked of the daemon; what is not there is told by its name. */
static void
test_ports_with_missing_fields(void **state)
{
    static const char *const fields[] = {
        "id",    "name",           "network", "parent", "mode",  "interfaceName", "macAddress",
        "state", "interfaceIndex", "mtu",     "queues", "owner", "holder"};
    Fixture *fixture = *state;

    for (guint i = 0; i < 2 * G_N_ELEMENTS(fields); i++) {
        const char *field = fields[i / 2];
        g_autofree char *text = g_strdelimit(g_strdup(PORT), "'", '"'), *reply = NULL;
        json_t *port = json_loads(text, 0, NULL), *whole;
        g_autoptr(GError) error = NULL;

        if (i % 2 == 0)
            json_object_del(port, field);
        else
            json_object_set_new(port, field, json_array());
        whole = json_pack("{s:{s:o,s:[],s:[]}}", "parameters", "port", port, "tapFileDescriptors",
                          "vhostFileDescriptors");
        reply = json_dumps(whole, 0);
        json_decref(whole);
        answer(fixture, reply);
        assert_null(macvtap_client_open(fixture->client, "web", 0, &error));
        assert_error_cleared(&error, MACVTAP_ERROR, MACVTAP_ERROR_PROTOCOL, field);
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
    Fixture *fixture = *state;
    guint descriptors = count_descriptors();

    for (guint i = 0; i < G_N_ELEMENTS(replies); i++) {
        g_autoptr(GError) error = NULL;

        answer_with(fixture, replies[i], 2);
        if (macvtap_client_open(fixture->client, "web", 0, &error))
            fail_msg("taken: %s", replies[i]);
        assert_error_cleared(&error, MACVTAP_ERROR, MACVTAP_ERROR_PROTOCOL, "answer is wrong");
        assert_int_equal(count_descriptors(), descriptors);
    }
}

static void
test_wrong_lists(void **state)
{
    static const char *const ports[] = {"{}", "{'parameters':{'ports':1}}",
                                        "{'parameters':{'ports':[1]}}",
                                        "{'parameters':{'ports':[{}]}}"};
    static const char *const networks[] = {"{}", "{'parameters':{'networks':{}}}",
                                           "{'parameters':{'networks':[{'name':'lan'}]}}",
                                           "{'parameters':{'networks':[{'ports':1}]}}"};
    Fixture *fixture = *state;

    for (guint i = 0; i < G_N_ELEMENTS(ports); i++) {
        g_autoptr(GError) error = NULL;

        answer(fixture, ports[i]);
        assert_null(macvtap_client_list_ports(fixture->client, NULL, &error));
        assert_error_cleared(&error, MACVTAP_ERROR, MACVTAP_ERROR_PROTOCOL, "answer is wrong");
        answer(fixture, networks[i]);
        assert_null(macvtap_client_list_networks(fixture->client, &error));
        assert_error_cleared(&error, MACVTAP_ERROR, MACVTAP_ERROR_PROTOCOL, "answer is wrong");
    }
}

static void
test_watch(void **state)
{
    Fixture *fixture = *state;
    const char *event = NULL;
    MacvtapPort *port = NULL;
    g_autoptr(GError) error = NULL;

    answer(fixture, "{'parameters':{'event':'ready'},'continues':true}");
    assert_true(macvtap_client_watch(fixture->client, &error));
    expect_call(fixture, "{'method':'org.macvtapd.Ports.WatchPorts','more':true}");
    answer(fixture, "{'parameters':{'event':'created','port':" PORT "},'continues':true}");
    assert_true(macvtap_client_next_event(fixture->client, &event, &port, &error));
    assert_string_equal(event, "created");
    assert_string_equal(macvtap_port_get_name(port), "web");
    macvtap_port_free(port);
    assert_true(macvtap_client_get_fd(fixture->client) >= 0);
    answer(fixture, "{'parameters':{'event':'deleted'},'continues':true}");
    assert_false(macvtap_client_next_event(fixture->client, &event, &port, &error));
    assert_error_cleared(&error, MACVTAP_ERROR, MACVTAP_ERROR_PROTOCOL, "answer is wrong");
    answer(fixture, "{'parameters':{'port':" PORT "},'continues':true}");
    assert_false(macvtap_client_next_event(fixture->client, &event, &port, &error));
    assert_error_cleared(&error, MACVTAP_ERROR, MACVTAP_ERROR_PROTOCOL, "event");
    descriptor_clear(&fixture->service);
    assert_false(macvtap_client_next_event(fixture->client, &event, &port, &error));
    assert_error_cleared(&error, MACVTAP_ERROR, MACVTAP_ERROR_PROTOCOL, "closed the connection");
}

static void
test_refused_watch(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(GError) error = NULL;

    answer(fixture, "{'error':'org.varlink.service.MethodNotFound'}");
    assert_false(macvtap_client_watch(fixture->client, &error));
    assert_error_cleared(&error, MACVTAP_ERROR, MACVTAP_ERROR_REFUSED, "MethodNotFound");
    assert_string_equal(macvtap_client_get_refusal(fixture->client),
                        "org.varlink.service.MethodNotFound");
}

static void
test_broken_protocol(void **state)
{
    static const char *const replies[] = {"{", "[]", "{'parameters':[]}", "{'x':1}"};

    for (guint i = 0; i < G_N_ELEMENTS(replies); i++) {
        void *inner = NULL;
        g_autoptr(GError) error = NULL;

        set_up(&inner);
        answer(inner, replies[i]);
        assert_false(macvtap_client_delete(((Fixture *)inner)->client, "web", &error));
        assert_error_cleared(&error, MACVTAP_ERROR, MACVTAP_ERROR_PROTOCOL, "connection");
        /* Nothing more is to be had from it. */
        assert_false(macvtap_client_delete(((Fixture *)inner)->client, "web", &error));
        assert_error_cleared(&error, MACVTAP_ERROR, MACVTAP_ERROR_PROTOCOL, "connection");
        tear_down(&inner);
    }
}

static void
test_closed_connection(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(GError) error = NULL;

    send_bytes(fixture->service, "{\"par", 6, NULL);
    descriptor_clear(&fixture->service);
    assert_false(macvtap_client_delete(fixture->client, "web", &error));
    assert_error_cleared(&error, MACVTAP_ERROR, MACVTAP_ERROR_PROTOCOL, "closed the connection");
}

static void
test_timeout(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(GError) error = NULL;

    macvtap_client_set_timeout(fixture->client, 1);
    assert_false(macvtap_client_delete(fixture->client, "web", &error));
    assert_error_cleared(&error, MACVTAP_ERROR, MACVTAP_ERROR_TIMED_OUT, "does not answer");
}

static void
test_unreachable(void **state)
{
    Fixture *fixture = *state;
    g_autofree char *long_path = g_strnfill(200, 'x');
    g_autoptr(GError) error = NULL;
    const char *paths[] = {fixture->folder, "/nonexistent/socket", long_path, fixture->path};

    descriptor_clear(&fixture->listening);
    for (guint i = 0; i < G_N_ELEMENTS(paths); i++) {
        assert_null(macvtap_client_connect(paths[i], &error));
        assert_error_cleared(&error, MACVTAP_ERROR, MACVTAP_ERROR_UNREACHABLE, "is it running?");
    }
}

static void
test_socket_of_the_environment(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(MacvtapClient) client = NULL;
    g_autoptr(GError) error = NULL;

    g_setenv("MACVTAPD_SOCKET", fixture->path, TRUE);
    client = macvtap_client_connect(NULL, &error);
    assert_no_error(error);
    g_setenv("MACVTAPD_SOCKET", "/nonexistent/socket", TRUE);
    assert_null(macvtap_client_connect(NULL, &error));
    assert_error_cleared(&error, MACVTAP_ERROR, MACVTAP_ERROR_UNREACHABLE, "/nonexistent/socket");
    g_unsetenv("MACVTAPD_SOCKET");
}

static void
test_nothing_to_free(void **state)
{
    macvtap_client_free(NULL);
    macvtap_port_free(NULL);
    macvtap_network_free(NULL);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

static void
test_faults(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(GPtrArray) none = NULL, faults = NULL;
    const MacvtapFault *fault;

    answer(fixture, "{'parameters':{'networks':[]}}");
    none = macvtap_client_list_faults(fixture->client, NULL);
    assert_int_equal(none->len, 0);
    answer(fixture, "{'parameters':{'networks':[],'faults':[{'code':'record-set-aside','subject':"
                    "'record x','message':'m','remedy':'r'},{'code':1}]}}");
    faults = macvtap_client_list_faults(fixture->client, NULL);
    assert_int_equal(faults->len, 2);
    fault = faults->pdata[0];
    assert_string_equal(fault->code, "record-set-aside");
    assert_string_equal(fault->subject, "record x");
    assert_string_equal(fault->message, "m");
    assert_string_equal(fault->remedy, "r");
    assert_string_equal(((const MacvtapFault *)faults->pdata[1])->remedy, "");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_create),
        TEST(test_faults),
        TEST(test_holders),
        TEST(test_fields_by_name),
        TEST(test_text_that_is_not_utf_8),
        TEST(test_open_and_delete),
        TEST(test_changes),
        TEST(test_end_domain),
        TEST(test_lists),
        TEST(test_delete_several),
        TEST(test_delete_network),
        TEST(test_check),
        TEST(test_get_port),
        TEST(test_refusals),
        TEST(test_ports_with_missing_fields),
        TEST(test_wrong_grants),
        TEST(test_wrong_lists),
        TEST(test_watch),
        TEST(test_refused_watch),
        cmocka_unit_test(test_broken_protocol),
        TEST(test_closed_connection),
        TEST(test_timeout),
        TEST(test_unreachable),
        TEST(test_socket_of_the_environment),
        cmocka_unit_test(test_nothing_to_free),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
